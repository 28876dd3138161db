//! Days and months, as counts of days since 1970-01-01.
//!
//! Always holds: pure, and total: a time too far away for the calendar is in the last month there is.
//! Absent on purpose: time zones but UTC (`zone`).

use chrono::{Datelike, Months, NaiveDate};

/// One day in ms.
pub const DAY_MS: u64 = 86_400_000;

/// The UTC day of a time in epoch ms.
pub const fn day_of(ms: u64) -> u64 {
    ms / DAY_MS
}

/// The first day of a day's month.
pub fn month_of(day: u64) -> u64 {
    date(day).and_then(|date| date.with_day(1)).map_or(day, number)
}

/// The first day of the month after a day's month.
pub fn next_month(day: u64) -> u64 {
    let first = date(month_of(day));
    first.and_then(|first| first.checked_add_months(Months::new(1))).map_or(day.saturating_add(1), number)
}

fn date(day: u64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(day).ok()?)
}

fn number(date: NaiveDate) -> u64 {
    u64::try_from(date.to_epoch_days()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_and_end() {
        // 2024-02-01, 02-28, 02-29, 03-01; 2024-12-31, 2025-01-01; 1970-01-01; 2100-02-28, which is no leap year.
        for (day, first, next) in [
            (19_754, 19_754, 19_783),
            (19_781, 19_754, 19_783),
            (19_782, 19_754, 19_783),
            (19_783, 19_783, 19_814),
            (20_088, 20_058, 20_089),
            (20_089, 20_089, 20_120),
            (0, 0, 31),
            (47_540, 47_513, 47_541),
        ] {
            assert_eq!((month_of(day), next_month(day)), (first, next), "{day}");
        }
        assert_eq!(next_month(u64::MAX), u64::MAX);
    }
}
