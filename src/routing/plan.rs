//! The targets of one request, in the order in which they are asked.
//!
//! Always holds: the first is the one the client named, or the project's default, or what its policy picks; the others are tried
//! only if it fails. None is there twice. Who is not well goes to the end: it is asked when nobody else is left.
//! Absent on purpose: reservations (`edge::attempts` makes them, target by target).

use super::health::{Health, key_of};
use super::policy;
use crate::api::chat::{AUTO, ChatRequest};
use crate::auth::capabilities::Capabilities;
use crate::config::Snapshot;
use crate::config::model::{self, Resolved};
use crate::error::{Error, Result};

/// The most targets of a request.
const MAX_TARGETS: usize = 8;

/// Where a request may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<'a> {
    /// The first.
    pub first: Resolved<'a>,
    /// What is tried when it fails, in order.
    pub others: Vec<Resolved<'a>>,
    /// The first one is what the client named, or the owner's default: not a choice of the gateway.
    pub named: bool,
}

impl<'a> Plan<'a> {
    /// The target at this place.
    pub fn get(&self, at: usize) -> Option<&Resolved<'a>> {
        at.checked_sub(1).map_or(Some(&self.first), |at| self.others.get(at))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Plans a request.
///
/// # Errors
/// As `config::model::resolve`; 400 if the policy finds no model that can serve it; 403 for a model that the token may not name.
pub fn plan<'a>(
    snapshot: &'a Snapshot,
    capabilities: &Capabilities,
    chat: &ChatRequest<'_>,
    health: &Health,
    now: u64,
) -> Result<Plan<'a>> {
    let routing = &snapshot.settings.routing;
    let open = chat.model.is_none() && (chat.auto || snapshot.settings.default_model.is_none());
    let (mut targets, picked) = match routing.auto.as_ref().filter(|_| open && !snapshot.providers.is_empty()) {
        Some(auto) => (policy::ranked(snapshot, auto, chat, health, now)?, true),
        None => (vec![model::resolve(snapshot, chat.model.as_deref())?], false),
    };
    let may_serve = |target: &Resolved<'_>| capabilities.allows_target(target.provider, &target.model);
    if picked {
        targets.retain(may_serve);
        if targets.is_empty() {
            capabilities.check_model(AUTO)?;
        }
    } else {
        check_named(snapshot, capabilities, chat, &targets)?;
    }
    let asked = if picked { Some(AUTO) } else { chat.model.as_deref().or(snapshot.settings.default_model.as_deref()) };
    let own = targets.first().map(|first| routing.fallbacks_of(asked.unwrap_or(AUTO), first.provider, &first.model));
    let fallback = |name: &String| {
        let found = model::find(snapshot, name).ok()?;
        (capabilities.allows_model(name) || may_serve(&found)).then_some(found)
    };
    targets.extend(own.unwrap_or_default().iter().filter_map(fallback));
    let (targets, moved) = in_order(snapshot, targets, health, now);
    let mut targets = targets.into_iter();
    let first = targets.next().ok_or_else(|| Error::server("a plan without a target"))?;
    Ok(Plan { first, others: targets.collect(), named: !picked && !moved })
}

/// Whether the token may name what the client names, or the default.
fn check_named(snapshot: &Snapshot, capabilities: &Capabilities, chat: &ChatRequest<'_>, targets: &[Resolved<'_>]) -> Result<()> {
    let served = targets.first().map(|first| first.model.as_str());
    match chat.model.as_deref().or(snapshot.settings.default_model.as_deref()).or(served) {
        Some(name) => capabilities.check_model(name),
        None => Ok(()),
    }
}

