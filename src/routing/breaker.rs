//! A circuit breaker: closed until a target fails several times in a row, then open for a while, then one probe at a time.
//!
//! Always holds: one success closes it; while it is open nothing that was sent before makes it worse; a probe that nobody
//! answers for is forgotten. Absent on purpose: what counts as a failure (`failure`), and what is done instead (`plan`).

/// Failures in a row that open it. Fewer are chance: every provider drops a request now and then.
const FAILURES: u32 = 5;
/// Failures further apart are not in a row.
const ROW_MS: u64 = 30_000;
/// How long it stays open at first; doubled with each probe that fails.
const FIRST_MS: u64 = 5_000;
/// The longest that it stays open.
const LONGEST_MS: u64 = 60_000;
/// A probe that has not ended by then is forgotten: its client may have left.
const PROBE_MS: u64 = 30_000;

/// The breaker of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// In a row.
    failures: u32,
    /// When the last of them was, epoch ms.
    failed_ms: u64,
    /// Set while it is not closed.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    /// Nothing is asked before this, epoch ms.
    until: u64,
    /// How long it was opened for, in ms.
    pause: u64,
    /// A probe is under way, and counts until then.
    probe_until: u64,
}

impl Breaker {
    /// Whether the target is trusted.
    pub const fn is_closed(&self) -> bool {
        self.open.is_none()
    }

    /// Whether the target would be asked at `now`, as a probe perhaps.
    pub fn would_admit(&self, now: u64) -> bool {
        self.open.is_none_or(|open| now >= open.until && now >= open.probe_until)
    }

    /// Whether the target may be asked at `now`. If it is open, this is the probe, and the next comes after its end.
    pub fn admit(&mut self, now: u64) -> bool {
        let admitted = self.would_admit(now);
        if let Some(open) = self.open.as_mut().filter(|_| admitted) {
            open.probe_until = now.saturating_add(PROBE_MS);
        }
        admitted
    }

    /// The target answered.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The target failed.
    pub fn failed(&mut self, now: u64) {
        match self.open {
            // Sent before it opened, or because there was no other: it tells nothing new.
            Some(open) if now < open.until => {}
            Some(open) => self.open = Some(Open::at(now, open.pause.saturating_mul(2).min(LONGEST_MS))),
            None => {
                let in_a_row = now.saturating_sub(self.failed_ms) <= ROW_MS;
                self.failures = if in_a_row { self.failures.saturating_add(1) } else { 1 };
                self.failed_ms = now;
                if self.failures >= FAILURES {
                    self.open = Some(Open::at(now, FIRST_MS));
                }
            }
        }
    }
}

impl Open {
    const fn at(now: u64, pause: u64) -> Self {
        Self { until: now.saturating_add(pause), pause, probe_until: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: u64) -> Breaker {
        let mut breaker = Breaker::default();
        (0..FAILURES).for_each(|_| breaker.failed(now));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for n in 1..FAILURES {
            breaker.failed(1_000);
            assert!(breaker.admit(1_000) && breaker.is_closed(), "{n}");
        }
        breaker.succeeded();
        (1..FAILURES).for_each(|_| breaker.failed(1_000));
        assert!(breaker.is_closed(), "a success between them");
        breaker.failed(1_001 + ROW_MS);
        assert!(breaker.is_closed(), "too far apart");
        (1..FAILURES).for_each(|_| breaker.failed(1_001 + ROW_MS));
        assert!(!breaker.is_closed() && !breaker.admit(1_001 + ROW_MS));
    }

    #[test]
    fn one_probe_at_a_time_and_longer_pauses() {
        let mut breaker = opened(0);
        assert!(!breaker.admit(FIRST_MS - 1));
        assert!(breaker.admit(FIRST_MS) && !breaker.admit(FIRST_MS), "one probe");
        breaker.failed(FIRST_MS + 10);
        assert!(!breaker.admit(FIRST_MS + 9 + 2 * FIRST_MS) && breaker.admit(FIRST_MS + 10 + 2 * FIRST_MS));
        breaker.succeeded();
        assert_eq!(breaker, Breaker::default());
        let mut lost = opened(0);
        assert!(lost.admit(FIRST_MS) && !lost.admit(FIRST_MS + PROBE_MS - 1) && lost.admit(FIRST_MS + PROBE_MS), "a probe that was lost");
    }

    /// Whatever happens: it is never open for longer than the longest pause and a lost probe, it opens only after enough
    /// failures since the last success, and in a pause nobody is admitted.
    #[test]
    fn any_history() {
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut breaker, mut now, mut since_success, mut pause) = (Breaker::default(), 0, 0, 0);
            for _ in 0..200 {
                now += rng.u64(..3_000);
                match rng.u8(..4) {
                    0 => {
                        breaker.succeeded();
                        (since_success, pause) = (0, 0);
                    }
                    1 | 2 => {
                        let was_closed = breaker.is_closed();
                        breaker.failed(now);
                        since_success += 1;
                        if was_closed && !breaker.is_closed() {
                            pause = now + FIRST_MS;
                        }
                    }
                    _ => {
                        let admitted = breaker.admit(now);
                        assert!(!admitted || now >= pause, "seed {seed}");
                    }
                }
                assert!(breaker.is_closed() || since_success >= FAILURES, "seed {seed}");
                let latest = now + LONGEST_MS + PROBE_MS;
                assert!(breaker.would_admit(latest), "seed {seed}");
            }
        }
    }
}
