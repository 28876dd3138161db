//! The master secret and everything derived from it: one root, HKDF-SHA-256 for every purpose.
//!
//! Always holds: a derived key depends on the master key and on its purpose, never on anything stored, so two
//! isolates can never disagree. The first master key in the list is current; older ones only open and verify.
//! Absent on purpose: randomness (nonces are arguments) and where the secret comes from (`edge::deployment`).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// 32 secret bytes, wiped when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// Bytes of an AES-GCM nonce.
pub const NONCE_LEN: usize = 12;

/// What a derived key is for. Two purposes never share a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Encrypts provider keys at rest.
    ProviderKeys,
    /// Peppers the Argon2id hashes of API keys.
    ApiKeyPepper,
    /// The seed of the Ed25519 key that signs users' tokens.
    TokenSigning,
    /// Keys the per-isolate cache of verified API keys.
    CacheIndex,
    /// Names the objects that count addresses.
    Addresses,
    /// Encrypts what alerts are signed with.
    AlertSecrets,
    /// Encrypts secrets that are shared with identity providers.
    IssuerSecrets,
}

impl Purpose {
    const fn info(self) -> &'static [u8] {
        match self {
            Self::ProviderKeys => b"behest/v1/provider-keys",
            Self::ApiKeyPepper => b"behest/v1/api-key-pepper",
            Self::TokenSigning => b"behest/v1/token-signing",
            Self::CacheIndex => b"behest/v1/cache-index",
            Self::Addresses => b"behest/v1/addresses",
            Self::AlertSecrets => b"behest/v1/alert-secrets",
            Self::IssuerSecrets => b"behest/v1/issuer-secrets",
        }
    }
}

/// One master key under its id.
struct Master {
    id: String,
    key: Key,
}

/// The deployment's master keys, newest first.
pub struct MasterKeys(Vec<Master>);

/// A secret at rest: which master key, which nonce, AES-256-GCM ciphertext with its tag. All base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Id of the master key.
    pub kid: String,
    /// 12 bytes.
    pub nonce: String,
    /// Ciphertext and tag.
    pub ct: String,
}

