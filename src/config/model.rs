//! Which provider of the project serves a model name, and what the provider calls it.
//!
//! Always holds: the same snapshot and name give the same answer; a name is looked up, never executed or put in a path.
//! Order: alias, `provider/model`, a provider that lists it, the family of the name, the only provider there is.

use crate::config::{ProviderConfig, Snapshot};
use crate::error::{Code, Error, Result};
use crate::provider::{Kind, demo};

/// A provider's name in the project and the model's name there.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The provider.
    pub config: &'a ProviderConfig,
    /// The model as the provider knows it.
    pub model: String,
}

impl Resolved<'_> {
    /// The name of the model that answers: the demo answers to any name, and says so.
    pub fn served_model(&self) -> &str {
        if self.config.kind == Kind::Demo { demo::MODEL } else { &self.model }
    }
}

/// Finds the provider for a model; `None` asks for the project's default.
///
/// # Errors
/// 400 without a default, 403 for a model that is not allowed, 404 `model_not_found` for one that nobody serves,
/// 503 `provider_not_configured` if the project has no provider.
pub fn resolve<'a>(snapshot: &'a Snapshot, asked: Option<&str>) -> Result<Resolved<'a>> {
    if snapshot.providers.is_empty() {
        return Err(Error::new(
            Code::ProviderNotConfigured,
            "The project has no provider. Its owner adds one with PUT /v1/projects/{id}/providers/{name}.",
        ));
    }
    let name = match asked.or(snapshot.settings.default_model.as_deref()) {
        Some(name) => name.to_owned(),
        None => sole_model(snapshot)?,
    };
    if !crate::config::settings::is_model_name(&name) {
        return Err(Error::invalid("model", "model must have 1 to 256 characters and no control characters."));
    }
    check_allowed(snapshot, &name)?;
    find(snapshot, &name)
}

/// The same for a name that the owner wrote down: it is nobody's to allow.
///
/// # Errors
/// 404 `model_not_found` for a model that nobody serves.
pub fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Result<Resolved<'a>> {
    let name = snapshot.settings.routing.aliases.get(name).map_or(name, String::as_str);
    let (provider, config, model) = by_prefix(snapshot, name)
        .or_else(|| by_list(snapshot, name))
        .or_else(|| by_family(snapshot, name))
        .or_else(|| open_provider(snapshot, name))
        .ok_or_else(|| {
            Error::new(Code::ModelNotFound, format!("No provider of this project serves the model `{name}`.")).with_param("model")
        })?;
    Ok(Resolved { provider, config, model })
}

/// Whether users may name this model.
pub fn is_allowed(snapshot: &Snapshot, name: &str) -> bool {
    check_allowed(snapshot, name).is_ok()
}

type Found<'a> = (&'a str, &'a ProviderConfig, String);

/// Without a default: the one model there is, if a single provider lists a single one, or the demo's own.
fn sole_model(snapshot: &Snapshot) -> Result<String> {
    let mut providers = snapshot.providers.values();
    let sole = match (providers.next(), providers.next()) {
        (Some(config), None) if config.kind == Kind::Demo => Some(demo::MODEL.to_owned()),
        (Some(config), None) => config.models.as_deref().and_then(|models| match models {
            [one] => Some(one.clone()),
            _ => None,
        }),
        _ => None,
    };
    sole.ok_or_else(|| Error::invalid("model", "model is required: the project has no default_model."))
}

fn check_allowed(snapshot: &Snapshot, name: &str) -> Result<()> {
    let Some(list) = &snapshot.settings.allowed_models else { return Ok(()) };
    let allows = |entry: &String| entry == name || entry.strip_suffix('*').is_some_and(|prefix| name.starts_with(prefix));
    if list.iter().any(allows) {
        return Ok(());
    }
    Err(Error::new(Code::Forbidden, format!("The model `{name}` is not allowed in this project.")).with_param("model"))
}

fn by_prefix<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Found<'a>> {
    let (prefix, model) = name.split_once('/')?;
    let (provider, config) = snapshot.providers.get_key_value(prefix)?;
    (!model.is_empty()).then(|| (provider.as_str(), config, model.to_owned()))
}

fn by_list<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Found<'a>> {
    let lists = |config: &ProviderConfig| config.models.as_ref().is_some_and(|models| models.iter().any(|m| m == name));
    snapshot.providers.iter().find(|(_, config)| lists(config)).map(|(provider, config)| (provider.as_str(), config, name.to_owned()))
}

