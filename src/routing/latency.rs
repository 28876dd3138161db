//! How long a target takes to its first token: an average that follows what is measured, and fades with time.
//!
//! Always holds: of what was measured long ago less and less is believed, downwards: so a target that was slow once is tried
//! again after a while, and nothing has to be tried at random. Absent on purpose: what is done with it (`policy`).

/// The weight of a new measurement: one in so many.
const WEIGHT: u64 = 4;
/// What was measured so long ago is believed by half: a slow target is tried again about as often as that.
const HALF_LIFE_MS: u64 = 300_000;

/// The time to the first token of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    average_ms: u64,
    /// When it was last measured, epoch ms.
    at_ms: Option<u64>,
}

impl Latency {
    /// It took this long.
    pub fn measured(&mut self, ms: u64, now: u64) {
        self.average_ms = match self.at_ms {
            None => ms,
            // What is old counts for less than what is new.
            Some(_) => (self.expected(now).unwrap_or(ms) * (WEIGHT - 1)).saturating_add(ms) / WEIGHT,
        };
        self.at_ms = Some(now);
    }

    /// How long it will take, as far as is known; `None`: nothing is known.
    pub fn expected(&self, now: u64) -> Option<u64> {
        let age = now.saturating_sub(self.at_ms?);
        let halved = self.average_ms.checked_shr(u32::try_from(age / HALF_LIFE_MS).unwrap_or(u32::MAX)).unwrap_or(0);
        Some(halved - halved / 2 * (age % HALF_LIFE_MS) / HALF_LIFE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_and_fades() {
        let mut latency = Latency::default();
        assert_eq!(latency.expected(0), None);
        latency.measured(800, 0);
        let expected = [0, HALF_LIFE_MS / 2, HALF_LIFE_MS, 2 * HALF_LIFE_MS, 100 * HALF_LIFE_MS].map(|at| latency.expected(at));
        assert_eq!(expected, [Some(800), Some(600), Some(400), Some(200), Some(0)]);
        latency.measured(400, 0);
        assert_eq!(latency.expected(0), Some(700));
        (0..50).for_each(|_| latency.measured(100, 0));
        assert!((100..=103).contains(&latency.expected(0).unwrap()));
    }

    #[test]
    fn a_slow_one_is_tried_again_in_the_end() {
        let (mut slow, mut fast) = (Latency::default(), Latency::default());
        slow.measured(3_000, 0);
        let again = (1..10_000).map(|n| n * 10_000).find(|now| {
            fast.measured(300, *now);
            slow.expected(*now) < fast.expected(*now)
        });
        assert!(again.is_some_and(|at| (HALF_LIFE_MS..4 * HALF_LIFE_MS).contains(&at)), "{again:?}");
    }
}
