//! What a request is charged, whoever says so: the provider, our own count, or nobody.
//!
//! Always holds: the dollars of a charge are its tokens at the prices the request was admitted with.
//! Absent on purpose: writing, and budgets.

use super::budget::Amount;
use super::store::{Settlement, Status};
use super::{MAX_REQUEST_TOKENS, Open, User};
use crate::api::usage::TokenUsage;

impl Open {
    /// Tokens held.
    pub(super) fn reserved(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What it takes of the budgets while it runs: what it holds, or what it has cost so far if that is more.
    pub(super) fn holds(&self) -> Amount {
        Amount { tokens: self.reserved(), micro_usd: self.micro_usd }.or_more(self.bill())
    }

    /// What its expiry would charge.
    pub(super) fn bill(&self) -> Amount {
        let usage = self.presumed();
        Amount { tokens: usage.total(), micro_usd: self.cost(usage) }
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

    /// Whether its time is over.
    pub(super) fn due(&self, now: u64) -> bool {
        self.deadline < now
    }

    fn expiry(&self, ended: u64, now: u64) -> Settlement {
        let usage = self.presumed();
        Settlement {
            seq: self.seq,
            ended,
            status: Status::Expired,
            usage,
            micro_usd: self.cost(usage),
            estimated: true,
            stored: false,
            settled_at: now,
            ttft_ms: None,
            duration_ms: None,
        }
    }
}

impl User {
    /// The ends of all reservations whose deadline has passed, in the order of their numbers, with their request ids.
    pub(super) fn due(&self, now: u64) -> Vec<(String, Settlement)> {
        let mut due: Vec<_> = self.open.iter().filter(|(_, open)| open.due(now)).collect();
        due.sort_unstable_by_key(|(_, open)| open.seq);
        (self.next_ended()..).zip(due).map(|(ended, (id, open))| (id.clone(), open.expiry(ended, now))).collect()
    }
}

/// Keeps a provider's report within what rows and sums can hold.
pub(super) fn plausible(usage: TokenUsage) -> TokenUsage {
    TokenUsage {
        input: usage.input.min(MAX_REQUEST_TOKENS),
        output: usage.output.min(MAX_REQUEST_TOKENS),
        cached_input: usage.cached_input.min(MAX_REQUEST_TOKENS),
        cache_write: usage.cache_write.min(MAX_REQUEST_TOKENS),
        cache_write_hour: usage.cache_write_hour.min(MAX_REQUEST_TOKENS),
        reasoning: usage.reasoning.min(MAX_REQUEST_TOKENS),
        audio_input: usage.audio_input.min(MAX_REQUEST_TOKENS),
        audio_output: usage.audio_output.min(MAX_REQUEST_TOKENS),
    }
}
