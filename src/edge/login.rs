//! Verifies login tokens of the identity providers that projects trust: finds the project, its configuration, and the key.
//!
//! Always holds: what the token says of itself only decides where to look; the project's own configuration decides what is trusted.
//! Absent on purpose: what the claims must say (`auth::identity`), when keys are fetched (`auth::jwks`).

use std::rc::Rc;

use serde_json::Value;

use crate::auth::identity;
use crate::auth::jwks::KeySet;
use crate::auth::jws::Jws;
use crate::auth::token::{self, Principal, invalid};
use crate::config::Snapshot;
use crate::config::issuer::{Issuer, Keys};
use crate::directory::Command;
use crate::edge::admin::check_id;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::edge::isolate::{self, STRANGER_MS, TRUSTING_MS};
use crate::edge::jwks::{self, Place};
use crate::edge::snapshots::{self, Ready};
use crate::edge::{clock, objects, signature};
use crate::error::{Error, Result};
use crate::secrets::hex;

/// The header that says which project a token is for, if several trust its issuer.
pub const PROJECT: &str = "x-behest-project";
/// The longest `iss` that is looked for.
const MAX_ISSUER: usize = 512;

/// A project and the configuration by which it trusts a token.
struct Trust {
    project: Rc<Ready>,
    name: String,
}

impl Trust {
    fn issuer(&self) -> Option<&Issuer> {
        self.project.snapshot.issuers.get(&self.name)
    }
}

/// The user that a login token speaks of. `named` is the project that the client says it is for.
///
/// # Errors
/// 401 if no project trusts its issuer, if it is not clear which one is meant, or if the token is not good; 503 if the provider's
/// keys are not to be had.
pub async fn verify(inbound: &Inbound, deployment: &Deployment, jws: &Jws<'_>, named: Option<&str>) -> Result<Principal> {
    let trust = trust(inbound, jws, named).await?;
    let issuer = trust.issuer().ok_or_else(stranger)?;
    let project = &trust.project.snapshot.project;
    if !issuer.takes(jws.alg.name()) {
        return Err(invalid("its identity provider's keys are not for its algorithm"));
    }
    let good = match issuer.secret(&deployment.masters, &project.id, &trust.name)? {
        Some(secret) => jws.is_signed_with(&secret),
        None => is_signed(issuer, jws, deployment.allow_private).await?,
    };
    if !good {
        return Err(invalid("its signature is not valid"));
    }
    identity::principal(issuer, &trust.name, project, &jws.unverified, &hex(&token::cache_key(jws.signed)), clock::now_s())
}

/// Whether a key of this issuer signed the token.
///
/// # Errors
/// 401 if it has no such key, 503 if its keys are not to be had.
pub async fn is_signed(issuer: &Issuer, jws: &Jws<'_>, allow_private: bool) -> Result<bool> {
    let place = match &issuer.keys {
        Keys::Url(url) => Place::Url(url),
        Keys::Discovery => Place::Discovery(&issuer.issuer),
        Keys::Inline(set) => return by_key(&KeySet::read(set).map_err(Error::server)?, jws).await,
        Keys::Secret(_) => return Ok(false),
    };
    by_key(&*jwks::keys(place, jws.kid.as_deref(), allow_private).await?, jws).await
}

async fn by_key(keys: &KeySet, jws: &Jws<'_>) -> Result<bool> {
    let key = keys.find(jws).ok_or_else(|| invalid("its identity provider has no such key"))?;
    signature::verify(key, jws).await
}

