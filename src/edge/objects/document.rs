//! One JSON document in an object's SQLite: load once, replace whole.
//!
//! Always holds: loading writes nothing, so that an object which somebody only asked for, by a name of his own making, leaves nothing behind.

use std::cell::{Cell, RefCell};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::{SqlStorage, State};

use super::sql::Sql;
use crate::error::{Error, Result};
use crate::user::schema::{Bind, Statement};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS document (id INTEGER PRIMARY KEY, body TEXT NOT NULL)";
/// Whether there is the table.
const IS_THERE: &str = "SELECT name AS body FROM sqlite_master WHERE type = 'table' AND name = 'document'";
/// Replaces the document. body →
const REPLACE: &str = "INSERT OR REPLACE INTO document (id, body) VALUES (1, ?)";

/// A document that is cached in memory and kept in one row.
pub struct Document<T> {
    sql: SqlStorage,
    cached: RefCell<Option<T>>,
    /// There is the table.
    prepared: Cell<bool>,
}

#[derive(Deserialize)]
struct Row {
    body: String,
}

impl<T: Clone + Default + Serialize + DeserializeOwned> Document<T> {
    /// The document of this object.
    pub fn new(state: &State) -> Self {
        Self { sql: state.storage().sql(), cached: RefCell::new(None), prepared: Cell::new(false) }
    }

    /// The document, or its default if there is none yet.
    pub fn load(&self) -> Result<T> {
        if let Some(cached) = self.cached.borrow().clone() {
            return Ok(cached);
        }
        let rows = if self.rows(IS_THERE)?.is_empty() { Vec::new() } else { self.rows("SELECT body FROM document WHERE id = 1")? };
        let document = match rows.first() {
            Some(row) => serde_json::from_str(&row.body).map_err(|e| Error::server(format!("document: {e}")))?,
            None => T::default(),
        };
        self.cached.replace(Some(document));
        self.load_cached()
    }

    fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        self.sql.exec(sql, None).and_then(|cursor| cursor.to_array()).map_err(|e| Error::server(format!("document: {e}")))
    }

    fn prepare(&self) -> Result<()> {
        if !self.prepared.get() {
            self.sql.exec(TABLE, None).map_err(|e| Error::server(format!("document: {e}")))?;
            self.prepared.set(true);
        }
        Ok(())
    }

    fn load_cached(&self) -> Result<T> {
        self.cached.borrow().clone().ok_or_else(|| Error::server("document: nothing loaded"))
    }

    /// Replaces the document; memory follows the store.
    pub fn save(&self, document: T) -> Result<()> {
        let body = serde_json::to_string(&document).map_err(|e| Error::server(format!("document: {e}")))?;
        self.prepare()?;
        self.cached.replace(None);
        self.sql.exec(REPLACE, vec![body.into()]).map_err(|e| Error::server(format!("document: {e}")))?;
        self.cached.replace(Some(document));
        Ok(())
    }

    /// The same with other rows of the object: all of it or none of it.
    pub fn save_with(&self, document: T, sql: &mut Sql, others: Vec<Statement<'static>>) -> Result<()> {
        let body = serde_json::to_string(&document).map_err(|e| Error::server(format!("document: {e}")))?;
        self.prepare()?;
        self.cached.replace(None);
        sql.run(core::iter::once((REPLACE, vec![Bind::Text(body.into())])).chain(others))?;
        self.cached.replace(Some(document));
        Ok(())
    }
}
