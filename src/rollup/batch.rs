//! What a user's object tells its project: a run of settled requests, numbered in the order of their settlement.
//!
//! Always holds: a batch accounts for every number from `first` to `through`; a number without an entry is of a row that is
//! gone for good. Absent on purpose: who carries it, and prompts or replies.

use serde::{Deserialize, Serialize};

use crate::api::usage::TokenUsage;
use crate::user::store::{KeySource, Status};

/// A run of one user's settlements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// How often the user was erased before: numbers begin again with each.
    pub epoch: u64,
    /// The first number it tells of.
    pub first: u64,
    /// The last one; `first - 1` if there is nothing to tell.
    pub through: u64,
    /// By ascending number.
    pub entries: Vec<Entry>,
}

impl Batch {
    /// Whether there is nothing to tell.
    pub const fn is_empty(&self) -> bool {
        self.through < self.first
    }
}

/// One settled request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// 1, 2, 3 … in the order of settlement.
    pub number: u64,
    /// The gateway's id of the request.
    pub request_id: String,
    /// For attribution.
    pub session_id: String,
    /// Set if it belongs to a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// The model the client asked for.
    pub model: String,
    /// The model that was asked of the provider.
    pub model_served: String,
    /// The provider asked.
    pub provider: String,
    /// Whose credential.
    pub key_source: KeySource,
    /// How it ended.
    pub status: Status,
    /// The charge is our own count.
    pub estimated: bool,
    /// The model has a known price.
    pub priced: bool,
    /// When it was admitted, epoch ms.
    pub at: u64,
    /// The charge, in tokens.
    pub usage: TokenUsage,
    /// The charge.
    pub micro_usd: u64,
    /// To the first byte, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    /// To the end, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}
