//! What providers want back with the results of tools (`provider::private`), kept for the user's next requests.
//!
//! Always holds: an answer that has any is one row more, in the batch that settles it; a request without calls reads nothing. A user
//! has at most `MAX_ANSWERS` and `MAX_HELD_BYTES`, the oldest go first. Nothing is given out a day after its request was admitted;
//! what is that old goes when the next is written, or with an alarm that rings anyway. With its thread it goes at once.
//! Absent on purpose: what it means (the dialect), and which model may be sent it (`provider::private::Kept`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::command::{Begin, Finish};
use super::message::tool_call_ids;
use super::store::{Store, StoreError, Write};
use super::turn::MAX_PIECE_BYTES;
use crate::api::estimate::text_tokens;
use crate::calendar::DAY_MS;
use crate::error::{Error, Result};
use crate::provider::Private;
use crate::provider::private::MAX_CALL_ID;

/// How long it is given out, in ms. Providers insist on it only until the user speaks again; a tool that a person has to approve
/// may take hours.
pub const KEEP_MS: u64 = DAY_MS;
/// The most answers of one user.
pub const MAX_ANSWERS: u64 = 256;
/// The most bytes of one user: of thoughts some million tokens.
pub const MAX_HELD_BYTES: u64 = 4 * 1024 * 1024;
/// The most calls that are asked for: the newest of a history. With the longest ids they are one value of `SQLite` (2 MB), even escaped.
const MAX_CALLS: usize = 1_024;

/// What is kept of one answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateRow {
    /// The request.
    pub seq: u64,
    /// When it was admitted, epoch ms.
    pub at: u64,
    /// Its thread.
    pub thread: Option<String>,
    /// Size of `body`.
    pub bytes: u64,
    /// The ids of its calls, a JSON array.
    pub calls: String,
    /// `Private`s, a JSON array.
    pub body: String,
}

/// A row without what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateSize {
    /// The request.
    pub seq: u64,
    /// When it was admitted, epoch ms.
    pub at: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// The ids of the calls in these messages that something can be kept for, each once, in their order; of very many the last.
pub fn calls<'m>(messages: impl IntoIterator<Item = &'m RawValue>) -> Vec<String> {
    // Looking is cheaper than reading, and most messages call nothing.
    let calling = messages.into_iter().filter(|message| message.get().contains("tool_calls"));
    last_calls(calling.flat_map(tool_call_ids).collect())
}

fn last_calls(mut ids: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    ids.retain(|id| id.len() <= MAX_CALL_ID && seen.insert(id.clone()));
    ids.split_off(ids.len().saturating_sub(MAX_CALLS))
}

/// As they stand in the column, and as they are asked for.
pub fn json(ids: &[String]) -> Result<String, StoreError> {
    serde_json::to_string(ids).map_err(|error| StoreError(error.to_string()))
}

/// What is kept of the calls in the client's messages and in the history before them. Of a call's two states the newer counts.
pub(super) fn read(store: &impl Store, begin: &Begin, history: &[Box<RawValue>], now: u64) -> Result<Vec<Private>> {
    let ids = last_calls([calls(history.iter().map(AsRef::as_ref)), begin.calls.clone()].concat());
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted: BTreeSet<&String> = ids.iter().collect();
    let mut found = Vec::new();
    for body in store.private(&ids, now.saturating_sub(KEEP_MS))?.iter().rev() {
        let kept: Vec<Private> = serde_json::from_str(body).map_err(|error| Error::server(format!("user private: {error}")))?;
        found.extend(kept.into_iter().filter(|private| wanted.remove(&private.call_id)));
    }
    Ok(found)
}

/// What the model that is asked will read of it as part of its prompt, from above, in tokens.
pub(super) fn tokens(kept: &[Private], begin: &Begin) -> u64 {
    let own = kept.iter().filter(|private| private.maker.provider == begin.provider && private.maker.model == begin.model_served);
    own.map(|private| text_tokens(private.bytes())).fold(0, u64::saturating_add)
}

