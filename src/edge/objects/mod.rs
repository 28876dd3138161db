//! The Durable Objects and the one way to call them.
//!
//! Always holds: every call has a deadline (a panicking object answers nothing for many seconds); a command and its
//! outcome are JSON; an object's error arrives as the error it was. An object is asked by its method `ask`, which `entry.js` lets
//! through to the `ask` of its class here: a call costs half of what a `fetch` does (docs/adr/0019).

mod address;
mod audit_store;
mod carry;
mod deliveries;
mod directory;
mod document;
mod lease_store;
mod leases;
mod parcel;
mod project;
mod rollup_store;
mod sql;
mod user;
mod user_store;

pub use carry::pull;

use js_sys::Promise;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use worker::{Env, Response, ResponseBuilder};

use crate::alert::delivery::Delivery;
use crate::auth::address_window::{Admit, Answer};
use crate::edge::clock;
use crate::error::{Code, Error, Result};
use crate::lease::{Ask, Reply, Room};
use crate::project::audit::{self, By};
use crate::user::pass::Pass;

/// How long an object may take.
const DEADLINE_MS: u64 = 5_000;
/// The directory is one object for the whole deployment.
const DIRECTORY_NAME: &str = "directory";

#[wasm_bindgen]
extern "C" {
    /// A stub as JavaScript knows it: an object's methods are the stub's.
    type RawStub;
    #[wasm_bindgen(method, catch)]
    fn ask(this: &RawStub, command: &JsValue) -> Result<Promise, JsValue>;
}

/// The binding of the projects' objects.
const PROJECT: &str = "PROJECT_OBJECT";

/// What a project's object can be asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    /// About its configuration. Answer: a snapshot.
    Config {
        command: Box<crate::project::Command>,
        /// Who asks, if it is a change that somebody made.
        #[serde(default)]
        by: Option<By>,
    },
    /// About its limits. Answer: a `Reply`.
    Lease(Ask),
    /// What there is of its limits for a user. Answer: a `Room`.
    Room(String),
    /// The number of its newest configuration. Answer: that.
    Version,
    /// About its ledger. Answer: a `rollup::Outcome`.
    Rollup(Box<crate::rollup::Command>),
    /// About its audit log. Answer: an `audit::Outcome`.
    Audit(audit::Command),
    /// About its alerts. Answer: deliveries.
    Alerts(crate::alert::Command),
}

/// What travels back from an object.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    result: Result<T>,
    /// Rows the object wrote, as the platform counts them.
    #[serde(default)]
    rows: u64,
}

/// As `crate::user::pass::Asked`.
#[derive(Serialize)]
struct Asked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a Pass>,
    command: &'a crate::user::Command,
}

/// Asks one user's object, for the owner or another object.
pub async fn user(env: &Env, project_id: &str, uid: &str, command: &crate::user::Command) -> Result<(crate::user::Outcome, u64)> {
    user_with(env, project_id, uid, None, command).await
}

/// The same for a request of the user's, which came with a token. A platform failure is tried once more: every command is idempotent.
pub async fn user_with(
    env: &Env,
    project_id: &str,
    uid: &str,
    pass: Option<&Pass>,
    command: &crate::user::Command,
) -> Result<(crate::user::Outcome, u64)> {
    let name = format!("{project_id}/{uid}");
    let body = encode(&Asked { pass, command })?;
    match call(env, "USER_OBJECT", &name, &body).await {
        Err(error) if error.code() == Code::ServerError => call(env, "USER_OBJECT", &name, &body).await,
        other => other,
    }
}

/// Asks the object that counts an address in a project. Counted twice, should the first answer be lost, is not too few.
pub async fn address(env: &Env, name: &str, limit: u64) -> Result<(Answer, u64)> {
    let body = encode(&Admit { limit })?;
    match call(env, "ADDRESS_OBJECT", name, &body).await {
        Err(error) if error.code() == Code::ServerError => call(env, "ADDRESS_OBJECT", name, &body).await,
        other => other,
    }
}

/// Asks one project's object of its configuration.
pub async fn project(env: &Env, id: &str, command: &crate::project::Command) -> Result<crate::config::Snapshot> {
    change(env, id, command, None).await
}

