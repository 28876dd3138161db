//! The built-in demo: golden answers (`fixtures/demo/<case>/`: `request.json`, and `reply.sse` or `reply.json` as the client gets
//! it), and that made-up JSON is valid for its schema. `BLESS=1 cargo test` writes what came out.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::error::Result;
use behest::provider::demo::Script;
use behest::provider::{Call, Extras, Kind};
use serde_json::{Value, json};

use crate::play::{Played, chat, play_however_cut, random_cuts, target};
use crate::schema::fault;

const NOW_S: u64 = 1_800_000_000;

fn script(request: &Value) -> Result<Script> {
    let body = request.to_string();
    let target = target(Kind::Demo);
    let extras = Extras { now_s: NOW_S, ..Extras::default() };
    match target.kind.dialect().request(&ChatRequest::parse(body.as_bytes()).unwrap(), &target, &extras)? {
        Call::Demo(script) => Ok(script),
        Call::Http(_) | Call::WorkersAi(_) => panic!("the demo has no network"),
    }
}

/// What the client gets of a streamed answer; whole pieces and other cuts must come to the same.
fn streamed(name: &str, script: &Script, wants_usage: bool) -> Played {
    let body = script.body();
    play_however_cut(name, &target(Kind::Demo), wants_usage, &body, &random_cuts(body.len(), 20))
}

fn check(folder: &Path) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let request: Value = serde_json::from_slice(&fs::read(folder.join("request.json")).unwrap()).unwrap();
    let made = script(&request).unwrap();
    assert_eq!(made, script(&request).unwrap(), "{name}: the same request gives the same bytes");
    let target = target(Kind::Demo);
    let (file, reply) = if made.status != 200 {
        let error = target.kind.dialect().failure(made.status, made.retry_after_ms, &made.body(), &target);
        ("reply.json", format!("{} {:?}\n{}", error.status(), error.headers(), error.body()).into_bytes())
    } else if request["stream"] == true {
        let played = streamed(&name, &made, request["stream_options"]["include_usage"] == true);
        assert_eq!(played.usage.is_some(), played.error.is_none(), "{name}: usage is reported at the end");
        ("reply.sse", played.client)
    } else {
        match target.kind.dialect().response(&made.body(), &chat(false), &target, &Extras::default()) {
            Ok(reply) => ("reply.json", reply.body.into_owned()),
            Err(error) => ("reply.json", format!("{}\n{}", error.status(), error.body()).into_bytes()),
        }
    };
    let path = folder.join(file);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &reply).unwrap();
    }
    assert_eq!(String::from_utf8(reply).unwrap(), fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

#[test]
fn cases() {
    let entries = fs::read_dir("tests/fixtures/demo").unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 35, "only {} cases found", folders.len());
    for folder in &folders {
        check(folder);
    }
}

fn ask(said: &str, more: &Value) -> Value {
    let mut request = json!({"messages": [{"role": "user", "content": said}]});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

fn answer(request: &Value) -> Value {
    serde_json::from_slice(&script(request).unwrap().body()).unwrap()
}

#[test]
fn streamed_and_whole_say_the_same() {
    let weather =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}]);
    for (said, more) in [
        ("Hello", json!({})),
        ("demo:refuse", json!({})),
        ("demo:long", json!({})),
        ("call f", json!({"tools": weather})),
        ("中文没有空格的一句话,应该也能流式输出。", json!({})),
        ("x", json!({"max_tokens": 1})),
    ] {
        let whole = answer(&ask(said, &more));
        let mut request = ask(said, &more);
        request["stream"] = json!(true);
        let played = streamed(said, &script(&request).unwrap(), true);
        let message: Value = serde_json::from_str(&played.message.unwrap()).unwrap();
        let original = &whole["choices"][0]["message"];
        assert_eq!(message["content"], original["content"], "{said}");
        assert_eq!(message["refusal"], original["refusal"], "{said}");
        let arguments = |message: &Value| message["tool_calls"][0]["function"].clone();
        assert_eq!(arguments(&message), arguments(original), "{said}");
        assert_eq!(played.usage.unwrap().output, whole["usage"]["completion_tokens"].as_u64().unwrap(), "{said}");
    }
}

#[test]
fn the_pace_is_human_and_slow_is_slow() {
    let stream = |said: &str| script(&ask(said, &json!({"stream": true}))).unwrap().pieces;
    let pieces = stream("Hello");
    assert!(pieces.iter().all(|piece| piece.delay_ms <= 40));
    assert!(pieces.iter().filter(|piece| piece.delay_ms >= 25).count() > 40);
    let slow = stream("demo:slow");
    assert_eq!((slow[0].delay_ms, slow[1].delay_ms <= 40), (5_000, true));
    let total: u64 = stream("demo:long").iter().map(|piece| piece.delay_ms).sum();
    assert!((50_000..80_000).contains(&total), "{total} ms");
}

