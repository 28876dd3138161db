//! The durable side of a project's ledger: rows, the reads that it needs, and one write that takes a batch.
//!
//! Always holds: a batch is all or nothing, and every number in a row is below 2^53 (the platform moves integers as
//! floats). Field names are column names. Absent on purpose: SQL (see `schema`) and anything asynchronous.

use serde::{Deserialize, Serialize};

use super::usage::UsageQuery;
pub use crate::user::StoreError;

/// The durable side.
pub trait Store {
    /// How far a user's settlements are counted; `None` if nothing of it ever was.
    fn applied(&self, user: &str) -> Result<Option<Applied>, StoreError>;
    /// The first epoch of a user after its last erasure, if that was lately.
    fn erased(&self, user: &str) -> Result<Option<u64>, StoreError>;
    /// Users whose settlements were counted at `since` (epoch ms) or later, the latest first, at most `limit`.
    fn recent(&self, since: u64, limit: u64) -> Result<Vec<String>, StoreError>;
    /// Detail rows by (`newest_at`, `user`, `through`) descending.
    fn details(&self, scan: &Scan) -> Result<Vec<DetailRow>, StoreError>;
    /// The `newest_at` of the oldest detail row.
    fn oldest_detail(&self) -> Result<Option<u64>, StoreError>;
    /// When the first of the erasures that are remembered happened, epoch ms.
    fn oldest_erasure(&self) -> Result<Option<u64>, StoreError>;
    /// Sums of a window by what it is grouped by, in the order of [`TotalRow::key`], from behind `after`, at most `limit`.
    fn sums(&self, query: &UsageQuery) -> Result<Vec<TotalRow>, StoreError>;
    /// Does all of it or none of it. After an error either may be the case.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;
}

/// Which detail rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Those below this (`newest_at`, `user`, `through`).
    pub below: (u64, String, u64),
    /// Those with a request at this time or later, epoch ms.
    pub from: u64,
    /// Those with a request at this time or earlier, epoch ms.
    pub to: u64,
    /// Those of this user.
    pub user: Option<String>,
    /// How many at most.
    pub limit: u64,
}

/// One row-level operation of a batch. Each names what it costs: the platform bills rows written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// 1 row: inserts or replaces.
    PutApplied {
        /// The user.
        user: String,
        /// How far it is counted.
        applied: Applied,
        /// Now, epoch ms.
        at: u64,
    },
    /// 1 row.
    PutDetail(DetailRow),
    /// 1 row: adds to the sums of its key.
    AddTotal(TotalRow),
    /// Removes detail rows whose newest request is older than `before`, oldest first, at most `limit`.
    PruneDetails {
        /// Epoch ms.
        before: u64,
        /// How many at most.
        limit: u64,
    },
    /// Forgets erasures that happened before this time, epoch ms.
    PruneErasures {
        /// Epoch ms.
        before: u64,
    },
    /// Removes a user's detail rows and how far it is counted, moves its sums to no user and no session, and remembers the
    /// erasure.
    Forget {
        /// The user.
        user: String,
        /// Its first epoch after the erasure.
        epoch: u64,
        /// Now, epoch ms.
        at: u64,
    },
    /// Removes every row of every table.
    Wipe,
}

/// How far a user's settlements are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// In which epoch of the user.
    pub epoch: u64,
    /// Up to which settle number.
    pub through: u64,
}

/// Some requests of one user that lie close together in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailRow {
    /// When the newest of them was admitted, epoch ms.
    pub newest_at: u64,
    /// The user.
    pub user: String,
    /// The highest settle number among them.
    pub through: u64,
    /// When the oldest of them was admitted, epoch ms.
    pub oldest_at: u64,
    /// The entries as a JSON list.
    pub body: String,
}

/// Sums of requests that have everything in common that is before the numbers. In an answer, what it is not grouped by is
/// empty, and `hour` is the number of the hour or day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalRow {
    /// Hours since the epoch.
    pub hour: u64,
    /// The user; empty if it was erased.
    pub user: String,
    /// The session; empty if its user was erased.
    pub session: String,
    /// The model that was asked of the provider.
    pub model: String,
    /// The provider asked.
    pub provider: String,
    /// Whose credential.
    pub key_source: String,
    /// How they ended.
    pub status: String,
    /// How many.
    pub requests: u64,
    /// Of them, those whose model has no known price.
    pub unpriced: u64,
    /// Of them, those whose charge is our own count.
    pub estimated: u64,
    /// Tokens.
    pub input: u64,
    /// Tokens.
    pub output: u64,
    /// Of `input`.
    pub cached_input: u64,
    /// Of `input`.
    pub cache_write: u64,
    /// Of `output`.
    pub reasoning: u64,
    /// Of `input`.
    pub audio_input: u64,
    /// Of `output`.
    pub audio_output: u64,
    /// What they cost.
    pub micro_usd: u64,
}

/// The largest integer that the platform carries exactly.
const MAX_SAFE: u64 = (1 << 53) - 1;

impl TotalRow {
    /// What they have in common.
    pub fn key(&self) -> (u64, [&str; 6]) {
        (self.hour, [&self.user, &self.session, &self.model, &self.provider, &self.key_source, &self.status])
    }

    /// The sums, in the order of their columns.
    pub const fn numbers(&self) -> [u64; 11] {
        [
            self.requests,
            self.unpriced,
            self.estimated,
            self.input,
            self.output,
            self.cached_input,
            self.cache_write,
            self.reasoning,
            self.audio_input,
            self.audio_output,
            self.micro_usd,
        ]
    }

    /// Adds the numbers of others; what they have in common stays. Saturates at what the platform carries exactly.
    pub fn add(&mut self, other: &Self) {
        let sums = [
            &mut self.requests,
            &mut self.unpriced,
            &mut self.estimated,
            &mut self.input,
            &mut self.output,
            &mut self.cached_input,
            &mut self.cache_write,
            &mut self.reasoning,
            &mut self.audio_input,
            &mut self.audio_output,
            &mut self.micro_usd,
        ];
        for (sum, more) in sums.into_iter().zip(other.numbers()) {
            *sum = sum.saturating_add(more).min(MAX_SAFE);
        }
    }
}
