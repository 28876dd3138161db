//! The durable side of one user: rows, the reads that the state needs, and one write that takes a batch.
//!
//! Always holds: a batch is all or nothing, and every number in a row is below 2^53 (the platform moves integers as
//! floats). Field names are column names, so a row of `schema`'s queries deserialises into these types as it is.
//! Absent on purpose: SQL (see `schema`) and anything asynchronous.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::api::usage::TokenUsage;
use crate::price::Rates;

pub use super::alerts::{AlertKey, AlertRow};
pub use super::holding::Holding;
pub use super::minted::Minted;
pub use super::outbox::OutboxRow;
use super::overrides::Overrides;
pub use super::pass::{Mark, TokenWrite, Used};
pub use super::private::{PrivateRow, PrivateSize};
pub use super::reroute::Served;
pub use super::thread_row::{Extent, ThreadRow, TurnRow};
pub use super::totals::{Checkpoint, DayRow};

/// The durable side. Synchronous: that is what `SQLite` in a Durable Object is.
pub trait Store {
    /// Request rows with a lower number than `seq`, highest first, at most `limit`.
    fn requests_before(&self, seq: u64, limit: u64) -> Result<Vec<RequestRow>, StoreError>;
    /// The request row with this number.
    fn request(&self, seq: u64) -> Result<Option<RequestRow>, StoreError>;
    /// The lowest request row above `seq`.
    fn request_after(&self, seq: u64) -> Result<Option<RequestRow>, StoreError>;
    /// The highest number among the oldest `limit` request rows that began before `before` (epoch ms).
    fn prunable(&self, before: u64, limit: u64) -> Result<Option<u64>, StoreError>;
    /// Sums of the settled request rows with `after < seq <= through`, per local day of their begin, provider, model and
    /// key source, in this order. `through_seq` is 0 in them.
    fn day_sums(&self, after: u64, through: u64) -> Result<Vec<DayRow>, StoreError>;
    /// Sums of the settled request rows with `from <= at < to` (epoch ms), per step of their begin, provider, model and key
    /// source. `day` in them is the number of the step, `at / step`, and `through_seq` is 0.
    fn sums(&self, from: u64, to: u64, step: u64) -> Result<Vec<DayRow>, StoreError>;
    /// How far the day totals reach; `None` if there are none.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError>;
    /// The day totals with `from <= day <= through`, in the same order.
    fn days(&self, from: u64, through: u64) -> Result<Vec<DayRow>, StoreError>;
    /// What is said of the user's limits; nothing if there is no row.
    fn overrides(&self) -> Result<Overrides, StoreError>;
    /// How far the project has been told, as last written; all nothing if it never was.
    fn outbox(&self) -> Result<OutboxRow, StoreError>;
    /// The highest settle number of the request rows from `seq` on; 0 if there is none.
    fn newest_ended(&self, seq: u64) -> Result<u64, StoreError>;
    /// The request rows from `low` on with `after < ended <= after + limit`, in any order.
    fn ended(&self, low: u64, after: u64, limit: u64) -> Result<Vec<RequestRow>, StoreError>;
    /// The lowest request row from `low` on that is not settled, or has a settle number above `through`.
    fn first_untold(&self, low: u64, through: u64) -> Result<Option<u64>, StoreError>;
    /// The thresholds that were passed, in any order.
    fn alerts(&self) -> Result<Vec<AlertRow>, StoreError>;
    /// The alarm that was last set, epoch ms.
    fn alarm(&self) -> Result<Option<u64>, StoreError>;
    /// What it has of the project's limits.
    fn holding(&self) -> Result<Option<Holding>, StoreError>;
    /// Tokens that are void, in any order.
    fn marks(&self) -> Result<Vec<Mark>, StoreError>;
    /// The request that has used a token up.
    fn used_by(&self, jti: &str) -> Result<Option<String>, StoreError>;
    /// The tokens and micro-dollars of the settled requests that count in a token's budgets.
    fn spent_under(&self, id: &str) -> Result<(u64, u64), StoreError>;
    /// The numbers of the open ones.
    fn open_under(&self, id: &str) -> Result<Vec<u64>, StoreError>;
    /// The token that was minted under this name.
    fn minted(&self, name: &str) -> Result<Option<Minted>, StoreError>;
    /// One thread.
    fn thread(&self, id: &str) -> Result<Option<ThreadRow>, StoreError>;
    /// Threads by (`last_message_at`, `id`) descending, those below `before`, at most `limit`.
    fn threads(&self, before: Option<(u64, &str)>, limit: u64) -> Result<Vec<ThreadRow>, StoreError>;
    /// All pieces of a thread's turns, by (turn, piece) ascending.
    fn turns(&self, thread: &str) -> Result<Vec<TurnRow>, StoreError>;
    /// The `body` of each private row of a request after `since` (epoch ms) that has one of these calls, oldest first.
    fn private(&self, calls: &[String], since: u64) -> Result<Vec<String>, StoreError>;
    /// All private rows, oldest first.
    fn private_sizes(&self) -> Result<Vec<PrivateSize>, StoreError>;
    /// Does all of it or none of it. After an error either may be the case: the caller reads again.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;
}

