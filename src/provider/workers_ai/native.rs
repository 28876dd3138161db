//! Workers AI's own form of an answer: `{response, tool_calls, usage}`, whole or as the events of a stream.
//!
//! Always holds: a call has an id and its arguments are text, whatever the model wrote; nothing that was said is lost.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::unwrapped;
use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};
use crate::json::{self, each_item, pick, quoted};
use crate::provider::gemini::digest;
use crate::provider::shape::{Draft, Escaped, Finish, Head, completion};
use crate::provider::{Extras, Reply, Target, openai};

/// What was asked, as far as it matters to the answer.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    model: String,
    now_s: u64,
    /// The most output tokens, if anybody said.
    cap: Option<u64>,
    /// The client asked for the final usage chunk.
    pub(super) wants_usage: bool,
}

impl Asked {
    pub(super) fn of(chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Self {
        let cap = chat.max_output.or(extras.max_output);
        Self { model: target.model.clone(), now_s: extras.now_s, cap, wants_usage: chat.include_usage }
    }

    /// Workers AI gives its answers no id. `text`: the answer or its first event, which tells it from others.
    pub(super) fn head(&self, text: &str) -> Head {
        Head { id: format!("chatcmpl-{}", digest(&[text, &self.now_s.to_string()])), model: self.model.clone(), created: self.now_s }
    }

    /// Workers AI does not say why an answer ended: one that is as long as allowed was cut.
    pub(super) fn finish(&self, calls: bool, usage: Option<TokenUsage>) -> Finish {
        let full = self.cap.zip(usage).is_some_and(|(cap, usage)| usage.output >= cap);
        match (calls, full) {
            (true, _) => Finish::ToolCalls,
            (false, true) => Finish::Length,
            (false, false) => Finish::Stop,
        }
    }
}

/// What an answer or an event says.
#[derive(Debug)]
pub(super) struct Said<'a> {
    /// Text; a schema's answer may be an object, a number stays a number.
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) calls: Vec<Called<'a>>,
    pub(super) usage: Option<TokenUsage>,
}

/// A call, or a piece of one.
#[derive(Debug)]
pub(super) struct Called<'a> {
    pub(super) index: Option<u64>,
    pub(super) id: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    /// As text, escaped.
    pub(super) arguments: Option<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    /// `None` when it is not of this form.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let [response, tool_calls, usage] = pick(text, ["response", "tool_calls", "usage"]).ok()?;
        if response.is_none() && tool_calls.is_none() && usage.is_none() {
            return None;
        }
        let mut calls = Vec::new();
        if let Some(tool_calls) = tool_calls {
            each_item(tool_calls.get(), |call| calls.extend(called(call))).ok()?;
        }
        Some(Self { text: response.map(as_text), calls, usage: usage.and_then(openai::read_usage) })
    }
}

/// A string's content as it is escaped; anything else as the text that it is.
fn as_text(value: &RawValue) -> Cow<'_, str> {
    match quoted(value) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(quoted(&json::string(value.get())).unwrap_or_default().to_owned()),
    }
}

/// `{name, arguments}`, or the same as OpenAI has it; `None` for one that says nothing, as which Workers AI ends some.
fn called(call: &RawValue) -> Option<Called<'_>> {
    let [index, id, name, arguments, function] = pick(call.get(), ["index", "id", "name", "arguments", "function"]).ok()?;
    let inner = function.and_then(|function| pick(function.get(), ["name", "arguments"]).ok());
    let [inner_name, inner_arguments] = inner.unwrap_or_default();
    let called = Called {
        index: index.and_then(|index| index.get().parse().ok()),
        id: id.and_then(quoted).filter(|id| !id.is_empty()),
        name: inner_name.or(name).and_then(quoted).filter(|name| !name.is_empty()),
        arguments: inner_arguments.or(arguments).map(as_text),
    };
    (called.name.is_some() || called.arguments.is_some()).then_some(called)
}

/// A whole answer; `None` when it is not of this form.
///
/// # Errors
/// 502 for more calls than an answer may have.
pub(super) fn read<'b>(body: &'b [u8], asked: &Asked) -> Result<Option<Reply<'b>>> {
    let Ok(text) = core::str::from_utf8(body) else { return Ok(None) };
    let result = unwrapped(text);
    if pick(result, ["choices"]).is_ok_and(|[choices]| choices.is_some()) {
        return Ok(None);
    }
    let Some(said) = Said::read(result) else { return Ok(None) };
    let head = asked.head(text);
    let mut draft = Draft::default();
    if let Some(text) = &said.text {
        draft.text(Escaped::joined(text));
    }
    for (position, call) in said.calls.iter().enumerate() {
        let own = own_id(&head, position);
        let index = draft.call(Escaped::joined(call.id.unwrap_or(&own)), Escaped::joined(call.name.unwrap_or_default()), None);
        let index = index.ok_or_else(too_many)?;
        draft.arguments(index, Escaped::joined(call.arguments.as_deref().unwrap_or_default()));
    }
    draft.finish(asked.finish(draft.has_calls(), said.usage));
    Ok(Some(Reply {
        body: Cow::Owned(completion(&head, core::slice::from_ref(&draft), said.usage.as_ref())),
        usage: said.usage,
        message: draft.message(),
        output_bytes: draft.output_bytes(),
        private: Vec::new(),
    }))
}

/// The id of a call that came without one.
pub(super) fn own_id(head: &Head, position: usize) -> String {
    format!("call_{}_{position}", head.id.trim_start_matches("chatcmpl-"))
}

fn too_many() -> Error {
    Error::new(Code::UpstreamError, "The provider's answer has too many calls.")
}
