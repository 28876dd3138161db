//! What the project is still to be told: settled requests in the order of their settlement, until it says that it has them.
//!
//! Always holds: settlements are numbered 1, 2, 3 … within an epoch, in the commit that settles; a number is told again
//! until it is acknowledged, so delivery is at least once and the project counts each number once. Rows below `low` are
//! settled and acknowledged, so that reading never starts at the oldest row. Absent on purpose: who carries a batch.

use serde::{Deserialize, Serialize};

use super::User;
use super::command::Outcome;
use super::store::{RequestRow, Store, StoreError, Write};
use crate::error::Result;
use crate::rollup::batch::{Batch, Entry};

/// The most requests of a batch.
pub const MOST_ENTRIES: u64 = 100;
/// The most bytes of text of a batch; a single request may be more.
const MOST_BYTES: usize = 64 * 1024;
/// What an entry has beside its texts, about.
const ENTRY_BYTES: usize = 300;
/// The longest time between two attempts to tell.
const MOST_BACKOFF_MS: u64 = 6 * 3_600_000;

/// How far the project has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// The epoch of the batch that was told.
    pub epoch: u64,
    /// It has every settle number up to here.
    pub through: u64,
    /// It has lost what came after, if that was acknowledged: tell it again.
    pub rewind: bool,
    /// How long it wants request rows to be kept, in ms.
    pub retention_ms: Option<u64>,
}

/// How far the project has been told of settled requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// How often the user was erased: settle numbers begin again with each.
    pub epoch: u64,
    /// The last settle number when this was written.
    pub ended: u64,
    /// The project has every settle number up to here.
    pub acknowledged: u64,
    /// Every request row below this is settled and acknowledged.
    pub low: u64,
    /// How long the project wants request rows to be kept, in ms, if it ever said so.
    pub retention_ms: Option<u64>,
}

impl User {
    /// Settled requests that the project has not acknowledged.
    pub fn waiting(&self) -> u64 {
        self.outbox.ended.saturating_sub(self.outbox.acknowledged)
    }

    /// The number of the next settlement, and of the ones after it.
    pub(super) fn next_ended(&self) -> u64 {
        self.outbox.ended + 1
    }

    /// The oldest settlements that wait, at most `limit` of them.
    pub(super) fn batch(&self, store: &impl Store, limit: u64) -> Result<Batch, StoreError> {
        let OutboxRow { epoch, acknowledged, low, .. } = self.outbox;
        let most = limit.min(MOST_ENTRIES).min(self.waiting());
        let mut batch = Batch { epoch, first: acknowledged + 1, through: acknowledged + most, entries: Vec::new() };
        if most == 0 {
            return Ok(batch);
        }
        let mut rows = store.ended(low, acknowledged, most)?;
        rows.sort_unstable_by_key(|row| row.ended);
        let mut bytes = 0;
        for entry in rows.iter().filter_map(entry) {
            bytes += ENTRY_BYTES + text_bytes(&entry);
            if bytes > MOST_BYTES && !batch.entries.is_empty() {
                batch.through = entry.number - 1;
                break;
            }
            batch.entries.push(entry);
        }
        Ok(batch)
    }

    pub(super) fn acknowledge(&mut self, store: &mut impl Store, told: &Acknowledge) -> Result<Outcome> {
        let old = self.outbox;
        let stale = told.epoch != old.epoch || (told.through < old.acknowledged && !told.rewind);
        let through = if stale { old.acknowledged } else { told.through };
        let low = if through == old.acknowledged {
            old.low
        } else {
            let from = if through < old.acknowledged { 0 } else { old.low };
            store.first_untold(from, through)?.unwrap_or(self.newest_seq + 1)
        };
        // A project that knows of more than we do has seen a future that we lost: its numbers are taken.
        let ended = old.ended.max(through);
        let row = OutboxRow { epoch: old.epoch, ended, acknowledged: through, low, retention_ms: told.retention_ms.or(old.retention_ms) };
        if row != (OutboxRow { ended, ..old }) {
            self.commit(store, &[Write::PutOutbox(row)])?;
            self.outbox = row;
        }
        Ok(Outcome::Acknowledged { waiting: self.waiting() })
    }

    /// When to tell next, if anything waits: the time it has waited, again, but not sooner than `roll_up_ms`.
    pub(super) fn tell_at(&self, store: &impl Store, roll_up_ms: u64, now: u64) -> Result<Option<u64>, StoreError> {
        if self.waiting() == 0 {
            return Ok(None);
        }
        let oldest = store.ended(self.outbox.low, self.outbox.acknowledged, 1)?;
        let settled_at = oldest.first().and_then(|row| row.settled_at).unwrap_or(now);
        Ok(Some(now + now.saturating_sub(settled_at).min(MOST_BACKOFF_MS).max(roll_up_ms)))
    }
}

fn text_bytes(entry: &Entry) -> usize {
    let thread = entry.thread_id.as_ref().map_or(0, String::len);
    entry.request_id.len() + entry.session_id.len() + thread + entry.model.len() + entry.model_served.len() + entry.provider.len()
}

fn entry(row: &RequestRow) -> Option<Entry> {
    Some(Entry {
        number: row.ended?,
        request_id: row.request_id.clone(),
        session_id: row.session_id.clone(),
        thread_id: row.thread_id.clone(),
        model: row.model.clone(),
        model_served: row.model_served.clone(),
        provider: row.provider.clone(),
        key_source: row.key_source,
        status: row.status,
        estimated: row.estimated,
        priced: row.rates.is_some(),
        at: row.at,
        usage: row.usage().unwrap_or_default(),
        micro_usd: row.micro_usd,
        ttft_ms: row.ttft_ms,
        duration_ms: row.duration_ms,
    })
}
