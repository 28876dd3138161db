//! A user's object: a shell around `crate::user`. Load, apply, save, answer: no await between load and save.
//!
//! Always holds: one message to the project about leases at a time, and one attempt to tell it of settled requests; what a
//! request does not wait for is done after its answer; after an attempt that failed, the next is the alarm's.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::lock::Mutex;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, State, Storage, durable_object};

use super::carry::carry;
use super::user_store::{Alarm, UserStore};
use super::{no_door, read, reply};
use crate::alert;
use crate::edge::{clock, deployment};
use crate::error::{Code, Error, Result};
use crate::lease::{Ask, Reply, Want};
use crate::user::alerts::AlertRow;
use crate::user::command::{Begin, Expire, Progress, Reroute};
use crate::user::holding::Upkeep;
use crate::user::pass::{Asked, Pass};
use crate::user::refusal::Refusal;
use crate::user::{Command, Outcome, User};

/// How often the project is asked for one request: a second time if the first answer was overtaken.
const ASKS: usize = 2;

/// For so long the project's word on its configuration is believed without another, in ms. A stream's next report may come as late
/// as `meter::ALIVE_MS` after, and both together are to be less than ten seconds.
const HEARD_MS: u64 = 4_000;
/// So many settled requests are told at once, without waiting for the alarm.
const MANY: u64 = 50;
/// An attempt that is not over by then is over, in ms: the platform may drop it without a word.
const TELLING_MS: u64 = 60_000;
/// After an attempt to tell of alerts that failed, the next one comes at least so much later, in ms: with the alarm.
const ALERTS_AGAIN_MS: u64 = 30_000;

/// One per (project, user).
#[durable_object(alarm)]
pub struct UserObject {
    state: State,
    env: Env,
    core: Rc<Core>,
}

/// What the work after an answer needs too.
struct Core {
    storage: Storage,
    store: RefCell<UserStore>,
    user: RefCell<Option<User>>,
    /// Held by whoever asks the project for a slice.
    asking: Mutex<()>,
    /// Held by whoever asks the project for the number of its configuration.
    hearing: Mutex<()>,
    /// The newest configuration that it has told of when it was asked, and when that was, epoch ms.
    heard: Cell<u64>,
    heard_at: Cell<u64>,
    /// Somebody is telling the project of settled requests, until this time at most.
    telling_until: Cell<u64>,
    /// The last attempt failed.
    failed: Cell<bool>,
    /// Nobody is to tell of alerts before this time.
    alerts_from: Cell<u64>,
}

impl DurableObject for UserObject {
    fn new(state: State, env: Env) -> Self {
        let core = Core {
            storage: state.storage(),
            store: RefCell::new(UserStore::new(&state)),
            user: RefCell::new(None),
            asking: Mutex::new(()),
            hearing: Mutex::new(()),
            heard: Cell::new(0),
            heard_at: Cell::new(0),
            telling_until: Cell::new(0),
            failed: Cell::new(false),
            alerts_from: Cell::new(0),
        };
        Self { state, env, core: Rc::new(core) }
    }

    async fn fetch(&self, _request: Request) -> worker::Result<Response> {
        Ok(no_door())
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.core.tell(&self.env).await;
        self.core.tell_alerts(&self.env).await;
        // An alarm that fails is tried again by the platform.
        let expire = Expire { retention_ms: None, roll_up_ms: deployment::roll_up_ms(&self.env) };
        match self.core.apply(Command::Expire(expire)).await {
            Ok(outcome) => {
                self.keep_up(&outcome);
                Response::empty()
            }
            Err(error) => Err(worker::Error::RustError(error.cause().unwrap_or("alarm").to_owned())),
        }
    }
}

#[wasm_bindgen]
impl UserObject {
    /// Answers a command: a parcel of JSON to a parcel of JSON.
    pub async fn ask(&self, command: JsValue) -> JsValue {
        let result = match read(command).await {
            Ok(asked) => self.core.answer(&self.env, asked).await,
            Err(error) => Err(error),
        };
        if let Ok(outcome) = &result {
            self.keep_up(outcome);
        }
        let rows = self.core.store.borrow_mut().take_rows();
        self.tell_if_many();
        self.tell_alerts();
        reply(result, rows)
    }
}

impl UserObject {
    fn tell_if_many(&self) {
        let waiting = self.core.user.borrow().as_ref().map_or(0, User::waiting);
        if waiting >= MANY && !self.core.failed.get() {
            let (core, env) = (Rc::clone(&self.core), self.env.clone());
            self.state.wait_until(async move { core.tell(&env).await });
        }
    }

