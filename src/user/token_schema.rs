//! The SQL of what a user's object keeps of tokens: marks, tokens that are used up, and which requests count in whose budgets.
//!
//! Always holds: as in `schema`, every statement is a constant and every value is bound; only a token that is revoked, good for one
//! request, or has a budget costs a row. Absent on purpose: what the rows mean (`pass`, `token_budget`).

use super::pass::{Mark, TokenWrite, Used};
use super::schema::Statement;

pub(super) const MARKS_TABLE: &str = "CREATE TABLE IF NOT EXISTS marks (\
     kind TEXT NOT NULL, id TEXT NOT NULL, issued INTEGER NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID";
pub(super) const USED_TABLE: &str = "CREATE TABLE IF NOT EXISTS used_tokens (\
     jti TEXT PRIMARY KEY, request_id TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID";
pub(super) const USE_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS token_use (id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id, seq)) WITHOUT ROWID";
pub(super) const PRUNE_USE: &str = "DELETE FROM token_use WHERE seq <= ?";

/// `Store::marks`: → `Mark`s.
pub const MARKS: &str = "SELECT kind, id, issued FROM marks ORDER BY kind, id";
/// `Store::used_by`: jti → one row `{value}` or none.
pub const USED_BY: &str = "SELECT request_id AS value FROM used_tokens WHERE jti = ?";
/// `Store::spent_under`: id → one row `{tokens, micro_usd}`.
pub const SPENT_UNDER: &str = "SELECT COALESCE(SUM(COALESCE(input, 0) + COALESCE(output, 0)), 0) AS tokens, \
     COALESCE(SUM(micro_usd), 0) AS micro_usd FROM token_use JOIN requests USING (seq) WHERE id = ? AND status <> 'open'";
/// `Store::open_under`: id → rows `{value}`.
pub const OPEN_UNDER: &str = "SELECT seq AS value FROM token_use JOIN requests USING (seq) WHERE id = ? AND status = 'open'";

const PUT_MARK: &str = "INSERT OR REPLACE INTO marks (kind, id, issued) VALUES (?, ?, ?)";
const FORGET_MARKS: &str = "DELETE FROM marks WHERE issued < ?";
const PUT_USED: &str = "INSERT OR IGNORE INTO used_tokens (jti, request_id, until) VALUES (?, ?, ?)";
const FORGET_USED: &str = "DELETE FROM used_tokens WHERE until < ?";
const PUT_USE: &str = "INSERT OR IGNORE INTO token_use (id, seq) VALUES (?, ?)";

/// A write as statements.
pub(super) fn statements(write: &TokenWrite) -> Vec<Statement<'_>> {
    match write {
        TokenWrite::Mark(Mark { kind, id, issued }) => vec![(PUT_MARK, vec![kind.name().into(), id.as_str().into(), (*issued).into()])],
        TokenWrite::ForgetMarks { before } => vec![(FORGET_MARKS, vec![(*before).into()])],
        TokenWrite::Used { used: Used { jti, request_id, until }, now } => {
            vec![(FORGET_USED, vec![(*now).into()]), (PUT_USED, vec![jti.as_str().into(), request_id.as_str().into(), (*until).into()])]
        }
        TokenWrite::Counts { id, seq } => vec![(PUT_USE, vec![id.as_str().into(), (*seq).into()])],
    }
}
