//! OpenAI's answers, for the dialects that have to make them: chunks of a stream, and whole answers.
//!
//! Always holds: texts travel as they were escaped and are never decoded, so nothing is lost and a surrogate pair that a provider
//! cut in two is whole again; ids, order and indices are those the SDKs insist on (one id, the role first, call indices
//! without gaps, one finish). Absent on purpose: any provider's words.

mod draft;
mod frames;
mod live;
mod usage;

pub(super) use draft::{Draft, completion};
pub(super) use live::Live;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json;

/// The content of a JSON string, still escaped: what is between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Escaped<'a>(&'a str);

impl<'a> Escaped<'a> {
    /// Of a JSON value; `None` when it is no string.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        json::quoted(value).map(Self)
    }

    /// Of texts that were escaped, joined.
    pub(super) fn joined(escaped: &'a str) -> Self {
        Self(escaped)
    }

    /// Of a text. Scans it; allocates only when something is to be escaped.
    pub(super) fn text(text: &'a str) -> EscapedText<'a> {
        if text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
            let quoted = json::string(text);
            EscapedText(Cow::Owned(json::quoted(&quoted).unwrap_or_default().to_owned()))
        } else {
            EscapedText(Cow::Borrowed(text))
        }
    }

    /// As it stands in JSON.
    pub(super) fn as_str(self) -> &'a str {
        self.0
    }

    /// How many bytes of UTF-8 it stands for.
    pub(super) fn text_len(self) -> u64 {
        json::text_len(self.0) as u64
    }
}

/// An escaped text that may have had to be made.
#[derive(Clone, Debug)]
pub(super) struct EscapedText<'a>(Cow<'a, str>);

impl EscapedText<'_> {
    /// The text.
    pub(super) fn get(&self) -> Escaped<'_> {
        Escaped(&self.0)
    }
}

/// Why a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// It was complete, or a stop sequence came.
    Stop,
    /// The output maximum or the context was full.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// A filter, or a refusal.
    ContentFilter,
}

impl Finish {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// What every chunk and every whole answer says of itself.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// One id for the whole answer.
    pub(super) id: String,
    /// The model that answers.
    pub(super) model: String,
    /// Unix seconds.
    pub(super) created: u64,
}

impl Head {
    /// `{"id":…,"object":…,"created":…,"model":…` without its closing brace.
    fn json(&self, object: &str) -> String {
        let (id, model) = (json::string(&self.id), json::string(&self.model));
        format!(r#"{{"id":{},"object":"{object}","created":{},"model":{}"#, id.get(), self.created, model.get())
    }
}
