//! How much of a sliding limit a user may have in use, and until when: a staircase that falls with time.
//!
//! Always holds: the value at a time is never less than what the user can have in use then; with time alone it only falls.

use serde::{Deserialize, Serialize};

/// Stairs kept per user; more are merged, upwards.
const MOST: usize = 8;

/// Pairs of (how many, until when in epoch ms), by time ascending and so by number descending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps(Vec<(u64, u64)>);

impl Steps {
    /// How many count at `now`.
    pub fn at(&self, now: u64) -> u64 {
        self.0.iter().find(|(_, until)| *until >= now).map_or(0, |(count, _)| *count)
    }

    /// When the last one is over, epoch ms.
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |(_, until)| *until)
    }

    /// When it falls after `now`, epoch ms, and by how many.
    pub fn falls(&self, now: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let next = self.0.iter().skip(1).map(|(count, _)| *count).chain([0]);
        self.0.iter().zip(next).filter(move |((_, until), _)| *until >= now).map(|((count, until), next)| (until + 1, count - next))
    }

    /// From now on `count` may be in use until `until`, whatever else may be.
    pub fn add(&mut self, count: u64, until: u64) {
        if count == 0 {
            return;
        }
        let at = self.0.partition_point(|step| step.1 < until);
        self.0.insert(at, (count, until));
        let mut kept: Vec<(u64, u64)> = Vec::with_capacity(self.0.len());
        for (count, until) in self.0.drain(..).rev() {
            if kept.last().is_none_or(|later| later.0 < count) {
                kept.push((count, until));
            }
        }
        kept.reverse();
        self.0 = kept;
        while self.0.len() > MOST {
            // The lowest step but one takes the place of the lowest: more for longer, never less.
            let last = self.0.pop().map_or(0, |(_, until)| until);
            if let Some(step) = self.0.last_mut() {
                step.1 = last;
            }
        }
    }

    /// Counts what another user may have in use too.
    pub fn join(&mut self, other: &Self) {
        let mut both = Self::default();
        for (_, until) in self.0.iter().chain(&other.0) {
            both.add(self.at(*until) + other.at(*until), *until);
        }
        *self = both;
    }

    /// The same, but nothing longer than until `end`.
    #[must_use]
    pub fn ending(&self, end: u64) -> Self {
        let mut steps = Self::default();
        for (count, until) in &self.0 {
            steps.add(*count, (*until).min(end));
        }
        steps
    }

    /// Forgets what is over.
    pub fn prune(&mut self, now: u64) {
        self.0.retain(|(_, until)| *until >= now);
    }

    /// Requests of a minute as stairs: `ages` is how long ago each was admitted, each counts for `span_ms`.
    pub fn of_ages(ages: &[u64], span_ms: u64, now: u64) -> Self {
        let mut steps = Self::default();
        let mut oldest_first: Vec<u64> = ages.iter().copied().filter(|age| *age <= span_ms).collect();
        oldest_first.sort_unstable_by(|a, b| b.cmp(a));
        let count = oldest_first.len() as u64;
        for (gone, age) in (0..).zip(oldest_first) {
            steps.add(count - gone, (now + span_ms).saturating_sub(age));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staircase_falls() {
        let mut steps = Steps::of_ages(&[10, 30, 50], 60, 100);
        assert_eq!([100, 110, 111, 130, 131, 150, 151].map(|now| steps.at(now)), [3, 3, 2, 2, 1, 1, 0]);
        assert_eq!(steps.falls(120).collect::<Vec<_>>(), [(131, 1), (151, 1)]);
        steps.add(2, 140);
        assert_eq!([110, 111, 140, 141, 151].map(|now| steps.at(now)), [3, 2, 2, 1, 0]);
        steps.add(5, 90);
        steps.prune(100);
        assert_eq!((steps.at(100), steps.end()), (3, 150));
    }

    #[test]
    fn two_staircases_are_one() {
        let mut steps = Steps::of_ages(&[10, 30, 50], 60, 100);
        steps.join(&Steps::of_ages(&[20, 40], 60, 100));
        assert_eq!([110, 111, 120, 121, 130, 131, 140, 141, 150, 151].map(|now| steps.at(now)), [5, 4, 4, 3, 3, 2, 2, 1, 1, 0]);
        assert_eq!([100, 119, 120, 121].map(|now| steps.ending(120).at(now)), [5, 4, 4, 0]);
    }

    #[test]
    fn merging_never_counts_less() {
        let ages: Vec<u64> = (0..40).map(|n| n * 1000).collect();
        let steps = Steps::of_ages(&ages, 60_000, 100_000);
        assert!(steps.0.len() <= MOST);
        for now in (100_000..170_000).step_by(500) {
            let exact = ages.iter().filter(|age| 100_000 - *age + 60_000 >= now).count() as u64;
            assert!(steps.at(now) >= exact, "{now}");
        }
        assert_eq!(steps.at(160_001), 0);
    }
}
