//! Vertex AI. Golden cases: `fixtures/vertex/<case>/`, one folder each, as those of Gemini (`gemini.rs`), and beside them
//! `outbound.http`: method, URL and headers, without the token, which is added where the request is sent. `setup.json` also says
//! `credential`: a service account, or an `api_key`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::vertex::{Account, KeyFile, Token};
use behest::provider::{Extras, Secret, Target};
use serde_json::{Value, json};

use crate::gemini;
use crate::goldens::{expect, extras, setup};
use crate::play::{key_file, play_with, vertex};

#[test]
fn cases() {
    let mut folders: Vec<_> = fs::read_dir("tests/fixtures/vertex").unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 20, "only {} cases found", folders.len());
    for folder in folders {
        let target = of(&setup(&folder));
        check_head(&folder, &target);
        gemini::check(&folder, &target);
    }
}

fn of(setup: &Value) -> Target {
    let mut target = vertex(setup["model"].as_str().unwrap());
    target.headers.clear();
    if setup["credential"] == "api_key" {
        target =
            Target { account: None, api_key: Some(Secret::new("AQ.test-key")), base_url: "https://vertex.example/v1".into(), ..target };
    }
    target
}

fn check_head(folder: &Path, target: &Target) {
    let body = fs::read(folder.join("request.json")).unwrap();
    let chat = ChatRequest::parse(&body).unwrap();
    let head = gemini::outbound(&chat, target, &extras(&setup(folder))).ok().map(|sent| {
        let mut head = format!("POST {}\n", sent.url);
        for (name, value) in sent.headers {
            writeln!(head, "{name}: {value}").unwrap();
        }
        head
    });
    expect(&folder.join("outbound.http"), head.as_deref().map(str::as_bytes));
}

type Failure = (u16, &'static str, u16, &'static str, &'static str);

/// (the status, its body, ours, our code, a word of the message), for models of every publisher.
const FAILURES: [Failure; 8] = [
    (
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.0.content.1.image.source.base64.data: URL sources are not supported"},"request_id":"req_vrtx_1"}"#,
        400,
        "validation_error",
        "URL sources",
    ),
    (
        401,
        r#"{"error":{"code":401,"message":"Request had invalid authentication credentials. canary-token","status":"UNAUTHENTICATED"}}"#,
        502,
        "upstream_error",
        "credential",
    ),
    (
        403,
        r#"{"error":{"code":403,"message":"Vertex AI API has not been used in project canary-project (123456789012) before or it is disabled.","status":"PERMISSION_DENIED"}}"#,
        502,
        "upstream_error",
        "credential",
    ),
    (
        404,
        r#"{"error":{"code":404,"message":"Publisher Model `projects/canary-project/locations/us-east5/publishers/google/models/gemini-9` was not found or your project does not have access to it.","status":"NOT_FOUND"}}"#,
        404,
        "model_not_found",
        "gemini-9",
    ),
    (
        400,
        r#"[{"error":{"code":400,"message":"The account gateway@canary-project.iam.gserviceaccount.com said canary-token.","status":"INVALID_ARGUMENT"}}]"#,
        400,
        "validation_error",
        "[redacted]",
    ),
    (
        400,
        r#"{"error":{"code":400,"message":"The feature structured_outputs is disabled by an organization policy.","status":"FAILED_PRECONDITION"}}"#,
        502,
        "upstream_error",
        "structured_outputs",
    ),
    (
        429,
        r#"{"error":{"code":429,"message":"Quota exceeded for aiplatform.googleapis.com.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7s"}]}}"#,
        429,
        "rate_limited",
        "Quota",
    ),
    (529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, 503, "upstream_error", "Overloaded"),
];

#[test]
fn failures_keep_secrets_and_names_of_the_owner() {
    for model in ["gemini-3.5-flash", "claude-opus-5", "meta/llama-4", "mistralai/m@1"] {
        let target = vertex(model);
        give_token(&target, "canary-token");
        for (status, body, ours, code, word) in FAILURES {
            let error = target.kind.dialect().failure(status, None, body.as_bytes(), &target);
            assert_eq!((error.status(), error.name()), (ours, code), "{model} {body}");
            assert!(error.message().contains(word), "{model} {body}: {}", error.message());
            assert!(!format!("{error:?}{}", error.body()).contains("canary"), "{model}: {error:?}");
            let retry = error.headers().into_iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value);
            assert_eq!(retry.as_deref(), (status == 429).then_some("7"), "{model} {body}");
        }
        assert!(!format!("{target:?}").contains("gserviceaccount"), "{target:?}");
    }
}

/// A token that a provider repeats within a stream does not reach the client either.
#[test]
fn an_error_in_a_stream_keeps_the_token() {
    let chat = ChatRequest::parse(br#"{"stream":true,"messages":[{"role":"user","content":"x"}]}"#).unwrap();
    for model in ["gemini-3.5-flash", "claude-opus-5", "meta/llama-4"] {
        let target = vertex(model);
        give_token(&target, "canary-token");
        let event = json!({"type": "error", "error": {"code": 400, "type": "api_error", "message": "You sent canary-token."}});
        let stream = format!("event: error\ndata: {event}\n\n");
        let played = play_with(target.kind.dialect().stream(&chat, &target, &Extras::default()), [stream.as_bytes()]);
        let client = String::from_utf8(played.client).unwrap();
        assert!(client.contains("You sent [redacted].") && !client.contains("canary"), "{model}: {client}");
    }
}

fn give_token(target: &Target, token: &str) {
    let answer = json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}).to_string();
    target.account.as_ref().unwrap().tokens(|tokens| {
        tokens.next(None, 0);
        tokens.landed(1, Token::read(200, answer.as_bytes(), 0), 0).unwrap();
    });
}

#[test]
fn an_assertion_says_what_google_wants() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let account = Account::new(KeyFile::read(key_file(), false).unwrap());
    let assertion = account.assertion(1_000_000);
    let parts: Vec<Value> =
        assertion.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()).collect();
    let claims = json!({
        "iss": "gateway@canary-project.iam.gserviceaccount.com", "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token", "iat": 999_990, "exp": 1_003_590,
    });
    assert_eq!(parts, [json!({"alg": "RS256", "typ": "JWT", "kid": "0123456789abcdef"}), claims]);

    let sent = account.exchange("a.b", &[0xfb, 0xff]);
    assert_eq!(sent.url, "https://oauth2.googleapis.com/token");
    assert_eq!(sent.headers[0], ("content-type".into(), "application/x-www-form-urlencoded".into()));
    let form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.-_8";
    assert_eq!(String::from_utf8(sent.body).unwrap(), form);
}
