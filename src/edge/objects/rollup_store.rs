//! `crate::rollup::Store` on the project object's SQLite: binds and maps, nothing else.

use serde::Deserialize;
use worker::State;

use super::sql::{Rows, Sql};
use crate::rollup::schema;
use crate::rollup::store::{Applied, DetailRow, Scan, Store, TotalRow, Write};
use crate::rollup::usage::UsageQuery;

/// One project's ledger.
pub struct RollupStore {
    sql: Sql,
    prepared: bool,
}

impl RollupStore {
    /// The store of this object.
    pub fn new(state: &State) -> Self {
        Self { sql: Sql::new(state), prepared: false }
    }

    /// Makes the tables, once.
    ///
    /// # Errors
    /// The store failed.
    pub fn prepare(&mut self) -> Rows<()> {
        if !self.prepared {
            self.sql.prepare(schema::SCHEMA)?;
            self.prepared = true;
        }
        Ok(())
    }

    /// Rows written since the last call.
    pub fn take_rows(&mut self) -> u64 {
        self.sql.take_rows()
    }
}

impl Store for RollupStore {
    fn applied(&self, user: &str) -> Rows<Option<Applied>> {
        self.sql.first(schema::APPLIED, &[user.into()])
    }

    fn erased(&self, user: &str) -> Rows<Option<u64>> {
        self.sql.number(schema::ERASED, &[user.into()])
    }

    fn recent(&self, since: u64, limit: u64) -> Rows<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            user: String,
        }
        Ok(self.sql.query::<Row>(schema::RECENT, &[since.into(), limit.into()])?.into_iter().map(|row| row.user).collect())
    }

    fn details(&self, scan: &Scan) -> Rows<Vec<DetailRow>> {
        let (sql, binds) = schema::details(scan);
        self.sql.query(sql, &binds)
    }

    fn oldest_detail(&self) -> Rows<Option<u64>> {
        self.sql.number(schema::OLDEST_DETAIL, &[])
    }

    fn oldest_erasure(&self) -> Rows<Option<u64>> {
        self.sql.number(schema::OLDEST_ERASURE, &[])
    }

    fn sums(&self, query: &UsageQuery) -> Rows<Vec<TotalRow>> {
        let (sql, binds) = schema::sums(query);
        self.sql.query(sql, &binds)
    }

    fn commit(&mut self, writes: &[Write]) -> Rows<()> {
        self.sql.run(writes.iter().flat_map(schema::statements))
    }
}
