//! A request in OpenAI's dialect, as a host with quirks takes it.
//!
//! Always holds: what is left out changes nothing that a client reads, or asked for nothing; anything else that the host refuses
//! is a 400 that names the field; what no quirk is about keeps its bytes.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Host, Quirk};
use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};
use crate::json::{self, RawObject, each_item, pick};
use crate::provider::field;

/// Changes what the host wants otherwise.
///
/// # Errors
/// 400 for a field that the host refuses and that would change the answer.
pub(in crate::provider) fn adapt(object: &mut RawObject<'_>, host: &Host, chat: &ChatRequest<'_>) -> Result<()> {
    for name in host.refuses {
        if object.get(name).is_some_and(|value| field::matters(name, value)) {
            return Err(Error::invalid(*name, format!("{name} is not supported by {}.", host.name)));
        }
        object.remove(name);
    }
    for name in host.dislikes {
        if object.get(name).is_some_and(|value| !field::asks(name, value)) {
            object.remove(name);
        }
    }
    for (openai, own) in host.renames {
        rename(object, openai, own);
    }
    if host.has(Quirk::OneCap) {
        one_cap(object, host.output_cap, chat.max_output)?;
    }
    if host.has(Quirk::NoStreamOptions) {
        object.remove("stream_options");
    }
    if let Some(messages) = object.get("messages").and_then(|messages| adapted(messages, host)) {
        object.set("messages", Cow::Owned(messages));
    }
    Ok(())
}

/// Moves a value to the host's name for it, unless the client has used that name itself.
fn rename(object: &mut RawObject<'_>, openai: &str, own: &'static str) {
    let Some(value) = object.get(openai).map(ToOwned::to_owned) else { return };
    object.remove(openai);
    if object.get(own).is_none() {
        object.set(own, Cow::Owned(value));
    }
}

/// The host's own name has what the client said under either.
fn one_cap(object: &mut RawObject<'_>, own: &'static str, said: Option<u64>) -> Result<()> {
    let other = if own == "max_tokens" { "max_completion_tokens" } else { "max_tokens" };
    if object.remove(other)
        && let Some(said) = said
    {
        let cap = RawValue::from_string(said.to_string()).map_err(|error| Error::server(error.to_string()))?;
        object.set(own, Cow::Owned(cap));
    }
    Ok(())
}

/// The messages as the host takes them; `None` if that is as they are.
fn adapted(messages: &RawValue, host: &Host) -> Option<Box<RawValue>> {
    let mut all = Vec::new();
    let mut changed = false;
    each_item(messages.get(), |message| {
        let other = message_for(message.get(), host);
        changed |= other.is_some();
        all.push(other.map_or(Cow::Borrowed(message.get()), Cow::Owned));
    })
    .ok()?;
    changed.then(|| json::owned(format!("[{}]", all.join(","))))
}

/// One message; `None` if nothing of it is to change.
fn message_for(message: &str, host: &Host) -> Option<String> {
    let [role, name, reasoning, content] = pick(message, ["role", "name", "reasoning_content", "content"]).ok()?;
    let role = role.and_then(json::text).unwrap_or_default();
    let developer = host.has(Quirk::NoDeveloper) && role == "developer";
    // The name of a function's result says which function it was.
    let named = host.has(Quirk::NoNames) && name.is_some() && role != "function";
    let renamed = host.has(Quirk::Reasoning) && reasoning.is_some();
    let thought = renamed || (host.has(Quirk::ThinkingParts) && reasoning.is_some());
    let empty = host.has(Quirk::NoNullContent) && content.is_none();
    if !(developer || named || thought || empty) {
        return None;
    }
    let mut object = RawObject::parse(message).ok()?;
    if developer {
        object.set("role", Cow::Owned(json::string("system")));
    }
    if named {
        object.remove("name");
    }
    if empty {
        object.set("content", Cow::Owned(json::string("")));
    }
    if renamed {
        rename(&mut object, "reasoning_content", "reasoning");
    } else if thought {
        object.remove("reasoning_content");
    }
    String::from_utf8(object.to_bytes()).ok()
}
