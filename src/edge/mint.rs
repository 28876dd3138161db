//! `POST /v1/auth/mint`: checks the API key, signs a token.
//!
//! Always holds: a malformed key costs no look-up, an unknown one no Argon2.

use std::rc::Rc;

use crate::auth::api_key::{self, StoredKey};
use crate::auth::bearer::Credential;
use crate::auth::mint::{self, Terms};
use crate::config::{Snapshot, key_kv_name};
use crate::cors;
use crate::edge::answer::Answer;
use crate::edge::deployment::{CONFIG_KV, Deployment};
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::isolate::{self, API_KEY_MS};
use crate::edge::{clock, random, snapshots};
use crate::error::{Error, Result};

/// How long KV may take.
const KV_MS: u64 = 5_000;

/// Serves the route.
pub async fn mint(inbound: &mut Inbound, deployment: &Deployment) -> Result<Answer> {
    let header = inbound.header("authorization");
    let key = Credential::parse(header.as_deref()).api_key()?;
    let stored = verified(inbound, deployment, key).await?;
    let ready = snapshots::active(inbound, &stored.project_id).await?;
    let snapshot = &ready.snapshot;
    let capabilities = capabilities(snapshot, &stored)?;
    deployment.check_host(&inbound.host, &snapshot.project.slug)?;
    cors::check(snapshot.settings.allowed_origins.as_ref(), inbound.origin.as_deref())?;
    let body = inbound.body(MAX_SMALL_BODY).await?;
    let terms = Terms {
        tenant_id: &snapshot.project.tenant_id,
        project_id: &snapshot.project.id,
        key_id: &stored.key_id,
        issuer: deployment.tokens.issuer(),
        default_ttl: snapshot.settings.token.default_ttl,
        max_ttl: snapshot.settings.token.max_ttl,
        may_mint_admin: capabilities.iter().any(|c| c == "mint:admin"),
    };
    let (session, token_id) = (random::uuid()?, random::uuid()?);
    let mut ids = [session, token_id].into_iter();
    let mint = mint::parse(&body, &terms, || ids.next().unwrap_or_default())?;
    let now = clock::now_s();
    let token = deployment.tokens.sign(mint.claims.clone(), now, now + mint.ttl)?;
    Ok(Answer::json(200, &mint::answer(&mint, &token, now)))
}

/// What the key may do, if the project still lists it and its time is not over.
fn capabilities<'a>(snapshot: &'a Snapshot, stored: &StoredKey) -> Result<&'a [String]> {
    let info = snapshot.keys.get(&stored.key_id).ok_or_else(api_key::refused)?;
    if info.expires_at.is_some_and(|at| at <= clock::now_s()) {
        return Err(api_key::refused());
    }
    Ok(&info.capabilities)
}

async fn verified(inbound: &Inbound, deployment: &Deployment, key: &str) -> Result<Rc<StoredKey>> {
    if !api_key::is_well_formed(key) {
        return Err(api_key::refused());
    }
    let cache_key = api_key::cache_key(&deployment.masters, key).ok_or_else(|| Error::server("no cache key"))?;
    if let Some(stored) = isolate::with(|i| i.api_keys.get(&cache_key, clock::now_ms()).cloned()) {
        return Ok(stored);
    }
    let stored = look_up(inbound, key).await?;
    api_key::verify(&deployment.masters, key, &stored.hash)?;
    Ok(remember(cache_key, stored))
}

async fn look_up(inbound: &Inbound, key: &str) -> Result<StoredKey> {
    inbound.costs.kv_read();
    let kv = inbound.env.kv(CONFIG_KV).map_err(|e| Error::server(format!("kv: {e}")))?;
    let name = key_kv_name(&api_key::index(key));
    let read = clock::within(KV_MS, kv.get(&name).text()).await.ok_or_else(|| Error::server("kv: no answer"))?;
    let text = read.map_err(|e| Error::server(format!("kv: {e}")))?.ok_or_else(api_key::refused)?;
    serde_json::from_str(&text).map_err(|_| Error::server("a stored API key is damaged"))
}

/// Keeps a verified key in this isolate: also what makes a brand-new key work at once where it was made.
pub fn remember(cache_key: [u8; 32], stored: StoredKey) -> Rc<StoredKey> {
    let stored = Rc::new(stored);
    isolate::with(|i| i.api_keys.put(cache_key, Rc::clone(&stored), clock::now_ms() + API_KEY_MS));
    stored
}
