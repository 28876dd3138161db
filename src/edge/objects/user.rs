//! A user's object: a shell around `crate::user`. Load, apply, save, answer: no await between load and save.

use std::cell::RefCell;

use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::user_store::{Alarm, UserStore};
use super::{command, reply};
use crate::edge::clock;
use crate::error::Result;
use crate::user::command::Expire;
use crate::user::{Command, Outcome, RETENTION_MS, User};

/// One per (project, user).
#[durable_object(alarm)]
pub struct UserObject {
    state: State,
    store: RefCell<UserStore>,
    user: RefCell<Option<User>>,
}

impl DurableObject for UserObject {
    fn new(state: State, _env: Env) -> Self {
        Self { store: RefCell::new(UserStore::new(&state)), state, user: RefCell::new(None) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let result = match command(&mut request).await {
            Ok(command) => self.apply(command).await,
            Err(error) => Err(error),
        };
        let rows = self.store.borrow_mut().take_rows();
        Ok(reply(result, rows))
    }

    async fn alarm(&self) -> worker::Result<Response> {
        // An alarm that fails is tried again by the platform.
        match self.apply(Command::Expire(Expire { retention_ms: RETENTION_MS })).await {
            Ok(_) => Response::empty(),
            Err(error) => Err(worker::Error::RustError(error.cause().unwrap_or("alarm").to_owned())),
        }
    }
}

impl UserObject {
    async fn apply(&self, command: Command) -> Result<Outcome> {
        let now = clock::now_ms();
        let outcome = self.apply_now(command, now);
        let alarm = self.store.borrow_mut().take_alarm();
        self.set_alarm(alarm, now).await?;
        outcome
    }

    fn apply_now(&self, command: Command, now: u64) -> Result<Outcome> {
        let mut store = self.store.borrow_mut();
        store.prepare()?;
        let mut slot = self.user.borrow_mut();
        let mut user = match slot.take() {
            Some(user) => user,
            None => User::load(&*store)?,
        };
        let outcome = user.apply(&mut *store, command, now);
        *slot = Some(user);
        outcome
    }

    async fn set_alarm(&self, alarm: Option<Alarm>, now: u64) -> Result<()> {
        let failed = |e: worker::Error| crate::error::Error::server(format!("alarm: {e}"));
        match alarm {
            None => Ok(()),
            Some(Alarm::Clear) => self.state.storage().delete_alarm().await.map_err(failed),
            Some(Alarm::At(at)) => {
                let offset = i64::try_from(at.saturating_sub(now)).unwrap_or(i64::MAX);
                self.state.storage().set_alarm(offset).await.map_err(failed)
            }
        }
    }
}
