//! Totals of a day: what outlives the request rows.
//!
//! Always holds: a settled request is in the totals of its day or a row above their `through_seq`, never both.

use serde::{Deserialize, Serialize};

use super::MAX_SAFE;
use super::store::KeySource;
use crate::api::usage::TokenUsage;

/// Totals of one local day, provider, model and key source, over the settled requests up to a number. They outlive the request rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRow {
    /// Days since the epoch.
    pub day: u64,
    /// The provider asked.
    pub provider: String,
    /// The model served.
    pub model: String,
    /// Whose credential.
    pub key_source: KeySource,
    /// Settled requests.
    pub requests: u64,
    /// Of them, those whose model has no known price.
    pub unpriced: u64,
    /// Tokens.
    pub input: u64,
    /// Tokens.
    pub output: u64,
    /// Of `input`.
    pub cached_input: u64,
    /// Of `input`.
    pub cache_write: u64,
    /// Of `output`.
    pub reasoning: u64,
    /// Of `input`.
    pub audio_input: u64,
    /// Of `output`.
    pub audio_output: u64,
    /// What they cost.
    pub micro_usd: u64,
    /// Request rows up to this number are in the totals of their days; rows above are not.
    pub through_seq: u64,
}

impl DayRow {
    /// What the totals are of.
    pub fn key(&self) -> (u64, &str, &str, KeySource) {
        (self.day, &self.provider, &self.model, self.key_source)
    }

    /// The tokens by class.
    pub const fn usage(&self) -> TokenUsage {
        TokenUsage {
            input: self.input,
            output: self.output,
            cached_input: self.cached_input,
            cache_write: self.cache_write,
            // Rows tell how long; their dollars are what counts in sums.
            cache_write_hour: 0,
            reasoning: self.reasoning,
            audio_input: self.audio_input,
            audio_output: self.audio_output,
        }
    }

    /// Adds the numbers of other totals; what they are of stays. Saturates at what the platform carries exactly.
    pub fn add(&mut self, other: &Self) {
        self.each(other, |sum, more| sum.saturating_add(more).min(MAX_SAFE));
    }

    /// Takes the numbers of other totals away.
    pub fn remove(&mut self, other: &Self) {
        self.each(other, u64::saturating_sub);
    }

    fn each(&mut self, other: &Self, change: impl Fn(u64, u64) -> u64) {
        let numbers = [
            (&mut self.requests, other.requests),
            (&mut self.unpriced, other.unpriced),
            (&mut self.input, other.input),
            (&mut self.output, other.output),
            (&mut self.cached_input, other.cached_input),
            (&mut self.cache_write, other.cache_write),
            (&mut self.reasoning, other.reasoning),
            (&mut self.audio_input, other.audio_input),
            (&mut self.audio_output, other.audio_output),
            (&mut self.micro_usd, other.micro_usd),
        ];
        for (number, by) in numbers {
            *number = change(*number, by);
        }
    }
}

/// How far the day totals reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The latest day that has totals.
    pub day: u64,
    /// Request rows up to this number are in them.
    pub through_seq: u64,
}
