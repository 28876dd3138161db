//! The limits per address: this isolate's count, the platform's limiter behind it, and the exact count of a project.
//!
//! Always holds: the first two come before any signature or key work; a limiter that fails or is slow refuses nobody.
//! Absent on purpose: what counts as one address (`crate::auth::address`).

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::api::ratelimit::{self, Window};
use crate::auth::{address, ip_limit};
use crate::config::Snapshot;
use crate::edge::answer::Facts;
use crate::edge::deployment::{Deployment, IP_LIMIT};
use crate::edge::inbound::Inbound;
use crate::edge::{clock, isolate, objects};
use crate::error::Result;

/// How long the platform's limiter may take; it counts on the machine that asks.
const LIMITER_MS: u64 = 100;
/// The limiter does not say when it admits again: its period is sure to be enough.
const LIMITER_WAIT_MS: u64 = 60_000;

#[wasm_bindgen]
extern "C" {
    type Limiter;
    #[wasm_bindgen(method, catch)]
    fn limit(this: &Limiter, options: &JsValue) -> Result<Promise, JsValue>;
}

/// Counts a request of whoever it is against `IP_RPM`.
///
/// # Errors
/// 429 with scope `ip`.
pub async fn admit(inbound: &Inbound, deployment: &Deployment) -> Result<()> {
    isolate::with(|i| i.addresses.admit(&inbound.address, deployment.ip_rpm, clock::now_ms()))?;
    if deployment.asks_limiter && clock::within(LIMITER_MS, refuses(inbound)).await == Some(Ok(true)) {
        return Err(ip_limit::too_many(deployment.ip_rpm, LIMITER_WAIT_MS));
    }
    Ok(())
}

async fn refuses(inbound: &Inbound) -> Result<bool, JsValue> {
    let limiter = Reflect::get(&inbound.env, &IP_LIMIT.into())?;
    if limiter.is_undefined() {
        return Ok(false);
    }
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &inbound.address.as_str().into())?;
    let outcome = JsFuture::from(limiter.unchecked_into::<Limiter>().limit(&options)?).await?;
    Ok(Reflect::get(&outcome, &"success".into())?.is_falsy())
}

/// Counts a user's request exactly, if the project asks for it, and tells what is left.
///
/// # Errors
/// 429 with scope `ip`; its headers are then among the facts.
pub async fn admit_in_project(inbound: &Inbound, deployment: &Deployment, project: &Snapshot, facts: &mut Facts) -> Result<Option<Window>> {
    let Some(limit) = project.settings.limits.ip_rpm.filter(|_| !deployment.unmetered) else { return Ok(None) };
    let name = address::object_name(&deployment.address_key, &project.project.id, &inbound.address);
    let (answer, rows) = objects::address(&inbound.env, &name, limit.get()).await?;
    inbound.costs.object_call(rows);
    if answer.admitted {
        return Ok(Some(answer.window));
    }
    facts.extend(ratelimit::headers(&[answer.window]));
    Err(ip_limit::too_many(limit.get(), answer.window.frees_ms.unwrap_or(LIMITER_WAIT_MS)))
}
