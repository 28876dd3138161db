//! Golden cases: `fixtures/openai/<case>/`, one folder each.
//!
//! `request.json` what the client sent; `setup.json` (optional) kind and extras; `outbound.json` the body that goes to the
//! provider; `upstream.sse` or `upstream.json` its answer; `reply.*` what the client gets, absent when that is the answer byte
//! for byte; `usage.json` the tokens; `message.json` what the thread keeps, absent when nothing.
//! `BLESS=1 cargo test` writes what came out; read the difference before you keep it.

use std::fs;
use std::path::Path;

use behest::api::chat::ChatRequest;
use behest::provider::{Call, Extras, Kind, Target};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::play::{every_cut, play_each_cut, play_however_cut, random_cuts, target};

#[test]
fn cases() {
    let mut names: Vec<_> = fs::read_dir("tests/fixtures/openai").unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 70, "only {} cases found", names.len());
    for folder in names {
        check(&folder);
    }
}

/// An image in one event, say: as large as it is, it arrives as it was sent, and the rest of the stream with it.
#[test]
fn five_megabytes_in_one_event() {
    let text = "0123456789abcdef".repeat(5 << 16);
    let stream = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\ndata: [DONE]\n\n");
    let cuts = random_cuts(stream.len(), 4);
    let played = play_however_cut("5 MB", &target(Kind::OpenAi), false, stream.as_bytes(), &cuts);
    assert!(played.error.is_none() && played.client == stream.as_bytes());
    assert_eq!(played.output_bytes, 5 << 20);
    assert_eq!(played.message, Some(format!("{{\"role\":\"assistant\",\"content\":\"{text}\"}}")));
}

fn check(folder: &Path) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let setup = setup(folder);
    let kind = Kind::parse(setup["kind"].as_str().unwrap_or("openai")).unwrap();
    let body = fs::read(folder.join("request.json")).unwrap();
    let chat = ChatRequest::parse(&body).unwrap();
    let target = target(kind);
    let Call::Http(outbound) = kind.dialect().request(&chat, &target, &extras(&setup)).unwrap() else { panic!("{name}: no HTTP request") };
    expect(&folder.join("outbound.json"), Some(outbound.body.as_slice()));

    if let Ok(stream) = fs::read(folder.join("upstream.sse")) {
        let mut cuts = every_cut(stream.len());
        cuts.extend(random_cuts(stream.len(), 50));
        let played = play_however_cut(&name, &target, chat.include_usage, &stream, &cuts);
        expect(&folder.join("reply.sse"), (played.client != stream).then_some(played.client.as_slice()));
        expect_usage(folder, &json!({"usage": played.usage, "output_bytes": played.output_bytes}));
        expect(&folder.join("message.json"), played.message.as_deref().map(str::as_bytes));
        return;
    }
    let upstream = fs::read(folder.join("upstream.json")).unwrap();
    match kind.dialect().response(&upstream, &chat, &target, &extras(&setup)) {
        Ok(reply) => {
            assert_eq!(reply.body, upstream, "{name}: a whole answer passes unchanged");
            expect(&folder.join("reply.json"), None);
            expect_usage(folder, &json!({"usage": reply.usage, "output_bytes": reply.output_bytes}));
            expect(&folder.join("message.json"), reply.message.as_deref().map(str::as_bytes));
        }
        Err(error) => {
            assert_eq!(error.status(), 502, "{name}");
            expect(&folder.join("reply.json"), Some(error.body().as_bytes()));
            expect_billed(folder, kind, &upstream);
        }
    }
}

/// What the gateway adds, by `setup.json`.
pub fn extras(setup: &Value) -> Extras {
    let raw = |message: &Value| RawValue::from_string(message.to_string()).unwrap();
    Extras {
        prepend: setup["prepend"].as_array().into_iter().flatten().map(raw).collect(),
        system_prompt: setup["system_prompt"].as_str().map(str::to_owned),
        max_output: setup["max_output"].as_u64(),
        now_s: 0,
        private: setup.get("private").map(|private| serde_json::from_value(private.clone()).unwrap()).unwrap_or_default(),
    }
}

/// What becomes of the case's answers, streamed (cut at every byte) and whole.
pub fn expect_answers(folder: &Path, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) {
    let (name, dialect) = (folder.file_name().unwrap().to_string_lossy().into_owned(), target.kind.dialect());
    if let Ok(stream) = fs::read(folder.join("upstream.sse")) {
        let mut cuts = every_cut(stream.len());
        cuts.extend(random_cuts(stream.len(), 20));
        let played = play_each_cut(&name, &stream, &cuts, || dialect.stream(chat, target, extras));
        expect(&folder.join("reply.sse"), (played.client != stream).then_some(played.client.as_slice()));
        expect_usage(folder, &json!({"usage": played.usage, "output_bytes": played.output_bytes}));
        expect(&folder.join("message.json"), played.message.as_deref().map(str::as_bytes));
    }
    let Ok(upstream) = fs::read(folder.join("upstream.json")) else { return };
    match dialect.response(&upstream, chat, target, extras) {
        Ok(reply) => {
            expect(&folder.join("reply.json"), (reply.body != upstream).then_some(&*reply.body));
            expect_usage(folder, &json!({"usage": reply.usage, "output_bytes": reply.output_bytes}));
            expect(&folder.join("message.json"), reply.message.as_deref().map(str::as_bytes));
        }
        Err(error) => {
            assert_eq!(error.status(), 502, "{name}");
            expect(&folder.join("reply.json"), Some(error.body().as_bytes()));
        }
    }
}

pub fn expect_usage(folder: &Path, usage: &Value) {
    expect(&folder.join("usage.json"), Some(format!("{usage}\n").as_bytes()));
}

/// What is billed of an answer that is none, if it says so.
pub fn expect_billed(folder: &Path, kind: Kind, upstream: &[u8]) {
    let billed = kind.dialect().billed(upstream).map(|usage| format!("{}\n", json!({"usage": usage})));
    expect(&folder.join("usage.json"), billed.as_ref().map(String::as_bytes));
}

/// `setup.json`, which may be absent.
pub fn setup(folder: &Path) -> Value {
    fs::read(folder.join("setup.json")).map_or(json!({}), |bytes| serde_json::from_slice(&bytes).unwrap())
}

/// The file has exactly these bytes, or is not there.
pub fn expect(path: &Path, actual: Option<&[u8]>) {
    if std::env::var_os("BLESS").is_some() {
        match actual {
            Some(bytes) => fs::write(path, bytes).unwrap(),
            None => drop(fs::remove_file(path)),
        }
    }
    let expected = fs::read(path).ok();
    let show = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(show(actual), show(expected.as_deref()), "{}", path.display());
    assert_eq!(actual, expected.as_deref(), "{}", path.display());
}
