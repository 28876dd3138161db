//! Answers that Gemini and Vertex gave, recorded by others (`../shared/fixtures`, read only, may be absent).
//!
//! Always holds: text, calls, finish and usage are what the recording says, read here in the plainest way; however the bytes
//! are cut. Recordings that cannot be used are counted by reason and printed, never passed over in silence.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::{Call, Extras, Kind, Private, Target};
use behest::sse::Decoder;
use serde_json::{Value, json};

use crate::play::{chat, play_however_cut, random_cuts, recorder};

const ROOT: &str = "../shared/fixtures";
const AT_VERTEX: &str = "gemini-2.5-flash";

fn rows(streaming: bool) -> Vec<Value> {
    if !Path::new(ROOT).exists() {
        writeln!(io::stderr(), "SKIPPED: {ROOT} is not here; no recorded answer of Gemini was played").unwrap();
        return Vec::new();
    }
    let rows: Vec<Value> = serde_json::from_slice(&fs::read(format!("{ROOT}/index.json")).unwrap()).unwrap();
    rows.into_iter().filter(|row| row["api"] == "generateContent" && row["streaming"] == streaming).collect()
}

fn text(row: &Value) -> String {
    fs::read_to_string(Path::new(ROOT).join(row["file"].as_str().unwrap())).unwrap()
}

/// The bytes of a stream as Google frames them, or why there are none.
fn wire(row: &Value) -> Result<Vec<u8>, &'static str> {
    let frame = |chunk: &Value| format!("data: {}\r\n\r\n", chunk.as_str().map_or_else(|| chunk.to_string(), str::to_owned)).into_bytes();
    let file: Value = serde_json::from_str(&text(row)).unwrap();
    let response = &file["response"];
    match (&response["chunks"], &response["body_text"]) {
        (Value::Array(chunks), _) => Ok(chunks.iter().flat_map(frame).collect()),
        (_, Value::String(body)) if body.starts_with("data:") => Ok(body.as_bytes().to_vec()),
        _ => Err("stream_recorded_as_json"),
    }
}

fn events(stream: &[u8]) -> Vec<Value> {
    let mut events = Vec::new();
    let each = |event: behest::sse::Event<'_>| {
        events.push(serde_json::from_slice(event.data).unwrap_or(Value::Null));
        Ok(())
    };
    Decoder::new().feed(stream, each).unwrap();
    events
}

/// One choice in the plainest form: text, reasoning, calls (name, arguments), finish.
type Choice = (String, String, Vec<(String, Value)>, Vec<&'static str>);

/// What the recording says.
fn recorded(responses: &[Value]) -> BTreeMap<u64, Choice> {
    let mut choices: BTreeMap<u64, Choice> = BTreeMap::new();
    let candidates = responses.iter().flat_map(|response| response["candidates"].as_array().into_iter().flatten());
    for candidate in candidates {
        let (said, thought, calls, finish) = choices.entry(candidate["index"].as_u64().unwrap_or(0)).or_default();
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let into = if part["thought"] == true { &mut *thought } else { &mut *said };
            into.push_str(part["text"].as_str().unwrap_or_default());
            if let Some(name) = part["functionCall"]["name"].as_str() {
                let args = part["functionCall"].get("args").cloned().unwrap_or_else(|| json!({}));
                calls.push((name.to_owned(), args));
            }
        }
        *finish = match candidate["finishReason"].as_str() {
            _ if candidate["finishReason"] == 1 && calls.is_empty() => vec!["stop"],
            Some("STOP") if calls.is_empty() => vec!["stop"],
            Some("STOP" | "UNEXPECTED_TOOL_CALL") => vec!["tool_calls"],
            Some("MAX_TOKENS") => vec!["length"],
            Some("SAFETY") => vec!["content_filter"],
            None if candidate["finishReason"] == 1 => vec!["tool_calls"],
            None => core::mem::take(finish),
            Some(_) => vec!["an error"],
        };
    }
    choices
}

/// What the client gets, from a whole answer or from chunks.
fn heard(answers: &[Value]) -> BTreeMap<u64, Choice> {
    let mut choices: BTreeMap<u64, Choice> = BTreeMap::new();
    for choice in answers.iter().flat_map(|answer| answer["choices"].as_array().unwrap()) {
        let (said, thought, calls, finish) = choices.entry(choice["index"].as_u64().unwrap()).or_default();
        let delta = choice.get("delta").unwrap_or(&choice["message"]);
        said.push_str(delta["content"].as_str().unwrap_or_default());
        thought.push_str(delta["reasoning_content"].as_str().unwrap_or_default());
        for (position, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let index = call["index"].as_u64().map_or(position, |index| usize::try_from(index).unwrap());
            if index == calls.len() {
                assert!(call["id"].as_str().is_some_and(|id| !id.is_empty()) && call["type"] == "function", "{call}");
                calls.push((call["function"]["name"].as_str().unwrap().to_owned(), json!("")));
            }
            let so_far = calls[index].1.as_str().unwrap().to_owned() + call["function"]["arguments"].as_str().unwrap();
            calls[index].1 = json!(so_far);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            assert!(finish.is_empty(), "a choice ends once");
            *finish = vec![["stop", "tool_calls", "length", "content_filter"].into_iter().find(|known| *known == reason).unwrap()];
        }
    }
    for (_, _, calls, _) in choices.values_mut() {
        for (_, arguments) in calls.iter_mut() {
            *arguments = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
        }
    }
    choices
}

