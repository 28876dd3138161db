//! What a client is told when a provider fails: the whole table of statuses, and that no secret gets through.

use behest::error::Error;
use behest::provider::{Kind, meant};
use serde_json::{Value, json};

use crate::play::target;

fn failure(status: u16, body: &str) -> Error {
    failure_of(Kind::OpenAi, status, body)
}

fn failure_of(kind: Kind, status: u16, body: &str) -> Error {
    kind.dialect().failure(status, Some(1_500), body.as_bytes(), &target(kind))
}

fn rendered(error: &Error) -> Value {
    serde_json::from_str(&error.body()).unwrap()
}

/// (provider's status, ours, our code, whether its words are shown, whether its `retry-after` is passed on)
const TABLE: [(u16, u16, &str, bool, bool); 30] = [
    (301, 502, "upstream_error", true, false),
    (302, 502, "upstream_error", true, false),
    (307, 502, "upstream_error", true, false),
    (400, 400, "validation_error", true, false),
    (401, 502, "upstream_error", false, false),
    (402, 502, "upstream_error", false, false),
    (403, 502, "upstream_error", false, false),
    (404, 404, "model_not_found", true, false),
    (405, 502, "upstream_error", true, false),
    (408, 504, "upstream_timeout", true, false),
    (409, 502, "upstream_error", true, false),
    (410, 502, "upstream_error", true, false),
    (413, 413, "payload_too_large", true, false),
    (415, 502, "upstream_error", true, false),
    (418, 502, "upstream_error", true, false),
    (422, 422, "validation_error", true, false),
    (424, 502, "upstream_error", true, false),
    (429, 429, "rate_limited", true, true),
    (451, 502, "upstream_error", true, false),
    (499, 502, "upstream_error", true, false),
    (500, 502, "upstream_error", true, false),
    (501, 502, "upstream_error", true, false),
    (502, 502, "upstream_error", true, false),
    (503, 503, "upstream_error", true, true),
    (504, 504, "upstream_timeout", true, false),
    (520, 502, "upstream_error", true, false),
    (522, 504, "upstream_timeout", true, false),
    (524, 504, "upstream_timeout", true, false),
    (529, 503, "upstream_error", true, true),
    (599, 502, "upstream_error", true, false),
];

#[test]
fn every_status() {
    let every = Kind::ALL.into_iter().flat_map(|kind| TABLE.map(|row| (kind, row)));
    for (kind, (theirs, ours, code, words, retry)) in every {
        let body = r#"{"error":{"message":"Their own words.","type":"t","param":"their.param","code":"c"}}"#;
        let error = failure_of(kind, theirs, body);
        assert_eq!((error.status(), error.name()), (ours, code), "{kind:?} {theirs}");
        assert_eq!(error.message().contains("Their own words."), words, "{theirs}: {}", error.message());
        assert_eq!(error.headers().iter().any(|(name, value)| *name == "retry-after" && value == "2"), retry, "{theirs}");
        let shown = rendered(&error);
        let param = if matches!(theirs, 400 | 422) {
            json!("their.param")
        } else if theirs == 404 {
            json!("model")
        } else {
            Value::Null
        };
        assert_eq!(shown["error"]["param"], param, "{theirs}");
        let details = if theirs == 429 { json!({"scope": "upstream"}) } else { Value::Null };
        assert_eq!(shown["error"]["details"], details, "{theirs}");
    }
}