/// Without doubles, and who is not well last; and whether the first is another one now.
fn in_order<'a>(snapshot: &Snapshot, targets: Vec<Resolved<'a>>, health: &Health, now: u64) -> (Vec<Resolved<'a>>, bool) {
    let mut once: Vec<Resolved<'a>> = Vec::with_capacity(targets.len());
    for target in targets {
        if once.len() < MAX_TARGETS && !once.iter().any(|known| (known.provider, &known.model) == (target.provider, &target.model)) {
            once.push(target);
        }
    }
    let well = |target: &Resolved<'a>| health.would_admit(&key_of(&snapshot.project.id, target), now);
    if once.len() < 2 {
        return (once, false);
    }
    let moved = once.first().is_some_and(|first| !well(first)) && once.iter().skip(1).any(well);
    // The sort is stable: the order is otherwise the owner's.
    once.sort_by_cached_key(|target| !well(target));
    (once, moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn snapshot(settings: &Value) -> Snapshot {
        let project = json!({"id": "proj_1", "tenant_id": "t", "slug": "s", "name": "n", "status": "active", "created_at": 0});
        let provider = |kind: &str, models: &[&str]| json!({"kind": kind, "created_at": 0, "models": models});
        let providers = json!({
            "claude": provider("anthropic", &["claude-haiku-4-5", "claude-opus-4-5"]),
            "gemini": provider("gemini", &["gemini-2.5-flash"]),
            "openai": provider("openai", &["gpt-4o", "gpt-4o-mini", "gpt-3.5-turbo"]),
        });
        serde_json::from_value(json!({"v": 1, "project": project, "settings": settings, "providers": providers})).unwrap()
    }

    fn names(snapshot: &Snapshot, body: &Value, health: &Health) -> Result<(Vec<String>, bool), u16> {
        names_for(snapshot, &Capabilities::default(), body, health)
    }

    fn names_for(snapshot: &Snapshot, capabilities: &Capabilities, body: &Value, health: &Health) -> Result<(Vec<String>, bool), u16> {
        let body = body.to_string();
        let chat = ChatRequest::parse(body.as_bytes()).unwrap();
        let plan = plan(snapshot, capabilities, &chat, health, 0).map_err(|error| error.status())?;
        let name = |at| plan.get(at).map(|target| format!("{}/{}", target.provider, target.model));
        Ok(((0..plan.len()).filter_map(name).collect(), plan.named))
    }

    fn check(settings: &Value, more: &Value, health: &Health, expected: &[&str], named: bool) {
        let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(names(&snapshot(settings), &body, health), Ok((expected, named)), "{settings} {more}");
    }

    #[test]
    fn fallbacks_follow_what_was_asked() {
        let settings = json!({
            "default_model": "fast",
            "routing": {
                "aliases": {"fast": "gpt-4o-mini", "other": "claude/claude-haiku-4-5"},
                "fallbacks": {"fast": ["other", "gemini-2.5-flash", "nobody-has-this"], "gpt-4o": ["gpt-4o", "gpt-4o-mini"], "*": ["claude-opus-4-5"]},
            },
        });
        let well = Health::default();
        check(&settings, &json!({}), &well, &["openai/gpt-4o-mini", "claude/claude-haiku-4-5", "gemini/gemini-2.5-flash"], true);
        check(
            &settings,
            &json!({"model": "auto"}),
            &well,
            &["openai/gpt-4o-mini", "claude/claude-haiku-4-5", "gemini/gemini-2.5-flash"],
            true,
        );
        check(&settings, &json!({"model": "gpt-4o"}), &well, &["openai/gpt-4o", "openai/gpt-4o-mini"], true);
        check(&settings, &json!({"model": "gpt-4o-mini"}), &well, &["openai/gpt-4o-mini", "claude/claude-opus-4-5"], true);
        check(&json!({}), &json!({"model": "gpt-4o"}), &well, &["openai/gpt-4o"], true);
    }

    #[test]
    fn a_token_of_some_models_reaches_no_other() {
        let settings = json!({
            "default_model": "gpt-4o",
            "routing": {"aliases": {"fast": "gpt-4o-mini"}, "fallbacks": {"*": ["claude-haiku-4-5", "gemini-2.5-flash"]}},
        });
        let auto = json!({"routing": {"auto": {"policy": "quality", "models": ["gpt-4o", "claude-haiku-4-5"]}}});
        for (settings, models, asked, expected) in [
            (&settings, json!(["gpt-4o", "claude-*"]), json!("gpt-4o"), Ok(vec!["openai/gpt-4o", "claude/claude-haiku-4-5"])),
            (&settings, json!(["gpt-4o"]), json!(null), Ok(vec!["openai/gpt-4o"])),
            (&settings, json!(["gpt-4o-mini"]), json!(null), Err(403)),
            (&settings, json!(["gpt-4o-mini"]), json!("auto"), Err(403)),
            (&settings, json!(["gpt-4o-mini"]), json!("gpt-4o"), Err(403)),
            (&settings, json!(["fast"]), json!("fast"), Ok(vec!["openai/gpt-4o-mini"])),
            (&settings, json!(["gpt-4o-mini"]), json!("fast"), Err(403)),
            (&settings, json!(["gpt-4o-mini"]), json!("openai/gpt-4o-mini"), Err(403)),
            (&auto, json!(["claude/*"]), json!("auto"), Ok(vec!["claude/claude-haiku-4-5"])),
            (&auto, json!(["gemini-*"]), json!("auto"), Err(403)),
        ] {
            let capabilities: Capabilities = serde_json::from_value(json!({"models": models})).unwrap();
            let body = json!({"messages": [{"role": "user", "content": "x"}], "model": asked});
            let planned = names_for(&snapshot(settings), &capabilities, &body, &Health::default()).map(|(names, _)| names);
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(planned, expected, "{models} {asked}");
        }
    }

    #[test]
    fn who_is_not_well_goes_last() {
        let settings = json!({"routing": {"fallbacks": {"*": ["claude-haiku-4-5", "gemini-2.5-flash"]}}});
        let mut health = Health::default();
        (0..5).for_each(|_| health.failed("proj_1/openai@0/gpt-4o", false, 0));
        check(
            &settings,
            &json!({"model": "gpt-4o"}),
            &health,
            &["claude/claude-haiku-4-5", "gemini/gemini-2.5-flash", "openai/gpt-4o"],
            false,
        );
        check(&json!({}), &json!({"model": "gpt-4o"}), &health, &["openai/gpt-4o"], true);
    }

    #[test]
    fn the_policy_picks() {
        let auto = |value: Value| json!({"routing": {"auto": value}});
        let image =
            json!({"model": "auto", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]});
        let well = Health::default();
        let cheapest = auto(json!({"policy": "cheapest", "models": ["gpt-4o", "gpt-3.5-turbo", "gpt-4o-mini"]}));
        check(&cheapest, &json!({}), &well, &["openai/gpt-4o-mini", "openai/gpt-3.5-turbo", "openai/gpt-4o"], false);
        check(&cheapest, &image, &well, &["openai/gpt-4o-mini", "openai/gpt-4o"], false);
        check(&cheapest, &json!({"model": "gpt-4o"}), &well, &["openai/gpt-4o"], true);
        let quality = auto(json!({"policy": "quality", "models": ["claude-opus-4-5", "gpt-3.5-turbo", "gpt-4o"]}));
        check(&quality, &json!({"model": ""}), &well, &["claude/claude-opus-4-5", "openai/gpt-3.5-turbo", "openai/gpt-4o"], false);
        check(&quality, &image, &well, &["claude/claude-opus-4-5", "openai/gpt-4o"], false);
        let mut measured = Health::default();
        for (model, ms) in [("claude@0/claude-opus-4-5", 900), ("openai@0/gpt-3.5-turbo", 200), ("openai@0/gpt-4o", 400)] {
            measured.succeeded(&format!("proj_1/{model}"), Some(ms), 0);
        }
        let fastest = auto(json!({"policy": "fastest", "models": ["claude-opus-4-5", "gpt-4o", "gpt-3.5-turbo", "gpt-4o-mini"]}));
        let order = ["openai/gpt-4o-mini", "openai/gpt-3.5-turbo", "openai/gpt-4o", "claude/claude-opus-4-5"];
        check(&fastest, &json!({}), &measured, &order, false);
        // A default of the project's own comes before its policy, unless `auto` is asked for by name.
        let both = json!({"default_model": "gpt-4o", "routing": {"auto": {"policy": "quality", "models": ["gpt-3.5-turbo"]}}});
        check(&both, &json!({}), &well, &["openai/gpt-4o"], true);
        check(&both, &json!({"model": "auto"}), &well, &["openai/gpt-3.5-turbo"], false);
    }

    #[test]
    fn without_a_list_the_providers_models_are_candidates() {
        let settings = json!({"allowed_models": ["gpt-*"], "routing": {"auto": {"policy": "cheapest"}}});
        check(&settings, &json!({}), &Health::default(), &["openai/gpt-4o-mini", "openai/gpt-3.5-turbo", "openai/gpt-4o"], false);
        let none = snapshot(&json!({"allowed_models": ["x"], "routing": {"auto": {"policy": "cheapest"}}}));
        assert_eq!(names(&none, &json!({"messages": [{"role": "user"}]}), &Health::default()), Err(400));
    }
}
