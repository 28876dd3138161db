//! A time zone around now: which day it is there, and when another one begins.
//!
//! Always holds: a table of offsets, small enough to travel with every request; total: any time has a day, and the days of
//! two zones at one moment are at most two apart. A day begins when its date does, also where midnight is left out or
//! comes twice. Absent on purpose: names and rules, which the platform knows (`edge::zones`), and times far from now.

use serde::{Deserialize, Serialize};

use crate::calendar::DAY_MS;

/// Offsets are below a day: what is more is not from this earth.
const MAX_OFFSET_S: i64 = 86_399;
/// The most changes that a table holds. Rules that change twice within its span are Morocco's, for Ramadan.
const CHANGES: usize = 2;

/// The offsets of one zone: the first, and those that come after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<i64>", from = "Vec<i64>")]
pub struct Zone {
    /// Seconds that local time is ahead of UTC.
    offset_s: i64,
    changes: [Option<Change>; CHANGES],
}

/// From a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    /// Epoch ms.
    at: u64,
    offset_s: i64,
}

impl Zone {
    /// No offset at all.
    pub const UTC: Self = Self { offset_s: 0, changes: [None; CHANGES] };

    /// One offset for ever, in seconds ahead of UTC.
    pub fn fixed(offset_s: i64) -> Self {
        Self { offset_s: offset_s.clamp(-MAX_OFFSET_S, MAX_OFFSET_S), ..Self::UTC }
    }

    /// With another offset from a moment (epoch ms) on, later than the changes so far. There is room for two.
    #[must_use]
    pub fn then(mut self, at: u64, offset_s: i64) -> Self {
        if let Some(free) = self.changes.iter_mut().find(|change| change.is_none()) {
            *free = Some(Change { at, offset_s: offset_s.clamp(-MAX_OFFSET_S, MAX_OFFSET_S) });
        }
        self
    }

    /// The table of a span (epoch ms) of a zone whose offset at any time can be asked for. Changes are found to the second,
    /// if they are at least `step_ms` apart.
    ///
    /// # Errors
    /// What asking fails with.
    pub fn sampled<E>(from: u64, to: u64, step_ms: u64, offset_at: impl Fn(u64) -> Result<i64, E>) -> Result<Self, E> {
        let mut offset = offset_at(from)?;
        let (mut zone, mut at) = (Self::fixed(offset), from);
        while at < to {
            let next = at.saturating_add(step_ms.max(1));
            let after = offset_at(next)?;
            if after != offset {
                let (mut before, mut changed) = (at / 1000, next.div_ceil(1000));
                while changed - before > 1 {
                    let middle = before.midpoint(changed);
                    *if offset_at(middle * 1000)? == offset { &mut before } else { &mut changed } = middle;
                }
                zone = zone.then(changed * 1000, after);
                offset = after;
            }
            at = next;
        }
        Ok(zone)
    }

    /// The local day of a time in epoch ms, as days since 1970-01-01.
    pub fn day_of(&self, ms: u64) -> u64 {
        let offset_s = self.changes.iter().flatten().rfind(|change| change.at <= ms).map_or(self.offset_s, |change| change.offset_s);
        let shift = offset_s.unsigned_abs() * 1000;
        (if offset_s < 0 { ms.saturating_sub(shift) } else { ms.saturating_add(shift) }) / DAY_MS
    }

    /// The first moment after `ms` at which it is this local day or a later one, in epoch ms.
    pub fn reaches(&self, day: u64, ms: u64) -> u64 {
        let soonest = ms.saturating_add(1);
        let changes = self.changes.iter().flatten();
        let starts = changes.clone().map(|change| change.at);
        let offsets = [self.offset_s].into_iter().chain(changes.map(|change| change.offset_s));
        let mut ends = starts.clone().chain([u64::MAX]);
        let mut from = 0;
        for offset_s in offsets {
            let to = ends.next().unwrap_or(u64::MAX);
            let shift = offset_s.unsigned_abs() * 1000;
            let midnight = day.saturating_mul(DAY_MS);
            let midnight = if offset_s < 0 { midnight.saturating_add(shift) } else { midnight.saturating_sub(shift) };
            let first = midnight.max(from).max(soonest);
            if first < to {
                return first;
            }
            from = to;
        }
        u64::MAX
    }
}

