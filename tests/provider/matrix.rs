//! The golden matrix: each canonical request of an OpenAI client × each dialect, `fixtures/matrix/<case>/`.
//!
//! `request.json` what the client sent; `<dialect>.json` what goes to that provider: its path and body, or the error that the client
//! gets. So a change of one dialect, and a request that one dialect forgot, stand side by side with the others.
//! `BLESS=1 cargo test` writes what came out; read the difference before you keep it.

use std::fs;
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::{Call, Extras, Host, Kind, Target};
use serde_json::{Value, json};

use crate::goldens::expect;
use crate::play::{target, vertex};

/// A request in each of these has to be there: what an app sends, not what a provider can do.
const CASES: [&str; 12] = [
    "conversation",
    "documents",
    "images",
    "json-object",
    "json-schema",
    "limits",
    "parallel-tools",
    "plain",
    "reasoning",
    "stream",
    "tool-choice",
    "tool-results",
];

/// Every dialect, with a model of today's.
fn dialects() -> [(&'static str, Target); 9] {
    let of = |kind, model: &str| Target { model: model.into(), ..target(kind) };
    let host = |preset: &str, model: &str| Target { host: Some(Host::preset(preset).unwrap()), ..of(Kind::OpenAiCompatible, model) };
    [
        ("openai", of(Kind::OpenAi, "gpt-5-mini")),
        ("groq", host("groq", "llama-3.3-70b-versatile")),
        ("mistral", host("mistral", "mistral-large-latest")),
        ("anthropic", of(Kind::Anthropic, "claude-sonnet-4-5")),
        ("gemini", of(Kind::Gemini, "gemini-3.5-flash")),
        ("vertex-claude", vertex("claude-sonnet-4-5@20250929")),
        ("vertex-gemini", vertex("gemini-2.5-flash")),
        ("vertex-llama", vertex("meta/llama-3.3-70b-instruct-maas")),
        ("workers-ai", workers_ai("@cf/meta/llama-3.3-70b-instruct-fp8-fast")),
    ]
}

/// A model of Workers AI, asked through the binding.
fn workers_ai(model: &str) -> Target {
    let host = Host::of(Kind::WorkersAi, None, None);
    Target { host, base_url: String::new(), api_key: None, model: model.into(), ..target(Kind::WorkersAi) }
}

#[test]
fn cases() {
    let mut names: Vec<_> = fs::read_dir("tests/fixtures/matrix").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, CASES);
    for name in CASES {
        let folder = Path::new("tests/fixtures/matrix").join(name);
        let request = fs::read(folder.join("request.json")).unwrap();
        for (dialect, target) in dialects() {
            check(&folder, &request, dialect, &target);
        }
    }
}

fn check(folder: &Path, request: &[u8], dialect: &str, target: &Target) {
    let chat = ChatRequest::parse(request).unwrap();
    let sent = match target.kind.dialect().request(&chat, target, &Extras::default()) {
        Ok(Call::Http(outbound)) => {
            let path = outbound.url.strip_prefix(target.base_url.trim_end_matches('/')).unwrap();
            json!({"path": path, "body": serde_json::from_slice::<Value>(&outbound.body).unwrap()})
        }
        Ok(Call::WorkersAi(run)) => json!({"run": run.model, "inputs": serde_json::from_slice::<Value>(&run.inputs).unwrap()}),
        Ok(Call::Demo(_)) => panic!("the demo is no provider"),
        Err(error) => json!({"refused": serde_json::from_str::<Value>(&error.body()).unwrap()["error"]}),
    };
    expect(&folder.join(format!("{dialect}.json")), Some(format!("{sent:#}\n").as_bytes()));
}
