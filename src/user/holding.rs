//! A user's slice of its project's limits: what it may admit without asking, what it asks for, what it gives back.
//!
//! Always holds: nothing is admitted beyond the slice; what is given back is written down before it is told; a grant that
//! is older than one known is not taken. Absent on purpose: how large a slice is (`lease::plan`), and asking (`edge`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::budget::{Grant, MIN_INSTALMENT};
use super::command::Begin;
use super::rate::WINDOW_MS;
use super::store::{Store, Write};
use super::today::Today;
use super::{MAX_SAFE, User};
use crate::error::Result;
use crate::lease::{Amount, Ask, Counters, Lease, Need, Recall, Report, Room, Share, Span, Want};

/// A lease is renewed in the background in the last part of its life: one in so many.
const RENEW_PARTS: u64 = 3;

/// What a user has of its project's limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The project, for whoever has to write to it without being asked by it.
    pub project: String,
    /// The user.
    pub user: String,
    /// When it began, epoch ms: tells it from that of an erased user of the same name.
    pub epoch: u64,
    /// Counts the times that this was written on its own.
    pub changes: u64,
    /// The newest grant.
    pub grant: u64,
    /// The newest configuration known of.
    pub version: u64,
    /// When it was last asked for, epoch ms.
    pub since: u64,
    /// Until when it may be used, epoch ms; 0: it is given back.
    pub until: u64,
    /// Requests in any 60 s.
    pub rate: Option<u64>,
    /// Requests at once.
    pub places: Option<u64>,
    /// The day and month of the budgets.
    pub span: Span,
    /// The counters of each budget that was ever limited in its span.
    pub shares: BTreeMap<Share, Held>,
    /// The limit is near: each end is told.
    pub tight: bool,
    /// What the request needed that it was asked for: the next one may need as much.
    pub need: Need,
    /// What others had of the project's limits when it was given.
    #[serde(default)]
    pub room: Room,
}

/// The user's side of one budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Ever taken of what was granted.
    pub taken: u64,
    /// Ever given back.
    pub returned: u64,
    /// The budget is limited now.
    pub limited: bool,
}

impl Held {
    const fn ceiling(&self) -> u64 {
        self.taken.saturating_sub(self.returned)
    }
}

/// What there is to do after a request has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upkeep {
    /// Nothing.
    #[default]
    Nothing,
    /// Give back what is not in use: the limit is near.
    GiveBack,
    /// Ask for the next lease, so that no request has to wait for it.
    Renew,
}

impl Holding {
    /// As it stands in its row.
    pub fn body(&self) -> String {
        // A map with names for keys, and numbers: nothing that could not be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it may be used at `now` under a configuration.
    fn is_good(&self, version: u64, span: Span, now: u64) -> bool {
        // Without a budget it is of no day.
        self.until >= now && self.version == version && (self.span == span || !self.shares.values().any(|held| held.limited))
    }

    /// How much of each limited budget of a day or its month may be committed, tokens and dollars only.
    pub(super) fn slices<'a>(&'a self, today: &'a Today) -> impl Iterator<Item = (Share, u64)> + 'a {
        let here = Span { day: today.day, month: today.month };
        let limited = self.shares.iter().filter(|(share, held)| held.limited && **share != Share::RequestsPerDay);
        // Of another day than the slice is of, nothing is left.
        limited.map(move |(share, held)| (*share, if self.span.of(*share) == here.of(*share) { held.ceiling() } else { 0 }))
    }

    /// Takes a lease that was asked for at `asked_at`; an older one than is known, or another user's, changes nothing.
    fn take(&mut self, lease: &Lease, asked_at: u64) {
        if lease.epoch != self.epoch || lease.grant <= self.grant {
            return;
        }
        (self.grant, self.since, self.until) = (lease.grant, asked_at, asked_at.saturating_add(lease.ttl_ms).min(MAX_SAFE));
        (self.rate, self.places, self.tight) = (lease.rate, lease.places, lease.tight);
        self.room = lease.room.clone();
        self.version = self.version.max(lease.version);
        self.take_granted(lease.span, &lease.granted);
        self.limit_to(|share| lease.granted.contains_key(&share));
    }

    /// Learns which budgets are limited: of one that nothing is known of yet, nothing is held.
    fn limit_to(&mut self, limited: impl Fn(Share) -> bool) {
        for share in Share::ALL.into_iter().filter(|share| limited(*share)) {
            self.shares.entry(share).or_default();
        }
        for (share, held) in &mut self.shares {
            held.limited = limited(*share);
        }
    }

    /// Learns what was granted in a span. The counters of another one are over, wherever the days of the zone have gone.
    fn take_granted(&mut self, span: Span, granted: &BTreeMap<Share, u64>) {
        let before = std::mem::replace(&mut self.span, span);
        self.shares.retain(|share, _| before.of(*share) == span.of(*share));
        for (share, granted) in granted {
            let held = self.shares.entry(*share).or_default();
            held.taken = held.taken.max(*granted);
        }
    }

    /// Gives back all that is not committed, and the right to admit.
    fn give_back(&mut self, committed: impl Fn(Share) -> u64) {
        self.until = 0;
        self.tight = true;
        for (share, held) in &mut self.shares {
            held.returned = held.returned.saturating_add(held.ceiling().saturating_sub(committed(*share)));
        }
    }
}

impl User {
    /// The day and month that memory is of: those of the last request.
    pub(super) const fn span(&self) -> Span {
        Span { day: self.today.day, month: self.today.month }
    }

