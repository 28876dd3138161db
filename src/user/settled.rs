//! What settled requests cost, by the day and the month of their begin.
//!
//! Always holds: memory knows it of the day and the month of the newest request; of a day that is over the rows and the
//! day totals do. Absent on purpose: what is held (`budget`).

use super::User;
use super::budget::{Amount, Period};
use super::store::{Store, StoreError};
use crate::calendar::{DAY_MS, day_of};

/// Of one day, and of the month that it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub day: Amount,
    pub month: Amount,
}

impl Settled {
    /// Of one of the two.
    pub(super) const fn of(self, period: Period) -> Amount {
        match period {
            Period::Day => self.day,
            Period::Month => self.month,
        }
    }
}

impl User {
    /// What is settled of the day and the month of `at`, which is not before the newest request.
    pub(super) fn settled_at(&self, at: u64) -> Settled {
        let known = |period: Period, amount| if period.of(self.newest_at) == period.of(at) { amount } else { Amount::default() };
        let Settled { day, month } = self.spent.settled;
        Settled { day: known(Period::Day, day), month: known(Period::Month, month) }
    }

    /// The same for a time that may be before the newest request: a stream may go on after midnight.
    pub(super) fn settled_then(&self, store: &impl Store, at: u64) -> Result<Settled, StoreError> {
        if day_of(at) >= day_of(self.newest_at) {
            return Ok(self.settled_at(at));
        }
        let (day, month) = (day_of(at), Period::Month.of(at));
        let mut settled = Settled::default();
        let totals = store.days(month, day_of(Period::Month.ends(at)) - 1)?;
        for row in totals.iter().chain(&store.day_sums(self.frontier, self.newest_seq)?) {
            let amount = Amount { tokens: row.usage().total(), micro_usd: row.micro_usd };
            if Period::Month.of(row.day.saturating_mul(DAY_MS)) == month {
                settled.month = settled.month.plus(amount);
            }
            if row.day == day {
                settled.day = settled.day.plus(amount);
            }
        }
        Ok(settled)
    }
}
