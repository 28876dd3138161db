//! A thread in rows: its own, and those of its turns.
//!
//! Always holds: a thread's own row is written when it is made or renamed, so that a turn writes no row but its own; what
//! changes with each turn stands in the newest turn's row and counts before what the thread's own row says.
//! Absent on purpose: what a turn's text looks like (`turn`).

use serde::{Deserialize, Serialize};

/// One thread, as of its newest turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadRow {
    /// Chosen by the client.
    pub id: String,
    /// From the first user message, or set by hand.
    pub title: String,
    /// Epoch ms.
    pub created_at: u64,
    /// Epoch ms.
    pub last_message_at: u64,
    /// Messages stored.
    pub messages: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// Counts the turns that were ever stored; the last turn's number.
    pub version: u64,
    /// The number of the request that made it: tells it from a deleted thread of the same id.
    pub born: u64,
}

impl ThreadRow {
    /// How far it has come.
    pub const fn extent(&self) -> Extent {
        Extent { last_message_at: self.last_message_at, messages: self.messages, bytes: self.bytes }
    }

    /// As its newest turn has it. A turn of an older build says nothing: then the thread's row was written with it.
    #[must_use]
    pub fn as_of(self, turn: u64, extent: Option<Extent>) -> Self {
        let Extent { last_message_at, messages, bytes } = extent.unwrap_or_else(|| self.extent());
        Self { last_message_at, messages, bytes, version: turn, ..self }
    }
}

/// What a thread has come to with a turn. It stands in the turn's row, so that a turn writes no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Epoch ms.
    pub last_message_at: u64,
    /// Messages stored.
    pub messages: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
}

/// A piece of one turn's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRow {
    /// Its number in the thread, ascending, with gaps.
    pub turn: u64,
    /// 0, 1, 2 …
    pub piece: u64,
    /// The text.
    pub body: String,
}
