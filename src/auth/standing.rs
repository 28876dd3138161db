//! Whether a verified token still stands: who let its user in is still trusted, and nobody has revoked it.
//!
//! Always holds: this is asked on every request, of the newest configuration known here; what is cached is only the signature.

use crate::auth::token::{Principal, Via};
use crate::config::Snapshot;
use crate::error::{Code, Error, Result};

/// Whether an error says that a token opens nothing any more: it was revoked, or its project is suspended.
pub fn is_over(error: &Error) -> bool {
    matches!(error.code(), Code::InvalidToken | Code::Forbidden)
}

/// Checks a token against the configuration of its project.
///
/// # Errors
/// 401 if it was revoked, or if what vouched for it is trusted no more.
pub fn check(snapshot: &Snapshot, principal: &Principal) -> Result<()> {
    snapshot.marks.check(principal)?;
    match &principal.claims.via {
        Some(Via::Signing(kid)) => signing_key(snapshot, kid, principal.trust),
        Some(Via::Issuer(name)) => issuer(snapshot, name, principal.trust),
        _ => Ok(()),
    }
}

/// The identity provider is still trusted, and by the configuration that verified the token (a token of ours that was exchanged for
/// such a one has no such number).
fn issuer(snapshot: &Snapshot, name: &str, trust: u64) -> Result<()> {
    match snapshot.issuers.get(name) {
        Some(issuer) if trust == 0 || trust == issuer.revision => Ok(()),
        _ => Err(Error::new(Code::InvalidToken, "The identity provider that vouched for the token is trusted no more.")),
    }
}

/// The tenant's key is still registered, and it is the one that verified the token (a token of ours that was made from such a one has
/// no such number: the key it came from is known by its name only).
fn signing_key(snapshot: &Snapshot, kid: &str, trust: u64) -> Result<()> {
    match snapshot.signing_keys.get(kid) {
        Some(key) if trust == 0 || trust == key.revision => Ok(()),
        _ => Err(Error::new(Code::InvalidToken, "The token was signed with a key that is trusted no more.")),
    }
}
