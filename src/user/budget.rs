//! Tokens per UTC day: what is spent, what is held, what a new request may hold.
//!
//! Always holds: at admission, spent + reserved + new ≤ limit. Only what a provider bills beyond a reservation can pass
//! the limit; that is recorded as it is. The day is that of the request's begin. A reservation past its deadline counts
//! as what its expiry will charge. Absent on purpose: writing.

use super::command::{Estimate, Limits};
use super::refusal::Refusal;
use super::store::{Settlement, Status};
use super::{DAY_MS, MAX_REQUEST_TOKENS, Open, User, day_of};
use crate::api::usage::TokenUsage;

/// What a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub input: u64,
    pub output: u64,
    pub max_output: Option<u64>,
}

impl Open {
    /// Tokens held.
    pub(super) fn reserved(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What is charged when nobody says what it used: the last report (a report without a prompt count is filled from the
    /// estimate), else all of the reservation, because a hard budget must not be had for free by disappearing.
    pub(super) fn presumed(&self) -> TokenUsage {
        match self.progress {
            Some(usage) if usage.input > 0 => usage,
            Some(usage) => TokenUsage { input: self.input, ..usage },
            None => TokenUsage { input: self.input, output: self.output, ..TokenUsage::default() },
        }
    }

    /// What a usage costs at the prices the request was admitted with, in micro-dollars.
    pub(super) fn cost(&self, usage: TokenUsage) -> u64 {
        self.rates.map_or(0, |rates| rates.cost(usage))
    }

    fn due(&self, now: u64) -> bool {
        self.deadline < now
    }
}

/// Keeps a provider's report within what rows and sums can hold.
pub(super) fn plausible(usage: TokenUsage) -> TokenUsage {
    TokenUsage {
        input: usage.input.min(MAX_REQUEST_TOKENS),
        output: usage.output.min(MAX_REQUEST_TOKENS),
        cached_input: usage.cached_input.min(MAX_REQUEST_TOKENS),
        cache_write: usage.cache_write.min(MAX_REQUEST_TOKENS),
        reasoning: usage.reasoning.min(MAX_REQUEST_TOKENS),
        audio_input: usage.audio_input.min(MAX_REQUEST_TOKENS),
        audio_output: usage.audio_output.min(MAX_REQUEST_TOKENS),
    }
}

impl User {
    /// Tokens spent and held on the day of `now` (which is not before the newest request).
    pub(super) fn used(&self, now: u64) -> u64 {
        let today = day_of(now);
        let spent = if day_of(self.newest_at) == today { self.spent } else { 0 };
        let held = self.open.values().filter(|open| day_of(open.at) == today);
        held.map(|open| if open.due(now) { open.presumed().total() } else { open.reserved() }).fold(spent, u64::saturating_add)
    }

    /// How much a request may hold at `now`: all it asks for, or what is left if it named no maximum of its own.
    pub(super) fn grant(&self, limits: Limits, estimate: Estimate, now: u64) -> Result<Grant, Refusal> {
        let input = estimate.input;
        let output = estimate.output.unwrap_or(estimate.output_default);
        let whole = Grant { input: input.min(MAX_REQUEST_TOKENS), output: output.min(MAX_REQUEST_TOKENS), max_output: None };
        let Some(limit) = limits.tokens_per_day else { return Ok(whole) };
        let used = self.used(now);
        let left = limit.saturating_sub(used);
        if input.saturating_add(output) <= left {
            return Ok(whole);
        }
        let choices = estimate.choices.max(1);
        match left.checked_sub(input).map(|rest| rest / choices) {
            Some(each) if each > 0 && estimate.output.is_none() => {
                Ok(Grant { input: whole.input, output: (each * choices).min(MAX_REQUEST_TOKENS), max_output: Some(each) })
            }
            _ => {
                Err(Refusal::Quota { scope: "user_tokens_per_day".to_owned(), limit, used, resets_at: (day_of(now) + 1) * (DAY_MS / 1000) })
            }
        }
    }

    /// The ends of all reservations whose deadline has passed, in the order of their numbers, with their request ids.
    pub(super) fn due(&self, now: u64) -> Vec<(String, Settlement)> {
        let mut due: Vec<_> =
            self.open.iter().filter(|(_, open)| open.due(now)).map(|(id, open)| (id.clone(), expiry(open, now))).collect();
        due.sort_by_key(|(_, settlement)| settlement.seq);
        due
    }
}

fn expiry(open: &Open, now: u64) -> Settlement {
    let usage = open.presumed();
    Settlement {
        seq: open.seq,
        status: Status::Expired,
        usage,
        micro_usd: open.cost(usage),
        estimated: true,
        stored: false,
        settled_at: now,
        ttft_ms: None,
        duration_ms: None,
    }
}