/// The same, with whoever asks for the change: the project's audit log names them.
pub async fn change(env: &Env, id: &str, command: &crate::project::Command, by: Option<By>) -> Result<crate::config::Snapshot> {
    Ok(call(env, PROJECT, id, &encode(&Message::Config { command: Box::new(command.clone()), by })?).await?.0)
}

/// Asks one project's object about its audit log. A project that is not there is a 404.
pub async fn audit(env: &Env, id: &str, command: &audit::Command) -> Result<audit::Outcome> {
    Ok(call(env, PROJECT, id, &encode(&Message::Audit(command.clone()))?).await?.0)
}

/// Asks a project's object for a slice of its limits, or gives one back.
async fn lease(env: &Env, project_id: &str, ask: &Ask) -> Result<Reply> {
    Ok(call(env, PROJECT, project_id, &encode(&Message::Lease(ask.clone()))?).await?.0)
}

/// Asks a project's object what there is of its limits for a user.
pub async fn room(env: &Env, project_id: &str, uid: &str) -> Result<Room> {
    Ok(call(env, PROJECT, project_id, &encode(&Message::Room(uid.to_owned()))?).await?.0)
}

/// Asks a project's object for the number of its newest configuration. A project that is not there is a 404.
async fn version(env: &Env, project_id: &str) -> Result<u64> {
    Ok(call(env, PROJECT, project_id, &encode(&Message::Version)?).await?.0)
}

/// Asks one project's object of its ledger; also tells how many rows that wrote. A project that is not there is a 404.
pub async fn rollup(env: &Env, id: &str, command: &crate::rollup::Command) -> Result<(crate::rollup::Outcome, u64)> {
    call(env, PROJECT, id, &encode(&Message::Rollup(Box::new(command.clone())))?).await
}

/// Asks one project's object about its alerts. A project that is not there is a 404.
pub async fn alerts(env: &Env, id: &str, command: &crate::alert::Command) -> Result<Vec<Delivery>> {
    Ok(call(env, PROJECT, id, &encode(&Message::Alerts(command.clone()))?).await?.0)
}

/// Asks the directory.
pub async fn directory(env: &Env, command: &crate::directory::Command) -> Result<crate::directory::Page> {
    Ok(call(env, "DIRECTORY_OBJECT", DIRECTORY_NAME, &encode(command)?).await?.0)
}

/// The fault of an answer that is none to what was asked: the caller's code and the object's do not agree.
pub fn something_else() -> Error {
    Error::server("an object answered something else")
}

async fn call<T: DeserializeOwned>(env: &Env, binding: &str, name: &str, body: &str) -> Result<(T, u64)> {
    let exchange = exchange(env, binding, name, body);
    let answer =
        clock::within(DEADLINE_MS, exchange).await.ok_or_else(|| Error::server(format!("{binding}: no answer in {DEADLINE_MS} ms")))?;
    let text = answer.map_err(|e| Error::server(format!("{binding}: {e}")))?;
    let envelope: Envelope<T> = serde_json::from_str(&text).map_err(|e| Error::server(format!("{binding}: {e}")))?;
    Ok((envelope.result?, envelope.rows))
}

async fn exchange(env: &Env, binding: &str, name: &str, command: &str) -> worker::Result<String> {
    let stub: RawStub = env.durable_object(binding)?.get_by_name(name)?.into_rpc();
    parcel::unpack(JsFuture::from(stub.ask(&parcel::pack(command)?)?).await?).await
}

fn encode<T: Serialize>(command: &T) -> Result<String> {
    serde_json::to_string(command).map_err(|e| Error::server(e.to_string()))
}

/// Reads a command inside an object.
async fn read<T: DeserializeOwned>(command: JsValue) -> Result<T> {
    let text = parcel::unpack(command).await.map_err(|e| Error::server(format!("a command did not arrive: {e}")))?;
    serde_json::from_str(&text).map_err(|e| Error::server(format!("a command could not be read: {e}")))
}

/// Answers from inside an object.
fn reply<T: Serialize>(result: Result<T>, rows: u64) -> JsValue {
    let text = serde_json::to_string(&Envelope { result, rows }).unwrap_or_default();
    // Nothing is no text: the caller says so.
    parcel::pack(&text).unwrap_or_default()
}

/// What an object that is fetched from answers: `workers-rs` wants every object to have that door, and nobody comes through it.
fn no_door() -> Response {
    ResponseBuilder::new().with_status(405).empty()
}
