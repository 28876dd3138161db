//! What was used on a day, by who served it: sums of what the ledger or the store says.

use behest::api::usage::TokenUsage;
use behest::user::store::KeySource;

/// A provider, a model and a key source on a day.
pub type Account = (u64, String, String, KeySource);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: u64,
    pub unpriced: u64,
    pub usage: TokenUsage,
    pub micro_usd: u64,
}

impl Totals {
    pub fn plus(self, more: Self) -> Self {
        let (a, b) = (self.usage, more.usage);
        let usage = TokenUsage {
            input: a.input + b.input,
            output: a.output + b.output,
            cached_input: a.cached_input + b.cached_input,
            cache_write: a.cache_write + b.cache_write,
            cache_write_hour: 0,
            reasoning: a.reasoning + b.reasoning,
            audio_input: a.audio_input + b.audio_input,
            audio_output: a.audio_output + b.audio_output,
        };
        Self {
            requests: self.requests + more.requests,
            unpriced: self.unpriced + more.unpriced,
            usage,
            micro_usd: self.micro_usd + more.micro_usd,
        }
    }
}