async fn trust(inbound: &Inbound, jws: &Jws<'_>, named: Option<&str>) -> Result<Trust> {
    let iss = jws.unverified.get("iss").and_then(Value::as_str).filter(|iss| iss.len() <= MAX_ISSUER).ok_or_else(stranger)?;
    if let Some(id) = named {
        check_id(id).map_err(|_| Error::invalid(PROJECT, "The project must be named by its id: proj_ and 24 hexadecimal digits."))?;
        let project = snapshots::having(inbound, id, |snapshot| could_verify(snapshot, iss, jws)).await?;
        return best(&project.snapshot, iss, jws).map(|(_, name)| Trust { project, name }).ok_or_else(stranger);
    }
    let ids = who_trusts(inbound, iss).await?;
    if let [only] = ids.as_slice() {
        let project = snapshots::having(inbound, only, |snapshot| could_verify(snapshot, iss, jws)).await?;
        return best(&project.snapshot, iss, jws).map(|(_, name)| Trust { project, name }).ok_or_else(stranger);
    }
    several(inbound, &ids, iss, jws).await
}

/// One of several projects: the one whose configuration the token is for, if that is one.
async fn several(inbound: &Inbound, ids: &[String], iss: &str, jws: &Jws<'_>) -> Result<Trust> {
    let (mut meant, mut others) = (Vec::new(), Vec::new());
    for id in ids {
        // A project that is suspended or gone is none that could be meant.
        let Ok(project) = snapshots::active(inbound, id).await else { continue };
        match best(&project.snapshot, iss, jws) {
            Some((true, name)) => meant.push(Trust { project, name }),
            Some((false, name)) => others.push(Trust { project, name }),
            None => {}
        }
    }
    let mut left = if meant.is_empty() { others } else { meant }.into_iter();
    match (left.next(), left.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(stranger()),
        (Some(_), Some(_)) => {
            Err(invalid(&format!("several projects trust its identity provider; say with the header {PROJECT} which one it is for")))
        }
    }
}

/// Whether what is known of a project may verify the token: its issuer is there, and the key, if the keys are kept in the project.
fn could_verify(snapshot: &Snapshot, iss: &str, jws: &Jws) -> bool {
    let issuer = best(snapshot, iss, jws).and_then(|(_, name)| snapshot.issuers.get(&name));
    issuer.is_some_and(|issuer| match &issuer.keys {
        Keys::Inline(set) => KeySet::read(set).is_ok_and(|set| set.find(jws).is_some()),
        _ => true,
    })
}

/// The configuration of a project for this issuer, and whether the token is for it.
fn best(snapshot: &Snapshot, iss: &str, jws: &Jws) -> Option<(bool, String)> {
    let all = snapshot.issuers.iter().filter(|(_, issuer)| issuer.issuer == iss);
    let judged = all.map(|(name, issuer)| (identity::is_for(issuer, &jws.unverified) && issuer.takes(jws.alg.name()), name));
    judged.max_by_key(|(fits, _)| *fits).map(|(fits, name)| (fits, name.clone()))
}

/// Ids of projects, from this isolate's memory or the directory. What nobody trusts has a memory of its own: a flood of such must not
/// wash out what is in use.
async fn who_trusts(inbound: &Inbound, iss: &str) -> Result<Rc<Vec<String>>> {
    let now = clock::now_ms();
    if let Some(known) = isolate::with(|i| i.trusting.get(iss, now).cloned()) {
        return Ok(known);
    }
    if isolate::with(|i| i.strangers.get(iss, now).is_some()) {
        return Err(stranger());
    }
    inbound.costs.object_call(0);
    let page = objects::directory(&inbound.env, &Command::WhoTrusts { issuer: iss.to_owned() }).await?;
    let ids: Rc<Vec<String>> = Rc::new(page.data.into_iter().map(|project| project.id).collect());
    isolate::with(|i| {
        if ids.is_empty() {
            i.strangers.put(iss.to_owned(), (), now + STRANGER_MS);
        } else {
            i.trusting.put(iss.to_owned(), Rc::clone(&ids), now + TRUSTING_MS);
        }
    });
    Ok(ids)
}

/// What was changed here is seen here at once.
pub fn forget(iss: &str) {
    isolate::with(|i| {
        i.trusting.remove(iss);
        i.strangers.remove(iss);
    });
}

fn stranger() -> Error {
    invalid("it was signed with a key this deployment does not know")
}
