//! A project's audit log on its object's SQLite: binds and maps, nothing else.

use std::cell::RefCell;

use worker::State;

use super::document::Document;
use super::sql::Sql;
use crate::edge::clock;
use crate::error::Result;
use crate::project::audit::{self, By, Command, Outcome};
use crate::project::{Command as Change, State as Project};

/// The log of one project.
pub struct AuditStore {
    sql: RefCell<Sql>,
}

impl AuditStore {
    /// Of this object.
    pub fn new(state: &State) -> Self {
        Self { sql: RefCell::new(Sql::new(state)) }
    }

    /// Keeps a project's new state and the entry of the change that led to it, both or neither.
    ///
    /// # Errors
    /// The store failed.
    pub fn save(&self, document: &Document<Project>, next: Project, change: &Change, by: Option<&By>) -> Result<()> {
        self.prepare()?;
        document.save_with(next, &mut self.sql.borrow_mut(), audit::beside(change, by, clock::now_ms()))
    }

    /// Answers a question about the log.
    ///
    /// # Errors
    /// The store failed.
    pub fn answer(&self, command: Command) -> Result<Outcome> {
        self.prepare()?;
        let (now, mut sql) = (clock::now_ms(), self.sql.borrow_mut());
        match command {
            Command::Record(entry, by) => sql.run(entry.statements(&by, now))?,
            Command::KeyUsed { id, by } => {
                let last = sql.number(audit::KEY_USE, &[id.as_str().into()])?;
                sql.run(audit::key_used(&id, &by, last, now))?;
            }
            Command::KeyUses => return Ok(Outcome::KeyUses(sql.query(audit::KEY_USES, &[])?)),
            Command::List(query) => return Ok(query.page(sql.query(audit::PAGE, &query.binds(now))?)),
        }
        Ok(Outcome::Noted)
    }

    fn prepare(&self) -> Result<()> {
        Ok(self.sql.borrow().prepare(audit::SCHEMA)?)
    }
}