    /// Does what nobody waits for.
    fn keep_up(&self, outcome: &Outcome) {
        let upkeep = match outcome {
            Outcome::Finished(finished) => finished.upkeep,
            Outcome::Expired(expired) => expired.upkeep,
            _ => Upkeep::Nothing,
        };
        if upkeep != Upkeep::Nothing {
            let (core, env) = (Rc::clone(&self.core), self.env.clone());
            self.state.wait_until(async move {
                // What fails is made good by the next message, or by a recall.
                let _ = core.keep_up(&env, upkeep).await;
            });
        }
    }

    fn tell_alerts(&self) {
        let untold = self.core.user.borrow().as_ref().is_some_and(|user| user.untold().next().is_some());
        if untold {
            let (core, env) = (Rc::clone(&self.core), self.env.clone());
            self.state.wait_until(async move { core.tell_alerts(&env).await });
        }
    }
}

impl Core {
    async fn answer(&self, env: &Env, Asked { pass, command }: Asked) -> Result<Outcome> {
        if let Some(pass) = &pass
            && let Some(stale) = self.outdated(env, pass, &command).await?
        {
            return Ok(stale);
        }
        match command {
            Command::Begin(begin) => self.begin(env, &mut Begin { pass, ..begin }).await,
            Command::Progress(progress) => {
                let mut progress = Progress { pass, ..progress };
                self.with_more(env, |user, store, answer, now| user.hear(store, &mut progress, answer, now)).await
            }
            Command::Reroute(reroute) => {
                let mut reroute = Reroute { pass, ..reroute };
                self.with_more(env, |user, store, answer, now| user.go_on(store, &mut reroute, answer, now)).await
            }
            command => self.with(|user, store, now| user.answer(store, pass.as_ref(), command, now)).await,
        }
    }

    /// `Stale`, if the project says that the configuration which the token was judged by is not the newest. It is asked if nothing has
    /// been heard of it lately and it would not tell: without a lease. Admission asks it anyway.
    async fn outdated(&self, env: &Env, pass: &Pass, command: &Command) -> Result<Option<Outcome>> {
        if !matches!(command, Command::Begin(_)) && !self.is_told()? {
            let _one_at_a_time = self.hearing.lock().await;
            if !self.is_told()? {
                self.hear_from_project(env).await?;
            }
        }
        let version = self.heard.get();
        Ok((version > pass.version).then_some(Outcome::Stale { version }))
    }

    fn is_told(&self) -> Result<bool> {
        let now = clock::now_ms();
        let lately = self.heard_at.get() + HEARD_MS >= now;
        Ok(lately || self.with_now(|user, _, now| Ok(user.is_told(now)), now)?)
    }

    async fn hear_from_project(&self, env: &Env) -> Result<()> {
        let asked_at = clock::now_ms();
        let name = self.name();
        let Some((project_id, _)) = name.as_deref().and_then(|name| name.split_once('/')) else {
            return Err(Error::server("a user object does not know its name"));
        };
        match super::version(env, project_id).await {
            Ok(version) => self.heard.set(self.heard.get().max(version)),
            // It is deleted: whoever reads its configuration again is told so.
            Err(error) if error.code() == Code::NotFound => self.heard.set(u64::MAX),
            Err(error) => return Err(error),
        }
        self.heard_at.set(asked_at);
        Ok(())
    }

    /// Hands the project the alerts that it does not have yet.
    async fn tell_alerts(&self, env: &Env) {
        let now = clock::now_ms();
        let rows: Vec<AlertRow> = self.user.borrow().iter().flat_map(|user| user.untold().copied().collect::<Vec<_>>()).collect();
        let name = self.store.borrow().name();
        let Some((project_id, uid)) = name.as_deref().and_then(|name| name.split_once('/')) else { return };
        if rows.is_empty() || self.alerts_from.get() > now {
            return;
        }
        self.alerts_from.set(now + ALERTS_AGAIN_MS);
        let events = rows.iter().map(|row| row.event(uid)).collect();
        match super::alerts(env, project_id, &alert::Command::Enqueue(events)).await {
            // The project is deleted: nobody is left to be told.
            Err(error) if error.code() != Code::NotFound => return,
            _ => {}
        }
        if self.apply(Command::AlertsTold(rows.iter().map(AlertRow::key).collect())).await.is_ok() {
            self.alerts_from.set(0);
        }
    }

    /// Tells the project of the settled requests that wait.
    async fn tell(&self, env: &Env) {
        let now = clock::now_ms();
        if self.telling_until.get() > now {
            return;
        }
        self.telling_until.set(now + TELLING_MS);
        let name = self.name();
        let Some((project_id, uid)) = name.as_deref().and_then(|name| name.split_once('/')) else { return };
        let told = carry(env, project_id, uid, async |command: Command| self.apply(command).await).await;
        self.failed.set(told.is_err());
        self.telling_until.set(0);
    }

    fn name(&self) -> Option<String> {
        let mut store = self.store.borrow_mut();
        store.prepare().ok()?;
        store.name()
    }

