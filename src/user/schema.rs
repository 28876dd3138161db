//! The SQL of one user's object: tables, one text per query, and each write as bound statements.
//!
//! Always holds: every statement is a constant and every value is bound. A request's life is two rows written: no
//! table has a second index (an index is another row per write), request numbers are the rowid and ascend with time,
//! and tables with a text key are `WITHOUT ROWID`. Absent on purpose: the platform, so the edge only binds and maps.

use std::borrow::Cow;

use super::overrides::Overrides;
use super::store::{AlertKey, AlertRow, DayRow, Extent, PrivateRow, RequestRow, Served, Settlement, ThreadRow, Write};
use super::{MAX_SAFE, minted, token_schema};
use crate::api::usage::TokenUsage;

/// What is summed of request rows.
macro_rules! sums {
    () => {
        ", provider, model_served AS model, key_source, COUNT(*) AS requests, SUM(rates IS NULL) AS unpriced, \
         SUM(COALESCE(input, 0)) AS input, SUM(COALESCE(output, 0)) AS output, SUM(cached_input) AS cached_input, \
         SUM(cache_write) AS cache_write, SUM(reasoning) AS reasoning, SUM(audio_input) AS audio_input, \
         SUM(audio_output) AS audio_output, SUM(micro_usd) AS micro_usd, 0 AS through_seq FROM requests "
    };
}

/// Threads, each as of its newest turn: of each the last row of its turns is read, however many there are.
macro_rules! threads {
    ($which:literal) => {
        concat!(
            "SELECT * FROM (SELECT own.id, own.title, own.created_at, COALESCE(newest.last_message_at, own.last_message_at) AS last_message_at, \
             COALESCE(newest.messages, own.messages) AS messages, COALESCE(newest.bytes, own.bytes) AS bytes, \
             COALESCE(newest.turn, own.version) AS version, own.born FROM threads AS own LEFT JOIN turns AS newest \
             ON newest.thread = own.id AND (newest.turn, newest.piece) = \
             (SELECT turn, piece FROM turns WHERE thread = own.id ORDER BY turn DESC, piece DESC LIMIT 1)) ",
            $which
        )
    };
}

