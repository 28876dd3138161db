//! Golden cases of Workers AI: `fixtures/workers_ai/<case>/`.
//!
//! `request.json` what the client sent; `inputs.json` what the binding is given; `upstream.sse` or `upstream.json` its answer;
//! `reply.*` what the client gets, absent when that is the answer byte for byte; `usage.json` the tokens; `message.json` what the
//! thread keeps. `BLESS=1 cargo test` writes what came out; read the difference before you keep it.

use std::fs;
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::{Call, Extras, Host, Kind, Target};
use serde_json::{Value, json};

use crate::goldens::{expect, expect_answers, extras, setup};
use crate::play::target;

const MODEL: &str = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";

fn bound() -> Target {
    let host = Host::of(Kind::WorkersAi, None, None);
    Target { host, base_url: String::new(), api_key: None, model: MODEL.into(), ..target(Kind::WorkersAi) }
}

#[test]
fn cases() {
    let mut names: Vec<_> = fs::read_dir("tests/fixtures/workers_ai").unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 15, "only {} cases found", names.len());
    for folder in names {
        check(&folder);
    }
}

fn check(folder: &Path) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let (target, extras) = (bound(), extras(&setup(folder)));
    let dialect = target.kind.dialect();
    let body = fs::read(folder.join("request.json")).unwrap();
    let chat = ChatRequest::parse(&body).unwrap();
    let Call::WorkersAi(run) = dialect.request(&chat, &target, &extras).unwrap() else { panic!("{name}: no run") };
    assert_eq!(run.model, MODEL);
    expect(&folder.join("inputs.json"), Some(&run.inputs));
    expect_answers(folder, &chat, &target, &extras);
}

#[test]
fn with_an_address_it_is_openais_dialect() {
    let base_url = "https://api.cloudflare.com/client/v4/accounts/a1/ai/v1".to_owned();
    let target = Target { base_url, model: MODEL.into(), host: Host::of(Kind::WorkersAi, None, None), ..target(Kind::WorkersAi) };
    let chat = ChatRequest::parse(br#"{"messages":[{"role":"developer","content":"x"}],"max_completion_tokens":5}"#).unwrap();
    let Call::Http(sent) = target.kind.dialect().request(&chat, &target, &Extras::default()).unwrap() else { panic!("no request") };
    assert_eq!(sent.url, "https://api.cloudflare.com/client/v4/accounts/a1/ai/v1/chat/completions");
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body, json!({"messages": [{"role": "system", "content": "x"}], "max_tokens": 5, "model": MODEL}));
    assert!(sent.headers.contains(&("authorization".into(), "Bearer test-key-0123456789".into())));
}

#[test]
fn only_names_of_its_models_are_asked_for() {
    let chat = ChatRequest::parse(br#"{"messages":[{"role":"user","content":"x"}]}"#).unwrap();
    let asked = |model: &str| {
        let target = Target { model: model.into(), ..bound() };
        target.kind.dialect().request(&chat, &target, &Extras::default()).map(|_| ()).map_err(|error| error.status())
    };
    for model in [MODEL, "@hf/nousresearch/hermes-2-pro-mistral-7b", "@cf/a.b_c"] {
        assert_eq!(asked(model), Ok(()), "{model}");
    }
    for model in ["", "gpt-5", "@cf/", "@cf/a/../b", "@cf//b", "@cf/a?b", "@cf/a b", "cf/meta/llama", "@xx/a/b"] {
        assert_eq!(asked(model), Err(404), "{model}");
    }
}

#[test]
fn failures_are_read() {
    let failure = |status: u16, body: Value| {
        let error = bound().kind.dialect().failure(status, Some(2_000), body.to_string().as_bytes(), &bound());
        (error.status(), error.message().to_owned())
    };
    let errors = |code: u32, message: &str| json!({"result": {}, "success": false, "errors": [{"message": message, "code": code}]});
    assert_eq!(failure(400, errors(5007, "AiError: No such model @cf/x or task")).0, 404);
    assert_eq!(failure(400, errors(5006, "AiError: Bad input")), (400, "AiError: Bad input".into()));
    assert_eq!(failure(429, errors(3040, "Capacity temporarily exceeded")), (429, "Capacity temporarily exceeded".into()));
    assert_eq!(failure(401, errors(10_000, "Authentication error")).0, 502);
    assert_eq!(failure(400, json!({"name": "InvalidInput", "message": "No prompt.", "internalCode": 1001})), (400, "No prompt.".into()));
    assert_eq!(failure(500, json!("x")).0, 502);
}
