//! The SQL of a project's ledger: tables next to the project's document, one text per query, each write as bound statements.
//!
//! Always holds: every statement is a constant and every value is bound. No table has a second index (an index is another
//! row per write), so what is asked seldom reads more than it needs. Absent on purpose: the platform, so the edge only
//! binds and maps.

use super::store::{DetailRow, Scan, TotalRow, Write};
use super::usage::{GroupKey, UsageQuery};
use crate::user::schema::{Bind, Statement};

/// The largest integer that the platform carries exactly: sums stop there.
macro_rules! max_safe {
    () => {
        "9007199254740991"
    };
}

/// The sums of a key, as columns.
macro_rules! numbers {
    () => {
        "requests, unpriced, estimated, input, output, cached_input, cache_write, reasoning, audio_input, audio_output, micro_usd"
    };
}

/// One of them over several rows.
macro_rules! sum {
    ($name:literal) => {
        concat!("MIN(SUM(", $name, "), ", max_safe!(), ") AS ", $name, ", ")
    };
}

/// All of them over several rows.
macro_rules! sums {
    () => {
        concat!(
            sum!("requests"),
            sum!("unpriced"),
            sum!("estimated"),
            sum!("input"),
            sum!("output"),
            sum!("cached_input"),
            sum!("cache_write"),
            sum!("reasoning"),
            sum!("audio_input"),
            sum!("audio_output"),
            "MIN(SUM(micro_usd), ",
            max_safe!(),
            ") AS micro_usd "
        )
    };
}

/// What becomes of one of them where there are sums already.
macro_rules! more {
    ($name:literal) => {
        concat!($name, " = MIN(", $name, " + excluded.", $name, ", ", max_safe!(), "), ")
    };
}

/// What becomes of a key that has sums already.
macro_rules! on_conflict {
    () => {
        concat!(
            " ON CONFLICT (hour, user, session, model, provider, key_source, status) DO UPDATE SET ",
            more!("requests"),
            more!("unpriced"),
            more!("estimated"),
            more!("input"),
            more!("output"),
            more!("cached_input"),
            more!("cache_write"),
            more!("reasoning"),
            more!("audio_input"),
            more!("audio_output"),
            "micro_usd = MIN(micro_usd + excluded.micro_usd, ",
            max_safe!(),
            ")"
        )
    };
}

/// Run each when the object starts.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS applied (\
     user TEXT PRIMARY KEY, epoch INTEGER NOT NULL, through INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS erased (user TEXT PRIMARY KEY, epoch INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS details (\
     newest_at INTEGER NOT NULL, user TEXT NOT NULL, through INTEGER NOT NULL, oldest_at INTEGER NOT NULL, \
     body TEXT NOT NULL, PRIMARY KEY (newest_at, user, through)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS totals (\
     hour INTEGER NOT NULL, user TEXT NOT NULL, session TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, \
     key_source TEXT NOT NULL, status TEXT NOT NULL, requests INTEGER NOT NULL, unpriced INTEGER NOT NULL, \
     estimated INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL, cached_input INTEGER NOT NULL, \
     cache_write INTEGER NOT NULL, reasoning INTEGER NOT NULL, audio_input INTEGER NOT NULL, audio_output INTEGER NOT NULL, \
     micro_usd INTEGER NOT NULL, PRIMARY KEY (hour, user, session, model, provider, key_source, status)) WITHOUT ROWID",
];

/// `Store::applied`: user → an `Applied` or none.
pub const APPLIED: &str = "SELECT epoch, through FROM applied WHERE user = ?";
/// `Store::erased`: user → one row `{value}` or none.
pub const ERASED: &str = "SELECT epoch AS value FROM erased WHERE user = ?";
/// `Store::recent`: since, limit → rows `{user}`.
pub const RECENT: &str = "SELECT user FROM applied WHERE at >= ? ORDER BY at DESC, user LIMIT ?";
/// `Store::details`: see [`details`] → `DetailRow`s.
const DETAILS: &str = "SELECT newest_at, user, through, oldest_at, body FROM details \
     WHERE (newest_at, user, through) < (?, ?, ?) AND newest_at >= ? AND oldest_at <= ? AND (? = '' OR user = ?) \
     ORDER BY newest_at DESC, user DESC, through DESC LIMIT ?";
/// `Store::oldest_detail`: → one row `{value}`, null if there is none.
pub const OLDEST_DETAIL: &str = "SELECT MIN(newest_at) AS value FROM details";
/// `Store::oldest_erasure`: → one row `{value}`, null if there is none.
pub const OLDEST_ERASURE: &str = "SELECT MIN(at) AS value FROM erased";
/// `Store::sums`: see [`sums`] → `TotalRow`s. The cast: numbers are bound as floats.
const SUMS: &str = concat!(
    "SELECT * FROM (SELECT hour / CAST(? AS INTEGER) AS hour, IIF(?, user, '') AS user, IIF(?, session, '') AS session, \
     IIF(?, model, '') AS model, IIF(?, provider, '') AS provider, IIF(?, key_source, '') AS key_source, \
     IIF(?, status, '') AS status, ",
    sums!(),
    "FROM totals WHERE totals.hour >= ? AND totals.hour < ? GROUP BY 1, 2, 3, 4, 5, 6, 7) \
     WHERE ? OR (hour, user, session, model, provider, key_source, status) > (?, ?, ?, ?, ?, ?, ?) \
     ORDER BY hour, user, session, model, provider, key_source, status LIMIT ?"
);

const PUT_APPLIED: &str = "INSERT OR REPLACE INTO applied (user, epoch, through, at) VALUES (?, ?, ?, ?)";
const PUT_DETAIL: &str = "INSERT OR REPLACE INTO details (newest_at, user, through, oldest_at, body) VALUES (?, ?, ?, ?, ?)";
const ADD_TOTAL: &str = concat!(
    "INSERT INTO totals (hour, user, session, model, provider, key_source, status, ",
    numbers!(),
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    on_conflict!()
);
const PRUNE_DETAILS: &str = "DELETE FROM details WHERE (newest_at, user, through) IN \
     (SELECT newest_at, user, through FROM details WHERE newest_at < ? ORDER BY newest_at, user, through LIMIT ?)";
const PRUNE_ERASURES: &str = "DELETE FROM erased WHERE at < ?";
const FORGET_TOTALS: &[&str] = &[
    concat!(
        "INSERT INTO totals (hour, user, session, model, provider, key_source, status, ",
        numbers!(),
        ") SELECT hour, '', '', model, provider, key_source, status, ",
        sums!(),
        "FROM totals WHERE user = ? GROUP BY hour, model, provider, key_source, status",
        on_conflict!()
    ),
    "DELETE FROM totals WHERE user = ?",
    "DELETE FROM details WHERE user = ?",
    "DELETE FROM applied WHERE user = ?",
];
const PUT_ERASED: &str = "INSERT OR REPLACE INTO erased (user, epoch, at) VALUES (?, ?, ?)";
const WIPE: &[&str] = &["DELETE FROM applied", "DELETE FROM erased", "DELETE FROM details", "DELETE FROM totals"];

/// `Store::details`.
pub fn details(scan: &Scan) -> Statement<'_> {
    let (newest_at, user, through) = &scan.below;
    let only = scan.user.as_deref().unwrap_or_default();
    let binds: [Bind; 8] = [
        (*newest_at).into(),
        user.as_str().into(),
        (*through).into(),
        scan.from.into(),
        scan.to.into(),
        only.into(),
        only.into(),
        scan.limit.into(),
    ];
    (DETAILS, binds.into())
}

