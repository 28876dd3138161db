//! `GET /v1/models`: the models a caller may use, in OpenAI's shape, with what is known of each.
//!
//! Always holds: what is not known is absent, never a guess. Beside OpenAI's four members the names are those of `OpenRouter`'s
//! list, which clients read that show context windows and prices; what is the gateway's own is in `behest`.
//! Absent on purpose: where the list comes from (`config::offer`).

use serde::Serialize;

use crate::catalog::{Capability, LongContext, Mode, Prices};
use crate::config::offer::Offer;

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<Architecture>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_provider: Option<TopProvider>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    supported_parameters: Vec<&'static str>,
    behest: Own<'a>,
}

#[derive(Serialize)]
struct Architecture {
    input_modalities: Vec<&'static str>,
    output_modalities: Vec<&'static str>,
}

/// At `OpenRouter` the best of several; here the one there is.
#[derive(Serialize)]
struct TopProvider {
    context_length: Option<u64>,
    max_completion_tokens: Option<u64>,
}

/// US dollars per token, as decimal texts: a double would not hold them.
#[derive(Serialize)]
struct Pricing {
    prompt: String,
    completion: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_cache_read: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_cache_write: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_output: Option<String>,
}

#[derive(Serialize)]
struct Own<'a> {
    /// The provider's name in the project.
    provider: &'a str,
    /// What it is asked for there.
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<&'static str>>,
    /// Other prices for a request with a longer input than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    long_context: Option<Long>,
}

#[derive(Serialize)]
struct Long {
    above: u64,
    pricing: Pricing,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

impl<'a> Model<'a> {
    fn of(offer: &'a Offer<'_>) -> Self {
        let known = offer.known.as_ref();
        let resolved = &offer.resolved;
        let has = |capability| known.is_some_and(|model| model.capabilities.has(capability));
        let window = known.and_then(|model| model.context_window);
        let most = known.and_then(|model| model.max_output);
        Self {
            id: &offer.name,
            object: "model",
            created: resolved.config.created_at,
            owned_by: resolved.provider,
            context_length: window,
            architecture: known
                .map(|model| Architecture { input_modalities: inputs(model.mode, has), output_modalities: outputs(model.mode, has) }),
            top_provider: window.or(most).map(|_| TopProvider { context_length: window, max_completion_tokens: most }),
            pricing: offer.rates.map(|rates| pricing(rates.prices())),
            supported_parameters: PARAMETERS
                .iter()
                .filter(|(capability, _)| has(*capability))
                .flat_map(|(_, names)| *names)
                .copied()
                .collect(),
            behest: Own {
                provider: resolved.provider,
                model: resolved.served_model(),
                route: known.map(|model| route(model.mode)),
                capabilities: known
                    .map(|_| CAPABILITIES.iter().filter(|(capability, _)| has(*capability)).map(|(_, name)| *name).collect()),
                long_context: offer.rates.and_then(|rates| rates.long()).map(long),
            },
        }
    }
}

/// What clients call the capabilities.
const CAPABILITIES: [(Capability, &str); 10] = [
    (Capability::Tools, "tools"),
    (Capability::Schema, "json_schema"),
    (Capability::Reasoning, "reasoning"),
    (Capability::PromptCache, "prompt_cache"),
    (Capability::ImageInput, "vision"),
    (Capability::DocumentInput, "documents"),
    (Capability::AudioInput, "audio_input"),
    (Capability::VideoInput, "video_input"),
    (Capability::AudioOutput, "audio_output"),
    (Capability::WebSearch, "web_search"),
];

/// The parameters that a capability is asked for with.
const PARAMETERS: [(Capability, &[&str]); 4] = [
    (Capability::Tools, &["tools", "tool_choice"]),
    (Capability::Schema, &["response_format", "structured_outputs"]),
    (Capability::Reasoning, &["reasoning_effort"]),
    (Capability::WebSearch, &["web_search_options"]),
];

fn inputs(mode: Mode, has: impl Fn(Capability) -> bool) -> Vec<&'static str> {
    let all = [
        (true, "text"),
        // The data set does not say that the moderation models see images; OpenAI does.
        (has(Capability::ImageInput) || mode == Mode::Moderation, "image"),
        (has(Capability::DocumentInput), "file"),
        (has(Capability::AudioInput), "audio"),
        (has(Capability::VideoInput), "video"),
    ];
    all.into_iter().filter(|(takes, _)| *takes).map(|(_, name)| name).collect()
}

fn outputs(mode: Mode, has: impl Fn(Capability) -> bool) -> Vec<&'static str> {
    match mode {
        Mode::Embedding => vec!["embeddings"],
        Mode::Moderation => vec!["moderations"],
        Mode::Chat | Mode::Responses if has(Capability::AudioOutput) => vec!["text", "audio"],
        Mode::Chat | Mode::Responses => vec!["text"],
    }
}

const fn route(mode: Mode) -> &'static str {
    match mode {
        Mode::Chat => "/v1/chat/completions",
        Mode::Responses => "/v1/responses",
        Mode::Embedding => "/v1/embeddings",
        Mode::Moderation => "/v1/moderations",
    }
}

fn pricing(prices: Prices) -> Pricing {
    let (input, output) = (prices.input.unwrap_or(0), prices.output.unwrap_or(0));
    // A class that costs what all input or output costs is not worth a line.
    let other = |price: Option<u64>, ordinary: u64| price.filter(|price| *price != ordinary).map(dollars);
    Pricing {
        prompt: dollars(input),
        completion: dollars(output),
        input_cache_read: other(prices.cached_input, input),
        input_cache_write: other(prices.cache_write, input),
        audio: other(prices.audio_input, input),
        audio_output: other(prices.audio_output, output),
    }
}

fn long(long: LongContext) -> Long {
    Long { above: long.above, pricing: pricing(long.prices) }
}

/// Pico-dollars as dollars: `2500000` is `0.0000025`.
fn dollars(pico: u64) -> String {
    const PICO: u64 = 1_000_000_000_000;
    let text = format!("{}.{:012}", pico / PICO, pico % PICO);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The body of `GET /v1/models/{id}`.
pub fn one_json(offer: &Offer<'_>) -> String {
    json(&Model::of(offer))
}

/// The body of `GET /v1/models`.
pub fn list_json(offers: &[Offer<'_>]) -> String {
    json(&List { object: "list", data: offers.iter().map(Model::of).collect() })
}

fn json(value: &impl Serialize) -> String {
    // Strings and integers always serialise; the fallback keeps this free of a panic.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact() {
        for (pico, text) in
            [(0, "0"), (1, "0.000000000001"), (2_500_000, "0.0000025"), (1_000_000_000_000, "1"), (12_500_000_000_000, "12.5")]
        {
            assert_eq!(dollars(pico), text);
        }
    }
}
