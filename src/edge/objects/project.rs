//! A project's object: a shell around `crate::project`, whose outbox it empties into KV, and around `crate::rollup`.
//!
//! Always holds: a change is durable before KV hears of it; one flush at a time, so an older value never lands after a
//! newer one; what KV refuses (one write a second per name) is tried again by alarm. A project that is not there has no
//! ledger, and one that is deleted loses it.

use std::cell::RefCell;

use futures::lock::Mutex;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::document::Document;
use super::rollup_store::RollupStore;
use super::{Ask, command, reply};
use crate::config::Snapshot;
use crate::edge::clock;
use crate::edge::deployment::CONFIG_KV;
use crate::error::{Code, Error, Result};
use crate::project::{Command, State as Project};
use crate::rollup::{self, Outcome, retain};

/// How long one KV write may take.
const KV_MS: u64 = 5_000;
/// When a refused KV write is tried again: KV takes one write a second per name.
const RETRY_MS: u64 = 1_100;

/// One per project.
#[durable_object(alarm)]
pub struct ProjectObject {
    state: State,
    env: Env,
    document: Document<Project>,
    rollup: RefCell<RollupStore>,
    flushing: Mutex<()>,
}

impl DurableObject for ProjectObject {
    fn new(state: State, env: Env) -> Self {
        let rollup = RefCell::new(RollupStore::new(&state));
        Self { document: Document::new(&state), rollup, state, env, flushing: Mutex::new(()) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        Ok(match command(&mut request).await {
            Ok(Ask::Config(command)) => reply(self.apply(command).await, 0),
            Ok(Ask::Rollup(command)) => {
                let outcome = self.roll_up(command).await;
                reply(outcome, self.rollup.borrow_mut().take_rows())
            }
            Err(error) => reply::<()>(Err(error), 0),
        })
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.flush().await;
        let pruned = self.answer(rollup::Command::Prune);
        self.schedule().await;
        match pruned {
            Err(error) if error.code() != Code::NotFound => Err(worker::Error::RustError(error.cause().unwrap_or("alarm").to_owned())),
            _ => Response::empty(),
        }
    }
}

impl ProjectObject {
    async fn apply(&self, command: Command) -> Result<Snapshot> {
        let reads_only = matches!(command, Command::Read);
        if matches!(command, Command::Delete) {
            self.answer(rollup::Command::Wipe)?;
        }
        let (next, snapshot) = self.document.load()?.apply(command)?;
        if !reads_only {
            self.document.save(next)?;
            self.flush().await;
            self.schedule().await;
        }
        Ok(snapshot)
    }

    async fn roll_up(&self, command: rollup::Command) -> Result<Outcome> {
        let outcome = self.answer(command)?;
        if matches!(outcome, Outcome::Told { .. } | Outcome::Forgotten) {
            self.schedule().await;
        }
        Ok(outcome)
    }

    fn answer(&self, command: rollup::Command) -> Result<Outcome> {
        let mut store = self.rollup.borrow_mut();
        store.prepare()?;
        rollup::answer(&mut *store, command, self.retention_ms()?, clock::now_ms())
    }

    fn retention_ms(&self) -> Result<u64> {
        let snapshot = self.document.load()?.snapshot;
        Ok(snapshot.ok_or_else(|| Error::new(Code::NotFound, "There is no such project."))?.settings.retention_ms())
    }

    async fn flush(&self) {
        let _one_at_a_time = self.flushing.lock().await;
        let Ok(project) = self.document.load() else { return };
        for (name, value) in project.outbox {
            if let Some(Ok(())) = clock::within(KV_MS, self.write(&name, value.as_deref())).await {
                self.forget(&name, value.as_deref());
            }
        }
    }

    /// Sees to it that the alarm rings when there is something to do. It may ring too early, never too late.
    async fn schedule(&self) {
        let now = clock::now_ms();
        let retry = self.document.load().is_ok_and(|project| !project.outbox.is_empty()).then_some(now + RETRY_MS);
        let prune = self.prune_at().ok().flatten().map(|at| at.max(now + RETRY_MS));
        let Some(next) = retry.into_iter().chain(prune).min() else { return };
        let storage = self.state.storage();
        let pending = storage.get_alarm().await.ok().flatten().and_then(|at| u64::try_from(at).ok());
        if pending.is_none_or(|at| at > next) {
            let _ = storage.set_alarm(i64::try_from(next.saturating_sub(now)).unwrap_or(i64::MAX)).await;
        }
    }

    fn prune_at(&self) -> Result<Option<u64>> {
        let mut store = self.rollup.borrow_mut();
        store.prepare()?;
        Ok(retain::wake_at(&*store, self.retention_ms()?)?)
    }

    async fn write(&self, name: &str, value: Option<&str>) -> worker::Result<()> {
        let kv = self.env.kv(CONFIG_KV)?;
        match value {
            Some(value) => Ok(kv.put(name, value)?.execute().await?),
            None => Ok(kv.delete(name).await?),
        }
    }

    /// Takes a done write off the outbox, unless it has changed meanwhile.
    fn forget(&self, name: &str, written: Option<&str>) {
        let Ok(mut project) = self.document.load() else { return };
        if project.outbox.get(name).is_some_and(|value| value.as_deref() == written) {
            project.outbox.remove(name);
            let _ = self.document.save(project);
        }
    }
}
