//! What an answer says of itself, and what of the request its reading depends on.

use super::answer::digest;
use super::wire::Response;
use crate::api::chat::ChatRequest;
use crate::provider::private::Maker;
use crate::provider::shape::Head;
use crate::provider::{Extras, Target};

/// What was asked, as far as it matters to the answer.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Who answers.
    pub(super) maker: Maker,
    /// Unix seconds.
    now_s: u64,
    /// The client asked for the final usage chunk.
    pub(super) wants_usage: bool,
    /// The client wants one call at most.
    pub(super) one_call: bool,
}

impl Asked {
    pub(super) fn of(chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Self {
        Self {
            maker: Maker::of(target),
            now_s: extras.now_s,
            wants_usage: chat.include_usage,
            // The request was read before it was sent: what is no flag was refused then.
            one_call: chat.flag("parallel_tool_calls").is_ok_and(|parallel| parallel == Some(false)),
        }
    }
}

/// The head of an answer, and the id that its calls' ids are made of. `text`: the answer or its first event, which tells the
/// answer from others when Gemini gave it no id.
pub(super) fn head(response: &Response<'_>, text: &str, asked: &Asked) -> (Head, String) {
    let given = response.response_id.as_deref().filter(|id| !id.is_empty());
    let id = given.map_or_else(|| digest(&[text, &asked.now_s.to_string()]), str::to_owned);
    let model = response.model_version.as_deref().filter(|model| !model.is_empty()).unwrap_or(&asked.maker.model);
    (Head { id: format!("chatcmpl-{id}"), model: model.to_owned(), created: asked.now_s }, id)
}
