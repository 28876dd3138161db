//! The admin routes: projects, settings, API keys, providers; the rest is `tiers`, `users` and `ledger`. Contract section 9.
//!
//! Always holds: secrets are hashed or sealed here, before they reach an object; answers show the last four only.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::api_key::{self, StoredKey};
use crate::auth::mint::MINT_ADMIN;
use crate::auth::server_key;
use crate::config::provider::Sealing;
use crate::config::zone;
use crate::config::{DEFAULT_TENANT, KeyInfo, Project, ProviderConfig, Snapshot, Status};
use crate::directory;
use crate::edge::answer::Answer;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::{
    access_token, alerts, api_keys, audit, clock, issuers, ledger, objects, random, revocations, signing_keys, snapshots, tiers, users,
    zones,
};
use crate::error::{Code, Error, Result};
use crate::project::{Command, Void};
use crate::route::Route;

/// The longest overlap of a rotated key, in seconds: 30 days.
const MAX_OVERLAP_S: u64 = 30 * 86_400;
/// For so long after its deletion a key may still mint somewhere, in seconds: isolates and KV remember for a while. Amply.
const KEY_LIVES_ON_S: u64 = 300;
/// What a key may do unless it is said.
const DEFAULT_CAPABILITIES: [&str; 1] = ["mint"];
/// What a key may be given.
const CAPABILITIES: [&str; 3] = ["mint", MINT_ADMIN, server_key::CAPABILITY];

/// Serves an admin route.
pub async fn serve(inbound: &mut Inbound, deployment: &Deployment, route: Route) -> Result<Answer> {
    match route {
        Route::CreateProject => create_project(inbound).await,
        Route::ListProjects => list_projects(inbound).await,
        Route::Project { id } => Ok(Answer::json(200, &view(&ask(inbound, &id, &Command::Read).await?.project))),
        Route::PatchProject { id } => patch_project(inbound, &id).await,
        Route::DeleteProject { id } => delete_project(inbound, &id).await,
        Route::Settings { id } => settings(&ask(inbound, &id, &Command::Read).await?),
        Route::PutSettings { id } => {
            let patch = inbound.json::<Value>().await?;
            zone::check(&patch, zones::knows)?;
            settings(&ask(inbound, &id, &Command::PutSettings { patch }).await?)
        }
        Route::CreateKey { id } => create_key(inbound, deployment, &id).await,
        Route::ListKeys { id } => {
            let snapshot = ask(inbound, &id, &Command::Read).await?;
            let uses = audit::key_uses(inbound, &id).await?;
            let used_at = |id: &str| uses.iter().find(|each| each.id == id).map(|each| each.at);
            Ok(list(&snapshot.keys.values().map(|info| key_view(info, used_at(&info.id))).collect::<Vec<_>>()))
        }
        Route::RotateKey { id, key } => rotate_key(inbound, deployment, &id, &key).await,
        Route::DeleteKey { id, key } => {
            let void = revokes(inbound)?;
            ask(inbound, &id, &Command::DeleteKey { id: key, void }).await?;
            Ok(Answer::empty(204))
        }
        Route::ListProviders { id } => {
            let snapshot = ask(inbound, &id, &Command::Read).await?;
            Ok(list(&snapshot.providers.iter().map(|(name, config)| config.view(name)).collect::<Vec<_>>()))
        }
        Route::Provider { id, name } => {
            let snapshot = ask(inbound, &id, &Command::Read).await?;
            let config = snapshot.providers.get(&name).ok_or_else(|| Error::new(Code::NotFound, "There is no such provider."))?;
            Ok(Answer::json(200, &config.view(&name)))
        }
        Route::PutProvider { id, name } => put_provider(inbound, deployment, &id, name).await,
        Route::DeleteProvider { id, name } => {
            ask(inbound, &id, &Command::DeleteProvider { name }).await?;
            Ok(Answer::empty(204))
        }
        Route::ProjectUsage { id } => ledger::usage(inbound, &id).await,
        Route::ProjectRequests { id } => ledger::requests(inbound, &id).await,
        Route::EraseUser { id, uid } => ledger::erase(inbound, &id, &uid).await,
        Route::UserLimits { .. } | Route::PutUserLimits { .. } | Route::DeleteUserLimits { .. } => users::serve(inbound, route).await,
        route @ (Route::Alerts { .. } | Route::PutAlerts { .. } | Route::DeleteAlerts { .. }) => {
            alerts::serve(inbound, deployment, route).await
        }
        Route::CreateSigningKey { .. } | Route::ListSigningKeys { .. } | Route::DeleteSigningKey { .. } => {
            signing_keys::serve(inbound, deployment, route).await
        }
        Route::ListIssuers { .. } | Route::Issuer { .. } | Route::PutIssuer { .. } | Route::DeleteIssuer { .. } => {
            issuers::serve(inbound, deployment, route).await
        }
        Route::Revoke { .. } => revocations::serve(inbound, deployment, route).await,
        Route::Audit { .. } => audit::serve(inbound, route).await,
        route => tiers::serve(inbound, route).await,
    }
}

