//! The course of one request over its targets: after each attempt that failed, what comes next.
//!
//! Always holds: every target is visited at most once, in order; attempts and waiting are bounded; nothing is begun after the
//! request's own deadline. Absent on purpose: sending and sleeping (`edge::attempts`).

use super::failure::Verdict;
use super::{Failure, retry};

/// The most attempts for one request, whatever is configured: a client waits for all of them.
pub const MAX_ATTEMPTS: u64 = 12;

/// Where a request is.
#[derive(Clone, Debug)]
pub struct Course {
    /// The targets there are.
    targets: usize,
    /// The one that is asked now.
    at: usize,
    /// Retries at it so far.
    retried: u64,
    /// Attempts begun, in all.
    attempts: u64,
    /// Retries at each, at most.
    retries: u64,
    /// The client named the first one.
    named: bool,
    /// Nothing is begun after this, epoch ms.
    ends_ms: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same target, after a pause.
    Again {
        /// In ms.
        wait_ms: u64,
    },
    /// The same target, at once, with another key.
    OtherKey,
    /// The next target.
    Onward,
    /// The client is told.
    Over,
}

impl Course {
    /// A course over so many targets. `named`: the client named it.
    pub const fn new(targets: usize, retries: u64, named: bool, ends_ms: u64) -> Self {
        Self { targets, at: 0, retried: 0, attempts: 0, retries, named, ends_ms }
    }

    /// The target that is asked now.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Whether there is none after it.
    pub const fn is_last(&self) -> bool {
        self.at + 1 >= self.targets
    }

    /// Attempts so far, the running one included.
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }

    /// An attempt begins.
    pub const fn begun(&mut self) {
        self.attempts += 1;
    }

    /// What comes after an attempt that failed at `now`. `other_key`: there is a key that was not tried. `may_retry`: takes a retry
    /// from the target's budget. `dice`: any number.
    pub fn after(&mut self, failure: &Failure, other_key: bool, may_retry: impl FnOnce() -> bool, dice: u64, now: u64) -> Next {
        let verdict = failure.verdict(self.named && self.at == 0);
        if verdict == Verdict::Final || self.attempts >= MAX_ATTEMPTS || now >= self.ends_ms {
            return Next::Over;
        }
        if other_key && failure.is_of_key() {
            return Next::OtherKey;
        }
        if verdict == Verdict::Again
            && self.retried < self.retries
            && let Some(wait_ms) = retry::wait_ms(self.retried, failure.retry_after_ms, dice)
            && now.saturating_add(wait_ms) < self.ends_ms
            && may_retry()
        {
            self.retried += 1;
            return Next::Again { wait_ms };
        }
        self.skip()
    }

    /// The target that is asked now is passed over: it is not well, too dear, or cannot serve.
    pub fn skip(&mut self) -> Next {
        if self.is_last() {
            return Next::Over;
        }
        (self.at, self.retried) = (self.at + 1, 0);
        Next::Onward
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Why;

    fn status(status: u16) -> Failure {
        Failure::of(Why::Status(status))
    }

    /// (targets, retries, what fails, what comes of it)
    #[test]
    fn courses() {
        use Next::{Onward, Over};
        let again = |wait_ms| Next::Again { wait_ms };
        let limited = |ms| Failure { why: Why::Status(429), retry_after_ms: Some(ms) };
        for (targets, retries, failures, expected) in [
            (1, 2, vec![status(500); 3], vec![again(9), again(9), Over]),
            (1, 0, vec![status(500)], vec![Over]),
            (3, 1, vec![status(503); 6], vec![again(9), Onward, again(9), Onward, again(9), Over]),
            (3, 5, vec![status(400)], vec![Over]),
            (3, 5, vec![status(500), status(400)], vec![again(9), Over]),
            (3, 0, vec![status(500), status(400), status(404)], vec![Onward, Onward, Over]),
            (2, 2, vec![Failure::of(Why::Silent); 2], vec![Onward, Over]),
            (2, 2, vec![status(401); 2], vec![Onward, Over]),
            (2, 2, vec![limited(1_000), limited(9_000)], vec![again(1_009), Onward]),
            (2, 2, vec![Failure::of(Why::Gone)], vec![Over]),
            (2, 2, vec![Failure::of(Why::Inexpressible)], vec![Over]),
        ] {
            let mut course = Course::new(targets, retries, true, 100_000);
            let nexts: Vec<Next> = failures.iter().map(|failure| course.after(failure, false, || true, 9, 0)).collect();
            assert_eq!(nexts, expected, "{failures:?}");
        }
    }

    #[test]
    fn what_the_gateway_picked_is_not_the_clients_fault() {
        let mut course = Course::new(3, 1, false, 1_000);
        assert_eq!([400, 404, 422].map(|of| course.after(&status(of), false, || true, 0, 0)), [Next::Onward, Next::Onward, Next::Over]);
    }

    #[test]
    fn other_keys_come_first_and_cost_no_retry() {
        let mut course = Course::new(1, 0, true, 1_000);
        let nexts = [true, true, false].map(|other_key| course.after(&status(429), other_key, || panic!("no retry"), 0, 0));
        assert_eq!(nexts, [Next::OtherKey, Next::OtherKey, Next::Over]);
        assert_eq!(Course::new(1, 0, true, 1_000).after(&status(500), true, || true, 0, 0), Next::Over);
    }

    /// Whatever fails: it ends, no target is visited twice, and nothing begins after the end.
    #[test]
    fn every_course_ends() {
        let kinds = [Why::Unreachable, Why::Silent, Why::Unreadable, Why::Inexpressible];
        for seed in 0..5_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut course = Course::new(rng.usize(1..9), rng.u64(..6), rng.bool(), rng.u64(..20_000));
            let (ends_ms, mut now, mut steps, mut last) = (course.ends_ms, 0, 0, 0);
            loop {
                course.begun();
                let why = if rng.bool() { *rng.choice(&kinds).unwrap() } else { Why::Status(rng.u16(300..600)) };
                let failure = Failure { why, retry_after_ms: rng.bool().then(|| rng.u64(..5_000)) };
                let (other_key, budget) = (rng.u8(..8) == 0, rng.u8(..4) > 0);
                let next = course.after(&failure, other_key, || budget, rng.u64(..), now);
                steps += 1;
                assert!(course.at() >= last && course.at() < 9, "seed {seed}");
                last = course.at();
                match next {
                    Next::Over => break,
                    Next::Again { wait_ms } => now += wait_ms,
                    Next::OtherKey | Next::Onward => {}
                }
                assert!(now < ends_ms, "seed {seed}");
                now += rng.u64(..1_000);
            }
            assert!(steps <= MAX_ATTEMPTS && steps == course.attempts(), "seed {seed}: {steps}");
        }
    }
}
