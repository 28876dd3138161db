//! One chat message as raw JSON: what is read of it, and when two of them are the same.
//!
//! Always holds: a message that we cannot read (not an object, nested too deeply, lone surrogates) is still stored and
//! sent as it is, and equals only its own text. Absent on purpose: changing a message.

use core::cell::OnceCell;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The fields that make a message what it is, besides its content.
const IDENTITY: [&str; 5] = ["role", "name", "tool_call_id", "tool_calls", "function_call"];

#[derive(Deserialize)]
struct Head {
    role: String,
}

/// The role, or nothing if there is none.
pub(super) fn role(message: &RawValue) -> String {
    serde_json::from_str::<Head>(message.get()).map_or_else(|_| String::new(), |head| head.role)
}

/// System and developer messages: neither stored nor compared.
pub(super) fn is_instruction(message: &RawValue) -> bool {
    matches!(role(message).as_str(), "system" | "developer")
}

/// The ids of the tool calls that the message makes.
pub(super) fn tool_call_ids(message: &RawValue) -> Vec<String> {
    #[derive(Deserialize)]
    struct Call {
        id: String,
    }
    #[derive(Deserialize)]
    struct Calls {
        tool_calls: Option<Vec<Call>>,
    }
    let calls = serde_json::from_str::<Calls>(message.get()).ok().and_then(|message| message.tool_calls);
    calls.unwrap_or_default().into_iter().map(|call| call.id).collect()
}

/// The tool call that the message answers.
pub(super) fn tool_call_id(message: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        tool_call_id: String,
    }
    serde_json::from_str::<Answer>(message.get()).ok().map(|answer| answer.tool_call_id)
}

/// The first text in the content: the whole string, or the first text part that is not blank.
pub(super) fn text(message: &RawValue) -> Option<String> {
    let message: Map<String, Value> = serde_json::from_str(message.get()).ok()?;
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().filter_map(part_text).find(|text| !text.trim().is_empty()).map(str::to_owned),
        _ => None,
    }
}

/// Whether an assistant's message has any text, refusal, call or other content: a reply that was cut before that is none.
pub(super) fn says_something(message: &RawValue) -> bool {
    let Ok(message) = serde_json::from_str::<Map<String, Value>>(message.get()) else { return true };
    message.iter().any(|(key, value)| {
        key != "role"
            && match value {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(items) => !items.is_empty(),
                _ => true,
            }
    })
}

fn part_text(part: &Value) -> Option<&str> {
    if part.get("type")?.as_str()? == "text" { part.get("text")?.as_str() } else { None }
}

/// A message that is read for comparison when it is first needed: mostly the first difference ends the comparison.
pub(super) struct Comparable<'a> {
    raw: &'a RawValue,
    read: OnceCell<Canonical>,
}

/// A message without what clients change when they send it back.
struct Canonical {
    identity: Map<String, Value>,
    content: Value,
}

impl<'a> Comparable<'a> {
    pub(super) fn new(raw: &'a RawValue) -> Self {
        Self { raw, read: OnceCell::new() }
    }

    pub(super) fn role(&self) -> &str {
        self.read().identity.get("role").and_then(Value::as_str).unwrap_or_default()
    }

    /// Equal by value; an assistant's text also if one is the beginning of the other, because either side may have it cut.
    pub(super) fn matches(&self, other: &Self) -> bool {
        if self.raw.get() == other.raw.get() {
            return true;
        }
        let (a, b) = (self.read(), other.read());
        a.identity == b.identity && (a.content == b.content || (self.role() == "assistant" && one_begins_the_other(&a.content, &b.content)))
    }

    fn read(&self) -> &Canonical {
        self.read.get_or_init(|| Canonical::read(self.raw))
    }
}

fn one_begins_the_other(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.starts_with(b.as_str()) || b.starts_with(a.as_str()),
        _ => false,
    }
}

impl Canonical {
    fn read(raw: &RawValue) -> Self {
        let Ok(mut message) = serde_json::from_str::<Map<String, Value>>(raw.get()) else {
            return Self { identity: Map::new(), content: Value::Array(vec![Value::String(raw.get().to_owned())]) };
        };
        let content = content(message.remove("content").unwrap_or_default());
        let mut identity = Map::new();
        for key in IDENTITY {
            match without_nulls(message.remove(key).unwrap_or_default()) {
                Value::Null => {}
                Value::Array(calls) if calls.is_empty() => {}
                Value::Array(calls) => drop(identity.insert(key.to_owned(), calls.into_iter().map(call).collect())),
                value => drop(identity.insert(key.to_owned(), value)),
            }
        }
        Self { identity, content }
    }
}

/// Empty is null; one text part is its text; a text part is its type and its text.
fn content(content: Value) -> Value {
    match content {
        Value::Array(mut parts) => match parts.as_mut_slice() {
            [] => Value::Null,
            [only] if part_text(only).is_some() => part_text(only).filter(|text| !text.is_empty()).map_or(Value::Null, Value::from),
            _ => parts.into_iter().map(part).collect(),
        },
        Value::String(text) if text.is_empty() => Value::Null,
        other => without_nulls(other),
    }
}

fn part(part: Value) -> Value {
    match part_text(&part) {
        Some(text) => Value::Array(vec!["text".into(), text.into()]),
        None => without_nulls(part),
    }
}

/// Arguments are JSON in a string, which clients parse and write again; of other members, such as a stream's `index` or what a
/// provider added, a client need not know.
fn call(mut call: Value) -> Value {
    if let Some(call) = call.as_object_mut() {
        call.retain(|name, _| matches!(name.as_str(), "id" | "type" | "function" | "custom"));
    }
    if let Some(arguments) = call.pointer_mut("/function/arguments")
        && let Some(parsed) = arguments.as_str().and_then(|text| serde_json::from_str(text).ok())
    {
        *arguments = parsed;
    }
    call
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
