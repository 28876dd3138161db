//! A request to the binding: OpenAI's body without the model, in the words of Workers AI's schema.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::chat::ChatRequest;
use crate::error::Result;
use crate::json::{self, RawObject, each_item, pick};
use crate::provider::{Extras, Run, Target, openai};

/// What the binding is to run.
pub(super) fn run(chat: &ChatRequest<'_>, target: &Target, extras: &Extras, output_cap: &'static str) -> Result<Run> {
    let mut object = openai::object_for(chat, target, extras, output_cap)?;
    object.remove("model");
    if let Some(schema) = object.get("response_format").and_then(schema) {
        object.set("response_format", Cow::Owned(json::owned(format!(r#"{{"type":"json_schema","json_schema":{schema}}}"#))));
    }
    if let Some(tools) = named_tools(&object) {
        object.set("tools", Cow::Owned(json::owned(tools)));
        object.set("tool_choice", Cow::Owned(json::string("required")));
    }
    Ok(Run { model: target.model.clone(), inputs: object.to_bytes() })
}

/// The schema itself, which stands where OpenAI has its name and more (developers.cloudflare.com/workers-ai/features/json-mode).
fn schema(format: &RawValue) -> Option<String> {
    let [described] = pick(format.get(), ["json_schema"]).ok()?;
    let [schema] = pick(described?.get(), ["schema"]).ok()?;
    Some(schema?.get().to_owned())
}

/// A tool that must be called is the only one there is: there is no choice by name (`workers-ai-provider` on npm).
fn named_tools(object: &RawObject<'_>) -> Option<String> {
    let [function] = pick(object.get("tool_choice")?.get(), ["function"]).ok()?;
    let [name] = pick(function?.get(), ["name"]).ok()?;
    let mut kept = Vec::new();
    each_item(object.get("tools")?.get(), |tool| {
        let function = pick(tool.get(), ["function"]).ok().and_then(|[function]| function);
        let other = function.and_then(|function| pick(function.get(), ["name"]).ok()).and_then(|[name]| name);
        if other.map(RawValue::get) == name.map(RawValue::get) {
            kept.push(tool.get());
        }
    })
    .ok()?;
    (!kept.is_empty()).then(|| format!("[{}]", kept.join(",")))
}