#[test]
fn bodies_without_words_get_a_sentence_with_the_status() {
    let html = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>";
    for body in
        ["", " ", html, "null", "[]", "{}", "\"text\"", r#"{"error":{}}"#, r#"{"error":{"message":""}}"#, r#"{"error":{"message":7}}"#]
    {
        for (theirs, ours, ..) in TABLE {
            let error = failure(theirs, body);
            assert_eq!(error.status(), ours, "{theirs} {body}");
            let said_so = error.message().contains(&format!("(status {theirs})")) || matches!(theirs, 401..=403);
            assert!(
                said_so && error.message().ends_with('.') && !error.message().contains("nginx"),
                "{theirs} {body}: {}",
                error.message()
            );
        }
    }
}

/// As the providers answer: (kind, status, body, what the client is told, what it means for what is tried next).
#[test]
fn statuses_that_say_something_else_than_they_mean() {
    let bad_key =
        r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
    let no_credit = r#"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    for (kind, status, body, told, means) in [
        (Kind::Gemini, 400, bad_key, 502, 401),
        (Kind::OpenAi, 429, no_credit, 429, 402),
        (Kind::OpenAi, 400, no_credit, 400, 400),
        (Kind::Anthropic, 401, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#, 502, 401),
        (Kind::Anthropic, 529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, 503, 529),
    ] {
        assert_eq!((failure_of(kind, status, body).status(), meant(status, body.as_bytes())), (told, means), "{kind:?} {body}");
    }
}

/// Answers that nobody can use, and that count tokens: those are billed.
#[test]
fn what_an_unusable_answer_has_spent_is_read() {
    for (kind, body) in [
        (Kind::OpenAi, r#"{"choices":null,"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#),
        (Kind::OpenAiCompatible, r#"{"error":null,"usage":{"prompt_tokens":11,"completion_tokens":7}}"#),
        (Kind::Anthropic, r#"{"type":"message","content":7,"usage":{"input_tokens":11,"output_tokens":7}}"#),
        (Kind::Gemini, r#"{"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":7,"totalTokenCount":18}}"#),
    ] {
        let spent = |body: &str| kind.dialect().billed(body.as_bytes()).map(|usage| (usage.input, usage.output));
        assert_eq!(spent(body), Some((11, 7)), "{kind:?}");
        for nothing in ["", "{}", "<html>", r#"{"usage":null}"#, r#"{"usageMetadata":7}"#] {
            assert_eq!(spent(nothing), None, "{kind:?} {nothing}");
        }
    }
}

#[test]
fn the_shapes_in_use_are_read() {
    for body in [
        r#"{"error":{"message":"No."}}"#,
        r#"{"error":"No."}"#,
        r#"{"object":"error","message":"No.","type":"invalid","param":null,"code":null}"#,
        r#"{"detail":"No."}"#,
        r#"[{"error":{"code":400,"message":"No.","status":"INVALID_ARGUMENT"}}]"#,
        r#"{"detail":[{"loc":["body"],"msg":"No."}]}"#,
        r#"{"object":"error","message":{"detail":[{"loc":["body","x"],"msg":"No."}]},"type":"invalid_request_error","code":null}"#,
    ] {
        assert!(failure(400, body).message().contains("No."), "{body}");
    }
}

#[test]
fn nothing_that_looks_like_a_key_is_shown() {
    for secret in [
        "test-key-0123456789",
        "hdr-secret-42",
        "sk-proj-AbC_dEf-123456",
        "sk-ant-api03-xxxxxxxx",
        "sk-abcd****************wxyz",
        "AIzaSyA1234567890abcdefg",
        "gsk_1234567890abcdef",
        "xai-1234567890abcdef",
        "hf_1234567890abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "behest_sk_live_0123456789abcdef0123456789abcdef",
        "ghp_1234567890abcdef",
    ] {
        for around in ["Incorrect key: {}.", "url?key={}&x=1", "'{}'", "Authorization: Bearer {}", "{}", "a,{};b", "({})"] {
            let said = around.replace("{}", secret);
            for (theirs, ..) in TABLE {
                let body = json!({"error": {"message": said, "param": said}}).to_string();
                let shown = failure(theirs, &body).body();
                assert!(!shown.contains(secret), "{theirs}: {shown}");
            }
        }
    }
    let shown = failure(400, r#"{"error":"use Bearer abcdef0123 or bearer: \"xyzxyz99\""}"#).body();
    assert!(!shown.contains("abcdef0123") && !shown.contains("xyzxyz99"), "{shown}");
    for harmless in
        ["The task-force of sk- keys", "max_tokens is too large: 99", "Bearer is missing", "model `gpt-4o-mini-2024-07-18` is gone"]
    {
        assert_eq!(failure(400, &json!({"error": harmless}).to_string()).message(), harmless);
    }
}

#[test]
fn messages_are_bounded_and_on_one_line() {
    let error = failure(400, &json!({"error": format!("a\r\nb\u{1b}[31m {}", "é".repeat(100_000))}).to_string());
    assert_eq!(error.message().chars().count(), 501);
    assert!(error.message().starts_with("a  b [31m é") && error.message().ends_with('…'));
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", target(Kind::OpenAi));
    assert!(shown.contains("[redacted]") && shown.contains("X-Secret"));
    assert!(!shown.contains("test-key") && !shown.contains("hdr-secret"), "{shown}");
}
