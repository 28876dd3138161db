//! The audit log of a project: who changed what, when, from where. What of a change may be told, and the SQL that keeps it.
//!
//! Always holds: an entry is written with the change itself or not at all, is never changed, and goes only by age or with the
//! project; it holds names, numbers and paths of settings, never a value that somebody typed in as a secret. Absent on purpose:
//! the platform, reading alone (it changes nothing), and what users do (that is the ledger's).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Command as Change;
use crate::api::parameters::Parameters;
use crate::calendar::DAY_MS;
use crate::error::{Error, Result};
use crate::user::schema::{Bind, Statement};

/// How long entries are kept.
pub const KEPT_MS: u64 = 400 * DAY_MS;
/// A key's use is an entry once in so many seconds.
const KEY_USE_S: u64 = 3_600;
/// The most paths of settings that an entry names.
const MOST_PATHS: usize = 100;
/// The longest text of somebody else's that an entry holds, in characters.
const MOST_CHARS: usize = 200;
/// How many old entries go with a new one.
const PRUNED_AT_ONCE: u64 = 100;

/// Run each when the object starts.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS audit (\
     seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, action TEXT NOT NULL, who TEXT NOT NULL, target TEXT NOT NULL, \
     details TEXT, address TEXT, agent TEXT, request_id TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS key_uses (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
];
/// A page: before, at or after, action or '', the same again, limit → `Row`s.
pub const PAGE: &str = "SELECT * FROM audit WHERE seq < ? AND at >= ? AND (? = '' OR action = ?) ORDER BY seq DESC LIMIT ?";
/// When keys were last used: → `KeyUse`s.
pub const KEY_USES: &str = "SELECT id, at FROM key_uses";
/// When one was: id → one row `{value}` or none.
pub const KEY_USE: &str = "SELECT at AS value FROM key_uses WHERE id = ?";
const APPEND: &str = "INSERT INTO audit (at, action, who, target, details, address, agent, request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
/// Entries are in the order of time, so the first ones say whether there is anything to prune.
const PRUNE: &str = "DELETE FROM audit WHERE seq <= (SELECT MAX(seq) FROM (SELECT seq, at FROM audit ORDER BY seq LIMIT ?) WHERE at < ?)";
const PUT_KEY_USE: &str = "INSERT OR REPLACE INTO key_uses (id, at) VALUES (?, ?)";
const FORGET_KEY: &str = "DELETE FROM key_uses WHERE id = ?";
const WIPE: [&str; 2] = ["DELETE FROM audit", "DELETE FROM key_uses"];

/// Who does something, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// `admin`, `access:<email>`, `key:<id>`.
    pub who: String,
    /// The client's address, as the platform saw it.
    pub address: Option<String>,
    /// What the client calls itself.
    pub agent: Option<String>,
    /// `x-request-id` of the answer.
    pub request_id: String,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Such as `key.create`.
    pub action: String,
    /// The id of what it was done to.
    pub target: String,
    /// More of it that may be told; null if there is nothing more.
    pub details: Value,
}

/// What a project's object can be asked about its log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Something was done elsewhere. Answer: `Noted`.
    Record(Entry, By),
    /// An API key is in use. Answer: `Noted`.
    KeyUsed {
        /// Which.
        id: String,
        /// From where.
        by: By,
    },
    /// When each key was last used. Answer: `KeyUses`.
    KeyUses,
    /// Entries, newest first. Answer: `Page`.
    List(Query),
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is written down.
    Noted,
    /// Uses of keys.
    KeyUses(Vec<KeyUse>),
    /// Entries.
    Page {
        /// Newest first.
        rows: Vec<Row>,
        /// There are older ones.
        has_more: bool,
    },
}

/// When a key was last used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// `key_…`.
    pub id: String,
    /// The beginning of that hour, epoch seconds.
    pub at: u64,
}

/// An entry as it is kept. Field names are column names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "see `Entry` and `By`")]
pub struct Row {
    pub seq: u64,
    /// Epoch ms.
    pub at: u64,
    pub action: String,
    pub who: String,
    pub target: String,
    /// JSON.
    pub details: Option<String>,
    pub address: Option<String>,
    pub agent: Option<String>,
    pub request_id: String,
}

/// Which entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Those with a lower number.
    pub before: u64,
    /// Of this action alone; empty = all.
    pub action: String,
    /// How many at most.
    pub limit: u64,
}

impl By {
    /// With what others wrote cut to a length.
    #[must_use]
    pub fn cut(self) -> Self {
        Self { who: cut(&self.who), address: self.address.as_deref().map(cut), agent: self.agent.as_deref().map(cut), ..self }
    }
}

