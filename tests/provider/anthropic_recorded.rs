//! Answers that Anthropic's Messages API gave, recorded by others (`../shared/fixtures`, read only, may be absent), as an OpenAI
//! client sees them: text, calls, finish reason, usage and reasoning are what the recording says, however the bytes are cut.
//!
//! The expectation is read from the recording in the plainest way, without the code under test. Recordings that cannot be used are
//! counted by reason and printed, never passed over in silence.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use behest::provider::{Extras, Kind};
use serde_json::{Map, Value, json};

use crate::play::{chat, play_each_cut, random_cuts, recorder};

const ROOT: &str = "../shared/fixtures";

/// What a client must see.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    text: String,
    reasoning: String,
    /// Name and arguments.
    calls: Vec<(String, Value)>,
    finish: String,
    /// Prompt, completion, cached, reasoning.
    usage: Option<[u64; 4]>,
}

fn rows() -> Vec<Value> {
    let rows: Vec<Value> = serde_json::from_slice(&fs::read(format!("{ROOT}/index.json")).unwrap()).unwrap();
    rows.into_iter().filter(|row| row["api"] == "messages").collect()
}

/// One recorded answer.
struct Recorded {
    status: u16,
    /// As it was on the wire.
    bytes: Vec<u8>,
    /// The events of a stream, or the one object of a whole answer.
    events: Vec<Value>,
}

fn recorded(row: &Value) -> Result<Recorded, &'static str> {
    let file = fs::read(Path::new(ROOT).join(row["file"].as_str().unwrap())).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let response = &file["response"];
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    if let Some(chunks) = response["chunks"].as_array() {
        let events: Vec<Value> =
            chunks.iter().map(|chunk| chunk.as_str().map_or(chunk.clone(), |text| serde_json::from_str(text).unwrap())).collect();
        let frame = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
        return Ok(Recorded { status, bytes: events.iter().map(frame).collect::<String>().into(), events });
    }
    if let Some(body) = response["body_text"].as_str() {
        let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
        return Ok(Recorded { status, bytes: body.into(), events: data.map(|data| serde_json::from_str(data.trim()).unwrap()).collect() });
    }
    if row["streaming"] == true && status == 200 {
        return Err("stream_recorded_as_json");
    }
    Ok(Recorded { status, bytes: response["body"].to_string().into(), events: vec![response["body"].clone()] })
}

/// What is not a chat answer of its own, by the rules of the shared replay harness.
fn artefact(events: &[Value], streaming: bool) -> Option<&'static str> {
    if streaming && events[0]["type"] == "message" {
        return Some("stream_recorded_as_json");
    }
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    if count("message_stop") > 1 {
        return Some("several_messages_in_one_file");
    }
    let last_start = events.iter().rposition(|event| event["type"] == "message_start").unwrap_or(0);
    let first_block = events.iter().position(|event| event["type"] == "content_block_start").unwrap_or(usize::MAX);
    (count("message_start") > 1 && last_start > first_block).then_some("spliced_message_start")
}

/// The blocks, the stop reason and the usage, put together from events.
fn assembled(events: &[Value]) -> Value {
    if events[0]["type"] == "message" {
        return events[0].clone();
    }
    let (mut blocks, mut stop, mut usage) = (BTreeMap::new(), Value::Null, Map::new());
    let mut merge = |report: &Value| {
        usage.extend(report.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())));
    };
    for event in events {
        let index = event["index"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or("") {
            "message_start" => merge(&event["message"]["usage"]),
            "content_block_start" => drop(blocks.insert(index, event["content_block"].clone())),
            "content_block_delta" => {
                let block: &mut Value = blocks.get_mut(&index).unwrap();
                for (from, to) in [("text", "text"), ("thinking", "thinking"), ("partial_json", "json")] {
                    if let Some(more) = event["delta"][from].as_str() {
                        block[to] = json!(block[to].as_str().unwrap_or("").to_owned() + more);
                    }
                }
            }
            "message_delta" => {
                merge(&event["usage"]);
                stop = event["delta"]["stop_reason"].clone();
            }
            _ => {}
        }
    }
    for block in blocks.values_mut() {
        if let Some(json) = block["json"].as_str().filter(|json| !json.is_empty()) {
            block["input"] = serde_json::from_str(json).unwrap_or_else(|_| json!({ "raw": json }));
        }
    }
    json!({"content": blocks.into_values().collect::<Vec<_>>(), "stop_reason": stop, "usage": usage})
}

fn expected(message: &Value) -> Seen {
    let mut seen = Seen::default();
    for block in message["content"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "text" => seen.text += block["text"].as_str().unwrap(),
            "thinking" => seen.reasoning += block["thinking"].as_str().unwrap(),
            "tool_use" => seen.calls.push((block["name"].as_str().unwrap().to_owned(), block["input"].clone())),
            _ => {}
        }
    }
    seen.finish.push_str(match message["stop_reason"].as_str().unwrap_or("") {
        "max_tokens" | "model_context_window_exceeded" | "pause_turn" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    });
    let count = |name: &str| message["usage"][name].as_u64().unwrap_or(0);
    seen.usage = message["usage"]["input_tokens"].is_u64().then(|| {
        let cached = count("cache_read_input_tokens");
        let prompt = count("input_tokens") + cached + count("cache_creation_input_tokens");
        [prompt, count("output_tokens"), cached, message["usage"]["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(0)]
    });
    seen
}

fn usage(usage: &Value) -> Option<[u64; 4]> {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap();
    let paths =
        ["/prompt_tokens", "/completion_tokens", "/prompt_tokens_details/cached_tokens", "/completion_tokens_details/reasoning_tokens"];
    usage.is_object().then(|| paths.map(count))
}

fn arguments(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({ "raw": text }))
}

