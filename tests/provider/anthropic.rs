//! The Anthropic dialect. Golden cases: `fixtures/anthropic/<case>/`, one folder each.
//!
//! `request.json` what the client sent; `setup.json` (optional) the model and the extras; `outbound.json` the body that goes to
//! Anthropic; `upstream.sse` or `upstream.json` (optional) its answer; `reply.*` what the client gets; `usage.json` the tokens;
//! `message.json` what the thread keeps, `private.json` what is kept for the calls, each absent when nothing.
//! `BLESS=1 cargo test` writes what came out; read the difference before you keep it.

use std::fs;
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::error::Error;
use behest::provider::{Call, Extras, Kind, Outbound, Private, Target};
use behest::sse::encode;
use serde_json::{Value, json};

use crate::goldens::{expect, expect_billed, expect_usage, extras, setup};
use crate::play::{every_cut, play_each_cut, play_with, random_cuts, target};

fn anthropic(setup: &Value) -> Target {
    let model = setup["model"].as_str().unwrap_or("claude-sonnet-4-5-20250929").to_owned();
    Target { model, ..target(Kind::Anthropic) }
}

fn outbound(chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Outbound, Error> {
    match target.kind.dialect().request(chat, target, extras)? {
        Call::Http(outbound) => Ok(outbound),
        Call::Demo(_) | Call::WorkersAi(_) => panic!("no HTTP request"),
    }
}

#[test]
fn cases() {
    let mut folders: Vec<_> = fs::read_dir("tests/fixtures/anthropic").unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 80, "only {} cases found", folders.len());
    for folder in folders {
        check(&folder);
    }
}

fn check(folder: &Path) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let setup = setup(folder);
    let (target, extras) = (anthropic(&setup), extras(&setup));
    let body = fs::read(folder.join("request.json")).unwrap();
    let chat = ChatRequest::parse(&body).unwrap();
    let sent = outbound(&chat, &target, &extras).unwrap_or_else(|error| panic!("{name}: {}", error.body()));
    expect(&folder.join("outbound.json"), Some(&sent.body));
    if let Ok(stream) = fs::read(folder.join("upstream.sse")) {
        let mut cuts = every_cut(stream.len());
        cuts.extend(random_cuts(stream.len(), 50));
        let played = play_each_cut(&name, &stream, &cuts, || target.kind.dialect().stream(&chat, &target, &extras));
        expect(&folder.join("reply.sse"), Some(&played.client));
        expect_usage(folder, &json!({"usage": played.usage, "output_bytes": played.output_bytes}));
        expect(&folder.join("message.json"), played.message.as_deref().map(str::as_bytes));
        expect_private(folder, &played.private);
    } else if let Ok(upstream) = fs::read(folder.join("upstream.json")) {
        match target.kind.dialect().response(&upstream, &chat, &target, &extras) {
            Ok(reply) => {
                expect(&folder.join("reply.json"), Some(&reply.body));
                expect_usage(folder, &json!({"usage": reply.usage, "output_bytes": reply.output_bytes}));
                expect(&folder.join("message.json"), reply.message.as_deref().map(str::as_bytes));
                expect_private(folder, &reply.private);
            }
            Err(error) => {
                assert_eq!(error.status(), 502, "{name}");
                expect(&folder.join("reply.json"), Some(error.body().as_bytes()));
                expect_billed(folder, target.kind, &upstream);
            }
        }
    }
}

fn expect_private(folder: &Path, private: &[Private]) {
    let text = serde_json::to_string(private).unwrap();
    expect(&folder.join("private.json"), (text != "[]").then_some(text.as_bytes()));
}

/// What was kept of one answer goes back, unchanged, to where it stood.
#[test]
fn thoughts_make_the_round_trip() {
    let folder = Path::new("tests/fixtures/anthropic/stream-thinking-and-calls");
    let (target, stream) = (anthropic(&json!({})), fs::read(folder.join("upstream.sse")).unwrap());
    let body = fs::read(folder.join("request.json")).unwrap();
    let chat = ChatRequest::parse(&body).unwrap();
    let played = play_with(target.kind.dialect().stream(&chat, &target, &Extras::default()), [stream.as_slice()]);
    let mut request: Value = serde_json::from_slice(&body).unwrap();
    let messages = request["messages"].as_array_mut().unwrap();
    messages.push(serde_json::from_str(&played.message.unwrap()).unwrap());
    messages.extend(["toolu_a", "toolu_b"].map(|id| json!({"role": "tool", "tool_call_id": id, "content": "ok"})));
    let body = request.to_string();
    let extras = Extras { private: played.private, max_output: Some(9_000), ..Extras::default() };
    let sent = outbound(&ChatRequest::parse(body.as_bytes()).unwrap(), &target, &extras).unwrap();
    let bytes = String::from_utf8(sent.body).unwrap();
    let sent: Value = serde_json::from_str(&bytes).unwrap();
    let kinds = json!([
        {"type": "thinking", "thinking": "Hm \"é\".", "signature": "sig+1/="},
        {"type": "redacted_thinking", "data": "EmwKAhgB"},
        {"type": "text", "text": "I look, é."},
        {"type": "tool_use", "id": "toolu_a", "name": "get_weather", "input": {"city": "Paris"}},
        {"type": "thinking", "thinking": "And.", "signature": "sig2"},
        {"type": "tool_use", "id": "toolu_b", "name": "get_time", "input": {}},
    ]);
    assert_eq!(sent["messages"][1]["content"], kinds);
    assert!(bytes.contains(r#"{"type":"thinking","thinking":"Hm \"é\".","signature":"sig+1/="}"#), "byte for byte");
    assert_eq!(sent["thinking"]["type"], "enabled");
}

/// An answer that wants more kept than is kept gives nothing, whole or streamed.
#[test]
fn too_much_to_keep_is_not_kept() {
    let target = anthropic(&json!({}));
    let chat = ChatRequest::parse(br#"{"messages":[{"role":"user","content":"x"}]}"#).unwrap();
    for (length, kept) in [(200_000, 1), (300_000, 0)] {
        let thought = json!({"type": "thinking", "thinking": "x".repeat(length), "signature": "s"});
        let call = json!({"type": "tool_use", "id": "toolu_a", "name": "f", "input": {}});
        let whole = json!({"type": "message", "content": [thought, call], "stop_reason": "tool_use"}).to_string();
        let reply = target.kind.dialect().response(whole.as_bytes(), &chat, &target, &Extras::default()).unwrap();
        assert_eq!(reply.private.len(), kept);
        let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "x".repeat(1_000)}});
        let mut events = vec![json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}})];
        events.extend((0..length / 1_000).map(|_| delta.clone()));
        events.push(json!({"type": "content_block_stop", "index": 0}));
        events.push(json!({"type": "content_block_start", "index": 1, "content_block": call}));
        events.push(json!({"type": "message_stop"}));
        let stream: Vec<u8> = events.iter().flat_map(|event| encode(event.to_string().as_bytes())).collect();
        let played = play_with(target.kind.dialect().stream(&chat, &target, &Extras::default()), [stream.as_slice()]);
        assert_eq!((played.error, played.private.len()), (None, kept));
    }
}

