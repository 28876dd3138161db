//! One project's ledger: what its users' objects tell of settled requests, kept as rows for a while and as sums for good.
//!
//! Always holds: each settled request counts once, by (user, epoch, settle number), however often and late it is told: the
//! last number applied is written in the commit that counts. Sums outlive rows. There is no memory: what is known is in
//! the store. Absent on purpose: the platform, SQL execution (`schema` only has its text), who carries the batches.

use serde::{Deserialize, Serialize};

pub mod apply;
pub mod batch;
pub mod requests;
pub mod retain;
pub mod schema;
pub mod store;
pub mod usage;

pub use store::{Store, Write};

use crate::error::Result;
use batch::Batch;
use requests::{Page, RequestsQuery};
use usage::{UsagePage, UsageQuery};

/// One hour in ms: sums are kept by the hour.
pub const HOUR_MS: u64 = 3_600_000;

/// One question to a project's ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Count what a user's object tells. Answer: `Told` or `Expected`.
    Apply {
        /// The user's id.
        user: String,
        /// What it tells.
        batch: Batch,
    },
    /// Sums over a window. Answer: `Usage`.
    Usage(UsageQuery),
    /// Single requests, newest first. Answer: `Requests`.
    Requests(RequestsQuery),
    /// Users that have told something lately, the latest first. Answer: `Recent`.
    Recent {
        /// Since when, epoch ms.
        since: u64,
        /// How many at most.
        limit: u64,
    },
    /// Forget who a user was. Answer: `Forgotten`.
    Forget {
        /// The user's id.
        user: String,
        /// Its first epoch after the erasure.
        epoch: u64,
    },
    /// The alarm: remove what is too old. Answer: `Pruned`.
    Prune,
    /// Remove everything. Answer: `Wiped`.
    Wipe,
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is counted, now or before.
    Told {
        /// Every settle number up to here is counted.
        through: u64,
        /// How long the user's object is to keep its own rows, in ms.
        retention_ms: u64,
    },
    /// Not counted: there is a gap before it.
    Expected {
        /// The number that has to come next.
        number: u64,
    },
    /// Sums.
    Usage(Box<UsagePage>),
    /// Requests.
    Requests(Page),
    /// Users.
    Recent(Vec<String>),
    /// The user is unknown here.
    Forgotten,
    /// Some of what was too old is gone; [`retain::wake_at`] tells whether there is more.
    Pruned,
    /// Everything is gone.
    Wiped,
}

/// Answers one command at `now` (epoch ms); rows are kept for `retention_ms`. After an error a write may be there or not;
/// the same command may then be given again.
pub fn answer(store: &mut impl Store, command: Command, retention_ms: u64, now: u64) -> Result<Outcome> {
    match command {
        Command::Apply { user, batch } => apply::apply(store, &user, batch, retention_ms, now),
        Command::Usage(query) => Ok(Outcome::Usage(Box::new(usage::usage(store, &query)?))),
        Command::Requests(query) => Ok(Outcome::Requests(requests::requests(store, query, now.saturating_sub(retention_ms))?)),
        Command::Recent { since, limit } => Ok(Outcome::Recent(store.recent(since, limit)?)),
        Command::Forget { user, epoch } => {
            store.commit(&[Write::Forget { user, epoch, at: now }])?;
            Ok(Outcome::Forgotten)
        }
        Command::Prune => {
            store.commit(&retain::prune(retention_ms, now))?;
            Ok(Outcome::Pruned)
        }
        Command::Wipe => {
            store.commit(&[Write::Wipe])?;
            Ok(Outcome::Wiped)
        }
    }
}
