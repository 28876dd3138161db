//! Embeddings of Workers AI: by the binding in its own form, by the REST endpoint in OpenAI's.
//!
//! Always holds: a text keeps its bytes; the binding counts no tokens, so they are estimated. Fields that the binding would not read
//! are refused rather than lost. Absent on purpose: the most texts of a request, which is Cloudflare's to say and differs by model.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{OPENAI, WorkersAi, check_model, failed, unwrapped};
use crate::api::embeddings::{EmbeddingsRequest, MAX_INPUTS};
use crate::error::{Error, Result};
use crate::provider::document::{Document, Embeddings, Takes, VectorList};
use crate::provider::failure::{self, Scrub};
use crate::provider::{Call, Run, Target};

/// `pooling` is `@cf/baai/bge-…`'s own, `instruction` is `@cf/qwen/qwen3-embedding-…`'s (developers.cloudflare.com/workers-ai/models).
/// `user` has nobody to read it.
const TAKES: Takes<'_> = Takes {
    who: "The binding of Workers AI",
    fields: &["input", "model", "encoding_format", "pooling", "instruction", "user"],
    most: MAX_INPUTS,
};

#[derive(Serialize)]
struct Inputs<'a> {
    text: &'a [&'a RawValue],
    #[serde(skip_serializing_if = "Option::is_none")]
    pooling: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Answer<'b> {
    #[serde(borrow)]
    data: Vec<&'b RawValue>,
}

impl Embeddings for WorkersAi {
    fn ask(&self, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Call> {
        check_model(&target.model)?;
        if !target.base_url.is_empty() {
            return OPENAI.ask(asked, target);
        }
        let own = |name: &str| asked.object().get(name).filter(|value| value.get() != "null");
        let inputs = Inputs { text: TAKES.texts(asked)?, pooling: own("pooling"), instruction: own("instruction") };
        let inputs = serde_json::to_vec(&inputs).map_err(|error| Error::server(format!("inputs of a model were not written: {error}")))?;
        Ok(Call::WorkersAi(Run { model: target.model.clone(), inputs }))
    }

    fn read(&self, body: Vec<u8>, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Document> {
        if !target.base_url.is_empty() {
            return OPENAI.read(body, asked, target);
        }
        let answer = core::str::from_utf8(&body).ok().and_then(|text| serde_json::from_str(unwrapped(text)).ok());
        let Answer { data } = answer.ok_or_else(|| {
            let said = failed(&body).map_or(body.as_slice(), |error| error.get().as_bytes());
            failure::from_other_answer("a list of embeddings", said, &Scrub::of(target))
        })?;
        let mut list = VectorList::new();
        for vector in data {
            list.push(vector, asked.encoding)?;
        }
        list.answer(asked, &target.model, None)
    }
}
