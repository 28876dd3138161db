//! A project's object: a shell around `crate::project` that also empties its outbox into KV, and around its leases.
//!
//! Always holds: the change is durable before KV or anybody else hears of it; one flush at a time, so an older value never
//! lands after a newer one; what KV refuses (one write a second per name) and whom a change did not reach is tried again
//! by alarm.

use std::rc::Rc;

use futures::lock::Mutex;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::document::Document;
use super::leases::Leases;
use super::{Message, command, reply};
use crate::config::Snapshot;
use crate::edge::clock;
use crate::edge::deployment::CONFIG_KV;
use crate::error::{Code, Error, Result};
use crate::project::{Command, State as Project};

/// How long one KV write may take.
const KV_MS: u64 = 5_000;
/// When a refused KV write is tried again: KV takes one write a second per name.
const RETRY_MS: i64 = 1_100;

/// One per project.
#[durable_object(alarm)]
pub struct ProjectObject {
    state: State,
    env: Env,
    document: Document<Project>,
    leases: Rc<Leases>,
    flushing: Mutex<()>,
}

impl DurableObject for ProjectObject {
    fn new(state: State, env: Env) -> Self {
        Self { document: Document::new(&state), leases: Rc::new(Leases::new(&state)), state, env, flushing: Mutex::new(()) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        Ok(match command(&mut request).await {
            Ok(Message::Config(command)) => reply(self.configure(*command).await, 0),
            Ok(Message::Lease(ask)) => reply(self.lease(&ask).await, 0),
            Err(error) => reply::<()>(Err(error), 0),
        })
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.flush().await;
        if let Ok(snapshot) = self.snapshot()
            && !self.leases.tell(&self.env, &snapshot).await.unwrap_or(false)
        {
            let _ = self.state.storage().set_alarm(RETRY_MS).await;
        }
        Response::empty()
    }
}

impl ProjectObject {
    async fn configure(&self, command: Command) -> Result<Snapshot> {
        let reads_only = matches!(command, Command::Read);
        let (next, snapshot) = self.document.load()?.apply(command)?;
        if !reads_only {
            self.document.save(next)?;
            self.flush().await;
            self.tell(&snapshot);
        }
        Ok(snapshot)
    }

    fn snapshot(&self) -> Result<Snapshot> {
        self.document.load()?.snapshot.ok_or_else(|| Error::new(Code::NotFound, "There is no such project."))
    }

    async fn lease(&self, ask: &crate::lease::Ask) -> Result<crate::lease::Reply> {
        self.leases.ask(&self.env, &self.snapshot()?, ask).await
    }

    /// Tells the users that hold a slice, while the owner has the answer already.
    fn tell(&self, snapshot: &Snapshot) {
        let (leases, env, snapshot, storage) = (Rc::clone(&self.leases), self.env.clone(), snapshot.clone(), self.state.storage());
        self.state.wait_until(async move {
            if !leases.tell(&env, &snapshot).await.unwrap_or(false) {
                let _ = storage.set_alarm(RETRY_MS).await;
            }
        });
    }

    async fn flush(&self) {
        let _one_at_a_time = self.flushing.lock().await;
        let Ok(project) = self.document.load() else { return };
        let mut failed = false;
        for (name, value) in project.outbox {
            match clock::within(KV_MS, self.write(&name, value.as_deref())).await {
                Some(Ok(())) => self.forget(&name, value.as_deref()),
                _ => failed = true,
            }
        }
        if failed {
            let _ = self.state.storage().set_alarm(RETRY_MS).await;
        }
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
