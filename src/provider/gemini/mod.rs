//! Gemini's dialect: `generateContent`, and `streamGenerateContent` as server-sent events.
//!
//! Always holds: the key goes into a header, never into the URL; the model's name is checked before it goes there.
//! Absent on purpose: uploading files and Google's own tools other than its search. Vertex speaks the same dialect at another
//! address and with another credential: it takes `body`, `method` and the reading of answers from here.

mod answer;
mod config;
mod contents;
mod embeddings;
mod extra;
mod failure;
mod finish;
mod head;
mod logprobs;
mod media;
mod model;
mod object;
mod reply;
mod request;
mod schema;
mod schema_words;
mod signature;
mod stream;
mod tools;
mod usage;
mod wire;

use super::failure::Scrub;
use super::{Call, Dialect, Embeddings, Extras, Reply, Target, Translate};
use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Error, Result};
pub(super) use answer::digest;
pub(super) use embeddings::{Content as Embedded, FIELDS as EMBEDDED_FIELDS, Vector};
use head::Asked;

pub(super) use request::body;
pub(super) use usage::read as read_usage;

/// Where Google serves it.
pub(super) const BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";

/// The Gemini dialect.
#[derive(Debug)]
pub struct Gemini;

impl Dialect for Gemini {
    fn request(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Call> {
        let path = format!("/{}:{}", model::path(&target.model)?, method(chat.stream));
        let key = target.api_key.as_ref().map(|key| ("x-goog-api-key", key.expose().to_owned()));
        let body = request::body(chat, target, extras)?;
        Ok(Call::Http(target.post(&path, chat.stream, key.into_iter().collect(), body)))
    }

    fn response<'b>(&self, body: &'b [u8], chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Reply<'b>> {
        reply::read(body, &Asked::of(chat, target, extras), &Scrub::of(target))
    }

    fn billed(&self, body: &[u8]) -> Option<TokenUsage> {
        usage::of_answer(body)
    }

    fn failure(&self, status: u16, retry_after_ms: Option<u64>, body: &[u8], target: &Target) -> Error {
        failure::from_status(status, retry_after_ms, body, &Scrub::of(target))
    }

    fn stream(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Box<dyn Translate> {
        Box::new(stream::Stream::new(Asked::of(chat, target, extras), Scrub::of(target)))
    }

    fn embeddings(&self) -> Option<&dyn Embeddings> {
        Some(self)
    }
}

/// What stands behind the model's name.
pub(super) const fn method(stream: bool) -> &'static str {
    if stream { "streamGenerateContent?alt=sse" } else { "generateContent" }
}
