//! One project's state: its snapshot, and the KV writes that carry a change to the isolates.
//!
//! Always holds: a change is kept together with the KV writes it causes (an outbox), so a crash between the two
//! loses neither; changes are applied one at a time. Absent on purpose: secrets in the clear, I/O, time.

pub mod audit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alert::settings::AlertSettings;
use crate::auth::api_key::StoredKey;
use crate::auth::marks::{Marks, Target};
use crate::auth::mint::is_tier_name;
use crate::auth::token::Via;
use crate::config::tier::{self, Tier, Tiers};
use crate::config::{
    Issuer, KeyInfo, Project, ProviderConfig, SNAPSHOT_VERSION, Settings, SigningKey, Snapshot, Status, key_kv_name, patch,
};
use crate::error::{Code, Error, Result};

/// Most keys and providers of a project: the snapshot is read on cold starts and must stay small.
const MAX_ENTRIES: usize = 200;

/// What the Project object keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// `None` before creation and after deletion.
    pub snapshot: Option<Snapshot>,
    /// KV writes not yet done, by name; `None` deletes.
    pub outbox: BTreeMap<String, Option<String>>,
}

/// What can be asked of a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it; the fields are the contract's")]
pub enum Command {
    Create { project: Project },
    Read,
    Patch { name: Option<String>, status: Option<Status> },
    PutSettings { patch: Value },
    AddKey { info: KeyInfo, stored: StoredKey },
    RotateKey { id: String, info: KeyInfo, stored: StoredKey, old_expires_at: u64 },
    DeleteKey { id: String, void: Option<Void> },
    Revoke { target: Target, void: Void },
    PutProvider { name: String, config: Box<ProviderConfig> },
    DeleteProvider { name: String },
    PutSigningKey { key: Box<SigningKey> },
    DeleteSigningKey { kid: String },
    PutIssuer { name: String, issuer: Box<Issuer> },
    DeleteIssuer { name: String },
    PutTier { name: String, tier: Box<Tier> },
    DeleteTier { name: String },
    PutAlerts { settings: Box<AlertSettings> },
    DeleteAlerts,
    Delete,
}

/// Which tokens are void: those made up to a second. Epoch seconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Void {
    /// The last one.
    pub issued: u64,
    /// Now.
    pub now: u64,
}

impl State {
    /// Applies a command to a copy and gives the state to keep and the snapshot after it.
    ///
    /// # Errors
    /// 404 for what is not there, 409 for what is already, 400 for bad settings. The state is then unchanged.
    pub fn apply(&self, command: Command) -> Result<(Self, Snapshot)> {
        let mut next = self.clone();
        if let Command::Create { project } = command {
            return next.create(project);
        }
        let mut snapshot = next.snapshot.take().ok_or_else(|| not_found("project"))?;
        let delete = matches!(command, Command::Delete);
        if matches!(command, Command::Read) {
            return Ok((self.clone(), snapshot));
        }
        next.change(&mut snapshot, command)?;
        snapshot.version += 1;
        if delete {
            next.remove_all(&snapshot);
            return Ok((next, snapshot));
        }
        next.publish(&snapshot)?;
        next.snapshot = Some(snapshot.clone());
        Ok((next, snapshot))
    }

    fn create(mut self, project: Project) -> Result<(Self, Snapshot)> {
        if self.snapshot.is_some() {
            return Err(Error::new(Code::Conflict, "The project exists already."));
        }
        let snapshot = Snapshot {
            v: SNAPSHOT_VERSION,
            version: 1,
            project,
            settings: Settings::default(),
            providers: BTreeMap::new(),
            tiers: BTreeMap::new(),
            alerts: None,
            keys: BTreeMap::new(),
            signing_keys: BTreeMap::new(),
            issuers: BTreeMap::new(),
            marks: Marks::default(),
        };
        self.publish(&snapshot)?;
        self.snapshot = Some(snapshot.clone());
        Ok((self, snapshot))
    }

