//! Whether a verified token still stands: who let its user in is still trusted, and nobody has revoked it.
//!
//! Always holds: this is asked on every request, of the newest configuration known here; what is cached is only the signature.

use crate::auth::token::{Principal, Via};
use crate::config::Snapshot;
use crate::config::issuer::Issuer;
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
    by(snapshot, principal, |issuer| principal.trust == issuer.revision)
}

/// The same for a request that was let in by an older configuration and is under way. An owner who puts an identity provider's entry
/// anew, with one key more, ends nobody's request by that: who was let in for this issuer is done, and verified anew the next time.
///
/// # Errors
/// As [`check`].
pub fn check_under_way(snapshot: &Snapshot, principal: &Principal) -> Result<()> {
    by(snapshot, principal, |issuer| principal.claims.iss == issuer.issuer)
}

fn by(snapshot: &Snapshot, principal: &Principal, same: impl Fn(&Issuer) -> bool) -> Result<()> {
    snapshot.marks.check(principal)?;
    match &principal.claims.via {
        Some(Via::Signing(kid)) => signing_key(snapshot, kid, principal.trust),
        // A token of ours that was exchanged for such a one has no number of the entry that verified it.
        Some(Via::Issuer(name)) if snapshot.issuers.get(name).is_some_and(|issuer| principal.trust == 0 || same(issuer)) => Ok(()),
        Some(Via::Issuer(_)) => Err(Error::new(Code::InvalidToken, "The identity provider that vouched for the token is trusted no more.")),
        _ => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn snapshot(issuers: &Value) -> Snapshot {
        serde_json::from_value(json!({
            "v": 1, "version": 2, "issuers": issuers,
            "project": {"id": "p", "tenant_id": "t", "name": "p", "slug": "p", "status": "active", "created_at": 0, "updated_at": 0},
        }))
        .unwrap()
    }

    fn entry(issuer: &str, revision: u64) -> Value {
        json!({"idp": {"issuer": issuer, "keys": {"url": "https://idp/jwks"}, "user_id_claim": "sub", "max_age": 60, "revision": revision}})
    }

    fn principal(trust: u64) -> Principal {
        let claims = json!({"tid": "t", "pid": "p", "uid": "u", "role": "user", "scp": "chat", "iss": "https://idp", "aud": "a", "jti": "j",
            "sid": "s", "via": "issuer:idp"});
        Principal { claims: serde_json::from_value(claims).unwrap(), issued_at: 1, expires_at: 2, trust }
    }

    /// (entry, the number of the entry that verified the token, does a new request stand, does one under way)
    #[test]
    fn an_entry_that_is_put_anew_ends_no_request_under_way() {
        for (issuers, trust, new, under_way) in [
            (entry("https://idp", 1), 1, true, true),
            (entry("https://idp", 2), 1, false, true),
            (entry("https://other", 2), 1, false, false),
            (entry("https://other", 2), 0, true, true),
            (json!({}), 1, false, false),
            (json!({}), 0, false, false),
        ] {
            let (snapshot, principal) = (snapshot(&issuers), principal(trust));
            let found = (check(&snapshot, &principal).is_ok(), check_under_way(&snapshot, &principal).is_ok());
            assert_eq!(found, (new, under_way), "{issuers} {trust}");
        }
    }
}
