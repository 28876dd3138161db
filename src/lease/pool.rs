//! A project's limits as a pool that its users draw slices from.
//!
//! Always holds: before an answer leaves, what it gives is kept; for each limit, the sum over all holders of what they may
//! have in use is never more than the limit by our giving (only what was spent without us can pass it). What does not fit
//! is first looked for in slices that others do not use. Absent on purpose: calling anybody (`edge`), whose limit it is
//! (`config`), how large a slice is (`plan`).

use std::collections::BTreeMap;

use super::holder::{Held, Holder};
use super::plan::Purpose;
use super::store::{Store, StoreError, Write};
use super::{Ask, Recall, Reply, Report, Share, Span, Want};
use crate::calendar::{month_of, next_month};
use crate::config::Snapshot;
use crate::config::limits::of_project;
use crate::error::Result;
use crate::user::command::Limits;
use crate::user::refusal::Refusal;
use crate::zone::Zone;

/// Users recalled at a time.
const RECALLS: usize = 64;
/// A user that was recalled is left alone for so long, ms, and so is one that has just taken a single request's slice.
const QUIET_MS: u64 = 10_000;
/// What a user is told to wait for, ms, if only messages or clocks stand in the way.
const SOON_MS: u64 = 1_000;
/// Messages after which holders that are over are removed, and how many at once.
const SWEEP_EVERY: u64 = 256;

/// What is counted without a holder: of users that were erased.
pub type Base = BTreeMap<Share, Held>;

/// The rules at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The configuration's number.
    pub version: u64,
    /// The project's limits.
    pub limits: Limits,
    /// The day and month.
    pub span: Span,
    /// When that day is over, epoch ms.
    pub day_ends: u64,
    /// When that month is over, epoch ms.
    pub month_ends: u64,
}

impl Terms {
    /// The rules of a project at `now` (epoch ms).
    pub fn of(snapshot: &Snapshot, zone: &Zone, now: u64) -> Self {
        let day = zone.day_of(now);
        Self {
            version: snapshot.version,
            limits: of_project(&snapshot.settings.limits),
            span: Span { day, month: month_of(day) },
            day_ends: zone.reaches(day + 1, now),
            month_ends: zone.reaches(next_month(day), now),
        }
    }

    /// When the span of a budget is over, epoch ms.
    pub(super) const fn ends(&self, share: Share) -> u64 {
        match share {
            Share::RequestsPerDay | Share::TokensPerDay | Share::UsdPerDay => self.day_ends,
            Share::TokensPerMonth | Share::UsdPerMonth => self.month_ends,
        }
    }
}

/// A project's slices.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    holders: BTreeMap<String, Holder>,
    base: Base,
    messages: u64,
    /// A commit failed: the store has to be read before anything else.
    stale: bool,
    /// What stands for a user without a slice.
    nobody: Holder,
}

/// What to do about an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Say this.
    Reply(Reply),
    /// Ask these users for what they do not use, take in what they report, then ask again.
    Recall(Vec<Recall>),
}

impl Pool {
    /// Reads the pool from its rows.
    ///
    /// # Errors
    /// The store's.
    pub fn load(store: &impl Store) -> Result<Self, StoreError> {
        Ok(Self { holders: store.holders()?.into_iter().collect(), base: store.base()?, ..Self::default() })
    }

    /// Answers one user at `now` (epoch ms). `recalled`: others have been asked for what they do not use; do not ask again.
    ///
    /// # Errors
    /// The store's; memory is then read again before the next answer.
    pub fn ask(&mut self, store: &mut impl Store, terms: &Terms, ask: &Ask, recalled: bool, now: u64) -> Result<Answer> {
        if self.stale {
            *self = Self::load(store)?;
        }
        let before = self.holders.get(&ask.user).cloned();
        let Some(mut writes) = self.heard(&ask.user, &ask.report, terms, now) else {
            return Ok(Answer::Reply(Self::refused(soon(), terms)));
        };
        let answer = self.answer(terms, ask, recalled, now);
        if let Some(holder) = self.holders.get_mut(&ask.user) {
            if let Answer::Reply(Reply::Lease(lease)) = &answer {
                holder.give(lease, now);
            }
            if matches!(answer, Answer::Reply(_)) {
                holder.told = holder.told.max(terms.version);
            }
            // A refusal mostly changes nothing, and rows are what the platform bills.
            if before.is_none_or(|before| before.differs(holder)) {
                writes.push(Write::PutHolder(ask.user.clone(), Box::new(holder.clone())));
            }
        }
        writes.extend(self.sweep(terms.span, now));
        if !writes.is_empty() {
            store.commit(&writes).inspect_err(|_| self.stale = true)?;
        }
        Ok(answer)
    }

    fn answer(&mut self, terms: &Terms, ask: &Ask, recalled: bool, now: u64) -> Answer {
        let (need, purpose) = match &ask.want {
            Want::Nothing => return Answer::Reply(Reply::Noted),
            Want::Renewal(need) => (need, Purpose::Renewal),
            Want::Request(need) => (need, Purpose::Request),
            Want::Extension(need) => (need, Purpose::Extension),
        };
        let waits = purpose != Purpose::Renewal;
        if ask.report.span != terms.span {
            return Answer::Reply(Self::refused(soon(), terms));
        }
        let plan = self.plan(ask, need, purpose, terms, now);
        if waits && !recalled && !plan.as_ref().is_ok_and(|plan| plan.whole) {
            let recalls = self.recalls(&ask.user, terms, now);
            if !recalls.is_empty() {
                return Answer::Recall(recalls);
            }
        }
        match plan {
            Ok(plan) if waits || plan.is_generous() => Answer::Reply(Reply::Lease(plan.lease(self.holder(&ask.user), terms))),
            Err(refusal) if waits => Answer::Reply(Self::refused(refusal, terms)),
            // What nobody waits for is not given near a limit.
            _ => Answer::Reply(Reply::Noted),
        }
    }