    pub(super) fn committed(&self, share: Share, now: u64) -> u64 {
        self.used(share.of_user(), now)
    }

    /// Whether the holding covers one more request that holds `grant`.
    pub(super) fn is_covered(&self, holding: &Holding, version: u64, grant: &Grant, now: u64) -> bool {
        let fits = |share: &Share, held: &Held| {
            let more = match share {
                Share::RequestsPerDay => 1,
                Share::TokensPerDay | Share::TokensPerMonth => grant.input.saturating_add(grant.output),
                Share::UsdPerDay | Share::UsdPerMonth => grant.micro_usd,
            };
            !held.limited || self.committed(*share, now).saturating_add(more) <= held.ceiling()
        };
        holding.is_good(version, self.span(), now)
            && holding.rate.is_none_or(|rate| (self.counted(now) as u64) < rate)
            && holding.places.is_none_or(|places| self.running(now) < places)
            && holding.shares.iter().all(|(share, held)| fits(share, held))
    }

    /// The holding with a lease taken in.
    pub(super) fn holding_with(&self, lease: &Lease, asked_at: u64) -> Holding {
        let mut holding = self.holding.clone();
        holding.take(lease, asked_at);
        holding
    }

    /// The same with a lease that was asked for a request.
    pub(super) fn holding_for(&self, lease: &Lease, asked_at: u64, begin: &Begin, input: u64, grant: &Grant) -> Holding {
        Holding { need: need(begin, input, grant), ..self.holding_with(lease, asked_at) }
    }

    /// What to ask the project for, for a request that would hold `grant`. The first time, the holding is begun.
    pub(super) fn ask(&mut self, store: &mut impl Store, begin: &Begin, input: u64, grant: &Grant, now: u64) -> Result<Ask> {
        if self.holding.epoch == 0 {
            let holding =
                Holding { project: begin.project.id.clone(), user: begin.project.user.clone(), epoch: now.max(1), ..Holding::default() };
            self.keep(store, holding)?;
        }
        Ok(self.message(Want::Request(need(begin, input, grant)), now))
    }

    fn message(&self, want: Want, now: u64) -> Ask {
        Ask { user: self.holding.user.clone(), report: self.report(now), want }
    }

    /// The message that asks for more tokens and micro-dollars for a request that runs: at least, and at most.
    pub(super) fn ask_for_more(&self, least: (u64, u64), whole: (u64, u64), now: u64) -> Ask {
        let amount = |share: &Share| match share {
            Share::RequestsPerDay => Amount::default(),
            Share::TokensPerDay | Share::TokensPerMonth => Amount { least: least.0, whole: whole.0 },
            Share::UsdPerDay | Share::UsdPerMonth => Amount { least: least.1, whole: whole.1 },
        };
        let amounts = Share::ALL.into_iter().map(|share| (share, amount(&share))).collect();
        let need = Need { amounts, rpm: None, concurrency: None, extends: true };
        self.message(Want::Extension(need), self.clock(now))
    }

    /// The message that renews the lease before it is over, if there is one to renew.
    pub(super) fn renewal(&self, now: u64) -> Option<Ask> {
        let now = self.clock(now);
        let need = self.holding.need.clone();
        let amounts = need.amounts.into_iter().map(|(share, amount)| (share, Amount { least: 0, ..amount })).collect();
        (self.holding.until >= now).then(|| self.message(Want::Renewal(Need { amounts, ..need }), now))
    }

    /// Begins the holding anew, later than that of a user of the same name that was erased.
    pub(super) fn outlive(&mut self, store: &mut impl Store, epoch: u64) -> Result<()> {
        if self.holding.epoch == 0 || self.holding.epoch > epoch {
            return Ok(());
        }
        let Holding { project, user, version, shares, .. } = self.holding.clone();
        let shares = shares.into_iter().map(|(share, held)| (share, Held { limited: held.limited, ..Held::default() })).collect();
        self.keep(store, Holding { project, user, version, shares, epoch: epoch.saturating_add(1).min(MAX_SAFE), ..Holding::default() })
    }

    /// The holding, with a configuration known of.
    pub(super) fn holding_told(&self, version: u64) -> Holding {
        Holding { version: self.holding.version.max(version), ..self.holding.clone() }
    }

    /// Takes a lease that was asked for in the background.
    pub(super) fn take_lease(&mut self, store: &mut impl Store, lease: &Lease, asked_at: u64) -> Result<()> {
        let holding = self.holding_with(lease, asked_at);
        if holding == self.holding { Ok(()) } else { self.keep(store, holding) }
    }

