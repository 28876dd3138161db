//! Tokens and dollars per day and month: what is spent, what is held, what a new request may hold.
//!
//! Always holds: at admission and at every extension, spent + reserved ≤ limit for each budget that the request costs
//! something of. Only what a provider bills beyond a reservation can pass a limit; that is recorded as it is, and counts
//! from the moment it is reported. Day and month are those of the request's begin, in the project's zone (`today`). A
//! reservation past its deadline counts as what its expiry will charge. Absent on purpose: writing, and when a reservation
//! is extended (`extend`).

use super::command::{Begin, Limits};
use super::holding::Holding;
use super::refusal::{Budget, Refusal};
use super::today::Today;
use super::{MAX_REQUEST_TOKENS, User};
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

/// Whose budget it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    /// The user's or the project's.
    Period(Budget),
    /// A token's.
    Token { usd: bool },
}

impl Whose {
    /// Whether it counts micro-dollars.
    pub(super) const fn is_usd(self) -> bool {
        match self {
            Self::Period(budget) => budget.is_usd(),
            Self::Token { usd } => usd,
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

/// A request that asks to be admitted.
pub(super) struct Claim<'a> {
    pub begin: &'a Begin,
    /// Its prompt, with history.
    pub input: u64,
    /// What its token's budgets leave.
    pub tokens: Vec<Ceiling>,
}

/// One budget as it stands for one request. Numbers are in its own unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceiling {
    pub whose: Whose,
    pub limit: u64,
    /// Settled, or overdue, which is as good as settled.
    pub spent: u64,
    /// Spent, and held by what runs.
    pub used: u64,
    /// When it is new again, epoch ms; never, if it is a token's.
    resets_at: u64,
    /// It is a slice of the project's, which was cut to what is needed: all of it may be held at once.
    pub leased: bool,
}

impl Ceiling {
    /// A budget that is new in no day.
    pub(super) const fn of(whose: Whose, limit: u64, spent: Amount, held: Amount) -> Self {
        Self { whose, limit, spent: whose.of(spent), used: whose.of(spent.plus(held)), resets_at: 0, leased: false }
    }

    /// How many output tokens fit beside the input of a request that holds `own` already; `None` if not even the input does.
    pub(super) fn fits(&self, input: u64, own: Amount, rates: Option<Rates>) -> Option<u64> {
        let others = self.used.saturating_sub(self.whose.of(own));
        self.whose.output_within(self.limit.saturating_sub(others), input, rates)
    }

    /// How many output tokens another instalment would bring such a request to.
    pub(super) fn instalment(&self, input: u64, own: Amount, rates: Option<Rates>) -> u64 {
        let part = if self.leased { self.limit.saturating_sub(self.used) } else { self.limit.saturating_sub(self.spent) / INSTALMENTS };
        self.whose.output_within(self.whose.of(own).saturating_add(part), input, rates).unwrap_or(0)
    }

    /// Why a request may hold no more.
    pub(super) const fn refusal(&self) -> Refusal {
        let (limit, used) = (self.limit, self.used);
        match self.whose {
            Whose::Period(scope) => Refusal::Quota { scope, limit, used, resets_at: self.resets_at.div_ceil(1000) },
            Whose::Token { usd } => Refusal::Token { usd, limit, used },
        }
    }
}

/// The span of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    Day,
    Month,
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
            // A project's are held in slices.
            Self::ProjectRequestsPerDay
            | Self::ProjectTokensPerDay
            | Self::ProjectTokensPerMonth
            | Self::ProjectUsdPerDay
            | Self::ProjectUsdPerMonth => None,
        }
    }

    pub(super) const fn period(self) -> Period {
        match self {
            Self::UserTokensPerMonth | Self::UserUsdPerMonth | Self::ProjectTokensPerMonth | Self::ProjectUsdPerMonth => Period::Month,
            _ => Period::Day,
        }
    }

    /// What it counts of an amount.
    const fn of(self, amount: Amount) -> u64 {
        if self.is_usd() { amount.micro_usd } else { amount.tokens }
    }
}

