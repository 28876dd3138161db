//! Embeddings of Vertex AI: `predict` for the models that make nothing else, `embedContent` for Gemini's newer ones.
//!
//! Always holds: which door it is follows from the model's name alone; a text keeps its bytes; a vector's numbers are Google's.
//! Absent on purpose: vectors of images and films (`multimodalembedding`), models of other publishers, splitting a request that has
//! more texts than a model takes.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Vertex, id_in_url};
use crate::api::embeddings::EmbeddingsRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};
use crate::json::pick;
use crate::provider::document::{Document, Embeddings, Takes, VectorList};
use crate::provider::failure::{self, Scrub};
use crate::provider::gemini::{EMBEDDED_FIELDS, Embedded, Vector, read_usage};
use crate::provider::{Call, Target};

/// How the names of the models begin that take many texts.
const TEXT_MODELS: [&str; 3] = ["text-embedding-", "text-multilingual-embedding-", "textembedding-gecko"];
/// Of Gemini's, the one that is behind the older door, as Google's own SDKs have it.
const FIRST_GEMINI: &str = "gemini-embedding-001";
/// "Up to 250 input texts"; and "gemini-embedding-001 supports one instance per request"
/// (cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings).
const MOST: usize = 250;

/// Where a model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door<'m> {
    /// `predict`, for at most so many texts.
    Predict(&'m str, usize),
    /// `embedContent`, for one text.
    EmbedContent(&'m str),
}

impl<'m> Door<'m> {
    fn of(model: &'m str) -> Result<Self> {
        let id = id_in_url(model.strip_prefix("google/").unwrap_or(model), model)?;
        match id {
            FIRST_GEMINI => Ok(Self::Predict(id, 1)),
            _ if id.starts_with("gemini-embedding-") => Ok(Self::EmbedContent(id)),
            _ if TEXT_MODELS.iter().any(|family| id.starts_with(family)) => Ok(Self::Predict(id, MOST)),
            _ => Err(unknown(model)),
        }
    }

    /// What comes behind the base URL.
    fn path(self) -> String {
        let (id, method) = match self {
            Self::Predict(id, _) => (id, "predict"),
            Self::EmbedContent(id) => (id, "embedContent"),
        };
        format!("/publishers/google/models/{id}:{method}")
    }

    fn takes(self) -> Takes<'m> {
        let (who, most) = match self {
            Self::Predict(id, 1) | Self::EmbedContent(id) => (id, 1),
            Self::Predict(_, most) => ("Vertex AI", most),
        };
        Takes { who, fields: EMBEDDED_FIELDS, most }
    }

    fn body(self, asked: &EmbeddingsRequest<'_>) -> Result<Vec<u8>> {
        let texts = self.takes().texts(asked)?;
        let (task_type, title, dimensions) = (asked.text("task_type")?, asked.text("title")?, asked.dimensions);
        let (task_type, title) = (task_type.as_deref(), title.as_deref());
        let written = if let (Self::EmbedContent(_), [text]) = (self, texts) {
            let said = task_type.is_some() || title.is_some() || dimensions.is_some();
            let config = said.then_some(Config { task_type, title, output_dimensionality: dimensions });
            serde_json::to_vec(&Content { content: Embedded::text(text), embed_content_config: config })
        } else {
            let instances = texts.iter().map(|content| Instance { content, task_type, title }).collect();
            let parameters = dimensions.map(|output_dimensionality| Parameters { output_dimensionality });
            serde_json::to_vec(&Instances { instances, parameters })
        };
        written.map_err(|error| Error::server(format!("a request to Vertex AI was not written: {error}")))
    }
}

fn unknown(model: &str) -> Error {
    let why = format!("`{model}` makes no embeddings at Vertex AI: those that do are gemini-embedding-… and text-embedding-….");
    Error::new(Code::ModelNotFound, why).with_param("model")
}

