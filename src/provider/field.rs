//! Every field of a chat request, and what the dialects that are not OpenAI's do with it: the table of docs/compatibility.md.
//!
//! Always holds: what a provider cannot do and what would change the meaning of the answer is a 400 that names the field; what
//! changes nothing that a client reads is ignored; a field that nobody knows is refused, as OpenAI itself does.
//! Absent on purpose: the OpenAI dialect, whose hosts get every field as it is, but for those that a host's row names (`host`).

use serde_json::value::RawValue;

use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};

/// What a dialect does with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Said in the provider's words.
    Used,
    /// Left out: the answer means the same without it.
    Ignored,
    /// A 400, unless the value is one that asks for nothing.
    Refused,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Values that ask for nothing, as JSON without whitespace; `null` always does.
    pub neutral: &'static [&'static str],
    /// What the Anthropic dialect does.
    pub anthropic: Rule,
    /// What the Gemini dialect does.
    pub gemini: Rule,
    /// For people: what becomes of it, or why not.
    pub note: &'static str,
}

use Rule::{Ignored, Refused, Used};

const fn field(name: &'static str, [anthropic, gemini]: [Rule; 2], neutral: &'static [&'static str], note: &'static str) -> Field {
    Field { name, neutral, anthropic, gemini, note }
}

/// The table, by name.
pub const FIELDS: [Field; 39] = [
    field("audio", [Refused, Refused], &[], "no spoken answers"),
    field("cache_control", [Used, Ignored], &[], "Anthropic's own field, passed on as it is"),
    field("extra_body", [Refused, Used], &["{}"], "Gemini: `google` with `thinking_config`, `safety_settings`, `cached_content`"),
    field("frequency_penalty", [Refused, Used], &["0", "0.0"], ""),
    field("function_call", [Refused, Refused], &["\"none\"", "\"auto\""], "the older spelling: use `tool_choice`"),
    field("functions", [Refused, Refused], &["[]"], "the older spelling: use `tools`"),
    field("logit_bias", [Refused, Refused], &["{}"], ""),
    field("logprobs", [Refused, Used], &["false"], ""),
    field("max_completion_tokens", [Used, Used], &[], ""),
    field("max_tokens", [Used, Used], &[], ""),
    field("messages", [Used, Used], &[], ""),
    field("metadata", [Ignored, Ignored], &[], "for OpenAI's own dashboard"),
    field("modalities", [Refused, Used], &["[\"text\"]", "[]"], "Gemini: images too, never sound"),
    field("model", [Used, Used], &[], ""),
    field("n", [Refused, Used], &["1", "1.0"], ""),
    field("parallel_tool_calls", [Used, Used], &["true"], ""),
    field("prediction", [Ignored, Ignored], &[], "only makes an answer faster"),
    field("presence_penalty", [Refused, Used], &["0", "0.0"], ""),
    field("prompt_cache_key", [Ignored, Ignored], &[], "only makes an answer cheaper"),
    field("prompt_cache_retention", [Ignored, Ignored], &[], "only makes an answer cheaper"),
    field("reasoning_effort", [Used, Used], &[], ""),
    field("response_format", [Used, Used], &[], ""),
    field("safety_identifier", [Ignored, Ignored], &[], "who the user is follows from the token"),
    field("seed", [Ignored, Used], &[], "OpenAI promises nothing for it either"),
    field("service_tier", [Ignored, Ignored], &[], "OpenAI's own price classes"),
    field("stop", [Used, Used], &[], ""),
    field("store", [Ignored, Ignored], &[], "for OpenAI's own dashboard"),
    field("stream", [Used, Used], &[], ""),
    field("stream_options", [Used, Used], &[], ""),
    field("temperature", [Used, Used], &[], ""),
    field("thinking", [Used, Refused], &[], "Anthropic's own field, passed on as it is"),
    field("tool_choice", [Used, Used], &[], ""),
    field("tools", [Used, Used], &[], "functions only"),
    field("top_k", [Used, Used], &[], "not OpenAI's, but both providers have it"),
    field("top_logprobs", [Refused, Used], &["0"], ""),
    field("top_p", [Used, Used], &[], ""),
    field("user", [Ignored, Ignored], &[], "who the user is follows from the token"),
    field("verbosity", [Refused, Refused], &["\"medium\""], ""),
    field("web_search_options", [Refused, Used], &[], "Gemini: its own search"),
];

impl Field {
    /// Whether this value of it asks for something.
    fn is_asked(&self, value: &RawValue) -> bool {
        let value: String = value.get().split_ascii_whitespace().collect();
        value != "null" && !self.neutral.contains(&value.as_str())
    }

    /// Whether leaving it out changes nothing that a client reads: then a dialect that cannot say it ignores it.
    fn is_harmless(&self) -> bool {
        self.anthropic == Ignored || self.gemini == Ignored
    }
}

fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// Whether this value of a field asks for something.
pub(super) fn asks(name: &str, value: &RawValue) -> bool {
    find(name).is_none_or(|field| field.is_asked(value))
}

/// Whether leaving this out would change what a client reads.
pub(super) fn matters(name: &str, value: &RawValue) -> bool {
    asks(name, value) && !find(name).is_some_and(Field::is_harmless)
}

/// Fails with a 400 that names the first field that the provider cannot honour. `rule` picks the dialect's column.
pub(super) fn check(chat: &ChatRequest<'_>, provider: &str, rule: impl Fn(&Field) -> Rule) -> Result<()> {
    for (name, value) in chat.object().iter() {
        match find(name) {
            Some(field) if rule(field) == Refused && field.is_asked(value) => {
                return Err(Error::invalid(name, format!("{name} is not supported by {provider} models.")));
            }
            Some(_) => {}
            None => return Err(Error::invalid(name, format!("{name} is not a field that {provider} models understand."))),
        }
    }
    Ok(())
}
