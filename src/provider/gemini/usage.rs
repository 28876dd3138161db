//! Gemini's token counts in ours.
//!
//! Always holds: thoughts are counted beside the candidates there and within the output here; cached tokens are within the
//! prompt in both; a count that is missing is 0. Absent on purpose: adding up events (each is a snapshot).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::usage::TokenUsage;
use crate::json::pick;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Counts<'a> {
    prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
    /// Results of Google's own tools, fed back to the model: input beside the prompt.
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    #[serde(borrow)]
    prompt_tokens_details: Option<Vec<Modality<'a>>>,
    #[serde(borrow)]
    tool_use_prompt_tokens_details: Option<Vec<Modality<'a>>>,
    #[serde(borrow)]
    cache_tokens_details: Option<Vec<Modality<'a>>>,
    #[serde(borrow)]
    candidates_tokens_details: Option<Vec<Modality<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Modality<'a> {
    #[serde(borrow)]
    modality: Option<&'a RawValue>,
    token_count: Option<u64>,
}

/// Reads `usageMetadata`; `None` when it counts nothing.
pub(in crate::provider) fn read(raw: &RawValue) -> Option<TokenUsage> {
    let counts: Counts = serde_json::from_str(raw.get()).ok()?;
    if [counts.prompt_token_count, counts.candidates_token_count, counts.total_token_count].iter().all(Option::is_none) {
        return None;
    }
    let or_none = |count: Option<u64>| count.unwrap_or(0);
    let thoughts = or_none(counts.thoughts_token_count);
    let heard = audio(counts.prompt_tokens_details.as_ref()).saturating_add(audio(counts.tool_use_prompt_tokens_details.as_ref()));
    Some(TokenUsage {
        input: or_none(counts.prompt_token_count).saturating_add(or_none(counts.tool_use_prompt_token_count)),
        output: or_none(counts.candidates_token_count).saturating_add(thoughts),
        cached_input: or_none(counts.cached_content_token_count),
        cache_write: 0,
        cache_write_hour: 0,
        reasoning: thoughts,
        audio_input: heard.saturating_sub(audio(counts.cache_tokens_details.as_ref())),
        audio_output: audio(counts.candidates_tokens_details.as_ref()),
    })
}

/// What a whole answer counts, whatever else it is.
pub(super) fn of_answer(body: &[u8]) -> Option<TokenUsage> {
    let [usage] = pick(core::str::from_utf8(body).ok()?, ["usageMetadata"]).ok()?;
    read(usage?)
}

fn audio(details: Option<&Vec<Modality>>) -> u64 {
    let counts = details
        .into_iter()
        .flatten()
        .filter(|one| one.modality.is_some_and(|modality| modality.get() == "\"AUDIO\""))
        .filter_map(|one| one.token_count);
    counts.fold(0, u64::saturating_add)
}
