//! The request to the Messages API.
//!
//! Always holds: `max_tokens` is set, as the API demands: what the client says, else what was granted, else the model's maximum.

use super::format::{self, Form};
use super::model::Model;
use super::thinking::{self, BINDING_BETA, Situation};
use super::{NAME, tool, turn, wire};
use crate::api::chat::{ChatRequest, whole};
use crate::api::message::Said;
use crate::api::parameter;
use crate::api::tool::{self as asked, Choice};
use crate::catalog::{self, DEFAULT_MAX_OUTPUT};
use crate::error::{Error, Result};
use crate::provider::private::Kept;
use crate::provider::{Extras, Kind, Outbound, Target, conversation, field};

/// The version of the API that this dialect is written for.
const VERSION: &str = "2023-06-01";
/// The same as Vertex calls it (platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai).
const VERSION_AT_VERTEX: &str = "vertex-2023-10-16";

/// Where betas are asked for.
const BETA: &str = "anthropic-beta";

/// The HTTP request.
pub(super) fn outbound(chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Outbound> {
    let Body { bytes, beta } = body(chat, target, extras)?;
    let mut own = vec![("anthropic-version", VERSION.to_owned())];
    own.extend(beta);
    own.extend(target.api_key.as_ref().map(|key| ("x-api-key", key.expose().to_owned())));
    Ok(target.post("/messages", chat.stream, own, bytes))
}

/// A body, and what has to be asked for beside it.
pub(in crate::provider) struct Body {
    pub(in crate::provider) bytes: Vec<u8>,
    /// A header with the beta that the body uses.
    pub(in crate::provider) beta: Option<(&'static str, String)>,
}

/// The body. At Vertex it names its version, and the URL names the model.
///
/// # Errors
/// 400 that names what cannot be said to the API.
pub(in crate::provider) fn body(chat: &ChatRequest<'_>, target: &Target, extras: &Extras) -> Result<Body> {
    field::check(chat, NAME, |field| field.anthropic)?;
    let said = conversation::read(chat, extras)?;
    let mut body = wire_body(chat, target, extras, &said)?;
    if target.kind == Kind::Vertex {
        (body.model, body.anthropic_version) = (None, Some(VERSION_AT_VERTEX));
    }
    let bytes = serde_json::to_vec(&body).map_err(|error| Error::server(format!("the request could not be written: {error}")))?;
    Ok(Body { bytes, beta: body.says_binding().then(|| (BETA, BINDING_BETA.to_owned())) })
}

fn wire_body<'a>(chat: &'a ChatRequest<'_>, target: &'a Target, extras: &'a Extras, said: &[Said<'a>]) -> Result<wire::Body<'a>> {
    let model = Model::of(target);
    let kept = Kept::of(&extras.private, target);
    let tools = asked::read(chat)?;
    let form = format::form(chat, &tools, model)?;
    let max_tokens = chat.max_output.or(extras.max_output).unwrap_or_else(|| most(target));
    let now = Situation {
        max_tokens,
        forced: matches!(form, Form::Tool { .. }) || matches!(tools.choice, Some(Choice::Required | Choice::Named(_))),
        thoughts_lost: turn::thoughts_lost(said, kept),
    };
    let mut plan = thinking::plan(chat, model, now)?;
    let turns = turn::conversation(said, plan.gives_back(model, can_say(target, BINDING_BETA)).then_some(kept))?;
    if turns.has_thoughts() {
        plan.drop_refused(model);
    }
    let (tools, tool_choice) = tool::tools(&tools, &form, model, said);
    let format = match form {
        Form::Native(schema) => Some(wire::Format { kind: "json_schema", schema }),
        Form::Free | Form::Tool { .. } => None,
    };
    let sampling = |value: Option<f64>| value.filter(|value| model.samples() && (*value - 1.0).abs() > f64::EPSILON);
    Ok(wire::Body {
        model: Some(&target.model),
        anthropic_version: None,
        max_tokens,
        system: turns.system,
        messages: turns.turns,
        tools,
        tool_choice,
        stop_sequences: stop(chat)?,
        temperature: sampling(temperature(chat)?),
        top_p: sampling(parameter::number(chat, "top_p", 0.0..=1.0)?),
        top_k: top_k(chat)?.filter(|_| model.samples()),
        thinking: plan.thinking,
        output_config: wire::OutputConfig { effort: plan.effort, format },
        cache_control: chat.member("cache_control"),
        stream: chat.stream,
    })
}

/// Whether the request asks for this beta if the dialect says so: the provider's own header of the project would replace it.
fn can_say(target: &Target, beta: &str) -> bool {
    let own = target.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(BETA));
    own.is_none_or(|(_, betas)| betas.split(',').any(|known| known.trim() == beta))
}

/// The model's maximum.
fn most(target: &Target) -> u64 {
    catalog::find(target.kind.name(), &target.model).and_then(|model| model.max_output).unwrap_or(DEFAULT_MAX_OUTPUT)
}

fn temperature(chat: &ChatRequest<'_>) -> Result<Option<f64>> {
    let temperature = parameter::number(chat, "temperature", 0.0..=2.0)?;
    if temperature.is_some_and(|temperature| temperature > 1.0) {
        return Err(Error::invalid("temperature", format!("temperature must be at most 1 for {NAME} models.")));
    }
    Ok(temperature)
}

fn top_k(chat: &ChatRequest<'_>) -> Result<Option<u64>> {
    let Some(raw) = chat.member("top_k") else { return Ok(None) };
    whole(raw.get()).map(Some).ok_or_else(|| Error::invalid("top_k", "top_k must be a whole number."))
}

fn stop<'a>(chat: &'a ChatRequest<'_>) -> Result<Vec<std::borrow::Cow<'a, str>>> {
    let words = parameter::stop(chat)?;
    if words.iter().any(|word| word.trim().is_empty()) {
        return Err(Error::invalid("stop", format!("stop must not consist of white space: {NAME} models do not take it.")));
    }
    Ok(words)
}
