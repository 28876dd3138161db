//! A user's object: a shell around `crate::user`. Load, apply, save, answer: no await between load and save.
//!
//! Always holds: telling the project delays no answer; one attempt at a time; after one that failed, the next is the alarm's.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::carry::carry;
use super::user_store::{Alarm, UserStore};
use super::{command, reply};
use crate::edge::{clock, deployment};
use crate::error::{Error, Result};
use crate::user::command::Expire;
use crate::user::{Command, Outcome, User};

/// So many settled requests are told at once, without waiting for the alarm.
const MANY: u64 = 50;
/// An attempt that is not over by then is over, in ms: the platform may drop it without a word.
const TELLING_MS: u64 = 60_000;

/// One per (project, user).
#[durable_object(alarm)]
pub struct UserObject {
    shell: Rc<Shell>,
}

struct Shell {
    state: State,
    env: Env,
    store: RefCell<UserStore>,
    user: RefCell<Option<User>>,
    /// Somebody is telling the project, until this time at most.
    telling_until: Cell<u64>,
    /// The last attempt failed.
    failed: Cell<bool>,
}

impl DurableObject for UserObject {
    fn new(state: State, env: Env) -> Self {
        let (store, user) = (RefCell::new(UserStore::new(&state)), RefCell::new(None));
        Self { shell: Rc::new(Shell { state, env, store, user, telling_until: Cell::new(0), failed: Cell::new(false) }) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let result = match command(&mut request).await {
            Ok(command) => self.shell.apply(command).await,
            Err(error) => Err(error),
        };
        let rows = self.shell.store.borrow_mut().take_rows();
        self.tell_if_many();
        Ok(reply(result, rows))
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.shell.tell().await;
        // An alarm that fails is tried again by the platform.
        let expire = Expire { retention_ms: None, roll_up_ms: deployment::roll_up_ms(&self.shell.env) };
        match self.shell.apply(Command::Expire(expire)).await {
            Ok(_) => Response::empty(),
            Err(error) => Err(worker::Error::RustError(error.cause().unwrap_or("alarm").to_owned())),
        }
    }
}

impl UserObject {
    fn tell_if_many(&self) {
        let waiting = self.shell.user.borrow().as_ref().map_or(0, User::waiting);
        if waiting >= MANY && !self.shell.failed.get() {
            let shell = Rc::clone(&self.shell);
            self.shell.state.wait_until(async move { shell.tell().await });
        }
    }
}

impl Shell {
    /// Tells the project what waits.
    async fn tell(&self) {
        let now = clock::now_ms();
        if self.telling_until.get() > now {
            return;
        }
        self.telling_until.set(now + TELLING_MS);
        let name = self.name();
        let Some((project_id, uid)) = name.as_deref().and_then(|name| name.split_once('/')) else { return };
        let told = carry(&self.env, project_id, uid, async |command: Command| self.apply(command).await).await;
        self.failed.set(told.is_err());
        self.telling_until.set(0);
    }

    fn name(&self) -> Option<String> {
        let mut store = self.store.borrow_mut();
        store.prepare().ok()?;
        store.name()
    }

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
        let failed = |e: worker::Error| Error::server(format!("alarm: {e}"));
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
