//! Anthropic's dialect: the Messages API.
//!
//! Always holds: a client of OpenAI's dialect gets OpenAI's answers, whole and streamed; the key goes in a header, never in the URL;
//! what the API cannot express is a 400 that names the field. Thoughts, which the API wants back with the results of calls,
//! are taken out of an answer (`thought`) and put back before the calls they belong to (`turn`).
//! Absent on purpose: tools that Anthropic runs itself, whose costs no budget knows; betas (but the one that keeps
//! a thought that was given back from failing a request); the user's identity (`metadata`).

mod block;
mod format;
mod model;
mod request;
mod response;
mod schema;
mod stream;
mod thinking;
mod thought;
mod tool;
mod turn;
mod usage;
mod wire;

use super::failure::{self, Scrub};
use super::{Call, Dialect, Extras, Reply, Target, Translate};
use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Error, Result};

pub(super) use request::{Body, body};

/// The name used in errors.
const NAME: &str = "Anthropic";

/// The Anthropic dialect.
#[derive(Debug)]
pub struct Anthropic;

impl Dialect for Anthropic {
    fn request(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Call> {
        Ok(Call::Http(request::outbound(chat, target, extras)?))
    }

    fn response<'b>(&self, body: &'b [u8], chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Reply<'b>> {
        let json_tool = format::json_tool(chat, model::Model::of(target));
        response::read(body, json_tool.as_deref(), target, extras.now_s).ok_or_else(|| failure::from_answer(body, &Scrub::of(target)))
    }

    fn billed(&self, body: &[u8]) -> Option<TokenUsage> {
        usage::of_answer(body)
    }

    fn failure(&self, status: u16, retry_after_ms: Option<u64>, body: &[u8], target: &Target) -> Error {
        failure::from_status(status, retry_after_ms, body, &Scrub::of(target))
    }

    fn stream(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Box<dyn Translate> {
        Box::new(stream::Stream::new(chat, target, extras.now_s))
    }
}
