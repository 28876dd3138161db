//! The request to an OpenAI-speaking host: the client's members, and the few that are ours.
//!
//! Always holds: `model` is the target's; a stream reports usage; every other member keeps its bytes unless an extra changes it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};
use crate::json::{self, RawObject};
use crate::provider::host::{self, Quirk};
use crate::provider::{Extras, Outbound, Target};

/// The HTTP request. A host with quirks gets what it takes.
pub(super) fn outbound(chat: &ChatRequest<'_>, target: &Target, extras: &Extras, output_cap: &'static str) -> Result<Outbound> {
    let body = object_for(chat, target, extras, output_cap)?.to_bytes();
    post(target, "/chat/completions", chat.stream, body)
}

/// The members of the body, as the target's host takes them.
pub(in crate::provider) fn object_for<'a>(
    chat: &ChatRequest<'a>,
    target: &Target,
    extras: &Extras,
    output_cap: &'static str,
) -> Result<RawObject<'a>> {
    let mut object = object(chat, &target.model, extras, target.host.map_or(output_cap, |host| host.output_cap))?;
    if let Some(host) = target.host {
        host::adapt(&mut object, host, chat)?;
    }
    Ok(object)
}

/// A POST to a path of the dialect, where the host has it and with the key as the host wants it.
pub(super) fn post(target: &Target, path: &str, stream: bool, body: Vec<u8>) -> Result<Outbound> {
    let key = target.api_key.as_ref();
    if target.has(Quirk::Azure) {
        let url = host::locate(&target.base_url, target.api_version.as_deref(), &target.model, path)?;
        return Ok(target.post_to(url, stream, key.map(|key| ("api-key", key.expose().to_owned())).into_iter().collect(), body));
    }
    let key = key.map(|key| ("authorization", format!("Bearer {}", key.expose())));
    Ok(target.post(path, stream, key.into_iter().collect(), body))
}

/// The body.
pub(in crate::provider) fn body(chat: &ChatRequest<'_>, model: &str, extras: &Extras, output_cap: &'static str) -> Result<Vec<u8>> {
    Ok(object(chat, model, extras, output_cap)?.to_bytes())
}

fn object<'a>(chat: &ChatRequest<'a>, model: &str, extras: &Extras, output_cap: &'static str) -> Result<RawObject<'a>> {
    let mut object = chat.object().clone();
    object.set("model", Cow::Owned(json::string(model)));
    if !extras.prepend.is_empty() || extras.system_prompt.is_some() {
        object.set("messages", Cow::Owned(messages(chat, extras)?));
    }
    if chat.stream {
        let options = stream_options(object.get("stream_options"))?;
        object.set("stream_options", Cow::Owned(options));
    }
    if let (Some(granted), None) = (extras.max_output, chat.max_output) {
        object.set(output_cap, Cow::Owned(raw(granted.to_string())?));
    }
    Ok(object)
}

/// The project's instructions, the client's, the stored messages, the client's others.
fn messages(chat: &ChatRequest<'_>, extras: &Extras) -> Result<Box<RawValue>> {
    let leading = chat.messages.iter().take_while(|message| message.role.is_instruction()).count();
    let system = extras.system_prompt.as_ref().map(|prompt| format!(r#"{{"role":"system","content":{}}}"#, json::string(prompt)));
    let instructions = chat.messages.iter().take(leading).map(|message| message.raw.get());
    let stored = extras.prepend.iter().map(|message| message.get());
    let conversation = chat.messages.iter().skip(leading).map(|message| message.raw.get());
    let all: Vec<&str> = system.as_deref().into_iter().chain(instructions).chain(stored).chain(conversation).collect();
    raw(format!("[{}]", all.join(",")))
}

/// The client's options, with usage asked for.
fn stream_options(options: Option<&RawValue>) -> Result<Box<RawValue>> {
    let given = options.map(RawValue::get).filter(|raw| *raw != "null");
    let mut object =
        RawObject::parse(given.unwrap_or("{}")).map_err(|_| Error::invalid("stream_options", "stream_options must be an object."))?;
    object.set("include_usage", Cow::Borrowed(RawValue::TRUE));
    raw(String::from_utf8_lossy(&object.to_bytes()).into_owned())
}

fn raw(json: String) -> Result<Box<RawValue>> {
    RawValue::from_string(json).map_err(|error| Error::server(format!("a request member was not valid JSON: {error}")))
}
