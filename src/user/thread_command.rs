//! What a user's object is asked about its threads, and how it shows one.
//!
//! Absent on purpose: what belongs to a request ([`super::command::BeginThread`], [`super::command::ThreadFinish`]), and doing it
//! (`threads`).

use serde::{Deserialize, Serialize};

/// A page of threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListThreads {
    /// 1 to 100, default 20.
    pub limit: Option<u64>,
    /// The id of a thread: only those after it in the order.
    pub before: Option<String>,
}

/// Names one thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadId {
    /// Its id.
    pub id: String,
}

/// A page of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMessages {
    /// The thread's id.
    pub thread: String,
    /// 1 to 1,000: the last ones; default all.
    #[serde(default)]
    pub limit: Option<u64>,
    /// The id of a message: only those before it.
    #[serde(default)]
    pub before: Option<String>,
}

/// Another title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchThread {
    /// The thread's id.
    pub id: String,
    /// 1 to 200 characters.
    pub title: String,
}

/// A thread as clients see it. Times are whole epoch seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadView {
    /// Chosen by the client.
    pub id: String,
    /// From the first user message, or set by hand.
    pub title: String,
    /// Epoch seconds.
    pub created_at: u64,
    /// Epoch seconds.
    pub last_message_at: u64,
    /// How many are stored.
    pub messages_count: u64,
}