    /// Gives back what is not in use; with a recall, whatever it says has been granted is known of first.
    pub(super) fn give_back(&mut self, store: &mut impl Store, recall: Option<&Recall>, now: u64) -> Result<Report> {
        let now = self.clock(now);
        if recall.is_some_and(|recall| recall.epoch != self.holding.epoch) {
            // It is for an erased user of the same name.
            return Ok(self.report(now));
        }
        let mut holding = self.holding.clone();
        if let Some(recall) = recall {
            holding.version = holding.version.max(recall.version);
            if recall.grant >= holding.grant {
                holding.grant = recall.grant;
                holding.take_granted(recall.span, &recall.granted);
                holding.limit_to(|share| recall.limited.contains(&share));
            }
        }
        let span = holding.span;
        let current = self.span();
        holding.give_back(|share| if span.of(share) == current.of(share) { self.committed(share, now) } else { 0 });
        self.keep(store, holding)?;
        Ok(self.report(now))
    }

    /// Whether the project tells of every change by itself: a lease is in force.
    pub fn is_told(&self, now: u64) -> bool {
        self.holding.until >= self.clock(now)
    }

    /// The project and the user as the project knows it, if anything was ever asked of it.
    pub fn lessor(&self) -> Option<(&str, &str)> {
        (self.holding.epoch > 0).then_some((self.holding.project.as_str(), self.holding.user.as_str()))
    }

    /// What is to be done after a request has ended at `now`.
    pub(super) fn upkeep(&self, now: u64) -> Upkeep {
        let holding = &self.holding;
        let life = holding.until.saturating_sub(holding.since);
        if holding.epoch == 0 {
            Upkeep::Nothing
        } else if holding.tight || self.is_overdrawn(now) {
            Upkeep::GiveBack
        } else if holding.until >= now && (holding.until - now < life / RENEW_PARTS || !self.covers_next(now)) {
            Upkeep::Renew
        } else {
            Upkeep::Nothing
        }
    }

    /// Whether the budgets cover another request like the last one that was asked for.
    fn covers_next(&self, now: u64) -> bool {
        let now = self.clock(now);
        let whole = |share| self.holding.need.amounts.get(&share).map_or(0, |amount| amount.whole);
        self.holding.slices(&self.today).all(|(share, ceiling)| self.committed(share, now).saturating_add(whole(share)) <= ceiling)
    }

    /// Whether more was billed than the slice has: the project has to know.
    fn is_overdrawn(&self, now: u64) -> bool {
        let now = self.clock(now);
        self.holding.span == self.span() && self.holding.slices(&self.today).any(|(share, ceiling)| self.committed(share, now) > ceiling)
    }

    fn report(&self, now: u64) -> Report {
        let (holding, span) = (&self.holding, self.span());
        let counters = Share::ALL.into_iter().map(|share| {
            let held = holding.shares.get(&share).copied().filter(|_| holding.span.of(share) == span.of(share)).unwrap_or_default();
            (share, Counters { taken: held.taken, returned: held.returned, committed: self.committed(share, now) })
        });
        Report {
            epoch: holding.epoch,
            number: self.changes(),
            grant: holding.grant,
            version: holding.version,
            closed: holding.until == 0,
            recent: self.recent.iter().rev().map(|request| now.saturating_sub(request.at)).take_while(|age| *age <= WINDOW_MS).collect(),
            running: self.running(now),
            unsettled: self.open.len() as u64,
            span,
            counters: counters.collect(),
        }
    }

    /// How often what reports tell of has changed: requests begun, requests settled, and the holding.
    fn changes(&self) -> u64 {
        2 * self.newest_seq - self.open.len() as u64 + self.holding.changes
    }

    fn keep(&mut self, store: &mut impl Store, mut holding: Holding) -> Result<()> {
        holding.changes = self.holding.changes + 1;
        self.commit(store, &[Write::PutHolding(Box::new(holding.clone()))])?;
        self.holding = holding;
        Ok(())
    }
}

/// What a request needs: the least with which it can be admitted, and what it would hold.
fn need(begin: &Begin, input: u64, grant: &Grant) -> Need {
    let (estimate, rates, limits) = (&begin.estimate, begin.rates, &begin.limits);
    let extends = grant.grows_to.is_some();
    let output = match estimate.output {
        Some(_) => grant.output,
        None if extends => MIN_INSTALMENT.min(grant.output),
        None => estimate.choices.max(1).min(grant.output),
    };
    let usd = |output: u64| rates.map_or(0, |rates| rates.most(input, output));
    let tokens = Amount { least: input.saturating_add(output), whole: input.saturating_add(grant.output) };
    let dollars = Amount { least: usd(output), whole: grant.micro_usd };
    let amounts = BTreeMap::from([
        (Share::RequestsPerDay, Amount { least: 1, whole: 1 }),
        (Share::TokensPerDay, tokens),
        (Share::TokensPerMonth, tokens),
        (Share::UsdPerDay, dollars),
        (Share::UsdPerMonth, dollars),
    ]);
    Need { amounts, rpm: limits.requests_per_minute, concurrency: limits.concurrency, extends }
}
