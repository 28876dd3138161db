//! The names that a project's users may ask for, each with who serves it and what is known of it.
//!
//! Always holds: a name is offered only if asking for it is allowed and leads where the list says: it is resolved as a request's
//! would be. A provider offers the models its owner listed; without a list, those of the catalogue that its dialect can serve and
//! its maker has not retired. Absent on purpose: asking providers for their lists; how it looks (`api::models`).

use std::collections::BTreeMap;

use crate::calendar::day_of;
use crate::catalog::{self, Mode};
use crate::config::model::{self, Resolved};
use crate::config::{ProviderConfig, Snapshot, price};
use crate::error::{Code, Error, Result};
use crate::price::Rates;
use crate::provider::{Kind, demo};

/// The name that stands for the project's default.
pub const DEFAULT: &str = "default";

/// One name.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer<'a> {
    /// What to ask for.
    pub name: String,
    /// Who serves it.
    pub resolved: Resolved<'a>,
    /// What the catalogue knows of it.
    pub known: Option<catalog::Model>,
    /// What it costs in this project, if anybody knows.
    pub rates: Option<Rates>,
}

impl<'a> Offer<'a> {
    /// What a name stands for; `default` for what is served without one.
    ///
    /// # Errors
    /// As `model::resolve`, and for a model without a price in a project that refuses those.
    fn of(snapshot: &'a Snapshot, name: &str) -> Result<Self> {
        let resolved = model::resolve(snapshot, Some(name).filter(|name| *name != DEFAULT))?;
        let rates = price::rates(&snapshot.settings, &resolved)?;
        let known = catalog::find(resolved.config.kind.name(), resolved.served_model());
        Ok(Self { name: name.to_owned(), resolved, known, rates })
    }
}

/// All names, in order.
pub fn all(snapshot: &Snapshot, now_ms: u64) -> Vec<Offer<'_>> {
    let mut offers = BTreeMap::new();
    for (provider, config) in &snapshot.providers {
        for model in models(config, day_of(now_ms)) {
            // Where another provider answers to the bare name, this one's model is asked for with its provider's.
            let names = [model.clone(), format!("{provider}/{model}")];
            let offer = names.iter().filter_map(|name| Offer::of(snapshot, name).ok()).find(|offer| offer.resolved.provider == provider);
            offers.extend(offer.map(|offer| (offer.name.clone(), offer)));
        }
    }
    let settings = &snapshot.settings;
    let others = settings.routing.aliases.keys().chain(&settings.default_model).map(String::as_str).chain([DEFAULT]);
    for name in others {
        offers.extend(Offer::of(snapshot, name).ok().map(|offer| (offer.name.clone(), offer)));
    }
    offers.into_values().collect()
}

/// One name: any that a request could ask for, listed or not.
///
/// # Errors
/// 404 `model_not_found`.
pub fn one<'a>(snapshot: &'a Snapshot, name: &str) -> Result<Offer<'a>> {
    Offer::of(snapshot, name).map_err(|_| unknown(name))
}

/// There is no such name, as far as this caller is concerned.
pub fn unknown(name: &str) -> Error {
    Error::new(Code::ModelNotFound, format!("There is no model `{name}` in this project.")).with_param("model")
}

/// The models that a provider serves, by its own names.
fn models(config: &ProviderConfig, today: u64) -> Vec<String> {
    match &config.models {
        Some(listed) => listed.clone(),
        None if config.kind == Kind::Demo => vec![demo::MODEL.to_owned()],
        None => {
            let current = |model: &catalog::Model| model.retired.is_none_or(|day| day > today) && serves(config.kind, model);
            catalog::all(config.kind.name()).filter(current).map(|model| model.id.to_owned()).collect()
        }
    }
}

