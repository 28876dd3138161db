//! What a client may rely on in a streamed answer, whatever the provider sent.
//!
//! Always holds: one `data:` line a frame; the end is `[DONE]` or one error event, never both; `[DONE]` only after the provider's end
//! mark. Of a dialect that is translated: one id, model and time; the role first; calls counted without gaps; one finish for each
//! choice and nothing after it; usage only if wanted, and last; the stored message is what the client was told.
//! Absent on purpose: the order of OpenAI's own chunks, which pass as they are.

use std::collections::{BTreeMap, BTreeSet};

use behest::provider::Kind;
use behest::sse::Decoder;
use serde_json::Value;

use crate::play::Played;
use crate::written::Written;

/// What a provider's last event has in it, by dialect.
fn end_marks(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Anthropic => &["message_stop"],
        Kind::Gemini => &["finishReason", "finish_reason", "blockReason", "block_reason"],
        _ => &["[DONE]"],
    }
}

/// JSON for a reader that refuses half a surrogate pair, which is JSON for every client: each half becomes U+FFFD.
pub fn json(text: &str) -> Option<Value> {
    let mut readable = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        readable.push_str(before);
        let half = escape.get(..6).filter(|escape| escape.starts_with("\\u") && matches!(escape.as_bytes()[2], b'd' | b'D'));
        let half = half.filter(|escape| matches!(escape.as_bytes()[3].to_ascii_lowercase(), b'8' | b'9' | b'a'..=b'f'));
        let taken = if half.is_some() { 6 } else { escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at) };
        readable.push_str(half.map_or(&escape[..taken], |_| "\\ufffd"));
        rest = &escape[taken..];
    }
    serde_json::from_str(&(readable + rest)).ok()
}

/// The data of each event of a stream, and of what is left at its end.
pub fn events(stream: &[u8]) -> Vec<Vec<u8>> {
    let (mut events, mut decoder) = (Vec::new(), Decoder::new());
    decoder
        .feed(stream, |event| {
            events.push(event.data.to_vec());
            Ok(())
        })
        .unwrap();
    events.extend(decoder.end().map(|event| event.data.to_vec()));
    events
}

/// The frames a client got, each without `data: `.
fn frames(client: &[u8]) -> Vec<&str> {
    let text = core::str::from_utf8(client).expect("UTF-8");
    assert!(!text.contains('\r') && (text.is_empty() || text.ends_with("\n\n")), "not framed: {text}");
    let frame = |frame| {
        str::strip_prefix(frame, "data: ").filter(|data| !data.contains('\n')).unwrap_or_else(|| panic!("not one data line: {frame}"))
    };
    text.split_terminator("\n\n").map(frame).collect()
}

/// The answer to `stream` is one that a client can rely on.
pub fn check(written: &Written, stream: &[u8], played: &Played) {
    let frames = frames(&played.client);
    let (last, rest) = frames.split_last().expect("an end");
    assert!(!rest.contains(&"[DONE]"), "something after the end");
    assert_eq!(*last == "[DONE]", played.error.is_none());
    let sent = events(stream);
    if *last == "[DONE]" {
        let marked = |event: &Vec<u8>| end_marks(written.target.kind).iter().any(|mark| String::from_utf8_lossy(event).contains(mark));
        assert!(sent.iter().any(marked), "done without the provider's end mark");
    } else {
        assert!(json(last).is_some_and(|event| event["error"]["message"].is_string()), "the last event is no error: {last}");
    }
    match written.target.kind {
        Kind::OpenAi | Kind::OpenAiCompatible => passed(&sent, rest),
        _ => {
            let answer = Answer::read(rest, written.chat().include_usage);
            let (done, finished) = (*last == "[DONE]", !answer.begun.is_empty() && answer.begun == answer.finished);
            assert!(finished || !done, "done, but not finished");
            // Gemini's choices end one after the other, and the second may end in an error.
            assert!(done || !finished || written.target.kind == Kind::Gemini, "finished, and then an error");
            answer.told(played.message.as_deref());
        }
    }
}

