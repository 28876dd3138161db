//! Public keys: JWK and PEM as they are registered, checked before anything is verified with them.
//!
//! Always holds: a key is fixed to one algorithm; RSA keys have 2,048 to 8,192 bits; only public members are kept, and a private one
//! is refused without being repeated. Absent on purpose: whether a point is on its curve and what DER means: the platform's
//! import decides that (`edge::signature`).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::auth::jws::Algorithm;
use crate::error::{Error, Result};

/// The field that errors name.
const FIELD: &str = "public_key";
/// Bits of an RSA modulus.
const RSA_BITS: core::ops::RangeInclusive<usize> = 2_048..=8_192;
/// Members that only private and symmetric keys have (RFC 7518, RFC 8037).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// The longest key id, in characters.
const MAX_KID_CHARS: usize = 256;

/// A public key and the one algorithm it verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its id, if the JWK has one.
    pub kid: Option<String>,
    /// The algorithm it is fixed to.
    pub alg: Algorithm,
    /// Its public members: `kty` and what its type needs.
    pub jwk: Value,
}

impl PublicKey {
    /// Reads a JWK. `named_alg` is what was said beside it; the key's own `alg` must agree.
    ///
    /// # Errors
    /// 400 that names `public_key`, or `alg`.
    pub fn from_jwk(jwk: &Value, named_alg: Option<&str>) -> Result<Self> {
        let members = jwk.as_object().ok_or_else(|| bad("must be a JWK (an object) or PEM text"))?;
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(bad("holds a private or a symmetric key: send the public half only, and stop using a key that has left its place"));
        }
        check_use(members)?;
        let alg = algorithm(members, named_alg)?;
        let public = match alg {
            Algorithm::Hs256 => return Err(bad("HS256 has no public half")),
            Algorithm::EdDsa => edwards(members)?,
            Algorithm::Es256 => curve(members, "P-256", 32)?,
            Algorithm::Es384 => curve(members, "P-384", 48)?,
            _ => rsa(members)?,
        };
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.chars().count() <= MAX_KID_CHARS => Some(kid.clone()),
            Some(_) => return Err(bad("has a `kid` that is no string of at most 256 characters")),
        };
        Ok(Self { kid, alg, jwk: public })
    }

    /// What a cache knows it by: no two keys and no two algorithms share it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(format!("{} {}", self.alg.name(), self.jwk)).into()
    }

    /// The same as an Ed25519 key, if it is one.
    pub fn ed25519(&self) -> Option<VerifyingKey> {
        let point: [u8; 32] = decode(self.jwk.get("x")?)?.try_into().ok()?;
        (self.alg == Algorithm::EdDsa).then_some(())?;
        VerifyingKey::from_bytes(&point).ok().filter(|key| !key.is_weak())
    }
}

/// The DER within PEM of a public key (SPKI). The platform reads it.
///
/// # Errors
/// 400 that names `public_key` and says what was sent instead.
pub fn pem(text: &str) -> Result<Vec<u8>> {
    // Who carries a key through a shell or an environment variable often doubles the escapes.
    let text = text.replace("\\n", "\n");
    if text.contains("PRIVATE KEY") {
        return Err(bad("holds a private key: send the public half only, and stop using a key that has left its place"));
    }
    if text.contains("BEGIN CERTIFICATE") {
        return Err(bad("is a certificate; send the key in it: openssl x509 -pubkey -noout -in certificate.pem"));
    }
    if text.contains("BEGIN RSA PUBLIC KEY") {
        return Err(bad("is PKCS#1; it must be SPKI (BEGIN PUBLIC KEY): openssl rsa -RSAPublicKey_in -pubout"));
    }
    let inner = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----").and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"));
    let inner: String =
        inner.ok_or_else(|| bad("must be a JWK, or PEM: BEGIN PUBLIC KEY to END PUBLIC KEY"))?.split_ascii_whitespace().collect();
    STANDARD.decode(inner).map_err(|_| bad("is damaged: what is between BEGIN and END is not base64"))
}

