//! A project's object: a shell around `crate::project`, whose outbox it empties into KV, around its leases, `crate::rollup`, and
//! the deliveries of alerts.
//!
//! Always holds: a change is durable before KV or anybody else hears of it; one flush at a time, so an older value never
//! lands after a newer one; what KV refuses (one write a second per name) and whom a change did not reach is tried again
//! by alarm. A project that is not there has no ledger and no alerts, and one that is
//! deleted loses them.

use std::cell::RefCell;
use std::rc::Rc;

use futures::lock::Mutex;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, State, Storage, durable_object};

use super::audit_store::AuditStore;
use super::deliveries::Deliveries;
use super::document::Document;
use super::leases::Leases;
use super::rollup_store::RollupStore;
use super::{Message, no_door, read, reply};
use crate::alert::{self, delivery::Delivery};
use crate::config::Snapshot;
use crate::edge::clock;
use crate::edge::deployment::CONFIG_KV;
use crate::error::{Code, Error, Result};
use crate::project::audit::By;
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
    leases: Rc<Leases>,
    rollup: RefCell<RollupStore>,
    deliveries: Deliveries,
    audit: AuditStore,
    flushing: Mutex<()>,
}

impl DurableObject for ProjectObject {
    fn new(state: State, env: Env) -> Self {
        let (leases, rollup) = (Rc::new(Leases::new(&state)), RefCell::new(RollupStore::new(&state)));
        let (document, deliveries, audit) = (Document::new(&state), Deliveries::new(&state), AuditStore::new(&state));
        Self { document, leases, rollup, deliveries, audit, state, env, flushing: Mutex::new(()) }
    }

    async fn fetch(&self, _request: Request) -> worker::Result<Response> {
        Ok(no_door())
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.flush().await;
        let told = match self.snapshot() {
            Ok(snapshot) => self.leases.tell(&self.env, &snapshot).await.unwrap_or(false),
            Err(_) => true,
        };
        if !told {
            retry(&self.state.storage()).await;
        }
        let pruned = self.answer(rollup::Command::Prune);
        // What fails is tried again by the next alarm.
        let _ = self.send_alerts().await;
        self.schedule().await;
        match pruned {
            Err(error) if error.code() != Code::NotFound => Err(worker::Error::RustError(error.cause().unwrap_or("alarm").to_owned())),
            _ => Response::empty(),
        }
    }
}

#[wasm_bindgen]
impl ProjectObject {
    /// Answers a message: a parcel of JSON to a parcel of JSON.
    pub async fn ask(&self, message: JsValue) -> JsValue {
        match read(message).await {
            Ok(Message::Config { command, by }) => reply(self.configure(*command, by.as_ref()).await, 0),
            Ok(Message::Lease(ask)) => {
                let answer = self.lease(&ask).await;
                reply(answer, self.leases.take_rows())
            }
            Ok(Message::Room(user)) => reply(self.snapshot().and_then(|snapshot| self.leases.room(&snapshot, &user)), 0),
            Ok(Message::Version) => reply(self.snapshot().map(|snapshot| snapshot.version), 0),
            Ok(Message::Rollup(command)) => {
                let outcome = self.roll_up(*command).await;
                reply(outcome, self.rollup.borrow_mut().take_rows())
            }
            Ok(Message::Audit(command)) => reply(self.snapshot().and_then(|_| self.audit.answer(command)), 0),
            Ok(Message::Alerts(command)) => reply(self.alerts(command).await, 0),
            Err(error) => reply::<()>(Err(error), 0),
        }
    }
}

impl ProjectObject {
    async fn configure(&self, command: Command, by: Option<&By>) -> Result<Snapshot> {
        let reads_only = matches!(command, Command::Read);
        if matches!(command, Command::Delete) {
            self.answer(rollup::Command::Wipe)?;
            self.deliveries.clear()?;
        }
        let no_alerts = matches!(command, Command::DeleteAlerts);
        let (next, snapshot) = self.document.load()?.apply(command.clone())?;
        if !reads_only {
            self.audit.save(&self.document, next, &command, by)?;
            if no_alerts {
                self.deliveries.clear()?;
            }
            self.flush().await;
            self.tell(&snapshot);
            self.schedule().await;
        }
        Ok(snapshot)
    }