/// The store failed. The text is for the log; it holds no user data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for crate::error::Error {
    fn from(error: StoreError) -> Self {
        Self::server(format!("user store: {error}"))
    }
}

/// One row-level operation of a batch. Each names what it costs: the platform bills rows written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// 1 row.
    InsertRequest(Box<RequestRow>),
    /// 1 row: the usage so far of an open request, and what it holds now.
    Progress {
        /// The request.
        seq: u64,
        /// A snapshot.
        usage: TokenUsage,
        /// Output tokens.
        reserved_output: u64,
        /// The reservation in micro-dollars.
        reserved_micro_usd: u64,
    },
    /// 1 row: an open request goes to another target.
    Reroute {
        /// The request.
        seq: u64,
        /// Who is asked now.
        served: Box<Served>,
        /// Output tokens.
        reserved_output: u64,
        /// The reservation in micro-dollars.
        reserved_micro_usd: u64,
        /// The maximum per reply, if it is less than the model's.
        max_output: Option<u64>,
        /// Set if the reservation may grow.
        grows_to: Option<u64>,
    },
    /// 1 row: an open request is settled.
    Settle(Settlement),
    /// 1 row: the turn of an expired request was stored after all.
    MarkStored {
        /// The request.
        seq: u64,
    },
    /// 1 row: inserts or replaces the totals of a day, provider, model and key source.
    PutDay(DayRow),
    /// Removes request rows up to and including this number, and what they count in.
    PruneRequests {
        /// The last one.
        through: u64,
    },
    /// 1 row: inserts or replaces a thread. Its newest turn says more of it.
    PutThread(ThreadRow),
    /// As many rows as pieces: inserts a turn.
    PutTurn {
        /// The thread.
        thread: String,
        /// Its number; higher than every other of this thread.
        turn: u64,
        /// What the thread has come to with it.
        extent: Extent,
        /// The text, in order.
        pieces: Vec<String>,
    },
    /// Removes the turns of a thread from this number on.
    TruncateTurns {
        /// The thread.
        thread: String,
        /// The first to go.
        from: u64,
    },
    /// Removes a thread, its turns, and what is kept of their calls.
    DeleteThread {
        /// The thread.
        thread: String,
    },
    /// 1 row: inserts or replaces what is kept of an answer's calls.
    PutPrivate(PrivateRow),
    /// Removes what is kept of answers up to and including this request.
    ForgetPrivate {
        /// The last one.
        through: u64,
    },
    /// 1 row: replaces what is said of the user's limits.
    PutOverrides(Overrides),
    /// 1 row: how far the project has been told.
    PutOutbox(OutboxRow),
    /// 1 row: a threshold was passed; older periods of its budget go if the project has them.
    PutAlert(AlertRow),
    /// As many rows as keys: the project has them.
    AlertsTold(Vec<AlertKey>),
    /// 1 row, and the platform's own alarm is to be set (or deleted) with it. Epoch ms.
    SetAlarm(Option<u64>),
    /// 1 row: replaces what it has of the project's limits.
    PutHolding(Box<Holding>),
    /// What is kept of tokens.
    Token(TokenWrite),
    /// 1 row, and those go whose tokens are over.
    PutMinted(Minted),
    /// Removes every row of every table, and the platform's alarm.
    Erase,
}

/// Where a request is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Reserved, not settled.
    Open,
    /// Settled: the provider was done.
    Completed,
    /// Settled: the client went away.
    Cancelled,
    /// Settled: the provider failed.
    Failed,
    /// Settled: the gateway ended it.
    Stopped,
    /// Settled by the alarm, because nobody else did.
    Expired,
}

impl Status {
    /// As it stands in the column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
        }
    }
}

