//! What a provider wants back with a tool's result, and a client of OpenAI's dialect cannot carry: the signatures of thoughts.
//!
//! Always holds: kept per tool call, for the calls of an answer have ids that come back in the history; opaque to everybody but the
//! dialect that made it, and in no `Debug`; given to nobody but the model that made it; bounded. Absent on purpose: where it is
//! kept and for how long (`user::private`).

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Kind, Target};

/// The most one answer may ask to keep, in bytes: some 60,000 tokens of thought. Of an answer with more, nothing is kept.
pub const MAX_BYTES: usize = 256 * 1024;
/// The longest id of a call that something is kept for. Providers' own have some 30 bytes.
pub const MAX_CALL_ID: usize = 256;

/// The state of one call.
#[derive(Clone, Serialize, Deserialize)]
pub struct Private {
    /// The call's id, as the client has it.
    pub call_id: String,
    /// Who made it.
    pub maker: Maker,
    /// What the dialect made of it.
    pub state: Box<RawValue>,
}

/// The model that made it. Another one must not be sent it: Anthropic refuses signatures of another provider's models, and of its
/// own takes only some; Google documents nothing but the model's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// The dialect.
    pub kind: Kind,
    /// The provider's name in the project.
    pub provider: String,
    /// The model's name there.
    pub model: String,
}

impl Maker {
    /// The target, as a maker.
    pub fn of(target: &Target) -> Self {
        Self { kind: target.kind, provider: target.provider.clone(), model: target.model.clone() }
    }

    fn is(&self, target: &Target) -> bool {
        self.kind == target.kind && self.provider == target.provider && self.model == target.model
    }
}

impl Private {
    /// Size in bytes, to bound what is kept.
    pub fn bytes(&self) -> usize {
        self.call_id.len() + self.maker.provider.len() + self.maker.model.len() + self.state.get().len()
    }
}

impl PartialEq for Private {
    fn eq(&self, other: &Self) -> bool {
        (&self.call_id, &self.maker, self.state.get()) == (&other.call_id, &other.maker, other.state.get())
    }
}

impl Eq for Private {}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = format_args!("{} bytes", self.state.get().len());
        f.debug_struct("Private").field("call_id", &self.call_id).field("maker", &self.maker).field("state", &state).finish()
    }
}

/// These, or nothing when they are too large together. One whose call has no reasonable id is no loss: nobody would ask for it.
pub fn bounded(mut all: Vec<Private>) -> Vec<Private> {
    all.retain(|private| private.call_id.len() <= MAX_CALL_ID);
    if all.iter().map(Private::bytes).sum::<usize>() <= MAX_BYTES { all } else { Vec::new() }
}

/// What is kept of the calls in a history, as far as a target made it.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'p> {
    all: &'p [Private],
    target: &'p Target,
}

impl<'p> Kept<'p> {
    /// What this target may be sent of all that is kept.
    pub const fn of(all: &'p [Private], target: &'p Target) -> Self {
        Self { all, target }
    }

    /// What is kept of a call.
    pub fn find(self, call_id: &str) -> Option<&'p RawValue> {
        let found = self.all.iter().find(|private| private.call_id == call_id && private.maker.is(self.target));
        found.map(|private| &*private.state)
    }
}
