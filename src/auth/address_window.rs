//! One address in one project: an exact sliding window of 60 s, as the object that counts it keeps it.
//!
//! Always holds: of the admission times, no closed interval of 60,000 ms contains more than the limit, whatever becomes of the
//! object: memory is what the rows say, and a row is written before it counts. A request is one row: it takes the place of
//! one that no longer counts, so there are never more rows than requests in the fullest window. A refused request writes
//! nothing. Absent on purpose: the platform, and who is counted (`address`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::api::ratelimit::{Policy, Window};

/// The window, in ms.
const WINDOW_MS: u64 = 60_000;

/// Makes the table; run when the object starts.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS admitted (slot INTEGER PRIMARY KEY, at INTEGER NOT NULL)";
/// Every row, as `Admitted`.
pub const ROWS: &str = "SELECT slot, at FROM admitted ORDER BY at, slot";
/// Writes a row: slot, at.
pub const PUT: &str = "INSERT OR REPLACE INTO admitted (slot, at) VALUES (?, ?)";

/// The question: may one more request pass?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admit {
    /// Requests in any 60 seconds.
    pub limit: u64,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// It was counted.
    pub admitted: bool,
    /// What is left after it.
    pub window: Window,
}

/// A request that was admitted: a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// The row's number: 0, 1, 2 …
    pub slot: u64,
    /// Epoch ms.
    pub at: u64,
}

/// The window of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressWindow {
    /// Oldest first.
    admitted: VecDeque<Admitted>,
}

impl AddressWindow {
    /// From the rows, oldest first.
    pub fn load(rows: Vec<Admitted>) -> Self {
        Self { admitted: rows.into() }
    }

    /// The row to write if one more request may pass at `now` (epoch ms); `None` refuses it.
    pub fn plan(&self, limit: u64, now: u64) -> Option<Admitted> {
        let at = self.clock(now);
        if self.counted(at) as u64 >= limit {
            return None;
        }
        let free = self.admitted.front().filter(|oldest| !counts(oldest.at, at));
        Some(Admitted { slot: free.map_or(self.admitted.len() as u64, |oldest| oldest.slot), at })
    }

    /// Counts what `plan` gave and the store has.
    pub fn admit(&mut self, row: Admitted) {
        if self.admitted.front().is_some_and(|oldest| oldest.slot == row.slot) {
            self.admitted.pop_front();
        }
        self.admitted.push_back(row);
    }

    /// What is left at `now`.
    pub fn window(&self, limit: u64, now: u64) -> Window {
        let at = self.clock(now);
        let counted = self.counted(at);
        // The one that has to leave before more may pass: the oldest that counts; of a full window, the limit-th newest.
        let newer = usize::try_from(limit).unwrap_or(usize::MAX).min(counted);
        let leaves = self.admitted.len().checked_sub(newer).and_then(|index| self.admitted.get(index)).map_or(at, |row| row.at);
        let newest = if counted > 0 { self.empty_at() } else { now };
        Window {
            policy: Policy::AddressRequestsMinute,
            limit,
            remaining: limit.saturating_sub(counted as u64),
            span_s: Some(WINDOW_MS / 1000),
            frees_ms: Some(leaves.saturating_add(WINDOW_MS + 1).saturating_sub(now)),
            reset_ms: Some(newest.saturating_sub(now)),
        }
    }

    /// When nothing counts any more, epoch ms: from then on the rows may go.
    pub fn empty_at(&self) -> u64 {
        self.admitted.back().map_or(0, |newest| newest.at.saturating_add(WINDOW_MS + 1))
    }

    fn counted(&self, at: u64) -> usize {
        self.admitted.len() - self.admitted.partition_point(|row| !counts(row.at, at))
    }

    /// A clock that steps back must not reopen a window that is full.
    fn clock(&self, now: u64) -> u64 {
        self.admitted.back().map_or(now, |newest| now.max(newest.at))
    }
}

const fn counts(at: u64, now: u64) -> bool {
    at.saturating_add(WINDOW_MS) >= now
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// An object and its rows; every time that was admitted.
    #[derive(Default)]
    struct World {
        rows: BTreeMap<u64, u64>,
        window: AddressWindow,
        times: Vec<u64>,
    }

    impl World {
        fn crash(&mut self) {
            let mut rows: Vec<Admitted> = self.rows.iter().map(|(&slot, &at)| Admitted { slot, at }).collect();
            rows.sort_by_key(|row| (row.at, row.slot));
            self.window = AddressWindow::load(rows);
        }

        /// One request; `fault`: the write fails and is there (`Some(true)`) or not.
        fn request(&mut self, limit: u64, now: u64, fault: Option<bool>) {
            let clock = now.max(self.times.last().copied().unwrap_or(0));
            let counted = self.times.iter().filter(|at| **at + 60_000 >= clock).count() as u64;
            let left = self.window.window(limit, now);
            assert_eq!(left.remaining, limit.saturating_sub(counted));
            let Some(row) = self.window.plan(limit, now) else {
                assert!(counted >= limit, "refused with {counted} of {limit}");
                // Waiting as long as it says is enough, and no shorter wait is.
                let free = now + left.frees_ms.unwrap();
                let at = |moment: u64| self.times.iter().filter(|at| **at + 60_000 >= moment).count() as u64;
                assert!(limit == 0 || (at(free) < limit && at(free - 1) >= limit));
                return;
            };
            assert_eq!((row.at, counted < limit), (clock, true));
            if fault != Some(false) {
                self.rows.insert(row.slot, row.at);
                self.times.push(row.at);
            }
            if fault.is_some() { self.crash() } else { self.window.admit(row) }
        }
    }

    #[test]
    fn in_no_sixty_seconds_pass_more_than_the_limit() {
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut world, mut now, mut limit, mut highest) = (World::default(), 1_000_000, rng.u64(1..6), 0);
            for _ in 0..120 {
                match rng.u8(..12) {
                    0 => now -= rng.u64(..3_000),
                    1 => now += rng.u64(..130_000),
                    2 => limit = rng.u64(..8),
                    3 => world.crash(),
                    _ => now += rng.choice([0, 1, 7, 900, 9_000, 60_000]).unwrap(),
                }
                highest = limit.max(highest);
                let fault = (rng.u8(..10) == 0).then(|| rng.bool());
                world.request(limit, now, fault);
            }
            for (first, start) in world.times.iter().enumerate() {
                let within = world.times[first..].iter().filter(|at| **at <= start + 60_000).count() as u64;
                assert!(within <= highest, "seed {seed}: {within} of {highest}");
            }
            assert!(world.rows.len() as u64 <= highest, "seed {seed}: a request is not a new row for ever");
        }
    }

    #[test]
    fn a_place_comes_back_after_a_minute() {
        let mut window = AddressWindow::default();
        for at in [0, 10] {
            let row = window.plan(2, at).unwrap();
            window.admit(row);
        }
        assert_eq!(window.plan(2, 60_000), None);
        assert_eq!(window.window(2, 10), Window { remaining: 0, frees_ms: Some(59_991), reset_ms: Some(60_001), ..window.window(2, 0) });
        assert_eq!(window.plan(2, 60_001), Some(Admitted { slot: 0, at: 60_001 }));
        assert_eq!((window.empty_at(), AddressWindow::default().window(2, 5).reset_ms), (60_011, Some(0)));
    }
}
