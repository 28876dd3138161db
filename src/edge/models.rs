//! `GET /v1/models`, `GET /v1/models/{id}`: what this caller may ask for.

use crate::api::models::{list_json, one_json};
use crate::config::offer::{self, Offer};
use crate::edge::answer::Answer;
use crate::edge::caller::Caller;
use crate::edge::clock;
use crate::error::Result;

/// The list.
pub fn list(caller: &Caller) -> Answer {
    let mut offers = offer::all(&caller.project.snapshot, clock::now_ms());
    offers.retain(|offer| may_name(caller, offer));
    Answer::json_text(200, list_json(&offers))
}

/// One model: a listed one, or any name that a provider of the project takes.
pub fn one(caller: &Caller, id: &str) -> Result<Answer> {
    let offer = offer::one(&caller.project.snapshot, id)?;
    if !may_name(caller, &offer) {
        return Err(offer::unknown(id));
    }
    Ok(Answer::json_text(200, one_json(&offer)))
}

/// Whether the token may name it; `default` is what it stands for.
fn may_name(caller: &Caller, offer: &Offer<'_>) -> bool {
    let named =
        if offer.name == offer::DEFAULT { caller.project.snapshot.settings.default_model.as_deref() } else { Some(offer.name.as_str()) };
    caller.capabilities().allows_model(named.unwrap_or(&offer.resolved.model))
}
