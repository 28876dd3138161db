//! Several keys of one provider: they take turns, and one that was refused rests for a while.
//!
//! Always holds: as long as there is a key, one is used: if all rest, the one whose rest is over first. Absent on purpose: the keys
//! themselves; this knows their numbers only.

use std::collections::BTreeMap;

use super::{Failure, Why};

/// A key that was refused rests so long: an owner is not faster, and a key that is only slow to be known is back soon.
const REFUSED_MS: u64 = 300_000;
/// A key at its rate limit rests so long if the provider does not say.
const LIMITED_MS: u64 = 30_000;
/// The most keys of a provider.
pub const MAX_KEYS: usize = 16;

/// The keys of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// Whose turn it is.
    next: usize,
    /// Which rest, until when, epoch ms.
    resting: BTreeMap<usize, u64>,
}

impl Ring {
    /// The key for a request that has tried these of `count` keys already.
    pub fn pick(&mut self, count: usize, tried: &[usize], now: u64) -> Option<usize> {
        self.resting.retain(|key, until| *until > now && *key < count);
        let in_turn = || (0..count).map(|step| (self.next + step) % count).filter(|key| !tried.contains(key));
        let rested = in_turn().find(|key| !self.resting.contains_key(key));
        let key = match rested {
            None if tried.is_empty() => in_turn().min_by_key(|key| self.resting.get(key)),
            rested => rested,
        }?;
        self.next = (key + 1) % count;
        Some(key)
    }

    /// Whether there is a key that was not tried and does not rest.
    pub fn has_other(&self, count: usize, tried: &[usize], now: u64) -> bool {
        (0..count).any(|key| !tried.contains(&key) && self.resting.get(&key).is_none_or(|until| *until <= now))
    }

    /// Lets a key rest if a failure lies in it.
    pub fn failed(&mut self, key: usize, failure: Failure, now: u64) {
        if failure.is_of_key() {
            let ms = match failure.why {
                Why::Status(429) => failure.retry_after_ms.unwrap_or(LIMITED_MS).min(REFUSED_MS),
                _ => REFUSED_MS,
            };
            self.resting.insert(key, now.saturating_add(ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after_ms: Option<u64>) -> Failure {
        Failure { why: Why::Status(status), retry_after_ms }
    }

    #[test]
    fn they_take_turns() {
        let mut ring = Ring::default();
        let picks: Vec<_> = (0..7).filter_map(|_| ring.pick(3, &[], 0)).collect();
        assert_eq!(picks, [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!((ring.pick(0, &[], 0), ring.pick(1, &[], 0), ring.pick(1, &[0], 0)), (None, Some(0), None));
    }

    #[test]
    fn who_was_refused_rests() {
        let mut ring = Ring::default();
        ring.failed(1, status(401, None), 0);
        ring.failed(2, status(429, Some(2_000)), 0);
        ring.failed(0, status(500, None), 0);
        let mut picks = |now| (0..4).filter_map(|_| ring.pick(3, &[], now)).collect::<Vec<_>>();
        assert_eq!(picks(0), [0, 0, 0, 0]);
        assert_eq!(picks(2_000), [2, 0, 2, 0]);
        assert_eq!(picks(REFUSED_MS), [1, 2, 0, 1]);
        assert_eq!(ring.pick(3, &[0, 2], REFUSED_MS), Some(1));
    }

    #[test]
    fn if_all_rest_the_first_to_be_back_is_used_once() {
        let mut ring = Ring::default();
        ring.failed(0, status(403, None), 0);
        ring.failed(1, status(429, None), 0);
        assert_eq!((ring.pick(2, &[], 1), ring.pick(2, &[1], 1)), (Some(1), None));
    }

    #[test]
    fn any_history_picks_an_untried_key_that_exists() {
        for seed in 0..500 {
            let (mut chance, mut ring, mut now) = (fastrand::Rng::with_seed(seed), Ring::default(), 0);
            for _ in 0..100 {
                now += chance.u64(..60_000);
                let count = chance.usize(1..5);
                let tried: Vec<usize> = (0..chance.usize(..3)).collect();
                let picked = ring.pick(count, &tried, now);
                assert!(picked.is_none_or(|key| key < count && !tried.contains(&key)), "seed {seed}");
                assert!(picked.is_some() || !tried.is_empty(), "seed {seed}");
                assert!(picked.is_some() >= ring.has_other(count, &tried, now), "seed {seed}");
                ring.failed(chance.usize(..count), status(*chance.choice(&[401, 429, 500]).unwrap(), None), now);
            }
        }
    }
}
