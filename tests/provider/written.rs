//! Every stream that is written down in the golden cases, with the request it answers: what damage and chance are done to.

use std::fs;

use behest::api::chat::ChatRequest;
use behest::provider::{Extras, Kind, Target, Translate};

use crate::goldens::{extras, setup};
use crate::play::{Played, play_with, target};

/// Folder of the golden cases, the kind of provider where a case does not say, the model where it does not say.
pub const DIALECTS: [(&str, Kind, &str); 3] = [
    ("openai", Kind::OpenAi, "served-model"),
    ("anthropic", Kind::Anthropic, "claude-sonnet-4-5-20250929"),
    ("gemini", Kind::Gemini, "gemini-3.5-flash"),
];

/// One golden stream.
pub struct Written {
    pub name: String,
    pub request: Vec<u8>,
    pub stream: Vec<u8>,
    pub target: Target,
    pub extras: Extras,
}

impl Written {
    pub fn chat(&self) -> ChatRequest<'_> {
        ChatRequest::parse(&self.request).unwrap()
    }

    /// The translation of another stream that answers the same request.
    pub fn translate(&self) -> Box<dyn Translate> {
        self.target.kind.dialect().stream(&self.chat(), &self.target, &self.extras)
    }

    pub fn play(&self, stream: &[u8]) -> Played {
        play_with(self.translate(), [stream])
    }
}

/// The golden streams of one dialect.
pub fn written(dialect: &str) -> Vec<Written> {
    let (_, kind, model) = DIALECTS.into_iter().find(|(name, ..)| *name == dialect).unwrap();
    let mut folders: Vec<_> = fs::read_dir(format!("tests/fixtures/{dialect}")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let read = |folder: std::path::PathBuf| {
        let stream = fs::read(folder.join("upstream.sse")).ok()?;
        let (setup, request) = (setup(&folder), fs::read(folder.join("request.json")).unwrap());
        let kind = setup["kind"].as_str().map_or(kind, |kind| Kind::parse(kind).unwrap());
        let model = setup["model"].as_str().unwrap_or(model).to_owned();
        let name = format!("{dialect}/{}", folder.file_name().unwrap().to_string_lossy());
        Some(Written { name, request, stream, target: Target { model, ..target(kind) }, extras: extras(&setup) })
    };
    let all: Vec<Written> = folders.into_iter().filter_map(read).collect();
    assert!(all.len() >= 20, "only {} streams of {dialect}", all.len());
    all
}