impl Entry {
    /// Something that was done to `target`.
    pub fn new(action: &str, target: impl Into<String>, details: Value) -> Self {
        Self { action: action.to_owned(), target: target.into(), details }
    }

    /// What is told of a change; `None` for one that is none, or that takes the log with it.
    pub fn of(change: &Change) -> Option<Self> {
        let entry = |action: &str, target: &str, details: Value| Some(Self::new(action, target, details));
        match change {
            Change::Read | Change::Delete => None,
            Change::Create { project } => entry("project.create", &project.id, json!({"name": cut(&project.name), "slug": project.slug})),
            Change::Patch { name, status } => {
                entry("project.update", "project", json!({"name": name.as_deref().map(cut), "status": status}))
            }
            Change::PutSettings { patch } => entry("settings.update", "settings", json!({"changed": changed(patch)})),
            Change::AddKey { info, .. } => {
                let details = json!({"name": cut(&info.name), "capabilities": info.capabilities, "expires_at": info.expires_at});
                entry("key.create", &info.id, details)
            }
            Change::RotateKey { id, info, old_expires_at, .. } => {
                entry("key.rotate", id, json!({"new_id": info.id, "old_expires_at": old_expires_at}))
            }
            Change::DeleteKey { id, .. } => entry("key.delete", id, Value::Null),
            Change::PutProvider { name, config } => entry("provider.put", name, json!({"kind": config.kind})),
            Change::DeleteProvider { name } => entry("provider.delete", name, Value::Null),
            Change::PutSigningKey { key } => entry("signing_key.create", &key.kid, Value::Null),
            Change::DeleteSigningKey { kid } => entry("signing_key.delete", kid, Value::Null),
            Change::PutIssuer { name, .. } => entry("issuer.put", name, Value::Null),
            Change::DeleteIssuer { name } => entry("issuer.delete", name, Value::Null),
            Change::Revoke { target, .. } => entry("revocation.create", &target.name(), Value::Null),
            Change::PutTier { name, .. } => entry("tier.put", name, Value::Null),
            Change::DeleteTier { name } => entry("tier.delete", name, Value::Null),
            Change::PutAlerts { .. } => entry("alerts.put", "alerts", Value::Null),
            Change::DeleteAlerts => entry("alerts.delete", "alerts", Value::Null),
        }
    }

    /// The writes that keep the entry: itself, and what is older than entries live.
    pub fn statements(&self, by: &By, now: u64) -> Vec<Statement<'static>> {
        let by = by.clone().cut();
        let text = |text: String| Bind::Text(text.into());
        let maybe = |value: Option<String>| value.map_or(Bind::Null, text);
        let details = Some(self.details.to_string()).filter(|_| !self.details.is_null());
        let binds = vec![
            now.into(),
            text(self.action.clone()),
            text(by.who),
            text(self.target.clone()),
            maybe(details),
            maybe(by.address),
            maybe(by.agent),
            text(by.request_id),
        ];
        vec![(APPEND, binds), (PRUNE, vec![PRUNED_AT_ONCE.into(), now.saturating_sub(KEPT_MS).into()])]
    }
}

/// The writes beside a change: its entry, and what goes with what it deletes.
pub fn beside(change: &Change, by: Option<&By>, now: u64) -> Vec<Statement<'static>> {
    let mut statements = match (Entry::of(change), by) {
        (Some(entry), Some(by)) => entry.statements(by, now),
        _ => Vec::new(),
    };
    match change {
        Change::Delete => statements.extend(WIPE.map(|sql| (sql, vec![]))),
        Change::DeleteKey { id, .. } => statements.push((FORGET_KEY, vec![Bind::Text(id.clone().into())])),
        _ => {}
    }
    statements
}

/// The writes of a key's use, unless it was used in the same hour before (`last`, epoch seconds).
pub fn key_used(id: &str, by: &By, last: Option<u64>, now: u64) -> Vec<Statement<'static>> {
    let hour = now / 1000 / KEY_USE_S * KEY_USE_S;
    if last.is_some_and(|last| last >= hour) {
        return Vec::new();
    }
    let mut statements = Entry::new("key.use", id, Value::Null).statements(by, now);
    statements.push((PUT_KEY_USE, vec![Bind::Text(id.to_owned().into()), hour.into()]));
    statements
}

