//! Embeddings of Gemini: `batchEmbedContents`, for one text too.
//!
//! Always holds: a text keeps its bytes; a vector's numbers are Google's. `task_type` and `title` are Google's own fields,
//! taken beside OpenAI's. Absent on purpose: token ids, which no Gemini takes; normalising vectors that were cut short.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Gemini, model, usage};
use crate::api::embeddings::EmbeddingsRequest;
use crate::error::{Error, Result};
use crate::provider::document::{Document, Embeddings, Takes, VectorList};
use crate::provider::failure::{self, Scrub};
use crate::provider::{Call, Target};

/// The fields that are said in Google's words, and the one that is left out: who the user is follows from the token.
pub(in crate::provider) const FIELDS: &[&str] = &["input", "model", "dimensions", "encoding_format", "task_type", "title", "user"];
/// Google: "at most 100 requests can be in one batch".
const TAKES: Takes<'_> = Takes { who: "Gemini", fields: FIELDS, most: 100 };

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

/// What is to be embedded, in Google's form.
#[derive(Serialize)]
pub(in crate::provider) struct Content<'a> {
    parts: [Part<'a>; 1],
}

impl<'a> Content<'a> {
    /// One text.
    pub(in crate::provider) fn text(text: &'a RawValue) -> Self {
        Self { parts: [Part { text }] }
    }
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'b> {
    #[serde(borrow)]
    embeddings: Vec<Vector<'b>>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'b RawValue>,
}

/// A vector, in Google's form.
#[derive(Deserialize)]
pub(in crate::provider) struct Vector<'b> {
    /// The numbers.
    #[serde(borrow)]
    pub(in crate::provider) values: &'b RawValue,
}

impl Embeddings for Gemini {
    fn ask(&self, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Call> {
        let model = model::path(&target.model)?;
        let key = target.api_key.as_ref().map(|key| ("x-goog-api-key", key.expose().to_owned()));
        Ok(Call::Http(target.post(&format!("/{model}:batchEmbedContents"), false, key.into_iter().collect(), body(asked, &model)?)))
    }

    fn read(&self, body: Vec<u8>, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Document> {
        let not_one = || failure::from_other_answer("a list of embeddings", &body, &Scrub::of(target));
        let text = core::str::from_utf8(&body).map_err(|_| not_one())?;
        let answer: Answer = serde_json::from_str(text).map_err(|_| not_one())?;
        let mut list = VectorList::new();
        for vector in &answer.embeddings {
            list.push(vector.values, asked.encoding)?;
        }
        list.answer(asked, &target.model, answer.usage_metadata.and_then(usage::read))
    }
}

fn body(asked: &EmbeddingsRequest<'_>, model: &str) -> Result<Vec<u8>> {
    let texts = TAKES.texts(asked)?;
    let (task_type, title) = (asked.text("task_type")?, asked.text("title")?);
    let mut requests = Vec::with_capacity(texts.len());
    for text in texts {
        requests.push(One {
            model,
            content: Content::text(text),
            task_type: task_type.as_deref(),
            title: title.as_deref(),
            output_dimensionality: asked.dimensions,
        });
    }
    serde_json::to_vec(&Batch { requests }).map_err(|error| Error::server(format!("a request to Gemini was not written: {error}")))
}
