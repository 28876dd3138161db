//! What is left of a caller's limits, in headers: OpenAI's six `x-ratelimit-*`, and the IETF's `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers-11), which are structured fields (RFC 9651).
//!
//! Always holds: the six are those of the window in which the least is left; the two name every window. A window without a
//! limit is not there. Absent on purpose: partition keys: whose a limit is follows from the token that was sent.

use std::cmp::Reverse;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The largest integer of a structured field (RFC 9651, section 3.3.1); what is above is shown as this.
const MAX_INTEGER: u64 = 999_999_999_999_999;

/// Which limit a window is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is a limit of a user unless it says whose it is")]
pub enum Policy {
    AddressRequestsMinute,
    RequestsMinute,
    RequestsDay,
    Concurrency,
    TokensDay,
    TokensMonth,
    UsdDay,
    UsdMonth,
    ProjectRequestsMinute,
    ProjectRequestsDay,
    ProjectConcurrency,
    ProjectTokensDay,
    ProjectTokensMonth,
    ProjectUsdDay,
    ProjectUsdMonth,
}

impl Policy {
    /// As clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressRequestsMinute => "address-requests-minute",
            Self::RequestsMinute => "requests-minute",
            Self::RequestsDay => "requests-day",
            Self::Concurrency => "concurrency",
            Self::TokensDay => "tokens-day",
            Self::TokensMonth => "tokens-month",
            Self::UsdDay => "usd-day",
            Self::UsdMonth => "usd-month",
            Self::ProjectRequestsMinute => "project-requests-minute",
            Self::ProjectRequestsDay => "project-requests-day",
            Self::ProjectConcurrency => "project-concurrency",
            Self::ProjectTokensDay => "project-tokens-day",
            Self::ProjectTokensMonth => "project-tokens-month",
            Self::ProjectUsdDay => "project-usd-day",
            Self::ProjectUsdMonth => "project-usd-month",
        }
    }

    /// What is counted, where it is not the draft's default, requests. `tokens` and `micro-usd` are our own words.
    const fn unit(self) -> Option<&'static str> {
        match self {
            Self::Concurrency | Self::ProjectConcurrency => Some("concurrent-requests"),
            Self::TokensDay | Self::TokensMonth | Self::ProjectTokensDay | Self::ProjectTokensMonth => Some("tokens"),
            Self::UsdDay | Self::UsdMonth | Self::ProjectUsdDay | Self::ProjectUsdMonth => Some("micro-usd"),
            _ => None,
        }
    }
}

/// A limit and what is left of it. It travels with every answer of an object, so its fields are the draft's letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Which limit.
    #[serde(rename = "p")]
    pub policy: Policy,
    /// Requests, tokens or micro-dollars.
    #[serde(rename = "q")]
    pub limit: u64,
    /// As many that would be admitted now.
    #[serde(rename = "r")]
    pub remaining: u64,
    /// How long the window is, in seconds; `None` if it has no length.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub span_s: Option<u64>,
    /// Milliseconds until more is left; `None` if nobody knows.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub frees_ms: Option<u64>,
    /// Milliseconds until all of it is left.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub reset_ms: Option<u64>,
}

/// The tightest window of requests.
pub fn requests(windows: &[Window]) -> Option<&Window> {
    use Policy::{AddressRequestsMinute, ProjectRequestsDay, ProjectRequestsMinute, RequestsDay, RequestsMinute};
    tightest(windows, &[AddressRequestsMinute, RequestsMinute, RequestsDay, ProjectRequestsMinute, ProjectRequestsDay])
}

/// The tightest window of tokens.
pub fn tokens(windows: &[Window]) -> Option<&Window> {
    tightest(windows, &[Policy::TokensDay, Policy::TokensMonth, Policy::ProjectTokensDay, Policy::ProjectTokensMonth])
}

/// The window of these policies in which the least is left; of equals, the one that takes longer to come back.
fn tightest<'a>(windows: &'a [Window], policies: &[Policy]) -> Option<&'a Window> {
    windows.iter().filter(|window| policies.contains(&window.policy)).min_by_key(|window| (window.remaining, Reverse(window.reset_ms)))
}

/// The headers for a caller's windows.
pub fn headers(windows: &[Window]) -> Vec<(&'static str, String)> {
    if windows.is_empty() {
        return Vec::new();
    }
    let (requests, tokens) = (requests(windows), tokens(windows));
    let six = [
        ("x-ratelimit-limit-requests", requests.map(|window| window.limit.to_string())),
        ("x-ratelimit-remaining-requests", requests.map(|window| window.remaining.to_string())),
        ("x-ratelimit-reset-requests", requests.and_then(|window| window.reset_ms).map(duration)),
        ("x-ratelimit-limit-tokens", tokens.map(|window| window.limit.to_string())),
        ("x-ratelimit-remaining-tokens", tokens.map(|window| window.remaining.to_string())),
        ("x-ratelimit-reset-tokens", tokens.and_then(|window| window.reset_ms).map(duration)),
    ];
    let mut headers = vec![("ratelimit-policy", list(windows, quota)), ("ratelimit", list(windows, service_limit))];
    headers.extend(six.into_iter().filter_map(|(name, value)| Some((name, value?))));
    headers
}