/// Asks the project's object; its new state is known here at once.
pub(super) async fn ask(inbound: &Inbound, id: &str, command: &Command) -> Result<Snapshot> {
    check_id(id)?;
    let by = audit::by(inbound, inbound.actor.clone());
    let snapshot = objects::change(&inbound.env, id, command, Some(by)).await?;
    match command {
        Command::Read => {}
        Command::Delete => snapshots::forget(id),
        _ => drop(snapshots::remember(snapshot.clone())),
    }
    Ok(snapshot)
}

/// Ids are ours: a made-up one must not make an object.
pub(super) fn check_id(id: &str) -> Result<()> {
    let ours = id.strip_prefix("proj_").is_some_and(|rest| rest.len() == 24 && rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if ours { Ok(()) } else { Err(Error::new(Code::NotFound, "There is no such project.")) }
}

fn view(project: &Project) -> Value {
    json!({"object": "project", "id": project.id, "tenant_id": project.tenant_id, "slug": project.slug, "name": project.name, "status": project.status, "created_at": project.created_at})
}

pub(super) fn list(data: &[Value]) -> Answer {
    Answer::json(200, &json!({"object": "list", "data": data, "has_more": false}))
}

fn settings(snapshot: &Snapshot) -> Result<Answer> {
    let value = serde_json::to_value(&snapshot.settings).map_err(|e| Error::server(e.to_string()))?;
    Ok(Answer::json(200, &value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProject {
    name: String,
    #[serde(default)]
    slug: Option<String>,
    #[serde(default)]
    tenant_id: Option<String>,
}

async fn create_project(inbound: &mut Inbound) -> Result<Answer> {
    let body = inbound.json::<NewProject>().await?;
    check_name("name", &body.name)?;
    if body.tenant_id.as_deref().is_some_and(|tenant| tenant != DEFAULT_TENANT && tenant != "default") {
        return Err(Error::invalid("tenant_id", format!("tenant_id: this deployment has one tenant, `{DEFAULT_TENANT}`.")));
    }
    let id = random::id("proj_")?;
    let slug = match body.slug {
        Some(slug) => slug,
        None => format!("project-{}", id.get(5..13).unwrap_or_default()),
    };
    check_slug(&slug)?;
    let project = Project {
        id: id.clone(),
        tenant_id: DEFAULT_TENANT.to_owned(),
        slug,
        name: body.name,
        status: Status::Active,
        created_at: clock::now_s(),
    };
    objects::directory(&inbound.env, &directory::Command::Put(project.clone())).await?;
    let created = ask(inbound, &id, &Command::Create { project }).await;
    if created.is_err() {
        // The slug must not stay taken by a project that never came to be.
        objects::directory(&inbound.env, &directory::Command::Remove { id }).await?;
    }
    Ok(Answer::json(201, &view(&created?.project)))
}

fn check_name(field: &str, name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(Error::invalid(field, format!("{field} must have 1 to 200 characters and no control characters.")));
    }
    Ok(())
}

fn check_slug(slug: &str) -> Result<()> {
    let inner = slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if inner && (1..=63).contains(&slug.len()) && !slug.starts_with('-') && !slug.ends_with('-') {
        return Ok(());
    }
    Err(Error::invalid("slug", "slug must have 1 to 63 lower-case letters, digits or dashes, and no dash at its ends."))
}

async fn list_projects(inbound: &Inbound) -> Result<Answer> {
    let limit = match inbound.parameter("limit").map(str::parse::<usize>) {
        None => 100,
        Some(Ok(limit @ 1..=100)) => limit,
        Some(_) => return Err(Error::invalid("limit", "limit must be a whole number from 1 to 100.")),
    };
    let after = inbound.parameter("after").map(str::to_owned);
    let page = objects::directory(&inbound.env, &directory::Command::List { after, limit }).await?;
    let data: Vec<Value> = page.data.iter().map(view).collect();
    Ok(Answer::json(200, &json!({"object": "list", "data": data, "has_more": page.has_more})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectPatch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    status: Option<Status>,
}

async fn patch_project(inbound: &mut Inbound, id: &str) -> Result<Answer> {
    let patch = inbound.json::<ProjectPatch>().await?;
    if let Some(name) = &patch.name {
        check_name("name", name)?;
    }
    let snapshot = ask(inbound, id, &Command::Patch { name: patch.name, status: patch.status }).await?;
    objects::directory(&inbound.env, &directory::Command::Put(snapshot.project.clone())).await?;
    Ok(Answer::json(200, &view(&snapshot.project)))
}

async fn delete_project(inbound: &Inbound, id: &str) -> Result<Answer> {
    ask(inbound, id, &Command::Delete).await?;
    objects::directory(&inbound.env, &directory::Command::Remove { id: id.to_owned() }).await?;
    Ok(Answer::empty(204))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    #[serde(default)]
    name: String,
    #[serde(default)]
    capabilities: Option<Vec<String>>,
    #[serde(default)]
    expires_at: Option<u64>,
}

fn key_view(info: &KeyInfo, last_used_at: Option<u64>) -> Value {
    json!({"object": "api_key", "id": info.id, "name": info.name, "last4": info.last4, "capabilities": info.capabilities, "created_at": info.created_at, "expires_at": info.expires_at, "last_used_at": last_used_at})
}

/// A key that was just made: the text that is shown once, and what is kept.
struct FreshKey {
    text: String,
    info: KeyInfo,
    stored: StoredKey,
}

fn fresh_key(deployment: &Deployment, project_id: &str, body: NewKey) -> Result<FreshKey> {
    if body.name.chars().count() > 200 || body.name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "name must have at most 200 characters and no control characters."));
    }
    let capabilities = body.capabilities.unwrap_or_else(|| DEFAULT_CAPABILITIES.map(str::to_owned).to_vec());
    if let Some(unknown) = capabilities.iter().find(|c| !CAPABILITIES.contains(&c.as_str())) {
        let message =
            format!("capabilities: `{}` is not one of {}.", unknown.chars().take(50).collect::<String>(), CAPABILITIES.join(", "));
        return Err(Error::invalid("capabilities", message));
    }
    let now = clock::now_s();
    if body.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("expires_at", "expires_at must be a time to come, in epoch seconds."));
    }
    let text = api_key::generate(random::bytes()?);
    let id = random::id("key_")?;
    let stored = StoredKey {
        v: 1,
        project_id: project_id.to_owned(),
        key_id: id.clone(),
        hash: api_key::hash(&deployment.masters, &text, random::bytes()?)?,
    };
    let info = KeyInfo {
        id,
        name: body.name,
        last4: api_key::last4(&text).to_owned(),
        capabilities,
        created_at: now,
        expires_at: body.expires_at,
        index: api_key::index(&text),
    };
    Ok(FreshKey { text, info, stored })
}