/// What passes is what was sent, in its order.
fn passed(sent: &[Vec<u8>], got: &[&str]) {
    let mut sent = sent.iter().map(|event| String::from_utf8_lossy(event).replace(['\n', '\r'], " "));
    for frame in got {
        assert!(sent.any(|event| event == *frame), "never sent, or not in this order: {frame}");
    }
}

/// An answer that the gateway stopped after some events: complete, with the reason in it.
pub fn check_stopped(written: &Written, client: &[u8]) {
    let frames = frames(client);
    if !frames.is_empty() {
        assert_eq!(frames.iter().filter(|frame| frame.contains("\"details\":")).count(), 1, "why is said once");
        let answer = Answer::read(&frames, written.chat().include_usage);
        assert_eq!(answer.begun, answer.finished, "every choice ends");
    }
}

/// What chunks say, put together as a client does.
#[derive(Default)]
struct Answer {
    begun: BTreeSet<u64>,
    finished: BTreeSet<u64>,
    text: BTreeMap<u64, String>,
    /// Name and arguments, by choice and index.
    calls: BTreeMap<(u64, u64), (String, String)>,
}

impl Answer {
    fn read(frames: &[&str], wants_usage: bool) -> Self {
        let (mut answer, mut heads, mut over) = (Self::default(), BTreeSet::new(), false);
        for frame in frames {
            let chunk = json(frame).unwrap_or_else(|| panic!("no JSON: {frame}"));
            assert!(!over, "something after the usage: {frame}");
            assert_eq!(chunk["object"], "chat.completion.chunk");
            heads.insert(["id", "created", "model"].map(|name| chunk[name].to_string()));
            let choices = chunk["choices"].as_array().expect("choices");
            if choices.is_empty() && chunk["details"].is_null() {
                assert!(wants_usage && chunk["usage"].is_object(), "usage that was not asked for: {frame}");
                over = true;
            }
            for choice in choices {
                answer.choice(choice);
            }
        }
        assert!(heads.len() <= 1, "{heads:?}");
        answer
    }

    fn choice(&mut self, choice: &Value) {
        let (index, delta) = (choice["index"].as_u64().expect("an index"), &choice["delta"]);
        assert!(!self.finished.contains(&index), "something after the finish: {choice}");
        assert_eq!(self.begun.insert(index), delta["role"] == "assistant", "the role comes first, once: {choice}");
        self.text.entry(index).or_default().push_str(delta["content"].as_str().unwrap_or_default());
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let place = (index, call["index"].as_u64().expect("an index"));
            let is_new = !self.calls.contains_key(&place);
            assert!(place.1 == 0 || self.calls.contains_key(&(index, place.1 - 1)), "a gap in the calls: {choice}");
            assert_eq!(is_new, call["id"].is_string() && call["function"]["name"].is_string(), "a call begins once: {choice}");
            let (name, arguments) = self.calls.entry(place).or_default();
            name.push_str(call["function"]["name"].as_str().unwrap_or_default());
            arguments.push_str(call["function"]["arguments"].as_str().expect("arguments"));
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            let calls = self.calls.keys().any(|(of, _)| *of == index);
            assert!(reason != "tool_calls" || calls, "no calls: {choice}");
            self.finished.insert(index);
        }
    }

    /// The message kept for the thread says what the client was told in choice 0; a call that was cut before its arguments is kept with `{}`.
    fn told(&self, message: Option<&str>) {
        let message = message.map_or(Value::Null, |message| json(message).expect("a message"));
        let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| &call["function"]);
        let calls: Vec<_> = calls.map(|part| [&part["name"], &part["arguments"]].map(|text| text.as_str().unwrap().to_owned())).collect();
        let kept = |text: &str| if text.is_empty() { "{}" } else { text }.to_owned();
        let told: Vec<_> =
            self.calls.iter().filter(|((of, _), _)| *of == 0).map(|(_, (name, arguments))| [name.clone(), kept(arguments)]).collect();
        assert_eq!(calls, told, "calls");
        assert_eq!(message["content"].as_str().unwrap_or_default(), self.text.get(&0).map_or("", String::as_str), "text");
    }
}
