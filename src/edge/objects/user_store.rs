//! `crate::user::Store` on an object's SQLite: binds and maps, nothing else.
//!
//! Always holds: whoever sets an alarm keeps the object's name with it. The pinned workerd tells a cold object its name when
//! an alarm wakes it (measured); runtimes of the spring of 2026 did not, and what is never told is lost to the ledger.

use serde::Deserialize;
use worker::State;

use super::sql::{Rows, Sql};
use crate::error::Result;
use crate::user::overrides::Overrides;
use crate::user::store::{AlertRow, Checkpoint, DayRow, Holding, Mark, Minted, OutboxRow, PrivateSize, RequestRow, ThreadRow, TurnRow};
use crate::user::{Store, StoreError, Write};
use crate::user::{minted, private, schema, token_schema};

/// One user's rows.
pub struct UserStore {
    sql: Sql,
    prepared: bool,
    alarm: Option<Alarm>,
    /// The object's name: what the platform says, or else what was kept.
    name: Option<String>,
}

#[derive(Deserialize)]
struct Text {
    value: String,
}

/// What is to become of the platform's alarm.
#[derive(Clone, Copy)]
pub enum Alarm {
    /// Ring at this time, epoch ms.
    At(u64),
    /// Do not ring.
    Clear,
}

impl UserStore {
    /// The store of this object.
    pub fn new(state: &State) -> Self {
        Self { sql: Sql::new(state), prepared: false, alarm: None, name: state.id().name() }
    }

    /// Makes the tables, once.
    ///
    /// # Errors
    /// The store failed.
    pub fn prepare(&mut self) -> Result<()> {
        if !self.prepared {
            self.sql.prepare(schema::SCHEMA)?;
            self.sql.upgrade(schema::UPGRADES)?;
            if self.name.is_none() {
                self.name = self.sql.first::<Text>(schema::NAME, &[])?.map(|kept| kept.value);
            }
            self.prepared = true;
        }
        Ok(())
    }

    /// Rows written since the last call.
    pub fn take_rows(&mut self) -> u64 {
        self.sql.take_rows()
    }

    /// What the last batches decided about the alarm, if they did.
    pub fn take_alarm(&mut self) -> Option<Alarm> {
        self.alarm.take()
    }

    /// The object's name, `{project}/{uid}`.
    pub fn name(&self) -> Option<String> {
        self.name.clone()
    }
}

impl Store for UserStore {
    fn requests_before(&self, seq: u64, limit: u64) -> Rows<Vec<RequestRow>> {
        self.sql.query(schema::REQUESTS_BEFORE, &[seq.into(), limit.into()])
    }

    fn request(&self, seq: u64) -> Rows<Option<RequestRow>> {
        self.sql.first(schema::REQUEST, &[seq.into()])
    }

    fn request_after(&self, seq: u64) -> Rows<Option<RequestRow>> {
        self.sql.first(schema::REQUEST_AFTER, &[seq.into()])
    }

    fn prunable(&self, before: u64, limit: u64) -> Rows<Option<u64>> {
        self.sql.number(schema::PRUNABLE, &[limit.into(), before.into()])
    }

    fn day_sums(&self, after: u64, through: u64) -> Rows<Vec<DayRow>> {
        self.sql.query(schema::DAY_SUMS, &[after.into(), through.into()])
    }

    fn sums(&self, from: u64, to: u64, step: u64) -> Rows<Vec<DayRow>> {
        self.sql.query(schema::SUMS, &[step.into(), from.into(), to.into()])
    }

    fn checkpoint(&self) -> Rows<Option<Checkpoint>> {
        #[derive(Deserialize)]
        struct Row {
            day: Option<u64>,
            through_seq: Option<u64>,
        }
        let row = self.sql.first::<Row>(schema::CHECKPOINT, &[])?;
        Ok(row.and_then(|row| Some(Checkpoint { day: row.day?, through_seq: row.through_seq? })))
    }

    fn days(&self, from: u64, through: u64) -> Rows<Vec<DayRow>> {
        self.sql.query(schema::DAYS, &[from.into(), through.into()])
    }

    fn outbox(&self) -> Rows<OutboxRow> {
        Ok(self.sql.first(schema::OUTBOX, &[])?.unwrap_or_default())
    }

