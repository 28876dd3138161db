//! The six `x-ratelimit-*` headers, in OpenAI's names and forms.

use crate::user::command::RateSnapshot;

/// The headers for a snapshot; a window without a limit has none.
pub fn headers(rate: &RateSnapshot) -> Vec<(&'static str, String)> {
    let number = |n: u64| n.to_string();
    [
        ("x-ratelimit-limit-requests", rate.limit_requests.map(number)),
        ("x-ratelimit-remaining-requests", rate.remaining_requests.map(number)),
        ("x-ratelimit-reset-requests", rate.reset_requests_ms.map(duration)),
        ("x-ratelimit-limit-tokens", rate.limit_tokens.map(number)),
        ("x-ratelimit-remaining-tokens", rate.remaining_tokens.map(number)),
        ("x-ratelimit-reset-tokens", rate.reset_tokens_ms.map(duration)),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
    .collect()
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
}
