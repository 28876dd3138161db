//! The body of `generateContent`, from an OpenAI request.
//!
//! Always holds: every field of the request is said in Gemini's words, ignored by the table of `field`, or a 400 that names it.
//! Absent on purpose: where it goes and with which key (`mod`), so that Vertex can send the same body elsewhere.

use super::contents::Turns;
use super::model::Generation;
use super::signature::Signatures;
use super::wire::Request;
use super::{config, extra, tools};
use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};
use crate::provider::private::Kept;
use crate::provider::{Extras, Kind, Target, conversation, field};

/// The body.
///
/// # Errors
/// 400 that names what cannot be said to Gemini.
pub(in crate::provider) fn body(chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Vec<u8>> {
    field::check(chat, "Gemini", |field| field.gemini)?;
    let generation = Generation::of(&target.model);
    let google = extra::read(chat)?;
    let signatures = Signatures { kept: Kept::of(&extras.private, target), generation, with_ids: target.kind != Kind::Vertex };
    let mut turns = Turns::read(&conversation::read(chat, extras)?, &signatures)?;
    let (tools, tool_config) = tools::read(chat, generation)?;
    let request = Request {
        system_instruction: turns.system_instruction(),
        contents: turns.contents,
        tools,
        tool_config,
        generation_config: config::read(chat, &google, &target.model, extras)?,
        safety_settings: google.safety_settings,
        cached_content: google.cached_content,
    };
    serde_json::to_vec(&request).map_err(|error| Error::server(format!("a request to Gemini was not written: {error}")))
}