    fn newest_ended(&self, seq: u64) -> Rows<u64> {
        Ok(self.sql.number(schema::NEWEST_ENDED, &[seq.into()])?.unwrap_or(0))
    }

    fn ended(&self, low: u64, after: u64, limit: u64) -> Rows<Vec<RequestRow>> {
        self.sql.query(schema::ENDED, &[low.into(), after.into(), after.saturating_add(limit).into(), limit.into()])
    }

    fn first_untold(&self, low: u64, through: u64) -> Rows<Option<u64>> {
        self.sql.number(schema::FIRST_UNTOLD, &[low.into(), through.into()])
    }

    fn overrides(&self) -> Rows<Overrides> {
        #[derive(Deserialize)]
        struct Row {
            limits: String,
        }
        let row = self.sql.first::<Row>(schema::OVERRIDES, &[])?;
        row.map_or_else(|| Ok(Overrides::default()), |row| serde_json::from_str(&row.limits).map_err(|e| StoreError(e.to_string())))
    }

    fn alerts(&self) -> Rows<Vec<AlertRow>> {
        self.sql.query(schema::ALERTS, &[])
    }

    fn alarm(&self) -> Rows<Option<u64>> {
        self.sql.number(schema::ALARM, &[])
    }

    fn holding(&self) -> Rows<Option<Holding>> {
        #[derive(Deserialize)]
        struct Row {
            body: String,
        }
        let row = self.sql.first::<Row>(schema::HOLDING, &[])?;
        row.map(|row| serde_json::from_str(&row.body).map_err(|e| StoreError(e.to_string()))).transpose()
    }

    fn marks(&self) -> Rows<Vec<Mark>> {
        self.sql.query(token_schema::MARKS, &[])
    }

    fn used_by(&self, jti: &str) -> Rows<Option<String>> {
        Ok(self.sql.first::<Text>(token_schema::USED_BY, &[jti.into()])?.map(|row| row.value))
    }

    fn spent_under(&self, id: &str) -> Rows<(u64, u64)> {
        #[derive(Deserialize)]
        struct Row {
            tokens: u64,
            micro_usd: u64,
        }
        let row = self.sql.first::<Row>(token_schema::SPENT_UNDER, &[id.into()])?;
        Ok(row.map_or((0, 0), |row| (row.tokens, row.micro_usd)))
    }

    fn open_under(&self, id: &str) -> Rows<Vec<u64>> {
        #[derive(Deserialize)]
        struct Row {
            value: u64,
        }
        let rows: Vec<Row> = self.sql.query(token_schema::OPEN_UNDER, &[id.into()])?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    fn minted(&self, name: &str) -> Rows<Option<Minted>> {
        self.sql.first(minted::FIND, &[name.into()])
    }

    fn thread(&self, id: &str) -> Rows<Option<ThreadRow>> {
        self.sql.first(schema::THREAD, &[id.into()])
    }

    fn threads(&self, before: Option<(u64, &str)>, limit: u64) -> Rows<Vec<ThreadRow>> {
        match before {
            None => self.sql.query(schema::THREADS, &[limit.into()]),
            Some((at, id)) => self.sql.query(schema::THREADS_BEFORE, &[at.into(), id.into(), limit.into()]),
        }
    }

    fn turns(&self, thread: &str) -> Rows<Vec<TurnRow>> {
        self.sql.query(schema::TURNS, &[thread.into()])
    }

    fn private(&self, calls: &[String], since: u64) -> Rows<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            body: String,
        }
        let calls = private::json(calls)?;
        let rows: Vec<Row> = self.sql.query(schema::PRIVATE, &[since.into(), calls.as_str().into()])?;
        Ok(rows.into_iter().map(|row| row.body).collect())
    }

    fn private_sizes(&self) -> Rows<Vec<PrivateSize>> {
        self.sql.query(schema::PRIVATE_SIZES, &[])
    }

    fn commit(&mut self, writes: &[Write]) -> Rows<()> {
        let rings = writes.iter().any(|write| matches!(write, Write::SetAlarm(Some(_))));
        let name = self.name.as_deref().filter(|_| rings).map(|name| (schema::KEEP_NAME, vec![name.into()]));
        self.sql.run(writes.iter().flat_map(schema::statements).chain(name))?;
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
