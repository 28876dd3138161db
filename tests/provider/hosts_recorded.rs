//! What real hosts were sent and answered, recorded by others (`../shared/fixtures`, read only, may be absent), through each host's
//! own row of the table.
//!
//! Always holds: a request that the host took is sent with every field that means something; of its answer nothing is lost, and
//! what is added is reasoning under the name that clients know. Counts are printed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::host::HOSTS;
use behest::provider::{Call, Extras, Target};
use serde_json::Value;

use crate::hosts::target_at;
use crate::play::{chat, play_each_cut, random_cuts};
use crate::recorded::{ROOT, events, here, rows, wire};

/// Fields that change nothing a client reads, or that are said otherwise.
const MAY_GO: [&str; 6] = ["max_completion_tokens", "max_tokens", "n", "stream_options", "frequency_penalty", "presence_penalty"];

fn rows_of_hosts(streaming: bool) -> Vec<(Value, Target)> {
    let host = |row: &Value| HOSTS.iter().find(|host| row["provider"] == host.name).map(|host| target_at(host.name));
    rows(streaming).into_iter().filter_map(|row| host(&row).map(|target| (row, target))).collect()
}

fn exchange(row: &Value) -> Value {
    let text = fs::read_to_string(Path::new(ROOT).join(row["file"].as_str().unwrap())).unwrap();
    serde_json::from_str(&text).unwrap_or_default()
}

fn count(counts: &mut BTreeMap<String, u32>, row: &Value) {
    *counts.entry(row["provider"].as_str().unwrap().to_owned()).or_default() += 1;
}

/// The reasoning that a delta or message has, under whatever name.
fn thought(said: &Value) -> String {
    let parts = said["content"].as_array().into_iter().flatten().flat_map(|part| part["thinking"].as_array().into_iter().flatten());
    let named = ["reasoning_content", "reasoning"].iter().find_map(|name| said[name].as_str());
    named.map_or_else(|| parts.filter_map(|part| part["text"].as_str()).collect(), str::to_owned)
}

/// The text of a delta or message.
fn text(said: &Value) -> String {
    let parts = said["content"].as_array().into_iter().flatten().filter(|part| part["type"] == "text");
    said["content"].as_str().map_or_else(|| parts.filter_map(|part| part["text"].as_str()).collect(), str::to_owned)
}

/// The client's chunk or answer says what the host's does, and has reasoning where clients look for it.
fn same(name: &str, got: &Value, sent: &Value, part: &str) {
    let choices = |value: &Value| value["choices"].as_array().cloned().unwrap_or_default();
    for (got, sent) in choices(got).iter().zip(choices(sent)) {
        let (got, sent) = (&got[part], &sent[part]);
        assert_eq!(got["reasoning_content"].as_str().unwrap_or_default(), thought(sent), "{name}");
        assert_eq!(text(got), text(sent), "{name}");
        assert!(!got["content"].is_array(), "{name}: a client reads text");
    }
    let mut plain = got.clone();
    for (choice, original) in plain["choices"].as_array_mut().into_iter().flatten().zip(choices(sent)) {
        for member in ["reasoning_content", "content"] {
            choice[part][member] = original[part][member].clone();
        }
        if choice.get("finish_reason").is_some_and(|reason| !reason.is_null()) {
            choice["finish_reason"] = original["finish_reason"].clone();
        }
        choice[part].as_object_mut().into_iter().for_each(|said| said.retain(|member, _| original[part].get(member).is_some()));
    }
    plain.as_object_mut().unwrap().retain(|member, _| sent.get(member).is_some());
    assert_eq!(&plain, sent, "{name}: everything else is as it was");
}