/// (prompt, completion, cached, reasoning)
fn recorded_usage(responses: &[Value]) -> Option<[u64; 4]> {
    let counts = |usage: &&Value| ["promptTokenCount", "candidatesTokenCount", "totalTokenCount"].iter().any(|name| usage[name].is_u64());
    let usage = responses.iter().map(|response| &response["usageMetadata"]).rfind(counts)?;
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let prompt = count("promptTokenCount") + count("toolUsePromptTokenCount");
    let completion = count("candidatesTokenCount") + count("thoughtsTokenCount");
    Some([prompt, completion, count("cachedContentTokenCount"), count("thoughtsTokenCount")])
}

fn heard_usage(usage: &Value) -> Option<[u64; 4]> {
    let count = |value: &Value| value.as_u64().unwrap();
    usage.is_object().then(|| {
        assert_eq!(count(&usage["total_tokens"]), count(&usage["prompt_tokens"]) + count(&usage["completion_tokens"]));
        let cached = count(&usage["prompt_tokens_details"]["cached_tokens"]);
        let reasoning = count(&usage["completion_tokens_details"]["reasoning_tokens"]);
        [count(&usage["prompt_tokens"]), count(&usage["completion_tokens"]), cached, reasoning]
    })
}

#[test]
fn streams_say_what_was_recorded() {
    let rows = rows(true);
    let (mut played, mut of_vertex, mut skipped) = (0, 0, BTreeMap::<&str, u32>::new());
    for row in &rows {
        let name = row["file"].as_str().unwrap();
        let stream = match wire(row) {
            Ok(stream) => stream,
            Err(reason) => {
                *skipped.entry(reason).or_default() += 1;
                continue;
            }
        };
        let sent = events(&stream);
        let pieces = |part: &Value| part["functionCall"].get("partialArgs").is_some() || part["functionCall"].get("willContinue").is_some();
        if sent.iter().any(|event| event["candidates"][0]["content"]["parts"].as_array().is_some_and(|parts| parts.iter().any(pieces))) {
            *skipped.entry("pieces_of_calls_that_cannot_be_asked_for").or_default() += 1;
            continue;
        }
        let answer = play_however_cut(name, &recorder(row, Kind::Gemini, AT_VERTEX), true, &stream, &random_cuts(stream.len(), 8));
        assert!(answer.error.is_none(), "{name}: {:?}", answer.error);
        let text = String::from_utf8(answer.client).unwrap();
        let chunks = text.strip_suffix("data: [DONE]\n\n").unwrap();
        let chunks = events(chunks.as_bytes());
        assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["object"] == "chat.completion.chunk"), "{name}");
        assert_eq!(heard(&chunks), recorded(&sent), "{name}");
        assert_eq!(heard_usage(&chunks.last().unwrap()["usage"]), recorded_usage(&sent), "{name}");
        played += 1;
        of_vertex += u32::from(row["provider"] == "vertex");
    }
    writeln!(io::stderr(), "recorded streams of Gemini: {played} played, {of_vertex} of them of Vertex; {skipped:?}").unwrap();
    assert!(rows.is_empty() || (played >= 80 && of_vertex >= 3), "only {played} and {of_vertex} played: {skipped:?}");
}

