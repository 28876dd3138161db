//! An object's SQLite: binds, maps, and runs a batch as one synchronous transaction.
//!
//! Always holds: a batch is all or nothing; no statement text is made here; rows written are counted as the platform does.

use js_sys::{Array, Function, Reflect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use worker::{SqlStorage, SqlStorageValue, State};

use crate::user::StoreError;
use crate::user::schema::{Bind, Statement};

/// What a read or a write comes to.
pub type Rows<T> = Result<T, StoreError>;

/// One object's database.
pub struct Sql {
    database: SqlStorage,
    storage: JsValue,
    rows: u64,
}

/// A row of one number.
#[derive(Deserialize)]
struct Number {
    value: Option<u64>,
}

impl Sql {
    /// The database of this object.
    pub fn new(state: &State) -> Self {
        let storage = state.storage();
        Self { database: storage.sql(), storage: JsValue::from(storage.as_raw()), rows: 0 }
    }

    /// Makes the tables.
    pub fn prepare(&self, schema: &[&str]) -> Rows<()> {
        schema.iter().try_for_each(|statement| self.database.exec(statement, None).map(drop).map_err(failed))
    }

    /// Gives the tables of an older build what they lack: for each question that is answered with 0, its statements.
    pub fn upgrade(&self, upgrades: &[(&str, &[&str])]) -> Rows<()> {
        upgrades.iter().try_for_each(|(question, statements)| match self.number(question, &[])? {
            Some(0) => self.prepare(statements),
            _ => Ok(()),
        })
    }

    /// Rows written since the last call.
    pub fn take_rows(&mut self) -> u64 {
        std::mem::take(&mut self.rows)
    }

    /// All rows of a query.
    pub fn query<T: DeserializeOwned>(&self, sql: &str, binds: &[Bind]) -> Rows<Vec<T>> {
        let binds: Vec<SqlStorageValue> = binds.iter().map(value).collect();
        self.database.exec(sql, binds).and_then(|cursor| cursor.to_array()).map_err(failed)
    }

    /// The first row of a query.
    pub fn first<T: DeserializeOwned>(&self, sql: &str, binds: &[Bind]) -> Rows<Option<T>> {
        Ok(self.query(sql, binds)?.into_iter().next())
    }

    /// The `value` of the first row of a query.
    pub fn number(&self, sql: &str, binds: &[Bind]) -> Rows<Option<u64>> {
        Ok(self.first::<Number>(sql, binds)?.and_then(|row| row.value))
    }

    /// Runs all of it or none of it.
    pub fn run<'a>(&mut self, statements: impl IntoIterator<Item = Statement<'a>>) -> Rows<()> {
        let mut batch: Vec<(&'static str, Vec<SqlStorageValue>)> = Vec::new();
        for (text, binds) in statements {
            batch.push((text, binds.iter().map(value).collect()));
        }
        let sql = self.database.clone();
        self.rows +=
            if batch.len() == 1 { run(&sql, &mut batch).map_err(failed)? } else { self.transaction(move || run(&sql, &mut batch))? };
        Ok(())
    }

    /// Runs `body` in the platform's synchronous transaction: a throw inside takes everything back.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that was a u32")]
    fn transaction(&self, mut body: impl FnMut() -> worker::Result<u64> + 'static) -> Rows<u64> {
        let run = Closure::<dyn FnMut() -> Result<JsValue, JsValue>>::new(move || {
            let rows = body().map_err(|e| JsValue::from_str(&e.to_string()))?;
            Ok(JsValue::from(u32::try_from(rows).unwrap_or(u32::MAX)))
        });
        let method: Function = Reflect::get(&self.storage, &"transactionSync".into()).map(JsCast::unchecked_into).map_err(thrown)?;
        let rows = method.call1(&self.storage, run.as_ref()).map_err(thrown)?;
        Ok(rows.as_f64().map_or(0, |n| n as u64))
    }
}

/// Runs each statement and counts the rows written.
fn run(sql: &SqlStorage, statements: &mut Vec<(&'static str, Vec<SqlStorageValue>)>) -> worker::Result<u64> {
    let mut rows = 0;
    for (text, binds) in std::mem::take(statements) {
        rows += sql.exec(text, binds)?.rows_written() as u64;
    }
    Ok(rows)
}

/// Integers are below 2^53 by the state's own rule; one that is not would be a bug, and is stored as the largest that is exact.
fn value(bind: &Bind) -> SqlStorageValue {
    match bind {
        Bind::Int(n) => SqlStorageValue::Integer(i64::try_from(*n).unwrap_or(i64::MAX).min((1 << 53) - 1)),
        Bind::Text(text) => SqlStorageValue::from(text.as_ref()),
        Bind::Null => SqlStorageValue::Null,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn failed(error: worker::Error) -> StoreError {
    StoreError(error.to_string())
}

#[allow(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn thrown(value: JsValue) -> StoreError {
    StoreError(format!("{:?}", value.as_string().unwrap_or_else(|| Array::of1(&value).join(",").into())))
}
