//! The alarm: settles reservations that nobody settled, writes day totals, prunes old request rows, says when to wake next.
//!
//! Always holds: it may fire early, late or twice; each run does a bounded amount of pruning; a pruned row is in the day
//! totals first, and the project has acknowledged it, unless it waited for that for `UNTOLD_MS`.
//! Absent on purpose: deciding what an expired reservation costs (`charge`), telling the project (`outbox`).

use serde::{Deserialize, Serialize};

use super::command::Outcome;
use super::finish::checkpoint;
use super::holding::Upkeep;
use super::private;
use super::store::{Settlement, Store, StoreError, Write};
use super::{MAX_SAFE, RETENTION_MS, User};
use crate::calendar::DAY_MS;
use crate::error::Result;

/// Request rows pruned per run.
const PRUNE_ROWS: u64 = 1000;
/// Admission needs the rows of today and of the last minute, whatever a project says.
const MIN_RETENTION_MS: u64 = 2 * DAY_MS;
// What is kept of an answer is outdated before its request's row is: the alarm for the row finds it.
const _: () = assert!(private::KEEP_MS < MIN_RETENTION_MS);
/// How long a row is kept because the project has not acknowledged it. It would have to be out of reach for all that time.
const UNTOLD_MS: u64 = 400 * DAY_MS;
/// The soonest that an alarm wakes the object again, but for telling the project.
const SOONEST_MS: u64 = 60_000;

/// The alarm's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expire {
    /// Request rows older than this are pruned, in ms; `None`: what the project last said, else [`super::RETENTION_MS`].
    pub retention_ms: Option<u64>,
    /// As in [`super::command::Begin`].
    pub roll_up_ms: u64,
}

/// What the alarm did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// Reservations that were settled.
    pub expired: u64,
    /// The newest request row that was pruned.
    pub pruned_through: Option<u64>,
    /// What there is to do about the lease, in the background.
    #[serde(default)]
    pub upkeep: Upkeep,
    /// When to wake next, epoch ms; it is also in the commit as `Write::SetAlarm`.
    pub wake_at: Option<u64>,
}

impl User {
    pub(super) fn expire(&mut self, store: &mut impl Store, expire: Expire, now: u64) -> Result<Outcome> {
        let now = self.clock(now);
        let retention = expire.retention_ms.or(self.outbox.retention_ms).unwrap_or(RETENTION_MS).max(MIN_RETENTION_MS);
        let due = self.due(now);
        let expired = due.len() as u64;
        self.settle(store, &due)?;
        let (pruned_through, mut writes) = self.prune(store, retention, now)?;
        let wake_at = self.wake_at(store, pruned_through.unwrap_or(0), retention, expire.roll_up_ms, now)?;
        writes.extend(private::outdated(store, now)?);
        writes.extend(self.outdated_marks(now));
        writes.push(Write::SetAlarm(wake_at));
        self.commit(store, &writes)?;
        // Pruning reaches into what memory is made of; reading again is simpler than repeating that, and rare.
        self.stale = true;
        *self = Self::load(store)?;
        let upkeep = if expired == 0 { Upkeep::Nothing } else { self.upkeep(now) };
        Ok(Outcome::Expired(Expired { expired, pruned_through, upkeep, wake_at }))
    }

    /// Settles everything that is open, due or not.
    pub(super) fn close(&mut self, store: &mut impl Store, now: u64) -> Result<Outcome> {
        let settled_at = self.clock(now);
        let open: Vec<_> = self.due(MAX_SAFE).into_iter().map(|(id, end)| (id, Settlement { settled_at, ..end })).collect();
        self.settle(store, &open)?;
        Ok(Outcome::Closed)
    }

    fn settle(&mut self, store: &mut impl Store, ends: &[(String, Settlement)]) -> Result<()> {
        if ends.is_empty() {
            return Ok(());
        }
        let writes: Vec<Write> = ends.iter().map(|(_, end)| Write::Settle(end.clone())).collect();
        self.commit(store, &writes)?;
        for (request_id, end) in ends {
            self.settled(request_id, end.usage);
        }
        Ok(())
    }

    /// Removes rows that began before the retention, are settled and told, after a checkpoint that covers them.
    fn prune(&self, store: &impl Store, retention: u64, now: u64) -> Result<(Option<u64>, Vec<Write>), StoreError> {
        let settled_through = self.settled_through();
        let told = store.prunable(now.saturating_sub(retention), PRUNE_ROWS)?.map(|seq| seq.min(self.outbox.low.saturating_sub(1)));
        let untold = store.prunable(now.saturating_sub(retention.max(UNTOLD_MS)), PRUNE_ROWS)?;
        let through = told.max(untold).map(|seq| seq.min(settled_through)).filter(|seq| *seq > 0);
        let Some(through) = through else { return Ok((None, Vec::new())) };
        let mut writes = if through > self.frontier { checkpoint(store, self.frontier, settled_through)? } else { Vec::new() };
        if through >= self.outbox.low {
            // The rows that knew the last number may be among them.
            writes.push(Write::PutOutbox(self.outbox));
        }
        writes.push(Write::PruneRequests { through });
        Ok((Some(through), writes))
    }

    /// When the next reservation or the next row is due, or the project has to be told.
    fn wake_at(&self, store: &impl Store, pruned: u64, retention: u64, roll_up_ms: u64, now: u64) -> Result<Option<u64>, StoreError> {
        let old = store.request_after(pruned)?;
        let old = old.map(|row| row.at + if row.seq < self.outbox.low { retention } else { retention.max(UNTOLD_MS) });
        let deadline = self.open.values().map(|open| open.deadline).min();
        let backstop = deadline.into_iter().chain(old).min().map(|next| (next + 1).max(now + SOONEST_MS));
        // Whatever runs now has to be told of as soon as if the alarm had not come in between.
        let running = (!self.open.is_empty()).then_some(now + roll_up_ms);
        Ok([backstop, running, self.tell_at(store, roll_up_ms, now)?, self.tell_alerts_at(now)].into_iter().flatten().min())
    }
}
