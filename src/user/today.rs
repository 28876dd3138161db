//! The day and the month that a command is of, in its zone: what they have lost, and when they are over.
//!
//! Always holds: a request belongs to the local day on which it was admitted, by the zone of that time, for ever, and to that
//! day's month. So nothing is counted twice or lost when a project moves to another zone. Memory knows one day, mostly the
//! newest request's; another one is read from the store. Absent on purpose: what is held (`budget`).

use super::budget::{Amount, Period};
use super::store::{Store, StoreError};
use super::{Command, User};
use crate::calendar::{DAY_MS, month_of, next_month};
use crate::zone::Zone;

/// A local day and its month. Charges are those of settled requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Today {
    /// Days since 1970-01-01.
    pub day: u64,
    /// The first day of its month.
    pub month: u64,
    /// Requests begun, settled or not.
    pub requests: u64,
    /// Charged on the day.
    pub spent_day: Amount,
    /// Charged in the month.
    pub spent_month: Amount,
    /// When the day is over, epoch ms; 0 until a command names a zone.
    pub day_ends: u64,
    /// When the month is over, likewise.
    pub month_ends: u64,
}

impl Today {
    /// A day of which nothing is known to be lost.
    pub(super) fn of(day: u64) -> Self {
        Self { day, month: month_of(day), ..Self::default() }
    }

    /// Whether a local day is in the same span.
    pub(super) fn shares(&self, period: Period, day: u64) -> bool {
        match period {
            Period::Day => self.day == day,
            Period::Month => self.month == month_of(day),
        }
    }

    /// What is charged in a span.
    pub(super) const fn spent(&self, period: Period) -> Amount {
        match period {
            Period::Day => self.spent_day,
            Period::Month => self.spent_month,
        }
    }

    /// When a span is over, epoch ms.
    pub(super) const fn ends(&self, period: Period) -> u64 {
        match period {
            Period::Day => self.day_ends,
            Period::Month => self.month_ends,
        }
    }

    /// How long a span is, in seconds, by the calendar: clocks that are put make no difference.
    pub(super) fn length_s(&self, period: Period) -> u64 {
        let days = match period {
            Period::Day => 1,
            Period::Month => next_month(self.day).saturating_sub(self.month),
        };
        days * (DAY_MS / 1000)
    }

    /// Counts a charge of a request of this local day.
    pub(super) fn charge(&mut self, day: u64, amount: Amount) {
        if self.shares(Period::Day, day) {
            self.spent_day = self.spent_day.plus(amount);
        }
        if self.shares(Period::Month, day) {
            self.spent_month = self.spent_month.plus(amount);
        }
    }
}

impl Command {
    /// The zone whose days and months it is about.
    pub(super) const fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Begin(begin) => Some(&begin.limits.zone),
            Self::Limits(limits) => Some(&limits.zone),
            Self::Standing(zone) => Some(zone),
            _ => None,
        }
    }
}

impl User {
    /// Makes the day of `now` in a zone the one that memory knows.
    pub(super) fn turn_to(&mut self, store: &impl Store, zone: &Zone, now: u64) -> Result<(), StoreError> {
        let at = self.clock(now);
        let today = self.day(store, zone.day_of(at))?;
        self.today = Today { day_ends: zone.reaches(today.day + 1, at), month_ends: zone.reaches(next_month(today.day), at), ..today };
        Ok(())
    }

    /// What a local day and its month have lost. Only a day that is not memory's and not a new one costs a read.
    pub(super) fn day(&self, store: &impl Store, day: u64) -> Result<Today, StoreError> {
        let new = Today::of(day);
        if day == self.today.day {
            Ok(self.today)
        } else if day <= self.latest_day || (new.month != self.today.month && new.month <= self.latest_day) {
            self.read_day(store, day)
        } else if new.month == self.today.month {
            Ok(Today { spent_month: self.today.spent_month, ..new })
        } else {
            Ok(new)
        }
    }

    /// The same from the day totals, the settled rows behind them, and what is open.
    pub(super) fn read_day(&self, store: &impl Store, day: u64) -> Result<Today, StoreError> {
        let mut today = Today::of(day);
        let totals = store.days(today.month, next_month(day).saturating_sub(1))?;
        for row in totals.iter().chain(&store.day_sums(self.frontier, self.newest_seq)?) {
            today.charge(row.day, Amount { tokens: row.usage().total(), micro_usd: row.micro_usd });
            today.requests = today.requests.saturating_add(if row.day == day { row.requests } else { 0 });
        }
        today.requests += self.open.values().filter(|open| open.day == day).count() as u64;
        Ok(today)
    }
}
