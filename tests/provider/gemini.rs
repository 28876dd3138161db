//! The Gemini dialect. Golden cases: `fixtures/gemini/<case>/`, one folder each.
//!
//! `request.json` what the client sent; `setup.json` (optional) the model and the extras; `outbound.json` the body that goes to
//! Google, or `refused.json` what the client is told instead; `upstream.sse` or `upstream.json` (optional) Google's answer;
//! `reply.*` what the client gets; `usage.json` the tokens; `message.json` what the thread keeps, `private.json` what is kept
//! for the calls, each absent when nothing. `BLESS=1 cargo test` writes what came out; read the difference before you keep it.

use std::fs;
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::error::Error;
use behest::provider::{Call, Extras, Kind, Outbound, Target};
use behest::sse::DONE;
use serde_json::{Value, json};

use crate::goldens::{expect, expect_billed, expect_usage, extras, setup};
use crate::play::{every_cut, play_each_cut, play_with, random_cuts, target};

fn gemini(setup: &Value) -> Target {
    let mut target = target(Kind::Gemini);
    target.model = setup["model"].as_str().unwrap_or("gemini-3.5-flash").into();
    target
}

pub fn outbound(chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Outbound, Error> {
    match target.kind.dialect().request(chat, target, extras)? {
        Call::Http(outbound) => Ok(outbound),
        Call::Demo(_) | Call::WorkersAi(_) => panic!("no HTTP request"),
    }
}

fn folders() -> Vec<std::path::PathBuf> {
    let mut folders: Vec<_> = fs::read_dir("tests/fixtures/gemini").unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 100, "only {} cases found", folders.len());
    folders
}

#[test]
fn cases() {
    for folder in folders() {
        check(&folder, &gemini(&setup(&folder)));
    }
}

/// One case, of this dialect or of one that delegates to it.
pub fn check(folder: &Path, target: &Target) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let extras = extras(&setup(folder));
    let body = fs::read(folder.join("request.json")).unwrap();
    let chat = ChatRequest::parse(&body).unwrap();
    let sent = outbound(&chat, target, &extras);
    let refused = sent.as_ref().err().map(Error::body);
    expect(&folder.join("outbound.json"), sent.as_ref().ok().map(|sent| sent.body.as_slice()));
    expect(&folder.join("refused.json"), refused.as_deref().map(str::as_bytes));
    if let Ok(stream) = fs::read(folder.join("upstream.sse")) {
        let mut cuts = every_cut(stream.len());
        cuts.extend(random_cuts(stream.len(), 50));
        let played = play_each_cut(&name, &stream, &cuts, || target.kind.dialect().stream(&chat, target, &extras));
        expect(&folder.join("reply.sse"), Some(&played.client));
        expect_usage(folder, &json!({"usage": played.usage, "output_bytes": played.output_bytes}));
        expect(&folder.join("message.json"), played.message.as_deref().map(str::as_bytes));
        expect_private(folder, &json!(played.private));
    } else if let Ok(upstream) = fs::read(folder.join("upstream.json")) {
        match target.kind.dialect().response(&upstream, &chat, target, &extras) {
            Ok(reply) => {
                expect(&folder.join("reply.json"), Some(&reply.body));
                expect_usage(folder, &json!({"usage": reply.usage, "output_bytes": reply.output_bytes}));
                expect(&folder.join("message.json"), reply.message.as_deref().map(str::as_bytes));
                expect_private(folder, &json!(reply.private));
            }
            Err(error) => {
                expect(&folder.join("reply.json"), Some(error.body().as_bytes()));
                expect_billed(folder, target.kind, &upstream);
            }
        }
    }
}

fn expect_private(folder: &Path, private: &Value) {
    let kept = private.as_array().is_some_and(|all| !all.is_empty()).then(|| private.to_string());
    expect(&folder.join("private.json"), kept.as_deref().map(str::as_bytes));
}

/// A stream that stops anywhere but at its end is an error for the client, never `[DONE]`.
#[test]
fn a_cut_stream_is_never_complete() {
    let mut streams = 0;
    for folder in folders() {
        let Ok(stream) = fs::read(folder.join("upstream.sse")) else { continue };
        let setup = setup(&folder);
        let (target, extras) = (gemini(&setup), extras(&setup));
        let body = fs::read(folder.join("request.json")).unwrap();
        let chat = ChatRequest::parse(&body).unwrap();
        let play = |part: &[u8]| play_with(target.kind.dialect().stream(&chat, &target, &extras), [part]);
        // Where every event says that it is the last one, nothing tells which is.
        if play(&stream).error.is_some() || folder.ends_with("stream-finish-in-every-event") {
            continue;
        }
        streams += 1;
        let finish = stream.windows(12).rposition(|window| window == b"finishReason").unwrap_or(0);
        let blocked = stream.windows(11).rposition(|window| window == b"blockReason").unwrap_or(0);
        let last_line_end = stream.iter().rposition(|byte| *byte == b'}').unwrap();
        for at in 0..stream.len() {
            let played = play(&stream[..at]);
            assert_eq!(played.error.is_some(), !played.client.ends_with(DONE));
            // After the last finish reason only usage may follow, which does not make an answer complete.
            if at <= finish.max(blocked) {
                assert!(played.error.is_some(), "{}: complete at {at}", folder.display());
            }
            if at > last_line_end {
                assert!(played.error.is_none(), "{}: incomplete at {at}", folder.display());
            }
        }
    }
    assert!(streams >= 15, "only {streams} streams");
}

