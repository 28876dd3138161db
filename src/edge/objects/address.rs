//! The object that counts one address in one project: a shell around `crate::auth::address_window`.
//!
//! Always holds: no await between load and save; when nothing counts any more an alarm removes all there is of the object, so
//! that nothing is kept of an address for longer than two minutes after its last request.

use std::cell::{Cell, RefCell};

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, SqlStorage, SqlStorageValue, State, durable_object};

use super::{no_door, read, reply};
use crate::auth::address_window::{AddressWindow, Admit, Answer, PUT, ROWS, SCHEMA};
use crate::edge::clock;
use crate::error::{Error, Result};

/// When the alarm looks whether anything still counts, in ms.
const LOOK_MS: u64 = 60_001;

/// One per (project, address).
#[durable_object(alarm)]
pub struct AddressObject {
    state: State,
    sql: SqlStorage,
    window: RefCell<Option<AddressWindow>>,
    alarm_is_set: Cell<bool>,
}

impl DurableObject for AddressObject {
    fn new(state: State, _env: Env) -> Self {
        Self { sql: state.storage().sql(), state, window: RefCell::new(None), alarm_is_set: Cell::new(false) }
    }

    async fn fetch(&self, _request: Request) -> worker::Result<Response> {
        Ok(no_door())
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.alarm_is_set.set(false);
        let (empty_at, now) = (self.load().map_err(|e| failed_alarm(&e))?.empty_at(), clock::now_ms());
        if empty_at > now {
            self.alarm_is_set.set(self.ring_in(empty_at - now).await);
        } else {
            self.window.replace(None);
            self.state.storage().delete_all().await?;
        }
        Response::empty()
    }
}

#[wasm_bindgen]
impl AddressObject {
    /// Answers a command: a parcel of JSON to a parcel of JSON.
    pub async fn ask(&self, command: JsValue) -> JsValue {
        let result = read(command).await.and_then(|command| self.admit(command));
        let rows = result.as_ref().map_or(0, |answer| u64::from(answer.admitted));
        if rows > 0 && !self.alarm_is_set.get() {
            // Without an alarm the rows are only kept for longer: the next request tries again.
            self.alarm_is_set.set(self.ring_in(LOOK_MS).await);
        }
        reply(result, rows)
    }
}

impl AddressObject {
    fn admit(&self, Admit { limit }: Admit) -> Result<Answer> {
        let now = clock::now_ms();
        let mut window = self.load()?;
        let row = window.plan(limit, now);
        if let Some(row) = row {
            self.sql.exec(PUT, vec![integer(row.slot), integer(row.at)]).map_err(|e| failed(&e))?;
            window.admit(row);
        }
        let answer = Answer { admitted: row.is_some(), window: window.window(limit, now) };
        self.window.replace(Some(window));
        Ok(answer)
    }

    /// Memory, which is empty after any failure; else the rows.
    fn load(&self) -> Result<AddressWindow> {
        if let Some(window) = self.window.take() {
            return Ok(window);
        }
        self.sql.exec(SCHEMA, None).map_err(|e| failed(&e))?;
        let rows = self.sql.exec(ROWS, None).and_then(|cursor| cursor.to_array()).map_err(|e| failed(&e))?;
        Ok(AddressWindow::load(rows))
    }

    async fn ring_in(&self, ms: u64) -> bool {
        self.state.storage().set_alarm(i64::try_from(ms).unwrap_or(i64::MAX)).await.is_ok()
    }
}

fn integer(n: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(n).unwrap_or(i64::MAX).min((1 << 53) - 1))
}

fn failed(error: &worker::Error) -> Error {
    Error::server(format!("address: {error}"))
}

/// An alarm that fails is tried again by the platform.
fn failed_alarm(error: &Error) -> worker::Error {
    worker::Error::RustError(error.cause().unwrap_or("alarm").to_owned())
}
