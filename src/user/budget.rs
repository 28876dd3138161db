//! Tokens and dollars per UTC day and month: what is spent, what is held, what a new request may hold.
//!
//! Always holds: at admission and at every extension, spent + reserved ≤ limit for each budget that the request costs
//! something of. Only what a provider bills beyond a reservation can pass a limit; that is recorded as it is, and counts
//! from the moment it is reported. Day and month are those of the request's begin. A reservation past its deadline counts
//! as what its expiry will charge. Absent on purpose: writing, and when a reservation is extended (`extend`).

use super::command::{Begin, Limits};
use super::refusal::{Budget, Refusal};
use super::settled::Settled;
use super::{MAX_REQUEST_TOKENS, User};
use crate::calendar::{DAY_MS, day_of, month_of, next_month};
use crate::price::Rates;

/// What a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub input: u64,
    pub output: u64,
    pub micro_usd: u64,
    pub max_output: Option<u64>,
    /// Set if it may grow: to how many output tokens, as far as can be foreseen.
    pub grows_to: Option<u64>,
}

/// The least that an instalment brings, in output tokens, if so much is left: some sentences, so that a small rest of a
/// budget is not spent on asking for it.
pub(super) const MIN_INSTALMENT: u64 = 64;
/// An instalment takes at most one part in so many of what is not spent yet: as many streams can run side by side.
const INSTALMENTS: u64 = 10;

/// Tokens and micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub tokens: u64,
    pub micro_usd: u64,
}

impl Amount {
    pub(super) const fn plus(self, more: Self) -> Self {
        Self { tokens: self.tokens.saturating_add(more.tokens), micro_usd: self.micro_usd.saturating_add(more.micro_usd) }
    }

    /// The greater of the tokens and the greater of the dollars.
    pub(super) fn or_more(self, other: Self) -> Self {
        Self { tokens: self.tokens.max(other.tokens), micro_usd: self.micro_usd.max(other.micro_usd) }
    }
}

/// One budget as it stands for one request. Numbers are in its own unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceiling {
    pub budget: Budget,
    pub limit: u64,
    /// Settled, or overdue, which is as good as settled.
    pub spent: u64,
    /// Spent, and held by what runs.
    pub used: u64,
}

impl Ceiling {
    /// How many output tokens fit beside the input of a request that holds `own` already; `None` if not even the input does.
    pub(super) fn fits(&self, input: u64, own: Amount, rates: Option<Rates>) -> Option<u64> {
        let others = self.used.saturating_sub(self.budget.of(own));
        self.budget.output_within(self.limit.saturating_sub(others), input, rates)
    }

    /// How many output tokens another instalment would bring such a request to.
    pub(super) fn instalment(&self, input: u64, own: Amount, rates: Option<Rates>) -> u64 {
        let part = self.limit.saturating_sub(self.spent) / INSTALMENTS;
        self.budget.output_within(self.budget.of(own).saturating_add(part), input, rates).unwrap_or(0)
    }

    /// Why a request that began at `at` may hold no more.
    pub(super) fn refusal(&self, at: u64) -> Refusal {
        quota(self.budget, self.limit, self.used, at)
    }
}

/// The span of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    Day,
    Month,
}

impl Period {
    /// The first day of the span that a time (epoch ms) is in.
    pub(super) fn of(self, ms: u64) -> u64 {
        match self {
            Self::Day => day_of(ms),
            Self::Month => month_of(day_of(ms)),
        }
    }

    /// When that span ends, epoch ms.
    pub(super) fn ends(self, ms: u64) -> u64 {
        let next = match self {
            Self::Day => day_of(ms) + 1,
            Self::Month => next_month(day_of(ms)),
        };
        next.saturating_mul(DAY_MS)
    }
}

impl Budget {
    /// The budgets that are reserved, in the order in which they refuse.
    pub(super) const RESERVED: [Self; 4] = [Self::UserTokensPerDay, Self::UserTokensPerMonth, Self::UserUsdPerDay, Self::UserUsdPerMonth];

    /// Its limit: requests, tokens or micro-dollars.
    pub const fn limit(self, limits: &Limits) -> Option<u64> {
        match self {
            Self::UserRequestsPerDay => limits.requests_per_day,
            Self::UserTokensPerDay => limits.tokens_per_day,
            Self::UserTokensPerMonth => limits.tokens_per_month,
            Self::UserUsdPerDay => limits.micro_usd_per_day,
            Self::UserUsdPerMonth => limits.micro_usd_per_month,
        }
    }

    pub(super) const fn period(self) -> Period {
        match self {
            Self::UserRequestsPerDay | Self::UserTokensPerDay | Self::UserUsdPerDay => Period::Day,
            Self::UserTokensPerMonth | Self::UserUsdPerMonth => Period::Month,
        }
    }

