//! Chunks of a streamed answer, written as server-sent events.
//!
//! Always holds: one JSON object on one line; what is the same in each chunk is made once.

use std::io::Write as _;

use serde_json::value::RawValue;

use super::draft::logprobs_json;
use super::usage::usage_json;
use super::{Escaped, Finish, Head};
use crate::api::usage::TokenUsage;
use crate::sse;

/// The writer of one answer's chunks.
#[derive(Debug)]
pub(super) struct Frames {
    /// `data: {"id":…,"model":…,"choices":[`
    start: String,
    /// What follows the choices: OpenAI says `usage: null` in every chunk but the last when usage was asked for.
    end: &'static str,
}

/// What a delta says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delta<'a> {
    /// The first of a choice. OpenAI's content is `null` when a call comes first, else `""`.
    Role { text: bool },
    /// Text.
    Text(Escaped<'a>),
    /// What the model thought.
    Reasoning(Escaped<'a>),
    /// A call begins.
    Call { index: usize, id: Escaped<'a>, name: Escaped<'a>, extension: Option<(&'static str, &'a RawValue)> },
    /// A call's arguments go on.
    Arguments { index: usize, text: Escaped<'a> },
    /// A member that OpenAI does not have: one item of an array.
    Extension { name: &'static str, item: &'a RawValue },
}

impl Frames {
    pub(super) fn new(head: &Head, wants_usage: bool) -> Self {
        let end = if wants_usage { "],\"usage\":null}\n\n" } else { "]}\n\n" };
        Self { start: format!("data: {},\"choices\":[", head.json("chat.completion.chunk")), end }
    }

    pub(super) fn delta(&self, choice: usize, delta: Delta<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.start.as_bytes());
        // Writing to a vector does not fail.
        let _ = write!(out, "{{\"index\":{choice},\"delta\":{{");
        write_delta(delta, out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null}");
        out.extend_from_slice(self.end.as_bytes());
    }

    /// A chunk that only has probabilities of tokens.
    pub(super) fn logprobs(&self, choice: usize, tokens: &[String], out: &mut Vec<u8>) {
        out.extend_from_slice(self.start.as_bytes());
        let _ = write!(out, "{{\"index\":{choice},\"delta\":{{}},\"logprobs\":{},\"finish_reason\":null}}", logprobs_json(tokens));
        out.extend_from_slice(self.end.as_bytes());
    }

    pub(super) fn finish(&self, choice: usize, finish: Finish, out: &mut Vec<u8>) {
        out.extend_from_slice(self.start.as_bytes());
        let _ = write!(out, "{{\"index\":{choice},\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"{}\"}}", finish.name());
        out.extend_from_slice(self.end.as_bytes());
    }

    /// The chunk that only reports usage.
    pub(super) fn usage(&self, usage: &TokenUsage, out: &mut Vec<u8>) {
        out.extend_from_slice(self.start.as_bytes());
        let _ = write!(out, "],\"usage\":{}}}\n\n", usage_json(usage));
    }
}

fn write_delta(delta: Delta<'_>, out: &mut Vec<u8>) {
    let _ = match delta {
        Delta::Role { text: true } => write!(out, r#""role":"assistant","content":"","refusal":null"#),
        Delta::Role { text: false } => write!(out, r#""role":"assistant","content":null,"refusal":null"#),
        Delta::Text(text) => write!(out, r#""content":"{}""#, text.as_str()),
        Delta::Reasoning(text) => write!(out, r#""reasoning_content":"{}""#, text.as_str()),
        Delta::Call { index, id, name, extension } => {
            let (id, name) = (id.as_str(), name.as_str());
            let _ = write!(
                out,
                r#""tool_calls":[{{"index":{index},"id":"{id}","type":"function","function":{{"name":"{name}","arguments":""}}"#
            );
            if let Some((name, value)) = extension {
                let _ = write!(out, r#","{name}":"#);
                on_one_line(value, out);
            }
            out.write_all(b"}]")
        }
        Delta::Arguments { index, text } => {
            write!(out, r#""tool_calls":[{{"index":{index},"function":{{"arguments":"{}"}}}}]"#, text.as_str())
        }
        Delta::Extension { name, item } => {
            let _ = write!(out, r#""{name}":["#);
            on_one_line(item, out);
            out.write_all(b"]")
        }
    };
}

/// Line breaks in JSON can only be whitespace between tokens.
pub(super) fn on_one_line(value: &RawValue, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(value.get().as_bytes());
    sse::join_lines(out.get_mut(start..).unwrap_or_default());
}
