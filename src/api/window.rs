//! The window of a usage question: `from`, `to` and `granularity` of the query.
//!
//! Always holds: `from` is in the window and `to` is not; a time without a zone is UTC; what is wrong is named.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};

use crate::calendar::DAY_MS;
use crate::error::{Error, Result};

/// What is told if nothing is asked.
const DEFAULT_MS: u64 = 30 * DAY_MS;
/// The most steps of an answer; 34 days of minutes.
const MAX_STEPS: u64 = 50_000;
/// Year 9999.
const MAX_MS: u64 = 253_402_300_799_000;

/// A span of time in epoch ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: u64,
    /// The first moment after.
    pub to: u64,
}

/// The length of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// 60 s.
    Minute,
    /// 60 minutes.
    Hour,
    /// A UTC day.
    Day,
}

impl Granularity {
    /// Reads the parameter; a day if there is none.
    ///
    /// # Errors
    /// 400 that names it.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None | Some("" | "day") => Ok(Self::Day),
            Some("hour") => Ok(Self::Hour),
            Some("minute") => Ok(Self::Minute),
            Some(_) => Err(Error::invalid("granularity", "granularity must be minute, hour or day.")),
        }
    }

    /// Its length in ms.
    pub const fn ms(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => DAY_MS,
        }
    }
}

impl Window {
    /// Reads the parameters: epoch seconds, a date, or a time in ISO 8601. A date as `to` is meant with that day.
    /// Without `to` it ends now, without `from` it begins 30 days before its end.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn parse(from: Option<&str>, to: Option<&str>, now: u64) -> Result<Self> {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let to = match given(to) {
            // What just happened is in it, whoever's clock said when.
            None => now.saturating_add(1_000),
            Some(text) => moment("to", &text, DAY_MS)?,
        };
        let from = match given(from) {
            None => to.saturating_sub(DEFAULT_MS),
            Some(text) => moment("from", &text, 0)?,
        };
        if from >= to {
            return Err(Error::invalid("from", "from must be before to."));
        }
        Ok(Self { from, to })
    }

    /// Checks that an answer in such steps is not too long.
    ///
    /// # Errors
    /// 400 that names `granularity`.
    pub fn check_steps(self, granularity: Granularity) -> Result<()> {
        if (self.to - self.from).div_ceil(granularity.ms()) <= MAX_STEPS {
            return Ok(());
        }
        Err(Error::invalid(
            "granularity",
            format!("from and to are more than {MAX_STEPS} steps apart: ask for less, or with a coarser granularity."),
        ))
    }
}

/// A time in epoch ms. A date means its beginning and `of_date` ms more.
fn moment(name: &str, text: &str, of_date: u64) -> Result<u64> {
    let wrong = || Error::invalid(name, format!("{name} must be a time in ISO 8601, a date, or whole epoch seconds."));
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let ms = text.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1000)).filter(|ms| *ms <= MAX_MS);
        return ms.ok_or_else(|| Error::invalid(name, format!("{name}: too late a time. Numbers are epoch seconds, not milliseconds.")));
    }
    let of = |time: NaiveDateTime| u64::try_from(time.and_utc().timestamp_millis()).ok().filter(|ms| *ms <= MAX_MS);
    if let Ok(date) = text.parse::<NaiveDate>() {
        return date.and_hms_opt(0, 0, 0).and_then(of).map(|ms| ms + of_date).ok_or_else(wrong);
    }
    // A `+` that was not encoded arrives as a space; and a space may stand for the `T`.
    let (date, time) = text.split_once(['T', 't', ' ']).ok_or_else(wrong)?;
    let text = format!("{date}T{}", time.replace(' ', "+"));
    if let Ok(time) = DateTime::parse_from_rfc3339(&text) {
        return of(time.naive_utc()).ok_or_else(wrong);
    }
    text.parse::<NaiveDateTime>().ok().and_then(of).ok_or_else(wrong)
}

/// A time as answers show it: `2026-11-21T23:05:00Z`, in whole seconds.
pub fn iso(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_728_043_200_000;

    #[test]
    fn times_in_every_usual_form() {
        for (text, ms) in [
            ("1728043200", NOON),
            ("0", 0),
            ("2024-10-04T12:00:00Z", NOON),
            ("2024-10-04T14:00:00+02:00", NOON),
            ("2024-10-04T14:00:00 02:00", NOON),
            ("2024-10-04T12:00:00.250Z", NOON + 250),
            ("2024-10-04T12:00:00", NOON),
            ("2024-10-04 12:00:00", NOON),
            ("2024-10-04T12:00:00.123456", NOON + 123),
            ("2024-10-04", NOON - DAY_MS / 2),
        ] {
            assert_eq!(Window::parse(Some(text), Some("2030-01-01"), 0).unwrap().from, ms, "{text}");
        }
        for text in
            ["yesterday", "1728043200000", "-5", "2024-13-01", "2024-10-04T25:00:00Z", "1969-12-31", "12:00", "99999999999999999999"]
        {
            for (from, to, name) in [(Some(text), None, "from"), (None, Some(text), "to")] {
                let error = Window::parse(from, to, NOON).unwrap_err();
                assert!(error.body().contains(&format!(r#""param":"{name}""#)), "{text}: {}", error.body());
            }
        }
    }

    #[test]
    fn windows_have_an_end_and_a_beginning() {
        let month = Window { from: NOON + 1_000 - DEFAULT_MS, to: NOON + 1_000 };
        assert_eq!(Window::parse(None, None, NOON).unwrap(), month);
        assert_eq!(Window::parse(Some(""), Some(""), NOON).unwrap(), month);
        let day = Window::parse(Some("2024-10-04"), Some("2024-10-04"), 0).unwrap();
        assert_eq!((day.from, day.to), (NOON - DAY_MS / 2, NOON + DAY_MS / 2));
        assert!(Window::parse(Some("2024-10-05"), Some("2024-10-04"), 0).is_err());
        month.check_steps(Granularity::Minute).unwrap();
        Window { from: 0, to: 35 * DAY_MS }.check_steps(Granularity::Minute).unwrap_err();
        assert_eq!(iso(NOON), "2024-10-04T12:00:00Z");
        assert_eq!(Granularity::parse(None).unwrap(), Granularity::Day);
        assert!(Granularity::parse(Some("week")).is_err());
    }
}
