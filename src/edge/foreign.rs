//! Verifies tokens that we did not sign: a tenant's, an identity provider's.
//!
//! Absent on purpose: deciding what a token must look like (`crate::auth`).

use crate::auth::token::Principal;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::error::{Code, Error, Result};

/// Verifies a token whose `kid` is none of ours.
///
/// # Errors
/// 401 if nobody whom its project trusts has signed it.
pub async fn verify(_inbound: &Inbound, _deployment: &Deployment, _token: &str) -> Result<Principal> {
    Err(Error::new(Code::InvalidToken, "The token is not valid: it was signed with a key this deployment does not know."))
}