/// How the names of a maker's models begin, and who serves them: a project with several open providers still sends these where they
/// belong, to the maker before anybody else.
const FAMILIES: [(&[Kind], &[&str]); 4] = [
    (&[Kind::OpenAi], &["gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "omni-moderation"]),
    (&[Kind::Anthropic, Kind::Vertex], &["claude-"]),
    (&[Kind::Gemini, Kind::Vertex], &["gemini-"]),
    (&[Kind::WorkersAi], &["@cf/", "@hf/"]),
];

fn by_family<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Found<'a>> {
    let (servers, _) = FAMILIES.iter().find(|(_, families)| families.iter().any(|family| name.starts_with(family)))?;
    let open = |kind: &Kind| snapshot.providers.iter().find(|(_, config)| config.kind == *kind && config.models.is_none());
    let (provider, config) = servers.iter().find_map(open)?;
    Some((provider, config, name.to_owned()))
}

/// A provider without a list takes any name; the demo answers last.
fn open_provider<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Found<'a>> {
    let open = |wanted: &dyn Fn(Kind) -> bool| snapshot.providers.iter().find(|(_, config)| config.models.is_none() && wanted(config.kind));
    let (provider, config) = open(&|kind| kind != Kind::Demo).or_else(|| open(&|kind| kind == Kind::Demo))?;
    Some((provider, config, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn snapshot(settings: &serde_json::Value, providers: &serde_json::Value) -> Snapshot {
        let project = json!({"id": "proj_1", "tenant_id": "t", "slug": "s", "name": "n", "status": "active", "created_at": 0});
        serde_json::from_value(json!({"v": 1, "project": project, "settings": settings, "providers": providers})).unwrap()
    }

    fn check(snapshot: &Snapshot, asked: Option<&str>, expected: Result<(&str, &str), u16>) {
        let found = resolve(snapshot, asked);
        let found = found.as_ref().map(|r| (r.provider, r.model.as_str())).map_err(Error::status);
        assert_eq!(found, expected, "{asked:?}");
    }

    #[test]
    fn names_find_their_provider() {
        let providers = json!({
            "acme": {"kind": "openai-compatible", "base_url": "https://a.example", "created_at": 0},
            "claude": {"kind": "anthropic", "created_at": 0},
            "demo": {"kind": "demo", "created_at": 0},
            "listed": {"kind": "openai-compatible", "base_url": "https://l.example", "models": ["llama", "meta/llama-4"], "created_at": 0},
            "openai": {"kind": "openai", "created_at": 0},
        });
        let all = snapshot(&json!({"default_model": "fast", "routing": {"aliases": {"fast": "listed/llama"}}}), &providers);
        check(&all, Some("openai/gpt-5"), Ok(("openai", "gpt-5")));
        check(&all, Some("gpt-5"), Ok(("openai", "gpt-5")));
        check(&all, Some("claude-opus-5"), Ok(("claude", "claude-opus-5")));
        check(&all, Some("llama"), Ok(("listed", "llama")));
        check(&all, Some("meta/llama-4"), Ok(("listed", "meta/llama-4")));
        check(&all, Some("other/name"), Ok(("acme", "other/name")));
        check(&all, Some("demo/x"), Ok(("demo", "x")));
        check(&all, Some("fast"), Ok(("listed", "llama")));
        check(&all, None, Ok(("listed", "llama")));
        check(&all, Some("a\nb"), Err(400));
        let cloud = json!({"a": {"kind": "openai", "created_at": 0}, "v": {"kind": "vertex", "created_at": 0}, "w": {"kind": "gemini", "created_at": 0}});
        let cloud = snapshot(&json!({}), &cloud);
        check(&cloud, Some("claude-opus-5"), Ok(("v", "claude-opus-5")));
        check(&cloud, Some("gemini-3.5-flash"), Ok(("w", "gemini-3.5-flash")));
        check(&cloud, Some("v/meta/llama-4"), Ok(("v", "meta/llama-4")));
        let listed = snapshot(&json!({}), &json!({"l": {"kind": "openai-compatible", "models": ["one"], "created_at": 0}}));
        check(&listed, None, Ok(("l", "one")));
        check(&listed, Some("two"), Err(404));
        check(&snapshot(&json!({}), &json!({})), Some("gpt-5"), Err(503));
        check(&snapshot(&json!({}), &json!({"o": {"kind": "openai", "created_at": 0}})), None, Err(400));
    }

    #[test]
    fn the_demo_answers_any_name_when_nobody_else_does() {
        let demo = snapshot(&json!({}), &json!({"demo": {"kind": "demo", "created_at": 0}}));
        check(&demo, Some("gpt-4o-mini"), Ok(("demo", "gpt-4o-mini")));
        check(&demo, Some("anthropic/claude"), Ok(("demo", "anthropic/claude")));
        check(&demo, None, Ok(("demo", "demo-1")));
    }

    #[test]
    fn an_allow_list_is_exact_or_a_prefix() {
        let s = snapshot(&json!({"allowed_models": ["gpt-5", "llama-*"]}), &json!({"o": {"kind": "openai", "created_at": 0}}));
        check(&s, Some("gpt-5"), Ok(("o", "gpt-5")));
        check(&s, Some("gpt-5-mini"), Err(403));
        check(&s, Some("llama-4"), Ok(("o", "llama-4")));
    }
}