    /// What it counts of an amount.
    const fn of(self, amount: Amount) -> u64 {
        if self.is_usd() { amount.micro_usd } else { amount.tokens }
    }

    /// How many output tokens fit into `left` of it beside the input; `None` if not even the input does.
    fn output_within(self, left: u64, input: u64, rates: Option<Rates>) -> Option<u64> {
        match (self.is_usd(), rates) {
            (false, _) => left.checked_sub(input),
            (true, Some(rates)) => rates.output_within(input, left),
            (true, None) => Some(u64::MAX),
        }
    }
}

impl User {
    /// Requests begun on the day of `now`.
    pub(super) fn requests_today(&self, now: u64) -> u64 {
        if day_of(self.newest_at) == day_of(now) { self.spent.requests_today } else { 0 }
    }

    /// What is spent and held in the span of `now` (which is not before the newest request).
    pub(super) fn amount(&self, period: Period, now: u64) -> Amount {
        let (spent, held) = self.lost(period, now, now, self.settled_at(now));
        spent.plus(held)
    }

    /// What the span of `at` has lost: spent (also by what is overdue at `due`), and held.
    fn lost(&self, period: Period, at: u64, due: u64, settled: Settled) -> (Amount, Amount) {
        let span = period.of(at);
        let here = self.open.values().filter(|open| period.of(open.at) == span);
        here.fold((settled.of(period), Amount::default()), |(spent, held), open| {
            if open.due(due) { (spent.plus(open.bill()), held) } else { (spent, held.plus(open.holds())) }
        })
    }

    /// The budgets that hold for a request that began at `at`, in the order in which they refuse. The one list: admission
    /// and extension both go by it. What is overdue at `due` counts as spent: whoever relies on it settles it.
    pub(super) fn ceilings(&self, limits: &Limits, settled: Settled, at: u64, due: u64) -> impl Iterator<Item = Ceiling> {
        Budget::RESERVED.into_iter().filter_map(move |budget| {
            let limit = budget.limit(limits)?;
            let (spent, held) = self.lost(budget.period(), at, due, settled);
            Some(Ceiling { budget, limit, spent: budget.of(spent), used: budget.of(spent.plus(held)) })
        })
    }

    /// What a budget has lost at `now`: requests, tokens or micro-dollars.
    pub(super) fn used(&self, budget: Budget, now: u64) -> u64 {
        match budget {
            Budget::UserRequestsPerDay => self.requests_today(now),
            _ => budget.of(self.amount(budget.period(), now)),
        }
    }

    /// Set if one more request today would pass the limit.
    pub(super) fn request_refusal(&self, limits: &Limits, now: u64) -> Option<Refusal> {
        let limit = limits.requests_per_day?;
        let used = self.requests_today(now);
        (used >= limit).then(|| quota(Budget::UserRequestsPerDay, limit, used, now))
    }

    /// How much a request may hold at `now`. If it named a maximum: that, or nothing. Else what the tightest budget leaves,
    /// which a stream takes in instalments, so that others find something left beside it.
    pub(super) fn grant(&self, begin: &Begin, now: u64) -> Result<Grant, Refusal> {
        let (estimate, rates) = (begin.estimate, begin.rates);
        let input = estimate.input.min(MAX_REQUEST_TOKENS);
        let whole = estimate.output.unwrap_or(estimate.output_default).min(MAX_REQUEST_TOKENS);
        let choices = estimate.choices.max(1);
        let (named, nothing) = (estimate.output.is_some(), Amount::default());
        let grows = begin.stream && !named;
        let (mut instalment, mut max_output) = (whole, None);
        for ceiling in self.ceilings(&begin.limits, self.settled_at(now), now, now) {
            let fits = ceiling.fits(input, nothing, rates);
            if fits.is_none_or(|fits| fits < whole) {
                let each = fits.map(|fits| fits / choices).filter(|each| *each > 0 && !named).ok_or_else(|| ceiling.refusal(now))?;
                max_output = Some(max_output.map_or(each, |lowest: u64| lowest.min(each)));
            }
            if grows {
                instalment = instalment.min(ceiling.instalment(input, nothing, rates).max(MIN_INSTALMENT));
            }
        }
        let most = max_output.map_or(whole, |each| each.saturating_mul(choices).min(whole));
        let output = most.min(instalment);
        let micro_usd = rates.map_or(0, |rates| rates.most(input, output));
        Ok(Grant { input, output, micro_usd, max_output, grows_to: grows.then_some(most) })
    }
}

fn quota(budget: Budget, limit: u64, used: u64, at: u64) -> Refusal {
    Refusal::Quota { scope: budget, limit, used, resets_at: budget.period().ends(at) / 1000 }
}
