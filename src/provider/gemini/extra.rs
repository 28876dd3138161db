//! `extra_body.google`: what Google's own OpenAI door takes beside OpenAI's fields, passed on as it is.
//!
//! Always holds: a member that is not listed here is a 400 that names it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};
use crate::json;

#[derive(Debug, Default)]
pub(super) struct Google<'a> {
    pub(super) thinking_config: Option<&'a RawValue>,
    pub(super) safety_settings: Option<&'a RawValue>,
    pub(super) cached_content: Option<Cow<'a, str>>,
}

/// Reads `extra_body`.
///
/// # Errors
/// 400 that names the member.
pub(super) fn read<'a>(chat: &'a ChatRequest<'_>) -> Result<Google<'a>> {
    let mut google = Google::default();
    let Some(extra) = chat.member("extra_body") else { return Ok(google) };
    let mut found = None;
    members(extra, "extra_body", |name, value| match name {
        "google" => {
            found = Some(value);
            true
        }
        _ => false,
    })?;
    let Some(found) = found else { return Ok(google) };
    members(found, "extra_body.google", |name, value| match name {
        "thinking_config" => {
            google.thinking_config = Some(value);
            value.get().starts_with('{')
        }
        "safety_settings" => {
            google.safety_settings = Some(value);
            value.get().starts_with('[')
        }
        "cached_content" => {
            google.cached_content = json::text(value);
            google.cached_content.is_some()
        }
        _ => false,
    })?;
    Ok(google)
}

/// Each member that is not `null`; the callback says whether it is one.
fn members<'a>(object: &'a RawValue, path: &str, mut take: impl FnMut(&str, &'a RawValue) -> bool) -> Result<()> {
    let mut wrong = None;
    json::each_member(object.get(), |key, value| {
        let name = json::text(key).unwrap_or_default();
        if value.get() != "null" && !take(&name, value) {
            wrong = Some(format!("{path}.{name}"));
        }
    })
    .map_err(|_| Error::invalid(path, format!("{path} must be an object.")))?;
    match wrong {
        Some(wrong) => Err(Error::invalid(&wrong, format!("{wrong} is not something that Gemini models understand."))),
        None => Ok(()),
    }
}