#[test]
fn requests_that_a_host_took_are_sent_whole() {
    if !here() {
        return;
    }
    let mut sent = BTreeMap::new();
    for (row, target) in rows_of_hosts(false).into_iter().chain(rows_of_hosts(true)) {
        let name = row["file"].as_str().unwrap();
        let body = exchange(&row)["request"]["body"].clone();
        if !body.is_object() || row["status"] != 200 {
            continue;
        }
        let bytes = body.to_string();
        let chat = ChatRequest::parse(bytes.as_bytes()).unwrap();
        let call = target.kind.dialect().request(&chat, &target, &Extras::default()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let Call::Http(outbound) = call else { panic!("{name}") };
        let out: Value = serde_json::from_slice(&outbound.body).unwrap();
        for (field, value) in body.as_object().unwrap().iter().filter(|(field, value)| *field != "model" && !value.is_null()) {
            assert!(out[field] == *value || MAY_GO.contains(&field.as_str()), "{name}: {field} is {} and was {value}", out[field]);
        }
        count(&mut sent, &row);
    }
    writeln!(io::stderr(), "recorded requests sent to their hosts: {sent:?}").unwrap();
    assert!(sent.values().sum::<u32>() >= 150, "{sent:?}");
}

#[test]
fn streams_of_hosts_lose_nothing() {
    if !here() {
        return;
    }
    let mut played = BTreeMap::new();
    for (row, target) in rows_of_hosts(true) {
        let name = row["file"].as_str().unwrap();
        let Ok(stream) = wire(&row) else { continue };
        let parsed = |stream: &[u8]| -> Vec<Value> { events(stream).iter().filter_map(|event| serde_json::from_str(event).ok()).collect() };
        let mut sent = parsed(&stream);
        let cuts = random_cuts(stream.len(), 4);
        let answer = play_each_cut(name, &stream, &cuts, || target.kind.dialect().stream(&chat(true), &target, &Extras::default()));
        let got = parsed(&answer.client);
        if let Some(error) = sent.iter().position(|chunk| !chunk["error"].is_null()) {
            sent.truncate(error);
        }
        // Azure's first chunk comes with the second.
        let held = sent.first().is_some_and(|first| first["choices"] == serde_json::json!([]) && first["usage"].is_null());
        if held && target.host.is_some_and(|host| host.name == "azure") {
            assert_eq!(got[0]["prompt_filter_results"], sent[0]["prompt_filter_results"], "{name}");
            sent.remove(0);
        }
        assert!(got.len() >= sent.len(), "{name}");
        got.iter().zip(&sent).for_each(|(got, sent)| same(name, got, sent, "delta"));
        let reported = |chunk: &Value| chunk["usage"]["prompt_tokens"].is_u64() || chunk["x_groq"]["usage"]["prompt_tokens"].is_u64();
        assert_eq!(answer.usage.is_some(), sent.iter().any(reported), "{name}: usage");
        assert!(
            answer.usage.is_none() || got.iter().any(|chunk| chunk["usage"]["prompt_tokens"].is_u64()),
            "{name}: usage where clients look"
        );
        count(&mut played, &row);
    }
    writeln!(io::stderr(), "recorded streams of hosts: {played:?}").unwrap();
    assert!(played.values().sum::<u32>() >= 40, "{played:?}");
}

#[test]
fn whole_answers_of_hosts_lose_nothing() {
    if !here() {
        return;
    }
    let mut played = BTreeMap::new();
    for (row, target) in rows_of_hosts(false) {
        let name = row["file"].as_str().unwrap();
        let body = exchange(&row)["response"]["body"].clone();
        if !body["choices"].is_array() {
            continue;
        }
        let bytes = body.to_string();
        let reply = target.kind.dialect().response(bytes.as_bytes(), &chat(false), &target, &Extras::default()).unwrap();
        same(name, &serde_json::from_slice(&reply.body).unwrap(), &body, "message");
        assert_eq!(reply.usage.is_some(), body["usage"]["prompt_tokens"].is_u64(), "{name}");
        let message: Value = serde_json::from_str(reply.message.as_deref().unwrap()).unwrap();
        assert_eq!(text(&message), text(&body["choices"][0]["message"]), "{name}");
        count(&mut played, &row);
    }
    writeln!(io::stderr(), "recorded answers of hosts: {played:?}").unwrap();
    assert!(played.values().sum::<u32>() >= 150, "{played:?}");
}
