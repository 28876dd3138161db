//! Finds a project's snapshot: isolate, then KV, then its object. Also keeps opened provider secrets beside it.
//!
//! Always holds: what is remembered lives at most 30 s; a KV miss is not believed, for KV caches misses, unless the address makes
//! projects up; what only looks like a token makes an object be asked seldom.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use worker::Env;

use crate::config::model::Resolved;
use crate::config::{Snapshot, Status};
use crate::edge::deployment::{CONFIG_KV, Deployment};
use crate::edge::inbound::{Costs, Inbound};
use crate::edge::isolate::{self, ASK_NEWEST_MS, NO_PROJECT_MS, SNAPSHOT_MS};
use crate::edge::{access_token, clock, objects};
use crate::error::{Code, Error, Result};
use crate::project::Command;
use crate::provider::{Secret, Target};

/// How long KV may take before the object is asked instead.
const KV_MS: u64 = 3_000;
/// Projects that are none, of one address in a minute, in one isolate, after which KV's word is taken: no object is started for more.
const MADE_UP: u64 = 20;
/// How often who waits for another request's question to the object looks, in ms.
const LOOK_MS: u64 = 25;

/// A snapshot that is ready for use.
pub struct Ready {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Providers whose secrets have been opened; opening one costs more than a request.
    targets: RefCell<HashMap<String, Target>>,
    /// The keys of providers that have several, likewise.
    keys: RefCell<HashMap<String, Rc<[Secret]>>>,
}

impl Ready {
    /// Makes a snapshot ready.
    pub fn new(snapshot: Snapshot) -> Rc<Self> {
        Rc::new(Self { snapshot, targets: RefCell::default(), keys: RefCell::default() })
    }

    /// Where a request for this model goes.
    ///
    /// # Errors
    /// A server error if the provider's secrets do not decrypt.
    pub fn target(&self, deployment: &Deployment, resolved: &Resolved) -> Result<Target> {
        if let Some(target) = self.targets.borrow().get(resolved.provider) {
            return Ok(Target { model: resolved.model.clone(), ..target.clone() });
        }
        let target = resolved.config.target(&deployment.masters, &self.snapshot.project.id, resolved.provider, &resolved.model)?;
        let target = access_token::known(target);
        self.targets.borrow_mut().insert(resolved.provider.to_owned(), target.clone());
        Ok(target)
    }
}

impl Ready {
    /// The keys of a provider that has several.
    ///
    /// # Errors
    /// A server error if the provider's secrets do not decrypt.
    pub fn keys(&self, deployment: &Deployment, resolved: &Resolved) -> Result<Option<Rc<[Secret]>>> {
        if resolved.config.keys.is_empty() {
            return Ok(None);
        }
        if let Some(keys) = self.keys.borrow().get(resolved.provider) {
            return Ok(Some(Rc::clone(keys)));
        }
        let keys: Rc<[Secret]> = resolved.config.all_keys(&deployment.masters, &self.snapshot.project.id, resolved.provider)?.into();
        self.keys.borrow_mut().insert(resolved.provider.to_owned(), Rc::clone(&keys));
        Ok(Some(keys))
    }
}

/// The snapshot of an active project.
///
/// # Errors
/// 403 for a suspended project, 401 for one that is gone: its tokens have nothing to open.
pub async fn active(inbound: &Inbound, project_id: &str) -> Result<Rc<Ready>> {
    check(find(inbound, project_id).await?)
}

/// The snapshot of an active project; the newest, if what is known here does not have what a token needs: it may be new. Tokens can
/// be made up, so the object is asked for such only so often; who comes while it is being asked waits.
///
/// # Errors
/// As [`active`].
pub async fn having(inbound: &Inbound, project_id: &str, has: impl Fn(&Snapshot) -> bool) -> Result<Rc<Ready>> {
    loop {
        let (known, now) = (active(inbound, project_id).await?, clock::now_ms());
        if has(&known.snapshot) {
            return Ok(known);
        }
        match isolate::with(|i| i.asked_newest.get(project_id, now).copied()) {
            Some(true) => clock::sleep(LOOK_MS).await,
            Some(false) => return Ok(known),
            None => break,
        }
    }
    let asking = |asking| isolate::with(|i| i.asked_newest.put(project_id.to_owned(), asking, clock::now_ms() + ASK_NEWEST_MS));
    asking(true);
    let newest = newest(inbound, project_id).await;
    asking(false);
    newest
}

/// The snapshot of an active project, from its object.
///
/// # Errors
/// As [`active`].
pub async fn newest(inbound: &Inbound, project_id: &str) -> Result<Rc<Ready>> {
    newest_of(&inbound.env, &inbound.costs, project_id).await
}

/// The same, for what outlives its request.
///
/// # Errors
/// As [`active`].
pub async fn newest_of(env: &Env, costs: &Costs, project_id: &str) -> Result<Rc<Ready>> {
    check(read(env, costs, project_id).await?)
}

fn check(ready: Rc<Ready>) -> Result<Rc<Ready>> {
    match ready.snapshot.project.status {
        Status::Active => Ok(ready),
        Status::Suspended => Err(Error::new(Code::Forbidden, "The project is suspended.")),
    }
}

async fn find(inbound: &Inbound, project_id: &str) -> Result<Rc<Ready>> {
    let now = clock::now_ms();
    if let Some(ready) = isolate::with(|i| i.snapshots.get(project_id, now).cloned()) {
        return Ok(ready);
    }
    if isolate::with(|i| i.no_projects.get(project_id, now).is_some()) {
        return Err(unknown());
    }
    inbound.costs.kv_read();
    if let Some(snapshot) = read_kv(inbound, project_id).await {
        return Ok(remember(snapshot));
    }
    let address = &inbound.address;
    if isolate::with(|i| i.made_up.wait(address, MADE_UP, now).is_some()) {
        return Err(unknown());
    }
    let result = read(&inbound.env, &inbound.costs, project_id).await;
    if result.as_ref().is_err_and(|error| error.code() == Code::InvalidToken) {
        isolate::with(|i| i.made_up.count(address, MADE_UP, now));
    }
    result
}

async fn read(env: &Env, costs: &Costs, project_id: &str) -> Result<Rc<Ready>> {
    costs.object_call(0);
    let snapshot = objects::project(env, project_id, &Command::Read).await.map_err(|error| match error.code() {
        Code::NotFound => {
            isolate::with(|i| i.no_projects.put(project_id.to_owned(), (), clock::now_ms() + NO_PROJECT_MS));
            unknown()
        }
        _ => error,
    })?;
    Ok(remember(snapshot))
}

fn unknown() -> Error {
    Error::new(Code::InvalidToken, "The token is not valid: its project does not exist.")
}

async fn read_kv(inbound: &Inbound, project_id: &str) -> Option<Snapshot> {
    let kv = inbound.env.kv(CONFIG_KV).ok()?;
    let text = clock::within(KV_MS, kv.get(&Snapshot::kv_name(project_id)).text()).await?.ok()??;
    serde_json::from_str(&text).ok()
}

/// Keeps a snapshot in this isolate: also what makes a change visible at once where it was made.
pub fn remember(snapshot: Snapshot) -> Rc<Ready> {
    let ready = Ready::new(snapshot);
    let id = ready.snapshot.project.id.clone();
    isolate::with(|i| {
        i.no_projects.remove(&id);
        i.snapshots.put(id, Rc::clone(&ready), clock::now_ms() + SNAPSHOT_MS);
    });
    ready
}

/// Forgets a project that was deleted here.
pub fn forget(project_id: &str) {
    isolate::with(|i| i.snapshots.remove(project_id));
}
