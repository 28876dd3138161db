//! What a provider wants back with a tool's result, and a client of OpenAI's dialect cannot carry: the signatures of thoughts.
//!
//! Always holds: kept per tool call, for the calls of an answer have ids that come back in the history; opaque to everybody but the
//! dialect that made it; bounded. Absent on purpose: where it is kept and for how long (`user`).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Kind;

/// The most one answer may ask to keep, in bytes: some 60,000 tokens of thought. Of an answer with more, nothing is kept.
pub const MAX_BYTES: usize = 256 * 1024;

/// The state of one call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Private {
    /// The call's id, as the client has it.
    pub call_id: String,
    /// The dialect it belongs to: another one must not be sent it.
    pub kind: Kind,
    /// What the dialect made of it.
    pub state: Box<RawValue>,
}

impl Private {
    /// Size in bytes, to bound what is kept.
    pub fn bytes(&self) -> usize {
        self.call_id.len() + self.state.get().len()
    }
}

impl PartialEq for Private {
    fn eq(&self, other: &Self) -> bool {
        (&self.call_id, self.kind, self.state.get()) == (&other.call_id, other.kind, other.state.get())
    }
}

/// These, or nothing when they are too large together.
pub fn bounded(all: Vec<Private>) -> Vec<Private> {
    if all.iter().map(Private::bytes).sum::<usize>() <= MAX_BYTES { all } else { Vec::new() }
}

/// What is kept of a call, for a dialect.
pub fn find<'p>(kept: &'p [Private], kind: Kind, call_id: &str) -> Option<&'p RawValue> {
    kept.iter().find(|private| private.kind == kind && private.call_id == call_id).map(|private| &*private.state)
}