/// Run each when the object starts.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS requests (\
     seq INTEGER PRIMARY KEY, request_id TEXT NOT NULL, session_id TEXT NOT NULL, thread_id TEXT, model TEXT NOT NULL, \
     model_served TEXT NOT NULL, provider TEXT NOT NULL, key_source TEXT NOT NULL, rates TEXT, at INTEGER NOT NULL, \
     day INTEGER NOT NULL, deadline INTEGER NOT NULL, reserved_input INTEGER NOT NULL, reserved_output INTEGER NOT NULL, \
     reserved_micro_usd INTEGER NOT NULL, max_output INTEGER, grows_to INTEGER, status TEXT NOT NULL, input INTEGER, output INTEGER, \
     cached_input INTEGER NOT NULL DEFAULT 0, cache_write INTEGER NOT NULL DEFAULT 0, reasoning INTEGER NOT NULL DEFAULT 0, \
     audio_input INTEGER NOT NULL DEFAULT 0, audio_output INTEGER NOT NULL DEFAULT 0, micro_usd INTEGER NOT NULL DEFAULT 0, \
     estimated INTEGER NOT NULL DEFAULT 0, stored INTEGER NOT NULL DEFAULT 0, ended INTEGER, settled_at INTEGER, \
     ttft_ms INTEGER, duration_ms INTEGER, cache_write_hour INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS days (\
     day INTEGER NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, key_source TEXT NOT NULL, requests INTEGER NOT NULL, \
     unpriced INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL, cached_input INTEGER NOT NULL, \
     cache_write INTEGER NOT NULL, reasoning INTEGER NOT NULL, audio_input INTEGER NOT NULL, audio_output INTEGER NOT NULL, \
     micro_usd INTEGER NOT NULL, through_seq INTEGER NOT NULL, PRIMARY KEY (day, provider, model, key_source)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS threads (\
     id TEXT PRIMARY KEY, title TEXT NOT NULL, created_at INTEGER NOT NULL, last_message_at INTEGER NOT NULL, \
     messages INTEGER NOT NULL, bytes INTEGER NOT NULL, version INTEGER NOT NULL, born INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS turns (\
     thread TEXT NOT NULL, turn INTEGER NOT NULL, piece INTEGER NOT NULL, last_message_at INTEGER, messages INTEGER, bytes INTEGER, \
     body TEXT NOT NULL, PRIMARY KEY (thread, turn, piece)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS private (\
     seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, thread TEXT, bytes INTEGER NOT NULL, calls TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS overrides (id INTEGER PRIMARY KEY, limits TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS holding (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS outbox (\
     id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, ended INTEGER NOT NULL, acknowledged INTEGER NOT NULL, \
     low INTEGER NOT NULL, retention_ms INTEGER)",
    "CREATE TABLE IF NOT EXISTS alerts (\
     budget TEXT NOT NULL, span INTEGER NOT NULL, threshold INTEGER NOT NULL, ceiling INTEGER NOT NULL, spent INTEGER NOT NULL, \
     at INTEGER NOT NULL, resets_at INTEGER NOT NULL, told INTEGER NOT NULL, PRIMARY KEY (budget, span, threshold)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    token_schema::MARKS_TABLE,
    token_schema::USED_TABLE,
    token_schema::USE_TABLE,
    minted::TABLE,
];

/// What objects of older builds lack. Run behind `SCHEMA`: a question, → one row `{value}`; the statements, if that is 0.
pub const UPGRADES: &[(&str, &[&str])] = &[
    (
        "SELECT COUNT(*) AS value FROM pragma_table_info('turns') WHERE name = 'bytes'",
        &[
            "ALTER TABLE turns ADD COLUMN last_message_at INTEGER",
            "ALTER TABLE turns ADD COLUMN messages INTEGER",
            "ALTER TABLE turns ADD COLUMN bytes INTEGER",
        ],
    ),
    (
        "SELECT COUNT(*) AS value FROM pragma_table_info('requests') WHERE name = 'cache_write_hour'",
        &["ALTER TABLE requests ADD COLUMN cache_write_hour INTEGER NOT NULL DEFAULT 0"],
    ),
];

/// `Store::requests_before`: seq, limit → `RequestRow`s.
pub const REQUESTS_BEFORE: &str = "SELECT * FROM requests WHERE seq < ? ORDER BY seq DESC LIMIT ?";
/// `Store::request`: seq → a `RequestRow` or none.
pub const REQUEST: &str = "SELECT * FROM requests WHERE seq = ?";
/// `Store::request_after`: seq → a `RequestRow` or none.
pub const REQUEST_AFTER: &str = "SELECT * FROM requests WHERE seq > ? ORDER BY seq LIMIT 1";
/// `Store::prunable`: limit, before → one row `{value}`, null if there is none.
pub const PRUNABLE: &str = "SELECT MAX(seq) AS value FROM (SELECT seq, at FROM requests ORDER BY seq LIMIT ?) WHERE at < ?";
/// `Store::day_sums`: after, through → `DayRow`s.
pub const DAY_SUMS: &str =
    concat!("SELECT day", sums!(), "WHERE seq > ? AND seq <= ? AND status <> 'open' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4");
/// `Store::sums`: step, from, to → `DayRow`s. The cast: numbers are bound as floats.
pub const SUMS: &str = concat!(
    "SELECT at / CAST(? AS INTEGER) AS day",
    sums!(),
    "WHERE at >= ? AND at < ? AND status <> 'open' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
);
/// `Store::checkpoint`: → a `Checkpoint`, its numbers null if there is none. The newest totals are those of the latest day,
/// or, after a move to an earlier zone, of one of the two before.
pub const CHECKPOINT: &str =
    "SELECT MAX(day) AS day, MAX(through_seq) AS through_seq FROM days WHERE day >= (SELECT MAX(day) FROM days) - 2";
/// `Store::days`: from, through → `DayRow`s.
pub const DAYS: &str = "SELECT * FROM days WHERE day >= ? AND day <= ? ORDER BY day, provider, model, key_source";
/// `Store::overrides`: → one row `{limits}`, JSON, or none.
pub const OVERRIDES: &str = "SELECT limits FROM overrides WHERE id = 1";
/// `Store::outbox`: → an `OutboxRow` or none.
pub const OUTBOX: &str = "SELECT epoch, ended, acknowledged, low, retention_ms FROM outbox WHERE id = 1";
/// `Store::newest_ended`: seq → one row `{value}`, null if there is none.
pub const NEWEST_ENDED: &str = "SELECT MAX(ended) AS value FROM requests WHERE seq >= ?";
/// `Store::ended`: low, after, through, limit → `RequestRow`s. They lie close together: the limit ends the reading early.
pub const ENDED: &str = "SELECT * FROM requests WHERE seq >= ? AND ended > ? AND ended <= ? LIMIT ?";
/// `Store::first_untold`: low, through → one row `{value}` or none.
pub const FIRST_UNTOLD: &str = "SELECT seq AS value FROM requests WHERE seq >= ? AND (ended IS NULL OR ended > ?) ORDER BY seq LIMIT 1";
/// Keeps the object's own name with its alarm, for the case that the platform does not tell it then. name →
pub const KEEP_NAME: &str = "INSERT OR IGNORE INTO meta (key, value) VALUES ('name', ?)";
/// The name that was kept: → one row `{value}` or none.
pub const NAME: &str = "SELECT value FROM meta WHERE key = 'name'";
/// `Store::alerts`: → `AlertRow`s, in any order.
pub const ALERTS: &str = "SELECT * FROM alerts";
/// `Store::alarm`: → one row `{value}` or none.
pub const ALARM: &str = "SELECT value FROM meta WHERE key = 'alarm'";
/// `Store::holding`: → one row `{body}`, JSON, or none.
pub const HOLDING: &str = "SELECT body FROM holding WHERE id = 1";
/// `Store::thread`: id → a `ThreadRow` or none.
pub const THREAD: &str = threads!("WHERE id = ?");
/// `Store::threads` without `before`: limit → `ThreadRow`s.
pub const THREADS: &str = threads!("ORDER BY last_message_at DESC, id DESC LIMIT ?");
/// `Store::threads` with `before`: `last_message_at`, id, limit → `ThreadRow`s.
pub const THREADS_BEFORE: &str = threads!("WHERE (last_message_at, id) < (?, ?) ORDER BY last_message_at DESC, id DESC LIMIT ?");
/// `Store::private`: since, calls as a JSON array → rows `{body}`.
pub const PRIVATE: &str = "SELECT body FROM private WHERE at > ? AND EXISTS (\
     SELECT 1 FROM json_each(private.calls) AS its WHERE its.value IN (SELECT value FROM json_each(?))) ORDER BY seq";
/// `Store::private_sizes`: → `PrivateSize`s.
pub const PRIVATE_SIZES: &str = "SELECT seq, at, bytes FROM private ORDER BY seq";
/// `Store::turns`: thread → `TurnRow`s.
pub const TURNS: &str = "SELECT turn, piece, body FROM turns WHERE thread = ? ORDER BY turn, piece";

const INSERT_REQUEST: &str = "INSERT INTO requests (seq, request_id, session_id, thread_id, model, model_served, provider, \
     key_source, rates, at, day, deadline, reserved_input, reserved_output, reserved_micro_usd, max_output, grows_to, status) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const PROGRESS: &str = "UPDATE requests SET input = ?, output = ?, cached_input = ?, cache_write = ?, reasoning = ?, \
     audio_input = ?, audio_output = ?, cache_write_hour = ?, reserved_output = ?, reserved_micro_usd = ? WHERE seq = ? AND status = 'open'";
const SETTLE: &str = "UPDATE requests SET input = ?, output = ?, cached_input = ?, cache_write = ?, reasoning = ?, \
     audio_input = ?, audio_output = ?, cache_write_hour = ?, micro_usd = ?, status = ?, estimated = ?, stored = ?, ended = ?, settled_at = ?, ttft_ms = ?, duration_ms = ? \
     WHERE seq = ? AND status = 'open'";
const REROUTE: &str = "UPDATE requests SET provider = ?, model_served = ?, key_source = ?, rates = ?, reserved_output = ?, \
     reserved_micro_usd = ?, max_output = ?, grows_to = ? WHERE seq = ? AND status = 'open'";
const MARK_STORED: &str = "UPDATE requests SET stored = 1 WHERE seq = ?";
const PUT_DAY: &str = "INSERT OR REPLACE INTO days (provider, model, key_source, day, requests, unpriced, input, output, \
     cached_input, cache_write, reasoning, audio_input, audio_output, micro_usd, through_seq) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const PRUNE_REQUESTS: &str = "DELETE FROM requests WHERE seq <= ?";
const PUT_THREAD: &str = "INSERT OR REPLACE INTO threads (id, title, created_at, last_message_at, messages, bytes, version, born) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const PUT_TURN: &str = "INSERT INTO turns (thread, turn, piece, last_message_at, messages, bytes, body) VALUES (?, ?, ?, ?, ?, ?, ?)";
const TRUNCATE_TURNS: &str = "DELETE FROM turns WHERE thread = ? AND turn >= ?";
const DELETE_TURNS: &str = "DELETE FROM turns WHERE thread = ?";
const DELETE_THREAD: &str = "DELETE FROM threads WHERE id = ?";
const PUT_PRIVATE: &str = "INSERT OR REPLACE INTO private (seq, at, thread, bytes, calls, body) VALUES (?, ?, ?, ?, ?, ?)";
const FORGET_PRIVATE: &str = "DELETE FROM private WHERE seq <= ?";
const FORGET_PRIVATE_OF: &str = "DELETE FROM private WHERE thread = ?";
const PUT_OVERRIDES: &str = "INSERT OR REPLACE INTO overrides (id, limits) VALUES (1, ?)";
const PUT_OUTBOX: &str = "INSERT OR REPLACE INTO outbox (id, epoch, ended, acknowledged, low, retention_ms) VALUES (1, ?, ?, ?, ?, ?)";
const FORGET_ALERTS: &str = "DELETE FROM alerts WHERE budget = ? AND span < ? AND told = 1";
const PUT_ALERT: &str =
    "INSERT OR REPLACE INTO alerts (budget, span, threshold, ceiling, spent, at, resets_at, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const ALERT_TOLD: &str = "UPDATE alerts SET told = 1 WHERE budget = ? AND span = ? AND threshold = ?";
const SET_ALARM: &str = "INSERT OR REPLACE INTO meta (key, value) VALUES ('alarm', ?)";
const CLEAR_ALARM: &str = "DELETE FROM meta WHERE key = 'alarm'";
const PUT_HOLDING: &str = "INSERT OR REPLACE INTO holding (id, body) VALUES (1, ?)";
const ERASE: &[&str] = &[
    "DELETE FROM requests",
    "DELETE FROM holding",
    "DELETE FROM outbox",
    "DELETE FROM alerts",
    "DELETE FROM days",
    "DELETE FROM threads",
    "DELETE FROM turns",
    "DELETE FROM private",
    "DELETE FROM overrides",
    "DELETE FROM meta",
    "DELETE FROM marks",
    "DELETE FROM used_tokens",
    "DELETE FROM token_use",
    minted::ERASE,
];

/// One value to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind<'a> {
    /// Below 2^53.
    Int(u64),
    /// Text.
    Text(Cow<'a, str>),
    /// SQL NULL.
    Null,
}

impl From<u64> for Bind<'_> {
    fn from(n: u64) -> Self {
        Self::Int(n)
    }
}

impl From<Option<u64>> for Bind<'_> {
    fn from(n: Option<u64>) -> Self {
        n.map_or(Self::Null, Self::Int)
    }
}

impl From<bool> for Bind<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(u64::from(flag))
    }
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// A statement and its values, in order.
pub type Statement<'a> = (&'static str, Vec<Bind<'a>>);

/// A write as statements. Run all of a batch in one synchronous transaction. `SetAlarm` and `Erase` also concern the
/// platform's alarm, which is not SQL.
pub fn statements(write: &Write) -> Vec<Statement<'_>> {
    match write {
        Write::InsertRequest(row) => vec![insert_request(row)],
        Write::Progress { seq, usage, reserved_output, reserved_micro_usd } => {
            let mut binds = classes(usage);
            binds.extend([*reserved_output, *reserved_micro_usd, *seq].map(Bind::Int));
            vec![(PROGRESS, binds)]
        }
        Write::Reroute { seq, served, reserved_output, reserved_micro_usd, max_output, grows_to } => {
            let mut binds = served_binds(served);
            binds.extend::<[Bind; 5]>([
                (*reserved_output).into(),
                (*reserved_micro_usd).into(),
                (*max_output).into(),
                (*grows_to).into(),
                (*seq).into(),
            ]);
            vec![(REROUTE, binds)]
        }
        Write::Settle(settlement) => vec![settle(settlement)],
        Write::MarkStored { seq } => vec![(MARK_STORED, vec![(*seq).into()])],
        Write::PutDay(day) => vec![put_day(day)],
        Write::PruneRequests { through } => [PRUNE_REQUESTS, token_schema::PRUNE_USE].map(|sql| (sql, vec![(*through).into()])).into(),
        Write::PutThread(row) => vec![put_thread(row)],
        Write::PutTurn { thread, turn, extent, pieces } => {
            (0u64..).zip(pieces).map(|(piece, body)| put_piece(thread, [*turn, piece], *extent, body)).collect()
        }
        Write::TruncateTurns { thread, from } => vec![(TRUNCATE_TURNS, vec![thread.as_str().into(), (*from).into()])],
        Write::DeleteThread { thread } => {
            [DELETE_TURNS, FORGET_PRIVATE_OF, DELETE_THREAD].map(|sql| (sql, vec![thread.as_str().into()])).into()
        }
        Write::PutPrivate(row) => vec![put_private(row)],
        Write::ForgetPrivate { through } => vec![(FORGET_PRIVATE, vec![(*through).into()])],
        Write::PutOverrides(overrides) => vec![put_overrides(overrides)],
        Write::PutOutbox(row) => {
            let numbers = [row.epoch, row.ended, row.acknowledged, row.low].map(Bind::Int);
            vec![(PUT_OUTBOX, numbers.into_iter().chain([row.retention_ms.into()]).collect())]
        }
        Write::PutAlert(row) => put_alert(row).into(),
        Write::AlertsTold(keys) => keys.iter().map(alert_told).collect(),
        Write::SetAlarm(Some(at)) => vec![(SET_ALARM, vec![(*at).into()])],
        Write::SetAlarm(None) => vec![(CLEAR_ALARM, vec![])],
        Write::PutHolding(holding) => vec![(PUT_HOLDING, vec![Bind::Text(Cow::Owned(holding.body()))])],
        Write::Token(write) => token_schema::statements(write),
        Write::PutMinted(row) => minted::statements(row),
        Write::Erase => ERASE.iter().map(|sql| (*sql, vec![])).collect(),
    }
}

/// Every class of tokens, as rows of requests have them.
fn classes(usage: &TokenUsage) -> Vec<Bind<'static>> {
    let mut binds = usage_binds(usage);
    binds.push(usage.cache_write_hour.into());
    binds
}

