//! Cloudflare's Workers AI: through the binding of this very Worker, which needs no key, or through its OpenAI-compatible REST
//! endpoint when the provider says where that is.
//!
//! Always holds: a model's name is one of Workers AI's before anything is asked; older models answer `{response, tool_calls}`, newer
//! ones in OpenAI's form, and a client sees OpenAI's either way.
//! Absent on purpose: the call of the binding (`edge::workers_ai`), and models that neither talk nor embed.

mod embeddings;
mod native;
mod request;
mod stream;

use serde_json::value::RawValue;

use super::failure::{self, Scrub};
use super::openai::OpenAi;
use super::{Call, Dialect, Embeddings, Extras, Reply, Target, Translate};
use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};
use crate::json::{each_item, pick};

/// How the models' names begin: Cloudflare's own collection, and the one taken over from Hugging Face.
const COLLECTIONS: [&str; 2] = ["@cf/", "@hf/"];
/// "No such model" (developers.cloudflare.com/workers-ai/platform/errors), which comes with status 400.
const NO_SUCH_MODEL: &str = "5007";

const OPENAI: OpenAi = OpenAi { output_cap: "max_tokens" };

/// The dialect of Workers AI.
#[derive(Debug)]
pub struct WorkersAi;

impl Dialect for WorkersAi {
    fn request(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Call> {
        check_model(&target.model)?;
        if target.base_url.is_empty() {
            return Ok(Call::WorkersAi(request::run(chat, target, extras, OPENAI.output_cap)?));
        }
        OPENAI.request(chat, target, extras)
    }

    fn response<'b>(&self, body: &'b [u8], chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Reply<'b>> {
        match native::read(body, &native::Asked::of(chat, target, extras))? {
            Some(reply) => Ok(reply),
            None => OPENAI.response(failed(body).map_or(body, |error| error.get().as_bytes()), chat, target, extras),
        }
    }

    fn billed(&self, body: &[u8]) -> Option<TokenUsage> {
        OPENAI.billed(body)
    }

    fn failure(&self, status: u16, retry_after_ms: Option<u64>, body: &[u8], target: &Target) -> Error {
        let (scrub, first) = (Scrub::of(target), failed(body));
        let code = first.and_then(|error| pick(error.get(), ["code"]).ok()).and_then(|[code]| code);
        let status = if code.is_some_and(|code| code.get() == NO_SUCH_MODEL) { 404 } else { status };
        failure::from_status(status, retry_after_ms, first.map_or(body, |error| error.get().as_bytes()), &scrub)
    }

    fn stream(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Box<dyn Translate> {
        let openai = OPENAI.stream(chat, target, extras);
        Box::new(stream::Stream::new(openai, native::Asked::of(chat, target, extras), Scrub::of(target)))
    }

    fn embeddings(&self) -> Option<&dyn Embeddings> {
        Some(self)
    }
}

/// A 404 for what is no model's name.
fn check_model(model: &str) -> Result<()> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let part = |part: &str| !part.is_empty() && part.bytes().all(harmless) && part.bytes().any(|byte| byte != b'.');
    let rest = COLLECTIONS.iter().find_map(|collection| model.strip_prefix(collection));
    if rest.is_some_and(|rest| rest.split('/').all(part)) {
        return Ok(());
    }
    let message = format!("`{model}` is not the name of a Workers AI model: they begin with @cf/ or @hf/.");
    Err(Error::new(Code::ModelNotFound, message).with_param("model"))
}

/// The answer itself: the REST API puts it into an envelope.
fn unwrapped(text: &str) -> &str {
    pick(text, ["result"]).ok().and_then(|[result]| result).map_or(text, RawValue::get)
}

/// The first of the `errors` that Cloudflare's APIs answer with.
fn failed(body: &[u8]) -> Option<&RawValue> {
    let [errors] = pick(core::str::from_utf8(body).ok()?, ["errors"]).ok()?;
    let mut first = None;
    each_item(errors?.get(), |error| {
        first.get_or_insert(error);
    })
    .ok()?;
    first
}
