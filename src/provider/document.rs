//! What a dialect may do beside chat: questions that are answered by one document.
//!
//! Always holds: as for chat, pure functions of their arguments. A dialect that has one of them says so in [`super::Dialect`].
//! Absent on purpose: failures by status, which are the dialect's own whatever was asked.

use serde_json::json;
use serde_json::value::RawValue;

use super::{Call, Target};
use crate::api::embeddings::{EmbeddingsRequest, Input};
use crate::api::moderations::ModerationsRequest;
use crate::api::usage::TokenUsage;
use crate::api::vector::{self, Encoding, NotAVector};
use crate::error::{Code, Error, Result};

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What the client gets.
    pub body: Vec<u8>,
    /// Tokens, if the provider said.
    pub usage: Option<TokenUsage>,
}

/// Texts into vectors.
pub trait Embeddings: Sync {
    /// What to send. Fails with a 400 that names a parameter the dialect cannot express.
    fn ask(&self, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Call>;

    /// Reads an answer that came with status 200. Fails with `upstream_error` when it is not one.
    fn read(&self, body: Vec<u8>, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Document>;

    /// Whether a model that makes embeddings is one that is asked here: a provider may have some behind another door.
    fn has(&self, _model: &str) -> bool {
        true
    }
}

/// Whether a text is harmful.
pub trait Moderations: Sync {
    /// What to send.
    fn ask(&self, asked: &ModerationsRequest<'_>, target: &Target) -> Result<Call>;

    /// Reads an answer that came with status 200. Fails with `upstream_error` when it is not one.
    fn read(&self, body: Vec<u8>, target: &Target) -> Result<Document>;
}

/// What a provider takes that knows neither OpenAI's fields nor token ids.
pub(super) struct Takes<'w> {
    /// Its name or the model's, for the client.
    pub(super) who: &'w str,
    /// The fields that are said in its words, and those that are left out.
    pub(super) fields: &'w [&'w str],
    /// The most texts of one request.
    pub(super) most: usize,
}

impl Takes<'_> {
    /// The texts of a request, or a 400 that names what is not taken.
    pub(super) fn texts<'r, 'a>(&self, asked: &'r EmbeddingsRequest<'a>) -> Result<&'r [&'a RawValue]> {
        let Self { who, fields, most } = self;
        for (name, value) in asked.object().iter() {
            if !fields.contains(&name) && value.get() != "null" {
                return Err(Error::invalid(name, format!("{who} has no `{name}` for embeddings.")));
            }
        }
        let Input::Texts(texts) = &asked.input else {
            return Err(Error::invalid("input", format!("{who} takes text, not token ids.")));
        };
        if texts.len() > *most {
            return Err(Error::invalid("input", format!("input has {} entries; {who} takes at most {most}.", texts.len())));
        }
        Ok(texts)
    }
}

/// An answer in OpenAI's form that is written here, vector by vector.
pub(super) struct VectorList {
    out: String,
    count: usize,
}

impl VectorList {
    pub(super) fn new() -> Self {
        Self { out: r#"{"object":"list","data":["#.to_owned(), count: 0 }
    }

    /// Adds a vector as a provider wrote it, in the form that is wanted.
    pub(super) fn push(&mut self, vector: &RawValue, wanted: Encoding) -> Result<()> {
        match vector::converted(vector, wanted).map_err(not_a_vector)? {
            Some(converted) => self.push_encoded(&converted),
            None => self.push_encoded(&crate::json::compact(vector.get())),
        }
        Ok(())
    }

    /// Adds a vector that is in the form that is wanted.
    pub(super) fn push_encoded(&mut self, vector: &str) {
        let before = if self.count == 0 { "" } else { "," };
        let index = self.count.to_string();
        for part in [before, r#"{"object":"embedding","index":"#, &index, r#","embedding":"#, vector, "}"] {
            self.out.push_str(part);
        }
        self.count += 1;
    }

    /// The whole answer; without a count of the provider's, `usage` says what was estimated. Fails unless each input has its vector.
    pub(super) fn answer(self, asked: &EmbeddingsRequest<'_>, model: &str, usage: Option<TokenUsage>) -> Result<Document> {
        if self.count != asked.input.items().len() {
            return Err(Error::new(Code::UpstreamError, format!("The provider answered with {} embeddings.", self.count)));
        }
        let tokens = usage.map_or_else(|| asked.tokens_estimate(), |usage| usage.input);
        Ok(Document { body: self.finish(model, tokens), usage })
    }

    /// The document; `tokens` is what `usage` says.
    pub(super) fn finish(mut self, model: &str, tokens: u64) -> Vec<u8> {
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        for part in ["],\"model\":", crate::json::string(model).get(), ",\"usage\":", &usage.to_string(), "}"] {
            self.out.push_str(part);
        }
        self.out.into_bytes()
    }
}

/// The provider sent something else where a vector belongs.
pub(super) fn not_a_vector(_: NotAVector) -> Error {
    Error::new(Code::UpstreamError, "The provider's answer has an embedding that is no vector of numbers.")
}