/// The same without how long caches keep them, as sums have them.
fn usage_binds(usage: &TokenUsage) -> Vec<Bind<'static>> {
    let TokenUsage { input, output, cached_input, cache_write, reasoning, audio_input, audio_output, .. } = *usage;
    [input, output, cached_input, cache_write, reasoning, audio_input, audio_output].map(Bind::Int).to_vec()
}

fn served_binds(served: &Served) -> Vec<Bind<'_>> {
    let rates = served.rates.map_or(Bind::Null, |rates| Bind::Text(Cow::Owned(rates.into())));
    vec![served.provider.as_str().into(), served.model_served.as_str().into(), served.key_source.name().into(), rates]
}

fn insert_request(row: &RequestRow) -> Statement<'_> {
    let binds = vec![
        row.seq.into(),
        row.request_id.as_str().into(),
        row.session_id.as_str().into(),
        row.thread_id.as_deref().map_or(Bind::Null, Bind::from),
        row.model.as_str().into(),
        row.model_served.as_str().into(),
        row.provider.as_str().into(),
        row.key_source.name().into(),
        row.rates.map_or(Bind::Null, |rates| Bind::Text(Cow::Owned(rates.into()))),
        row.at.into(),
        row.day.into(),
        row.deadline.into(),
        row.reserved_input.into(),
        row.reserved_output.into(),
        row.reserved_micro_usd.into(),
        row.max_output.into(),
        row.grows_to.into(),
        row.status.name().into(),
    ];
    (INSERT_REQUEST, binds)
}

