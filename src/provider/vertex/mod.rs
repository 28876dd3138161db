//! Google's Vertex AI: other dialects at another address and with another credential.
//!
//! Always holds: which dialect it is follows from the model's name alone; nothing of a name enters a URL but what `id_in_url` lets
//! pass; a service account's token is added where the request is sent (`edge::access_token`), so no dialect ever holds one.
//! Absent on purpose: models of one's own on endpoints of one's own; translation, which is `gemini`'s, `anthropic`'s and `openai`'s.

mod account;
mod embeddings;
mod mistral;
mod pem;
mod token;

use super::{Call, Dialect, Embeddings, Extras, Reply, Target, Translate, anthropic, gemini, openai};
use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};

pub use account::{Account, KeyFile};
pub use token::{Next, TOKEN_MS, Token};

/// Where a location is unless the owner says otherwise: nowhere in particular.
pub const GLOBAL: &str = "global";
/// The hosts of the two continents are not named like those of a region (cloud.google.com/vertex-ai/generative-ai/docs/learn/locations).
const CONTINENTS: [&str; 2] = ["eu", "us"];
/// The output cap of hosts that speak OpenAI's dialect.
const OPEN: openai::OpenAi = openai::OpenAi { output_cap: "max_tokens" };

/// What stands before `/projects/…` for a location.
pub fn base_url(location: &str) -> String {
    match location {
        GLOBAL => "https://aiplatform.googleapis.com/v1".to_owned(),
        continent if CONTINENTS.contains(&continent) => format!("https://aiplatform.{continent}.rep.googleapis.com/v1"),
        region => format!("https://{region}-aiplatform.googleapis.com/v1"),
    }
}

/// The Vertex dialect.
#[derive(Debug)]
pub struct Vertex;

/// Who made a model, as far as it decides how the model is asked. Holds the name as it goes into the URL or the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publisher<'m> {
    /// Gemini.
    Google(&'m str),
    /// Claude.
    Anthropic(&'m str),
    /// Mistral's speak OpenAI's dialect, but behind a door of their own.
    Mistral(&'m str),
    /// All others are behind one door, which takes `publisher/model`.
    Open(&'m str),
}

impl<'m> Publisher<'m> {
    fn of(model: &'m str) -> Result<Self> {
        let (publisher, id) = match model.split_once('/') {
            Some((publisher, id)) => (id_in_url(publisher, model)?, id),
            None if model.starts_with("claude-") => ("anthropic", model),
            None if model.starts_with("gemini-") => ("google", model),
            None => return Err(unknown(model)),
        };
        let id = id_in_url(id, model)?;
        Ok(match publisher {
            "google" if id.starts_with("gemini-") => Self::Google(id),
            "anthropic" => Self::Anthropic(id),
            "mistralai" => Self::Mistral(id),
            _ => Self::Open(model),
        })
    }
}

/// A part of a model's name that may stand in a URL, or a 404. Versions are behind an `@`.
fn id_in_url<'m>(id: &'m str, model: &str) -> Result<&'m str> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    if id.bytes().all(harmless) && id.starts_with(|first: char| first.is_ascii_alphanumeric()) { Ok(id) } else { Err(unknown(model)) }
}

fn unknown(model: &str) -> Error {
    let why = format!("`{model}` is not the name of a model of Vertex AI: those are gemini-…, claude-… and publisher/model.");
    Error::new(Code::ModelNotFound, why).with_param("model")
}

/// What an answer is read with.
fn dialect(model: &str) -> &'static dyn Dialect {
    match Publisher::of(model) {
        Ok(Publisher::Google(_)) => &gemini::Gemini,
        Ok(Publisher::Anthropic(_)) => &anthropic::Anthropic,
        // A name that is none was refused before anything was sent.
        Ok(Publisher::Mistral(_) | Publisher::Open(_)) | Err(_) => &OPEN,
    }
}

