//! What Mistral's models take of OpenAI's dialect: they refuse a request for a field that they do not know.
//!
//! Always holds: usage comes without being asked for, with the last chunk. Absent on purpose: fields that change the answer; what
//! Mistral says of those is for the client.

use std::borrow::Cow;

use super::OPEN;
use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};
use crate::json::RawObject;
use crate::provider::{Extras, openai};

/// The body. The version in a name is for the URL only (docs.mistral.ai/deployment/cloud/vertex).
pub(super) fn body(chat: &ChatRequest<'_>, id: &str, extras: &Extras) -> Result<Vec<u8>> {
    let bytes = openai::body(chat, id.split('@').next().unwrap_or(id), extras, OPEN.output_cap)?;
    let unread = |why: String| Error::server(format!("a request to Mistral is no object: {why}"));
    let text = core::str::from_utf8(&bytes).map_err(|error| unread(error.to_string()))?;
    let mut object = RawObject::parse(text).map_err(|error| unread(error.to_string()))?;
    object.remove("stream_options");
    if let Some(most) = object.get_borrowed("max_completion_tokens") {
        object.remove("max_completion_tokens");
        object.set("max_tokens", Cow::Borrowed(most));
    }
    Ok(object.to_bytes())
}
