//! OpenAI's dialect, spoken by OpenAI, by the many hosts that are compatible, and by our own clients.
//!
//! Always holds: what need not change does not: request fields, whole answers and event data keep their bytes.
//! Absent on purpose: anything particular to one host; that is a row of `provider::host`, which the [`Target`] names.

mod draft;
mod embeddings;
mod moderations;
mod reply;
mod request;
mod rewrite;
mod stream;
mod usage;

use super::failure::{self, Scrub};
use super::host::{self, Quirk};
use super::{Call, Dialect, Embeddings, Extras, Moderations, Reply, Target, Translate};
use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Error, Result};

pub(super) use request::{body, object_for};
pub(super) use usage::read as read_usage;

/// The OpenAI dialect.
#[derive(Debug)]
pub struct OpenAi {
    /// The field that caps the output when the client named no maximum, unless the host has its own.
    pub(super) output_cap: &'static str,
}

impl Dialect for OpenAi {
    fn request(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Call> {
        Ok(Call::Http(request::outbound(chat, target, extras, self.output_cap)?))
    }

    fn response<'b>(&self, body: &'b [u8], _chat: &ChatRequest<'_>, target: &Target, _extras: &Extras) -> Result<Reply<'b>> {
        reply::read(body, target.host).ok_or_else(|| failure::from_answer(body, &Scrub::of(target)))
    }

    fn billed(&self, body: &[u8]) -> Option<TokenUsage> {
        usage::of_answer(body)
    }

    fn failure(&self, status: u16, retry_after_ms: Option<u64>, body: &[u8], target: &Target) -> Error {
        let error = failure::from_status(status, retry_after_ms, body, &Scrub::of(target));
        if target.has(Quirk::Azure) && status == 400 { host::refused_content(error, body) } else { error }
    }

    fn stream(&self, chat: &ChatRequest<'_>, target: &Target, _extras: &Extras) -> Box<dyn Translate> {
        Box::new(stream::Stream::new(chat.include_usage, target))
    }

    fn embeddings(&self) -> Option<&dyn Embeddings> {
        Some(self)
    }

    fn moderations(&self) -> Option<&dyn Moderations> {
        Some(self)
    }
}
