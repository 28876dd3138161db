//! The prompts that make the demo misbehave, so that clients can be tried against every fault.
//!
//! Always holds: `demo:help` lists all of them; a `demo:` word that is none of them gets that list.

/// What the user asked the demo to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Answer with this HTTP status.
    Error(u16),
    /// End the stream without its end mark.
    Cut,
    /// Report an error in the middle of the stream.
    MidstreamError,
    /// Say nothing for a while.
    Slow,
    /// A long answer.
    Long,
    /// A refusal.
    Refuse,
    /// Stop for the content filter.
    Filter,
    /// List the triggers.
    Help,
}

pub(super) const HELP: &str = "### What the demo can do

This is Behest's built-in demo, not a language model. Send one of these as a message:

| message | what happens |
|---|---|
| `demo:error 429` | the provider fails with this status (300 to 599) |
| `demo:midstream-error` | an error event after the first words |
| `demo:cut` | the stream breaks off without an end |
| `demo:slow` | five seconds of silence, then an answer |
| `demo:long` | an answer of 2,000 words |
| `demo:refuse` | a refusal |
| `demo:filter` | the answer is stopped by a content filter |
| `demo:help` | this list |

With `tools` it calls one (or those that you name), with a JSON schema it answers with JSON that fits.
";

impl Trigger {
    /// The trigger in a user's message, if it begins with `demo:`.
    pub(super) fn read(said: &str) -> Option<Self> {
        let mut words = said.trim_start().strip_prefix("demo:")?.split_whitespace();
        Some(match words.next().unwrap_or_default() {
            "error" => match words.next().map(str::parse) {
                None => Self::Error(500),
                Some(Ok(status @ 300..=599)) => Self::Error(status),
                Some(_) => Self::Help,
            },
            "cut" => Self::Cut,
            "midstream-error" => Self::MidstreamError,
            "slow" => Self::Slow,
            "long" => Self::Long,
            "refuse" => Self::Refuse,
            "filter" => Self::Filter,
            _ => Self::Help,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_are_read_from_the_beginning_of_the_message() {
        for (said, expected) in [
            ("demo:error 429", Some(Trigger::Error(429))),
            (" demo:error", Some(Trigger::Error(500))),
            ("demo:error 200", Some(Trigger::Help)),
            ("demo:error x", Some(Trigger::Help)),
            ("demo:cut please", Some(Trigger::Cut)),
            ("demo:nonsense", Some(Trigger::Help)),
            ("what is demo:cut?", None),
            ("", None),
        ] {
            assert_eq!(Trigger::read(said), expected, "{said}");
        }
    }
}
