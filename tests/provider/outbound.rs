//! URL, headers and kinds; the bodies are in the golden cases.

use behest::api::chat::ChatRequest;
use behest::provider::{Call, Extras, Kind, Outbound, Target};
use serde_json::value::RawValue;

use crate::play::target;

const BODY: &str = r#"{"messages":[{"role":"user","content":"x"}]}"#;

fn outbound(target: &Target, body: &str) -> Outbound {
    let chat = ChatRequest::parse(body.as_bytes()).unwrap();
    match target.kind.dialect().request(&chat, target, &Extras::default()).unwrap() {
        Call::Http(outbound) => outbound,
        other => panic!("{other:?} is no request"),
    }
}

fn header<'o>(outbound: &'o Outbound, name: &str) -> Vec<&'o str> {
    outbound.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn url_and_headers() {
    let mut target = target(Kind::OpenAi);
    let sent = outbound(&target, BODY);
    assert_eq!(sent.url, "https://provider.example/v1/chat/completions");
    assert_eq!(header(&sent, "authorization"), ["Bearer test-key-0123456789"]);
    assert_eq!(header(&sent, "content-type"), ["application/json"]);
    assert_eq!(header(&sent, "accept"), ["application/json"]);
    assert_eq!(header(&sent, "x-secret"), ["hdr-secret-42"]);
    assert!(!format!("{sent:?}").contains("test-key") && !format!("{sent:?}").contains("hdr-secret"));

    let streamed = outbound(&target, r#"{"stream":true,"messages":[{"role":"user","content":"x"}]}"#);
    assert_eq!(header(&streamed, "accept"), ["text/event-stream"]);

    target.base_url = "https://other.example/openai/".into();
    target.headers = vec![("Authorization".into(), "Basic abc".into()), ("API-Key".into(), "k".into())];
    let sent = outbound(&target, BODY);
    assert_eq!(sent.url, "https://other.example/openai/chat/completions");
    assert_eq!(header(&sent, "authorization"), ["Basic abc"]);
    assert_eq!(header(&sent, "api-key"), ["k"]);

    target.headers.clear();
    target.api_key = None;
    assert!(header(&outbound(&target, BODY), "authorization").is_empty());
}

#[test]
fn a_model_name_is_data() {
    let mut target = target(Kind::OpenAi);
    target.model = "a\"},\"stream\":true,{\"".into();
    let sent = outbound(&target, BODY);
    let read: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(read["model"], target.model);
    assert_eq!(read.as_object().unwrap().len(), 2);
}

#[test]
fn kinds_have_one_name_everywhere() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.name()).unwrap(), kind);
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        assert_eq!(serde_json::from_str::<Kind>(&format!("\"{}\"", kind.name())).unwrap(), kind);
    }
    let error = Kind::parse("OpenAI").unwrap_err();
    assert!(error.body().contains("\"param\":\"kind\"") && error.message().contains("openai-compatible"), "{}", error.body());
    assert_eq!(Kind::OpenAi.default_base_url(), Some("https://api.openai.com/v1"));
    assert_eq!(Kind::OpenAiCompatible.default_base_url(), None);
}

/// Stored messages keep their bytes, like the client's.
#[test]
fn prepended_messages_are_inserted_raw() {
    let target = target(Kind::OpenAi);
    let chat = ChatRequest::parse(BODY.as_bytes()).unwrap();
    let stored = RawValue::from_string(r#"{"role":"assistant", "content":"caf\u00e9 1.0"}"#.into()).unwrap();
    let extras = Extras { prepend: vec![stored], ..Extras::default() };
    let Call::Http(sent) = target.kind.dialect().request(&chat, &target, &extras).unwrap() else { panic!("no request") };
    let expected = r#"{"messages":[{"role":"assistant", "content":"caf\u00e9 1.0"},{"role":"user","content":"x"}],"model":"served-model"}"#;
    assert_eq!(String::from_utf8(sent.body).unwrap(), expected);
}
