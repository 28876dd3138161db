//! The alarm: settles reservations that nobody settled, writes day totals, prunes old request rows, says when to wake next.
//!
//! Always holds: it may fire early, late or twice; each run does a bounded amount of pruning; a pruned row is in the day
//! totals first. Absent on purpose: deciding what an expired reservation costs (`budget`).

use super::User;
use super::command::{Expire, Expired, Outcome};
use super::finish::checkpoint;
use super::holding::Upkeep;
use super::store::{Store, StoreError, Write};
use crate::calendar::DAY_MS;
use crate::error::Result;

/// Request rows pruned per run.
const PRUNE_ROWS: u64 = 1000;
/// Admission needs the rows of today and of the last minute, whatever a project says.
const MIN_RETENTION_MS: u64 = 2 * DAY_MS;
/// The soonest that an alarm wakes the object again.
const SOONEST_MS: u64 = 60_000;

impl User {
    pub(super) fn expire(&mut self, store: &mut impl Store, expire: Expire, now: u64) -> Result<Outcome> {
        let now = self.clock(now);
        let retention = expire.retention_ms.max(MIN_RETENTION_MS);
        let due = self.due(now);
        let mut writes: Vec<Write> = due.iter().map(|(_, settlement)| Write::Settle(settlement.clone())).collect();
        let (pruned_through, prune) = self.prune(store, now.saturating_sub(retention))?;
        writes.extend(prune);
        let wake_at = self.wake_at(store, pruned_through.unwrap_or(0), retention, now)?;
        writes.push(Write::SetAlarm(wake_at));
        self.commit(store, &writes)?;
        // Pruning reaches into what memory is made of; reading again is simpler than repeating that, and rare.
        self.stale = true;
        *self = Self::load(store)?;
        let upkeep = if due.is_empty() { Upkeep::Nothing } else { self.upkeep(now) };
        Ok(Outcome::Expired(Expired { expired: due.len() as u64, pruned_through, upkeep, wake_at }))
    }

    /// Removes rows that began before `before` and are settled, after a checkpoint that covers them.
    fn prune(&self, store: &impl Store, before: u64) -> Result<(Option<u64>, Vec<Write>), StoreError> {
        let settled_through = self.settled_through();
        let through = store.prunable(before, PRUNE_ROWS)?.map(|seq| seq.min(settled_through)).filter(|seq| *seq > 0);
        let Some(through) = through else { return Ok((None, Vec::new())) };
        let mut writes = if through > self.frontier { checkpoint(store, self.frontier, settled_through)? } else { Vec::new() };
        writes.push(Write::PruneRequests { through });
        Ok((Some(through), writes))
    }

    /// When the next reservation or the next row is due.
    fn wake_at(&self, store: &impl Store, pruned_through: u64, retention: u64, now: u64) -> Result<Option<u64>, StoreError> {
        let deadline = self.open.values().map(|open| open.deadline).filter(|deadline| *deadline >= now).min();
        let old = store.request_after(pruned_through)?.map(|row| row.at + retention);
        let next = deadline.into_iter().chain(old).min();
        Ok(next.map(|next| (next + 1).max(now + SOONEST_MS)))
    }
}
