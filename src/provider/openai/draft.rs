//! One assistant message, put together from the deltas of a stream.
//!
//! Always holds: strings are joined as they were escaped and never decoded, so nothing is lost and a surrogate pair that a
//! provider cut in two is whole again; tool calls are told apart by their index, or by their id where a host sends no useful index.
//! Absent on purpose: reasoning, which providers do not want back.

use core::fmt::Write as _;

use serde_json::value::RawValue;

use crate::api::chat::whole;
use crate::json::{each_item, each_member, pick, quoted, text_len};

/// The most calls kept of one message, ten times what OpenAI allows: finding a call's place takes time for each.
const MAX_CALLS: usize = 1_280;

/// The message so far. Strings hold JSON string content, still escaped.
#[derive(Debug, Default)]
pub(super) struct Draft {
    content: Option<String>,
    refusal: Option<String>,
    function_call: Option<Part>,
    tool_calls: Vec<ToolCall>,
}

#[derive(Debug, Default)]
struct ToolCall {
    index: Option<u64>,
    id: String,
    kind: String,
    /// `function` or `custom`.
    part: Part,
    /// Members that we do not know, such as a provider's signature: name and value as written, the last of each name.
    others: Vec<(String, String)>,
}

/// A name, and the text that streams: a function's `arguments`, a custom tool's `input`.
#[derive(Debug, Default)]
struct Part {
    custom: bool,
    name: String,
    text: String,
}

impl Draft {
    /// Adds the delta of one chunk.
    pub(super) fn push(&mut self, delta: &str) {
        let names = ["content", "refusal", "tool_calls", "function_call"];
        let Ok([content, refusal, tool_calls, function_call]) = pick(delta, names) else { return };
        if let Some(content) = content {
            push_content(self.content.get_or_insert_default(), content);
        }
        if let Some(refusal) = refusal.and_then(quoted) {
            self.refusal.get_or_insert_default().push_str(refusal);
        }
        if let Some(call) = function_call {
            self.function_call.get_or_insert_default().push(call.get(), false);
        }
        if let Some(calls) = tool_calls {
            // An array that is none has nothing for us; the client still gets its bytes.
            let _ = each_item(calls.get(), |call| self.push_call(call.get()));
        }
    }

    fn push_call(&mut self, delta: &str) {
        let Ok([index, id, function, custom]) = pick(delta, ["index", "id", "function", "custom"]) else { return };
        let index = index.and_then(|index| whole(index.get()));
        let id = id.and_then(quoted).unwrap_or_default();
        let Some(call) = self.call(index, id) else { return };
        if let Some(part) = function.or(custom) {
            call.part.push(part.get(), function.is_none());
        }
        let _ = each_member(delta, |key, value| match key.get() {
            "\"index\"" | "\"id\"" | "\"function\"" | "\"custom\"" => {}
            "\"type\"" => quoted(value).unwrap_or_default().clone_into(&mut call.kind),
            name => {
                call.others.retain(|(known, _)| known != name);
                call.others.push((name.to_owned(), value.get().to_owned()));
            }
        });
    }

    /// The call that a delta belongs to, a new one if need be.
    fn call(&mut self, index: Option<u64>, id: &str) -> Option<&mut ToolCall> {
        let same_id = |call: &ToolCall| id.is_empty() || call.id.is_empty() || call.id == id;
        let known = match index {
            Some(_) => self.tool_calls.iter().rposition(|call| call.index == index && same_id(call)),
            None if id.is_empty() => self.tool_calls.len().checked_sub(1),
            None => self.tool_calls.iter().position(|call| call.id == id),
        };
        let place = match known {
            Some(place) => place,
            None if self.tool_calls.len() == MAX_CALLS => return None,
            None => {
                self.tool_calls.push(ToolCall { index, ..ToolCall::default() });
                self.tool_calls.len() - 1
            }
        };
        let call = self.tool_calls.get_mut(place)?;
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        Some(call)
    }

