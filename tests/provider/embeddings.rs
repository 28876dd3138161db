//! Embeddings and moderations. Golden cases: `fixtures/embeddings/<case>/`, one folder each.
//!
//! `request.json` what the client sent; `setup.json` the kind, the model and the base URL; `outbound.json` the body that goes to the provider,
//! or `refused.json` what the client is told instead; `upstream.json` the provider's answer; `reply.json` what the client gets,
//! absent when that is the answer byte for byte; `usage.json` the tokens. `BLESS=1 cargo test` writes what came out.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use behest::api::embeddings::EmbeddingsRequest;
use behest::api::moderations::ModerationsRequest;
use behest::error::Error;
use behest::provider::{Call, Document, Kind, Outbound, Target};
use serde_json::{Value, json};

use crate::goldens::{expect, setup};
use crate::play::{target, vertex};

const ROOT: &str = "../shared/fixtures";

#[test]
fn cases() {
    let mut folders: Vec<_> = fs::read_dir("tests/fixtures/embeddings").unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 50, "only {} cases found", folders.len());
    for folder in folders {
        check(&folder);
    }
}

fn check(folder: &Path) {
    let setup = setup(folder);
    let mut target = target(Kind::parse(setup["kind"].as_str().unwrap()).unwrap());
    target.model = setup["model"].as_str().unwrap_or("served-model").into();
    target.base_url = setup["base_url"].as_str().unwrap_or(&target.base_url).into();
    let body = fs::read(folder.join("request.json")).unwrap();
    let asked = EmbeddingsRequest::parse(&body).unwrap();
    let dialect = target.kind.dialect().embeddings().unwrap();
    let sent = dialect.ask(&asked, &target);
    let refused = sent.as_ref().err().map(Error::body);
    expect(&folder.join("refused.json"), refused.as_deref().map(str::as_bytes));
    let upstream = match &sent {
        Ok(Call::Http(outbound)) => {
            expect(&folder.join("outbound.json"), Some(&outbound.body));
            fs::read(folder.join("upstream.json")).ok()
        }
        Ok(Call::WorkersAi(run)) => {
            assert_eq!(run.model, target.model, "{}", folder.display());
            expect(&folder.join("outbound.json"), Some(&run.inputs));
            fs::read(folder.join("upstream.json")).ok()
        }
        Ok(Call::Demo(script)) => Some(script.body()),
        Err(_) => None,
    };
    let Some(upstream) = upstream else { return };
    let played = matches!(sent, Ok(Call::Demo(_)));
    match dialect.read(upstream.clone(), &asked, &target) {
        Ok(Document { body, usage }) => {
            expect(&folder.join("reply.json"), (played || body != upstream).then_some(&body));
            expect(&folder.join("usage.json"), Some(format!("{}\n", json!(usage)).as_bytes()));
            check_shape(folder, &asked, &body);
        }
        Err(error) => {
            assert_eq!(error.status(), 502, "{}", folder.display());
            expect(&folder.join("reply.json"), Some(error.body().as_bytes()));
        }
    }
}

/// What an SDK insists on.
fn check_shape(folder: &Path, asked: &EmbeddingsRequest<'_>, body: &[u8]) {
    let reply: Value = serde_json::from_slice(body).unwrap();
    let data = reply["data"].as_array().unwrap();
    assert_eq!(data.len(), asked.input.items().len(), "{}", folder.display());
    for (position, one) in data.iter().enumerate() {
        assert_eq!(one["index"], position, "{}", folder.display());
        assert!(bits(&one["embedding"]).is_some(), "{}", folder.display());
    }
}

/// The bits of a vector in either form; `None` if it is neither.
fn bits(vector: &Value) -> Option<Vec<u32>> {
    if let Some(text) = vector.as_str() {
        let bytes = STANDARD.decode(text).ok()?;
        let (chunks, rest) = bytes.as_chunks::<4>();
        return rest.is_empty().then(|| chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect());
    }
    #[allow(clippy::cast_possible_truncation, reason = "as a client does that keeps 32 bits of each number")]
    vector.as_array()?.iter().map(|number| Some((number.as_f64()? as f32).to_bits())).collect()
}

fn http(call: Call) -> Outbound {
    match call {
        Call::Http(outbound) => outbound,
        Call::Demo(_) | Call::WorkersAi(_) => panic!("no HTTP request"),
    }
}

