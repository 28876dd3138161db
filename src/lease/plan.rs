//! How large a slice is: generous while there is room, one request's near a limit.
//!
//! Always holds: what is planned fits every limit together with what all others may have in use.
//! Absent on purpose: keeping it, and whom to recall (`pool`).

use std::collections::BTreeMap;

use super::holder::{Held, Holder};
use super::pool::{Pool, Terms, soon};
use super::{Amount, Ask, Lease, Need, Room, Share};
use crate::user::command::Limits;
use crate::user::refusal::Refusal;

/// How long a slice may be used while at least so many eighths of every limit are free, ms.
const LIVES: [(u64, u64); 3] = [(4, 900_000), (2, 60_000), (1, 10_000)];
/// How long a user of a project without limits may go on without asking, ms: it has a lease so that the project knows whom to tell
/// of a change.
const UNLIMITED_MS: u64 = 300_000;
/// How long the slice of a single request may be used, ms: as long as the answer may be on its way.
const SINGLE_MS: u64 = 2_000;
/// What a user is told to wait for a place, ms: one may be free at any time.
const PLACE_AFTER_MS: u64 = 1_000;
/// With much room a slice of requests is for so many more than twice what is used.
const FEW: u64 = 3;
/// With much room a budget's slice is for so many more requests like the one that is asked for.
const AHEAD: u64 = 16;
/// Near a limit a stream that can ask for more gets one part in so many of what is left.
const PARTS: u64 = 10;

/// What a slice is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Request,
    Extension,
    Renewal,
}

/// A slice that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub rate: Option<u64>,
    pub places: Option<u64>,
    pub granted: BTreeMap<Share, u64>,
    /// Eighths of the tightest limit that are left beside it.
    free: u64,
    /// All that was asked for is in it.
    pub whole: bool,
    /// It keeps the life of the slice before: how much of it is left, ms.
    left_ms: Option<u64>,
}

impl Plan {
    /// Whether it covers more than one request.
    pub fn is_generous(&self) -> bool {
        self.free > 0
    }

    /// The lease that gives it.
    pub fn lease(self, holder: &Holder, terms: &Terms, room: Room) -> Lease {
        let unlimited = terms.limits == Limits::default();
        let by_room = LIVES.into_iter().find(|(free, _)| self.free >= *free).map_or(SINGLE_MS, |(_, ms)| ms);
        let life = if unlimited { UNLIMITED_MS } else { by_room };
        Lease {
            epoch: holder.epoch,
            grant: holder.grant + 1,
            version: terms.version,
            ttl_ms: self.left_ms.unwrap_or(life),
            rate: self.rate,
            places: self.places,
            span: terms.span,
            granted: self.granted,
            tight: self.free == 0 || (self.left_ms.is_some() && holder.single),
            room,
        }
    }
}

/// How much is given beyond what the request needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Generous,
    Single,
}

/// One sliding limit as one user sees it.
struct Sliding {
    limit: u64,
    /// What the others may have in use.
    others: u64,
    /// What the user has in use, with the new request.
    least: u64,
    /// More is of no use to it.
    own: Option<u64>,
    /// What it may have in use already.
    held: u64,
}

impl Sliding {
    /// The slice and the eighths that are left; `None` if it does not fit.
    fn slice(&self, active: u64, manner: Manner) -> Option<(u64, u64)> {
        let room = self.limit.saturating_sub(self.others).checked_sub(self.least)?;
        let spare = match manner {
            // As much again as it uses, and a few: who needs more asks again, and gets twice that.
            Manner::Generous => {
                let own = self.own.map_or(u64::MAX, |own| own.saturating_sub(self.least));
                (self.least + FEW).min(own).min(fair(room, self.limit / 4, active))
            }
            Manner::Single => 0,
        };
        let slice = self.least + spare;
        Some((slice, eighths(self.limit.saturating_sub(self.others).saturating_sub(slice.max(self.held)), self.limit)))
    }
}

impl Pool {
    /// The slice for an ask whose report is taken in.
    pub(super) fn plan(&self, ask: &Ask, need: &Need, purpose: Purpose, terms: &Terms, now: u64) -> Result<Plan, Refusal> {
        let generous = self.sized(ask, need, purpose, terms, now, Manner::Generous)?;
        if generous.is_generous() {
            Ok(generous)
        } else {
            self.sized(ask, need, purpose, terms, now, Manner::Single).map(|plan| Plan { free: 0, ..plan })
        }
    }