/// The writes that keep what an answer has; none if it has nothing.
pub(super) fn keep(store: &impl Store, finish: &Finish, at: u64, now: u64) -> Result<Vec<Write>, StoreError> {
    if finish.private.is_empty() {
        return Ok(Vec::new());
    }
    let body = serde_json::to_string(&finish.private).map_err(|error| StoreError(error.to_string()))?;
    if body.len() > MAX_PIECE_BYTES {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = finish.private.iter().map(|private| private.call_id.clone()).collect();
    let thread = finish.thread.as_ref().map(|thread| thread.id.clone());
    let row = PrivateRow { seq: finish.seq, at, thread, bytes: body.len() as u64, calls: json(&ids)?, body };
    let mut held = store.private_sizes()?;
    held.retain(|old| old.seq != row.seq);
    let forget = too_much(&held, (1, row.bytes), now).map(|through| Write::ForgetPrivate { through });
    Ok(forget.into_iter().chain([Write::PutPrivate(row)]).collect())
}

/// The write that removes what is too old; none if nothing is.
pub(super) fn outdated(store: &impl Store, now: u64) -> Result<Option<Write>, StoreError> {
    Ok(too_much(&store.private_sizes()?, (0, 0), now).map(|through| Write::ForgetPrivate { through }))
}

/// The newest of these rows (oldest first) that is too old, or has no room beside the newer ones and what comes (answers, bytes).
fn too_much(held: &[PrivateSize], coming: (u64, u64), now: u64) -> Option<u64> {
    let (mut answers, mut bytes) = coming;
    let mut newest_first = held.iter().rev();
    let first = newest_first.find(|row| {
        answers += 1;
        bytes = bytes.saturating_add(row.bytes);
        answers > MAX_ANSWERS || bytes > MAX_HELD_BYTES || row.at.saturating_add(KEEP_MS) <= now
    });
    first.map(|row| row.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let rows = |count: u64, bytes: u64| (1..=count).map(|seq| PrivateSize { seq, at: seq, bytes }).collect::<Vec<_>>();
        for (held, coming, now, expected) in [
            (rows(0, 0), (1, 1), 0, None),
            (rows(255, 10), (1, 10), 0, None),
            (rows(256, 10), (1, 10), 0, Some(1)),
            (rows(256, 10), (0, 0), 0, None),
            (rows(16, MAX_HELD_BYTES / 16), (0, 0), 0, None),
            (rows(16, MAX_HELD_BYTES / 16), (1, MAX_HELD_BYTES / 8), 0, Some(2)),
            (rows(3, 10), (0, 0), KEEP_MS, None),
            (rows(3, 10), (0, 0), KEEP_MS + 2, Some(2)),
            (rows(3, 10), (1, 1), u64::MAX, Some(3)),
        ] {
            assert_eq!(too_much(&held, coming, now), expected, "{} rows, {coming:?}, at {now}", held.len());
        }
    }

    #[test]
    fn calls_are_asked_for_once_and_not_without_end() {
        let raw = |text: String| RawValue::from_string(text).unwrap();
        let calling = |id: &str| raw(format!(r#"{{"role":"assistant","tool_calls":[{{"id":"{id}"}}]}}"#));
        let few =
            [calling("a"), raw(r#"{"role":"tool","tool_call_id":"a"}"#.into()), calling("b"), calling("a"), calling(&"x".repeat(257))];
        assert_eq!(calls(few.iter().map(AsRef::as_ref)), ["a", "b"]);
        let many: Vec<_> = (0..2_000).map(|number| calling(&number.to_string())).collect();
        let asked = calls(many.iter().map(AsRef::as_ref));
        assert_eq!((asked.len(), asked.last().map(String::as_str)), (MAX_CALLS, Some("1999")));
        const { assert!(MAX_CALLS * (6 * MAX_CALL_ID + 3) < 2_000_000, "escaped, in one value") };
    }
}