impl Query {
    /// Reads `limit`, `before`, `action`.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn parse(parameters: Parameters) -> Result<Self> {
        let limit = parameters.limit(100)?;
        let before = match parameters.get("before").map(str::parse::<u64>) {
            None => (1 << 53) - 1,
            Some(Ok(before)) if before < 1 << 53 => before,
            Some(_) => return Err(Error::invalid("before", "before must be the `seq` of an entry.")),
        };
        let action = parameters.text("action").unwrap_or_default();
        if !action.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_') {
            return Err(Error::invalid("action", "action must be the name of one, such as `key.create`."));
        }
        Ok(Self { before, action, limit })
    }

    /// What [`PAGE`] is bound to: one more than was asked for, which tells whether there are more.
    pub fn binds(&self, now: u64) -> [Bind<'_>; 5] {
        let action = Bind::from(self.action.as_str());
        [self.before.into(), now.saturating_sub(KEPT_MS).into(), action.clone(), action, (self.limit + 1).into()]
    }

    /// The page of what that gave.
    pub fn page(&self, mut rows: Vec<Row>) -> Outcome {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Outcome::Page { rows, has_more }
    }
}

impl Row {
    /// As its owner sees it.
    pub fn view(&self) -> Value {
        let details: Value = self.details.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        json!({
            "object": "audit_entry", "seq": self.seq, "at": self.at / 1000, "action": self.action, "by": self.who, "target": self.target,
            "details": details, "address": self.address, "user_agent": self.agent, "request_id": self.request_id,
        })
    }
}

/// The paths that a merge patch names, without what it sets them to.
fn changed(patch: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    let mut open = vec![(String::new(), patch)];
    while let Some((path, value)) = open.pop() {
        match value.as_object().filter(|fields| !fields.is_empty()) {
            Some(fields) => {
                let name = |name: &str| if path.is_empty() { cut(name) } else { format!("{path}.{}", cut(name)) };
                open.extend(fields.iter().rev().map(|(field, value)| (name(field), value)));
            }
            None if paths.len() == MOST_PATHS => break,
            None => paths.push(path),
        }
    }
    paths
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by() -> By {
        By { who: "admin".into(), address: Some("192.0.2.1".into()), agent: Some("x".repeat(999)), request_id: "req_1".into() }
    }

    #[test]
    fn a_patch_is_told_by_its_paths_alone() {
        let patch = json!({"limits": {"user_rpm": 7, "user_usd_per_day": null}, "system_prompt": "secret", "routing": {"aliases": {"a": "b"}}, "prices": {}});
        let entry = Entry::of(&Change::PutSettings { patch }).unwrap();
        let paths = ["limits.user_rpm", "limits.user_usd_per_day", "prices", "routing.aliases.a", "system_prompt"];
        assert_eq!(entry.details["changed"], json!(paths));
        let many: Value = (0..500).map(|n| (n.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
        assert_eq!(changed(&many).len(), MOST_PATHS);
    }

    #[test]
    fn reading_is_no_entry_and_deleting_takes_the_log_with_it() {
        assert!(beside(&Change::Read, Some(&by()), 1).is_empty());
        let deleted: Vec<&str> = beside(&Change::Delete, Some(&by()), 1).iter().map(|(sql, _)| *sql).collect();
        assert_eq!(deleted, WIPE);
        let key = beside(&Change::DeleteKey { id: "key_1".into(), void: None }, Some(&by()), 1);
        assert_eq!(key.iter().map(|(sql, _)| *sql).collect::<Vec<_>>(), [APPEND, PRUNE, FORGET_KEY]);
    }

    #[test]
    fn what_others_wrote_is_cut() {
        let (_, binds) = Entry::new("key.delete", "key_1", Value::Null).statements(&by(), 5).remove(0);
        assert_eq!(binds[6], Bind::Text("x".repeat(200).into()));
        assert_eq!((&binds[0], &binds[4]), (&Bind::Int(5), &Bind::Null));
    }

    #[test]
    fn a_use_is_told_once_an_hour() {
        let now = 7_205_000;
        assert_eq!(key_used("key_1", &by(), Some(7_200), now).len(), 0);
        let statements = key_used("key_1", &by(), Some(3_600), now);
        assert_eq!(statements.last().unwrap().1, [Bind::Text("key_1".into()), Bind::Int(7_200)]);
        assert_eq!(key_used("key_1", &by(), None, now).len(), 3);
    }

    #[test]
    fn questions_are_checked() {
        let ask = |name: &str, value: &str| Query::parse(Parameters(&[(name.to_owned(), value.to_owned())]));
        for (name, value) in [("limit", "0"), ("limit", "1001"), ("before", "x"), ("before", "-1"), ("action", "Key create")] {
            let error = ask(name, value).unwrap_err();
            assert!(error.body().contains(&format!(r#""param":"{name}""#)), "{}", error.body());
        }
        assert_eq!(ask("action", "key.create").unwrap(), Query { before: (1 << 53) - 1, action: "key.create".into(), limit: 100 });
    }
}