    fn change(&mut self, snapshot: &mut Snapshot, command: Command) -> Result<()> {
        match command {
            Command::Create { .. } | Command::Read | Command::Delete => {}
            Command::Patch { name, status } => {
                snapshot.project.name = name.unwrap_or_else(|| snapshot.project.name.clone());
                snapshot.project.status = status.unwrap_or(snapshot.project.status);
            }
            Command::PutSettings { patch } => snapshot.settings = merged(&snapshot.settings, patch)?,
            Command::AddKey { info, stored } => self.add_key(snapshot, info, &stored)?,
            Command::RotateKey { id, info, stored, old_expires_at } => {
                let old = snapshot.keys.get_mut(&id).ok_or_else(|| not_found("API key"))?;
                old.expires_at = Some(old.expires_at.map_or(old_expires_at, |at| at.min(old_expires_at)));
                self.add_key(snapshot, info, &stored)?;
            }
            Command::Revoke { target, void: Void { issued, now } } => snapshot.marks.add(&target, issued, now)?,
            Command::DeleteKey { id, void } => {
                let key = snapshot.keys.remove(&id).ok_or_else(|| not_found("API key"))?;
                if let Some(Void { issued, now }) = void {
                    snapshot.marks.add(&Target::Via(Via::Key(id)), issued, now)?;
                }
                self.outbox.insert(key_kv_name(&key.index), None);
            }
            Command::PutProvider { name, config } => {
                if snapshot.providers.len() >= MAX_ENTRIES && !snapshot.providers.contains_key(&name) {
                    return Err(full("providers"));
                }
                snapshot.providers.insert(name, *config);
            }
            Command::DeleteProvider { name } => {
                snapshot.providers.remove(&name).ok_or_else(|| not_found("provider"))?;
            }
            Command::PutSigningKey { key } => put_signing_key(snapshot, *key)?,
            Command::DeleteSigningKey { kid } => {
                snapshot.signing_keys.remove(&kid).ok_or_else(|| not_found("signing key"))?;
            }
            Command::PutIssuer { name, issuer } => {
                if snapshot.issuers.len() >= MAX_ENTRIES && !snapshot.issuers.contains_key(&name) {
                    return Err(full("issuers"));
                }
                snapshot.issuers.insert(name, Issuer { revision: snapshot.version + 1, ..*issuer });
            }
            Command::DeleteIssuer { name } => {
                snapshot.issuers.remove(&name).ok_or_else(|| not_found("issuer"))?;
            }
            Command::PutAlerts { settings } => snapshot.alerts = Some(*settings),
            Command::DeleteAlerts => drop(snapshot.alerts.take().ok_or_else(|| not_found("alerts"))?),
            Command::PutTier { name, tier } => put_tier(&mut snapshot.tiers, name, *tier)?,
            Command::DeleteTier { name } => {
                snapshot.tiers.remove(&name).ok_or_else(|| not_found("tier of the project's own"))?;
            }
        }
        Ok(())
    }

    fn add_key(&mut self, snapshot: &mut Snapshot, info: KeyInfo, stored: &StoredKey) -> Result<()> {
        if snapshot.keys.len() >= MAX_ENTRIES {
            return Err(full("API keys"));
        }
        self.outbox.insert(key_kv_name(&info.index), Some(json(stored)?));
        snapshot.keys.insert(info.id.clone(), info);
        Ok(())
    }

    fn publish(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.outbox.insert(Snapshot::kv_name(&snapshot.project.id), Some(json(snapshot)?));
        Ok(())
    }

    fn remove_all(&mut self, snapshot: &Snapshot) {
        self.outbox.insert(Snapshot::kv_name(&snapshot.project.id), None);
        for key in snapshot.keys.values() {
            self.outbox.insert(key_kv_name(&key.index), None);
        }
    }
}

fn put_signing_key(snapshot: &mut Snapshot, key: SigningKey) -> Result<()> {
    if snapshot.signing_keys.contains_key(&key.kid) {
        return Err(Error::new(Code::Conflict, "The project has a signing key of this kid already. Delete it first.").with_param("kid"));
    }
    if snapshot.signing_keys.len() >= MAX_ENTRIES {
        return Err(full("signing keys"));
    }
    snapshot.signing_keys.insert(key.kid.clone(), SigningKey { revision: snapshot.version + 1, ..key });
    Ok(())
}

fn put_tier(tiers: &mut Tiers, name: String, tier: Tier) -> Result<()> {
    if !is_tier_name(&name) {
        return Err(Error::invalid("name", "A tier's name has 1 to 64 letters, digits, - or _."));
    }
    let own = tiers.keys().filter(|name| !tier::is_built_in(name)).count();
    if own >= tier::MAX_OWN && !tiers.contains_key(&name) && !tier::is_built_in(&name) {
        return Err(Error::new(Code::Conflict, format!("The project has {own} tiers of its own, which is the most. Delete one first.")));
    }
    tiers.insert(name, tier);
    Ok(())
}