fn settle(settlement: &Settlement) -> Statement<'_> {
    let mut binds = classes(&settlement.usage);
    binds.extend::<[Bind; 9]>([
        settlement.micro_usd.into(),
        settlement.status.name().into(),
        settlement.estimated.into(),
        settlement.stored.into(),
        settlement.ended.into(),
        settlement.settled_at.into(),
        settlement.ttft_ms.into(),
        settlement.duration_ms.into(),
        settlement.seq.into(),
    ]);
    (SETTLE, binds)
}

fn put_day(day: &DayRow) -> Statement<'_> {
    let mut binds: Vec<Bind> = vec![day.provider.as_str().into(), day.model.as_str().into(), day.key_source.name().into()];
    binds.extend([day.day, day.requests, day.unpriced].map(Bind::Int));
    binds.extend(usage_binds(&day.usage()));
    binds.extend([day.micro_usd, day.through_seq].map(Bind::Int));
    (PUT_DAY, binds)
}

fn put_thread(row: &ThreadRow) -> Statement<'_> {
    let mut binds = vec![row.id.as_str().into(), row.title.as_str().into()];
    binds.extend([row.created_at, row.last_message_at, row.messages, row.bytes, row.version, row.born].map(Bind::Int));
    (PUT_THREAD, binds)
}