#[test]
fn time_and_history_come_from_the_extras() {
    let body = ask("And now?", &json!({})).to_string();
    let target = target(Kind::Demo);
    let stored = serde_json::value::RawValue::from_string(r#"{"role":"user","content":"My name is Ada."}"#.into()).unwrap();
    let extras = Extras { prepend: vec![stored], max_output: Some(30), now_s: 7, ..Extras::default() };
    let call = target.kind.dialect().request(&ChatRequest::parse(body.as_bytes()).unwrap(), &target, &extras).unwrap();
    let Call::Demo(script) = call else { panic!("no network") };
    let reply: Value = serde_json::from_slice(&script.body()).unwrap();
    assert_eq!((&reply["created"], &reply["usage"]["completion_tokens"]), (&json!(7), &json!(30)));
    assert_eq!(reply["choices"][0]["finish_reason"], "length");
    assert!(reply["usage"]["prompt_tokens"].as_u64().unwrap() > 10);
}

#[test]
fn what_the_demo_cannot_do_names_the_field() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (more, param) in
        [(json!({"n": 9}), "n"), (json!({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "g"}}}), "tool_choice")]
    {
        let error = script(&ask("Hi", &more)).unwrap_err();
        assert_eq!(error.status(), 400);
        assert!(error.body().contains(&format!("\"param\":\"{param}\"")), "{}", error.body());
    }
}

/// The JSON that the demo makes for a schema.
fn made_for(schema: &Value, said: &str) -> Value {
    let reply = answer(&ask(said, &json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}})));
    serde_json::from_str(reply["choices"][0]["message"]["content"].as_str().unwrap()).unwrap()
}

#[test]
fn made_up_json_is_valid() {
    let schemas: Vec<Value> = serde_json::from_str(include_str!("../fixtures/demo/schemas.json")).unwrap();
    assert!(schemas.len() >= 40);
    for schema in &schemas {
        let value = made_for(schema, "the weather in Berlin");
        assert_eq!(fault(schema, schema, &value), None, "{schema}\n{value}");
    }
}

#[test]
fn hostile_schemas_end() {
    let wide: serde_json::Map<String, Value> = (0..300).map(|n| (format!("p{n}"), json!({"$ref": "#"}))).collect();
    let names: Vec<&String> = wide.keys().collect();
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        json!({"type": "object", "properties": wide, "required": names}),
        json!({"type": "array", "minItems": 1_000_000_000_u64, "items": {"$ref": "#"}}),
        json!({"type": "string", "minLength": 1_000_000_000_u64}),
        json!({"type": "object", "minProperties": u64::MAX}),
        json!({"enum": []}),
        json!({"type": "number", "multipleOf": 0}),
        json!({"type": "integer", "minimum": 1e300}),
        json!(true),
        json!(7),
    ] {
        assert!(made_for(&schema, "x").to_string().len() < 1_000_000, "{schema}");
    }
}

/// Schemas that people really send, from the recordings beside the project, if they are there.
#[test]
fn schemas_of_recorded_requests() {
    const ROOT: &str = "../shared/fixtures";
    if !Path::new(ROOT).exists() {
        writeln!(io::stderr(), "SKIPPED: {ROOT} is not here; no recorded schema was tried").unwrap();
        return;
    }
    let index: Vec<Value> = serde_json::from_slice(&fs::read(format!("{ROOT}/index.json")).unwrap()).unwrap();
    let (mut tried, mut with_pattern) = (0, 0);
    for row in index.iter().filter(|row| row["api"] == "chat" && row["kind"] == "exchange") {
        let file: Value = serde_json::from_slice(&fs::read(Path::new(ROOT).join(row["file"].as_str().unwrap())).unwrap()).unwrap();
        let body = &file["request"]["body"];
        let tools = body["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]["parameters"]);
        for schema in tools.chain([&body["response_format"]["json_schema"]["schema"]]).filter(|schema| schema.is_object()) {
            if schema.to_string().contains("\"pattern\"") {
                with_pattern += 1;
                continue;
            }
            let value = made_for(schema, "What is the weather in Paris?");
            assert_eq!(fault(schema, schema, &value), None, "{}\n{schema}\n{value}", row["file"]);
            tried += 1;
        }
    }
    writeln!(io::stderr(), "recorded schemas: {tried} tried; {with_pattern} with a pattern, which the demo does not honour").unwrap();
    assert!(tried >= 200, "only {tried}");
}