    fn sized(&self, ask: &Ask, need: &Need, purpose: Purpose, terms: &Terms, now: u64, manner: Manner) -> Result<Plan, Refusal> {
        let (mine, others) = (self.holder(&ask.user), &self.others);
        let mut plan = Plan { rate: None, places: None, granted: BTreeMap::new(), free: 8, whole: true, left_ms: None };
        if purpose == Purpose::Extension {
            let left_ms = mine.until.saturating_sub(now);
            let still = |count: u64| if left_ms > 0 { count } else { 0 };
            plan.rate = terms.limits.requests_per_minute.map(|_| still(mine.rate_now));
            plan.places = terms.limits.concurrency.map(|_| still(mine.places_now));
            plan.left_ms = Some(left_ms);
        } else {
            self.sliding(ask, need, purpose, terms, now, manner, &mut plan)?;
        }
        for (share, used) in Share::ALL.into_iter().zip(others.held) {
            if let Some(limit) = share.limit(&terms.limits) {
                let mine = mine.shares.get(&share).copied().filter(|held| held.span == terms.span.of(share)).unwrap_or_default();
                let amount = need.amounts.get(&share).copied().unwrap_or_default();
                let budget = Budget { limit, used: used.saturating_add(mine.amount()), mine, active: others.active, extends: need.extends };
                let refused = |used| Refusal::Quota { scope: share.of_project(), limit, used, resets_at: terms.ends(share) / 1000 };
                let (granted, free, whole) = budget.slice(amount, manner, refused)?;
                plan.granted.insert(share, granted);
                plan.free = plan.free.min(free);
                plan.whole &= whole;
            }
        }
        Ok(plan)
    }

    /// Requests a minute, and places.
    #[allow(clippy::too_many_arguments, reason = "one row of the table that `sized` makes")]
    fn sliding(
        &self,
        ask: &Ask,
        need: &Need,
        purpose: Purpose,
        terms: &Terms,
        now: u64,
        manner: Manner,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let (mine, others, more) = (self.holder(&ask.user), &self.others, u64::from(purpose == Purpose::Request));
        if let Some(limit) = terms.limits.requests_per_minute {
            let sliding = Sliding {
                limit,
                others: others.rate,
                least: ask.report.recent.len() as u64 + more,
                own: need.rpm,
                held: mine.rate.at(now),
            };
            let (slice, free) = sliding.slice(others.active, manner).ok_or_else(|| {
                let lacking = (sliding.others + sliding.least).saturating_sub(limit);
                Refusal::Rate { scope: "project".to_owned(), limit, retry_after_ms: self.rate_frees(mine, lacking, now) }
            })?;
            (plan.rate, plan.free) = (Some(slice), plan.free.min(free));
        }
        if let Some(limit) = terms.limits.concurrency {
            let sliding = Sliding {
                limit,
                others: others.places,
                least: ask.report.running + more,
                own: need.concurrency,
                held: mine.places.at(now),
            };
            let refusal = Refusal::Concurrency { whose: "project".to_owned(), limit, retry_after_ms: PLACE_AFTER_MS };
            let (slice, free) = sliding.slice(others.active, manner).ok_or(refusal)?;
            (plan.places, plan.free) = (Some(slice), plan.free.min(free));
        }
        Ok(())
    }
}

/// One budget as one user sees it.
struct Budget {
    limit: u64,
    /// What all may have committed.
    used: u64,
    mine: Held,
    /// Other users that have a lease.
    active: u64,
    /// A part of the whole will do.
    extends: bool,
}

impl Budget {
    /// What is ever granted with the slice, the eighths that are left, and whether it is all that was asked for.
    fn slice(&self, need: Amount, manner: Manner, refused: impl Fn(u64) -> Refusal) -> Result<(u64, u64, bool), Refusal> {
        let (Self { limit, used, mine, .. }, Amount { least, whole }) = (self, need);
        let room = limit.saturating_sub(*used);
        if mine.amount() > mine.committed && used > limit {
            // It holds more than there is any more: it has to give back before it gets anything.
            return Err(soon());
        }
        let lacks = |amount: u64| mine.committed.saturating_add(amount).saturating_sub(mine.amount());
        if lacks(least) > room {
            return Err(refused(used - (mine.amount() - mine.committed)));
        }
        let wanted = lacks(whole);
        // What it has beyond the request already.
        let ahead = mine.amount().saturating_sub(mine.committed.saturating_add(whole));
        let (raise, spare) = match manner {
            Manner::Generous => {
                let more = whole.saturating_mul(AHEAD).min(fair(room.saturating_sub(wanted), limit / 8, self.active));
                (wanted.min(room), more.saturating_sub(ahead))
            }
            Manner::Single if self.extends => (wanted.min((room / PARTS).max(lacks(least))), 0),
            Manner::Single => (wanted.min(room), 0),
        };
        // A part will do for what extends; else less than the whole is less than others might have to spare.
        Ok((mine.granted_with(raise + spare), eighths(room - raise - spare, *limit), raise >= wanted || self.extends))
    }
}

/// A part for one of the active users and one more: of half of what is free, and of not more than `most` all in all. Those
/// who came first have more; that evens out when they renew, and it adds up slowly.
fn fair(room: u64, most: u64, active: u64) -> u64 {
    (room / 2).min(most) / (active + 1)
}

/// How many eighths of a limit an amount is.
fn eighths(amount: u64, limit: u64) -> u64 {
    amount.saturating_mul(8).checked_div(limit).unwrap_or(0)
}
