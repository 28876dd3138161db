//! Tools and which of them to call, in Anthropic's words.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::format::Form;
use super::model::Model;
use super::schema;
use super::wire;
use crate::api::message::Said;
use crate::api::tool::{Choice, Tool, Tools};
use crate::json::{self, pick};

/// The API enforces the schemas of so many tools; with more, none is enforced.
const MAX_STRICT: usize = 20;

/// The tools, and the choice. `said` is the conversation, whose calls need a tool each even if the client no longer offers any.
pub(super) fn tools<'a>(
    tools: &Tools<'a>,
    form: &Form<'a>,
    model: Model<'_>,
    said: &[Said<'a>],
) -> (Vec<wire::Tool<'a>>, Option<wire::ToolChoice<'a>>) {
    let strict = model.has_schemas() && tools.list.iter().filter(|tool| tool.strict).count() <= MAX_STRICT;
    let mut all: Vec<_> = tools.list.iter().map(|tool| one(tool, strict)).collect();
    let mut choice = tools.choice.clone();
    if let Form::Tool { name, description, schema } = form {
        if choice == Some(Choice::None) {
            all.clear();
        }
        choice = Some(match (model.can_be_forced(), all.is_empty()) {
            (false, _) => Choice::Auto,
            (true, false) => Choice::Required,
            (true, true) => Choice::Named(Cow::Owned(name.clone())),
        });
        all.push(wire::Tool {
            name: Cow::Owned(name.clone()),
            description: Some(Cow::Owned(description.clone())),
            input_schema: schema.clone(),
            strict: false,
            cache_control: None,
        });
    }
    if all.is_empty() {
        all = called(said);
        choice = Some(Choice::None);
    }
    let single = tools.parallel == Some(false) || matches!(form, Form::Tool { .. }) && tools.list.is_empty();
    let choice = if all.is_empty() { None } else { self::choice(choice, single) };
    (all, choice)
}

fn one<'a>(tool: &Tool<'a>, strict: bool) -> wire::Tool<'a> {
    let enforced = tool.parameters.filter(|_| strict && tool.strict).and_then(schema::native);
    wire::Tool {
        name: tool.name.clone(),
        description: tool.description.clone(),
        strict: enforced.is_some(),
        input_schema: enforced.map_or_else(|| object_schema(tool.parameters), Cow::Owned),
        cache_control: tool.member("cache_control"),
    }
}

/// A schema of arguments, which the API wants to be called an object.
pub(super) fn object_schema(parameters: Option<&RawValue>) -> Cow<'_, RawValue> {
    let Some(schema) = parameters else { return Cow::Owned(json::owned(r#"{"type":"object","properties":{}}"#)) };
    match (pick(schema.get(), ["type"]), schema.get().strip_prefix('{')) {
        (Ok([None]), Some(rest)) => {
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            Cow::Owned(json::owned(format!(r#"{{"type":"object"{comma}{rest}"#)))
        }
        _ => Cow::Borrowed(schema),
    }
}

/// The tools that were called before, by name only.
fn called<'a>(said: &[Said<'a>]) -> Vec<wire::Tool<'a>> {
    let names: BTreeSet<&Cow<'a, str>> = said.iter().flat_map(|said| &said.calls).map(|call| &call.name).collect();
    let tool = |name: &Cow<'a, str>| wire::Tool {
        name: name.clone(),
        description: None,
        input_schema: object_schema(None),
        strict: false,
        cache_control: None,
    };
    names.into_iter().map(tool).collect()
}

fn choice(choice: Option<Choice<'_>>, single: bool) -> Option<wire::ToolChoice<'_>> {
    let (kind, name) = match choice {
        None if !single => return None,
        None | Some(Choice::Auto) => ("auto", None),
        // There is nothing to do in parallel.
        Some(Choice::None) => return Some(wire::ToolChoice { kind: "none", name: None, disable_parallel_tool_use: false }),
        Some(Choice::Required) => ("any", None),
        Some(Choice::Named(name)) => ("tool", Some(name)),
    };
    Some(wire::ToolChoice { kind, name, disable_parallel_tool_use: single })
}
