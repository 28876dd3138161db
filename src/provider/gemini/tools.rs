//! OpenAI's tools and tool choice as Gemini's function declarations and calling mode.
//!
//! Always holds: schemas are translated (`schema`); a tool that takes nothing has no schema, for Gemini refuses an empty one.
//! Absent on purpose: `parallel_tool_calls`, for which Gemini has no word; the answer is held to it (`answer`).

use serde_json::value::RawValue;

use super::model::Generation;
use super::schema;
use super::wire::{Empty, FunctionCallingConfig, FunctionDeclaration, Tool, ToolConfig};
use crate::api::chat::ChatRequest;
use crate::api::tool::{self, Choice, Tools};
use crate::error::Result;

/// What may be called, and whether it must be.
pub(super) fn read<'a>(chat: &'a ChatRequest<'_>, generation: Generation) -> Result<(Vec<Tool<'a>>, Option<ToolConfig<'a>>)> {
    let tools = tool::read(chat)?;
    let strict = generation == Generation::Level && tools.list.iter().any(|tool| tool.strict);
    let config = config(&tools, strict);
    let mut all = Vec::new();
    if !tools.list.is_empty() {
        let declarations = tools.list.into_iter().map(declaration).collect::<Result<_>>()?;
        all.push(Tool::FunctionDeclarations(declarations));
    }
    if chat.member("web_search_options").is_some() {
        all.push(Tool::GoogleSearch(Empty {}));
    }
    Ok((all, config))
}

fn declaration(tool: tool::Tool<'_>) -> Result<FunctionDeclaration<'_>> {
    let param = format!("the parameters of the tool {}", tool.name);
    let schema = tool.parameters.filter(|schema| takes_something(schema));
    let translated = schema.map(|schema| schema::translate(schema, &param).map_err(|error| error.with_param("tools")));
    let parameters_json_schema = translated.transpose()?;
    Ok(FunctionDeclaration { name: tool.name, description: tool.description, parameters_json_schema })
}

/// Whether a schema says more than that there is an object.
fn takes_something(schema: &RawValue) -> bool {
    let names = ["properties", "$ref", "allOf", "anyOf", "oneOf", "additionalProperties", "patternProperties"];
    let Ok([properties, others @ ..]) = crate::json::pick(schema.get(), names) else { return true };
    properties.is_some_and(|properties| crate::json::compact(properties.get()) != "{}")
        || others.into_iter().flatten().any(|value| value.get() != "false")
}

/// `strict`: the arguments must fit the schema even when the model chooses freely.
fn config<'a>(tools: &Tools<'a>, strict: bool) -> Option<ToolConfig<'a>> {
    if tools.list.is_empty() {
        return None;
    }
    let (mode, allowed_function_names) = match &tools.choice {
        Some(Choice::None) => ("NONE", Vec::new()),
        Some(Choice::Required) => ("ANY", Vec::new()),
        Some(Choice::Named(name)) => ("ANY", vec![name.clone()]),
        _ if strict => ("VALIDATED", Vec::new()),
        Some(Choice::Auto) => ("AUTO", Vec::new()),
        None => return None,
    };
    Some(ToolConfig { function_calling_config: FunctionCallingConfig { mode, allowed_function_names } })
}
