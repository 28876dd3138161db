//! `GET /v1/models`: what this caller may ask for.
//!
//! Absent on purpose: asking providers for their lists; owners list models, or the default and the aliases are shown.

use std::collections::BTreeSet;

use crate::api::models::{Model, list_json};
use crate::config::{Snapshot, model};
use crate::edge::answer::Answer;
use crate::edge::caller::Caller;
use crate::error::{Code, Error, Result};
use crate::provider::{Kind, demo};

/// The list.
pub fn list(caller: &Caller) -> Answer {
    Answer::json_text(200, list_json(&known(&caller.project.snapshot)))
}

/// One model: a listed one, or any name that a provider of the project takes.
pub fn one(caller: &Caller, id: &str) -> Result<Answer> {
    let snapshot = &caller.project.snapshot;
    if let Some(model) = known(snapshot).into_iter().find(|model| model.id == id) {
        return Ok(Answer::json_text(200, model.to_json()));
    }
    let resolved = model::resolve(snapshot, Some(id))
        .map_err(|_| Error::new(Code::ModelNotFound, format!("There is no model `{id}` in this project.")).with_param("model"))?;
    let model = Model { id: id.to_owned(), created: resolved.config.created_at, owned_by: resolved.provider.to_owned() };
    Ok(Answer::json_text(200, model.to_json()))
}

fn known(snapshot: &Snapshot) -> Vec<Model> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for config in snapshot.providers.values() {
        names.extend(config.models.iter().flatten().map(String::as_str));
        if config.kind == Kind::Demo {
            names.insert(demo::MODEL);
        }
    }
    names.extend(snapshot.settings.routing.aliases.keys().map(String::as_str));
    names.extend(snapshot.settings.default_model.iter().map(String::as_str));
    let resolve = |name: &str| {
        let resolved = model::resolve(snapshot, Some(name)).ok()?;
        Some(Model { id: name.to_owned(), created: resolved.config.created_at, owned_by: resolved.provider.to_owned() })
    };
    names.into_iter().filter_map(resolve).collect()
}
