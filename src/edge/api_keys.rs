//! API keys where they arrive: which one it is, whether its project still has it, and that it was used.
//!
//! Always holds: a malformed key costs no look-up, an unknown one no Argon2; an address that guessed too often is refused before
//! the look-up, but a key that this isolate knows is not; a use is told to the project once an hour, after the answer.

use std::rc::Rc;

use worker::Context;

use crate::auth::api_key::{self, StoredKey};
use crate::auth::ip_limit;
use crate::config::{KeyInfo, key_kv_name};
use crate::edge::deployment::{CONFIG_KV, Deployment};
use crate::edge::inbound::Inbound;
use crate::edge::isolate::{self, API_KEY_MS, KEY_USE_MS};
use crate::edge::snapshots::{self, Ready};
use crate::edge::{audit, clock, objects};
use crate::error::{Code, Error, Result};
use crate::project::audit::Command;

/// How long KV may take.
const KV_MS: u64 = 5_000;
/// Keys that are none, of one address in a minute, in one isolate.
const GUESSES: u64 = 20;

/// A key that opens its project.
pub struct Opened {
    /// The project.
    pub project: Rc<Ready>,
    /// The key.
    pub info: KeyInfo,
}

/// Verifies a key and finds its project.
///
/// # Errors
/// 401 for a key that is none or not any more, 403 for a suspended project, 429 for an address that guesses.
pub async fn open(inbound: &Inbound, deployment: &Deployment, context: &Context, key: &str) -> Result<Opened> {
    if !api_key::is_well_formed(key) {
        return Err(api_key::refused());
    }
    let cache_key = api_key::cache_key(&deployment.masters, key).ok_or_else(|| Error::server("no cache key"))?;
    let result = look_up(inbound, deployment, cache_key, key).await;
    if result.as_ref().is_err_and(|error| error.code() == Code::InvalidToken) {
        isolate::with(|i| {
            i.guesses.count(&inbound.address, GUESSES, clock::now_ms());
            i.api_keys.remove(&cache_key);
        });
    }
    let opened = result?;
    tell_use(inbound, context, &opened);
    Ok(opened)
}

async fn look_up(inbound: &Inbound, deployment: &Deployment, cache_key: [u8; 32], key: &str) -> Result<Opened> {
    let stored = verified(inbound, deployment, cache_key, key).await?;
    let project = snapshots::active(inbound, &stored.project_id).await?;
    let opened = match listed(project, &stored) {
        Some(opened) => opened,
        // It may be newer than what this isolate and KV have of the project.
        None => listed(snapshots::newest(inbound, &stored.project_id).await?, &stored).ok_or_else(api_key::refused)?,
    };
    if opened.info.expires_at.is_some_and(|at| at <= clock::now_s()) {
        return Err(api_key::refused());
    }
    remember(cache_key, stored);
    Ok(opened)
}

async fn verified(inbound: &Inbound, deployment: &Deployment, cache_key: [u8; 32], key: &str) -> Result<Rc<StoredKey>> {
    let now = clock::now_ms();
    if let Some(stored) = isolate::with(|i| i.api_keys.get(&cache_key, now).cloned()) {
        return Ok(stored);
    }
    if let Some(wait) = isolate::with(|i| i.guesses.wait(&inbound.address, GUESSES, now)) {
        return Err(ip_limit::too_many(GUESSES, wait));
    }
    let stored = record(inbound, key).await?;
    api_key::verify(&deployment.masters, key, &stored.hash)?;
    Ok(Rc::new(stored))
}

fn listed(project: Rc<Ready>, stored: &StoredKey) -> Option<Opened> {
    let info = project.snapshot.keys.get(&stored.key_id)?.clone();
    Some(Opened { project, info })
}

async fn record(inbound: &Inbound, key: &str) -> Result<StoredKey> {
    inbound.costs.kv_read();
    let kv = inbound.env.kv(CONFIG_KV).map_err(|e| Error::server(format!("kv: {e}")))?;
    let name = key_kv_name(&api_key::index(key));
    let read = clock::within(KV_MS, kv.get(&name).text()).await.ok_or_else(|| Error::server("kv: no answer"))?;
    let text = read.map_err(|e| Error::server(format!("kv: {e}")))?.ok_or_else(api_key::refused)?;
    serde_json::from_str(&text).map_err(|_| Error::server("a stored API key is damaged"))
}

/// Keeps a verified key in this isolate: also what makes a brand-new key work at once where it was made.
pub fn remember(cache_key: [u8; 32], stored: Rc<StoredKey>) {
    isolate::with(|i| i.api_keys.put(cache_key, stored, clock::now_ms() + API_KEY_MS));
}

/// Tells the project that the key is in use, if this isolate has not lately.
fn tell_use(inbound: &Inbound, context: &Context, opened: &Opened) {
    let (id, now) = (&opened.info.id, clock::now_ms());
    if isolate::with(|i| i.key_uses.get(id, now).is_some()) {
        return;
    }
    isolate::with(|i| i.key_uses.put(id.clone(), (), now + KEY_USE_MS));
    let (env, project_id, id) = (inbound.env.clone(), opened.project.snapshot.project.id.clone(), id.clone());
    let command = Command::KeyUsed { id: id.clone(), by: audit::by(inbound, format!("key:{id}")) };
    context.wait_until(async move {
        if objects::audit(&env, &project_id, &command).await.is_err() {
            // Whoever uses it next tells of it.
            isolate::with(|i| i.key_uses.remove(&id));
        }
    });
}
