//! Tokens and dollars per day and month: what is spent, what is held, what a new request may hold.
//!
//! Always holds: at admission, spent + reserved + new ≤ limit for each budget that the request costs something of. Only
//! what a provider bills beyond a reservation can pass a limit; that is recorded as it is. Day and month are those of the
//! request's begin, in the project's zone (`today`). A reservation past its deadline counts as what its expiry will charge. Absent on purpose: writing.

use super::command::{Begin, Limits};
use super::holding::Holding;
use super::refusal::{Budget, Refusal};
use super::{MAX_REQUEST_TOKENS, User};
use crate::price::Rates;

/// What a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub input: u64,
    pub output: u64,
    pub micro_usd: u64,
    pub max_output: Option<u64>,
}

/// What a budget allows and has lost.
#[derive(Clone, Copy, Debug)]
struct Ceiling {
    budget: Budget,
    limit: u64,
    used: u64,
}

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
    /// What is spent and held at `now`, today or this month.
    pub(super) fn amount(&self, period: Period, now: u64) -> Amount {
        let today = &self.today;
        self.open.values().filter(|open| today.shares(period, open.day)).fold(today.spent(period), |sum, open| {
            let usage = open.presumed();
            let held = if open.due(now) {
                Amount { tokens: usage.total(), micro_usd: open.cost(usage) }
            } else {
                Amount { tokens: open.reserved(), micro_usd: open.micro_usd }
            };
            sum.plus(held)
        })
    }

    /// What a budget has lost at `now`: requests, tokens or micro-dollars.
    pub(super) fn used(&self, budget: Budget, now: u64) -> u64 {
        match budget {
            Budget::UserRequestsPerDay => self.today.requests,
            _ if budget.is_usd() => self.amount(budget.period(), now).micro_usd,
            _ => self.amount(budget.period(), now).tokens,
        }
    }

    /// Set if one more request today would pass the limit.
    pub(super) fn request_refusal(&self, limits: &Limits) -> Option<Refusal> {
        let limit = limits.requests_per_day?;
        let used = self.today.requests;
        (used >= limit).then(|| self.quota(Budget::UserRequestsPerDay, limit, used))
    }

    /// What each budget allows and has lost: those of the user that are reserved, and those of the project that a holding
    /// has a slice of.
    fn ceilings(&self, limits: &Limits, holding: Option<&Holding>, now: u64) -> Vec<Ceiling> {
        let own = Budget::RESERVED.into_iter().filter_map(|budget| {
            let limit = budget.limit(limits)?;
            Some(Ceiling { budget, limit, used: self.used(budget, now) })
        });
        let leased = holding.into_iter().flat_map(|holding| self.leased(holding, now));
        own.chain(leased.map(|(share, limit, used)| Ceiling { budget: share.of_project(), limit, used })).collect()
    }

    /// How much a request may hold at `now`: all it asks for, or what the tightest budget leaves if it named no maximum.
    pub(super) fn grant(&self, begin: &Begin, input: u64, holding: Option<&Holding>, now: u64) -> Result<Grant, Refusal> {
        let (estimate, rates) = (begin.estimate, begin.rates);
        let whole = estimate.output.unwrap_or(estimate.output_default).min(MAX_REQUEST_TOKENS);
        let choices = estimate.choices.max(1);
        let (mut output, mut max_output) = (whole, None);
        for Ceiling { budget, limit, used } in self.ceilings(&begin.limits, holding, now) {
            let fits = budget.output_within(limit.saturating_sub(used), input, rates);
            if fits.is_some_and(|fits| fits >= whole) {
                continue;
            }
            match fits.map(|fits| fits / choices) {
                Some(each) if each > 0 && estimate.output.is_none() => {
                    let each = max_output.map_or(each, |lowest: u64| lowest.min(each));
                    (output, max_output) = (each.saturating_mul(choices).min(whole), Some(each));
                }
                _ => return Err(self.quota(budget, limit, used)),
            }
        }
        Ok(Grant { input, output, micro_usd: rates.map_or(0, |rates| rates.most(input, output)), max_output })
    }

    fn quota(&self, budget: Budget, limit: u64, used: u64) -> Refusal {
        Refusal::Quota { scope: budget, limit, used, resets_at: self.today.ends(budget.period()).div_ceil(1000) }
    }
}
