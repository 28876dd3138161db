//! Answers that real hosts of the OpenAI dialect gave, recorded by others (`../shared/fixtures`, read only, may be absent).
//!
//! Always holds: what the client gets is what the host sent, event by event; the text of the answer is in the message; however
//! the bytes are cut. Recordings that cannot be used are counted by reason and printed, never passed over in silence.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use behest::provider::{Extras, Kind};
use behest::sse::{DONE, Decoder, encode};
use serde_json::Value;

use crate::play::{chat, play_however_cut, random_cuts, target};

pub const ROOT: &str = "../shared/fixtures";

pub fn rows(streaming: bool) -> Vec<Value> {
    let index = fs::read(format!("{ROOT}/index.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&index).unwrap();
    rows.into_iter().filter(|row| row["api"] == "chat" && row["streaming"] == streaming).collect()
}

/// The bytes on the wire, or why there are none.
pub fn wire(row: &Value) -> Result<Vec<u8>, &'static str> {
    let text = fs::read_to_string(Path::new(ROOT).join(row["file"].as_str().unwrap())).unwrap();
    let frame = |chunks: &mut dyn Iterator<Item = String>| {
        let mut wire: Vec<u8> = chunks.flat_map(|chunk| encode(chunk.as_bytes())).collect();
        wire.extend_from_slice(DONE);
        wire
    };
    if row["kind"] == "chunks" {
        return Ok(frame(&mut text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned)));
    }
    let file: Value = serde_json::from_str(&text).map_err(|_| "not_a_json_file")?;
    let response = &file["response"];
    if response["status"].as_u64().is_some_and(|status| status != 200) {
        return Err("status_is_not_200");
    }
    if let Some(chunks) = response["chunks"].as_array() {
        return Ok(frame(&mut chunks.iter().map(Value::to_string)));
    }
    match response["body_text"].as_str() {
        Some(body) => Ok(body.as_bytes().to_vec()),
        None => Err("stream_recorded_as_json"),
    }
}

pub fn events(stream: &[u8]) -> Vec<String> {
    let mut events = Vec::new();
    let mut decoder = Decoder::new();
    decoder
        .feed(stream, |event| {
            events.push(String::from_utf8(event.data.to_vec()).unwrap());
            Ok(())
        })
        .unwrap();
    events.extend(decoder.end().map(|event| String::from_utf8(event.data.to_vec()).unwrap()));
    events
}

/// What the recording says in choice 0, read in the plainest way: content, and the arguments of all calls.
fn said(events: &[String]) -> (String, String) {
    let (mut content, mut arguments) = (String::new(), String::new());
    for event in events {
        let Ok(chunk) = serde_json::from_str::<Value>(event) else { continue };
        for choice in chunk["choices"].as_array().into_iter().flatten().filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
            let delta = &choice["delta"];
            content += delta["content"].as_str().unwrap_or_default();
            let parts = delta["content"].as_array().into_iter().flatten();
            parts.filter(|part| part["type"] == "text").for_each(|part| content += part["text"].as_str().unwrap());
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                arguments += call["function"]["arguments"].as_str().unwrap_or_default();
            }
        }
    }
    (content, arguments)
}

fn said_in_message(message: Option<&str>) -> (String, String) {
    let message: Value = message.map_or(Value::Null, |message| serde_json::from_str(message).unwrap());
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    let arguments = calls.filter_map(|call| call["function"]["arguments"].as_str()).collect();
    (message["content"].as_str().unwrap_or_default().to_owned(), arguments)
}

pub fn here() -> bool {
    let here = Path::new(ROOT).exists();
    if !here {
        writeln!(io::stderr(), "SKIPPED: {ROOT} is not here; no recorded answer was played").unwrap();
    }
    here
}

