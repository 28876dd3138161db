//! `crate::user::Store` on an object's SQLite: binds and maps, nothing else.
//!
//! Always holds: a batch is one synchronous transaction; no statement text is made here.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{SqlStorage, SqlStorageValue, State};

use super::transaction::Transactions;
use crate::error::Result;
use crate::user::overrides::Overrides;
use crate::user::schema::{self, Bind};
use crate::user::store::{Checkpoint, DayRow, Holding, RequestRow, ThreadRow, TurnRow};
use crate::user::{Store, StoreError, Write};

/// One user's rows.
pub struct UserStore {
    sql: SqlStorage,
    transactions: Transactions,
    prepared: bool,
    rows: u64,
    alarm: Option<Alarm>,
}

/// What is to become of the platform's alarm.
#[derive(Clone, Copy)]
pub enum Alarm {
    /// Ring at this time, epoch ms.
    At(u64),
    /// Do not ring.
    Clear,
}

type Rows<T> = Result<T, StoreError>;

impl UserStore {
    /// The store of this object.
    pub fn new(state: &State) -> Self {
        Self { sql: state.storage().sql(), transactions: Transactions::new(state), prepared: false, rows: 0, alarm: None }
    }

    /// Makes the tables, once.
    pub fn prepare(&mut self) -> Result<()> {
        if !self.prepared {
            for statement in schema::SCHEMA {
                self.sql.exec(statement, None).map_err(failed)?;
            }
            self.prepared = true;
        }
        Ok(())
    }

    /// Rows written since the last call.
    pub fn take_rows(&mut self) -> u64 {
        std::mem::take(&mut self.rows)
    }

    /// What the last batches decided about the alarm, if they did.
    pub fn take_alarm(&mut self) -> Option<Alarm> {
        self.alarm.take()
    }

    fn query<T: DeserializeOwned>(&self, sql: &str, binds: &[Bind]) -> Rows<Vec<T>> {
        let binds: Vec<SqlStorageValue> = binds.iter().map(value).collect();
        self.sql.exec(sql, binds).and_then(|cursor| cursor.to_array()).map_err(failed)
    }

    fn first<T: DeserializeOwned>(&self, sql: &str, binds: &[Bind]) -> Rows<Option<T>> {
        Ok(self.query(sql, binds)?.into_iter().next())
    }
}

impl Store for UserStore {
    fn requests_before(&self, seq: u64, limit: u64) -> Rows<Vec<RequestRow>> {
        self.query(schema::REQUESTS_BEFORE, &[seq.into(), limit.into()])
    }

    fn request(&self, seq: u64) -> Rows<Option<RequestRow>> {
        self.first(schema::REQUEST, &[seq.into()])
    }

    fn request_after(&self, seq: u64) -> Rows<Option<RequestRow>> {
        self.first(schema::REQUEST_AFTER, &[seq.into()])
    }

    fn prunable(&self, before: u64, limit: u64) -> Rows<Option<u64>> {
        #[derive(Deserialize)]
        struct Row {
            seq: Option<u64>,
        }
        Ok(self.first::<Row>(schema::PRUNABLE, &[limit.into(), before.into()])?.and_then(|row| row.seq))
    }

    fn day_sums(&self, after: u64, through: u64) -> Rows<Vec<DayRow>> {
        self.query(schema::DAY_SUMS, &[after.into(), through.into()])
    }

    fn sums(&self, from: u64, to: u64, step: u64) -> Rows<Vec<DayRow>> {
        self.query(schema::SUMS, &[step.into(), from.into(), to.into()])
    }

    fn checkpoint(&self) -> Rows<Option<Checkpoint>> {
        #[derive(Deserialize)]
        struct Row {
            day: Option<u64>,
            through_seq: Option<u64>,
        }
        let row = self.first::<Row>(schema::CHECKPOINT, &[])?;
        Ok(row.and_then(|row| Some(Checkpoint { day: row.day?, through_seq: row.through_seq? })))
    }

    fn days(&self, from: u64, through: u64) -> Rows<Vec<DayRow>> {
        self.query(schema::DAYS, &[from.into(), through.into()])
    }

    fn overrides(&self) -> Rows<Overrides> {
        #[derive(Deserialize)]
        struct Row {
            limits: String,
        }
        let row = self.first::<Row>(schema::OVERRIDES, &[])?;
        row.map_or_else(|| Ok(Overrides::default()), |row| serde_json::from_str(&row.limits).map_err(|e| StoreError(e.to_string())))
    }

    fn alarm(&self) -> Rows<Option<u64>> {
        #[derive(Deserialize)]
        struct Row {
            value: Option<u64>,
        }
        Ok(self.first::<Row>(schema::ALARM, &[])?.and_then(|row| row.value))
    }

    fn holding(&self) -> Rows<Option<Holding>> {
        #[derive(Deserialize)]
        struct Row {
            body: String,
        }
        let row = self.first::<Row>(schema::HOLDING, &[])?;
        row.map(|row| serde_json::from_str(&row.body).map_err(|e| StoreError(e.to_string()))).transpose()
    }

    fn thread(&self, id: &str) -> Rows<Option<ThreadRow>> {
        self.first(schema::THREAD, &[id.into()])
    }

    fn threads(&self, before: Option<(u64, &str)>, limit: u64) -> Rows<Vec<ThreadRow>> {
        match before {
            None => self.query(schema::THREADS, &[limit.into()]),
            Some((at, id)) => self.query(schema::THREADS_BEFORE, &[at.into(), id.into(), limit.into()]),
        }
    }

    fn turns(&self, thread: &str) -> Rows<Vec<TurnRow>> {
        self.query(schema::TURNS, &[thread.into()])
    }

    fn commit(&mut self, writes: &[Write]) -> Rows<()> {
        let mut statements = Vec::new();
        for (sql, binds) in writes.iter().flat_map(schema::statements) {
            statements.push((sql, binds.iter().map(value).collect::<Vec<_>>()));
        }
        self.rows += self.transactions.run(statements).map_err(StoreError)?;
        for write in writes {
            match write {
                Write::SetAlarm(Some(at)) => self.alarm = Some(Alarm::At(*at)),
                Write::SetAlarm(None) | Write::Erase => self.alarm = Some(Alarm::Clear),
                _ => {}
            }
        }
        Ok(())
    }
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