impl MasterKeys {
    /// Reads `BEHEST_MASTER_KEY`: `key` or `id:key,id:key…`, each key 32 bytes in base64 or hex; the first is current.
    ///
    /// # Errors
    /// A sentence for the operator that never contains the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<Master> = Vec::new();
        for (position, item) in text.split(',').map(str::trim).filter(|item| !item.is_empty()).enumerate() {
            let (id, encoded) = item.split_once(':').unwrap_or(("k1", item));
            if id.is_empty() || id.len() > 32 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                return Err(format!("BEHEST_MASTER_KEY: the id of key {} must be 1-32 letters, digits, - or _", position + 1));
            }
            if keys.iter().any(|k| k.id == id) {
                return Err(format!("BEHEST_MASTER_KEY: the id {id} is there twice"));
            }
            let key =
                decode_key(encoded).ok_or_else(|| format!("BEHEST_MASTER_KEY: key {} must be 32 bytes in base64 or hex", position + 1))?;
            keys.push(Master { id: id.to_owned(), key });
        }
        if keys.is_empty() { Err("BEHEST_MASTER_KEY is empty".to_owned()) } else { Ok(Self(keys)) }
    }

    /// The key for a purpose, from every master key, newest first, with the master's id.
    pub fn derive_all(&self, purpose: Purpose) -> impl Iterator<Item = (&str, Key)> {
        self.0.iter().map(move |master| (master.id.as_str(), derive(&master.key, purpose)))
    }

    /// The key for a purpose from the master key with this id.
    pub fn derive(&self, purpose: Purpose, id: &str) -> Option<Key> {
        self.0.iter().find(|master| master.id == id).map(|master| derive(&master.key, purpose))
    }

    /// The id of the current master key.
    pub fn current_id(&self) -> &str {
        self.0.first().map_or("", |master| master.id.as_str())
    }

    /// Encrypts with the current key. `context` is authenticated, not stored: the same must be given to `open`.
    ///
    /// # Errors
    /// A fixed sentence; AES-GCM fails only for absurd lengths.
    pub fn seal(&self, purpose: Purpose, context: &str, nonce: [u8; NONCE_LEN], plain: &[u8]) -> Result<Sealed, String> {
        let master = self.0.first().ok_or("no master key")?;
        let cipher = Aes256Gcm::new((&*derive(&master.key, purpose)).into());
        let ct = cipher
            .encrypt(Nonce::from_slice(&nonce), Payload { msg: plain, aad: context.as_bytes() })
            .map_err(|_| "the secret could not be encrypted")?;
        Ok(Sealed { kid: master.id.clone(), nonce: URL_SAFE_NO_PAD.encode(nonce), ct: URL_SAFE_NO_PAD.encode(ct) })
    }

    /// Decrypts what `seal` made under any of the master keys.
    ///
    /// # Errors
    /// A sentence for the log: unknown master key, or data that was changed or moved to another context.
    pub fn open(&self, purpose: Purpose, context: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, String> {
        let key = self.derive(purpose, &sealed.kid).ok_or_else(|| format!("no master key with the id {}", sealed.kid))?;
        let nonce = URL_SAFE_NO_PAD.decode(&sealed.nonce).ok().filter(|n| n.len() == NONCE_LEN).ok_or("the nonce is damaged")?;
        let ct = URL_SAFE_NO_PAD.decode(&sealed.ct).map_err(|_| "the ciphertext is damaged")?;
        Aes256Gcm::new((&*key).into())
            .decrypt(Nonce::from_slice(&nonce), Payload { msg: &ct, aad: context.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| "a stored secret does not decrypt: it was changed, or the master key is another one".to_owned())
    }
}

fn derive(master: &Key, purpose: Purpose) -> Key {
    let mut out = Key::default();
    // 32 bytes is one HKDF block; expand fails only beyond 255 blocks.
    let expanded = Hkdf::<Sha256>::new(None, master.as_ref()).expand(purpose.info(), out.as_mut());
    debug_assert!(expanded.is_ok());
    out
}

fn decode_key(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(
        [&STANDARD, &URL_SAFE, &URL_SAFE_NO_PAD]
            .iter()
            .find_map(|engine| engine.decode(text).ok().filter(|b| b.len() == 32))
            .or_else(|| unhex(text))?,
    );
    <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Key::from)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    (text.len() == 64).then(|| text.as_bytes().chunks(2).map(pair).collect())?
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> MasterKeys {
        MasterKeys::parse(text).unwrap_or_else(|e| panic!("{e}"))
    }

    const A: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

    #[test]
    fn base64_and_hex_are_the_same_key() {
        let hexed = hex(&[b'A'; 32]);
        assert_eq!(*keys(A).derive(Purpose::TokenSigning, "k1").unwrap(), *keys(&hexed).derive(Purpose::TokenSigning, "k1").unwrap());
    }

    #[test]
    fn bad_master_keys_are_refused_without_being_repeated() {
        for text in ["", "short", "a:", "a b:QUFB", &format!("x:{A},x:{A}")] {
            let error = MasterKeys::parse(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(!error.contains("QUFB"), "{error}");
        }
    }

    #[test]
    fn purposes_and_masters_never_share_a_key() {
        let both = keys(&format!("new:{},old:{A}", hex(&[7; 32])));
        let mut all: Vec<Key> = Vec::new();
        let purposes = [
            Purpose::ProviderKeys,
            Purpose::ApiKeyPepper,
            Purpose::TokenSigning,
            Purpose::CacheIndex,
            Purpose::Addresses,
            Purpose::AlertSecrets,
            Purpose::IssuerSecrets,
        ];
        for purpose in purposes {
            all.extend(both.derive_all(purpose).map(|(_, key)| key));
        }
        all.sort_by_key(|key| **key);
        all.dedup_by_key(|key| **key);
        assert_eq!(all.len(), 2 * purposes.len());
    }

    #[test]
    fn a_sealed_secret_opens_only_in_its_context() {
        let old = keys(&format!("old:{A}"));
        let sealed = old.seal(Purpose::ProviderKeys, "proj_1/openai", [1; NONCE_LEN], b"sk-secret").unwrap();
        let rotated = keys(&format!("new:{},old:{A}", hex(&[7; 32])));
        assert_eq!(rotated.open(Purpose::ProviderKeys, "proj_1/openai", &sealed).unwrap().as_slice(), b"sk-secret");
        assert!(rotated.open(Purpose::ProviderKeys, "proj_2/openai", &sealed).is_err());
        assert!(rotated.open(Purpose::ApiKeyPepper, "proj_1/openai", &sealed).is_err());
        let mut changed = sealed.clone();
        changed.ct = changed.ct.replace(|c: char| c.is_ascii_lowercase(), "A");
        assert!(rotated.open(Purpose::ProviderKeys, "proj_1/openai", &changed).is_err());
    }
}
