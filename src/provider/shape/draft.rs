//! One choice of an answer, put together: for the thread, and for a whole answer.
//!
//! Always holds: texts are as they were escaped; a call without arguments has `{}`.
//! Absent on purpose: in the thread's message, what providers do not want back (reasoning, extensions).

use core::fmt::Write as _;

use serde_json::value::RawValue;

use super::usage::usage_json;
use super::{Escaped, Finish, Head};
use crate::api::usage::TokenUsage;

/// The most calls of one answer, ten times what OpenAI allows.
const MAX_CALLS: usize = 1_280;

/// A choice so far. Strings hold JSON string content, still escaped.
#[derive(Debug, Default)]
pub(in crate::provider) struct Draft {
    content: Option<String>,
    reasoning: String,
    calls: Vec<Call>,
    extensions: Vec<(&'static str, Vec<String>)>,
    logprobs: Vec<String>,
    finish: Option<Finish>,
    bytes: u64,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: String,
    /// A member of the call that OpenAI does not have.
    extension: Option<(&'static str, String)>,
}

impl Draft {
    pub(in crate::provider) fn text(&mut self, text: Escaped<'_>) {
        self.bytes = self.bytes.saturating_add(text.text_len());
        self.content.get_or_insert_default().push_str(text.as_str());
    }

    pub(in crate::provider) fn reasoning(&mut self, text: Escaped<'_>) {
        self.bytes = self.bytes.saturating_add(text.text_len());
        self.reasoning.push_str(text.as_str());
    }

    /// Begins a call; its index, or `None` when there are too many.
    pub(in crate::provider) fn call(
        &mut self,
        id: Escaped<'_>,
        name: Escaped<'_>,
        extension: Option<(&'static str, &RawValue)>,
    ) -> Option<usize> {
        let index = self.calls.len();
        if index == MAX_CALLS {
            return None;
        }
        self.bytes = self.bytes.saturating_add(name.text_len());
        let extension = extension.map(|(name, value)| (name, value.get().to_owned()));
        self.calls.push(Call { id: id.as_str().to_owned(), name: name.as_str().to_owned(), arguments: String::new(), extension });
        Some(index)
    }

    pub(in crate::provider) fn arguments(&mut self, index: usize, text: Escaped<'_>) {
        self.bytes = self.bytes.saturating_add(text.text_len());
        if let Some(call) = self.calls.get_mut(index) {
            call.arguments.push_str(text.as_str());
        }
    }

    /// Whether a call has no arguments yet.
    pub(in crate::provider) fn lacks_arguments(&self, index: usize) -> bool {
        self.calls.get(index).is_some_and(|call| call.arguments.is_empty())
    }

    /// Adds an item to an array that OpenAI does not have.
    pub(in crate::provider) fn extension(&mut self, name: &'static str, item: &RawValue) {
        self.bytes = self.bytes.saturating_add(item.get().len() as u64);
        let item = item.get().to_owned();
        match self.extensions.iter_mut().find(|(known, _)| *known == name) {
            Some((_, items)) => items.push(item),
            None => self.extensions.push((name, vec![item])),
        }
    }

    /// Adds tokens with their probabilities, each a JSON object.
    pub(in crate::provider) fn logprobs(&mut self, tokens: &[String]) {
        self.logprobs.extend_from_slice(tokens);
    }

    /// How the choice ended; the first word counts.
    pub(in crate::provider) fn finish(&mut self, finish: Finish) {
        self.finish.get_or_insert(finish);
    }

    pub(in crate::provider) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    pub(in crate::provider) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Bytes of what the model wrote.
    pub(in crate::provider) fn output_bytes(&self) -> u64 {
        self.bytes
    }

    /// The assistant's message for the thread; `None` when nothing was said yet.
    pub(in crate::provider) fn message(&self) -> Option<String> {
        let nothing = self.content.is_none() && self.calls.is_empty();
        (!nothing).then(|| {
            let mut json = String::from("{");
            self.write_said(&mut json);
            json.push('}');
            json
        })
    }

    /// Role, content, calls if any.
    fn write_said(&self, json: &mut String) {
        json.push_str(r#""role":"assistant","content":"#);
        match self.content.as_deref() {
            None => json.push_str("null"),
            Some("") if !self.calls.is_empty() => json.push_str("null"),
            Some(content) => write_string(json, content),
        }
        for (position, call) in self.calls.iter().enumerate() {
            json.push_str(if position == 0 { r#","tool_calls":["# } else { "," });
            call.write(json);
        }
        if !self.calls.is_empty() {
            json.push(']');
        }
    }

    /// `{"index":…,"message":{…},"logprobs":null,"finish_reason":…}`
    fn write_choice(&self, index: usize, json: &mut String) {
        let _ = write!(json, r#"{{"index":{index},"message":{{"#);
        self.write_said(json);
        json.push_str(r#","refusal":null"#);
        if !self.reasoning.is_empty() {
            json.push_str(r#","reasoning_content":"#);
            write_string(json, &self.reasoning);
        }
        for (name, items) in &self.extensions {
            let _ = write!(json, r#","{name}":[{}]"#, items.join(","));
        }
        let logprobs = logprobs_json(&self.logprobs);
        let _ = write!(json, r#"}},"logprobs":{logprobs},"finish_reason":"{}"}}"#, self.finish.unwrap_or(Finish::Stop).name());
    }
}

impl Call {
    fn write(&self, json: &mut String) {
        let arguments = if self.arguments.is_empty() { "{}" } else { &self.arguments };
        let _ = write!(json, r#"{{"id":"{}","type":"function","function":{{"name":"{}","arguments":"{arguments}"}}"#, self.id, self.name);
        if let Some((name, value)) = &self.extension {
            let _ = write!(json, r#","{name}":{value}"#);
        }
        json.push('}');
    }
}

/// The `logprobs` of a choice.
pub(super) fn logprobs_json(tokens: &[String]) -> String {
    if tokens.is_empty() { "null".to_owned() } else { format!(r#"{{"content":[{}],"refusal":null}}"#, tokens.join(",")) }
}

/// A whole answer.
pub(in crate::provider) fn completion(head: &Head, choices: &[Draft], usage: Option<&TokenUsage>) -> Vec<u8> {
    let mut json = head.json("chat.completion");
    json.push_str(r#","choices":["#);
    for (index, choice) in choices.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        choice.write_choice(index, &mut json);
    }
    json.push(']');
    if let Some(usage) = usage {
        let _ = write!(json, r#","usage":{}"#, usage_json(usage));
    }
    json.push('}');
    json.into_bytes()
}

fn write_string(json: &mut String, escaped: &str) {
    json.push('"');
    json.push_str(escaped);
    json.push('"');
}