    /// The message as JSON; `None` when nothing was said yet.
    pub(super) fn json(&self) -> Option<String> {
        let nothing = self.content.is_none() && self.refusal.is_none() && self.function_call.is_none() && self.tool_calls.is_empty();
        if nothing {
            return None;
        }
        let mut json = r#"{"role":"assistant","content":"#.to_owned();
        // With calls and no text OpenAI itself says null, and some hosts refuse an empty string.
        let calls = self.function_call.is_some() || !self.tool_calls.is_empty() || self.refusal.is_some();
        match self.content.as_deref() {
            None => json.push_str("null"),
            Some("") if calls => json.push_str("null"),
            Some(content) => push_string(&mut json, content),
        }
        if let Some(refusal) = &self.refusal {
            json.push_str(r#","refusal":"#);
            push_string(&mut json, refusal);
        }
        if let Some(call) = &self.function_call {
            json.push_str(r#","function_call":"#);
            call.write(&mut json);
        }
        for (position, call) in self.tool_calls.iter().enumerate() {
            json.push_str(if position == 0 { r#","tool_calls":["# } else { "," });
            call.write(&mut json);
        }
        json.push_str(if self.tool_calls.is_empty() { "}" } else { "]}" });
        Some(json)
    }
}

impl ToolCall {
    fn write(&self, json: &mut String) {
        let part = if self.part.custom { "custom" } else { "function" };
        let kind = if self.kind.is_empty() { part } else { &self.kind };
        let _ = write!(json, r#"{{"id":"{}","type":"{kind}","{part}":"#, self.id);
        self.part.write(json);
        for (name, value) in &self.others {
            let _ = write!(json, ",{name}:{value}");
        }
        json.push('}');
    }
}

impl Part {
    fn push(&mut self, delta: &str, custom: bool) {
        let Ok([name, arguments, input]) = pick(delta, ["name", "arguments", "input"]) else { return };
        self.custom = custom;
        // Some hosts repeat the name in every chunk, so it is not joined.
        if let Some(name) = name.and_then(quoted).filter(|_| self.name.is_empty()) {
            name.clone_into(&mut self.name);
        }
        match if custom { input } else { arguments } {
            Some(text) if quoted(text).is_some() => self.text.push_str(quoted(text).unwrap_or_default()),
            // A host that sends the arguments as an object instead of a string.
            Some(object) => self.text.push_str(&escaped(object.get())),
            None => {}
        }
    }

    fn write(&self, json: &mut String) {
        let text = if self.custom { "input" } else { "arguments" };
        let _ = write!(json, r#"{{"name":"{}","{text}":"{}"}}"#, self.name, self.text);
    }
}

/// Text, or the text parts of an array.
fn push_content(so_far: &mut String, content: &RawValue) {
    if let Some(text) = quoted(content) {
        so_far.push_str(text);
        return;
    }
    let _ = each_item(content.get(), |part| {
        if let Ok([Some(kind), Some(text)]) = pick(part.get(), ["type", "text"])
            && kind.get() == "\"text\""
        {
            so_far.push_str(quoted(text).unwrap_or_default());
        }
    });
}

fn push_string(json: &mut String, escaped: &str) {
    json.push('"');
    json.push_str(escaped);
    json.push('"');
}

fn escaped(text: &str) -> String {
    let value = crate::json::string(text);
    quoted(&value).unwrap_or_default().to_owned()
}

/// Bytes of what a model wrote in a delta or a message: text, reasoning, and the names and arguments of calls.
pub(super) fn text_bytes(delta: &str) -> usize {
    let names = ["content", "refusal", "reasoning_content", "reasoning", "tool_calls", "function_call"];
    let Ok([content, refusal, thought, reasoning, tool_calls, function_call]) = pick(delta, names) else { return 0 };
    let mut bytes: usize = [content, refusal, thought, reasoning].into_iter().flatten().map(string_bytes).sum();
    bytes += function_call.map_or(0, call_bytes);
    if let Some(calls) = tool_calls {
        let _ = each_item(calls.get(), |call| {
            if let Ok(parts) = pick(call.get(), ["function", "custom"]) {
                bytes += parts.into_iter().flatten().map(call_bytes).sum::<usize>();
            }
        });
    }
    bytes
}

fn call_bytes(call: &RawValue) -> usize {
    pick(call.get(), ["name", "arguments", "input"]).map_or(0, |fields| fields.into_iter().flatten().map(string_bytes).sum())
}

/// A string's text; of anything else the size, from above.
fn string_bytes(value: &RawValue) -> usize {
    quoted(value).map_or(value.get().len(), text_len)
}
