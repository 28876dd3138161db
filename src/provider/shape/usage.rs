//! Token counts as OpenAI reports them.

use crate::api::usage::TokenUsage;

/// The `usage` object.
pub(super) fn usage_json(usage: &TokenUsage) -> String {
    let TokenUsage { input, output, cached_input, cache_write, reasoning, audio_input, audio_output, .. } = *usage;
    // OpenAI has no name for tokens written to a cache; this is OpenRouter's.
    let written = if cache_write > 0 { format!(r#","cache_write_tokens":{cache_write}"#) } else { String::new() };
    format!(
        r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{cached_input},"audio_tokens":{audio_input}{written}}},"completion_tokens_details":{{"reasoning_tokens":{reasoning},"audio_tokens":{audio_output},"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#,
        usage.total()
    )
}
