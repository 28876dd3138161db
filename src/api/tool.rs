//! The tools of a request and which of them may be called, as typed values.
//!
//! Always holds: a name that is chosen is one of the tools; `allowed_tools` has been applied (the list is what may be called);
//! an error names the field (`tools[1].function.name`). Absent on purpose: what a schema may say (each provider differs).

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};
use crate::json::{self, pick};

/// A function that the model may call.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it is for.
    pub description: Option<Cow<'a, str>>,
    /// The JSON schema of its arguments, an object; `None`: it takes none.
    pub parameters: Option<&'a RawValue>,
    /// The arguments must fit the schema.
    pub strict: bool,
    raw: &'a RawValue,
}

impl<'a> Tool<'a> {
    /// A member beside or within `function` that is not read here, such as an extension; `null` is absent.
    pub fn member(&self, name: &str) -> Option<&'a RawValue> {
        let [own, function] = pick(self.raw.get(), [name, "function"]).ok()?;
        own.or_else(|| pick(function?.get(), [name]).ok().and_then(|[inner]| inner))
    }
}

/// Which tool is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// Any or none, as the model likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(Cow<'a, str>),
}

/// Everything a request says about tools.
#[derive(Clone, Debug, Default)]
pub struct Tools<'a> {
    /// The functions that may be called, in order.
    pub list: Vec<Tool<'a>>,
    /// `None`: the client did not say.
    pub choice: Option<Choice<'a>>,
    /// Several calls in one answer are wanted; `None`: the client did not say.
    pub parallel: Option<bool>,
}

/// Reads `tools`, `tool_choice` and `parallel_tool_calls`.
///
/// # Errors
/// 400 that names the field.
pub fn read<'a>(chat: &'a ChatRequest<'_>) -> Result<Tools<'a>> {
    let mut list = Vec::new();
    if let Some(raw) = chat.member("tools") {
        let mut items = Vec::new();
        json::each_item(raw.get(), |item| items.push(item)).map_err(|_| Error::invalid("tools", "tools must be an array."))?;
        list = items.into_iter().enumerate().map(|(index, raw)| tool(index, raw)).collect::<Result<_>>()?;
    }
    let choice = chat.member("tool_choice").map(|raw| choice(raw, &mut list)).transpose()?;
    match &choice {
        Some(Choice::Named(name)) if !list.iter().any(|tool| tool.name == *name) => {
            return Err(Error::invalid("tool_choice", "tool_choice names a function that is not in tools."));
        }
        Some(Choice::Required) if list.is_empty() => {
            return Err(Error::invalid("tool_choice", "tool_choice is required, but there are no tools."));
        }
        _ => {}
    }
    Ok(Tools { list, choice, parallel: chat.flag("parallel_tool_calls")? })
}

fn tool(index: usize, raw: &RawValue) -> Result<Tool<'_>> {
    let invalid = |field: &str, why: &str| Error::invalid(format!("tools[{index}]{field}"), format!("tools[{index}]{field} {why}"));
    let [kind, function] = pick(raw.get(), ["type", "function"]).map_err(|_| invalid("", "must be an object."))?;
    if kind.is_some_and(|kind| kind.get() != "\"function\"") {
        return Err(invalid(".type", "must be function: this provider has no other tools."));
    }
    let function = function.ok_or_else(|| invalid(".function", "is required."))?;
    let [name, description, parameters, strict] =
        pick(function.get(), ["name", "description", "parameters", "strict"]).map_err(|_| invalid(".function", "must be an object."))?;
    let name = name.and_then(json::text).filter(|name| !name.is_empty()).ok_or_else(|| invalid(".function.name", "is required."))?;
    if parameters.is_some_and(|parameters| !parameters.get().starts_with('{')) {
        return Err(invalid(".function.parameters", "must be a JSON schema, which is an object."));
    }
    let description = match description {
        Some(text) => Some(json::text(text).ok_or_else(|| invalid(".function.description", "must be a string."))?),
        None => None,
    };
    Ok(Tool { name, description, parameters, strict: strict.is_some_and(|strict| strict.get() == "true"), raw })
}

fn choice<'a>(raw: &'a RawValue, list: &mut Vec<Tool<'a>>) -> Result<Choice<'a>> {
    let unknown = || Error::invalid("tool_choice", "tool_choice must be none, auto, required, a function by name, or allowed_tools.");
    if let Some(word) = json::text(raw) {
        return mode(&word).ok_or_else(unknown);
    }
    let [kind, function, allowed] = pick(raw.get(), ["type", "function", "allowed_tools"]).map_err(|_| unknown())?;
    match (kind.map(RawValue::get), function, allowed) {
        (Some("\"function\""), Some(function), _) => {
            let [name] = pick(function.get(), ["name"]).map_err(|_| unknown())?;
            name.and_then(json::text).map(Choice::Named).ok_or_else(unknown)
        }
        (Some("\"allowed_tools\""), _, Some(allowed)) => {
            let [how, tools] = pick(allowed.get(), ["mode", "tools"]).map_err(|_| unknown())?;
            let mut names = Vec::new();
            json::each_item(tools.ok_or_else(unknown)?.get(), |tool| names.extend(function_name(tool))).map_err(|_| unknown())?;
            list.retain(|tool| names.contains(&tool.name));
            how.and_then(json::text).and_then(|how| mode(&how)).ok_or_else(unknown)
        }
        _ => Err(unknown()),
    }
}

fn mode(word: &str) -> Option<Choice<'static>> {
    match word {
        "auto" => Some(Choice::Auto),
        "none" => Some(Choice::None),
        "required" => Some(Choice::Required),
        _ => None,
    }
}

fn function_name(tool: &RawValue) -> Option<Cow<'_, str>> {
    let [function] = pick(tool.get(), ["function"]).ok()?;
    let [name] = pick(function?.get(), ["name"]).ok()?;
    json::text(name?)
}
