//! `crate::lease::store` on an object's SQLite: binds and maps, nothing else.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::State;

use super::sql::Sql;
use crate::error::Result;
use crate::lease::holder::Holder;
use crate::lease::pool::Base;
use crate::lease::schema;
use crate::lease::spent::Spent;
use crate::lease::store::{Store, StoreError, Write};
use crate::rollup;
use crate::user::schema::{Bind, Statement};

/// A project's holders.
pub struct LeaseStore {
    sql: Sql,
    prepared: bool,
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
        Self { sql: Sql::new(state), prepared: false }
    }

    /// Makes the tables, once.
    pub fn prepare(&mut self) -> Result<(), StoreError> {
        if !std::mem::replace(&mut self.prepared, true) {
            self.sql.prepare(schema::SCHEMA).map_err(failed)?;
            // What was spent is read from the ledger's sums.
            self.sql.prepare(rollup::schema::SCHEMA).map_err(failed)?;
        }
        Ok(())
    }

    /// Rows written since the last call.
    pub fn take_rows(&mut self) -> u64 {
        self.sql.take_rows()
    }

    fn rows(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        self.sql.query(sql, &[]).map_err(failed)
    }
}

impl Store for LeaseStore {
    fn holders(&self) -> Result<Vec<(String, Holder)>, StoreError> {
        self.rows(schema::HOLDERS)?.into_iter().map(|row| Ok((row.user, read(&row.body)?))).collect()
    }

    fn base(&self) -> Result<Base, StoreError> {
        self.rows(schema::BASE)?.first().map_or_else(|| Ok(Base::default()), |row| read(&row.body))
    }

    fn spent(&self, user: Option<&str>, (from, to): (u64, u64)) -> Result<Vec<Spent>, StoreError> {
        match user {
            None => self.sql.query(schema::SPENT, &[from.into(), to.into()]),
            Some(user) => self.sql.query(schema::SPENT_OF, &[from.into(), to.into(), user.into()]),
        }
        .map_err(failed)
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let statements: Result<Vec<Statement>, StoreError> = writes
            .iter()
            .map(|write| match write {
                Write::PutHolder(user, holder) => Ok((schema::PUT_HOLDER, vec![user.as_str().into(), body(holder)?])),
                Write::DeleteHolder(user) => Ok((schema::DELETE_HOLDER, vec![user.as_str().into()])),
                Write::PutBase(base) => Ok((schema::PUT_BASE, vec![body(base)?])),
            })
            .collect();
        self.sql.run(statements?).map_err(failed)
    }
}

fn body<T: Serialize>(value: &T) -> Result<Bind<'static>, StoreError> {
    serde_json::to_string(value).map(|body| Bind::Text(body.into())).map_err(|e| StoreError(e.to_string()))
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|e| StoreError(e.to_string()))
}

#[allow(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn failed(error: crate::user::StoreError) -> StoreError {
    StoreError(error.0)
}
