//! The single fields of a provider, as an owner writes them.
//!
//! Always holds: an error names its field and repeats no secret. Absent on purpose: what becomes of them (`provider`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::egress;
use crate::error::{Error, Result};
use crate::provider::Kind;
use crate::provider::host::{Host, Quirk};
use crate::routing::keys::MAX_KEYS;

/// Headers an owner may not set: they are the gateway's or the connection's.
const RESERVED_HEADERS: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "cookie", "authorization", "content-type", "accept-encoding"];

/// `api_key`, then `api_keys`, each once.
pub(super) fn all_keys(api_key: Option<String>, api_keys: &Value) -> Result<Vec<String>> {
    let mut keys: Vec<String> = api_key.into_iter().collect();
    let listed: Option<Vec<&str>> = match api_keys {
        Value::Null => Some(Vec::new()),
        Value::Array(listed) => listed.iter().map(Value::as_str).collect(),
        _ => None,
    };
    for key in listed.ok_or_else(|| Error::invalid("api_keys", "api_keys must be a list of keys."))? {
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    if keys.len() > MAX_KEYS {
        return Err(Error::invalid("api_keys", "api_keys: at most 16 keys."));
    }
    if keys.iter().skip(1).any(|key| !is_key(key)) {
        return Err(Error::invalid("api_keys", "api_keys: each must be 8 to 4096 visible ASCII characters."));
    }
    Ok(keys)
}

fn is_key(key: &str) -> bool {
    (8..=4096).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
}

/// A name that may stand in front of a model's.
pub(super) fn check_name(name: &str) -> Result<()> {
    let fine =
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if fine { Ok(()) } else { Err(Error::invalid("name", "A provider's name has 1 to 64 lower-case letters, digits, - or _.")) }
}

/// The host that is named.
pub(super) fn preset(kind: Kind, name: Option<&str>) -> Result<Option<&'static Host>> {
    if name.is_some() && kind != Kind::OpenAiCompatible {
        return Err(Error::invalid("preset", "preset goes with the kind openai-compatible."));
    }
    name.map(Host::preset).transpose()
}

/// The version of an API goes into URLs.
pub(super) fn check_api_version(host: Option<&Host>, version: Option<&str>) -> Result<()> {
    let Some(version) = version else { return Ok(()) };
    if !host.is_some_and(|host| host.has(Quirk::Azure)) {
        return Err(Error::invalid("api_version", "api_version goes with the preset azure."));
    }
    let fine = (1..=32).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if fine { Ok(()) } else { Err(Error::invalid("api_version", "api_version is a date such as 2024-10-21, or preview.")) }
}

/// What the owner said, checked; `None` if the kind or the host knows.
pub(super) fn base_url(kind: Kind, preset: Option<&Host>, given: Option<String>, allow_private: bool) -> Result<Option<String>> {
    let of_host = || preset.and_then(|host| host.base_url);
    match given {
        Some(text) => egress::check_base_url(&text, allow_private).map(|url| Some(url.as_str().trim_end_matches('/').to_owned())),
        // Workers AI without one is asked through the deployment's own binding.
        None if matches!(kind, Kind::Demo | Kind::Vertex | Kind::WorkersAi) || kind.default_base_url().is_some() => Ok(None),
        None if of_host().is_some_and(|url| egress::check_base_url(url, allow_private).is_ok()) => Ok(None),
        None => Err(Error::invalid("base_url", "base_url is required for this kind: what stands before /chat/completions.")),
    }
}

/// The first key and the headers. `wants_key`: the host, if it wants a key.
pub(super) fn check_secrets(kind: Kind, wants_key: Option<&Host>, api_key: Option<&str>, headers: &BTreeMap<String, String>) -> Result<()> {
    match api_key {
        None if matches!(kind, Kind::OpenAi | Kind::Anthropic | Kind::Gemini) => {
            return Err(Error::invalid("api_key", "api_key is required for this kind."));
        }
        // Some owners put it into a header of their own.
        None if wants_key.is_some() && headers.is_empty() => {
            return Err(Error::invalid("api_key", "api_key is required for this host."));
        }
        Some(key) if !is_key(key) => {
            return Err(Error::invalid("api_key", "api_key must be 8 to 4096 visible ASCII characters."));
        }
        _ => {}
    }
    for (name, value) in headers {
        let path = format!("headers.{name}");
        let token = !name.is_empty() && name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !token || RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Error::invalid(path, "This header's name is not allowed."));
        }
        if value.len() > 4096 || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(Error::invalid(path, "A header's value must be at most 4096 printable ASCII characters."));
        }
    }
    Ok(())
}
