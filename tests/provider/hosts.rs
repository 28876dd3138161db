//! The table of hosts, and golden cases of what hosts with quirks are sent and what becomes of their answers:
//! `fixtures/hosts/<case>/`.
//!
//! `setup.json` names the host; `request.json` what the client sent; `outbound.json` the body that goes out, or `refused.json` the
//! error instead; `upstream.sse` or `upstream.json` (optional) the answer; `reply.*` what the client gets, absent when that is the
//! answer byte for byte; `usage.json` the tokens; `message.json` what the thread keeps.
//! `BLESS=1 cargo test` writes what came out; read the difference before you keep it.

use std::fs;
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::field::FIELDS;
use behest::provider::host::{HOSTS, listed};
use behest::provider::{Call, Extras, Host, Kind, Outbound, Target};
use serde_json::{Value, json};

use crate::goldens::{expect, expect_answers, extras, setup};
use crate::play::target;

/// A target at this host.
pub fn target_at(host: &str) -> Target {
    Target { host: Some(Host::preset(host).unwrap()), ..target(Kind::OpenAiCompatible) }
}

#[test]
fn cases() {
    let mut names: Vec<_> = fs::read_dir("tests/fixtures/hosts").unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 20, "only {} cases found", names.len());
    for folder in names {
        check(&folder);
    }
}

fn check(folder: &Path) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let setup = setup(folder);
    let target = target_at(setup["host"].as_str().unwrap());
    let (dialect, extras) = (target.kind.dialect(), extras(&setup));
    let body = fs::read(folder.join("request.json")).unwrap();
    let chat = ChatRequest::parse(&body).unwrap();
    let asked = dialect.request(&chat, &target, &extras);
    let outbound = asked.as_ref().ok().map(|call| match call {
        Call::Http(outbound) => outbound.body.as_slice(),
        other => panic!("{name}: {other:?}"),
    });
    expect(&folder.join("outbound.json"), outbound);
    expect(&folder.join("refused.json"), asked.as_ref().err().map(behest::error::Error::body).as_deref().map(str::as_bytes));
    expect_answers(folder, &chat, &target, &extras);
}

#[test]
fn rows_are_told_apart_and_name_known_fields() {
    assert!(HOSTS.is_sorted_by(|a, b| a.name < b.name));
    let catalogue = fs::read_to_string("src/catalog/models.tsv").unwrap();
    let mut domains: Vec<&str> = HOSTS.iter().flat_map(|host| host.domains).copied().collect();
    domains.sort_unstable();
    assert!(domains.is_sorted_by(|a, b| a < b));
    for host in &HOSTS {
        assert_eq!(Host::preset(host.name).unwrap(), host);
        let renamed = host.renames.iter().map(|(openai, _)| openai);
        for field in host.refuses.iter().chain(host.dislikes).chain(renamed) {
            assert!(FIELDS.iter().any(|known| known.name == *field), "{}: {field}", host.name);
        }
        assert!(host.refuses.is_sorted() && host.dislikes.is_sorted(), "{}", host.name);
        for name in host.catalog {
            let listed = |line: &str| line.split('\t').nth(1) == Some(name);
            assert!(*name == "openai-compatible" || catalogue.lines().any(listed), "{}: {name}", host.name);
        }
        let Some(url) = host.base_url else { continue };
        let of_url = Host::of(Kind::OpenAiCompatible, None, Some(url)).map(|host| host.name);
        assert_eq!(of_url, (!url.contains("localhost")).then_some(host.name), "{url}");
    }
    assert!(Host::preset("nonesuch").unwrap_err().body().contains("\"param\":\"preset\""));
}

#[test]
fn a_base_url_tells_the_host() {
    for (kind, url, expected) in [
        (Kind::OpenAiCompatible, "https://api.groq.com/openai/v1", Some("groq")),
        (Kind::OpenAiCompatible, "https://API.Groq.com:443/openai/v1", Some("groq")),
        (Kind::OpenAi, "https://acme.openai.azure.com/openai/v1", Some("azure")),
        (Kind::OpenAiCompatible, "https://acme.services.ai.azure.com", Some("azure")),
        (Kind::OpenAiCompatible, "https://us.api.fireworks.ai/inference/v1", Some("fireworks")),
        (Kind::OpenAiCompatible, "https://evil-api.groq.com.example/v1", None),
        (Kind::OpenAiCompatible, "https://notapi.groq.com/v1", None),
        (Kind::OpenAiCompatible, "https://example.com/api.groq.com", None),
        (Kind::OpenAi, "https://api.openai.com/v1", None),
        (Kind::Anthropic, "https://api.groq.com/openai/v1", None),
    ] {
        assert_eq!(Host::of(kind, None, Some(url)).map(|host| host.name), expected, "{url}");
    }
    assert_eq!(Host::of(Kind::OpenAiCompatible, Some("mistral"), Some("https://proxy.example/v1")).unwrap().name, "mistral");
}