#[test]
fn streams_pass_unchanged() {
    if !here() {
        return;
    }
    let (mut played, mut skipped) = (0, BTreeMap::<&str, u32>::new());
    for row in rows(true) {
        let name = row["file"].as_str().unwrap();
        let stream = match wire(&row) {
            Ok(stream) => stream,
            Err(reason) => {
                *skipped.entry(reason).or_default() += 1;
                continue;
            }
        };
        let mut sent: Vec<String> = events(&stream).into_iter().filter(|event| !event.trim().is_empty()).collect();
        let complete = sent.last().is_some_and(|event| event == "[DONE]");
        let error = sent.iter().position(|event| serde_json::from_str::<Value>(event).is_ok_and(|chunk| !chunk["error"].is_null()));
        if let Some(error) = error {
            sent.truncate(error);
            *skipped.entry("(played, with an error event)").or_default() += 1;
        }
        let answer = play_however_cut(name, &target(Kind::OpenAiCompatible), true, &stream, &random_cuts(stream.len(), 8));
        assert_eq!(answer.error.is_none(), complete && error.is_none(), "{name}: {:?}", answer.error);
        let mut got = events(&answer.client);
        if answer.error.is_some() {
            // The last event is our error instead of an end.
            assert!(got.pop().is_some_and(|event| event.starts_with("{\"error\"")), "{name}");
        }
        if !complete {
            *skipped.entry("(played, but without [DONE])").or_default() += 1;
        }
        let different = got.iter().zip(&sent).find(|(got, sent)| got != sent);
        assert_eq!((different, got.len()), (None, sent.len()), "{name}");
        assert_eq!(said_in_message(answer.message.as_deref()), said(&sent), "{name}");
        let reported =
            sent.iter().any(|event| serde_json::from_str::<Value>(event).is_ok_and(|chunk| chunk["usage"]["prompt_tokens"].is_u64()));
        assert_eq!(answer.usage.is_some(), reported, "{name}: usage");
        played += 1;
    }
    writeln!(io::stderr(), "recorded streams: {played} played; {skipped:?}").unwrap();
    assert!(played >= 150, "only {played} played: {skipped:?}");
}

#[test]
fn whole_answers_pass_unchanged() {
    if !here() {
        return;
    }
    let (mut played, mut skipped) = (0, BTreeMap::<&str, u32>::new());
    for row in rows(false) {
        let name = row["file"].as_str().unwrap();
        let file: Value = serde_json::from_slice(&fs::read(Path::new(ROOT).join(name)).unwrap()).unwrap();
        let (response, target) = (&file["response"], target(Kind::OpenAiCompatible));
        let body = &response["body"];
        let bytes = body.to_string();
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        if status != 200 {
            let error = target.kind.dialect().failure(status, None, bytes.as_bytes(), &target);
            assert!((400..600).contains(&error.status()), "{name}");
            *skipped.entry("(status is not 200: read as a failure)").or_default() += 1;
            continue;
        }
        if !body["choices"].is_array() {
            assert_eq!(
                target.kind.dialect().response(bytes.as_bytes(), &chat(false), &target, &Extras::default()).unwrap_err().status(),
                502,
                "{name}"
            );
            *skipped.entry("(no choices: refused)").or_default() += 1;
            continue;
        }
        let reply = target.kind.dialect().response(bytes.as_bytes(), &chat(false), &target, &Extras::default()).unwrap();
        assert_eq!(reply.body, bytes.as_bytes(), "{name}");
        assert_eq!(reply.usage.is_some(), body["usage"]["prompt_tokens"].is_u64(), "{name}: usage");
        let message: Value = reply.message.map_or(Value::Null, |message| serde_json::from_str(&message).unwrap());
        let original = body["choices"].as_array().unwrap().iter().find(|choice| choice["index"].as_u64().unwrap_or(0) == 0);
        let original = original.map_or(&Value::Null, |choice| &choice["message"]);
        assert_eq!(message["content"], original["content"], "{name}");
        assert_eq!(message["tool_calls"].as_array(), original["tool_calls"].as_array().filter(|calls| !calls.is_empty()), "{name}");
        played += 1;
    }
    writeln!(io::stderr(), "recorded answers: {played} played; {skipped:?}").unwrap();
    assert!(played >= 500, "only {played} played: {skipped:?}");
}
