//! An identity provider that a project trusts.

use serde::{Deserialize, Serialize};

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// What `iss` must say.
    pub issuer: String,
    /// The version of the configuration that it came with: one that was changed is another.
    #[serde(default)]
    pub revision: u64,
}