fn header<'o>(outbound: &'o Outbound, name: &str) -> Vec<&'o str> {
    outbound.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn urls_and_headers() {
    let asked = EmbeddingsRequest::parse(br#"{"input":"x"}"#).unwrap();
    for (kind, url, name, value) in [
        (Kind::OpenAi, "https://provider.example/v1/embeddings", "authorization", "Bearer test-key-0123456789"),
        (Kind::OpenAiCompatible, "https://provider.example/v1/embeddings", "authorization", "Bearer test-key-0123456789"),
        (Kind::Gemini, "https://provider.example/v1/models/served-model:batchEmbedContents", "x-goog-api-key", "test-key-0123456789"),
    ] {
        let sent = http(kind.dialect().embeddings().unwrap().ask(&asked, &target(kind)).unwrap());
        assert_eq!((sent.url.as_str(), header(&sent, name)), (url, vec![value]));
        assert_eq!((header(&sent, "x-secret"), header(&sent, "accept")), (vec!["hdr-secret-42"], vec!["application/json"]));
    }
    for (model, path) in [
        ("text-embedding-005", "text-embedding-005:predict"),
        ("google/gemini-embedding-001", "gemini-embedding-001:predict"),
        ("gemini-embedding-2", "gemini-embedding-2:embedContent"),
    ] {
        let target = vertex(model);
        let sent = http(Kind::Vertex.dialect().embeddings().unwrap().ask(&asked, &target).unwrap());
        assert_eq!(sent.url, format!("{}/publishers/google/models/{path}", target.base_url));
        assert_eq!(
            (header(&sent, "x-goog-api-key"), header(&sent, "authorization")),
            (vec![], vec![]),
            "the token is added where it is sent"
        );
        let with_key = Target { model: model.into(), ..crate::play::target(Kind::Vertex) };
        let sent = http(Kind::Vertex.dialect().embeddings().unwrap().ask(&asked, &with_key).unwrap());
        assert_eq!(header(&sent, "x-goog-api-key"), ["test-key-0123456789"]);
    }
    let rest = Target { model: "@cf/baai/bge-m3".into(), ..target(Kind::WorkersAi) };
    let sent = http(Kind::WorkersAi.dialect().embeddings().unwrap().ask(&asked, &rest).unwrap());
    assert_eq!(
        (sent.url.as_str(), header(&sent, "authorization")),
        ("https://provider.example/v1/embeddings", vec!["Bearer test-key-0123456789"])
    );
    for kind in [Kind::Vertex, Kind::WorkersAi] {
        let error = kind.dialect().embeddings().unwrap().ask(&asked, &target(kind)).unwrap_err();
        assert_eq!((error.status(), error.name()), (404, "model_not_found"), "served-model is no name there");
    }
    let mut other = target(Kind::Gemini);
    other.model = "a/../b".into();
    assert_eq!(Kind::Gemini.dialect().embeddings().unwrap().ask(&asked, &other).unwrap_err().status(), 404);
    assert!(Kind::Anthropic.dialect().embeddings().is_none());
    let with: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.dialect().moderations().is_some()).collect();
    assert_eq!(with, [Kind::OpenAi, Kind::OpenAiCompatible]);
}