fn merged(settings: &Settings, patch: Value) -> Result<Settings> {
    let mut value = serde_json::to_value(settings).map_err(|e| Error::server(e.to_string()))?;
    check_groups(&value, &patch, "")?;
    patch::merge(&mut value, patch);
    Settings::from_value(value)
}

/// Where the settings have a group, the patch must have one too: serde would read an array as a group, field by field.
fn check_groups(settings: &Value, changes: &Value, path: &str) -> Result<()> {
    let Some(groups) = settings.as_object() else { return Ok(()) };
    let Some(changes) = changes.as_object() else {
        let name = if path.is_empty() { "settings" } else { path };
        return Err(Error::invalid(name, format!("{name}: must be an object.")));
    };
    for (name, change) in changes.iter().filter(|(_, change)| !change.is_null()) {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        check_groups(groups.get(name).unwrap_or(&Value::Null), change, &inner)?;
    }
    Ok(())
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::server(e.to_string()))
}

fn not_found(what: &str) -> Error {
    Error::new(Code::NotFound, format!("There is no such {what}."))
}

fn full(what: &str) -> Error {
    Error::new(Code::Conflict, format!("The project has {MAX_ENTRIES} {what}, which is the most. Delete one first."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn project() -> Project {
        Project { id: "proj_1".into(), tenant_id: "t".into(), slug: "s".into(), name: "n".into(), status: Status::Active, created_at: 1 }
    }

    fn created() -> State {
        State::default().apply(Command::Create { project: project() }).unwrap().0
    }

    fn key(id: &str) -> (KeyInfo, StoredKey) {
        let hash = crate::auth::api_key::KeyHash { kid: "k1".into(), salt: String::new(), hash: String::new(), m: 1, t: 1 };
        let info = KeyInfo {
            id: id.into(),
            name: String::new(),
            last4: String::new(),
            capabilities: vec![],
            created_at: 0,
            expires_at: None,
            index: format!("ix-{id}"),
        };
        (info, StoredKey { v: 1, project_id: "proj_1".into(), key_id: id.into(), hash })
    }

    #[test]
    fn every_change_reaches_the_outbox() {
        let (info, stored) = key("a");
        let (state, _) = created().apply(Command::AddKey { info, stored }).unwrap();
        assert_eq!(state.outbox.keys().collect::<Vec<_>>(), ["key:ix-a", "project:proj_1"]);
        let (state, _) = state.apply(Command::DeleteKey { id: "a".into(), void: None }).unwrap();
        assert_eq!(state.outbox["key:ix-a"], None);
        let (state, _) = state.apply(Command::Delete).unwrap();
        assert_eq!((&state.outbox["project:proj_1"], state.snapshot.is_none()), (&None, true));
        assert_eq!(state.apply(Command::Read).unwrap_err().status(), 404);
    }

    #[test]
    fn ten_tiers_of_ones_own_beside_the_built_in_ones() {
        let put = |state: &State, name: &str| {
            let tier = Box::new(Tier::from_value(json!({"limits": {"user_rpm": 30}})).unwrap());
            state.apply(Command::PutTier { name: name.into(), tier })
        };
        let mut state = created();
        for n in 0..10 {
            state = put(&state, &format!("tier-{n}")).unwrap().0;
        }
        assert_eq!(put(&state, "one-more").unwrap_err().status(), 409);
        assert_eq!(put(&state, "a b").unwrap_err().status(), 400);
        state = put(&put(&state, "free").unwrap().0, "tier-3").unwrap().0;
        let (state, snapshot) = state.apply(Command::DeleteTier { name: "tier-3".into() }).unwrap();
        assert_eq!(snapshot.tiers.len(), 10);
        assert_eq!(state.apply(Command::DeleteTier { name: "tier-3".into() }).unwrap_err().status(), 404);
        put(&state, "one-more").unwrap();
    }

    #[test]
    fn rotation_leaves_the_old_key_its_overlap() {
        let (info, stored) = key("a");
        let (state, _) = created().apply(Command::AddKey { info, stored }).unwrap();
        let (info, stored) = key("b");
        let (state, _) = state.apply(Command::RotateKey { id: "a".into(), info, stored, old_expires_at: 50 }).unwrap();
        let keys = &state.snapshot.unwrap().keys;
        assert_eq!((keys["a"].expires_at, keys["b"].expires_at), (Some(50), None));
    }

    fn rpm(snapshot: &Snapshot) -> u64 {
        crate::config::limits::Named::of(&snapshot.settings.limits, &snapshot.tiers, None)
            .limits(crate::zone::Zone::UTC)
            .requests_per_minute
            .unwrap()
    }

    #[test]
    fn settings_are_patched_and_checked_by_path() {
        let put = |state: &State, patch: Value| state.apply(Command::PutSettings { patch });
        let (state, snapshot) = put(&created(), json!({"limits": {"user_rpm": 7}, "default_model": "x"})).unwrap();
        assert_eq!((rpm(&snapshot), snapshot.settings.default_model.as_deref()), (7, Some("x")));
        let (_, snapshot) = put(&state, json!({"limits": {"user_rpm": null}})).unwrap();
        assert_eq!((rpm(&snapshot), snapshot.settings.default_model.as_deref()), (6, Some("x")));
        let many: Value = (0..201).map(|n| (format!("m{n}"), json!({"input": 1}))).collect::<serde_json::Map<_, _>>().into();
        for (param, patch) in [
            ("limits.user_rpm", json!({"limits": {"user_rpm": 0}})),
            ("limits.user_rpm", json!({"limits": {"user_rpm": "7"}})),
            ("limits.user_rpm", json!({"limits": {"user_rpm": 1.5}})),
            ("limits.user_usd_per_day", json!({"limits": {"user_usd_per_day": -1}})),
            ("limits.user_tokens_per_day", json!({"limits": {"user_tokens_per_day": 9_007_199_254_740_993_u64}})),
            ("token.default_ttl", json!({"token": {"default_ttl": 10}})),
            ("routing.timeout_ms", json!({"routing": {"timeout_ms": 1}})),
            ("retention_days", json!({"retention_days": 3_651})),
            ("retention_days", json!({"retention_days": 0})),
            ("routing.retries", json!({"routing": {"retries": 6}})),
            ("allowed_origins", json!({"allowed_origins": ["not an origin"]})),
            ("guardrails.pii.mode", json!({"guardrails": {"pii": {"mode": "block"}}})),
            ("default_model", json!({"default_model": ""})),
            ("limits.project_concurrency", json!({"limits": {"project_concurrency": 0}})),
            ("limits.project_requests_per_day", json!({"limits": {"project_requests_per_day": -1}})),
            ("limits.project_tokens_per_month", json!({"limits": {"project_tokens_per_month": "1"}})),
            ("limits.project_usd_per_month", json!({"limits": {"project_usd_per_month": 0}})),
            ("time_zone", json!({"time_zone": "+02:00"})),
            ("time_zone", json!({"time_zone": 2})),
            ("unknown_models", json!({"unknown_models": "warn"})),
            ("prices", json!({"prices": []})),
            ("prices", json!({"prices": many})),
            ("prices.gpt-5", json!({"prices": {"gpt-5": {}}})),
            ("prices.gpt-5", json!({"prices": {"gpt-5": {"cached_input": 1}}})),
            ("prices.gpt-5", json!({"prices": {"gpt-5": 5}})),
            ("prices.gpt-5", json!({"prices": {"gpt-5": [1, 2]}})),
            ("prices.gpt-5.input", json!({"prices": {"gpt-5": {"input": -1}}})),
            ("prices.gpt-5.output", json!({"prices": {"gpt-5": {"output": "1"}}})),
            ("prices.gpt-5.color", json!({"prices": {"gpt-5": {"input": 1, "color": 1}}})),
            ("prices.g*5", json!({"prices": {"g*5": {"input": 1}}})),
            ("prices.", json!({"prices": {"": {"input": 1}}})),
            ("settings", json!([1])),
            ("limits", json!({"limits": []})),
            ("token", json!({"token": [900, 900]})),
            ("guardrails.pii", json!({"guardrails": {"pii": ["disabled"]}})),
            ("routing.aliases", json!({"routing": {"aliases": [["a", "b"]]}})),
        ] {
            let error = put(&state, patch.clone()).unwrap_err();
            let body: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &body["error"]["param"]), (400, &json!(param)), "{patch} → {body}");
        }
        assert!(put(&state, json!({"nope": 1})).unwrap_err().message().contains("nope"));
    }
}