impl User {
    /// What is spent and held at `now`, today or this month.
    pub(super) fn amount(&self, period: Period, now: u64) -> Amount {
        let (spent, held) = self.lost(period, &self.today, now);
        spent.plus(held)
    }

    /// What a day or its month has lost: spent (also by what is overdue at `due`), and held.
    fn lost(&self, period: Period, today: &Today, due: u64) -> (Amount, Amount) {
        let here = self.open.values().filter(|open| today.shares(period, open.day));
        here.fold((today.spent(period), Amount::default()), |(spent, held), open| {
            if open.due(due) { (spent.plus(open.bill()), held) } else { (spent, held.plus(open.holds())) }
        })
    }

    /// The budgets that hold for a request of a day, in the order in which they refuse: the user's, then what is held of the
    /// project's. The one list: admission and extension both go by it. What is overdue at `due` counts as spent: whoever
    /// relies on it settles it.
    pub(super) fn ceilings(&self, limits: &Limits, holding: Option<&Holding>, today: &Today, due: u64) -> Vec<Ceiling> {
        let ceiling = |budget: Budget, limit: u64, leased: bool| {
            let period = budget.period();
            let (spent, held) = self.lost(period, today, due);
            Ceiling { resets_at: today.ends(period), leased, ..Ceiling::of(Whose::Period(budget), limit, spent, held) }
        };
        let own = Budget::RESERVED.into_iter().filter_map(|budget| Some(ceiling(budget, budget.limit(limits)?, false)));
        let slices = holding.into_iter().flat_map(|holding| holding.slices(today));
        own.chain(slices.map(|(share, limit)| ceiling(share.of_project(), limit, true))).collect()
    }

    /// What a budget has lost at `now`: requests, tokens or micro-dollars.
    pub(super) fn used(&self, budget: Budget, now: u64) -> u64 {
        match budget {
            Budget::UserRequestsPerDay => self.today.requests,
            _ => budget.of(self.amount(budget.period(), now)),
        }
    }

    /// Set if one more request today would pass the limit.
    pub(super) fn request_refusal(&self, limits: &Limits) -> Option<Refusal> {
        let (limit, used) = (limits.requests_per_day?, self.today.requests);
        let resets_at = self.today.ends(Period::Day).div_ceil(1000);
        (used >= limit).then_some(Refusal::Quota { scope: Budget::UserRequestsPerDay, limit, used, resets_at })
    }

    /// How much a request may hold at `now`. If it named a maximum: that, or nothing. Else what the tightest budget leaves,
    /// which a stream takes in instalments, so that others find something left beside it.
    pub(super) fn grant(&self, claim: &Claim<'_>, holding: Option<&Holding>, now: u64) -> Result<Grant, Refusal> {
        let Claim { begin, input, ref tokens } = *claim;
        let (estimate, rates) = (begin.estimate, begin.rates);
        let whole = estimate.output.unwrap_or(estimate.output_default).min(MAX_REQUEST_TOKENS);
        let choices = estimate.choices.max(1);
        let (named, nothing) = (estimate.output.is_some(), Amount::default());
        let grows = begin.stream && !named;
        let (mut instalment, mut max_output) = (whole, None);
        for ceiling in self.ceilings(&begin.limits, holding, &self.today, now).iter().chain(tokens) {
            let fits = ceiling.fits(input, nothing, rates);
            if fits.is_none_or(|fits| fits < whole) {
                let each = fits.map(|fits| fits / choices).filter(|each| *each > 0 && !named).ok_or_else(|| ceiling.refusal())?;
                // A slice grows while the stream runs: its size is no reason to tell the provider a maximum.
                if !(ceiling.leased && grows) {
                    max_output = Some(max_output.map_or(each, |lowest: u64| lowest.min(each)));
                }
            }
            if grows {
                let part = ceiling.instalment(input, nothing, rates);
                instalment = instalment.min(if ceiling.leased { part } else { part.max(MIN_INSTALMENT) });
            }
        }
        let most = max_output.map_or(whole, |each| each.saturating_mul(choices).min(whole));
        let output = most.min(instalment);
        let micro_usd = rates.map_or(0, |rates| rates.most(input, output));
        Ok(Grant { input, output, micro_usd, max_output, grows_to: grows.then_some(most) })
    }
}
