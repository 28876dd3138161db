//! The conversation as Anthropic's system blocks and alternating turns.
//!
//! Always holds: instructions from anywhere go into `system`; results of calls stand at the start of a user's turn; the first turn is
//! the user's; thoughts that were kept stand where they stood. Absent on purpose: names of speakers, which the API does not have.

use std::borrow::Cow;

use super::block::{blocks, texts};
use super::thought;
use super::wire::{Block, Kind, Speaker, Turn};
use crate::api::chat::Role;
use crate::api::message::{Call, Said};
use crate::error::{Error, Result};
use crate::provider::private::Kept;

/// Stands before a conversation that the assistant opens: the API wants the user to.
const OPENING: &str = "(The conversation begins with your message.)";

/// The conversation.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

impl Conversation<'_> {
    /// Earlier thoughts are among it.
    pub(super) fn has_thoughts(&self) -> bool {
        self.turns.iter().flat_map(|turn| &turn.content).any(|block| matches!(block, Block::Private(_)))
    }
}

/// Puts it into turns. `thoughts`: what was kept, if the model wants it back.
///
/// # Errors
/// 400 that names the field.
pub(super) fn conversation<'a>(said: &[Said<'a>], thoughts: Option<Kept<'a>>) -> Result<Conversation<'a>> {
    let (mut system, mut turns) = (Vec::new(), Vec::new());
    for message in said {
        let (speaker, mut content) = match message.role {
            Role::System | Role::Developer => {
                let mut content = texts(message)?;
                mark(&mut content, message);
                system.append(&mut content);
                continue;
            }
            Role::Assistant => (Speaker::Assistant, assistant(message, thoughts)?),
            Role::Tool => (Speaker::User, vec![result(message)?]),
            Role::User | Role::Function => (Speaker::User, blocks(message)?),
        };
        mark(&mut content, message);
        push(&mut turns, speaker, content);
    }
    if said.last().is_some_and(|last| last.role == Role::User) && turns.last().is_none_or(|turn| turn.role == Speaker::Assistant) {
        return Err(Error::invalid("messages", "The last message must not be empty."));
    }
    match turns.first().map(|turn| turn.role) {
        None => return Err(Error::invalid("messages", "messages must have a message of the user that is not empty.")),
        Some(Speaker::Assistant) => turns.insert(0, Turn { role: Speaker::User, content: vec![Block::text(OPENING)] }),
        Some(Speaker::User) => {}
    }
    trim_end(&mut turns);
    Ok(Conversation { system, turns })
}

/// Whether the conversation stands in a loop of calls and results that began without a thought.
pub(super) fn thoughts_lost(said: &[Said<'_>], kept: Kept<'_>) -> bool {
    let in_loop = said.iter().rposition(|message| message.role == Role::User).map_or(0, |user| user + 1);
    let first = said.iter().skip(in_loop).find(|message| message.role == Role::Assistant);
    first.is_some_and(|message| {
        let thoughts = message.calls.first().and_then(|call| thought::find(kept, &call.id));
        thoughts.is_none_or(|thoughts| thoughts.blocks.first().is_none_or(|(text, _)| *text > 0))
    })
}

/// Consecutive messages of one side are one turn; nothing said is no turn.
fn push<'a>(turns: &mut Vec<Turn<'a>>, role: Speaker, mut content: Vec<Block<'a>>) {
    match turns.last_mut() {
        _ if content.is_empty() => {}
        Some(last) if last.role == role => last.content.append(&mut content),
        _ => turns.push(Turn { role, content }),
    }
}

/// An extension of the whole message is one of its last block.
fn mark<'a>(content: &mut [Block<'a>], message: &Said<'a>) {
    if let Some(last) = content.last_mut() {
        last.mark(message.member("cache_control"));
    }
}

fn result<'a>(message: &Said<'a>) -> Result<Block<'a>> {
    let id = message.answers.clone().unwrap_or_default();
    Ok(Kind::ToolResult { tool_use_id: call_id(id), content: blocks(message)? }.with(None))
}

/// What the assistant said and called, with its thoughts where they stood.
fn assistant<'a>(message: &Said<'a>, kept: Option<Kept<'a>>) -> Result<Vec<Block<'a>>> {
    let said = texts(message)?;
    let thoughts: Vec<_> = message.calls.iter().map(|call| thought::find(kept?, &call.id)).collect();
    if thoughts.iter().all(Option::is_none) {
        return Ok(said.into_iter().chain(message.calls.iter().map(tool_use)).collect());
    }
    let mut text = Text { rest: message.text(), taken: 0 };
    let mut content = Vec::new();
    for (position, (call, thoughts)) in message.calls.iter().zip(thoughts).enumerate() {
        // A turn ends with its last call, whatever became of the text on the client's side.
        let is_last = position + 1 == message.calls.len();
        let until = thoughts.as_ref().filter(|_| !is_last).map_or(usize::MAX, |thoughts| thoughts.text);
        for (before, block) in thoughts.into_iter().flat_map(|thoughts| thoughts.blocks) {
            content.extend(text.until(before));
            content.push(Block::Private(block));
        }
        content.extend(text.until(until));
        content.push(tool_use(call));
    }
    Ok(content)
}

/// A message's text, given out piece by piece.
struct Text {
    rest: String,
    /// Bytes given out.
    taken: usize,
}

impl Text {
    /// The text up to a place in bytes; all of it when the place is none.
    fn until<'a>(&mut self, place: usize) -> Option<Block<'a>> {
        let length = place.saturating_sub(self.taken);
        let length = if self.rest.is_char_boundary(length) { length } else { self.rest.len() };
        let after = self.rest.split_off(length.min(self.rest.len()));
        let piece = core::mem::replace(&mut self.rest, after);
        self.taken += piece.len();
        (!piece.trim().is_empty()).then(|| Block::text(piece))
    }
}

fn tool_use<'a>(call: &Call<'a>) -> Block<'a> {
    Kind::ToolUse { id: call_id(call.id.clone()), name: call.name.clone(), input: call.object() }.with(None)
}

/// An id in the characters that the API takes. Other providers' ids have others.
fn call_id(id: Cow<'_, str>) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.chars().all(fits) { id } else { Cow::Owned(id.chars().map(|c| if fits(c) { c } else { '_' }).collect()) }
}

/// The API refuses white space at the end of a last turn that the assistant is to go on with.
fn trim_end(turns: &mut [Turn<'_>]) {
    let last = turns.last_mut().filter(|turn| turn.role == Speaker::Assistant).and_then(|turn| turn.content.last_mut());
    if let Some(Block::Said { kind: Kind::Text { text }, .. }) = last {
        *text = Cow::Owned(text.trim_end().to_owned());
    }
}
