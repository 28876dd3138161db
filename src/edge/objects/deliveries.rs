//! A project's alerts on their way out: keeps them, and sends those that are due.
//!
//! Always holds: an attempt is written down before it is made (`crate::alert::delivery`); every request goes through the one
//! egress function, which does not follow redirects; of an answer only the status is looked at. Only the alarm sends, and
//! alarms of an object do not overlap.

use std::cell::RefCell;

use futures::future::join_all;
use web_sys::AbortController;
use worker::{Env, State};

use super::sql::Sql;
use crate::alert::delivery::{Delivery, Heard, TIMEOUT_MS};
use crate::alert::settings::AlertSettings;
use crate::alert::{Event, schema, sign};
use crate::edge::deployment::{self, Deployment};
use crate::edge::{clock, upstream};
use crate::error::{Error, Result};
use crate::provider::Outbound;

/// Sent at the same time: the platform has six connections for an object.
const AT_ONCE: u64 = 6;

/// The deliveries of one project.
pub struct Deliveries {
    sql: RefCell<Sql>,
}

impl Deliveries {
    /// Of this object.
    pub fn new(state: &State) -> Self {
        Self { sql: RefCell::new(Sql::new(state)) }
    }

    /// Makes the table.
    pub fn prepare(&self) -> Result<()> {
        Ok(self.sql.borrow().prepare(schema::SCHEMA)?)
    }

    /// Keeps events until they are delivered; those that are there already stay as they are.
    pub fn enqueue(&self, project_id: &str, events: &[Event], now: u64) -> Result<()> {
        self.prepare()?;
        let deliveries: Vec<Delivery> = events.iter().map(|event| Delivery::new(event, project_id, now)).collect();
        Ok(self.sql.borrow_mut().run(deliveries.iter().map(schema::add))?)
    }

    /// The latest, newest first.
    pub fn latest(&self) -> Result<Vec<Delivery>> {
        self.prepare()?;
        Ok(self.sql.borrow().query(schema::LATEST, &[schema::SHOWN.into()])?)
    }

    /// When the next one is due, epoch ms.
    pub fn next_at(&self) -> Result<Option<u64>> {
        self.prepare()?;
        Ok(self.sql.borrow().number(schema::NEXT, &[])?)
    }

    /// Forgets all of them.
    pub fn clear(&self) -> Result<()> {
        self.prepare()?;
        Ok(self.sql.borrow_mut().run([schema::clear()])?)
    }

    /// Sends what is due, a batch of it.
    ///
    /// # Errors
    /// The store failed, or the secret does not decrypt.
    pub async fn send(&self, env: &Env, project_id: &str, settings: &AlertSettings) -> Result<()> {
        self.prepare()?;
        let deployment = deployment::get(env)?;
        let secret = settings.open(&deployment.masters, project_id).map_err(Error::server)?;
        let now = clock::now_ms();
        let due: Vec<Delivery> = self.sql.borrow().query(schema::DUE, &[now.into(), AT_ONCE.into()])?;
        let begun: Vec<Delivery> = due.into_iter().map(|delivery| delivery.attempt(now)).collect();
        if begun.is_empty() {
            return Ok(());
        }
        self.sql.borrow_mut().run(begun.iter().map(schema::update))?;
        let attempts = begun.into_iter().filter(|delivery| delivery.next_at.is_some()).map(async |delivery| {
            let heard = attempt(&deployment, &settings.url, &secret, &delivery).await;
            delivery.heard(heard, deployment.alert_pause_ms, clock::now_ms())
        });
        let ended = join_all(attempts).await;
        Ok(self.sql.borrow_mut().run(ended.iter().map(schema::update).chain([schema::prune()]))?)
    }
}

/// One attempt, and what the endpoint said to it.
async fn attempt(deployment: &Deployment, url: &str, secret: &[u8], delivery: &Delivery) -> Heard {
    let abort = AbortController::new().map_err(|_| "not sent")?;
    let outbound = Outbound {
        url: url.to_owned(),
        headers: sign::headers(secret, &delivery.id, clock::now_s(), &delivery.body),
        body: delivery.body.clone().into_bytes(),
    };
    let answer = clock::within(TIMEOUT_MS, upstream::send(&outbound, None, deployment.allow_private, &abort)).await;
    let heard = match answer {
        None => Err("no answer in time"),
        Some(Err(_)) => Err("no connection"),
        Some(Ok(received)) => Ok(received.status()),
    };
    // The rest of the answer is of no interest.
    abort.abort();
    heard
}