#[derive(Serialize)]
struct Instances<'a> {
    instances: Vec<Instance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    output_dimensionality: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    content: Embedded<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embed_content_config: Option<Config<'a>>,
}

/// The members of the same names beside `content` are deprecated.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Deserialize)]
struct Predictions<'b> {
    #[serde(borrow)]
    predictions: Vec<Prediction<'b>>,
}

#[derive(Deserialize)]
struct Prediction<'b> {
    #[serde(borrow)]
    embeddings: Counted<'b>,
}

#[derive(Deserialize)]
struct Counted<'b> {
    #[serde(borrow)]
    values: &'b RawValue,
    #[serde(borrow, default)]
    statistics: Option<&'b RawValue>,
}

impl Counted<'_> {
    /// Its text's tokens, if they were counted.
    fn tokens(&self) -> Option<u64> {
        let [count] = pick(self.statistics?.get(), ["token_count"]).ok()?;
        // A number of a message without types, which some of Google's servers write as a fraction.
        count?.get().trim_end_matches(".0").parse().ok()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embedding<'b> {
    #[serde(borrow)]
    embedding: Vector<'b>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'b RawValue>,
}

/// The vectors of an answer and its tokens; `None` when it is none of this door's.
fn vectors<'b>(door: Door<'_>, text: &'b str) -> Option<(Vec<&'b RawValue>, Option<TokenUsage>)> {
    if let Door::EmbedContent(_) = door {
        let Embedding { embedding, usage_metadata } = serde_json::from_str(text).ok()?;
        return Some((vec![embedding.values], usage_metadata.and_then(read_usage)));
    }
    let Predictions { predictions } = serde_json::from_str(text).ok()?;
    // One text that was not counted leaves no sum.
    let input: Option<u64> = predictions.iter().map(|one| one.embeddings.tokens()).sum();
    let usage = input.map(|input| TokenUsage { input, ..TokenUsage::default() });
    Some((predictions.iter().map(|one| one.embeddings.values).collect(), usage))
}

impl Embeddings for Vertex {
    fn ask(&self, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Call> {
        let door = Door::of(&target.model)?;
        let key = target.api_key.as_ref().map(|key| ("x-goog-api-key", key.expose().to_owned()));
        Ok(Call::Http(target.post(&door.path(), false, key.into_iter().collect(), door.body(asked)?)))
    }

    fn read(&self, body: Vec<u8>, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Document> {
        let door = Door::of(&target.model)?;
        let found = core::str::from_utf8(&body).ok().and_then(|text| vectors(door, text));
        let (vectors, usage) = found.ok_or_else(|| failure::from_other_answer("a list of embeddings", &body, &Scrub::of(target)))?;
        let mut list = VectorList::new();
        for vector in vectors {
            list.push(vector, asked.encoding)?;
        }
        list.answer(asked, &target.model, usage)
    }

    fn has(&self, model: &str) -> bool {
        Door::of(model).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_door() {
        for (model, expected) in [
            ("text-embedding-005", Door::Predict("text-embedding-005", 250)),
            ("google/text-multilingual-embedding-002", Door::Predict("text-multilingual-embedding-002", 250)),
            ("textembedding-gecko@003", Door::Predict("textembedding-gecko@003", 250)),
            ("gemini-embedding-001", Door::Predict("gemini-embedding-001", 1)),
            ("google/gemini-embedding-2", Door::EmbedContent("gemini-embedding-2")),
        ] {
            assert_eq!(Door::of(model).unwrap(), expected);
        }
        for model in [
            "",
            "google/",
            "gemini-2.5-flash",
            "claude-opus-5",
            "multimodalembedding@001",
            "meta/text-embedding-x",
            "text-embedding-005:predict",
            "text-embedding-/../x",
            "text-embedding-005?key=1",
            "google/google/text-embedding-005",
        ] {
            let error = Door::of(model).unwrap_err();
            assert_eq!((error.status(), error.code(), Vertex.has(model)), (404, Code::ModelNotFound, false), "{model}");
        }
    }
}