#[test]
fn nonsense_is_an_error_and_never_a_panic() {
    let target = gemini(&json!({}));
    let body = br#"{"stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let chat = ChatRequest::parse(body).unwrap();
    let (extras, good) = (Extras::default(), r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#);
    for nonsense in [
        "{",
        "null",
        "[]",
        "7",
        "\"x\"",
        "<html>",
        "{\"candidates\":7}",
        "{\"candidates\":[7]}",
        "\u{fffd}",
        "{\"candidates\":[{\"index\":999999999,\"content\":{}}]}",
    ] {
        for stream in [format!("data: {nonsense}\n\n"), format!("data: {good}\n\ndata: {nonsense}\n\n")] {
            let played = play_with(target.kind.dialect().stream(&chat, &target, &extras), [stream.as_bytes()]);
            assert_eq!(played.error.map(|error| error.status()), Some(502), "{nonsense}");
        }
        assert_eq!(target.kind.dialect().response(nonsense.as_bytes(), &chat, &target, &extras).unwrap_err().status(), 502, "{nonsense}");
    }
    assert_eq!(target.kind.dialect().response(b"\xff\xfe", &chat, &target, &extras).unwrap_err().status(), 502);
}

/// References that would be written out into more than memory holds, or deeper than the stack, stay bounded.
#[test]
fn schemas_stay_bounded() {
    let twice = |next: usize| json!({"type": "object", "properties": {"a": {"$ref": format!("#/$defs/d{next}")}, "b": {"$ref": format!("#/$defs/d{next}")}}});
    let definitions = |count: usize, definition: &dyn Fn(usize) -> Value| -> serde_json::Map<String, Value> {
        (0..count).map(|n| (format!("d{n}"), definition(n))).collect()
    };
    let doubling = definitions(60, &|n| if n == 59 { json!({"type": "string"}) } else { twice(n + 1) });
    let chain = definitions(20_000, &|n| json!({"items": {"$ref": format!("#/$defs/d{}", (n + 1) % 20_000)}, "type": "array"}));
    let straight = definitions(20_000, &|n| json!({"$ref": format!("#/$defs/d{}", (n + 1) % 20_000)}));
    let merged = definitions(
        60,
        &|n| json!({"allOf": [{"$ref": format!("#/$defs/d{}", (n + 1) % 60)}, {"$ref": format!("#/$defs/d{}", (n + 2) % 60)}]}),
    );
    let far = definitions(3_000, &|n| json!({"x": {"type": "string"}, "items": {"$ref": format!("#/$defs/d{}/x", (n + 1) % 3_000)}}));
    let wide: serde_json::Map<String, Value> = (0..3_000).map(|n| (format!("p{n}"), json!({"$ref": format!("#/$defs/d{n}/x")}))).collect();
    let deep = (0..55).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}));
    for (name, schema, most) in [
        ("doubling", json!({"$ref": "#/$defs/d0", "$defs": doubling}), 2_000_000),
        ("chain", json!({"$ref": "#/$defs/d0", "$defs": chain}), 10_000),
        ("straight", json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": straight}), 10_000),
        ("merged", json!({"$ref": "#/$defs/d0", "$defs": merged}), 10_000),
        ("far", json!({"type": "object", "properties": wide, "$defs": far}), 1_000_000),
        ("deep", json!({"type": "object", "properties": {"a": deep}}), 10_000),
    ] {
        let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
        let body = json!({"messages": [{"role": "user", "content": "x"}], "response_format": format}).to_string();
        let chat = ChatRequest::parse(body.as_bytes()).unwrap();
        // The platform's stack is smaller than a test's.
        let length = std::thread::scope(|scope| {
            let run = || outbound(&chat, &gemini(&json!({})), &Extras::default()).unwrap().body.len();
            std::thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, run).unwrap().join().unwrap()
        });
        assert!(length < most, "{name}: {length} bytes");
    }
}

