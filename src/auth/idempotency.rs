//! `Idempotency-Key` on mint: the same key, user and body are answered with the very same token.
//!
//! Always holds: the token is made again, not kept (EdDSA gives the same signature for the same claims); a key is its API key's
//! own, so two servers never share a token by chance. Absent on purpose: where it is remembered (`user::minted`).

use sha2::{Digest, Sha256};

use crate::auth::mint::Mint;
use crate::error::{Error, Result};
use crate::secrets::hex;
use crate::user::minted::Minted;

/// What is to be remembered of a token that is minted at `now` (epoch seconds).
///
/// # Errors
/// 400 that names the header.
pub fn minted(name: &str, body: &[u8], mint: &Mint, key_id: &str, now: u64) -> Result<Minted> {
    if !(1..=255).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(refused("Idempotency-Key must be 1 to 255 visible ASCII characters."));
    }
    Ok(Minted {
        name: digest(&[key_id.as_bytes(), b" ", name.as_bytes()]),
        fingerprint: digest(&[body]),
        jti: mint.claims.jti.clone(),
        sid: mint.claims.sid.clone(),
        issued_at: now,
        expires_at: now.saturating_add(mint.ttl),
    })
}

/// What was first under a key, if it was for the same request.
///
/// # Errors
/// 400 that names the header.
pub fn same(first: Minted, fingerprint: &str) -> Result<Minted> {
    if first.fingerprint == fingerprint {
        return Ok(first);
    }
    Err(refused("Idempotency-Key was used with another body. Use a new one for a new request."))
}

/// The token that was minted first, and when.
pub fn again(mut mint: Mint, first: Minted) -> (Mint, u64) {
    mint.ttl = first.expires_at.saturating_sub(first.issued_at);
    mint.claims.jti = first.jti;
    mint.claims.sid = first.sid;
    (mint, first.issued_at)
}

fn refused(message: &str) -> Error {
    Error::invalid("Idempotency-Key", message)
}

fn digest(parts: &[&[u8]]) -> String {
    hex(&parts.iter().fold(Sha256::new(), Digest::chain_update).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::mint::{Terms, parse};

    fn mint() -> Mint {
        let terms = Terms {
            tenant_id: "t",
            project_id: "p",
            key_id: "key_1",
            issuer: "behest",
            default_ttl: 900,
            max_ttl: 900,
            may_mint_admin: false,
        };
        parse(br#"{"user_id":"u"}"#, &terms, || "fresh".to_owned()).unwrap()
    }

    #[test]
    fn names_are_visible_ascii() {
        let long = "x".repeat(256);
        for (name, good) in [("a", true), (&long[1..], true), ("", false), ("a b", false), ("\u{e4}", false), (&long, false)] {
            let result = minted(name, b"{}", &mint(), "key_1", 1);
            assert_eq!(result.is_ok(), good, "{name}");
            assert!(result.err().is_none_or(|e| e.body().contains(r#""param":"Idempotency-Key""#)));
        }
    }

    #[test]
    fn a_name_is_its_api_keys_own_and_no_secret_is_kept() {
        let of = |name: &str, key_id: &str| minted(name, b"{}", &mint(), key_id, 1).unwrap();
        assert_eq!(of("a", "key_1"), of("a", "key_1"));
        assert_ne!(of("a", "key_1").name, of("a", "key_2").name);
        assert!(!format!("{:?}", of("canary", "key_1")).contains("canary"));
    }

    #[test]
    fn another_body_is_refused_and_the_same_gives_the_first_token() {
        let first = Minted { jti: "first".into(), sid: "s".into(), ..minted("a", b"{}", &mint(), "key_1", 100).unwrap() };
        let fingerprint = first.fingerprint.clone();
        assert_eq!(same(first.clone(), "other").unwrap_err().status(), 400);
        let (again, issued_at) = again(mint(), same(first, &fingerprint).unwrap());
        assert_eq!((again.claims.jti.as_str(), again.claims.sid.as_str(), again.ttl, issued_at), ("first", "s", 900, 100));
    }
}