impl Dialect for Vertex {
    fn request(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Call> {
        let publisher = Publisher::of(&target.model)?;
        let raw = if chat.stream { "streamRawPredict" } else { "rawPredict" };
        let mut own: Vec<(&'static str, String)> = Vec::new();
        own.extend(target.api_key.as_ref().map(|key| ("x-goog-api-key", key.expose().to_owned())));
        let (path, body) = match publisher {
            Publisher::Google(id) => {
                (format!("/publishers/google/models/{id}:{}", gemini::method(chat.stream)), gemini::body(chat, target, extras)?)
            }
            _ if target.account.is_none() => return Err(only_gemini(&target.model)),
            Publisher::Anthropic(id) => {
                let anthropic::Body { bytes, beta } = anthropic::body(chat, target, extras)?;
                own.extend(beta);
                (format!("/publishers/anthropic/models/{id}:{raw}"), bytes)
            }
            Publisher::Mistral(id) => (format!("/publishers/mistralai/models/{id}:{raw}"), mistral::body(chat, id, extras)?),
            Publisher::Open(name) => ("/endpoints/openapi/chat/completions".to_owned(), openai::body(chat, name, extras, OPEN.output_cap)?),
        };
        Ok(Call::Http(target.post(&path, chat.stream, own, body)))
    }

    fn response<'b>(&self, body: &'b [u8], chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Reply<'b>> {
        dialect(&target.model).response(body, chat, target, extras)
    }

    /// An answer does not name who made the model; each dialect finds its own counts or none.
    fn billed(&self, body: &[u8]) -> Option<TokenUsage> {
        let dialects: [&dyn Dialect; 3] = [&gemini::Gemini, &anthropic::Anthropic, &OPEN];
        dialects.into_iter().find_map(|dialect| dialect.billed(body))
    }

    /// Whoever made the model, it is Google that refuses credentials, quotas and names.
    fn failure(&self, status: u16, retry_after_ms: Option<u64>, body: &[u8], target: &Target) -> Error {
        gemini::Gemini.failure(status, retry_after_ms, body, target)
    }

    fn stream(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Box<dyn Translate> {
        dialect(&target.model).stream(chat, target, extras)
    }

    fn embeddings(&self) -> Option<&dyn Embeddings> {
        Some(self)
    }
}

fn only_gemini(model: &str) -> Error {
    let why = format!("`{model}` needs a provider with a service account: an API key of Vertex AI opens Gemini models only.");
    Error::new(Code::ModelNotFound, why).with_param("model")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_publisher() {
        for (model, expected) in [
            ("gemini-2.5-flash", Publisher::Google("gemini-2.5-flash")),
            ("google/gemini-3.5-flash", Publisher::Google("gemini-3.5-flash")),
            ("claude-sonnet-4-5@20250929", Publisher::Anthropic("claude-sonnet-4-5@20250929")),
            ("anthropic/claude-opus-5", Publisher::Anthropic("claude-opus-5")),
            ("mistralai/mistral-medium-3@001", Publisher::Mistral("mistral-medium-3@001")),
            ("meta/llama-3.3-70b-instruct-maas", Publisher::Open("meta/llama-3.3-70b-instruct-maas")),
            ("google/gemma-4-26b-a4b-it-maas", Publisher::Open("google/gemma-4-26b-a4b-it-maas")),
        ] {
            assert_eq!(Publisher::of(model).unwrap(), expected);
        }
    }

    #[test]
    fn only_names_of_models_enter_a_url() {
        for model in [
            "",
            "/",
            "gpt-5",
            "gemini-x/../../y",
            "gemini-a?key=1",
            "gemini-a#b",
            "gemini-%2e",
            "gemini-a b",
            "gemini-a:predict",
            "claude-é",
            "claude-a;b",
            "google/",
            "/gemini-2.5-flash",
            "../claude-x",
            "meta/..",
            "meta/.",
            "meta/a/b",
            "meta/a\\b",
            "google/gemini-2.5-flash/x",
            "google/@gemini",
        ] {
            let error = Publisher::of(model).unwrap_err();
            assert_eq!((error.status(), error.code()), (404, Code::ModelNotFound), "{model}");
        }
    }

    #[test]
    fn locations_have_hosts() {
        for (location, expected) in [
            ("global", "https://aiplatform.googleapis.com/v1"),
            ("us", "https://aiplatform.us.rep.googleapis.com/v1"),
            ("eu", "https://aiplatform.eu.rep.googleapis.com/v1"),
            ("us-central1", "https://us-central1-aiplatform.googleapis.com/v1"),
        ] {
            assert_eq!(base_url(location), expected);
        }
    }
}
