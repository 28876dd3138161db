//! `response_format`: native where model and schema allow, else a tool that must be called, whose arguments become the content.
//!
//! Always holds: request and answer come to the same decision, for it follows from the request alone.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::model::Model;
use super::schema;
use super::tool::object_schema;
use crate::api::chat::ChatRequest;
use crate::api::parameter::{self, Format};
use crate::api::tool::{self, Choice, Tools};
use crate::error::Result;
use crate::json;

/// The name of the tool, with more underscores while a tool of the client's has it.
const TOOL_NAME: &str = "json_answer";
const TOOL_DESCRIPTION: &str = "Give your final answer by calling this tool: its arguments are the answer, and nobody sees any other text. Fill in every member that the conversation asks for.";
const ANY_OBJECT: &str = r#"{"type":"object","additionalProperties":true}"#;

/// How the answer gets its form.
#[derive(Debug)]
pub(super) enum Form<'a> {
    /// It has none.
    Free,
    /// By the model.
    Native(Box<RawValue>),
    /// By a tool.
    Tool {
        /// Its name.
        name: String,
        /// What it is told of it.
        description: String,
        /// The schema of its arguments, as the client wrote it.
        schema: Cow<'a, RawValue>,
    },
}

/// Decides.
///
/// # Errors
/// 400 that names the field.
pub(super) fn form<'a>(chat: &'a ChatRequest<'_>, tools: &Tools<'_>, model: Model<'_>) -> Result<Form<'a>> {
    let (schema, description) = match parameter::format(chat)? {
        Format::Text => return Ok(Form::Free),
        Format::JsonObject => (None, None),
        Format::JsonSchema { schema, description, .. } => (Some(schema), description),
    };
    let native = schema.filter(|_| model.has_schemas()).and_then(schema::native);
    if let Some(schema) = native {
        return Ok(Form::Native(schema));
    }
    // A call that the client insists on leaves no room for an answer.
    if matches!(tools.choice, Some(Choice::Required | Choice::Named(_))) {
        return Ok(Form::Free);
    }
    let mut name = TOOL_NAME.to_owned();
    while tools.list.iter().any(|tool| tool.name == name) {
        name.push('_');
    }
    let description = description.map_or_else(|| TOOL_DESCRIPTION.to_owned(), |said| format!("{TOOL_DESCRIPTION}\n\n{said}"));
    let schema = match schema {
        Some(schema) => object_schema(Some(schema)),
        None => Cow::Owned(json::owned(ANY_OBJECT)),
    };
    Ok(Form::Tool { name, description, schema })
}

/// The name of the tool whose arguments are the answer, if there is one.
pub(super) fn json_tool(chat: &ChatRequest<'_>, model: Model<'_>) -> Option<String> {
    chat.member("response_format")?;
    match form(chat, &tool::read(chat).ok()?, model).ok()? {
        Form::Tool { name, .. } => Some(name),
        Form::Free | Form::Native(_) => None,
    }
}