#[test]
fn whole_answers_say_what_was_recorded() {
    let rows = rows(false);
    let (mut played, mut of_vertex, mut others) = (0, 0, BTreeMap::<&str, u32>::new());
    for row in &rows {
        let name = row["file"].as_str().unwrap();
        let target = recorder(row, Kind::Gemini, AT_VERTEX);
        of_vertex += u32::from(target.kind == Kind::Vertex);
        let file: Value = serde_json::from_str(&text(row)).unwrap();
        let response = &file["response"];
        let body = response.get("body").unwrap_or(&file).clone();
        let status = response["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap());
        if status != 200 {
            let error = target.kind.dialect().failure(status, None, body.to_string().as_bytes(), &target);
            assert_eq!(error.status(), status, "{name}");
            *others.entry("(status is not 200: read as a failure)").or_default() += 1;
            continue;
        }
        // Pretty-printed, as Google sends it.
        let bytes = serde_json::to_vec_pretty(&body).unwrap();
        let expected = recorded(std::slice::from_ref(&body));
        match target.kind.dialect().response(&bytes, &chat(false), &target, &Extras::default()) {
            Ok(reply) => {
                let answer: Value = serde_json::from_slice(&reply.body).unwrap();
                assert_eq!(heard(std::slice::from_ref(&answer)), expected, "{name}");
                assert_eq!(heard_usage(&answer["usage"]), recorded_usage(std::slice::from_ref(&body)), "{name}");
                assert_eq!(answer["object"], "chat.completion", "{name}");
                played += 1;
            }
            Err(error) => {
                assert!(error.status() == 502 && expected.values().all(|choice| choice.3 == ["an error"]), "{name}: {error:?}");
                *others.entry("(no answer: an error)").or_default() += 1;
            }
        }
    }
    writeln!(io::stderr(), "recorded answers of Gemini: {played} played; {others:?}; {of_vertex} of all of Vertex").unwrap();
    assert!(rows.is_empty() || (played >= 350 && of_vertex >= 80), "only {played} and {of_vertex} played: {others:?}");
}

/// The calls of each recorded answer go back to Google as they came, with their signatures, through a client that knows only
/// OpenAI's fields (the gateway keeps them) and through one that echoes everything (it carries them).
#[test]
fn recorded_calls_come_back_as_they_were() {
    let rows = rows(false);
    let (mut compared, mut signed, none) = (0, 0, json!({}));
    for row in &rows {
        let file: Value = serde_json::from_str(&text(row)).unwrap();
        let body = file["response"].get("body").unwrap_or(&file).clone();
        let parts = body["candidates"][0]["content"]["parts"].as_array().cloned().unwrap_or_default();
        let calls: Vec<&Value> = parts.iter().filter(|part| part["functionCall"]["name"].is_string()).collect();
        if calls.is_empty() {
            continue;
        }
        let target = Target { model: AT_VERTEX.into(), ..recorder(row, Kind::Gemini, AT_VERTEX) };
        let bytes = body.to_string();
        let reply = target.kind.dialect().response(bytes.as_bytes(), &chat(false), &target, &Extras::default()).unwrap();
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        let carried = answer["choices"][0]["message"].clone();
        let mut plain = carried.clone();
        for call in plain["tool_calls"].as_array_mut().unwrap() {
            call.as_object_mut().unwrap().remove("extra_content");
        }
        for (message, private) in [(plain, reply.private.clone()), (carried, Vec::new())] {
            let sent = next_request(&target, &message, private);
            let back: Vec<&Value> =
                sent["contents"][1]["parts"].as_array().unwrap().iter().filter(|part| part.get("functionCall").is_some()).collect();
            assert_eq!(back.len(), calls.len(), "{row}");
            for (back, call) in back.iter().zip(&calls) {
                assert_eq!(back["functionCall"]["name"], call["functionCall"]["name"]);
                assert_eq!(&back["functionCall"]["args"], call["functionCall"].get("args").unwrap_or(&none));
                assert_eq!(back.get("thoughtSignature"), call.get("thoughtSignature"), "{row}");
                signed += u32::from(back.get("thoughtSignature").is_some());
            }
            for (result, back) in sent["contents"][2]["parts"].as_array().unwrap().iter().zip(&back) {
                assert_eq!(result["functionResponse"]["name"], back["functionCall"]["name"]);
                assert_eq!(result["functionResponse"]["id"], back["functionCall"]["id"]);
                assert_eq!(back["functionCall"].get("id").is_some(), target.kind == Kind::Gemini, "Vertex takes no ids");
            }
        }
        compared += 1;
    }
    writeln!(io::stderr(), "recorded answers with calls: {compared} sent back, with {signed} signatures").unwrap();
    assert!(rows.is_empty() || (compared >= 80 && signed >= 80), "only {compared} and {signed}");
}

/// What goes to Google when a client goes on from an answer with calls.
fn next_request(target: &Target, message: &Value, private: Vec<Private>) -> Value {
    let results = message["tool_calls"].as_array().unwrap().iter();
    let results = results.map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "done"}));
    let messages: Vec<Value> = [json!({"role": "user", "content": "x"}), message.clone()].into_iter().chain(results).collect();
    let body = json!({"messages": messages}).to_string();
    let extras = Extras { private, ..Extras::default() };
    match target.kind.dialect().request(&ChatRequest::parse(body.as_bytes()).unwrap(), target, &extras).unwrap() {
        Call::Http(sent) => serde_json::from_slice(&sent.body).unwrap(),
        Call::Demo(_) | Call::WorkersAi(_) => panic!("no HTTP request"),
    }
}
