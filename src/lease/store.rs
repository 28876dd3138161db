//! The durable side of a project's pool of leases: a row per holder, and what nobody holds any more.
//!
//! Always holds: a batch is all or nothing. Absent on purpose: SQL (see `schema`) and anything asynchronous.

use super::holder::Holder;
use super::pool::Base;
use super::spent::Spent;
use crate::error::{Error, Result};

/// The durable side. Synchronous: that is what `SQLite` in a Durable Object is.
pub trait Store {
    /// Every holder with its user, in any order.
    fn holders(&self) -> Result<Vec<(String, Holder)>, StoreError>;
    /// What is counted without a holder.
    fn base(&self) -> Result<Base, StoreError>;
    /// What the project's ledger has between two hours since the epoch, the second one not included: of each user, or of one.
    fn spent(&self, user: Option<&str>, hours: (u64, u64)) -> Result<Vec<Spent>, StoreError>;
    /// Does all of it or none of it. After an error either may be the case: the caller reads again.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;
}

/// The store failed. The text is for the log; it holds no user data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::server(format!("lease store: {}", error.0))
    }
}

/// One row-level operation of a batch; each is one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Inserts or replaces a holder.
    PutHolder(String, Box<Holder>),
    /// Removes one.
    DeleteHolder(String),
    /// Replaces what is counted without a holder.
    PutBase(Base),
}
