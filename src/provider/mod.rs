//! Upstream dialects: what to send a provider, and what its answer means.
//!
//! Always holds: pure functions of their arguments, no I/O and no clock; one `match` on the kind of provider, here;
//! nothing a client can see contains a secret of the target.
//! Absent on purpose: fetching, deadlines, retries (`edge`), and which provider serves which model (`config`).

mod anthropic;
mod conversation;
pub mod demo;
mod document;
mod failure;
pub mod field;
pub mod gemini;
pub mod host;
pub mod openai;
pub mod private;
mod shape;
mod stopped;
mod target;
pub mod vertex;
mod workers_ai;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Error, Result};
use crate::sse::Event;

pub use document::{Document, Embeddings, Moderations};
pub use failure::meant;
pub use host::Host;
pub use private::Private;
pub use target::{Call, Outbound, Run, Secret, Target};

/// The dialect a provider speaks, and how it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// OpenAI itself.
    #[serde(rename = "openai")]
    OpenAi,
    /// A host that speaks OpenAI's dialect.
    #[serde(rename = "openai-compatible")]
    OpenAiCompatible,
    /// Anthropic, or a host that speaks its Messages API.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// Google's Vertex AI: Gemini, Claude and others in a project of Google Cloud.
    Vertex,
    /// Cloudflare's Workers AI.
    WorkersAi,
    /// The built-in demo, which needs no network.
    Demo,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::OpenAi, Self::OpenAiCompatible, Self::Anthropic, Self::Gemini, Self::Vertex, Self::WorkersAi, Self::Demo];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiCompatible => "openai-compatible",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Vertex => "vertex",
            Self::WorkersAi => "workers-ai",
            Self::Demo => "demo",
        }
    }

    /// The kind with this name, or a 400 that names `kind`.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::invalid("kind", format!("kind must be one of {known}."))
        })
    }

    /// Where the provider is when the project does not say; `None`: the project must say, it depends on a location, or there is no
    /// network.
    pub const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Anthropic => Some("https://api.anthropic.com/v1"),
            Self::Gemini => Some(gemini::BASE_URL),
            Self::OpenAiCompatible | Self::Vertex | Self::WorkersAi | Self::Demo => None,
        }
    }

    /// The dialect. The one `match` that chooses behaviour.
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::OpenAi => &openai::OpenAi { output_cap: "max_completion_tokens" },
            Self::OpenAiCompatible => &openai::OpenAi { output_cap: "max_tokens" },
            Self::Anthropic => &anthropic::Anthropic,
            Self::Gemini => &gemini::Gemini,
            Self::Vertex => &vertex::Vertex,
            Self::WorkersAi => &workers_ai::WorkersAi,
            Self::Demo => &demo::Demo,
        }
    }
}

/// What the gateway adds to a client's request.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Stored messages of the thread, oldest first; they go after the leading system and developer messages.
    pub prepend: Vec<Box<RawValue>>,
    /// The project's own instructions; they go first.
    pub system_prompt: Option<String>,
    /// The output tokens granted per choice, sent only when the client named no maximum.
    pub max_output: Option<u64>,
    /// Unix time in seconds, for what is made here rather than by a provider.
    pub now_s: u64,
    /// What is kept of earlier answers for the calls in the history.
    pub private: Vec<Private>,
}

/// One upstream dialect. Pure functions of their arguments; an answer is read with the same arguments as its request was made.
pub trait Dialect: Sync {
    /// What to send. Fails with a 400 that names a parameter the dialect cannot express.
    fn request(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Call>;

    /// Reads a whole answer that came with status 200. Fails with `upstream_error` when it is not one.
    fn response<'b>(&self, body: &'b [u8], chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Reply<'b>>;

    /// Tokens that a body says were used, of which `response` says that it is no answer: the provider bills them all the same.
    fn billed(&self, body: &[u8]) -> Option<TokenUsage>;

    /// What a client is told when the provider answered with another status than 200.
    fn failure(&self, status: u16, retry_after_ms: Option<u64>, body: &[u8], target: &Target) -> Error;

    /// The state machine for one streamed answer.
    fn stream(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Box<dyn Translate>;

    /// Its embeddings, if it has any.
    fn embeddings(&self) -> Option<&dyn Embeddings> {
        None
    }

    /// Its moderations, if it has any.
    fn moderations(&self) -> Option<&dyn Moderations> {
        None
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<'b> {
    /// What the client gets; borrowed when it is the provider's bytes unchanged.
    pub body: Cow<'b, [u8]>,
    /// Tokens, if the provider said.
    pub usage: Option<TokenUsage>,
    /// Choice 0 as an assistant message in JSON, for the thread.
    pub message: Option<String>,
    /// Bytes of text in all choices, to estimate from when the provider said no usage.
    pub output_bytes: u64,
    /// What the provider wants back with the results of this answer's calls.
    pub private: Vec<Private>,
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The event had nothing for the client.
    Nothing,
    /// Bytes for the client were appended to `out`.
    Frame,
    /// The dialect's end mark: nothing that follows counts.
    Done,
}

/// The state machine of one streamed answer: events in, encoded events for the client out. Its fields *are* the state.
///
/// After an `Err` the answer is over: settle with `usage`, `message` and `output_bytes`, which say how far it got.
pub trait Translate {
    /// Takes one event and appends what the client gets, as SSE bytes. `[DONE]` is never among them: the caller writes it
    /// after `end` has succeeded. Fails when the provider reports an error or sends what is not its dialect.
    fn push(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<Pushed>;

    /// The stream is over. `rest` is what the decoder had left without its blank line. Fails unless the end mark was seen.
    fn end(&mut self, rest: Option<Event<'_>>, out: &mut Vec<u8>) -> Result<()>;

    /// Tokens as last reported: a snapshot, not a sum.
    fn usage(&self) -> Option<TokenUsage>;

    /// Choice 0 so far, as an assistant message in JSON.
    fn message(&self) -> Option<String>;

    /// Bytes of text seen so far in all choices, to estimate from when the provider sent no usage.
    fn output_bytes(&self) -> u64;

    /// What the provider wants back with the results of this answer's calls, so far.
    fn private(&self) -> Vec<Private> {
        Vec::new()
    }

    /// How many of `output_bytes` had been seen when `usage` was last reported: what came after it is estimated.
    fn covered_bytes(&self) -> u64;

    /// The gateway ends the answer here. Appends `finish_reason: "length"` for every choice that has none yet, with `details`
    /// that say `why`, and `usage` if the client asked for it. Nothing is pushed afterwards.
    fn stop(&mut self, why: &Error, usage: TokenUsage, out: &mut Vec<u8>);

    /// The end mark was seen.
    fn is_done(&self) -> bool;
}