fn check_use(members: &Map<String, Value>) -> Result<()> {
    if members.get("use").is_some_and(|purpose| purpose != "sig") {
        return Err(bad("is not for signatures: its `use` must be `sig`, or absent"));
    }
    let verifies = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
    if members.get("key_ops").is_some_and(|ops| !verifies(ops)) {
        return Err(bad("does not verify: its `key_ops` must contain `verify`, or be absent"));
    }
    Ok(())
}

/// The algorithm that is named, or the one that keys of this kind have.
fn algorithm(members: &Map<String, Value>, named: Option<&str>) -> Result<Algorithm> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let read = |name: &str| {
        let all = Algorithm::ALL.map(Algorithm::name).join(", ");
        Algorithm::named(name).ok_or_else(|| Error::invalid("alg", format!("alg must be one of {all}.")))
    };
    let own = match members.get("alg") {
        None => None,
        Some(alg) => Some(read(alg.as_str().unwrap_or_default())?),
    };
    let named = named.map(read).transpose()?;
    let usual = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => Algorithm::Rs256,
        (Some("EC"), Some("P-256")) => Algorithm::Es256,
        (Some("EC"), Some("P-384")) => Algorithm::Es384,
        (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
        _ => return Err(bad("must be an RSA key, or one on P-256, P-384 or Ed25519")),
    };
    match (own, named) {
        (Some(own), Some(named)) if own != named => Err(Error::invalid("alg", format!("alg: the key itself says {}.", own.name()))),
        (own, named) => Ok(own.or(named).unwrap_or(usual)),
    }
}

fn rsa(members: &Map<String, Value>) -> Result<Value> {
    let number = |name: &str| {
        let bytes = part(members, "RSA", name)?;
        // RFC 7518, 6.3.1: no more bytes than the number needs.
        if bytes.first().is_none_or(|first| *first == 0) { Err(bad(&format!("has a damaged `{name}`"))) } else { Ok(bytes) }
    };
    let (modulus, exponent) = (number("n")?, number("e")?);
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(bad(&format!("has {bits} bits; RSA keys must have {} to {}", RSA_BITS.start(), RSA_BITS.end())));
    }
    let value = exponent.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    if exponent.len() > 4 || value < 3 || value % 2 == 0 || modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(bad("has a modulus or an exponent that no RSA key has: both are odd, and the exponent is 3 to 2^32"));
    }
    Ok(json!({"kty": "RSA", "n": members.get("n"), "e": members.get("e")}))
}

fn curve(members: &Map<String, Value>, name: &str, length: usize) -> Result<Value> {
    if members.get("crv").is_none_or(|crv| crv != name) {
        return Err(bad(&format!("must be on the curve {name} for this algorithm")));
    }
    for coordinate in ["x", "y"] {
        if part(members, "EC", coordinate)?.len() != length {
            return Err(bad(&format!("has a `{coordinate}` that is not {length} bytes long")));
        }
    }
    Ok(json!({"kty": "EC", "crv": name, "x": members.get("x"), "y": members.get("y")}))
}

fn edwards(members: &Map<String, Value>) -> Result<Value> {
    if members.get("crv").is_none_or(|crv| crv != "Ed25519") {
        return Err(bad("must be on the curve Ed25519 for EdDSA"));
    }
    part(members, "OKP", "x")?;
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": members.get("x")});
    let key = PublicKey { kid: None, alg: Algorithm::EdDsa, jwk };
    if key.ed25519().is_none() { Err(bad("is no Ed25519 key")) } else { Ok(key.jwk) }
}

/// A member's bytes, in a key of this type.
fn part(members: &Map<String, Value>, kty: &str, name: &str) -> Result<Vec<u8>> {
    if members.get("kty").is_none_or(|own| own != kty) {
        return Err(bad(&format!("must have the `kty` {kty} for this algorithm")));
    }
    members.get(name).and_then(decode).ok_or_else(|| bad(&format!("must have `{name}` in base64url without padding")))
}

fn decode(value: &Value) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(value.as_str()?).ok()
}

fn bad(why: &str) -> Error {
    Error::invalid(FIELD, format!("{FIELD} {why}."))
}
