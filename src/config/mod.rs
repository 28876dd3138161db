//! What an owner configures: the project, its settings, keys and providers, as one snapshot.
//!
//! Always holds: a snapshot is complete and consistent; secrets in it are sealed. The Project object owns it,
//! KV carries it to the isolates. Absent on purpose: how it is stored or fetched (`project`, `edge::snapshots`).

pub mod issuer;
pub mod limits;
pub mod model;
pub mod number;
pub mod offer;
pub mod overrides;
pub mod patch;
pub mod price;
pub mod provider;
mod provider_fields;
pub mod routing;
pub mod settings;
pub mod signing_key;
pub mod tier;
pub mod vertex;
pub mod zone;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alert::settings::AlertSettings;
use crate::auth::marks::Marks;

pub use issuer::Issuer;
pub use provider::ProviderConfig;
pub use settings::Settings;
pub use signing_key::SigningKey;

/// Version of the snapshot's form in KV.
pub const SNAPSHOT_VERSION: u32 = 1;
/// The one tenant every deployment begins with.
pub const DEFAULT_TENANT: &str = "tnt_default";

/// A project as the admin routes show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// `proj_…`.
    pub id: String,
    /// `tnt_…`.
    pub tenant_id: String,
    /// Unique in the deployment; lower-case letters, digits and dashes.
    pub slug: String,
    /// For people.
    pub name: String,
    /// Whether tokens are minted and served.
    pub status: Status,
    /// Epoch seconds.
    pub created_at: u64,
}

/// Whether a project is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Served.
    #[default]
    Active,
    /// Every mint and every request is 403.
    Suspended,
}

/// An API key as lists show it: nothing that opens a door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// `key_…`.
    pub id: String,
    /// For people.
    pub name: String,
    /// The last four digits.
    pub last4: String,
    /// `mint`, `mint:admin`, `chat:server`.
    pub capabilities: Vec<String>,
    /// Epoch seconds.
    pub created_at: u64,
    /// Epoch seconds; absent = never.
    #[serde(default)]
    pub expires_at: Option<u64>,
    /// The index its record has in KV. Never shown.
    pub index: String,
}

/// Everything about one project that an isolate needs to serve it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Form version.
    pub v: u32,
    /// Counts the changes of what is in it: a higher number is newer.
    #[serde(default)]
    pub version: u64,
    /// The project.
    pub project: Project,
    /// Its settings.
    #[serde(default)]
    pub settings: Settings,
    /// Providers by name.
    #[serde(default)]
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Tiers by name: its own, and what it changes of the built-in ones.
    #[serde(default)]
    pub tiers: tier::Tiers,
    /// Where its alerts go, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertSettings>,
    /// API keys by id.
    #[serde(default)]
    pub keys: BTreeMap<String, KeyInfo>,
    /// Public keys of the tenant, by `kid`: tokens that they signed are taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signing_keys: BTreeMap<String, SigningKey>,
    /// Identity providers by name: tokens that they signed are taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub issuers: BTreeMap<String, Issuer>,
    /// Tokens that are void.
    #[serde(default)]
    pub marks: Marks,
}

impl Snapshot {
    /// The KV name of a project's snapshot.
    pub fn kv_name(project_id: &str) -> String {
        format!("project:{project_id}")
    }
}

/// The KV name of an API key's record.
pub fn key_kv_name(index: &str) -> String {
    format!("key:{index}")
}