fn put_piece<'a>(thread: &'a str, numbers: [u64; 2], extent: Extent, body: &'a str) -> Statement<'a> {
    let Extent { last_message_at, messages, bytes } = extent;
    let mut binds = vec![thread.into()];
    binds.extend(numbers.into_iter().chain([last_message_at, messages, bytes]).map(Bind::Int));
    binds.push(body.into());
    (PUT_TURN, binds)
}

fn put_private(row: &PrivateRow) -> Statement<'_> {
    let thread = row.thread.as_deref().map_or(Bind::Null, Bind::from);
    let binds = vec![row.seq.into(), row.at.into(), thread, row.bytes.into(), row.calls.as_str().into(), row.body.as_str().into()];
    (PUT_PRIVATE, binds)
}

/// One text, so that another limit is no other column.
fn put_overrides(overrides: &Overrides) -> Statement<'static> {
    // Plain numbers and names: writing them as JSON does not fail.
    let limits = serde_json::to_string(overrides).unwrap_or_else(|_| "{}".to_owned());
    (PUT_OVERRIDES, vec![Bind::Text(Cow::Owned(limits))])
}

fn put_alert(row: &AlertRow) -> [Statement<'_>; 2] {
    let binds = vec![
        row.budget.name().into(),
        row.span.into(),
        u64::from(row.threshold).into(),
        row.ceiling.min(MAX_SAFE).into(),
        row.spent.min(MAX_SAFE).into(),
        row.at.into(),
        row.resets_at.into(),
        row.told.into(),
    ];
    [(FORGET_ALERTS, vec![row.budget.name().into(), row.span.into()]), (PUT_ALERT, binds)]
}

fn alert_told((budget, span, threshold): &AlertKey) -> Statement<'_> {
    (ALERT_TOLD, vec![budget.name().into(), (*span).into(), u64::from(*threshold).into()])
}