/// The first offset in seconds, then each change: its moment in epoch ms, and its offset.
impl From<Zone> for Vec<i64> {
    fn from(zone: Zone) -> Self {
        let changes = zone.changes.into_iter().flatten();
        let pairs = changes.flat_map(|change| [i64::try_from(change.at).unwrap_or(i64::MAX), change.offset_s]);
        [zone.offset_s].into_iter().chain(pairs).collect()
    }
}

/// What is left out is UTC.
impl From<Vec<i64>> for Zone {
    fn from(numbers: Vec<i64>) -> Self {
        let (first, changes) = numbers.split_first().map_or((0, &[][..]), |(first, changes)| (*first, changes));
        changes.chunks_exact(2).fold(Self::fixed(first), |zone, change| match change {
            [at, offset_s] => zone.then(u64::try_from(*at).unwrap_or(0), *offset_s),
            _ => zone,
        })
    }
}

/// The seconds in the platform's words for an offset: what stands behind `GMT` in `3/30/2025, GMT+05:45`.
pub fn offset_s(text: &str) -> Option<i64> {
    let (_, offset) = text.rsplit_once("GMT")?;
    if offset.is_empty() {
        return Some(0);
    }
    let (sign, numbers) = match offset.split_at_checked(1)? {
        ("+", numbers) => (1, numbers),
        ("-" | "\u{2212}", numbers) => (-1, numbers),
        _ => return None,
    };
    let mut seconds = 0;
    let mut unit = 3600;
    for number in numbers.split(':') {
        seconds += number.parse::<u16>().ok().map(i64::from)? * unit;
        unit /= 60;
    }
    (seconds <= MAX_OFFSET_S).then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    /// 2025-03-30 01:00 UTC, in epoch ms.
    const SPRING: u64 = 1_743_296_400_000;
    /// 2025-10-26 01:00 UTC.
    const AUTUMN: u64 = 1_761_440_400_000;
    /// 2025-03-30 and 2025-10-26.
    const SPRING_DAY: u64 = 20_177;
    const AUTUMN_DAY: u64 = 20_387;

    fn check(zone: Zone, day: u64, begins: u64, hours: f64) {
        let ends = zone.reaches(day + 1, begins);
        #[allow(clippy::cast_precision_loss, reason = "a day")]
        let length = (ends - begins) as f64 / 3_600_000.0;
        assert!((length - hours).abs() < 1e-9, "{zone:?}: {length} hours");
        assert_eq!(zone.reaches(day, begins - 1), begins, "{zone:?}");
        assert_eq!([begins - 1, begins, ends - 1, ends].map(|ms| zone.day_of(ms)), [day - 1, day, day, day + 1], "{zone:?}");
    }

    #[test]
    fn days_are_as_long_as_they_are() {
        let berlin = Zone::fixed(3_600).then(SPRING, 7_200).then(AUTUMN, 3_600);
        check(berlin, SPRING_DAY, SPRING_DAY * DAY_MS - HOUR, 23.0);
        check(berlin, SPRING_DAY + 1, SPRING_DAY * DAY_MS + 22 * HOUR, 24.0);
        check(berlin, AUTUMN_DAY, AUTUMN_DAY * DAY_MS - 2 * HOUR, 25.0);
        check(Zone::UTC, SPRING_DAY, SPRING_DAY * DAY_MS, 24.0);
        check(Zone::fixed(20_700), SPRING_DAY, SPRING_DAY * DAY_MS - 20_700_000, 24.0);
        check(Zone::fixed(-34_200), SPRING_DAY, SPRING_DAY * DAY_MS + 34_200_000, 24.0);
        // Lord Howe Island puts its clocks by half an hour.
        check(Zone::fixed(39_600).then(SPRING, 37_800), SPRING_DAY, SPRING_DAY * DAY_MS - 11 * HOUR, 24.5);
        // Beirut leaves midnight out: the day begins at 01:00.
        check(Zone::fixed(7_200).then(SPRING_DAY * DAY_MS - 2 * HOUR, 10_800), SPRING_DAY, SPRING_DAY * DAY_MS - 2 * HOUR, 23.0);
        // Havana has two midnights: 01:00 is followed by 00:00 of the same day.
        check(Zone::fixed(-14_400).then(AUTUMN_DAY * DAY_MS + 5 * HOUR, -18_000), AUTUMN_DAY, AUTUMN_DAY * DAY_MS + 4 * HOUR, 25.0);
        // Asunción's midnight was followed by 23:00 of the day before, which was 25 hours long.
        check(Zone::fixed(-10_800).then(SPRING_DAY * DAY_MS + 3 * HOUR, -14_400), SPRING_DAY, SPRING_DAY * DAY_MS + 4 * HOUR, 24.0);
    }

    #[test]
    fn a_day_may_be_left_out() {
        // Apia, 2011-12-30: from -10 to +14 hours.
        let change = 15_338 * DAY_MS + 10 * HOUR;
        let apia = Zone::fixed(-36_000).then(change, 50_400);
        assert_eq!((apia.day_of(change - 1), apia.day_of(change)), (15_337, 15_339));
        assert_eq!((apia.reaches(15_338, change - 1), apia.reaches(15_339, 0)), (change, change));
    }

    #[test]
    fn any_time_has_a_day() {
        for zone in [Zone::UTC, Zone::fixed(i64::MAX), Zone::fixed(i64::MIN), Zone::fixed(50_400).then(u64::MAX, -50_400)] {
            for ms in [0, 1, DAY_MS, u64::MAX - 1, u64::MAX] {
                let day = zone.day_of(ms);
                assert!(zone.reaches(day + 1, ms) > ms || ms == u64::MAX, "{zone:?} {ms}");
            }
        }
    }

    #[test]
    fn a_table_is_made_by_asking() {
        let rules = |ms: u64| Ok::<i64, ()>(if (SPRING..AUTUMN).contains(&ms) { 7_200 } else { 3_600 });
        let table = |from, days| Zone::sampled(from, from + days * DAY_MS, DAY_MS, rules).unwrap();
        assert_eq!(table(SPRING - 3 * DAY_MS - 1, 40), Zone::fixed(3_600).then(SPRING, 7_200));
        assert_eq!(table(SPRING - 3 * DAY_MS, 3), Zone::fixed(3_600).then(SPRING, 7_200));
        assert_eq!(table(SPRING, 40), Zone::fixed(7_200));
        assert_eq!(table(SPRING - 5, 300), Zone::fixed(3_600).then(SPRING, 7_200).then(AUTUMN, 3_600));
        assert!(Zone::sampled(0, 1, 1, |_| Err::<i64, ()>(())).is_err());
    }

    #[test]
    fn tables_travel_as_numbers() {
        for (zone, text) in [
            (Zone::UTC, "[0]"),
            (Zone::fixed(-34_200), "[-34200]"),
            (Zone::fixed(3_600).then(SPRING, 7_200).then(AUTUMN, 3_600), "[3600,1743296400000,7200,1761440400000,3600]"),
        ] {
            assert_eq!(serde_json::to_string(&zone).unwrap(), text);
            assert_eq!(serde_json::from_str::<Zone>(text).unwrap(), zone);
        }
        assert_eq!(serde_json::from_str::<Zone>("[]").unwrap(), Zone::UTC);
        assert_eq!(serde_json::from_str::<Zone>("[3600,1,2,3]").unwrap(), Zone::fixed(3_600).then(1, 2));
    }

    #[test]
    fn offsets_are_read_as_the_platform_writes_them() {
        for (text, seconds) in [
            ("11/22/2026, GMT+05:45", Some(20_700)),
            ("11/21/2026, GMT-03:30", Some(-12_600)),
            ("11/22/2026, GMT+00:00", Some(0)),
            ("11/22/2026, GMT", Some(0)),
            ("12/31/1969, GMT-00:44:30", Some(-2_670)),
            ("GMT+14", Some(50_400)),
            ("11/22/2026", None),
            ("GMT+25:00", None),
            ("GMT*1", None),
            ("GMT+x", None),
        ] {
            assert_eq!(offset_s(text), seconds, "{text}");
        }
    }
}
