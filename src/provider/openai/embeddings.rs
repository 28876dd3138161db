//! Embeddings at hosts of OpenAI's dialect: the client's members go out as they are, the answer comes back as it is.
//!
//! Always holds: the vectors are in the form that was asked for. Only OpenAI itself is asked for base64: other hosts ignore the
//! word, refuse it or answer it with nothing, so they are asked for numbers and the base64 is made here.
//! Absent on purpose: a tree of the answer, which has millions of numbers: only what changes is written anew.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{OpenAi, request, usage};
use crate::api::embeddings::EmbeddingsRequest;
use crate::api::vector::{self, Encoding};
use crate::error::{Error, Result};
use crate::json;
use crate::provider::document::{Document, Embeddings, not_a_vector};
use crate::provider::failure::{self, Scrub};
use crate::provider::{Call, Kind, Target};

#[derive(Deserialize)]
struct Answer<'b> {
    #[serde(borrow)]
    data: Vec<Item<'b>>,
    #[serde(borrow, default)]
    usage: Option<&'b RawValue>,
}

#[derive(Deserialize)]
struct Item<'b> {
    #[serde(borrow)]
    embedding: &'b RawValue,
}

impl Embeddings for OpenAi {
    fn ask(&self, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Call> {
        let mut object = asked.object().clone();
        object.set("model", Cow::Owned(json::string(&target.model)));
        if asked.encoding == Encoding::Base64 && target.kind != Kind::OpenAi {
            object.remove("encoding_format");
        }
        Ok(Call::Http(request::post(target, "/embeddings", false, object.to_bytes())?))
    }

    fn read(&self, body: Vec<u8>, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Document> {
        let not_one = || failure::from_other_answer("a list of embeddings", &body, &Scrub::of(target));
        let text = core::str::from_utf8(&body).map_err(|_| not_one())?;
        let answer: Answer = serde_json::from_str(text).map_err(|_| not_one())?;
        if answer.data.is_empty() {
            return Err(not_one());
        }
        let usage = answer.usage.and_then(usage::read);
        let rewritten = rewritten(text, &answer.data, asked.encoding)?;
        Ok(Document { body: rewritten.unwrap_or(body), usage })
    }
}

/// The answer with its vectors in the form that is wanted; `None` if all have it.
fn rewritten(text: &str, items: &[Item<'_>], wanted: Encoding) -> Result<Option<Vec<u8>>> {
    let mut out = Vec::new();
    let mut from = 0;
    for item in items {
        let Some(vector) = vector::converted(item.embedding, wanted).map_err(not_a_vector)? else { continue };
        let at = place(text, item.embedding.get());
        let before = text.get(from..at).ok_or_else(|| Error::server("an embedding is not where it was read"))?;
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(vector.as_bytes());
        from = at + item.embedding.get().len();
    }
    if from == 0 {
        return Ok(None);
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default().as_bytes());
    Ok(Some(out))
}

/// Where a part of a text, borrowed from it, begins.
fn place(text: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(text.as_ptr().addr())
}
