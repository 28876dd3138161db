//! The SQL of a project's deliveries.
//!
//! Always holds: every statement is a constant and every value is bound; the id is the primary key, so an event that is told
//! twice is kept once; what has ended is kept for the owner to look at, up to a number.

use super::delivery::Delivery;
use crate::user::schema::{Bind, Statement};

/// Ended deliveries that are kept.
pub const KEPT: u64 = 200;
/// Deliveries that the owner is shown.
pub const SHOWN: u64 = 100;

/// Run when the object starts.
pub const SCHEMA: &[&str] = &["CREATE TABLE IF NOT EXISTS deliveries (\
     id TEXT PRIMARY KEY, body TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER, \
     http_status INTEGER, error TEXT, created_at INTEGER NOT NULL, ended_at INTEGER) WITHOUT ROWID"];

/// Due deliveries: now, limit → `Delivery`s.
pub const DUE: &str = "SELECT * FROM deliveries WHERE next_at <= ? ORDER BY next_at, id LIMIT ?";
/// When the next one is due: → one row `{value}`, null if there is none.
pub const NEXT: &str = "SELECT MIN(next_at) AS value FROM deliveries";
/// The latest: limit → `Delivery`s, newest first.
pub const LATEST: &str = "SELECT * FROM deliveries ORDER BY created_at DESC, id LIMIT ?";

const ADD: &str = "INSERT OR IGNORE INTO deliveries (id, body, status, attempts, next_at, http_status, error, created_at, ended_at) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const UPDATE: &str = "UPDATE deliveries SET status = ?, attempts = ?, next_at = ?, http_status = ?, error = ?, ended_at = ? WHERE id = ?";
const PRUNE: &str = "DELETE FROM deliveries WHERE next_at IS NULL AND id NOT IN \
     (SELECT id FROM deliveries WHERE next_at IS NULL ORDER BY created_at DESC, id LIMIT ?)";
const CLEAR: &str = "DELETE FROM deliveries";

/// Keeps a delivery, unless it is there already.
pub fn add(delivery: &Delivery) -> Statement<'_> {
    let binds = vec![
        delivery.id.as_str().into(),
        delivery.body.as_str().into(),
        delivery.status.name().into(),
        delivery.attempts.into(),
        delivery.next_at.into(),
        delivery.http_status.map(u64::from).into(),
        delivery.error.as_deref().map_or(Bind::Null, Bind::from),
        delivery.created_at.into(),
        delivery.ended_at.into(),
    ];
    (ADD, binds)
}

/// Writes where a delivery is, if it is still there.
pub fn update(delivery: &Delivery) -> Statement<'_> {
    let binds = vec![
        delivery.status.name().into(),
        delivery.attempts.into(),
        delivery.next_at.into(),
        delivery.http_status.map(u64::from).into(),
        delivery.error.as_deref().map_or(Bind::Null, Bind::from),
        delivery.ended_at.into(),
        delivery.id.as_str().into(),
    ];
    (UPDATE, binds)
}

/// Removes what has ended, but for the latest.
pub fn prune() -> Statement<'static> {
    (PRUNE, vec![KEPT.into()])
}

/// Removes all.
pub fn clear() -> Statement<'static> {
    (CLEAR, Vec::new())
}
