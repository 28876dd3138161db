//! The thread's side of admission: what of the history goes to the model, and what the finish will do to the thread.
//!
//! Always holds: history is cut from the oldest, before a user message, so that no tool result stands without its call;
//! a call that was never answered is left out, because providers refuse it. Absent on purpose: writing; a thread changes
//! only when a reply is there.

use serde_json::value::RawValue;

use super::MAX_THREAD_BYTES;
use super::command::{Base, Begin, BeginThread};
use super::message::{is_instruction, role, tool_call_id, tool_call_ids};
use super::private;
use super::reconcile::reconcile;
use super::store::Store;
use super::turn::{self, StoredMessage};
use crate::api::estimate::message_tokens;
use crate::error::{Code, Error, Result};
use crate::provider::Private;

/// What a request gets of what is stored.
#[derive(Default)]
pub(super) struct History {
    pub prepend: Vec<Box<RawValue>>,
    /// What is kept of the calls in it and in the client's messages.
    pub private: Vec<Private>,
    /// What both add to the prompt.
    pub tokens: u64,
    pub base: Option<Base>,
}

/// What a request gets of what is stored, as of `now`.
pub(super) fn read(store: &impl Store, begin: &Begin, now: u64) -> Result<History> {
    let mut history = of_thread(store, begin.thread.as_ref())?;
    history.private = private::read(store, begin, &history.prepend, now)?;
    history.tokens = history.tokens.saturating_add(private::tokens(&history.private, begin));
    Ok(history)
}

/// Reads the thread and compares it with what the client sent.
fn of_thread(store: &impl Store, thread: Option<&BeginThread>) -> Result<History> {
    let Some(thread) = thread else { return Ok(History::default()) };
    let row = store.thread(&thread.id)?;
    if row.as_ref().is_some_and(|row| row.bytes > MAX_THREAD_BYTES) {
        let message = format!("Thread {} holds more than {} MB and cannot be continued.", thread.id, MAX_THREAD_BYTES >> 20);
        return Err(Error::new(Code::PayloadTooLarge, message).with_param("X-Thread-Id"));
    }
    let stored = match row {
        Some(_) => turn::messages(store, &thread.id)?,
        None => Vec::new(),
    };
    let bodies: Vec<&RawValue> = stored.iter().map(|message| &*message.message).collect();
    let sent: Vec<&RawValue> = thread.messages.iter().map(AsRef::as_ref).collect();
    let plan = reconcile(&bodies, &sent);
    let base = Base {
        born: row.as_ref().map(|row| row.born),
        version: row.map_or(0, |row| row.version),
        new_from: plan.new_from,
        keep: plan.keep,
    };
    let mut before = stored;
    before.truncate(plan.prepend);
    let after: Vec<&RawValue> = sent.into_iter().filter(|message| !is_instruction(message)).collect();
    let prepend = without_open_calls(within(before, &after, thread.window_tokens), &after);
    let tokens = prepend.iter().map(|message| message_tokens(message.get())).fold(0, u64::saturating_add);
    Ok(History { prepend, private: Vec::new(), tokens, base: Some(base) })
}

/// The newest part of the history that fits and begins with a user message, or all of it. If what follows are tool results,
/// at least the part with their call: too long is an error that the client understands, a result without its call is not.
fn within(mut history: Vec<StoredMessage>, after: &[&RawValue], window_tokens: u64) -> Vec<Box<RawValue>> {
    let needs_call = after.first().is_some_and(|message| role(message) == "tool");
    let (mut start, mut tokens) = (history.len(), 0_u64);
    for (index, message) in history.iter().enumerate().rev() {
        tokens = tokens.saturating_add(message_tokens(message.message.get()));
        let needed = needs_call && start == history.len();
        if tokens > window_tokens && !needed {
            break;
        }
        if index == 0 || role(&message.message) == "user" {
            start = index;
        }
    }
    history.drain(..start).for_each(drop);
    history.into_iter().map(|message| message.message).collect()
}

/// Leaves out calls that nobody answered (a reply cut in the middle of a call, a user who wrote something else), with what
/// answers there are.
fn without_open_calls(history: Vec<Box<RawValue>>, after: &[&RawValue]) -> Vec<Box<RawValue>> {
    let mut kept: Vec<Box<RawValue>> = Vec::with_capacity(history.len());
    let mut rest = history.into_iter().peekable();
    while let Some(message) = rest.next() {
        let calls = tool_call_ids(&message);
        let mut turn = vec![message];
        if !calls.is_empty() {
            while let Some(answer) = rest.next_if(|next| role(next) == "tool") {
                turn.push(answer);
            }
        }
        let answered = |call: &String| turn.iter().any(|answer| tool_call_id(answer).as_ref() == Some(call));
        let answers_follow = rest.peek().is_none() && after.first().is_some_and(|next| role(next) == "tool");
        if answers_follow || calls.iter().all(answered) {
            kept.append(&mut turn);
        }
    }
    kept
}
