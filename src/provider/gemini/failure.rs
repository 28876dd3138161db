//! Gemini's failures, where they say more than their status.
//!
//! Always holds: a key that Google refuses is the gateway's failure, though Google says 400; when to come back is in the body.
//! Absent on purpose: the table of statuses (`provider::failure`).

use serde_json::value::RawValue;

use crate::error::{Code, Error};
use crate::json::{each_item, pick, text};
use crate::provider::failure::{self, Scrub};

/// What the body says beside message and status.
#[derive(Debug, Default, PartialEq)]
struct Details {
    /// The key is not one, or not any more.
    bad_key: bool,
    /// The account or the place may not use the API: nothing that the client sent is to blame.
    precondition: bool,
    retry_after_ms: Option<u64>,
}

/// For an answer with another status than 200.
pub(super) fn from_status(status: u16, retry_after_ms: Option<u64>, body: &[u8], scrub: &Scrub) -> Error {
    let details = Details::read(body);
    let retry_after_ms = retry_after_ms.or(details.retry_after_ms);
    match status {
        400 if details.bad_key => failure::from_status(401, retry_after_ms, body, scrub),
        400 if details.precondition => ours(&failure::from_status(status, retry_after_ms, body, scrub)),
        _ => failure::from_status(status, retry_after_ms, body, scrub),
    }
}

/// For an error inside a stream, or with status 200.
pub(super) fn from_event(data: &[u8], scrub: &Scrub) -> Error {
    let details = Details::read(data);
    if details.bad_key {
        return failure::from_status(401, None, data, scrub);
    }
    let error = failure::from_event(data, scrub);
    match details.retry_after_ms {
        _ if details.precondition => ours(&error),
        Some(ms) if matches!(error.status(), 429 | 503) => error.with_retry_after_ms(ms),
        _ => error,
    }
}

fn ours(error: &Error) -> Error {
    Error::new(Code::UpstreamError, format!("The provider failed: {}", error.message())).with_cause("upstream status 400")
}

impl Details {
    fn read(body: &[u8]) -> Self {
        let mut details = Self::default();
        let Ok(mut raw) = core::str::from_utf8(body) else { return details };
        if let Ok([first]) = serde_json::from_str::<[&RawValue; 1]>(raw) {
            raw = first.get();
        }
        let Ok([Some(error)]) = pick(raw, ["error"]) else { return details };
        let Ok([message, status, list]) = pick(error.get(), ["message", "status", "details"]) else { return details };
        let message = message.and_then(text).unwrap_or_default().to_ascii_lowercase();
        details.bad_key =
            message.contains("api key not valid") || message.contains("api key not found") || message.contains("api key expired");
        details.precondition = status.is_some_and(|status| status.get() == "\"FAILED_PRECONDITION\"");
        let _ = each_item(list.map_or("[]", RawValue::get), |detail| {
            let Ok([reason, delay]) = pick(detail.get(), ["reason", "retryDelay"]) else { return };
            details.bad_key |= reason.is_some_and(|reason| reason.get().starts_with("\"API_KEY_"));
            details.retry_after_ms = delay.and_then(text).and_then(|delay| milliseconds(&delay)).or(details.retry_after_ms);
        });
        details
    }
}

/// `27s`, `27.5s`, `0.000342s`: rounded up.
fn milliseconds(delay: &str) -> Option<u64> {
    let seconds: f64 = delay.trim().strip_suffix('s')?.parse().ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: from nothing to a year")]
    (0.0..31_536_000.0).contains(&seconds).then(|| (seconds * 1000.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays() {
        for (text, expected) in [
            ("27s", Some(27_000)),
            ("27.5s", Some(27_500)),
            ("0.000342s", Some(1)),
            ("-1s", None),
            ("27", None),
            ("NaNs", None),
            ("1e99s", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