    /// Takes in what a recalled user has reported.
    ///
    /// # Errors
    /// The store's.
    pub fn reported(&mut self, store: &mut impl Store, terms: &Terms, user: &str, report: &Report, now: u64) -> Result<()> {
        let ask = Ask { user: user.to_owned(), report: report.clone(), want: Want::Nothing };
        self.ask(store, terms, &ask, true, now).map(|_| ())
    }

    /// Users that hold a slice by an older configuration, to be called back: at most 64 at a time.
    pub fn outdated(&mut self, terms: &Terms, now: u64) -> Vec<Recall> {
        let wanted = |holder: &Holder| holder.told < terms.version && holder.until >= now && holder.is_recallable(now, QUIET_MS);
        Self::recall(self.holders.iter_mut().filter(|(_, holder)| wanted(holder)).take(RECALLS), terms, now)
    }

    /// Whether anybody still holds a slice by an older configuration.
    pub fn has_outdated(&self, version: u64, now: u64) -> bool {
        self.holders.values().any(|holder| holder.told < version && holder.until >= now)
    }

    /// Users that may hold what they do not use.
    fn recalls(&mut self, asker: &str, terms: &Terms, now: u64) -> Vec<Recall> {
        let span = terms.span;
        let wanted = |holder: &Holder| {
            holder.has_slack(span, now) && holder.is_recallable(now, QUIET_MS) && (!holder.single || holder.heard + QUIET_MS < now)
        };
        let found = self.holders.iter_mut().filter(|(user, holder)| *user != asker && wanted(holder));
        Self::recall(found.take(RECALLS), terms, now)
    }

    fn recall<'a>(holders: impl Iterator<Item = (&'a String, &'a mut Holder)>, terms: &Terms, now: u64) -> Vec<Recall> {
        holders
            .map(|(user, holder)| {
                holder.recalled = now;
                holder.recall(user, terms.version, terms.span)
            })
            .collect()
    }

    /// What all users may have committed of a budget.
    pub fn held(&self, share: Share, span: Span) -> u64 {
        let base = self.base.get(&share).filter(|held| held.span == span.of(share)).map_or(0, Held::amount);
        self.holders.values().fold(base, |sum, holder| sum.saturating_add(holder.held(share, span)))
    }

    /// Requests that may count towards the minute.
    pub fn rate(&self, now: u64) -> u64 {
        self.holders.values().map(|holder| holder.rate.at(now)).sum()
    }

    /// Requests that may run.
    pub fn places(&self, now: u64) -> u64 {
        self.holders.values().map(|holder| holder.places.at(now)).sum()
    }

    pub(super) fn holder(&self, user: &str) -> &Holder {
        self.holders.get(user).unwrap_or(&self.nobody)
    }

    pub(super) fn others<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Holder> {
        self.holders.iter().filter(move |(name, _)| *name != user).map(|(_, holder)| holder)
    }

    /// How long until `lacking` more requests a minute are free, ms, if nobody asks for them before.
    pub(super) fn rate_frees(&self, lacking: u64, now: u64) -> u64 {
        let mut falls: Vec<(u64, u64)> = self.holders.values().flat_map(|holder| holder.rate.falls(now)).collect();
        falls.sort_unstable();
        let mut freed = 0;
        let enough = falls.into_iter().find(|(_, count)| {
            freed += count;
            freed >= lacking
        });
        enough.map_or(SOON_MS, |(at, _)| at.saturating_sub(now)).max(1)
    }

    /// Takes in a report; gives what that changes besides the holder, or `None` for a user that was erased meanwhile.
    fn heard(&mut self, user: &str, report: &Report, terms: &Terms, now: u64) -> Option<Vec<Write>> {
        let holder = self.holders.entry(user.to_owned()).or_default();
        if report.epoch < holder.epoch {
            return None;
        }
        let mut writes = Vec::new();
        if report.epoch > holder.epoch && !holder.shares.is_empty() {
            // The user was erased and is back: what it had committed stays spent.
            for (share, held) in std::mem::take(&mut holder.shares) {
                let base = self.base.entry(share).or_default();
                if base.span < held.span {
                    *base = Held { span: held.span, ..Held::default() };
                }
                if base.span == held.span {
                    base.granted = base.granted.saturating_add(held.amount());
                }
            }
            writes.push(Write::PutBase(self.base.clone()));
        }
        holder.take(report, terms.span, now);
        Some(writes)
    }

    /// Now and then removes who holds nothing any more.
    fn sweep(&mut self, span: Span, now: u64) -> Vec<Write> {
        self.messages += 1;
        if !self.messages.is_multiple_of(SWEEP_EVERY) {
            return Vec::new();
        }
        let over: Vec<String> = self.holders.iter().filter(|(_, holder)| holder.is_over(span, now)).map(|(user, _)| user.clone()).collect();
        for user in &over {
            self.holders.remove(user);
        }
        over.into_iter().map(Write::DeleteHolder).collect()
    }

    const fn refused(refusal: Refusal, terms: &Terms) -> Reply {
        Reply::Refused { refusal, version: terms.version }
    }
}

/// Neither a limit nor a fault: the two clocks, or two messages, disagree for a moment.
const fn soon() -> Refusal {
    Refusal::Busy { retry_after_ms: SOON_MS }
}