fn of_whole(body: &Value) -> Seen {
    assert_eq!((body["object"].as_str(), body["choices"].as_array().map(Vec::len)), (Some("chat.completion"), Some(1)));
    let choice = &body["choices"][0];
    let message = &choice["message"];
    assert_eq!((message["role"].as_str(), choice["index"].as_u64()), (Some("assistant"), Some(0)));
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        assert!(call["type"] == "function" && !call["id"].as_str().unwrap().is_empty());
        (call["function"]["name"].as_str().unwrap().to_owned(), arguments(call["function"]["arguments"].as_str().unwrap()))
    });
    Seen {
        text: message["content"].as_str().unwrap_or("").to_owned(),
        reasoning: message["reasoning_content"].as_str().unwrap_or("").to_owned(),
        calls: calls.collect(),
        finish: choice["finish_reason"].as_str().unwrap().to_owned(),
        usage: usage(&body["usage"]),
    }
}

/// Reads a stream as strictly as the SDKs do at their strictest.
fn of_stream(client: &[u8]) -> Seen {
    let text = core::str::from_utf8(client).unwrap();
    let mut frames: Vec<&str> = text.split("\n\n").collect();
    assert_eq!((frames.pop(), frames.pop()), (Some(""), Some("data: [DONE]")));
    let (mut seen, mut calls) = (Seen::default(), Vec::<(String, String)>::new());
    let (mut id, mut any) = (Value::Null, false);
    for frame in frames {
        let chunk: Value = serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(id.is_null() || id == chunk["id"], "one id");
        id = chunk["id"].clone();
        if let Some(counts) = usage(&chunk["usage"]) {
            assert!(chunk["choices"].as_array().unwrap().is_empty() && seen.usage.is_none());
            seen.usage = Some(counts);
            continue;
        }
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        assert_eq!(delta["role"].as_str(), (!any).then_some("assistant"), "the role comes first and once");
        any = true;
        assert!(seen.finish.is_empty(), "nothing after the finish");
        seen.text += delta["content"].as_str().unwrap_or("");
        seen.reasoning += delta["reasoning_content"].as_str().unwrap_or("");
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            assert_eq!(call["id"].is_string(), index == calls.len(), "the id comes first and once, indices without gaps");
            if call["id"].is_string() {
                calls.push((call["function"]["name"].as_str().unwrap().to_owned(), String::new()));
            }
            calls[index].1 += call["function"]["arguments"].as_str().unwrap();
        }
        seen.finish += choice["finish_reason"].as_str().unwrap_or("");
    }
    seen.calls = calls.into_iter().map(|(name, text)| (name, arguments(&text))).collect();
    seen
}

#[test]
fn answers_say_what_was_recorded() {
    if !Path::new(ROOT).exists() {
        writeln!(io::stderr(), "SKIPPED: {ROOT} is not here; no recorded answer was played").unwrap();
        return;
    }
    let mut counts = BTreeMap::<String, u32>::new();
    for row in rows() {
        let outcome = recorded(&row).and_then(|answer| match artefact(&answer.events, row["streaming"] == true) {
            Some(reason) => Err(reason),
            None => Ok(check(&row, &answer)),
        });
        if outcome.is_ok() && row["provider"] == "vertex" {
            *counts.entry("of Vertex".to_owned()).or_default() += 1;
        }
        *counts.entry(outcome.map_or_else(|reason| format!("skipped: {reason}"), str::to_owned)).or_default() += 1;
    }
    writeln!(io::stderr(), "recorded answers of Anthropic: {counts:?}").unwrap();
    assert!(counts["streams"] >= 80 && counts["whole answers"] >= 300 && counts["of Vertex"] >= 6, "{counts:?}");
}

fn check(row: &Value, Recorded { status, bytes, events }: &Recorded) -> &'static str {
    let (name, streaming) = (row["file"].as_str().unwrap(), row["streaming"] == true);
    let (target, chat, extras) = (recorder(row, Kind::Anthropic, "claude-sonnet-4-5@20250929"), chat(true), Extras::default());
    let dialect = target.kind.dialect();
    if *status != 200 {
        let error = dialect.failure(*status, None, bytes, &target);
        assert_eq!(error.status(), if *status == 401 { 502 } else { *status }, "{name}");
        return "failures";
    }
    if !streaming {
        let reply = dialect.response(bytes, &chat, &target, &extras).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(of_whole(&serde_json::from_slice(&reply.body).unwrap()), expected(&events[0]), "{name}");
        return "whole answers";
    }
    let played = play_each_cut(name, bytes, &random_cuts(bytes.len(), 8), || dialect.stream(&chat, &target, &extras));
    if let Some(error) = events.iter().find(|event| event["type"] == "error") {
        assert!(played.error.is_some(), "{name}: {error}");
        return "streams with an error event";
    }
    assert_eq!(played.error, None, "{name}");
    let want = expected(&assembled(events));
    assert_eq!(of_stream(&played.client), want, "{name}");
    let reported = played.usage.map(|usage| [usage.input, usage.output, usage.cached_input, usage.reasoning]);
    assert_eq!(reported, want.usage, "{name}");
    let message: Value = played.message.map_or(Value::Null, |message| serde_json::from_str(&message).unwrap());
    assert_eq!(message["content"].as_str().unwrap_or(""), want.text, "{name}");
    "streams"
}
