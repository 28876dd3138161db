//! Revocations that concern a whole project: which tokens are void, by what they were made with.
//!
//! Always holds: a mark lives as long as the tokens that it voids.

use serde::{Deserialize, Serialize};

/// What is revoked in a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {}