/// What becomes of thoughts that a model would refuse is said in the body and announced in a header, both or neither: a header that
/// the project gave its provider stays, and without the beta in it the model is not given them.
#[test]
fn thoughts_that_a_model_checks_need_a_header() {
    const BETA: &str = "thinking-binding-controls-2026-08-01";
    let folder = Path::new("tests/fixtures/anthropic/thoughts-that-a-model-checks");
    let (setup, body) = (setup(folder), fs::read(folder.join("request.json")).unwrap());
    let chat = ChatRequest::parse(&body).unwrap();
    let both = format!("files-api-2025-04-14, {BETA}");
    for (own, kept, header, given) in [
        (None, true, vec![BETA], true),
        (None, false, vec![], false),
        (Some("files-api-2025-04-14"), true, vec!["files-api-2025-04-14"], false),
        (Some(both.as_str()), true, vec![both.as_str()], true),
    ] {
        let mut target = anthropic(&setup);
        target.headers = own.map(|value| ("Anthropic-Beta".to_owned(), value.to_owned())).into_iter().collect();
        let extras = if kept { extras(&setup) } else { Extras::default() };
        let sent = outbound(&chat, &target, &extras).unwrap();
        let headers: Vec<&str> =
            sent.headers.iter().filter(|(name, _)| name == "anthropic-beta").map(|(_, value)| value.as_str()).collect();
        let text = String::from_utf8(sent.body).unwrap();
        assert_eq!((headers, text.contains("sig1"), text.contains("drop_block")), (header, given, given), "{own:?}");
    }
}

#[test]
fn url_and_headers() {
    let mut target = anthropic(&json!({}));
    target.base_url = Kind::Anthropic.default_base_url().unwrap().to_owned();
    let chat = ChatRequest::parse(br#"{"stream":true,"messages":[{"role":"user","content":"x"}]}"#).unwrap();
    let sent = outbound(&chat, &target, &Extras::default()).unwrap();
    let header = |name: &str| sent.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>();
    assert_eq!(sent.url, "https://api.anthropic.com/v1/messages");
    assert_eq!(header("x-api-key"), ["test-key-0123456789"]);
    assert_eq!(header("anthropic-version"), ["2023-06-01"]);
    assert_eq!((header("content-type"), header("accept")), (vec!["application/json"], vec!["text/event-stream"]));
    assert_eq!((header("authorization"), header("x-secret")), (vec![], vec!["hdr-secret-42"]));
}

/// `fixtures/anthropic-refused.json`: the `param` that is named, and members of the request.
#[test]
fn what_cannot_be_said_names_the_field() {
    let cases: Vec<Value> = serde_json::from_slice(&fs::read("tests/fixtures/anthropic-refused.json").unwrap()).unwrap();
    assert!(cases.len() >= 70, "only {} cases found", cases.len());
    for case in cases {
        let param = case["param"].as_str().unwrap();
        let mut request = json!({"model": "any", "messages": [{"role": "user", "content": "x"}]});
        request.as_object_mut().unwrap().extend(case["request"].as_object().unwrap().clone());
        let body = request.to_string();
        let error = outbound(&ChatRequest::parse(body.as_bytes()).unwrap(), &anthropic(&json!({})), &Extras::default()).unwrap_err();
        let shown: Value = serde_json::from_str(&error.body()).unwrap();
        assert_eq!((error.status(), shown["error"]["param"].as_str()), (400, Some(param)), "{request}: {}", error.message());
        let names = error.message().contains(param.rsplit('.').next().unwrap()) || param == "messages";
        assert!(names && error.message().ends_with('.'), "{param}: {}", error.message());
    }
}
