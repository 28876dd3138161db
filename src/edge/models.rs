//! `GET /v1/models`, `GET /v1/models/{id}`: what this caller may ask for.

use crate::api::models::{list_json, one_json};
use crate::config::offer;
use crate::edge::answer::Answer;
use crate::edge::caller::Caller;
use crate::edge::clock;
use crate::error::Result;

/// The list.
pub fn list(caller: &Caller) -> Answer {
    Answer::json_text(200, list_json(&offer::all(&caller.project.snapshot, clock::now_ms())))
}

/// One model: a listed one, or any name that a provider of the project takes.
pub fn one(caller: &Caller, id: &str) -> Result<Answer> {
    Ok(Answer::json_text(200, one_json(&offer::one(&caller.project.snapshot, id)?)))
}
