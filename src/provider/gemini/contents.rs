//! OpenAI's messages as Gemini's turns.
//!
//! Always holds: all instructions go, in order, into `systemInstruction`; the messages of one speaker that follow each other
//! are one turn, and so are the results of parallel calls; a result names the function of the call it answers; a call gets
//! its signature back. Vertex refuses the ids of calls and takes results by their order, so there they stand in the order of the calls.
//! Absent on purpose: checking that each call has a result; Gemini's own 400 says so better.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::media;
use super::model::Generation;
use super::signature::Signatures;
use super::wire::{Content, FunctionCall, FunctionResponse, Part, SystemInstruction};
use crate::api::chat::Role;
use crate::api::message::{Piece, Said};
use crate::error::Result;
use crate::json;

/// Gemini takes only objects as results.
const WRAPPER: &str = "result";

/// Who speaks in a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    User,
    Model,
    Tool,
}

/// The instructions and the turns.
#[derive(Default)]
pub(super) struct Turns<'a> {
    pub(super) system: Vec<Part<'a>>,
    pub(super) contents: Vec<Content<'a>>,
    last: Option<Speaker>,
    /// Id and function of the calls so far.
    calls: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Turns<'a> {
    /// Reads a conversation. `signatures` finds what goes back with a call.
    ///
    /// # Errors
    /// 400 that names the message and what is wrong with it.
    pub(super) fn read(conversation: &[Said<'a>], signatures: &Signatures<'_>) -> Result<Self> {
        let mut turns = Self::default();
        let mut conversation = conversation.iter().peekable();
        while let Some(said) = conversation.next() {
            match said.role {
                Role::System | Role::Developer => turns.instructions(said)?,
                Role::Assistant => turns.model(said, signatures)?,
                Role::Tool | Role::Function => {
                    let mut results = vec![said];
                    while let Some(next) = conversation.next_if(|next| matches!(next.role, Role::Tool | Role::Function)) {
                        results.push(next);
                    }
                    turns.tools(results, signatures)?;
                }
                Role::User => {
                    let parts = said.parts.iter().map(media::part).collect::<Result<_>>()?;
                    turns.push(Speaker::User, parts);
                }
            }
        }
        // Gemini wants a turn to answer to; OpenAI's models answer to instructions alone.
        if turns.contents.is_empty() {
            let instructions = core::mem::take(&mut turns.system);
            turns.push(Speaker::User, instructions);
        }
        Ok(turns)
    }

    pub(super) fn system_instruction(&mut self) -> Option<SystemInstruction<'a>> {
        let parts = core::mem::take(&mut self.system);
        (!parts.is_empty()).then_some(SystemInstruction { parts })
    }

    fn instructions(&mut self, said: &Said<'a>) -> Result<()> {
        for part in &said.parts {
            match &part.piece {
                Piece::Text(text) => self.system.push(Part::text(text.clone())),
                _ => return Err(part.unsupported("Gemini")),
            }
        }
        Ok(())
    }

    fn model(&mut self, said: &Said<'a>, signatures: &Signatures<'_>) -> Result<()> {
        // With calls there is often an empty text, of which Gemini wants nothing.
        let spoken = said.parts.iter().filter(|part| part.text() != Some(""));
        let mut parts: Vec<Part<'a>> = spoken.map(media::part).collect::<Result<_>>()?;
        let (of_text, of_calls) = signatures.of(said);
        if let (Some(signature), Some(last)) = (of_text, parts.last_mut()) {
            last.thought_signature = Some(signature);
        }
        for (call, signature) in said.calls.iter().zip(of_calls) {
            self.calls.push((call.id.clone(), call.name.clone()));
            let id = signatures.with_ids.then(|| call.id.clone());
            let function_call = FunctionCall { id, name: call.name.clone(), args: call.object() };
            parts.push(Part { function_call: Some(function_call), thought_signature: signature, ..Part::default() });
        }
        self.push(Speaker::Model, parts);
        Ok(())
    }

    /// The results that follow each other.
    fn tools(&mut self, mut results: Vec<&Said<'a>>, signatures: &Signatures<'_>) -> Result<()> {
        if !signatures.with_ids {
            results.sort_by_key(|said| self.called(said.answers.as_deref().unwrap_or_default()));
        }
        results.into_iter().try_for_each(|said| self.tool(said, signatures))
    }

    /// The last call with the id: ids of calls that were made elsewhere need not be unique in a conversation.
    fn called(&self, id: &str) -> Option<usize> {
        self.calls.iter().rposition(|(known, _)| known == id)
    }

    fn tool(&mut self, said: &Said<'a>, signatures: &Signatures<'_>) -> Result<()> {
        let id = said.answers.clone().unwrap_or_default();
        let called = self.called(&id).and_then(|at| self.calls.get(at)).map(|(_, name)| name.clone());
        let name = called.or_else(|| said.name.clone());
        let name = name.ok_or_else(|| said.invalid(".tool_call_id", "is the id of no call in the messages before."))?;
        let is_text = |part: &&crate::api::message::Part<'a>| part.text().is_some();
        let text: Cow<'_, str> = match said.parts.as_slice() {
            [one] => Cow::Borrowed(one.text().unwrap_or_default()),
            _ => Cow::Owned(said.text()),
        };
        let media: Vec<Part<'a>> = said.parts.iter().filter(|part| !is_text(part)).map(media::part).collect::<Result<_>>()?;
        // Models before the third generation take media only beside the result.
        let (within, beside) = if signatures.generation == Generation::Level { (media, Vec::new()) } else { (Vec::new(), media) };
        let response = FunctionResponse { id: signatures.with_ids.then_some(id), name, response: result(&text), parts: within };
        let mut parts = vec![Part { function_response: Some(response), ..Part::default() }];
        parts.extend(beside);
        self.push(Speaker::Tool, parts);
        Ok(())
    }

    /// Adds to the turn, or begins the next one. Gemini refuses a turn without parts.
    fn push(&mut self, speaker: Speaker, mut parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut().filter(|_| self.last == Some(speaker)) {
            Some(turn) => turn.parts.append(&mut parts),
            None => self.contents.push(Content { role: if speaker == Speaker::Model { "model" } else { "user" }, parts }),
        }
        self.last = Some(speaker);
    }
}

/// A tool's result as an object: itself, if it is one.
fn result(text: &str) -> Box<RawValue> {
    let trimmed = text.trim();
    let object = trimmed.starts_with('{').then(|| serde_json::from_str::<&RawValue>(trimmed).ok()).flatten();
    if let Some(object) = object {
        return object.to_owned();
    }
    let value = serde_json::from_str::<&RawValue>(trimmed).map_or_else(|_| json::string(text), ToOwned::to_owned);
    json::owned(format!(r#"{{"{WRAPPER}":{}}}"#, value.get()))
}
