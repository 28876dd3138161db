//! Plays a provider's stream through decoder and translation, as the edge does, and keeps all that a caller can see.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use behest::api::chat::ChatRequest;
use behest::api::usage::TokenUsage;
use behest::error::Error;
use behest::provider::vertex::{Account, KeyFile};
use behest::provider::{Extras, Kind, Private, Pushed, Secret, Target, Translate};
use behest::sse::{DONE, Decoder, encode};
use serde_json::{Value, json};

/// All that is left of one streamed answer.
#[derive(Debug, PartialEq)]
pub struct Played {
    /// What the client got, `[DONE]` or the error event included.
    pub client: Vec<u8>,
    pub error: Option<Error>,
    pub usage: Option<TokenUsage>,
    pub message: Option<String>,
    pub output_bytes: u64,
    pub private: Vec<Private>,
}

/// A target with secrets that must show up nowhere.
pub fn target(kind: Kind) -> Target {
    Target {
        provider: "main".into(),
        kind,
        host: None,
        base_url: "https://provider.example/v1".into(),
        api_version: None,
        api_key: Some(Secret::new("test-key-0123456789")),
        account: None,
        headers: vec![("X-Secret".into(), "hdr-secret-42".into())],
        model: "served-model".into(),
    }
}

/// A model at Vertex AI, asked as a service account.
pub fn vertex(model: &str) -> Target {
    let base_url = "https://vertex.example/v1/projects/canary-project/locations/us-east5".into();
    let account = Some(Rc::new(Account::new(KeyFile::read(key_file(), false).unwrap())));
    Target { base_url, account, api_key: None, model: model.into(), ..target(Kind::Vertex) }
}

/// A key file as Google's console gives it, but for the key, which has only the form of one.
pub fn key_file() -> Value {
    let head = [2, 1, 0, 0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0, 4];
    let der: Vec<u8> = [0x30, 0x82, 4, 0].into_iter().chain(head).chain([7; 1024 - 19]).collect();
    json!({
        "type": "service_account", "project_id": "canary-project", "private_key_id": "0123456789abcdef",
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der)),
        "client_email": "gateway@canary-project.iam.gserviceaccount.com", "client_id": "1", "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com",
    })
}

/// The provider that gave a recorded answer.
pub fn recorder(row: &Value, kind: Kind, model_at_vertex: &str) -> Target {
    if row["provider"] == "vertex" { vertex(model_at_vertex) } else { target(kind) }
}

/// A request that asks nothing in particular.
pub fn chat(wants_usage: bool) -> ChatRequest<'static> {
    const WITH_USAGE: &[u8] = br#"{"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user"}]}"#;
    let body = if wants_usage { WITH_USAGE } else { br#"{"stream":true,"messages":[{"role":"user"}]}"# };
    ChatRequest::parse(body).unwrap()
}

/// Plays a stream through a translation of one's own making.
pub fn play_with<'p>(mut translate: Box<dyn Translate>, parts: impl IntoIterator<Item = &'p [u8]>) -> Played {
    let mut decoder = Decoder::new();
    let mut client = Vec::new();
    let fed = parts.into_iter().try_for_each(|part| {
        decoder.feed(part, |event| {
            let before = client.len();
            let pushed = translate.push(event, &mut client)?;
            assert_eq!(pushed == Pushed::Frame, client.len() > before, "a frame is what appends");
            assert!(pushed != Pushed::Done || translate.is_done());
            Ok(())
        })
    });
    let ended = fed.and_then(|()| translate.end(decoder.end(), &mut client));
    assert!(ended.is_err() || translate.is_done());
    match &ended {
        Ok(()) => client.extend_from_slice(DONE),
        Err(error) => client.extend_from_slice(&encode(error.body().as_bytes())),
    }
    Played {
        client,
        error: ended.err(),
        usage: translate.usage(),
        message: translate.message(),
        output_bytes: translate.output_bytes(),
        private: translate.private(),
    }
}

/// Plays a stream whole, and in `cuts` other ways, which must all come to the same.
pub fn play_however_cut(name: &str, target: &Target, wants_usage: bool, stream: &[u8], cuts: &[Vec<usize>]) -> Played {
    play_each_cut(name, stream, cuts, || target.kind.dialect().stream(&chat(wants_usage), target, &Extras::default()))
}

/// The same through translations of one's own making.
pub fn play_each_cut(name: &str, stream: &[u8], cuts: &[Vec<usize>], translate: impl Fn() -> Box<dyn Translate>) -> Played {
    let whole = play_with(translate(), [stream]);
    for cut in cuts {
        assert_eq!(play_with(translate(), split(stream, cut)), whole, "{name}, cut at {cut:?}");
    }
    whole
}

/// Every way to cut in two, and byte by byte.
pub fn every_cut(length: usize) -> Vec<Vec<usize>> {
    (1..length).map(|at| vec![at]).chain([(1..length).collect()]).collect()
}

/// `count` seeded ways to cut into many pieces.
pub fn random_cuts(length: usize, count: u64) -> Vec<Vec<usize>> {
    let cut = |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut places: Vec<usize> = (0..random.usize(1..20)).map(|_| random.usize(0..=length)).collect();
        places.sort_unstable();
        places
    };
    (0..count).map(cut).collect()
}

fn split<'s>(stream: &'s [u8], cut: &[usize]) -> Vec<&'s [u8]> {
    let ends = cut.iter().copied().chain([stream.len()]);
    let mut from = 0;
    ends.map(|to| &stream[core::mem::replace(&mut from, to)..to]).collect()
}