/// Whether a dialect has a route for such a model.
fn serves(kind: Kind, model: &catalog::Model) -> bool {
    match model.mode {
        Mode::Chat => true,
        Mode::Responses => false,
        Mode::Embedding => kind.dialect().embeddings().is_some_and(|embeddings| embeddings.has(model.id)),
        Mode::Moderation => kind.dialect().moderations().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::models::{list_json, one_json};
    use serde_json::{Value, json};

    /// 2026-11-29.
    const NOW_MS: u64 = 20_786 * 86_400_000;

    fn snapshot(settings: &Value, providers: &Value) -> Snapshot {
        let project = json!({"id": "proj_1", "tenant_id": "t", "slug": "s", "name": "n", "status": "active", "created_at": 0});
        serde_json::from_value(json!({"v": 1, "project": project, "settings": settings, "providers": providers})).unwrap()
    }

    fn names(settings: &Value, providers: &Value) -> Vec<String> {
        all(&snapshot(settings, providers), NOW_MS).into_iter().map(|offer| offer.name).collect()
    }

    fn listed(models: &[&str]) -> Value {
        json!({"kind": "openai-compatible", "base_url": "https://a.example", "models": models, "created_at": 7})
    }

    #[test]
    fn listed_models_aliases_and_the_default() {
        let providers = json!({"a": listed(&["x", "org/y"]), "b": listed(&["x", "z"])});
        let settings = json!({"default_model": "z", "routing": {"aliases": {"fast": "b/x", "broken": "nobody/serves"}}});
        assert_eq!(names(&settings, &providers), ["b/x", "default", "fast", "org/y", "x", "z"]);
        assert_eq!(names(&json!({}), &providers), ["b/x", "org/y", "x", "z"], "without a default there is none to offer");
        let some = json!({"allowed_models": ["org/*", "fast"], "routing": {"aliases": {"fast": "b/x"}}});
        assert_eq!(names(&some, &providers), ["fast", "org/y"]);
        assert_eq!(names(&json!({"unknown_models": "refuse"}), &providers), [""; 0]);
        assert_eq!(names(&json!({"unknown_models": "refuse", "prices": {"z": {"input": 1}}}), &providers), ["z"]);
        assert_eq!(names(&json!({}), &json!({})), [""; 0]);
        assert_eq!(names(&json!({}), &json!({"demo": {"kind": "demo", "created_at": 0}})), ["default", "demo-1"]);
    }

    #[test]
    fn open_providers_offer_what_the_catalogue_knows() {
        let providers = json!({"claude": {"kind": "anthropic", "created_at": 0}, "o": {"kind": "openai", "created_at": 0},
            "any": {"kind": "openai-compatible", "base_url": "https://a.example", "created_at": 0}});
        let names = names(&json!({}), &providers);
        let has = |name: &str| names.iter().any(|known| known == name);
        for name in ["gpt-4o", "text-embedding-3-small", "omni-moderation-latest", "claude-haiku-4-5"] {
            assert!(has(name), "{name} is not offered");
        }
        // Retired; served by another route of OpenAI's only; unknown to a host that nobody knows.
        for name in ["gpt-4-0613", "any/gpt-4o", "deepseek-chat"] {
            assert!(!has(name), "{name} is offered");
        }
        let snapshot = snapshot(&json!({}), &providers);
        for offer in all(&snapshot, NOW_MS) {
            assert_eq!(one(&snapshot, &offer.name), Ok(offer.clone()));
            assert!(offer.known.unwrap().mode != Mode::Responses, "{}", offer.name);
        }
    }

    #[test]
    fn vertex_offers_the_embeddings_that_it_is_asked_for() {
        let names = names(&json!({}), &json!({"v": {"kind": "vertex", "created_at": 0}}));
        let has = |name: &str| names.iter().any(|known| known == name);
        assert_eq!(["text-embedding-005", "gemini-embedding-2", "multimodalembedding"].map(has), [true, true, false]);
    }

    #[test]
    fn the_shape_is_openais_and_says_what_is_known() {
        let providers = json!({"o": {"kind": "openai", "created_at": 7}, "a": listed(&["mine/\"x\""])});
        let snapshot = snapshot(&json!({"routing": {"aliases": {"fast": "gpt-4o"}}}), &providers);
        let shown = |name: &str| serde_json::from_str::<Value>(&one_json(&one(&snapshot, name).unwrap())).unwrap();
        assert_eq!(
            shown("fast"),
            json!({
                "id": "fast", "object": "model", "created": 7, "owned_by": "o", "context_length": 128_000,
                "architecture": {"input_modalities": ["text", "image", "file"], "output_modalities": ["text"]},
                "top_provider": {"context_length": 128_000, "max_completion_tokens": 16_384},
                "pricing": {"prompt": "0.0000025", "completion": "0.00001", "input_cache_read": "0.00000125"},
                "supported_parameters": ["tools", "tool_choice", "response_format", "structured_outputs"],
                "behest": {"provider": "o", "model": "gpt-4o", "route": "/v1/chat/completions",
                    "capabilities": ["tools", "json_schema", "prompt_cache", "vision", "documents"]},
            })
        );
        assert_eq!(
            shown("mine/\"x\""),
            json!({"id": "mine/\"x\"", "object": "model", "created": 7, "owned_by": "a", "behest": {"provider": "a", "model": "mine/\"x\""}})
        );
        let embeddings = shown("text-embedding-3-small");
        assert_eq!(embeddings["architecture"], json!({"input_modalities": ["text"], "output_modalities": ["embeddings"]}));
        assert_eq!((&embeddings["pricing"]["prompt"], &embeddings["behest"]["route"]), (&json!("0.00000002"), &json!("/v1/embeddings")));
        let list: Value = serde_json::from_str(&list_json(&all(&snapshot, NOW_MS))).unwrap();
        assert_eq!(list["object"], "list");
        assert_eq!(list["data"].as_array().unwrap().iter().find(|model| model["id"] == "fast"), Some(&shown("fast")));
        assert_eq!(list_json(&[]), r#"{"object":"list","data":[]}"#);
        assert_eq!(one(&snapshot, "nobody\n").unwrap_err().code(), Code::ModelNotFound);
    }

    #[test]
    fn long_inputs_have_their_own_prices() {
        let snapshot = snapshot(&json!({}), &json!({"g": {"kind": "gemini", "created_at": 0}}));
        let shown: Value = serde_json::from_str(&one_json(&one(&snapshot, "gemini-2.5-pro").unwrap())).unwrap();
        assert_eq!(shown["behest"]["long_context"]["above"], 200_000);
        assert_eq!(shown["behest"]["long_context"]["pricing"]["prompt"], "0.0000025");
        assert_eq!(shown["architecture"]["input_modalities"], json!(["text", "image", "file", "audio", "video"]));
    }
}