#[test]
fn moderations_pass_unchanged() {
    let body = br#"{"input":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,AA=="}}],"x":1.0}"#;
    let (asked, target) = (ModerationsRequest::parse(body).unwrap(), target(Kind::OpenAi));
    let moderations = Kind::OpenAi.dialect().moderations().unwrap();
    let sent = http(moderations.ask(&asked, &target).unwrap());
    assert_eq!(sent.url, "https://provider.example/v1/moderations");
    let expected = r#"{"input":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,AA=="}}],"x":1.0,"model":"served-model"}"#;
    assert_eq!(String::from_utf8(sent.body).unwrap(), expected);
    for (answer, fine) in [
        (r#"{"id":"modr-1", "results":[ {"flagged":true} ]}"#, true),
        (r#"{"results":null}"#, false),
        (r#"{"results":{}}"#, false),
        (r#"{"error":{"message":"no sk-abcdefgh12345678"}}"#, false),
        ("<html>", false),
        ("", false),
        ("\u{0}", false),
    ] {
        match moderations.read(answer.into(), &target) {
            Ok(document) => assert!(fine && document.body == answer.as_bytes() && document.usage.unwrap().total() == 0, "{answer}"),
            Err(error) => assert!(!fine && error.status() == 502 && !error.body().contains("abcdefgh"), "{answer}"),
        }
    }
}

/// A recorded exchange of a dialect that has embeddings: its request as our client's, its answer as our provider's.
fn recorded(api: &str) -> Vec<(String, Value)> {
    if !Path::new(ROOT).exists() {
        writeln!(io::stderr(), "SKIPPED: {ROOT} is not here; no recorded {api} were played").unwrap();
        return Vec::new();
    }
    let rows: Vec<Value> = serde_json::from_slice(&fs::read(format!("{ROOT}/index.json")).unwrap()).unwrap();
    let named = |row: Value| {
        let name = row["file"].as_str().unwrap().to_owned();
        let mut file: Value = serde_json::from_slice(&fs::read(Path::new(ROOT).join(&name)).unwrap()).unwrap();
        file["provider"] = row["provider"].clone();
        (name, file)
    };
    rows.into_iter().filter(|row| row["api"] == api).map(named).collect()
}

#[test]
fn recorded_embeddings_of_openai_hosts() {
    let (mut played, mut skipped) = (0, BTreeMap::<&str, u32>::new());
    for (name, file) in recorded("embeddings") {
        let kind = match file["provider"].as_str().unwrap() {
            "openai" | "azure" => Kind::OpenAi,
            "mistral" => Kind::OpenAiCompatible,
            "gemini" | "vertex" => continue,
            // Ollama was recorded at its own route, which is not OpenAI's.
            _ => {
                *skipped.entry("(another dialect)").or_default() += 1;
                continue;
            }
        };
        let target = target(kind);
        let answer = &file["response"]["body"];
        if file["response"]["status"] != 200 {
            let status = u16::try_from(file["response"]["status"].as_u64().unwrap()).unwrap();
            let error = kind.dialect().failure(status, None, answer.to_string().as_bytes(), &target);
            assert_eq!(error.status(), if status == 404 { 404 } else { 502 }, "{name}");
            *skipped.entry("(status is not 200: read as a failure)").or_default() += 1;
            continue;
        }
        for wanted in ["float", "base64"] {
            check_recorded(&name, &target, &file["request"]["body"], answer, wanted);
        }
        played += 1;
    }
    writeln!(io::stderr(), "recorded embeddings of OpenAI hosts: {played} played, both forms; {skipped:?}").unwrap();
    assert!(played >= 28 || !Path::new(ROOT).exists(), "only {played} played: {skipped:?}");
}

fn check_recorded(name: &str, target: &Target, request: &Value, answer: &Value, wanted: &str) {
    let mut request = request.clone();
    request["encoding_format"] = json!(wanted);
    let body = request.to_string();
    let asked = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
    let dialect = target.kind.dialect().embeddings().unwrap();
    let mut sent: Value = serde_json::from_slice(&http(dialect.ask(&asked, target).unwrap()).body).unwrap();
    if target.kind == Kind::OpenAiCompatible && wanted == "base64" {
        sent["encoding_format"] = json!("base64");
    }
    sent["model"] = request["model"].clone();
    assert_eq!(sent, request, "{name}");
    let Document { body, usage } = dialect.read(answer.to_string().into_bytes(), &asked, target).unwrap();
    let mut reply: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(usage.map(|usage| usage.input), answer["usage"]["prompt_tokens"].as_u64(), "{name}");
    let (got, original) = (reply["data"].as_array_mut().unwrap(), answer["data"].as_array().unwrap());
    for (got, original) in got.iter_mut().zip(original) {
        assert_eq!(got["embedding"].is_string(), wanted == "base64", "{name}");
        assert_eq!(bits(&got["embedding"]).unwrap(), bits(&original["embedding"]).unwrap(), "{name}");
        got["embedding"] = original["embedding"].clone();
    }
    assert_eq!(&reply, answer, "{name}: nothing but the vectors' form changes");
}

#[test]
fn recorded_embeddings_of_gemini() {
    let (mut played, mut skipped) = (0, BTreeMap::<&str, u32>::new());
    for (name, file) in recorded("embeddings") {
        if file["provider"] != "gemini" {
            continue;
        }
        let (request, answer) = (&file["request"]["body"], &file["response"]["body"]);
        let Some((client, model)) = as_a_client(request) else {
            *skipped.entry("(contents with several parts, which OpenAI's request cannot say)").or_default() += 1;
            continue;
        };
        let mut target = target(Kind::Gemini);
        target.model = model;
        for wanted in ["float", "base64"] {
            let mut client = client.clone();
            client["encoding_format"] = json!(wanted);
            let body = client.to_string();
            let asked = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
            let dialect = target.kind.dialect().embeddings().unwrap();
            let sent: Value = serde_json::from_slice(&http(dialect.ask(&asked, &target).unwrap()).body).unwrap();
            assert_eq!(sent, without_role(request), "{name}");
            let Document { body, usage } = dialect.read(answer.to_string().into_bytes(), &asked, &target).unwrap();
            let reply: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(usage.map(|usage| usage.input), answer["usageMetadata"]["promptTokenCount"].as_u64(), "{name}");
            let original = answer["embeddings"].as_array().unwrap();
            assert_eq!(reply["data"].as_array().unwrap().len(), original.len(), "{name}");
            for (got, original) in reply["data"].as_array().unwrap().iter().zip(original) {
                assert_eq!(bits(&got["embedding"]).unwrap(), bits(&original["values"]).unwrap(), "{name}");
            }
        }
        played += 1;
    }
    writeln!(io::stderr(), "recorded embeddings of Gemini: {played} played, both forms; {skipped:?}").unwrap();
    assert!(played >= 11 || !Path::new(ROOT).exists(), "only {played} played: {skipped:?}");
}

/// One is an exchange at `embedContent`, the other an answer of `predict` alone.
#[test]
fn recorded_embeddings_of_vertex() {
    let mut played = 0;
    for (name, file) in recorded("embeddings") {
        if file["provider"] != "vertex" {
            continue;
        }
        let (request, answer) = (&file["request"]["body"], &file["response"]["body"]);
        let (model, client, original, tokens) = if let Some(predictions) = answer["predictions"].as_array() {
            let texts: Vec<&str> = predictions.iter().map(|_| "a").collect();
            let tokens = predictions.iter().map(|one| one["embeddings"]["statistics"]["token_count"].as_u64().unwrap()).sum();
            let values = predictions.iter().map(|one| one["embeddings"]["values"].clone()).collect();
            ("text-embedding-005", json!({"input": texts}), values, tokens)
        } else {
            let tokens = answer["usageMetadata"]["promptTokenCount"].as_u64().unwrap();
            let text = &request["content"]["parts"][0]["text"];
            ("gemini-embedding-2", json!({"input": text}), vec![answer["embedding"]["values"].clone()], tokens)
        };
        let (target, embeddings) = (vertex(model), Kind::Vertex.dialect().embeddings().unwrap());
        for wanted in ["float", "base64"] {
            let mut client = client.clone();
            client["encoding_format"] = json!(wanted);
            let body = client.to_string();
            let asked = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
            let sent: Value = serde_json::from_slice(&http(embeddings.ask(&asked, &target).unwrap()).body).unwrap();
            assert!(request.is_null() || sent == *request, "{name}");
            let Document { body, usage } = embeddings.read(answer.to_string().into_bytes(), &asked, &target).unwrap();
            let reply: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(usage.map(|usage| usage.input), Some(tokens), "{name}");
            let got: Vec<_> = reply["data"].as_array().unwrap().iter().map(|one| bits(&one["embedding"]).unwrap()).collect();
            assert_eq!(got, original.iter().map(|values| bits(values).unwrap()).collect::<Vec<_>>(), "{name}");
        }
        played += 1;
    }
    assert!(played >= 2 || !Path::new(ROOT).exists(), "only {played} played");
}

/// The OpenAI request that means a recorded batch, and the model; `None` if none does.
fn as_a_client(batch: &Value) -> Option<(Value, String)> {
    let requests = batch["requests"].as_array()?;
    let text = |one: &Value| match one["content"]["parts"].as_array()?.as_slice() {
        [part] => Some(part["text"].clone()),
        _ => None,
    };
    let texts = requests.iter().map(text).collect::<Option<Vec<_>>>()?;
    let mut client = json!({"input": texts});
    for (ours, theirs) in [("task_type", "taskType"), ("dimensions", "outputDimensionality"), ("title", "title")] {
        if let Some(value) = requests.first()?.get(theirs) {
            client[ours] = value.clone();
        }
    }
    Some((client, requests.first()?["model"].as_str()?.trim_start_matches("models/").to_owned()))
}

/// Some SDKs name the role of what is embedded, which has none.
fn without_role(batch: &Value) -> Value {
    let mut batch = batch.clone();
    for one in batch["requests"].as_array_mut().unwrap() {
        one["content"].as_object_mut().unwrap().remove("role");
    }
    batch
}

#[test]
fn recorded_moderations_pass_unchanged() {
    let all = recorded("moderations");
    for (name, file) in &all {
        let (target, moderations) = (target(Kind::OpenAi), Kind::OpenAi.dialect().moderations().unwrap());
        let body = file["request"]["body"].to_string();
        let asked = ModerationsRequest::parse(body.as_bytes()).unwrap();
        assert_eq!(asked.model.as_deref(), file["request"]["body"]["model"].as_str(), "{name}");
        let mut sent: Value = serde_json::from_slice(&http(moderations.ask(&asked, &target).unwrap()).body).unwrap();
        sent["model"] = file["request"]["body"]["model"].clone();
        assert_eq!(sent, file["request"]["body"], "{name}");
        let answer = file["response"]["body"].to_string().into_bytes();
        assert_eq!(moderations.read(answer.clone(), &target).unwrap().body, answer, "{name}");
    }
    assert!(all.len() >= 3 || !Path::new(ROOT).exists(), "only {} played", all.len());
}