fn list(windows: &[Window], parameters: fn(&mut String, &Window)) -> String {
    let mut text = String::new();
    for window in windows {
        let _ = write!(text, "{}\"{}\"", if text.is_empty() { "" } else { ", " }, window.policy.name());
        parameters(&mut text, window);
    }
    text
}

fn quota(text: &mut String, window: &Window) {
    integer(text, 'q', window.limit);
    if let Some(unit) = window.policy.unit() {
        let _ = write!(text, ";qu=\"{unit}\"");
    }
    if let Some(span) = window.span_s {
        integer(text, 'w', span);
    }
}

/// `t` is rounded up, as `retry-after` is. Never longer than the window: a place of the sliding one takes 60 s and 1 ms to come back.
fn service_limit(text: &mut String, window: &Window) {
    integer(text, 'r', window.remaining);
    if let Some(ms) = window.frees_ms {
        integer(text, 't', ms.div_ceil(1000).min(window.span_s.unwrap_or(u64::MAX)));
    }
}

fn integer(text: &mut String, name: char, value: u64) {
    let _ = write!(text, ";{name}={}", value.min(MAX_INTEGER));
}

/// As OpenAI writes durations: `120ms`, `1s`, `1.5s`, `6m0s`, `23h59m59s`.
pub fn duration(ms: u64) -> String {
    let (hours, minutes, seconds, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    if ms < 1000 {
        return format!("{ms}ms");
    }
    if hours > 0 {
        return format!("{hours}h{minutes}m{seconds}s");
    }
    if minutes > 0 {
        return format!("{minutes}m{seconds}s");
    }
    let fraction = format!("{seconds}.{rest:03}");
    format!("{}s", fraction.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_openai_writes_them() {
        for (ms, text) in
            [(0, "0ms"), (120, "120ms"), (1000, "1s"), (1500, "1.5s"), (59_999, "59.999s"), (360_000, "6m0s"), (86_399_000, "23h59m59s")]
        {
            assert_eq!(duration(ms), text);
        }
    }

    fn window(policy: Policy, limit: u64, remaining: u64, span_s: Option<u64>, ms: Option<(u64, u64)>) -> Window {
        Window { policy, limit, remaining, span_s, frees_ms: ms.map(|(frees, _)| frees), reset_ms: ms.map(|(_, reset)| reset) }
    }

    /// windows → `RateLimit-Policy`, `RateLimit`, the six that are there.
    #[test]
    fn every_window_is_named_and_the_tightest_is_told() {
        let minute = |left| window(Policy::RequestsMinute, 60, left, Some(60), Some((11_001, 59_000)));
        let day = |left| window(Policy::RequestsDay, 100, left, Some(86_400), Some((80_000_000, 80_000_000)));
        let tokens = window(Policy::TokensDay, 1_000_000, 999_000, Some(86_400), Some((1, 1)));
        let month = window(Policy::TokensMonth, u64::MAX, u64::MAX, Some(2_678_400), Some((0, 0)));
        let cases: [(&[Window], &str, &str, &[&str]); 6] = [
            (&[], "", "", &[]),
            (
                &[minute(59), tokens],
                r#""requests-minute";q=60;w=60, "tokens-day";q=1000000;qu="tokens";w=86400"#,
                r#""requests-minute";r=59;t=12, "tokens-day";r=999000;t=1"#,
                &["60", "59", "59s", "1000000", "999000", "1ms"],
            ),
            (
                &[minute(7), day(7)],
                r#""requests-minute";q=60;w=60, "requests-day";q=100;w=86400"#,
                r#""requests-minute";r=7;t=12, "requests-day";r=7;t=80000"#,
                &["100", "7", "22h13m20s"],
            ),
            (
                &[tokens, month],
                r#""tokens-day";q=1000000;qu="tokens";w=86400, "tokens-month";q=999999999999999;qu="tokens";w=2678400"#,
                r#""tokens-day";r=999000;t=1, "tokens-month";r=999999999999999;t=0"#,
                &["1000000", "999000", "1ms"],
            ),
            (
                &[
                    window(Policy::Concurrency, 4, 3, None, None),
                    window(Policy::UsdDay, 1_500_000, 0, Some(86_400), Some((5, 5))),
                    window(Policy::UsdMonth, 9, 9, None, None),
                ],
                r#""concurrency";q=4;qu="concurrent-requests", "usd-day";q=1500000;qu="micro-usd";w=86400, "usd-month";q=9;qu="micro-usd""#,
                r#""concurrency";r=3, "usd-day";r=0;t=1, "usd-month";r=9"#,
                &[],
            ),
            (
                &[window(Policy::AddressRequestsMinute, 5, 0, Some(60), Some((60_001, 60_001))), minute(1)],
                r#""address-requests-minute";q=5;w=60, "requests-minute";q=60;w=60"#,
                r#""address-requests-minute";r=0;t=60, "requests-minute";r=1;t=12"#,
                &["5", "0", "1m0s"],
            ),
        ];
        for (windows, policy, limit, six) in cases {
            let headers = headers(windows);
            let get = |name| headers.iter().find(|(header, _)| *header == name).map_or("", |(_, value)| value.as_str());
            assert_eq!((get("ratelimit-policy"), get("ratelimit")), (policy, limit));
            let old: Vec<_> = headers.iter().filter(|(name, _)| name.starts_with("x-")).map(|(_, value)| value.as_str()).collect();
            assert_eq!(old, six);
        }
    }
}