/// A model costs what its host takes for it, never what another does; a relay that has no price of its own takes the maker's.
#[test]
fn prices_are_the_hosts_own() {
    let row =
        |host: &str, model: &str| listed(Kind::OpenAiCompatible, Some(Host::preset(host).unwrap()), model).map(|model| model.provider);
    for (host, model, expected) in [
        ("groq", "openai/gpt-oss-120b", Some("groq")),
        ("groq", "gpt-4o", None),
        ("mistral", "mistral-large-latest", Some("mistral")),
        ("deepseek", "deepseek-chat", Some("deepseek")),
        ("azure", "gpt-4o", Some("openai")),
        ("openrouter", "anthropic/claude-sonnet-4-5", Some("anthropic")),
    ] {
        assert_eq!(row(host, model), expected, "{host} {model}");
    }
    // Nobody's prices, but the window that everybody gives it.
    assert_eq!(Target { model: "gpt-4o".into(), ..target_at("groq") }.limits().0, 128_000);
}

fn sent(target: &Target) -> Outbound {
    let chat = ChatRequest::parse(br#"{"messages":[{"role":"user","content":"x"}]}"#).unwrap();
    match target.kind.dialect().request(&chat, target, &Extras::default()).unwrap() {
        Call::Http(outbound) => outbound,
        other => panic!("{other:?}"),
    }
}

#[test]
fn azure_has_its_own_urls_and_header() {
    let resource = "https://acme.openai.azure.com/openai";
    for (kind, api_version, url) in [
        (Kind::OpenAiCompatible, None, format!("{resource}/v1/chat/completions")),
        (Kind::OpenAi, Some("2024-10-21"), format!("{resource}/deployments/served-model/chat/completions?api-version=2024-10-21")),
    ] {
        let target = Target { kind, base_url: resource.into(), api_version: api_version.map(Into::into), ..target_at("azure") };
        let outbound = sent(&target);
        let header = |name: &str| outbound.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!((outbound.url.as_str(), header("api-key"), header("authorization")), (url.as_str(), Some("test-key-0123456789"), None));
    }
    let elsewhere =
        Target { api_version: Some("2024-10-21".into()), model: "../x".into(), base_url: resource.into(), ..target_at("azure") };
    let chat = ChatRequest::parse(br#"{"messages":[{"role":"user","content":"x"}]}"#).unwrap();
    assert_eq!(elsewhere.kind.dialect().request(&chat, &elsewhere, &Extras::default()).unwrap_err().status(), 404);
}

#[test]
fn what_azures_filter_refused_is_told() {
    let body = json!({"error": {"message": "The response was filtered.", "type": null, "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {
            "hate": {"filtered": true, "severity": "high"}, "sexual": {"filtered": false, "severity": "safe"}, "jailbreak": {"filtered": true, "detected": true}}}}});
    let failure = |host: Option<&'static Host>, body: &Value| {
        let target = Target { host, ..target(Kind::OpenAiCompatible) };
        let error = target.kind.dialect().failure(400, None, body.to_string().as_bytes(), &target);
        serde_json::from_str::<Value>(&error.body()).unwrap()["error"].clone()
    };
    let azure = Some(Host::preset("azure").unwrap());
    let told = failure(azure, &body);
    assert_eq!(
        (&told["code"], &told["param"], &told["message"]),
        (&json!("validation_error"), &json!("messages"), &json!("The response was filtered."))
    );
    assert_eq!(told["details"], json!({"scope": "content_filter", "filtered": ["hate", "jailbreak"]}));
    let other = json!({"error": {"message": "Too long.", "param": "messages", "code": "context_length_exceeded"}});
    assert_eq!(failure(azure, &other)["details"], Value::Null);
    assert_eq!(failure(None, &body)["details"], Value::Null);
}
