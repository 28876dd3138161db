//! The SQL of a pool of leases: two small tables next to the project's document.
//!
//! Always holds: every statement is a constant and every value is bound; a row's body is JSON, for nobody asks for parts of it.

/// Run each when the object starts.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS holders (user TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS lease_base (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
];
/// `Store::holders`: → rows `{user, body}`.
pub const HOLDERS: &str = "SELECT user, body FROM holders";
/// `Store::base`: → one row `{body}` or none.
pub const BASE: &str = "SELECT body FROM lease_base WHERE id = 1";
/// user, body.
pub const PUT_HOLDER: &str = "INSERT OR REPLACE INTO holders (user, body) VALUES (?, ?)";
/// user.
pub const DELETE_HOLDER: &str = "DELETE FROM holders WHERE user = ?";
/// body.
pub const PUT_BASE: &str = "INSERT OR REPLACE INTO lease_base (id, body) VALUES (1, ?)";
