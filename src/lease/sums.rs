//! What many users have together, kept as it changes: asking all of them each time would take too long.
//!
//! Always holds: it is what adding up all that was added and not removed would give, at the time and for the day and month
//! it was last brought to. Absent on purpose: who they are (`pool`).

use std::collections::BTreeMap;

use super::holder::{Held, Holder};
use super::steps::Steps;
use super::{Share, Span};

/// Sums at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// Users that have a lease.
    pub active: u64,
    /// Requests that may count towards the minute.
    pub rate: u64,
    /// Requests that may run.
    pub places: u64,
    /// What may be committed of each budget, in the order of [`Share::ALL`].
    pub held: [u64; 5],
    now: u64,
    span: Span,
    /// What becomes less, and when, epoch ms.
    falls: BTreeMap<u64, Fall>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Fall {
    active: u64,
    rate: u64,
    places: u64,
}

impl Sums {
    /// Nothing yet.
    pub fn at(span: Span, now: u64) -> Self {
        Self { now, span, ..Self::default() }
    }

    /// Goes to a time, which is not before the last one; false if that is of another day: then they have to be made anew.
    pub fn advance(&mut self, span: Span, now: u64) -> bool {
        while let Some(entry) = self.falls.first_entry().filter(|entry| *entry.key() <= now) {
            let fall = entry.remove();
            self.active -= fall.active;
            self.rate -= fall.rate;
            self.places -= fall.places;
        }
        let same = self.span == span && self.now <= now;
        if same {
            self.now = now;
        }
        same
    }

    /// Counts a user.
    pub fn add(&mut self, holder: &Holder) {
        self.add_steps(&holder.rate, &holder.places);
        self.add_held(|share| holder.shares.get(&share));
        if holder.until >= self.now {
            self.active += 1;
            self.falls.entry(holder.until + 1).or_default().active += 1;
        }
    }

    /// No longer counts a user that is as it was when it was added.
    pub fn remove(&mut self, holder: &Holder) {
        self.active -= u64::from(holder.until >= self.now);
        self.rate -= holder.rate.at(self.now);
        self.places -= holder.places.at(self.now);
        self.take_falls(&holder.rate, |fall, count| fall.rate -= count);
        self.take_falls(&holder.places, |fall, count| fall.places -= count);
        if let Some(fall) = self.falls.get_mut(&(holder.until + 1)) {
            fall.active -= u64::from(holder.until >= self.now);
        }
        for (sum, share) in self.held.iter_mut().zip(Share::ALL) {
            *sum = sum.saturating_sub(amount(holder.shares.get(&share), share, self.span));
        }
    }

    /// Counts what was spent without a holder.
    pub fn add_held<'a>(&mut self, held: impl Fn(Share) -> Option<&'a Held>) {
        for (sum, share) in self.held.iter_mut().zip(Share::ALL) {
            *sum = sum.saturating_add(amount(held(share), share, self.span));
        }
    }

    /// Counts requests.
    pub fn add_steps(&mut self, rate: &Steps, places: &Steps) {
        self.rate += rate.at(self.now);
        self.places += places.at(self.now);
        for (at, count) in rate.falls(self.now) {
            self.falls.entry(at).or_default().rate += count;
        }
        for (at, count) in places.falls(self.now) {
            self.falls.entry(at).or_default().places += count;
        }
    }

    fn take_falls(&mut self, steps: &Steps, take: impl Fn(&mut Fall, u64)) {
        for (at, count) in steps.falls(self.now) {
            if let Some(fall) = self.falls.get_mut(&at) {
                take(fall, count);
            }
        }
    }

    /// When `lacking` more requests a minute are free, epoch ms, if nobody asks for them before. `own`: of one more user.
    pub fn rate_frees(&self, own: &Steps, lacking: u64) -> Option<u64> {
        let (mut own, mut others) = (own.falls(self.now).peekable(), self.falls.iter().map(|(at, fall)| (*at, fall.rate)).peekable());
        let mut freed = 0;
        loop {
            let own_is_first = own.peek().is_some_and(|(at, _)| others.peek().is_none_or(|(other, _)| at <= other));
            let (at, count) = if own_is_first { own.next()? } else { others.next()? };
            freed += count;
            if freed >= lacking {
                return Some(at);
            }
        }
    }
}

fn amount(held: Option<&Held>, share: Share, span: Span) -> u64 {
    held.filter(|held| held.span == span.of(share)).map_or(0, Held::amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { day: 7, month: 1 };

    fn holder(rng: &mut fastrand::Rng, now: u64) -> Holder {
        let mut holder = Holder { until: now + rng.u64(..50), ..Holder::default() };
        for _ in 0..rng.usize(..4) {
            holder.rate.add(rng.u64(..9), now + rng.u64(..90));
            holder.places.add(rng.u64(..9), now + rng.u64(..90));
        }
        let span = rng.choice([SPAN.day, SPAN.month]).unwrap();
        let held = Held { span, granted: rng.u64(5..9), returned: rng.u64(..5), committed: rng.u64(..9), ledger: rng.u64(..9) };
        holder.shares.insert(*rng.choice(&Share::ALL).unwrap(), held);
        holder
    }

    #[test]
    fn what_is_kept_is_what_adding_up_gives() {
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut now, mut sums, mut holders) = (100, Sums::at(SPAN, 100), Vec::new());
        for _ in 0..4_000 {
            now += rng.u64(..6);
            assert!(sums.advance(SPAN, now));
            if rng.bool() || holders.is_empty() {
                let holder = holder(&mut rng, now);
                sums.add(&holder);
                holders.push(holder);
            } else {
                sums.remove(&holders.swap_remove(rng.usize(..holders.len())));
            }
            let mut fresh = Sums::at(SPAN, now);
            for holder in &holders {
                fresh.add(holder);
            }
            assert_eq!((sums.active, sums.rate, sums.places, sums.held), (fresh.active, fresh.rate, fresh.places, fresh.held));
            let own = Steps::of_ages(&[rng.u64(..60)], 60, now);
            for lacking in 1..20 {
                assert_eq!(sums.rate_frees(&own, lacking), fresh.rate_frees(&own, lacking));
            }
        }
        assert!(!sums.advance(Span { day: 8, ..SPAN }, now));
        assert!(!sums.advance(SPAN, now - 1));
    }

    #[test]
    fn one_more_user_frees_too() {
        let mut sums = Sums::at(SPAN, 100);
        let mut holder = Holder::default();
        holder.rate.add(2, 120);
        holder.rate.add(1, 140);
        sums.add(&holder);
        let own = Steps::of_ages(&[0, 50], 60, 100);
        assert_eq!([1, 2, 3, 4, 5].map(|lacking| sums.rate_frees(&own, lacking)), [Some(111), Some(121), Some(141), Some(161), None]);
    }
}
