//! The same request recorded on OpenAI and on Gemini, by others (`../shared/fixtures/lingua`, read only, may be absent): our
//! translation of the one is the other.
//!
//! Always holds: what differs is explained in the table below, difference by difference; an explanation that explains nothing
//! any more fails too. Spellings of one thing (snake case, upper-case types, the two ways to give a schema) are made one here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::{Call, Extras, Kind};
use serde_json::{Map, Value, json};

use crate::play::target;

const ROOT: &str = "../shared/fixtures/lingua/open";

/// (beginning of the case's name, end of the place, why it is not the same)
const EXPLAINED: [(&str, &str, &str); 8] = [
    ("", "/additionalProperties", "recorded with the older field for schemas, which has no such word"),
    ("parallelToolCallsRequest", "/id", "optional at Google; ours come back with the results, so that equal functions are told apart"),
    ("jsonSchema", "/generationConfig/maxOutputTokens", "not in the request recorded on OpenAI"),
    ("jsonSchema", "/generationConfig/temperature", "not in the request recorded on OpenAI"),
    ("simpleRequest", "/generationConfig", "an effort was recorded on OpenAI only"),
    ("reasoningSummaryParam", "/thinkingBudget", "a medium effort has no one budget; ours is Google's own"),
    ("exclusiveMinimumToolParam", "/exclusiveMinimum", "Google refused the recorded request for this word"),
    ("exclusiveMinimumToolParam", "/description", "the word that Google does not know is told in the description"),
];

/// The request bodies of a folder, by case.
fn requests(folder: &str) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(format!("{ROOT}/{folder}")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let case = name.trim_end_matches(".json").trim_end_matches("-response").trim_end_matches("-error").to_owned();
        let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let url = file["request"]["url"].as_str().unwrap_or_default();
        let mut body = file["request"]["body"].clone();
        let model = url.split("/models/").nth(1).and_then(|rest| rest.split(':').next()).filter(|model| !model.is_empty());
        if body.get("model").is_none() {
            body["model"] = json!(model);
        }
        all.insert(case, body);
    }
    all
}

#[test]
fn pairs() {
    if !Path::new(ROOT).exists() {
        writeln!(io::stderr(), "SKIPPED: {ROOT} is not here; no pair of requests was compared").unwrap();
        return;
    }
    let (ours, theirs) = (requests("openai-chat"), requests("gemini-generateContent"));
    let (mut compared, mut skipped, mut unexplained, mut explained) = (0, BTreeMap::<&str, u32>::new(), Vec::new(), BTreeSet::new());
    for (case, request) in &ours {
        let Some(recorded) = theirs.get(case) else { continue };
        if case.ends_with("-followup") {
            *skipped.entry("the answers of two models differ, and so do the requests that go on from them").or_default() += 1;
            continue;
        }
        let mut target = target(Kind::Gemini);
        target.model = recorded["model"].as_str().unwrap_or("gemini-2.5-flash").to_owned();
        let body = request.to_string();
        let chat = ChatRequest::parse(body.as_bytes()).unwrap();
        let sent = match target.kind.dialect().request(&chat, &target, &Extras::default()) {
            Ok(Call::Http(sent)) => serde_json::from_slice(&sent.body).unwrap(),
            Ok(Call::Demo(_) | Call::WorkersAi(_)) => panic!("no HTTP request"),
            Err(error) => json!({"refused": error.message()}),
        };
        compared += 1;
        let mut differences = Vec::new();
        differ("", &normal(&sent), &normal(recorded), &mut differences);
        for (place, sent, recorded) in differences {
            match EXPLAINED.iter().find(|(name, end, _)| case.starts_with(name) && place.ends_with(end)) {
                Some(row) => {
                    explained.insert(row);
                }
                None => unexplained.push(format!("{case}: {place}: ours {sent}, recorded {recorded}")),
            }
        }
    }
    writeln!(io::stderr(), "pairs of requests: {compared} compared; {} differences explained; {skipped:?}", explained.len()).unwrap();
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    assert_eq!(explained.len(), EXPLAINED.len(), "an explanation that explains nothing");
    assert!(compared >= 15, "only {compared} compared");
}

/// One spelling for each thing.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(members) => {
            let mut made = Map::new();
            for (name, value) in members {
                let name = camel(name);
                let name = match &*name {
                    "model" => continue,
                    "parameters" => "parametersJsonSchema".to_owned(),
                    "responseSchema" => "responseJsonSchema".to_owned(),
                    _ => name,
                };
                let value = match (&*name, value) {
                    ("type", Value::String(kind)) => json!(kind.to_lowercase()),
                    ("systemInstruction", Value::String(text)) => json!({"parts": [{"text": text}]}),
                    ("systemInstruction", Value::Object(_)) => json!({"parts": normal(&value["parts"])}),
                    _ => normal(value),
                };
                made.insert(name, value);
            }
            Value::Object(made)
        }
        other => other.clone(),
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |so_far, word| so_far + &word[..1].to_uppercase() + &word[1..])
}

fn differ(place: &str, ours: &Value, theirs: &Value, found: &mut Vec<(String, String, String)>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                differ(&format!("{place}/{name}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(index, (a, b))| differ(&format!("{place}/{index}"), a, b, found));
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ if ours == theirs => {}
        _ => found.push((place.to_owned(), ours.to_string(), theirs.to_string())),
    }
}
