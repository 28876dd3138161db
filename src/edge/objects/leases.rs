//! A project's leases: a shell around `crate::lease::Pool` that also calls slices back from the users who hold them.
//!
//! Always holds: no await between reading the pool and keeping it; a user that does not answer keeps its slice.

use std::cell::RefCell;
use std::collections::BTreeMap;

use futures::stream::{StreamExt, iter};
use worker::{Env, State};

use super::lease_store::LeaseStore;
use crate::alert::Event;
use crate::config::Snapshot;
use crate::edge::{clock, zones};
use crate::error::{Error, Result};
use crate::lease::pool::{Answer, Terms};
use crate::lease::{Ask, Pool, Recall, Reply, Report, Room, Share};
use crate::user::{Command, Outcome};

/// How long a user may take to give back: somebody waits for it.
const RECALL_MS: u64 = 1_500;
/// Users that are called at a time; whoever is slow holds up nobody but the one after.
const AT_ONCE: usize = 64;

/// The leases of one project.
pub struct Leases {
    store: RefCell<LeaseStore>,
    pool: RefCell<Option<Pool>>,
    /// The highest threshold of each budget and its day or month that the owner was told of since this object woke.
    told: RefCell<BTreeMap<(Share, u64), u8>>,
}

impl Leases {
    /// Those of this object.
    pub fn new(state: &State) -> Self {
        Self { store: RefCell::new(LeaseStore::new(state)), pool: RefCell::new(None), told: RefCell::new(BTreeMap::new()) }
    }

    /// Answers a user, after asking others for what they do not use if that is needed: by then the configuration may be another.
    pub async fn ask(&self, env: &Env, newest: impl Fn() -> Result<Snapshot>, ask: &Ask) -> Result<Reply> {
        for recalled in [false, true] {
            let snapshot = &newest()?;
            match self.with(snapshot, |pool, store, terms, now| pool.ask(store, terms, ask, recalled, now))? {
                Answer::Reply(reply) => return Ok(reply),
                Answer::Recall(recalls) => self.recall(env, snapshot, recalls).await,
            }
        }
        Err(Error::server("the pool recalled twice"))
    }

    /// Tells every user that holds a slice by an older configuration, and takes the slice back. True: all have been told.
    pub async fn tell(&self, env: &Env, snapshot: &Snapshot) -> Result<bool> {
        loop {
            let recalls = self.with(snapshot, Pool::outdated)?;
            if recalls.is_empty() {
                return self.with(snapshot, |pool, _, terms, now| Ok(!pool.has_outdated(terms.version, now)));
            }
            self.recall(env, snapshot, recalls).await;
        }
    }

    /// What there is of the limits for a user.
    pub fn room(&self, snapshot: &Snapshot, user: &str) -> Result<Room> {
        self.with(snapshot, |pool, store, terms, now| Ok(pool.room_for(store, user, terms, now)?))
    }

    /// The ledger has counted something of a user. Slices that nobody has asked for since this object woke are read when they are.
    pub fn told(&self, snapshot: &Snapshot, user: &str) -> Result<()> {
        if self.pool.borrow().is_none() {
            return Ok(());
        }
        self.with(snapshot, |pool, store, terms, _| Ok(pool.told(store, terms, user)?))
    }

    /// A user is erased: `forget` does so in the ledger.
    pub fn forget<T>(&self, snapshot: &Snapshot, user: &str, forget: impl FnOnce() -> Result<T>) -> Result<T> {
        self.with(snapshot, |pool, store, terms, _| {
            let spent = pool.spent_of(store, terms, user)?;
            let forgotten = forget()?;
            pool.forgot(store, terms, user, &spent)?;
            Ok(forgotten)
        })
    }

    /// What the owner has to be told of the project's budgets: an event that was told before is the same event.
    pub fn alerts(&self, snapshot: &Snapshot, thresholds: &[u8]) -> Result<Vec<(Share, Event)>> {
        self.with(snapshot, |pool, _, terms, now| Ok(pool.alerts(terms, thresholds, &self.told.borrow(), now)))
    }

    /// These are kept for delivery.
    pub fn alerted(&self, events: &[(Share, Event)]) {
        self.told.borrow_mut().extend(events.iter().map(|(share, event)| ((*share, event.span), event.threshold)));
    }

    /// Rows written since the last call.
    pub fn take_rows(&self) -> u64 {
        self.store.borrow_mut().take_rows()
    }

    async fn recall(&self, env: &Env, snapshot: &Snapshot, recalls: Vec<Recall>) {
        let id = snapshot.project.id.as_str();
        let asked = recalls.into_iter().map(|recall| async move {
            let user = recall.user.clone();
            let answer = clock::within(RECALL_MS, super::user(env, id, &user, &Command::GiveBack(Some(recall)))).await;
            match answer {
                Some(Ok((Outcome::Reported(report), _))) => Some((user, report)),
                _ => None,
            }
        });
        let mut told = std::pin::pin!(iter(asked).buffer_unordered(AT_ONCE));
        while let Some(report) = told.next().await {
            if let Some((user, report)) = report {
                // What cannot be kept now is reported again with the user's next message.
                let _ = self.take(snapshot, &user, &report);
            }
        }
    }

    fn take(&self, snapshot: &Snapshot, user: &str, report: &Report) -> Result<()> {
        self.with(snapshot, |pool, store, terms, now| pool.reported(store, terms, user, report, now))
    }

    fn with<T>(&self, snapshot: &Snapshot, work: impl FnOnce(&mut Pool, &mut LeaseStore, &Terms, u64) -> Result<T>) -> Result<T> {
        let mut store = self.store.borrow_mut();
        store.prepare()?;
        let mut slot = self.pool.borrow_mut();
        let mut pool = match slot.take() {
            Some(pool) => pool,
            None => Pool::load(&*store)?,
        };
        let now = pool.clock(clock::now_ms());
        let result = work(&mut pool, &mut store, &terms(snapshot, now), now);
        *slot = Some(pool);
        result
    }
}

fn terms(snapshot: &Snapshot, now: u64) -> Terms {
    Terms::of(snapshot, &zones::around_now(snapshot.settings.time_zone.as_ref()), now)
}
