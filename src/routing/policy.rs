//! What the gateway picks for a request that leaves the choice to it.
//!
//! Always holds: only models that can do what the request needs are picked; of equals, the owner's order decides; a price that
//! nobody knows is not a low one. Absent on purpose: what a request needs (`needs`), and measuring (`latency`).

use super::health::{Health, key_of};
use super::needs::Needs;
use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::config::model::{self, Resolved};
use crate::config::routing::{Auto, Policy};
use crate::config::{Snapshot, price};
use crate::error::{Code, Error, Result};

/// The output that prices are compared with, in tokens, where the client named no maximum: an ordinary answer.
const ORDINARY_OUTPUT: u64 = 500;

/// The models that can serve the request, the best first.
///
/// # Errors
/// 400 if there is none.
pub fn ranked<'a>(snapshot: &'a Snapshot, auto: &Auto, chat: &ChatRequest<'_>, health: &Health, now: u64) -> Result<Vec<Resolved<'a>>> {
    let needs = Needs::of(chat);
    let mut able: Vec<Resolved<'a>> =
        candidates(snapshot, auto).into_iter().filter(|resolved| needs.met_by(resolved.config.kind, &resolved.model)).collect();
    if able.is_empty() {
        let message = "No model of this project can do what this request needs: its owner names the candidates in the setting \
                       `routing.auto.models`.";
        return Err(Error::new(Code::Validation, message).with_param("model"));
    }
    match auto.policy {
        Policy::Quality => {}
        Policy::Cheapest => able.sort_by_cached_key(|resolved| cost(snapshot, resolved, &needs)),
        Policy::Fastest => {
            // Who was never measured comes first: that is how it is measured.
            able.sort_by_cached_key(|resolved| health.expected_ms(&key_of(&snapshot.project.id, resolved), now).unwrap_or(0));
        }
    }
    Ok(able)
}

/// What the request would cost; what nobody knows comes last.
fn cost(snapshot: &Snapshot, resolved: &Resolved<'_>, needs: &Needs) -> u64 {
    let usage = TokenUsage { input: needs.input, output: needs.output.unwrap_or(ORDINARY_OUTPUT), ..TokenUsage::default() };
    price::rates(&snapshot.settings, resolved).ok().flatten().map_or(u64::MAX, |rates| rates.cost(usage))
}

/// The owner's candidates, or what the providers list and users may name.
fn candidates<'a>(snapshot: &'a Snapshot, auto: &Auto) -> Vec<Resolved<'a>> {
    if !auto.models.is_empty() {
        return auto.models.iter().filter_map(|name| model::find(snapshot, name).ok()).collect();
    }
    let listed = snapshot.providers.iter().flat_map(|(provider, config)| {
        let models = config.models.iter().flatten();
        models.map(move |name| Resolved { provider, config, model: name.clone() })
    });
    let may_be_named = |resolved: &Resolved<'_>| {
        [resolved.model.as_str(), &format!("{}/{}", resolved.provider, resolved.model)].iter().any(|name| model::is_allowed(snapshot, name))
    };
    listed.filter(may_be_named).collect()
}