/// `Store::sums`.
pub fn sums(query: &UsageQuery) -> Statement<'_> {
    let by = query.by;
    let mut binds: Vec<Bind> = vec![by.hours.unwrap_or(u64::from(u32::MAX)).into()];
    binds.extend([by.user, by.session, by.model, by.provider, by.key_source, by.status].map(Bind::from));
    binds.extend([query.from.into(), query.to.into(), query.after.is_none().into()]);
    match &query.after {
        Some(GroupKey(hour, texts)) => {
            binds.push((*hour).into());
            binds.extend(texts.iter().map(|text| Bind::from(text.as_str())));
        }
        None => binds.extend(core::iter::once(Bind::Int(0)).chain([""; 6].map(Bind::from))),
    }
    binds.push(query.limit.into());
    (SUMS, binds)
}

/// A write as statements. Run all of a batch in one synchronous transaction.
pub fn statements(write: &Write) -> Vec<Statement<'_>> {
    match write {
        Write::PutApplied { user, applied, at } => {
            vec![(PUT_APPLIED, vec![user.as_str().into(), applied.epoch.into(), applied.through.into(), (*at).into()])]
        }
        Write::PutDetail(row) => vec![put_detail(row)],
        Write::AddTotal(row) => vec![add_total(row)],
        Write::PruneDetails { before, limit } => vec![(PRUNE_DETAILS, vec![(*before).into(), (*limit).into()])],
        Write::PruneErasures { before } => vec![(PRUNE_ERASURES, vec![(*before).into()])],
        Write::Forget { user, epoch, at } => {
            let mut statements: Vec<Statement> = FORGET_TOTALS.iter().map(|sql| (*sql, vec![user.as_str().into()])).collect();
            statements.push((PUT_ERASED, vec![user.as_str().into(), (*epoch).into(), (*at).into()]));
            statements
        }
        Write::Wipe => WIPE.iter().map(|sql| (*sql, vec![])).collect(),
    }
}

fn put_detail(row: &DetailRow) -> Statement<'_> {
    let binds: [Bind; 5] =
        [row.newest_at.into(), row.user.as_str().into(), row.through.into(), row.oldest_at.into(), row.body.as_str().into()];
    (PUT_DETAIL, binds.into())
}

fn add_total(row: &TotalRow) -> Statement<'_> {
    let (hour, texts) = row.key();
    let binds = core::iter::once(Bind::Int(hour)).chain(texts.map(Bind::from)).chain(row.numbers().map(Bind::Int));
    (ADD_TOTAL, binds.collect())
}