#[test]
fn url_and_headers() {
    let mut target = gemini(&json!({"model": "gemini-2.5-flash"}));
    target.base_url = "https://google.example/v1beta/".into();
    for (body, path, accept) in [
        (r#"{"messages":[{"role":"user","content":"x"}]}"#, ":generateContent", "application/json"),
        (r#"{"stream":true,"messages":[{"role":"user","content":"x"}]}"#, ":streamGenerateContent?alt=sse", "text/event-stream"),
    ] {
        let chat = ChatRequest::parse(body.as_bytes()).unwrap();
        let sent = outbound(&chat, &target, &Extras::default()).unwrap();
        assert_eq!(sent.url, format!("https://google.example/v1beta/models/gemini-2.5-flash{path}"));
        let header = |name: &str| sent.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(header("x-goog-api-key"), Some("test-key-0123456789"));
        assert_eq!((header("accept"), header("content-type"), header("authorization")), (Some(accept), Some("application/json"), None));
    }
    let chat = ChatRequest::parse(br#"{"messages":[{"role":"user","content":"x"}]}"#).unwrap();
    for model in ["../../x", "a?key=stolen", "a#b", "a/b/c", "%2e%2e", "", "models/.."] {
        target.model = model.to_owned();
        let error = outbound(&chat, &target, &Extras::default()).unwrap_err();
        assert_eq!((error.status(), error.name()), (404, "model_not_found"), "{model}");
    }
    assert_eq!(Kind::Gemini.default_base_url(), Some("https://generativelanguage.googleapis.com/v1beta"));
}

type Failure = (u16, &'static str, u16, &'static str, &'static str, Option<&'static str>);

/// (Google's status, its body, ours, our code, a word of the message, `retry-after` in seconds)
const FAILURES: [Failure; 11] = [
    (
        400,
        r#"{"error":{"code":400,"message":"Invalid value at 'contents'.","status":"INVALID_ARGUMENT"}}"#,
        400,
        "validation_error",
        "Invalid value",
        None,
    ),
    (
        400,
        r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
        502,
        "upstream_error",
        "refused the gateway's credential",
        None,
    ),
    (
        400,
        r#"{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_EXPIRED"}]}}"#,
        502,
        "upstream_error",
        "credential",
        None,
    ),
    (
        400,
        r#"[{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}]"#,
        502,
        "upstream_error",
        "User location",
        None,
    ),
    (
        403,
        r#"{"error":{"code":403,"message":"Permission denied on key AIzaSyA1234567890abcdefg","status":"PERMISSION_DENIED"}}"#,
        502,
        "upstream_error",
        "credential",
        None,
    ),
    (
        404,
        r#"{"error":{"code":404,"message":"models/gemini-9 is not found","status":"NOT_FOUND"}}"#,
        404,
        "model_not_found",
        "gemini-9",
        None,
    ),
    (
        429,
        r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"m"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"26.5s"}]}}"#,
        429,
        "rate_limited",
        "quota",
        Some("27"),
    ),
    (429, r#"{"error":{"code":429,"message":"Slow down.","status":"RESOURCE_EXHAUSTED"}}"#, 429, "rate_limited", "Slow down", None),
    (
        503,
        r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
        503,
        "upstream_error",
        "overloaded",
        None,
    ),
    (
        504,
        r#"{"error":{"code":504,"message":"Deadline exceeded.","status":"DEADLINE_EXCEEDED"}}"#,
        504,
        "upstream_timeout",
        "Deadline",
        None,
    ),
    (500, "<html>", 502, "upstream_error", "status 500", None),
];

#[test]
fn failures() {
    let target = gemini(&json!({}));
    let chat = ChatRequest::parse(br#"{"stream":true,"messages":[{"role":"user","content":"x"}]}"#).unwrap();
    for (status, body, ours, code, word, retry) in FAILURES {
        let error = target.kind.dialect().failure(status, None, body.as_bytes(), &target);
        let retry_after = error.headers().into_iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value);
        assert_eq!((error.status(), error.name(), retry_after.as_deref()), (ours, code, retry), "{body}");
        assert!(error.message().contains(word) && !error.body().contains("AIza"), "{body}: {}", error.message());
        if !body.starts_with("{\"error\"") {
            continue;
        }
        // The same inside a stream, and with status 200.
        let begin = r#"data: {"candidates":[{"content":{"parts":[{"text":"So far."}]}}]}"#;
        let played = play_with(
            target.kind.dialect().stream(&chat, &target, &Extras::default()),
            [format!("{begin}\r\n\r\ndata: {body}\r\n\r\n").as_bytes()],
        );
        let within = played.error.unwrap();
        assert_eq!((within.status(), within.name()), (ours, code), "in a stream: {body}");
        assert!(String::from_utf8(played.client).unwrap().contains("So far.") && within.headers() == error.headers());
        let whole = target.kind.dialect().response(body.as_bytes(), &chat, &target, &Extras::default()).unwrap_err();
        assert_eq!((whole.status(), whole.name()), (ours, code), "with status 200: {body}");
    }
    // What the head said counts more than the body.
    let (_, body, ..) = FAILURES[6];
    let error = target.kind.dialect().failure(429, Some(3_000), body.as_bytes(), &target);
    assert!(error.headers().contains(&("retry-after", "3".to_owned())));
}
