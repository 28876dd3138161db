//! Token counts as OpenAI-speaking hosts report them.

use serde_json::value::RawValue;

use crate::api::chat::whole;
use crate::api::usage::TokenUsage;
use crate::json::pick;

/// Reads a `usage` object; `None` when it counts nothing that we know.
pub(in crate::provider) fn read(raw: &RawValue) -> Option<TokenUsage> {
    let names = [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "prompt_cache_hit_tokens",
        "num_cached_tokens",
        "cached_tokens",
    ];
    let [prompt, completion, total, prompt_details, completion_details, of_deepseek, of_mistral, of_moonshot] =
        pick(raw.get(), names).ok()?;
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let input = number(prompt).unwrap_or(0);
    let output = number(completion).unwrap_or(0);
    Some(TokenUsage {
        input,
        // xAI counts reasoning in the total only. What was billed is what the total says.
        output: number(total).map_or(output, |total| output.max(total.saturating_sub(input))),
        cached_input: detail(prompt_details, "cached_tokens")
            .or_else(|| [of_deepseek, of_mistral, of_moonshot].into_iter().find_map(number))
            .unwrap_or(0),
        cache_write: detail(prompt_details, "cache_write_tokens").unwrap_or(0),
        cache_write_hour: 0,
        reasoning: detail(completion_details, "reasoning_tokens").unwrap_or(0),
        audio_input: detail(prompt_details, "audio_tokens").unwrap_or(0),
        audio_output: detail(completion_details, "audio_tokens").unwrap_or(0),
    })
}

/// What a whole answer counts, whatever else it is.
pub(super) fn of_answer(body: &[u8]) -> Option<TokenUsage> {
    let [usage] = pick(core::str::from_utf8(body).ok()?, ["usage"]).ok()?;
    read(usage?)
}

fn detail(details: Option<&RawValue>, name: &str) -> Option<u64> {
    let [value] = pick(details?.get(), [name]).ok()?;
    number(value)
}

fn number(value: Option<&RawValue>) -> Option<u64> {
    whole(value?.get())
}
