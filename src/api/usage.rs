//! Token counts of one request. Always a snapshot that overwrites, never a delta that adds.

use serde::{Deserialize, Serialize};

/// Tokens of one request, by class. `input` and `output` are totals; the other fields say how many of those were special.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenUsage {
    /// All prompt tokens, cached ones included.
    pub input: u64,
    /// All completion tokens, reasoning included.
    pub output: u64,
    /// Of `input`: read from the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input: u64,
    /// Of `input`: written to the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Of `cache_write`: to be kept for an hour, which costs more.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_hour: u64,
    /// Of `output`: spent on reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    /// Of `input`: audio, not counting what was read from or written to a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_input: u64,
    /// Of `output`: audio.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_output: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl TokenUsage {
    /// Input plus output. Saturates: a provider's nonsense must not wrap a budget around.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
