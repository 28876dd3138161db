//! An API key as the caller itself: a server that speaks for its users with the capability `chat:server`. Contract section 1.
//!
//! Always holds: the user is who the key's holder says, in a header or in the body, and may never be one of ours but the key's
//! own; a browser never gets that far. Absent on purpose: whether the key is good (`api_key`) and known (`edge::api_keys`).

use crate::auth::capabilities::Capabilities;
use crate::auth::mint::{MAX_TTL_S, SERVER_PREFIX, check_user_id};
use crate::auth::token::{AUDIENCE, Principal, UserClaims, Via};
use crate::config::{KeyInfo, Snapshot};
use crate::error::{Code, Error, Result};
use crate::json;

/// What a key must be able to do.
pub const CAPABILITY: &str = "chat:server";
/// Names the user of a request.
pub const HEADER: &str = "x-end-user-id";
/// What such a caller may do: the routes that a key opens, and no user's threads or reports.
const SCOPES: &str = "chat embeddings moderations models";

/// Whether the key opens what a server may ask, and whether a server is asking.
///
/// # Errors
/// 401 without the capability, 403 if a browser sent it: then the key is where everybody can read it.
pub fn check(key: &KeyInfo, origin: Option<&str>, refused: impl FnOnce() -> Error) -> Result<()> {
    if !key.capabilities.iter().any(|capability| capability == CAPABILITY) {
        return Err(refused());
    }
    if origin.is_some() {
        return Err(Error::new(
            Code::Forbidden,
            "API keys belong on servers, and this one came from a browser, where everybody can read it. Delete it, and give the page a user's token from POST /v1/auth/mint.",
        ));
    }
    Ok(())
}

/// Whom the request is for: the header, else `user` in the body, else one user for all that the key does.
///
/// # Errors
/// 400 that names the header or the field.
pub fn end_user(header: Option<&str>, body: &[u8], key_id: &str) -> Result<String> {
    let own = format!("{SERVER_PREFIX}{key_id}");
    if let Some(id) = header {
        if !id.is_ascii() {
            return Err(Error::invalid("X-End-User-Id", "X-End-User-Id takes ASCII only: name this user in the body's `user` instead."));
        }
        return checked("X-End-User-Id", id, own);
    }
    // What is wrong with the body is told by whoever reads all of it.
    let user = core::str::from_utf8(body).ok().and_then(|text| json::pick(text, ["user"]).ok()).and_then(|[user]| user);
    match user {
        None => Ok(own),
        Some(user) => match json::text(user) {
            Some(id) => checked("user", &id, own),
            None => Err(Error::invalid("user", "user must be a string.")),
        },
    }
}

fn checked(name: &str, id: &str, own: String) -> Result<String> {
    if id == own {
        return Ok(own);
    }
    match check_user_id(id) {
        Ok(()) => Ok(id.to_owned()),
        Err(error) => Err(Error::invalid(name, error.message().replace("user_id", name))),
    }
}

/// The caller that a key makes of a user, at `now` (epoch seconds).
pub fn principal(snapshot: &Snapshot, key: &KeyInfo, uid: String, issuer: &str, now: u64) -> Principal {
    let claims = UserClaims {
        tid: snapshot.project.tenant_id.clone(),
        pid: snapshot.project.id.clone(),
        uid,
        role: "user".to_owned(),
        scp: SCOPES.to_owned(),
        iss: issuer.to_owned(),
        aud: AUDIENCE.to_owned(),
        jti: key.id.clone(),
        sid: key.id.clone(),
        tier: None,
        via: Some(Via::Key(key.id.clone())),
        par: Vec::new(),
        capabilities: Capabilities::default(),
    };
    let expires_at = key.expires_at.unwrap_or(u64::MAX).min(now.saturating_add(MAX_TTL_S));
    Principal { claims, issued_at: now, expires_at, trust: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_comes_before_the_body_and_the_key_last() {
        for (header, body, expected) in [
            (Some("ann"), r#"{"user":"bob"}"#, Ok("ann")),
            (None, r#"{"user":"bob"}"#, Ok("bob")),
            (None, r#"{"user":"\u017c-7"}"#, Ok("ż-7")),
            (None, r#"{"user":null}"#, Ok("server:key_1")),
            (None, r#"{"model":"m"}"#, Ok("server:key_1")),
            (None, "", Ok("server:key_1")),
            (None, r#"{"user":"bob""#, Ok("server:key_1")),
            (Some("server:key_1"), "", Ok("server:key_1")),
            (Some("server:key_2"), "", Err("X-End-User-Id")),
            (Some("Server:key_1"), "", Err("X-End-User-Id")),
            (Some(""), "", Err("X-End-User-Id")),
            (Some("sys-1"), "", Err("X-End-User-Id")),
            (Some("\u{e4}"), "", Err("X-End-User-Id")),
            (None, r#"{"user":"server:key_2"}"#, Err("user")),
            (None, r#"{"user":"admin"}"#, Err("user")),
            (None, r#"{"user":7}"#, Err("user")),
            (None, r#"{"user":""}"#, Err("user")),
        ] {
            match (end_user(header, body.as_bytes(), "key_1"), expected) {
                (Ok(user), Ok(expected)) => assert_eq!(user, expected, "{header:?} {body}"),
                (Err(error), Err(param)) => {
                    assert_eq!(error.status(), 400);
                    assert!(error.body().contains(&format!(r#""param":"{param}""#)), "{}", error.body());
                    assert!(error.message().contains(param), "{}", error.message());
                }
                (got, _) => panic!("{header:?} {body}: {got:?}"),
            }
        }
    }
}