/// Whose credential a request was served with, which is who pays the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The gateway's own: today only the demo, which costs nobody anything.
    Platform,
    /// The project's: what its owner configured as a provider.
    #[default]
    Byok,
}

impl KeySource {
    /// As it stands in the column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Byok => "byok",
        }
    }
}

/// One request, from its admission to its end and until it is pruned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// 1, 2, 3 … in the order of admission; never given twice.
    pub seq: u64,
    /// The gateway's id of the request.
    pub request_id: String,
    /// For attribution.
    pub session_id: String,
    /// Set if it belongs to a thread.
    pub thread_id: Option<String>,
    /// The model the client asked for.
    pub model: String,
    /// The model that was asked of the provider.
    pub model_served: String,
    /// The provider asked.
    pub provider: String,
    /// Whose credential it was served with.
    pub key_source: KeySource,
    /// The prices it is settled with; `None` if nobody knows what the model costs. Then it counts as free.
    pub rates: Option<Rates>,
    /// When it was admitted, epoch ms; never less than the row before has.
    pub at: u64,
    /// The local day of that, by the zone that held then: days since 1970-01-01. It is of this day's budgets for ever.
    pub day: u64,
    /// When the reservation expires, epoch ms.
    pub deadline: u64,
    /// Tokens held for the prompt.
    pub reserved_input: u64,
    /// Tokens held for the replies, with the instalments so far.
    pub reserved_output: u64,
    /// Micro-dollars held.
    pub reserved_micro_usd: u64,
    /// The maximum that was granted per reply, if it was less than the model's.
    pub max_output: Option<u64>,
    /// Set if the reservation may grow: to how many output tokens, as far as can be foreseen.
    pub grows_to: Option<u64>,
    /// Where it is in its life.
    pub status: Status,
    /// Prompt tokens: the last report while it is open, the charge once it is settled.
    pub input: Option<u64>,
    /// Reply tokens, likewise.
    pub output: Option<u64>,
    /// Of `input`: read from the provider's cache.
    pub cached_input: u64,
    /// Of `input`: written to the provider's cache.
    pub cache_write: u64,
    /// Of `cache_write`: to be kept for an hour.
    pub cache_write_hour: u64,
    /// Of `output`: spent on reasoning.
    pub reasoning: u64,
    /// Of `input`: audio.
    pub audio_input: u64,
    /// Of `output`: audio.
    pub audio_output: u64,
    /// What it cost: the charge at `rates`; 0 while it is open.
    pub micro_usd: u64,
    /// The charge is our own count.
    #[serde(with = "flag")]
    pub estimated: bool,
    /// Its turn is in the thread.
    #[serde(with = "flag")]
    pub stored: bool,
    /// 1, 2, 3 … in the order of settlement; set once it is settled.
    pub ended: Option<u64>,
    /// When it was settled, epoch ms.
    pub settled_at: Option<u64>,
    /// To the first byte, ms.
    pub ttft_ms: Option<u64>,
    /// To the end, ms.
    pub duration_ms: Option<u64>,
}

impl RequestRow {
    /// The last report, or the charge; `None` if nothing was reported.
    pub fn usage(&self) -> Option<TokenUsage> {
        Some(TokenUsage {
            input: self.input?,
            output: self.output.unwrap_or(0),
            cached_input: self.cached_input,
            cache_write: self.cache_write,
            cache_write_hour: self.cache_write_hour,
            reasoning: self.reasoning,
            audio_input: self.audio_input,
            audio_output: self.audio_output,
        })
    }
}

/// The end of a request's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The request.
    pub seq: u64,
    /// Its settle number: one more than the settlement before has.
    pub ended: u64,
    /// Not `Open`.
    pub status: Status,
    /// The charge.
    pub usage: TokenUsage,
    /// The same in micro-dollars.
    pub micro_usd: u64,
    /// The charge is our own count.
    pub estimated: bool,
    /// Its turn is in the thread, by this batch.
    pub stored: bool,
    /// Epoch ms.
    pub settled_at: u64,
    /// To the first byte, ms.
    pub ttft_ms: Option<u64>,
    /// To the end, ms.
    pub duration_ms: Option<u64>,
}

/// `SQLite` has no booleans: 0 and 1.
pub(super) mod flag {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's `with` passes a reference")]
    pub fn serialize<S: Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(*flag))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        Ok(u8::deserialize(deserializer)? != 0)
    }
}
