//! What the demo reads of a request: the last words of the user, what came before, and what form the answer must have.
//!
//! Always holds: what cannot be read is treated as absent, except a `tool_choice` that names no tool, which is a 400.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::api::chat::{ChatRequest, Role};
use crate::error::{Error, Result};
use crate::json::{each_item, pick, quoted, text};

/// The request in the demo's terms.
#[derive(Debug)]
pub(super) struct Prompt {
    /// The text of the last user message; empty when there is none.
    pub(super) said: String,
    /// The text of the user message before it.
    pub(super) said_before: Option<String>,
    /// How many messages there are.
    pub(super) messages: usize,
    /// Images in the last user message.
    pub(super) images: usize,
    /// The results at the end of the conversation, if tools were called last.
    pub(super) tool_results: Vec<String>,
    /// The user spoke last.
    pub(super) user_is_last: bool,
    pub(super) form: Form,
    pub(super) stop: Vec<String>,
}

/// What the answer must look like.
#[derive(Debug)]
pub(super) enum Form {
    /// Text.
    Text,
    /// A JSON object of any kind.
    JsonObject,
    /// JSON that is valid for a schema.
    JsonSchema(Value),
    /// Calls of these tools.
    Calls(Vec<Tool>),
}

/// A function that may be called.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    /// The JSON schema of its arguments.
    pub(super) parameters: Value,
}

impl Prompt {
    pub(super) fn read(chat: &ChatRequest<'_>) -> Result<Self> {
        let mut said = chat.messages.iter().rev().filter(|message| message.role == Role::User).map(|message| content(message.raw));
        let (last, images) = said.next().unwrap_or_default();
        let is_result = |role| matches!(role, Role::Tool | Role::Function);
        let mut tool_results: Vec<String> =
            chat.messages.iter().rev().take_while(|message| is_result(message.role)).map(|message| content(message.raw).0).collect();
        tool_results.reverse();
        let user_is_last = chat.messages.last().is_some_and(|message| message.role == Role::User);
        Ok(Self {
            form: form(chat, &last, user_is_last)?,
            said_before: said.next().map(|(text, _)| text),
            said: last,
            messages: chat.messages.len(),
            images,
            tool_results,
            user_is_last,
            stop: stop(chat),
        })
    }
}

/// A message's text, and how many images it has.
fn content(message: &RawValue) -> (String, usize) {
    let (mut words, mut images) = (Vec::new(), 0);
    let Ok([Some(content)]) = pick(message.get(), ["content"]) else { return (String::new(), 0) };
    if let Some(text) = text(content) {
        return (text.into_owned(), 0);
    }
    // Content that is neither string nor array has no text.
    let _ = each_item(content.get(), |part| {
        let Ok([kind, said]) = pick(part.get(), ["type", "text"]) else { return };
        images += usize::from(kind.and_then(quoted) == Some("image_url"));
        words.extend(said.and_then(text));
    });
    (words.join("\n"), images)
}

fn form(chat: &ChatRequest<'_>, said: &str, user_is_last: bool) -> Result<Form> {
    if user_is_last {
        let calls = calls(chat, said)?;
        if !calls.is_empty() {
            return Ok(Form::Calls(calls));
        }
    }
    let format: Value = member(chat, "response_format");
    let schema = format.pointer("/json_schema/schema").or_else(|| format.get("schema"));
    Ok(match (format.get("type").and_then(Value::as_str), schema) {
        (Some("json_schema"), Some(schema)) => Form::JsonSchema(schema.clone()),
        (Some("json_schema" | "json_object"), _) => Form::JsonObject,
        _ => Form::Text,
    })
}

/// The tools to call: the forced one, or those that the user names, or the first.
fn calls(chat: &ChatRequest<'_>, said: &str) -> Result<Vec<Tool>> {
    let tools = tools(&member(chat, "tools"));
    let choice: Value = member(chat, "tool_choice");
    if choice == "none" {
        return Ok(Vec::new());
    }
    if let Some(forced) = choice.pointer("/function/name").and_then(Value::as_str) {
        let tool = tools.into_iter().find(|tool| tool.name == forced);
        return tool
            .map(|tool| vec![tool])
            .ok_or_else(|| Error::invalid("tool_choice", "tool_choice names a function that is not in tools."));
    }
    let named: Vec<Tool> = tools.iter().filter(|tool| said.contains(&tool.name)).cloned().collect();
    let one = member(chat, "parallel_tool_calls") == Value::Bool(false);
    Ok(match named.len() {
        0 => tools.into_iter().take(1).collect(),
        _ if one => named.into_iter().take(1).collect(),
        _ => named,
    })
}

fn tools(value: &Value) -> Vec<Tool> {
    let functions = value.as_array().into_iter().flatten().filter_map(|tool| tool.get("function"));
    functions
        .filter_map(|function| {
            let name = function.get("name")?.as_str()?.to_owned();
            let parameters = function.get("parameters").cloned().unwrap_or_else(|| serde_json::json!({"type": "object"}));
            Some(Tool { name, parameters })
        })
        .collect()
}

fn stop(chat: &ChatRequest<'_>) -> Vec<String> {
    let words = match member(chat, "stop") {
        Value::String(word) => vec![word],
        Value::Array(words) => words.into_iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

fn member(chat: &ChatRequest<'_>, name: &str) -> Value {
    chat.object().get(name).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}
