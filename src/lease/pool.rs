//! A project's limits as a pool that its users draw slices from.
//!
//! Always holds: before an answer leaves, what it gives is kept; for each limit, the sum over all holders of what they may
//! have in use is never more than the limit by our giving (only what was spent without us can pass it). What does not fit
//! is first looked for in slices that others do not use. Absent on purpose: calling anybody (`edge`), whose limit it is
//! (`config`), how large a slice is (`plan`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::holder::{Held, Holder, RUN_MS, WINDOW_MS};
use super::plan::Purpose;
use super::spent::Counting;
use super::steps::Steps;
use super::store::{Store, StoreError, Write};
use super::sums::Sums;
use super::{Ask, Recall, Reply, Report, Share, Span, Want};
use crate::alert::Event;
use crate::alert::threshold::passed;
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
/// For so long after a change an isolate may still admit by the configuration before, ms: it believes what it has read for
/// half a minute, KV has a delay of its own, a body has to be read, and clocks differ. Amply.
const OLDER_MS: u64 = 300_000;
/// A user that did not answer is told of a newer configuration again after so long, ms.
const TELL_AGAIN_MS: u64 = 2_500;
/// Messages after which holders that are over are removed, and how many at once.
const SWEEP_EVERY: u64 = 256;

/// What is counted without a holder: of users that were erased and are back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// What may be committed of each budget.
    shares: BTreeMap<Share, Held>,
    /// Requests that may count towards the minute.
    rate: Steps,
    /// Requests that may run.
    places: Steps,
    /// The day or month from whose end on users have told of all that counts: the one in which a budget was switched on, or the
    /// next if that begins before every isolate knows.
    #[serde(default)]
    pub(super) began: BTreeMap<Share, u64>,
    /// The newest configuration that was looked at for that.
    #[serde(default)]
    pub(super) version: u64,
}

impl Base {
    /// Counts what an erased user had, which admits nothing more from `now` on.
    fn add(&mut self, gone: &Holder, now: u64) {
        for (share, held) in &gone.shares {
            let sum = self.shares.entry(*share).or_default();
            if sum.span < held.span {
                *sum = Held { span: held.span, ..Held::default() };
            }
            if sum.span == held.span {
                sum.granted = sum.granted.saturating_add(held.amount());
            }
        }
        self.rate.prune(now);
        self.places.prune(now);
        self.rate.join(&gone.rate.ending(now + WINDOW_MS));
        self.places.join(&gone.places.ending(now + RUN_MS));
    }

    fn held(&self, share: Share, span: Span) -> u64 {
        self.shares.get(&share).filter(|held| held.span == span.of(share)).map_or(0, Held::amount)
    }
}

/// The rules at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The configuration's number.
    pub version: u64,
    /// The project's limits.
    pub limits: Limits,
    /// The day and month.
    pub span: Span,
    /// Those of the last request that is admitted by an older configuration.
    pub late: Span,
    /// When that day began, epoch ms.
    pub day_begins: u64,
    /// When that month began, epoch ms.
    pub month_begins: u64,
    /// When that day is over, epoch ms.
    pub day_ends: u64,
    /// When that month is over, epoch ms.
    pub month_ends: u64,
}

impl Terms {
    /// The rules of a project at `now` (epoch ms).
    pub fn of(snapshot: &Snapshot, zone: &Zone, now: u64) -> Self {
        Self::at(snapshot.version, of_project(&snapshot.settings.limits), zone, now)
    }

    /// The rules of a configuration at `now` (epoch ms).
    pub fn at(version: u64, limits: Limits, zone: &Zone, now: u64) -> Self {
        let span_of = |ms: u64| {
            let day = zone.day_of(ms);
            Span { day, month: month_of(day) }
        };
        let span = span_of(now);
        let day = span.day;
        Self {
            version,
            limits,
            span,
            late: span_of(now.saturating_add(OLDER_MS)),
            day_begins: zone.reaches(day, 0),
            month_begins: zone.reaches(month_of(day), 0),
            day_ends: zone.reaches(day + 1, now),
            month_ends: zone.reaches(next_month(day), now),
        }
    }

    /// Whether anything is limited by the day or the month.
    pub(super) fn has_budgets(&self) -> bool {
        Share::ALL.into_iter().any(|share| share.limit(&self.limits).is_some())
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
    pub(super) holders: BTreeMap<String, Holder>,
    pub(super) base: Base,
    messages: u64,
    /// When a user was last heard, epoch ms. The pool's clock does not go back behind it.
    newest_at: u64,
    /// A commit failed: the store has to be read before anything else.
    pub(super) stale: bool,
    /// What stands for a user without a slice.
    nobody: Holder,
    /// What all have together, or while one is answered, all others.
    pub(super) others: Sums,
    /// They are known.
    pub(super) summed: bool,
    /// For what the ledger is read.
    pub(super) counting: Option<Counting>,
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
        let holders: BTreeMap<String, Holder> = store.holders()?.into_iter().collect();
        let newest_at = holders.values().map(|holder| holder.heard).max().unwrap_or(0);
        Ok(Self { holders, base: store.base()?, newest_at, ..Self::default() })
    }

