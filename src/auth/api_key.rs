//! Project API keys: `behest_sk_live_` + 32 hex digits, shown once, stored as an index and an Argon2id hash.
//!
//! Always holds: a malformed key is refused before any look-up, an unknown one before Argon2 (which costs
//! 32 ms and 20 MB). Absent on purpose: where records live (`edge::api_keys`).

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Code, Error, Result};
use crate::secrets::{Key, MasterKeys, Purpose, hex};

/// What every key begins with.
pub const PREFIX: &str = "behest_sk_live_";
/// Hex digits behind the prefix: 128 random bits.
const DIGITS: usize = 32;
/// OWASP Password Storage Cheat Sheet, Argon2id minimum: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// What KV holds under the index of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// Format version.
    pub v: u32,
    /// The project it opens.
    pub project_id: String,
    /// `key_…`.
    pub key_id: String,
    /// The Argon2id hash.
    pub hash: KeyHash,
}

/// An Argon2id hash with all that is needed to check it. Base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHash {
    /// Id of the master key whose pepper went in.
    pub kid: String,
    /// 16 bytes.
    pub salt: String,
    /// 32 bytes.
    pub hash: String,
    /// Memory in KiB.
    pub m: u32,
    /// Passes.
    pub t: u32,
}

/// A new key from 16 random bytes.
pub fn generate(random: [u8; 16]) -> String {
    format!("{PREFIX}{}", hex(&random))
}

/// Whether the text has exactly the form of a key.
pub fn is_well_formed(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == DIGITS && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// The last four digits, for lists.
pub fn last4(key: &str) -> &str {
    key.get(key.len().saturating_sub(4)..).unwrap_or("")
}

/// The index KV knows a key by: SHA-256, in hex. Safe to store: the key has 128 random bits.
pub fn index(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// The key of the per-isolate cache of verified keys: an HMAC, so that the cache holds nothing that opens a door.
pub fn cache_key(masters: &MasterKeys, key: &str) -> Option<[u8; 32]> {
    let secret = masters.derive(Purpose::CacheIndex, masters.current_id())?;
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_ref()).ok()?;
    mac.update(key.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// The one answer to a key that is malformed, unknown, deleted or past its time: it does not tell which.
pub fn refused() -> Error {
    Error::new(Code::InvalidToken, "The API key is not valid. It may have been deleted, or belong to another deployment.")
}

/// Hashes a new key.
///
/// # Errors
/// A server error if Argon2 refuses its parameters, which are ours.
pub fn hash(masters: &MasterKeys, key: &str, salt: [u8; 16]) -> Result<KeyHash> {
    let kid = masters.current_id().to_owned();
    let hash = argon2id(masters, &kid, key, &salt, MEMORY_KIB, PASSES)?;
    Ok(KeyHash { kid, salt: URL_SAFE_NO_PAD.encode(salt), hash: URL_SAFE_NO_PAD.encode(hash), m: MEMORY_KIB, t: PASSES })
}

/// Checks a key against its stored hash in constant time.
///
/// # Errors
/// 401 if it does not match; a server error if the record is damaged or its master key is gone.
pub fn verify(masters: &MasterKeys, key: &str, stored: &KeyHash) -> Result<()> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::server("a stored API key hash is damaged"));
    let (salt, expected) = (decode(&stored.salt)?, decode(&stored.hash)?);
    let actual = argon2id(masters, &stored.kid, key, &salt, stored.m, stored.t)?;
    if bool::from(actual.as_slice().ct_eq(expected.as_slice())) { Ok(()) } else { Err(refused()) }
}

fn argon2id(masters: &MasterKeys, kid: &str, key: &str, salt: &[u8], memory: u32, passes: u32) -> Result<[u8; 32]> {
    let pepper: Key =
        masters.derive(Purpose::ApiKeyPepper, kid).ok_or_else(|| Error::server(format!("no master key with the id {kid}")))?;
    let fail = |e: argon2::Error| Error::server(format!("argon2: {e}"));
    let params = Params::new(memory, passes, 1, Some(32)).map_err(fail)?;
    let argon = Argon2::new_with_secret(pepper.as_ref(), Algorithm::Argon2id, Version::V0x13, params).map_err(fail)?;
    let mut out = [0; 32];
    argon.hash_password_into(key.as_bytes(), salt, &mut out).map_err(fail)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masters() -> MasterKeys {
        MasterKeys::parse(&hex(&[9; 32])).unwrap()
    }

    #[test]
    fn only_the_exact_form_is_well_formed() {
        assert!(is_well_formed(&generate([0xab; 16])));
        let good = generate([0; 16]);
        for bad in [
            &good[..46],
            &format!("{good}0"),
            "behest_sk_live_",
            "behest_sk_live_ABCDEF00000000000000000000000000",
            "behest_sk_test_00000000000000000000000000000000",
        ] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_matches_only_its_own_hash() {
        let key = generate([1; 16]);
        let stored = hash(&masters(), &key, [2; 16]).unwrap();
        verify(&masters(), &key, &stored).unwrap();
        assert_eq!(verify(&masters(), &generate([3; 16]), &stored).unwrap_err().status(), 401);
        let other = MasterKeys::parse(&format!("k1:{}", hex(&[8; 32]))).unwrap();
        assert_eq!(verify(&other, &key, &stored).unwrap_err().status(), 401, "another pepper");
    }

    #[test]
    fn the_record_never_holds_the_key() {
        let key = generate([0x5a; 16]);
        let stored = StoredKey { v: 1, project_id: "p".into(), key_id: "k".into(), hash: hash(&masters(), &key, [2; 16]).unwrap() };
        assert!(!serde_json::to_string(&stored).unwrap().contains(&key[15..]));
    }
}
