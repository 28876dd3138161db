//! Token counts as Anthropic reports them: input without what was read from or written to the cache.

use serde_json::value::RawValue;

use crate::api::chat::whole;
use crate::api::usage::TokenUsage;
use crate::json::pick;

/// The counts so far. What a later report leaves out stays.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_hour: Option<u64>,
    thinking: Option<u64>,
    /// The output was counted to its end; until then it is a first few tokens.
    complete: bool,
}

/// What a whole answer counts, whatever else it is.
pub(super) fn of_answer(body: &[u8]) -> Option<TokenUsage> {
    let [usage] = pick(core::str::from_utf8(body).ok()?, ["usage"]).ok()?;
    let mut counts = Counts::default();
    counts.complete(usage?);
    counts.tokens()
}

impl Counts {
    /// Takes a `usage` object in.
    pub(super) fn merge(&mut self, usage: &RawValue) {
        let names = [
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
            "output_tokens_details",
        ];
        let Ok([input, output, read, write, lifetimes, details]) = pick(usage.get(), names) else { return };
        let number = |value: Option<&RawValue>| whole(value?.get());
        self.input = number(input).or(self.input);
        self.output = number(output).or(self.output);
        self.cache_read = number(read).or(self.cache_read);
        self.cache_write = number(write).or(self.cache_write);
        let hour = lifetimes.and_then(|all| pick(all.get(), ["ephemeral_1h_input_tokens"]).ok()).and_then(|[hour]| number(hour));
        self.cache_write_hour = hour.or(self.cache_write_hour);
        let thinking = details.and_then(|details| pick(details.get(), ["thinking_tokens"]).ok()).and_then(|[thinking]| number(thinking));
        self.thinking = thinking.or(self.thinking);
    }

    /// Takes the last report in.
    pub(super) fn complete(&mut self, usage: &RawValue) {
        self.merge(usage);
        self.complete = true;
    }

    /// Whether the output was counted to its end.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// In our terms; `None` when nothing was reported.
    pub(super) fn tokens(&self) -> Option<TokenUsage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let [input, output, cached_input, cache_write, thinking] =
            [self.input, self.output, self.cache_read, self.cache_write, self.thinking].map(Option::unwrap_or_default);
        Some(TokenUsage {
            input: input.saturating_add(cached_input).saturating_add(cache_write),
            output,
            cached_input,
            cache_write,
            cache_write_hour: self.cache_write_hour.unwrap_or(0).min(cache_write),
            reasoning: thinking.min(output),
            ..TokenUsage::default()
        })
    }
}
