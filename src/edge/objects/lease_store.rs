//! `crate::lease::store` on an object's SQLite: binds and maps, nothing else.

use std::cell::Cell;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::{SqlStorage, SqlStorageValue, State};

use super::transaction::{Batch, Transactions};
use crate::error::Result;
use crate::lease::holder::Holder;
use crate::lease::pool::Base;
use crate::lease::schema;
use crate::lease::store::{Store, StoreError, Write};

/// A project's holders.
pub struct LeaseStore {
    sql: SqlStorage,
    transactions: Transactions,
    prepared: Cell<bool>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    user: String,
    body: String,
}

impl LeaseStore {
    /// The store of this object.
    pub fn new(state: &State) -> Self {
        Self { sql: state.storage().sql(), transactions: Transactions::new(state), prepared: Cell::new(false) }
    }

    /// Makes the tables, once.
    pub fn prepare(&self) -> Result<(), StoreError> {
        if !self.prepared.replace(true) {
            for statement in schema::SCHEMA {
                self.sql.exec(statement, None).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn rows(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        self.sql.exec(sql, None).and_then(|cursor| cursor.to_array()).map_err(failed)
    }
}

impl Store for LeaseStore {
    fn holders(&self) -> Result<Vec<(String, Holder)>, StoreError> {
        self.rows(schema::HOLDERS)?.into_iter().map(|row| Ok((row.user, read(&row.body)?))).collect()
    }

    fn base(&self) -> Result<Base, StoreError> {
        self.rows(schema::BASE)?.first().map_or_else(|| Ok(Base::default()), |row| read(&row.body))
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let statements: Result<Batch, StoreError> = writes
            .iter()
            .map(|write| match write {
                Write::PutHolder(user, holder) => Ok((schema::PUT_HOLDER, vec![text(user), text(&body(holder)?)])),
                Write::DeleteHolder(user) => Ok((schema::DELETE_HOLDER, vec![text(user)])),
                Write::PutBase(base) => Ok((schema::PUT_BASE, vec![text(&body(base)?)])),
            })
            .collect();
        self.transactions.run(statements?).map(|_| ()).map_err(StoreError)
    }
}

fn text(text: &str) -> SqlStorageValue {
    SqlStorageValue::from(text)
}

fn body<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError(e.to_string()))
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|e| StoreError(e.to_string()))
}

#[allow(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn failed(error: worker::Error) -> StoreError {
    StoreError(error.to_string())
}
