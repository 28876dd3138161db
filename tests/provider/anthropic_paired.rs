//! The same case recorded at OpenAI and at Anthropic (`../shared/fixtures/lingua`, read only, may be absent): our translation of the one
//! request says what the other says, but for differences that are listed here with their reason.
//!
//! Not compared, for the recordings cannot agree on it: the model's own words in a history, a maximum that only Anthropic was told.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::{Call, Extras, Kind, Target};
use serde_json::{Value, json};

use crate::play::target;

const ROOT: &str = "../shared/fixtures/lingua/open";

/// (case, members that differ, why)
const DIFFERENT: [(&str, &[&str], &str); 9] = [
    ("chatCompletionsAnthropicCacheControlParam", &["messages"], "recorded with other texts"),
    ("chatCompletionsSystemCacheControlParam", &["system"], "recorded with another lifetime of the cache"),
    ("instructionsParam", &["system"], "recorded with another text"),
    ("promptCacheKeyParam", &["system"], "recorded with instructions that OpenAI was not given"),
    ("serviceTierParam", &["service_tier"], "OpenAI's price classes are not Anthropic's: left out"),
    ("opus47AdaptiveThinkingReasoningEffortParam", &["thinking"], "we ask for the thoughts to be shown"),
    ("reasoningSummaryParam", &["thinking"], "an effort asks for reasoning, so we ask for thinking too"),
    ("simpleRequest", &["thinking"], "recorded without the effort that OpenAI was asked for"),
    ("toolChoiceRequiredParam", &["tools"], "recorded with another schema"),
];

fn request(folder: &str, name: &str) -> Option<Value> {
    let file: Value = serde_json::from_slice(&fs::read(format!("{ROOT}/{folder}/{name}")).ok()?).unwrap();
    Some(file["request"]["body"].clone())
}

/// Two ways to say the same become one.
fn normal(mut body: Value) -> Value {
    let blocks = |content: &mut Value| {
        if let Some(text) = content.as_str() {
            *content = json!([{"type": "text", "text": text}]);
        }
    };
    blocks(&mut body["system"]);
    // Each side made its own: the number of the first mention will do.
    let mut ids = Vec::new();
    for message in body["messages"].as_array_mut().unwrap() {
        blocks(&mut message["content"]);
        let own_words = message["role"] == "assistant";
        for block in message["content"].as_array_mut().unwrap() {
            blocks(&mut block["content"]);
            for id in ["id", "tool_use_id"] {
                if let Some(text) = block[id].as_str().map(str::to_owned) {
                    let known = ids.iter().position(|id| *id == text).unwrap_or(ids.len());
                    ids.push(text);
                    block[id] = json!(known);
                }
            }
            if own_words && block["type"] == "text" {
                block["text"] = json!("");
            }
            block.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        }
    }
    if body["tool_choice"]["type"] == "auto" {
        body["tool_choice"] = Value::Null;
    }
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    body
}

#[test]
fn requests_say_what_was_recorded() {
    if !Path::new(ROOT).exists() {
        writeln!(io::stderr(), "SKIPPED: {ROOT} is not here; no pair was compared").unwrap();
        return;
    }
    let names = fs::read_dir(format!("{ROOT}/anthropic-messages")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut compared = 0;
    for name in names {
        let (Some(asked), Some(recorded)) = (request("openai-chat", &name), request("anthropic-messages", &name)) else { continue };
        let target = Target { model: recorded["model"].as_str().unwrap().to_owned(), ..target(Kind::Anthropic) };
        let body = asked.to_string();
        let chat = ChatRequest::parse(body.as_bytes()).unwrap();
        let Call::Http(sent) = target.kind.dialect().request(&chat, &target, &Extras::default()).unwrap() else { panic!("no request") };
        let (mut ours, mut theirs) = (normal(serde_json::from_slice(&sent.body).unwrap()), normal(recorded));
        if chat.max_output.is_none() {
            ours["max_tokens"] = theirs["max_tokens"].take();
            theirs["max_tokens"] = ours["max_tokens"].clone();
        }
        let members: BTreeSet<&String> = ours.as_object().unwrap().keys().chain(theirs.as_object().unwrap().keys()).collect();
        let different: Vec<&str> = members.iter().map(|name| name.as_str()).filter(|name| ours[name] != theirs[name]).collect();
        let case = name.split('-').next().unwrap();
        let explained = DIFFERENT.iter().find(|(known, ..)| *known == case).map_or::<&[&str], _>(&[], |(_, members, _)| members);
        assert_eq!(different, explained, "{name}\n  ours: {ours}\ntheirs: {theirs}");
        compared += 1;
    }
    writeln!(io::stderr(), "paired requests: {compared} compared, of which {} cases differ as explained", DIFFERENT.len()).unwrap();
    assert!(compared >= 40, "only {compared}");
}
