//! Plays a provider's stream through decoder and translation, as the edge does, and keeps all that a caller can see.

use behest::api::chat::ChatRequest;
use behest::api::usage::TokenUsage;
use behest::error::Error;
use behest::provider::{Extras, Kind, Private, Pushed, Secret, Target, Translate};
use behest::sse::{DONE, Decoder, encode};

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
        base_url: "https://provider.example/v1".into(),
        api_key: Some(Secret::new("test-key-0123456789")),
        headers: vec![("X-Secret".into(), "hdr-secret-42".into())],
        model: "served-model".into(),
    }
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
