//! The table of fields holds: one asking value of each field, at each dialect that translates.
//!
//! Always holds: a field that is refused is a 400 that names it; one that is ignored changes nothing that is sent; one that is used
//! changes it. Every field of the table has its value here.

use behest::api::chat::ChatRequest;
use behest::provider::field::{FIELDS, Field, Rule};
use behest::provider::{Call, Extras, Kind, Outbound};
use serde_json::{Value, json};

use crate::play::target;

/// A value that asks for something, and what it needs beside it.
fn asking(name: &str) -> (Value, Value) {
    let function = json!({"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}});
    let tools = json!([{"type": "function", "function": function}]);
    let alone = |value: Value| (value, json!({}));
    match name {
        "audio" => alone(json!({"voice": "alloy", "format": "mp3"})),
        "cache_control" => alone(json!({"type": "ephemeral"})),
        "extra_body" => alone(json!({"google": {"cached_content": "cachedContents/x"}})),
        "frequency_penalty" | "presence_penalty" | "temperature" | "top_p" => alone(json!(0.5)),
        "function_call" => alone(json!({"name": "f"})),
        "functions" => alone(json!([function])),
        "logit_bias" => alone(json!({"1": 5})),
        "logprobs" | "store" | "stream" => alone(json!(true)),
        "max_completion_tokens" | "max_tokens" => alone(json!(50)),
        "messages" => alone(json!([{"role": "user", "content": "another"}])),
        "metadata" => alone(json!({"a": "b"})),
        "modalities" => alone(json!(["text", "image"])),
        "model" => alone(json!("any")),
        "n" => alone(json!(2)),
        "parallel_tool_calls" => (json!(false), json!({"tools": tools})),
        "prediction" => alone(json!({"type": "content", "content": "x"})),
        "prompt_cache_key" | "safety_identifier" | "user" => alone(json!("u")),
        "prompt_cache_retention" => alone(json!("24h")),
        "reasoning_effort" => alone(json!("high")),
        "response_format" => alone(json!({"type": "json_object"})),
        "seed" | "top_k" => alone(json!(7)),
        "service_tier" => alone(json!("flex")),
        "stop" => alone(json!(["END"])),
        "stream_options" => (json!({"include_usage": true}), json!({"stream": true})),
        "thinking" => alone(json!({"type": "enabled", "budget_tokens": 1_024})),
        "tool_choice" => (json!("required"), json!({"tools": tools})),
        "tools" => alone(tools),
        "top_logprobs" => (json!(2), json!({"logprobs": true})),
        "verbosity" => alone(json!("low")),
        "web_search_options" => alone(json!({})),
        other => panic!("no value for {other}"),
    }
}

/// Used, but not in what is sent: usage is asked of every provider, the model is the target's, and Gemini has no word for one call
/// at a time, so that the answer is cut.
const NOT_SENT: [(&str, Option<Kind>); 3] = [("stream_options", None), ("model", None), ("parallel_tool_calls", Some(Kind::Gemini))];

fn send(kind: Kind, body: &Value) -> Result<Outbound, behest::error::Error> {
    let mut target = target(kind);
    target.model = if kind == Kind::Gemini { "gemini-3.5-flash" } else { "claude-sonnet-4-5" }.into();
    let text = body.to_string();
    match target.kind.dialect().request(&ChatRequest::parse(text.as_bytes())?, &target, &Extras::default())? {
        Call::Http(outbound) => Ok(outbound),
        Call::Demo(_) | Call::WorkersAi(_) => panic!("no HTTP request"),
    }
}

#[test]
fn each_field_is_treated_as_the_table_says() {
    for field in &FIELDS {
        check(field, Kind::Anthropic, field.anthropic);
        check(field, Kind::Gemini, field.gemini);
    }
}

fn check(field: &Field, kind: Kind, rule: Rule) {
    let name = format!("{} at {}", field.name, kind.name());
    let (value, beside) = asking(field.name);
    let mut without = json!({"messages": [{"role": "user", "content": "x"}]});
    without.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
    // What it needs beside it may be refused first, and then it is that which is named.
    if rule == Rule::Refused {
        without = json!({"messages": [{"role": "user", "content": "x"}]});
    }
    let mut with = without.clone();
    with[field.name] = value;
    let sent = send(kind, &with);
    if rule == Rule::Refused {
        let error: Value = serde_json::from_str(&sent.expect_err(&name).body()).unwrap();
        assert_eq!((&error["error"]["param"], &error["code"]), (&json!(field.name), &json!("validation_error")), "{name}");
        for neutral in field.neutral {
            with[field.name] = serde_json::from_str(neutral).unwrap();
            assert_eq!(send(kind, &with).expect(&name), send(kind, &without).unwrap(), "{name}: {neutral} asks for nothing");
        }
        return;
    }
    let same = sent.expect(&name) == send(kind, &without).expect(&name);
    let silent = NOT_SENT.iter().any(|(known, at)| *known == field.name && at.is_none_or(|at| at == kind));
    assert_eq!(same, rule == Rule::Ignored || silent, "{name}: the same as without it: {same}");
}
