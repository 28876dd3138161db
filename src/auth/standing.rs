//! Whether a verified token still stands: who let its user in is still trusted, and nobody has revoked it.
//!
//! Always holds: this is asked on every request, of the newest configuration known here; what is cached is only the signature.

use crate::auth::token::Principal;
use crate::config::Snapshot;
use crate::error::Result;

/// Checks a token against the configuration of its project.
///
/// # Errors
/// 401 if it was revoked, or if what vouched for it is trusted no more.
pub fn check(snapshot: &Snapshot, principal: &Principal) -> Result<()> {
    snapshot.marks.check(principal)
}