    fn snapshot(&self) -> Result<Snapshot> {
        self.document.load()?.snapshot.ok_or_else(|| Error::new(Code::NotFound, "There is no such project."))
    }

    async fn lease(&self, ask: &crate::lease::Ask) -> Result<crate::lease::Reply> {
        let reply = self.leases.ask(&self.env, || self.snapshot(), ask).await;
        // What cannot be kept for delivery now is found again with the next message.
        let _ = self.watch_budgets().await;
        reply
    }

    /// Tells the owner when a part of one of the project's budgets is spent.
    async fn watch_budgets(&self) -> Result<()> {
        let snapshot = self.snapshot()?;
        let Some(alerts) = &snapshot.alerts else { return Ok(()) };
        let events = self.leases.alerts(&snapshot, &alerts.thresholds)?;
        if !events.is_empty() {
            self.alerts(alert::Command::Enqueue(events.iter().map(|(_, event)| event.clone()).collect())).await?;
            self.leases.alerted(&events);
        }
        Ok(())
    }

    /// Tells the users that hold a slice, while the owner has the answer already.
    fn tell(&self, snapshot: &Snapshot) {
        let (leases, env, snapshot, storage) = (Rc::clone(&self.leases), self.env.clone(), snapshot.clone(), self.state.storage());
        self.state.wait_until(async move {
            // First, so that an object that goes away meanwhile tells them when it is back.
            retry(&storage).await;
            if !leases.tell(&env, &snapshot).await.unwrap_or(false) {
                retry(&storage).await;
            }
        });
    }

    async fn roll_up(&self, command: rollup::Command) -> Result<Outcome> {
        let outcome = match &command {
            rollup::Command::Forget { user, .. } => self.leases.forget(&self.snapshot()?, &user.clone(), || self.answer(command))?,
            rollup::Command::Apply { user, .. } => {
                let user = user.clone();
                let outcome = self.answer(command)?;
                // It is counted: what fails here is read from the ledger with the next message.
                let _ = self.leases.told(&self.snapshot()?, &user);
                outcome
            }
            _ => self.answer(command)?,
        };
        if matches!(outcome, Outcome::Told { .. } | Outcome::Forgotten) {
            self.schedule().await;
        }
        Ok(outcome)
    }

    async fn alerts(&self, command: alert::Command) -> Result<Vec<Delivery>> {
        let snapshot = self.snapshot()?;
        match command {
            alert::Command::Deliveries => self.deliveries.latest(),
            // Whoever told of them had not heard yet that nobody wants to know.
            alert::Command::Enqueue(_) if snapshot.alerts.is_none() => Ok(Vec::new()),
            alert::Command::Enqueue(events) => {
                self.deliveries.enqueue(&snapshot.project.id, &events, clock::now_ms())?;
                self.schedule().await;
                Ok(Vec::new())
            }
        }
    }

    async fn send_alerts(&self) -> Result<()> {
        let snapshot = self.snapshot()?;
        match &snapshot.alerts {
            Some(settings) => self.deliveries.send(&self.env, &snapshot.project.id, settings).await,
            None => self.deliveries.clear(),
        }
    }

    fn answer(&self, command: rollup::Command) -> Result<Outcome> {
        let mut store = self.rollup.borrow_mut();
        store.prepare()?;
        rollup::answer(&mut *store, command, self.retention_ms()?, clock::now_ms())
    }

    fn retention_ms(&self) -> Result<u64> {
        Ok(self.snapshot()?.settings.retention_ms())
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
        let alert = self.deliveries.next_at().ok().flatten().map(|at| at.max(now));
        let Some(next) = retry.into_iter().chain(prune).chain(alert).min() else { return };
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

/// Has the alarm ring soon: somebody has not been told yet.
async fn retry(storage: &Storage) {
    let _ = storage.set_alarm(i64::try_from(RETRY_MS).unwrap_or(i64::MAX)).await;
}