    /// The time that counts, for terms too: a clock that steps back must not reopen a day that is over.
    pub fn clock(&self, now: u64) -> u64 {
        now.max(self.newest_at)
    }

    /// Answers one user at `now` (epoch ms, by [`Self::clock`]). `recalled`: others have been asked for what they do not use; do not ask again.
    ///
    /// # Errors
    /// The store's; memory is then read again before the next answer.
    pub fn ask(&mut self, store: &mut impl Store, terms: &Terms, ask: &Ask, recalled: bool, now: u64) -> Result<Answer> {
        self.read_again(store)?;
        self.begin_counting(store, terms)?;
        self.sum_others(&ask.user, terms.span, now);
        let heard = self.heard(&ask.user, &ask.report, terms, now);
        if !self.summed {
            self.sum_others(&ask.user, terms.span, now);
        }
        let answer = match &heard {
            Ok(_) => self.answer(terms, ask, recalled, now),
            Err(epoch) => Answer::Reply(Reply::Outlived { epoch: *epoch }),
        };
        let mut writes = heard.unwrap_or_default();
        if let Some(holder) = self.holders.get_mut(&ask.user) {
            if let Answer::Reply(Reply::Lease(lease)) = &answer {
                holder.give(lease, now);
            }
            self.others.add(holder);
            writes.push(Write::PutHolder(ask.user.clone(), Box::new(holder.clone())));
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
        if ask.report.span != terms.span && terms.has_budgets() {
            return Answer::Reply(self.refused(soon(), terms));
        }
        let plan = self.plan(ask, need, purpose, terms, now);
        if waits && !recalled && !plan.as_ref().is_ok_and(|plan| plan.whole) {
            let too_much = matches!(plan, Err(Refusal::Busy { .. }));
            let recalls = self.recalls(&ask.user, too_much, terms, now);
            if !recalls.is_empty() {
                return Answer::Recall(recalls);
            }
        }
        match plan {
            Ok(plan) if waits || plan.is_generous() => {
                Answer::Reply(Reply::Lease(plan.lease(self.holder(&ask.user), terms, self.room(terms))))
            }
            Err(refusal) if waits => Answer::Reply(self.refused(refusal, terms)),
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

    /// After a failed commit.
    pub(super) fn read_again(&mut self, store: &impl Store) -> Result<(), StoreError> {
        if self.stale {
            *self = Self::load(store)?;
        }
        Ok(())
    }

    /// Users that hold a slice by an older configuration, to be called back: all of them, for each is to hear of it at once.
    ///
    /// # Errors
    /// The store's.
    pub fn outdated(&mut self, store: &mut impl Store, terms: &Terms, now: u64) -> Result<Vec<Recall>> {
        self.read_again(store)?;
        self.begin_counting(store, terms)?;
        let quiet = |holder: &Holder| holder.recalled_by >= terms.version && !holder.is_recallable(now, TELL_AGAIN_MS);
        let wanted = |holder: &Holder| holder.told < terms.version && holder.latest >= now && !quiet(holder);
        Ok(Self::recall(self.holders.iter_mut().filter(|(_, holder)| wanted(holder)), terms, now))
    }

    /// Whether anybody still holds a slice by an older configuration.
    pub fn has_outdated(&self, version: u64, now: u64) -> bool {
        self.holders.values().any(|holder| holder.told < version && holder.latest >= now)
    }

    /// Users that may hold what they do not use; the asker only if `too_much` is what it holds.
    fn recalls(&mut self, asker: &str, too_much: bool, terms: &Terms, now: u64) -> Vec<Recall> {
        let busy = |holder: &Holder| holder.single && holder.heard + QUIET_MS >= now;
        let found = self.holders.iter_mut().filter(|(user, holder)| {
            let wanted = if *user == asker { too_much } else { !busy(holder) };
            wanted && holder.has_slack(terms.span, now) && holder.is_recallable(now, QUIET_MS)
        });
        Self::recall(found.take(RECALLS), terms, now)
    }

    fn recall<'a>(holders: impl Iterator<Item = (&'a String, &'a mut Holder)>, terms: &Terms, now: u64) -> Vec<Recall> {
        holders
            .map(|(user, holder)| {
                (holder.recalled, holder.recalled_by) = (now, terms.version);
                holder.recall(user, terms)
            })
            .collect()
    }

    /// What all users may have committed of a budget.
    pub fn held(&self, share: Share, span: Span) -> u64 {
        self.holders.values().fold(self.base.held(share, span), |sum, holder| sum.saturating_add(holder.held(share, span)))
    }

    /// What all users have spent and reserved of a budget, as far as they have told.
    pub fn committed(&self, share: Share, span: Span) -> u64 {
        let told = self.holders.values().filter_map(|holder| holder.shares.get(&share)).filter(|held| held.span == span.of(share));
        told.fold(self.base.held(share, span), |sum, held| sum.saturating_add(held.known()))
    }

    /// Each budget of the project that has passed a threshold (per cent) above the one that was told of last.
    pub fn alerts(&self, terms: &Terms, thresholds: &[u8], told: &BTreeMap<(Share, u64), u8>, now: u64) -> Vec<(Share, Event)> {
        let passed = |share: Share| {
            let (limit, span) = (share.limit(&terms.limits)?, terms.span.of(share));
            let used = self.committed(share, terms.span);
            let threshold = passed(thresholds, limit, used, told.get(&(share, span)).copied().unwrap_or(0))?;
            let (budget, resets_at) = (share.of_project(), terms.ends(share).div_ceil(1000));
            Some((share, Event { user: None, budget, span, threshold, limit, used, at: now, resets_at }))
        };
        Share::ALL.into_iter().filter(|share| *share != Share::RequestsPerDay).filter_map(passed).collect()
    }

    pub(super) fn holder(&self, user: &str) -> &Holder {
        self.holders.get(user).unwrap_or(&self.nobody)
    }

    /// How long until `lacking` more requests a minute are free, ms, if nobody asks for them before.
    pub(super) fn rate_frees(&self, mine: &Holder, lacking: u64, now: u64) -> u64 {
        self.others.rate_frees(&mine.rate, lacking).map_or(SOON_MS, |at| at.saturating_sub(now)).max(1)
    }

    /// Brings the sums to all but one user's.
    pub(super) fn sum_others(&mut self, user: &str, span: Span, now: u64) {
        if self.summed && self.others.advance(span, now) {
            if let Some(holder) = self.holders.get(user) {
                self.others.remove(holder);
            }
            return;
        }
        self.others = Sums::at(span, now);
        self.others.add_steps(&self.base.rate, &self.base.places);
        self.others.add_held(|share| self.base.shares.get(&share));
        self.holders.iter().filter(|(name, _)| *name != user).for_each(|(_, holder)| self.others.add(holder));
        self.summed = true;
    }

    /// Brings the sums back to all users'.
    pub(super) fn count_again(&mut self, user: &str) {
        if let Some(holder) = self.holders.get(user) {
            self.others.add(holder);
        }
    }

    /// Takes in a report; gives what that changes besides the holder, or, to a user that was erased meanwhile, when the later one began.
    fn heard(&mut self, user: &str, report: &Report, terms: &Terms, now: u64) -> Result<Vec<Write>, u64> {
        self.newest_at = self.clock(now);
        let holder = self.holders.entry(user.to_owned()).or_default();
        if report.epoch < holder.epoch {
            return Err(holder.epoch);
        }
        let mut writes = Vec::new();
        if report.epoch > holder.epoch && holder.epoch > 0 {
            // The user was erased and is back: what it had in use stays in use, and what it had committed is spent.
            self.base.add(&std::mem::take(holder), now);
            self.summed = false;
            writes.push(Write::PutBase(self.base.clone()));
        }
        holder.take(report, terms.span, now);
        Ok(writes)
    }

    /// Now and then removes who holds nothing any more.
    fn sweep(&mut self, span: Span, now: u64) -> Vec<Write> {
        self.messages += 1;
        if !self.messages.is_multiple_of(SWEEP_EVERY) {
            return Vec::new();
        }
        let over: Vec<String> = self.holders.iter().filter(|(_, holder)| holder.is_over(span, now)).map(|(user, _)| user.clone()).collect();
        for holder in over.iter().filter_map(|user| self.holders.remove(user)) {
            self.others.remove(&holder);
        }
        over.into_iter().map(Write::DeleteHolder).collect()
    }

    fn refused(&self, refusal: Refusal, terms: &Terms) -> Reply {
        let room = self.room(terms).refused(&refusal);
        Reply::Refused { refusal, version: terms.version, room }
    }
}

/// Neither a limit nor a fault: the two clocks, or two messages, disagree for a moment.
pub(super) const fn soon() -> Refusal {
    Refusal::Busy { retry_after_ms: SOON_MS }
}
