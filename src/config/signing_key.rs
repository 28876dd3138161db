//! A public key that a tenant signs its users' tokens with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tenant's key: only its public half is ever kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// What tokens name it by.
    pub kid: String,
    /// For people.
    pub name: String,
    /// The one algorithm it signs with, such as `RS256`.
    pub alg: String,
    /// Its public half as a JWK, public members only.
    pub jwk: Value,
    /// Epoch seconds.
    pub created_at: u64,
    /// The version of the configuration that it came with: a key that was deleted and registered again is another.
    #[serde(default)]
    pub revision: u64,
}
