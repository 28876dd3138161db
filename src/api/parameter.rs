//! Parameters of a chat request that a dialect has to say in other words: the format, the effort, where to stop, numbers.
//!
//! Always holds: an error names the field; `null` is absent.
//! Absent on purpose: which of them a provider has (`provider::field`), and messages and tools (`message`, `tool`).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};
use crate::json;

/// `response_format`.
#[derive(Clone, Debug)]
pub enum Format<'a> {
    /// Text.
    Text,
    /// A JSON object of any kind.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema's name.
        name: Cow<'a, str>,
        /// What it is for.
        description: Option<Cow<'a, str>>,
        /// The schema, an object.
        schema: &'a RawValue,
    },
}

/// `reasoning_effort`, from none to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// No reasoning.
    None,
    /// As little as there is.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// All there is.
    Max,
}

impl Effort {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
}

/// Reads `response_format`; absent is text.
///
/// # Errors
/// 400 that names the field.
pub fn format<'a>(chat: &'a ChatRequest<'_>) -> Result<Format<'a>> {
    let Some(raw) = chat.member("response_format") else { return Ok(Format::Text) };
    let invalid = |field: &str, why: &str| Error::invalid(format!("response_format{field}"), format!("response_format{field} {why}"));
    let [kind, wrapped] = json::pick(raw.get(), ["type", "json_schema"]).map_err(|_| invalid("", "must be an object."))?;
    match kind.map(RawValue::get) {
        Some("\"text\"") => return Ok(Format::Text),
        Some("\"json_object\"") => return Ok(Format::JsonObject),
        Some("\"json_schema\"") => {}
        _ => return Err(invalid(".type", "must be text, json_object or json_schema.")),
    }
    let wrapped = wrapped.ok_or_else(|| invalid(".json_schema", "is required."))?;
    let [name, description, schema] =
        json::pick(wrapped.get(), ["name", "description", "schema"]).map_err(|_| invalid(".json_schema", "must be an object."))?;
    let schema = schema
        .filter(|schema| schema.get().starts_with('{'))
        .ok_or_else(|| invalid(".json_schema.schema", "is required: a JSON schema, which is an object."))?;
    let name = name.and_then(json::text).filter(|name| !name.is_empty()).unwrap_or(Cow::Borrowed("response"));
    Ok(Format::JsonSchema { name, description: description.and_then(json::text), schema })
}

/// Reads `reasoning_effort`.
///
/// # Errors
/// 400 for a word that is none.
pub fn effort(chat: &ChatRequest<'_>) -> Result<Option<Effort>> {
    let Some(raw) = chat.member("reasoning_effort") else { return Ok(None) };
    let all = [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh, Effort::Max];
    let known = json::text(raw).and_then(|word| all.into_iter().find(|effort| effort.name() == word));
    known.map(Some).ok_or_else(|| {
        let names = all.map(Effort::name).join(", ");
        Error::invalid("reasoning_effort", format!("reasoning_effort must be one of {names}."))
    })
}

/// Reads `stop`: one string or several; empty ones are left out.
///
/// # Errors
/// 400 for anything else.
pub fn stop<'a>(chat: &'a ChatRequest<'_>) -> Result<Vec<Cow<'a, str>>> {
    let Some(raw) = chat.member("stop") else { return Ok(Vec::new()) };
    let invalid = || Error::invalid("stop", "stop must be a string or an array of strings.");
    let mut words = Vec::new();
    match json::text(raw) {
        Some(word) => words.push(Some(word)),
        None => json::each_item(raw.get(), |word| words.push(json::text(word))).map_err(|_| invalid())?,
    }
    let words = words.into_iter().collect::<Option<Vec<_>>>().ok_or_else(invalid)?;
    Ok(words.into_iter().filter(|word| !word.is_empty()).collect())
}

/// Reads a number, such as `temperature`.
///
/// # Errors
/// 400 for what is no number or not within the range.
pub fn number(chat: &ChatRequest<'_>, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>> {
    let Some(raw) = chat.member(name) else { return Ok(None) };
    let number = serde_json::from_str::<f64>(raw.get()).ok().filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| Error::invalid(name, format!("{name} must be a number from {} to {}.", range.start(), range.end())))
}
