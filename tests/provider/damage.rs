//! Damage that networks and providers do to streams, done to every written stream of every dialect: cut off, doubled, mixed with
//! garbage, interrupted by the provider's own error.

use serde_json::{Value, json};

use crate::oracle::{check, events};
use crate::written::{DIALECTS, Written, written};

/// Frames that no provider means, or that mean nothing.
const GARBAGE: [&str; 12] = [
    "data: <html><body>502 Bad Gateway</body></html>\n\n",
    "data: {\n\n",
    "data: null\n\n",
    "data: []\n\n",
    "data: \"text\"\n\n",
    "data: 7\n\n",
    "data: {}\n\n",
    "data: {\"type\":\"from_the_future\",\"candidates\":[],\"choices\":[]}\n\n",
    "data: {\"type\":7,\"candidates\":7,\"choices\":7,\"usage\":7,\"index\":-1}\n\n",
    "data\n\n",
    "event: from_the_future\ndata: {}\n\n",
    ": a comment\nid: 7\nretry: 1\n\n",
];

/// How each dialect says in the middle of a stream that it failed.
const FAILURES: [(&str, &str); 3] = [
    ("openai", "data: {\"error\":{\"message\":\"The server had an error.\",\"type\":\"server_error\",\"code\":null}}\n\n"),
    ("anthropic", "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"),
    ("gemini", "data: {\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}\n\n"),
];

fn each(mut act: impl FnMut(&Written)) {
    for (dialect, ..) in DIALECTS {
        written(dialect).iter().for_each(&mut act);
    }
}

/// The stream's frames with their blank lines; what is left at the end is one too.
fn frames(stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    let mut rest = stream;
    while let Some(at) = rest.windows(2).position(|two| two == b"\n\n") {
        let (frame, after) = rest.split_at(at + 2);
        frames.push(frame);
        rest = after;
    }
    frames.extend((!rest.is_empty()).then_some(rest));
    frames
}

/// The stream with `frame` put before its frame at `place`, which must follow a blank line to be one of its own.
fn with(frames: &[&[u8]], place: usize, frame: &[u8]) -> Vec<u8> {
    [&frames[..place], &[frame], &frames[place..]].concat().concat()
}

/// How many bytes make an answer complete: up to there every cut is an error. OpenAI's mark counts without its line's end, and Gemini
/// says last only that every choice has finished, which its own test looks at.
fn needed(written: &Written) -> Option<usize> {
    let mark: &[u8] = match written.name.split('/').next() {
        Some("openai") => b"[DONE]",
        Some("anthropic") => b"{\"type\":\"message_stop\"}",
        _ => return None,
    };
    written.stream.windows(mark.len()).position(|window| window == mark).map(|at| at + mark.len())
}

#[test]
fn undamaged() {
    each(|written| check(written, &written.stream, &written.play(&written.stream)));
}

#[test]
fn cut_off_at_any_byte() {
    let (mut streams, mut cuts) = (0, 0);
    each(|written| {
        streams += 1;
        for length in 0..written.stream.len() {
            let part = &written.stream[..length];
            let played = written.play(part);
            check(written, part, &played);
            if needed(written).is_some_and(|needed| length < needed) {
                cuts += 1;
                assert!(played.error.is_some(), "{}: complete at {length}", written.name);
            }
        }
    });
    assert!(streams >= 100 && cuts >= 30_000, "only {streams} streams and {cuts} cuts");
}

#[test]
fn doubled_and_lost_frames() {
    each(|written| {
        let frames = frames(&written.stream);
        for place in 0..frames.len() {
            let doubled = with(&frames, place, frames[place]);
            check(written, &doubled, &written.play(&doubled));
            let lost = [&frames[..place], &frames[place + 1..]].concat().concat();
            check(written, &lost, &written.play(&lost));
        }
    });
}

#[test]
fn garbage_between_frames() {
    each(|written| {
        let frames = frames(&written.stream);
        for garbage in GARBAGE {
            for place in 0..=frames.len() {
                let stream = with(&frames, place, garbage.as_bytes());
                check(written, &stream, &written.play(&stream));
            }
        }
    });
}

/// The text so far, then one error event with the provider's words, and nothing that came after.
#[test]
fn the_provider_fails_in_the_middle() {
    for (dialect, failure) in FAILURES {
        let mut failed = 0;
        for written in written(dialect) {
            let frames = frames(&written.stream);
            for place in 0..frames.len() {
                let before = frames[..place].concat();
                // Nothing that comes after the end counts, and a frame that is not ended swallows the next.
                let so_far = written.play(&before);
                if so_far.error.is_none() || !(before.is_empty() || before.ends_with(b"\n\n")) {
                    continue;
                }
                let stream = with(&frames, place, failure.as_bytes());
                let played = written.play(&stream);
                check(&written, &stream, &played);
                let last = events(&played.client).pop().unwrap();
                let error: Value = serde_json::from_slice(&last).unwrap();
                assert!(error["error"]["message"].is_string() && error["error"]["code"] != json!(null), "{}", written.name);
                assert_eq!(played.message, so_far.message, "{}: what was said stays said", written.name);
                failed += 1;
            }
        }
        assert!(failed >= 20, "{dialect}: only {failed} places");
    }
}
