//! Turns in rows: the messages of one request and its reply share one text, split only where a row would be too large.
//!
//! Always holds: a turn's number is higher than every other that its thread ever had; the newest says what the thread has
//! come to, so that only the first writes a row of the thread's own; a kept message keeps its id; bodies are the bytes that
//! the client or the model sent. Absent on purpose: deciding what is new (`reconcile`).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::command::ThreadFinish;
use super::message::{is_instruction, role, says_something, text};
use super::store::{Store, ThreadRow, Write};
use crate::error::{Error, Result};

/// A row may not exceed 2 MB; half of it leaves room for everything else.
pub const MAX_PIECE_BYTES: usize = 1_000_000;
/// A derived title's length, in characters.
const TITLE_CHARS: usize = 80;
/// The title of a thread that begins without text.
const UNTITLED: &str = "New thread";

/// One message as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredMessage {
    /// `msg_…`, unique for the user, the same for as long as the message is there.
    pub id: String,
    /// Epoch ms.
    pub at: u64,
    /// The reply was cut.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub incomplete: bool,
    /// The body, verbatim.
    pub message: Box<RawValue>,
}

/// A request that ended with a reply.
pub(super) struct Turn<'a> {
    /// The request's number.
    pub seq: u64,
    /// Epoch ms.
    pub asked_at: u64,
    /// Epoch ms.
    pub replied_at: u64,
    pub finish: &'a ThreadFinish,
}

/// All messages of a thread, oldest first.
pub fn messages(store: &impl Store, thread: &str) -> Result<Vec<StoredMessage>> {
    Ok(turns(store, thread)?.into_iter().flat_map(|(_, messages)| messages).collect())
}

/// Cuts a text into pieces of at most `most` bytes (≥ 4), between characters.
pub fn pieces(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > most {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(most));
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

/// The writes that store a turn; none if there is no reply, or if the thread was deleted while it was made.
pub(super) fn append(store: &impl Store, turn: &Turn) -> Result<Vec<Write>> {
    let finish = turn.finish;
    let reply = finish.reply.as_deref().filter(|reply| finish.complete || says_something(reply));
    let Some(reply) = reply else { return Ok(Vec::new()) };
    let row = store.thread(&finish.id)?;
    if finish.base.born.is_some() && finish.base.born != row.as_ref().map(|row| row.born) {
        return Ok(Vec::new());
    }
    let added = added(turn, reply);
    let is_new = row.is_none();
    let mut row = row.unwrap_or_else(|| new_thread(turn, &added));
    // Another request changed the thread meanwhile: what it stored stays, and this turn goes behind it.
    let keep = finish.base.keep.filter(|_| row.version == finish.base.version);
    let (mut writes, mut turn_messages) = match keep {
        Some(keep) => rewind(store, &mut row, keep)?,
        None => (Vec::new(), Vec::new()),
    };
    row.messages += added.len() as u64;
    row.bytes += bytes(&added);
    row.last_message_at = row.last_message_at.max(turn.replied_at);
    row.version += 1;
    turn_messages.extend(added);
    let text = serde_json::to_string(&turn_messages).map_err(|error| Error::server(format!("user turn: {error}")))?;
    let pieces = pieces(&text, MAX_PIECE_BYTES).into_iter().map(str::to_owned).collect();
    writes.push(Write::PutTurn { thread: row.id.clone(), turn: row.version, extent: row.extent(), pieces });
    writes.extend(is_new.then_some(Write::PutThread(row)));
    Ok(writes)
}

/// The client's new messages and the reply.
fn added(turn: &Turn, reply: &RawValue) -> Vec<StoredMessage> {
    let new = turn.finish.messages.get(turn.finish.base.new_from..).unwrap_or_default();
    let asked = new.iter().map(AsRef::as_ref).filter(|message| !is_instruction(message)).map(|message| (turn.asked_at, false, message));
    let replied = core::iter::once((turn.replied_at, !turn.finish.complete, reply));
    let stored = (0_u64..).zip(asked.chain(replied));
    stored
        .map(|(index, (at, incomplete, message))| StoredMessage {
            id: format!("msg_{:010x}{index:04x}", turn.seq),
            at,
            incomplete,
            message: message.to_owned(),
        })
        .collect()
}

/// Removes the turns behind the first `keep` messages and gives back what is to stay of the turn that was cut through.
fn rewind(store: &impl Store, row: &mut ThreadRow, keep: usize) -> Result<(Vec<Write>, Vec<StoredMessage>)> {
    let mut left = keep;
    let mut kept_bytes = 0;
    for (number, mut messages) in turns(store, &row.id)? {
        if messages.len() <= left {
            left -= messages.len();
            kept_bytes += bytes(&messages);
            continue;
        }
        messages.truncate(left);
        row.messages = keep as u64;
        row.bytes = kept_bytes + bytes(&messages);
        return Ok((vec![Write::TruncateTurns { thread: row.id.clone(), from: number }], messages));
    }
    Ok((Vec::new(), Vec::new()))
}

/// The turns of a thread with their numbers.
fn turns(store: &impl Store, thread: &str) -> Result<Vec<(u64, Vec<StoredMessage>)>> {
    let mut texts: Vec<(u64, String)> = Vec::new();
    for row in store.turns(thread)? {
        match texts.last_mut() {
            Some((turn, text)) if *turn == row.turn => text.push_str(&row.body),
            _ => texts.push((row.turn, row.body)),
        }
    }
    let read = |text: &str| serde_json::from_str(text).map_err(|error| Error::server(format!("user turn: {error}")));
    texts.into_iter().map(|(turn, text)| Ok((turn, read(&text)?))).collect()
}

fn bytes(messages: &[StoredMessage]) -> u64 {
    messages.iter().map(|message| message.message.get().len() as u64).sum()
}

fn new_thread(turn: &Turn, messages: &[StoredMessage]) -> ThreadRow {
    ThreadRow {
        id: turn.finish.id.clone(),
        title: title(messages),
        created_at: turn.asked_at,
        last_message_at: turn.replied_at,
        messages: 0,
        bytes: 0,
        version: 0,
        born: turn.seq,
    }
}

/// The first line of the first user message that has any text.
fn title(messages: &[StoredMessage]) -> String {
    let mut texts = messages.iter().filter(|message| role(&message.message) == "user").filter_map(|message| text(&message.message));
    let line = texts.find_map(|text| text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned));
    line.map_or_else(|| UNTITLED.to_owned(), |line| line.chars().take(TITLE_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_between_characters_and_lose_nothing() {
        let text = "añ漢🦀".repeat(50);
        for most in 4..40 {
            let pieces = pieces(&text, most);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| piece.len() <= most && !piece.is_empty()), "{most}");
        }
        assert_eq!(pieces("", 4), [""]);
    }
}