    async fn apply(&self, command: Command) -> Result<Outcome> {
        self.with(|user, store, now| user.apply(store, command, now)).await
    }

    /// Admits a request, after asking the project for a slice of its limits if there is none that covers it.
    async fn begin(&self, env: &Env, begin: &mut Begin) -> Result<Outcome> {
        let first = self.admit(begin, None).await?;
        if !matches!(first, Outcome::Ask(_)) {
            return Ok(first);
        }
        let _one_at_a_time = self.asking.lock().await;
        let mut outcome = self.admit(begin, None).await?;
        for asked in 1..=ASKS {
            let Outcome::Ask(ask) = &outcome else { break };
            let asked_at = clock::now_ms();
            let reply = super::lease(env, &begin.project.id, ask).await?;
            outcome = self.admit(begin, Some(&(reply, asked_at))).await?;
            if matches!(&outcome, Outcome::Refused(refused) if matches!(refused.refusal, Refusal::Busy { .. })) {
                let again = self.admit(begin, None).await?;
                if asked < ASKS || !matches!(again, Outcome::Ask(_)) {
                    outcome = again;
                }
            }
        }
        Ok(outcome)
    }

    /// Works on a running request, after asking the project for more of its budgets if they are in the way.
    async fn with_more(
        &self,
        env: &Env,
        mut work: impl FnMut(&mut User, &mut UserStore, Option<&(Reply, u64)>, u64) -> Result<Outcome>,
    ) -> Result<Outcome> {
        let first = self.with(|user, store, now| work(user, store, None, now)).await?;
        if !matches!(first, Outcome::Ask(_)) {
            return Ok(first);
        }
        let _one_at_a_time = self.asking.lock().await;
        let again = self.with(|user, store, now| work(user, store, None, now)).await?;
        let asked_at = clock::now_ms();
        let Some((project, ask)) = self.message(again.clone()) else { return Ok(again) };
        let answer = (super::lease(env, &project, &ask).await?, asked_at);
        self.with(|user, store, now| work(user, store, Some(&answer), now)).await
    }

    async fn admit(&self, begin: &mut Begin, answer: Option<&(Reply, u64)>) -> Result<Outcome> {
        self.with(|user, store, now| user.admit(store, begin, answer, now)).await
    }

    async fn keep_up(&self, env: &Env, upkeep: Upkeep) -> Result<()> {
        let _one_at_a_time = self.asking.lock().await;
        let asked_at = clock::now_ms();
        let outcome = self.apply(if upkeep == Upkeep::Renew { Command::Renew } else { Command::GiveBack(None) }).await?;
        let Some((project, ask)) = self.message(outcome) else { return Ok(()) };
        if let Reply::Lease(lease) = super::lease(env, &project, &ask).await? {
            self.apply(Command::TakeLease(lease, asked_at)).await?;
        }
        Ok(())
    }

    /// What to write to which project.
    fn message(&self, outcome: Outcome) -> Option<(String, Ask)> {
        let user = self.user.borrow();
        let (project, name) = user.as_ref()?.lessor()?;
        match outcome {
            Outcome::Ask(ask) => Some((project.to_owned(), ask)),
            Outcome::Reported(report) => Some((project.to_owned(), Ask { user: name.to_owned(), report, want: Want::Nothing })),
            _ => None,
        }
    }

    /// The one way to the state: read it if needed, work, and see to the alarm.
    async fn with(&self, work: impl FnOnce(&mut User, &mut UserStore, u64) -> Result<Outcome>) -> Result<Outcome> {
        let now = clock::now_ms();
        let outcome = self.with_now(work, now);
        let alarm = self.store.borrow_mut().take_alarm();
        self.set_alarm(alarm, now).await?;
        outcome
    }

    fn with_now<T>(&self, work: impl FnOnce(&mut User, &mut UserStore, u64) -> Result<T>, now: u64) -> Result<T> {
        let mut store = self.store.borrow_mut();
        store.prepare()?;
        let mut slot = self.user.borrow_mut();
        let mut user = match slot.take() {
            Some(user) => user,
            None => User::load(&*store)?,
        };
        let outcome = work(&mut user, &mut store, now);
        *slot = Some(user);
        outcome
    }

    async fn set_alarm(&self, alarm: Option<Alarm>, now: u64) -> Result<()> {
        let failed = |e: worker::Error| crate::error::Error::server(format!("alarm: {e}"));
        match alarm {
            None => Ok(()),
            Some(Alarm::Clear) => self.storage.delete_alarm().await.map_err(failed),
            Some(Alarm::At(at)) => {
                let offset = i64::try_from(at.saturating_sub(now)).unwrap_or(i64::MAX);
                self.storage.set_alarm(offset).await.map_err(failed)
            }
        }
    }
}
