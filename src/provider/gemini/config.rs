//! OpenAI's sampling and format parameters as Gemini's `generationConfig`.
//!
//! Always holds: a value out of range is a 400 that names the parameter; what the client did not say is not sent, except the
//! output maximum that the gateway grants.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::extra::Google;
use super::model;
use super::schema;
use super::wire::{GenerationConfig, Thinking};
use crate::api::chat::{ChatRequest, whole};
use crate::api::parameter::{self, Format};
use crate::error::{Error, Result};
use crate::json;
use crate::provider::Extras;

/// Gemini's most.
const MAX_STOPS: usize = 5;
/// Gemini's most, and OpenAI's.
const MAX_LOGPROBS: u64 = 20;

pub(super) fn read<'a>(chat: &'a ChatRequest<'_>, google: &Google<'a>, model: &str, extras: &Extras) -> Result<GenerationConfig<'a>> {
    let (response_mime_type, response_json_schema) = format(chat)?;
    let (response_logprobs, logprobs) = logprobs(chat)?;
    Ok(GenerationConfig {
        max_output_tokens: chat.max_output.or(extras.max_output),
        temperature: parameter::number(chat, "temperature", 0.0..=2.0)?,
        top_p: parameter::number(chat, "top_p", 0.0..=1.0)?,
        top_k: top_k(chat)?,
        stop_sequences: stops(chat)?,
        candidate_count: (chat.n > 1).then_some(chat.n),
        seed: seed(chat)?,
        presence_penalty: parameter::number(chat, "presence_penalty", -2.0..=2.0)?,
        frequency_penalty: parameter::number(chat, "frequency_penalty", -2.0..=2.0)?,
        response_logprobs,
        logprobs,
        response_mime_type,
        response_json_schema,
        response_modalities: modalities(chat)?,
        thinking_config: thinking(chat, google, model)?,
    })
}

fn top_k(chat: &ChatRequest<'_>) -> Result<Option<u64>> {
    let invalid = || Error::invalid("top_k", "top_k must be a whole number of at least 1.");
    chat.member("top_k").map(|raw| whole(raw.get()).filter(|top| *top > 0).ok_or_else(invalid)).transpose()
}

fn format(chat: &ChatRequest<'_>) -> Result<(Option<&'static str>, Option<Box<RawValue>>)> {
    const JSON: Option<&str> = Some("application/json");
    match parameter::format(chat)? {
        Format::Text => Ok((None, None)),
        Format::JsonObject => Ok((JSON, None)),
        Format::JsonSchema { schema, .. } => Ok((JSON, Some(schema::translate(schema, "response_format.json_schema.schema")?))),
    }
}

fn stops<'a>(chat: &'a ChatRequest<'_>) -> Result<Vec<Cow<'a, str>>> {
    let stops = parameter::stop(chat)?;
    if stops.len() > MAX_STOPS {
        return Err(Error::invalid("stop", format!("stop: Gemini takes at most {MAX_STOPS} sequences.")));
    }
    Ok(stops)
}

/// Gemini's seed has 32 bits, OpenAI's 64: the same seed gives the same one there.
fn seed(chat: &ChatRequest<'_>) -> Result<Option<i32>> {
    let Some(raw) = chat.member("seed") else { return Ok(None) };
    let seed: i64 = serde_json::from_str(raw.get()).map_err(|_| Error::invalid("seed", "seed must be a whole number."))?;
    Ok(i32::try_from(seed).or_else(|_| i32::try_from(seed.rem_euclid(1 << 31))).ok())
}

fn logprobs(chat: &ChatRequest<'_>) -> Result<(Option<bool>, Option<u64>)> {
    let top = chat.member("top_logprobs");
    if chat.flag("logprobs")? != Some(true) {
        return match top {
            Some(top) if top.get() != "0" => Err(Error::invalid("top_logprobs", "top_logprobs needs logprobs: true.")),
            _ => Ok((None, None)),
        };
    }
    let invalid = || Error::invalid("top_logprobs", format!("top_logprobs must be a whole number from 0 to {MAX_LOGPROBS}."));
    let top = top.map(|top| whole(top.get()).filter(|top| *top <= MAX_LOGPROBS).ok_or_else(invalid)).transpose()?;
    Ok((Some(true), top.filter(|top| *top > 0)))
}

/// `text`, and what some models can say besides.
fn modalities(chat: &ChatRequest<'_>) -> Result<Vec<&'static str>> {
    let Some(raw) = chat.member("modalities") else { return Ok(Vec::new()) };
    let invalid = || Error::invalid("modalities", "modalities must be text, or text and image: Gemini models do not speak here.");
    let mut wanted = Vec::new();
    json::each_item(raw.get(), |item| wanted.push(item.get())).map_err(|_| invalid())?;
    let known = |item: &str| match item {
        "\"text\"" => Ok("TEXT"),
        "\"image\"" => Ok("IMAGE"),
        _ => Err(invalid()),
    };
    let wanted = wanted.into_iter().map(known).collect::<Result<Vec<_>>>()?;
    Ok(if wanted.contains(&"IMAGE") { wanted } else { Vec::new() })
}

fn thinking<'a>(chat: &ChatRequest<'_>, google: &Google<'a>, model: &str) -> Result<Option<Thinking<'a>>> {
    let effort = parameter::effort(chat)?;
    match (google.thinking_config, effort) {
        (Some(_), Some(_)) => {
            Err(Error::invalid("reasoning_effort", "reasoning_effort and extra_body.google.thinking_config exclude each other."))
        }
        (Some(given), None) => Ok(Some(Thinking::Given(given))),
        (None, effort) => Ok(model::thinking(model, effort).map(Thinking::Ours)),
    }
}
