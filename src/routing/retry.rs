//! How long a retry waits, and how many a target is asked for: back-off with full jitter, and a budget.
//!
//! Always holds: what a provider asks for is waited, or the target is not asked again; of many requests at most one in five is
//! tried again, so that a provider in trouble is not sent twice the load. Absent on purpose: which failures are worth it (`failure`).

/// The most that the first retry waits by itself; doubled with each.
const BASE_MS: u64 = 250;
/// The most that any waits by itself.
const LONGEST_MS: u64 = 2_000;
/// What a provider asks for beyond this is not waited out: a client waits with us.
pub const PATIENCE_MS: u64 = 3_000;

/// How long to wait before the `nth` retry (from 0), or `None` if that is too long. `dice`: any number.
pub fn wait_ms(nth: u64, retry_after_ms: Option<u64>, dice: u64) -> Option<u64> {
    let most = BASE_MS.saturating_mul(1 << nth.min(16)).min(LONGEST_MS);
    let jitter = dice % (most + 1);
    match retry_after_ms {
        // Everybody was told the same time: the jitter comes on top, shorter.
        Some(ms) => (ms <= PATIENCE_MS).then(|| ms + jitter.min(BASE_MS)),
        None => Some(jitter),
    }
}

/// Thousandths of a retry.
const WHOLE: u64 = 1_000;
/// What a request brings: a fifth of a retry.
const PER_REQUEST: u64 = WHOLE / 5;
/// The most that is saved up.
const MOST: u64 = 10 * WHOLE;
/// A target that is asked seldom has a retry every so often anyway, in ms.
const TRICKLE_MS: u64 = 10_000;

/// How many retries a target may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    left: u64,
    /// When the trickle was last counted, epoch ms.
    at_ms: u64,
}

impl Budget {
    /// A new one: a few, for the requests of a new isolate.
    pub const fn new(now: u64) -> Self {
        Self { left: 3 * WHOLE, at_ms: now }
    }

    /// A request was sent.
    pub fn sent(&mut self, now: u64) {
        let trickled = now.saturating_sub(self.at_ms) / TRICKLE_MS;
        self.at_ms = self.at_ms.max(now - now.saturating_sub(self.at_ms) % TRICKLE_MS);
        self.left = self.left.saturating_add(trickled.saturating_mul(WHOLE)).saturating_add(PER_REQUEST).min(MOST);
    }

    /// Takes a retry, if there is one.
    pub fn take(&mut self) -> bool {
        let left = self.left.checked_sub(WHOLE);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_bounded_and_spread() {
        for nth in [0, 1, 2, 5, 63, u64::MAX] {
            let most = [250, 500, 1_000].get(usize::try_from(nth).unwrap_or(9)).copied().unwrap_or(2_000);
            let waits: Vec<u64> = (0..10_000).filter_map(|dice| wait_ms(nth, None, dice)).collect();
            assert_eq!((waits.len(), waits.iter().min(), waits.iter().max()), (10_000, Some(&0), Some(&most)), "{nth}");
        }
        assert_eq!(
            [wait_ms(0, Some(1_000), 7), wait_ms(9, Some(3_000), 1_999), wait_ms(0, Some(3_001), 0)],
            [Some(1_007), Some(3_250), None]
        );
    }

    #[test]
    fn one_in_five_is_tried_again() {
        let mut budget = Budget::new(0);
        let retries = (0..1_000).filter(|_| {
            budget.sent(0);
            budget.take()
        });
        assert_eq!(retries.count(), 3 + 200);
    }

    #[test]
    fn a_target_that_is_asked_seldom_still_has_one() {
        let mut budget = Budget::new(0);
        while budget.take() {}
        budget.sent(TRICKLE_MS - 1);
        assert!(!budget.take());
        budget.sent(TRICKLE_MS);
        assert!(budget.take() && !budget.take());
        budget.sent(1_000 * TRICKLE_MS);
        assert_eq!((0..100).filter(|_| budget.take()).count(), 10);
    }
}