fn show_once(deployment: &Deployment, fresh: FreshKey) -> Answer {
    if let Some(cache_key) = api_key::cache_key(&deployment.masters, &fresh.text) {
        api_keys::remember(cache_key, Rc::new(fresh.stored));
    }
    let mut view = key_view(&fresh.info, None);
    if let Some(fields) = view.as_object_mut() {
        fields.insert("key".to_owned(), Value::String(fresh.text));
    }
    Answer::json(201, &view)
}

async fn create_key(inbound: &mut Inbound, deployment: &Deployment, id: &str) -> Result<Answer> {
    let body = inbound.json::<NewKey>().await?;
    let fresh = fresh_key(deployment, id, body)?;
    ask(inbound, id, &Command::AddKey { info: fresh.info.clone(), stored: fresh.stored.clone() }).await?;
    Ok(show_once(deployment, fresh))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    overlap_seconds: u64,
}

/// What is void of a key that is deleted with `?revoke_tokens=true`. Isolates that have not heard yet may mint with it for a while.
fn revokes(inbound: &Inbound) -> Result<Option<Void>> {
    let now = clock::now_s();
    match inbound.parameter("revoke_tokens") {
        None | Some("false") => Ok(None),
        Some("true") => Ok(Some(Void { issued: now + KEY_LIVES_ON_S, now })),
        Some(_) => Err(Error::invalid("revoke_tokens", "revoke_tokens must be `true` or `false`.")),
    }
}

async fn rotate_key(inbound: &mut Inbound, deployment: &Deployment, id: &str, key: &str) -> Result<Answer> {
    let rotation = inbound.json_or_default::<Rotation>().await?;
    if rotation.overlap_seconds > MAX_OVERLAP_S {
        return Err(Error::invalid("overlap_seconds", format!("overlap_seconds must be at most {MAX_OVERLAP_S}.")));
    }
    let snapshot = ask(inbound, id, &Command::Read).await?;
    let old = snapshot.keys.get(key).ok_or_else(|| Error::new(Code::NotFound, "There is no such API key."))?;
    let body = NewKey { name: old.name.clone(), capabilities: Some(old.capabilities.clone()), expires_at: None };
    let fresh = fresh_key(deployment, id, body)?;
    let command = Command::RotateKey {
        id: key.to_owned(),
        info: fresh.info.clone(),
        stored: fresh.stored.clone(),
        old_expires_at: clock::now_s() + rotation.overlap_seconds,
    };
    ask(inbound, id, &command).await?;
    Ok(show_once(deployment, fresh))
}

async fn put_provider(inbound: &mut Inbound, deployment: &Deployment, id: &str, name: String) -> Result<Answer> {
    let body = inbound.body(MAX_SMALL_BODY).await?;
    let sealing =
        Sealing { masters: &deployment.masters, nonce: random::bytes()?, allow_private: deployment.allow_private, now_s: clock::now_s() };
    let config = ProviderConfig::parse(&body, id, &name, &sealing)?;
    access_token::check(&config.target(&deployment.masters, id, &name, "")?).await?;
    let view = config.view(&name);
    ask(inbound, id, &Command::PutProvider { name, config: Box::new(config) }).await?;
    Ok(Answer::json(200, &view))
}
