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
/// What is summed of the ledger; sums stop at the largest integer that the platform carries exactly.
macro_rules! spent {
    () => {
        "SELECT totals.user AS user, SUM(requests) AS requests, MIN(SUM(input + output), 9007199254740991) AS tokens, \
         MIN(SUM(micro_usd), 9007199254740991) AS micro_usd FROM "
    };
}

/// `Store::spent` of each user: first hour, first hour after → `Spent`s.
pub const SPENT: &str = concat!(spent!(), "totals WHERE hour >= ? AND hour < ? GROUP BY totals.user ORDER BY totals.user");
/// `Store::spent` of one user: first hour, first hour after, user → a `Spent` or none. The ledger's key begins with the hour:
/// hour by hour only the user's rows are read. The casts: numbers are bound as floats.
pub const SPENT_OF: &str = concat!(
    "WITH RECURSIVE hours(hour, over) AS (SELECT CAST(? AS INTEGER), CAST(? AS INTEGER) \
     UNION ALL SELECT hour + 1, over FROM hours WHERE hour + 1 < over) ",
    spent!(),
    "hours CROSS JOIN totals ON totals.hour = hours.hour AND totals.user = ? GROUP BY totals.user"
);
/// user, body.
pub const PUT_HOLDER: &str = "INSERT OR REPLACE INTO holders (user, body) VALUES (?, ?)";
/// user.
pub const DELETE_HOLDER: &str = "DELETE FROM holders WHERE user = ?";
/// body.
pub const PUT_BASE: &str = "INSERT OR REPLACE INTO lease_base (id, body) VALUES (1, ?)";
