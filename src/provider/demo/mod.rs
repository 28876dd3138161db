//! The built-in demo provider: OpenAI's dialect with nobody behind it, so that every screen and test has something to show.
//!
//! Always holds: the same request (and time) gives the same bytes; every answer says that it is a demo; delays are data, the
//! caller sleeps; what is made here is read by the same code as a real provider's answer.
//! Absent on purpose: any pretence of understanding. It quotes, counts, and fills in schemas.

mod answer;
mod embeddings;
mod prompt;
mod schema;
mod script;
mod trigger;

use super::openai::{self, OpenAi};
use super::{Call, Dialect, Embeddings, Extras, Reply, Target, Translate};
use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Error, Result};

pub use script::{Piece, Script};

/// The model that answers, whatever name was asked for.
pub const MODEL: &str = "demo-1";

const OUTPUT_CAP: &str = "max_tokens";
const OPENAI: OpenAi = OpenAi { output_cap: OUTPUT_CAP };

/// The demo's dialect: the request is answered on the spot, the rest is OpenAI's.
#[derive(Debug)]
pub struct Demo;

impl Dialect for Demo {
    fn request(&self, chat: &ChatRequest<'_>, _target: &Target, extras: &Extras) -> Result<Call> {
        // What a real provider would be sent, so that history, instructions and the output cap are seen here too.
        let body = openai::body(chat, MODEL, extras, OUTPUT_CAP)?;
        Ok(Call::Demo(Script::for_request(&ChatRequest::parse(&body)?, extras.now_s)?))
    }

    fn response<'b>(&self, body: &'b [u8], chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Reply<'b>> {
        OPENAI.response(body, chat, target, extras)
    }

    fn billed(&self, body: &[u8]) -> Option<TokenUsage> {
        OPENAI.billed(body)
    }

    fn failure(&self, status: u16, retry_after_ms: Option<u64>, body: &[u8], target: &Target) -> Error {
        OPENAI.failure(status, retry_after_ms, body, target)
    }

    fn stream(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Box<dyn Translate> {
        OPENAI.stream(chat, target, extras)
    }

    fn embeddings(&self) -> Option<&dyn Embeddings> {
        Some(self)
    }
}
