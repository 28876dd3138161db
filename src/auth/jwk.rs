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
/// Small primes by which moduli show that they come from the chips of CVE-2017-15361 (ROCA), whose factors can be found: modulo each of
/// these, such a modulus is a power of 65,537. One in some hundred million others is, too.
const ROCA_PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
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
    if is_roca(&modulus) {
        return Err(bad("is of a kind whose private half can be computed (CVE-2017-15361); make another"));
    }
    Ok(json!({"kty": "RSA", "n": members.get("n"), "e": members.get("e")}))
}

fn is_roca(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % prime);
        let powers = core::iter::successors(Some(1), |power| Some(power * (65_537 % prime) % prime));
        powers.take(*prime as usize).any(|power| power == rest)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of so many bits, odd.
    fn modulus(bits: usize) -> String {
        let mut bytes = vec![0xff_u8; bits.div_ceil(8)];
        bytes[0] >>= (8 - bits % 8) % 8;
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn rsa(changes: &Value) -> Value {
        changed(json!({"kty": "RSA", "n": modulus(2_048), "e": "AQAB"}), changes)
    }

    fn ec(changes: &Value) -> Value {
        changed(json!({"kty": "EC", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43)}), changes)
    }

    fn okp(changes: &Value) -> Value {
        changed(json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}), changes)
    }

    fn changed(mut jwk: Value, changes: &Value) -> Value {
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    #[test]
    fn a_key_has_one_algorithm_and_public_members() {
        let long = "A".repeat(64);
        for (jwk, named, alg) in [
            (rsa(&json!({})), None, "RS256"),
            (rsa(&json!({"alg": "PS384", "use": "sig", "x5c": ["…"]})), None, "PS384"),
            (rsa(&json!({"key_ops": ["verify"], "n": modulus(8_192), "e": "Aw"})), Some("RS512"), "RS512"),
            (rsa(&json!({"alg": "RS256"})), Some("RS256"), "RS256"),
            (ec(&json!({})), None, "ES256"),
            (ec(&json!({"crv": "P-384", "x": long, "y": long})), None, "ES384"),
            (okp(&json!({"kid": "k"})), None, "EdDSA"),
            (okp(&json!({"alg": "Ed25519"})), Some("EdDSA"), "EdDSA"),
        ] {
            let key = PublicKey::from_jwk(&jwk, named).unwrap();
            assert_eq!(key.alg.name(), alg, "{jwk}");
            assert!(key.jwk.as_object().unwrap().keys().all(|name| ["kty", "crv", "n", "e", "x", "y"].contains(&name.as_str())), "{jwk}");
            assert_eq!(PublicKey::from_jwk(&key.jwk, Some(alg)).unwrap().digest(), key.digest());
        }
    }

    #[test]
    fn what_is_no_public_key_is_refused_by_name() {
        let canary = "canary-canary";
        for (field, jwk, named) in [
            ("public_key", json!([]), None),
            ("public_key", json!({}), None),
            ("public_key", json!({"kty": "oct", "k": canary}), None),
            ("public_key", json!({"kty": "RSA"}), None),
            ("public_key", rsa(&json!({"d": canary})), None),
            ("public_key", rsa(&json!({"p": null})), None),
            ("public_key", ec(&json!({"d": canary})), None),
            ("public_key", okp(&json!({"d": canary})), None),
            ("public_key", rsa(&json!({"n": modulus(2_047)})), None),
            ("public_key", rsa(&json!({"n": modulus(1_024)})), None),
            ("public_key", rsa(&json!({"n": modulus(8_193)})), None),
            ("public_key", rsa(&json!({"n": format!("AAAA{}", modulus(2_048))})), None),
            ("public_key", rsa(&json!({"n": format!("{}==", modulus(2_048))})), None),
            ("public_key", rsa(&json!({"n": 7})), None),
            ("public_key", rsa(&json!({"e": "AQ"})), None),
            ("public_key", rsa(&json!({"e": "Ag"})), None),
            ("public_key", rsa(&json!({"e": ""})), None),
            ("public_key", rsa(&json!({"e": "AQAAAAE"})), None),
            ("public_key", rsa(&json!({"e": "AQAB="})), None),
            ("public_key", rsa(&json!({"use": "enc"})), None),
            ("public_key", rsa(&json!({"key_ops": ["sign"]})), None),
            ("public_key", rsa(&json!({"key_ops": "verify"})), None),
            ("public_key", rsa(&json!({"kid": 7})), None),
            ("public_key", rsa(&json!({})), Some("ES256")),
            ("public_key", rsa(&json!({})), Some("HS256")),
            ("public_key", rsa(&json!({"alg": "EdDSA"})), None),
            ("public_key", ec(&json!({"alg": "Ed25519"})), None),
            ("alg", rsa(&json!({"alg": "PS256"})), Some("RS256")),
            ("alg", rsa(&json!({"alg": "none"})), None),
            ("alg", rsa(&json!({"alg": 7})), None),
            ("alg", rsa(&json!({})), Some("rs256")),
            ("public_key", ec(&json!({"crv": "P-521"})), None),
            ("public_key", ec(&json!({"crv": "secp256k1"})), None),
            ("public_key", ec(&json!({"crv": "P-384"})), None),
            ("public_key", ec(&json!({"crv": "P-384"})), Some("ES256")),
            ("public_key", ec(&json!({})), Some("ES384")),
            ("public_key", ec(&json!({"x": "A".repeat(42)})), None),
            ("public_key", ec(&json!({"y": format!("{}B", "A".repeat(42))})), None),
            ("public_key", okp(&json!({"crv": "X25519"})), None),
            ("public_key", okp(&json!({"crv": "Ed448"})), None),
            ("public_key", okp(&json!({"x": "AAAA"})), None),
            // The point of order 1: it fits every text.
            ("public_key", okp(&json!({"x": format!("AQ{}", "A".repeat(41))})), None),
            ("public_key", okp(&json!({"kty": "EC"})), None),
        ] {
            let error = PublicKey::from_jwk(&jwk, named).unwrap_err();
            let body: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &body["error"]["param"]), (400, &json!(field)), "{jwk} {body}");
            assert!(!error.body().contains(canary), "{body}");
        }
    }

    #[test]
    fn pem_gives_its_bytes_or_says_what_it_is() {
        let spki = |inner: &str| format!("-----BEGIN PUBLIC KEY-----\n{inner}\n-----END PUBLIC KEY-----\n");
        for text in [spki("AAEC\r\nAw=="), spki("AAECAw=="), spki("AAECAw==").replace('\n', "\\n")] {
            assert_eq!(pem(&text).unwrap(), [0, 1, 2, 3]);
        }
        for (text, why) in [
            (spki("AAECAw"), "base64"),
            (spki("!"), "base64"),
            ("x".to_owned(), "BEGIN PUBLIC KEY"),
            (spki("AAEC") + "x", "BEGIN PUBLIC KEY"),
            (spki("AAEC").replace("PUBLIC", "PRIVATE"), "public half only"),
            (spki("AAEC").replace("PUBLIC", "RSA PRIVATE"), "public half only"),
            (spki("AAEC").replace("PUBLIC", "RSA PUBLIC"), "PKCS#1"),
            (spki("AAEC").replace("PUBLIC KEY", "CERTIFICATE"), "x509"),
        ] {
            assert!(pem(&text).unwrap_err().message().contains(why), "{text}");
        }
    }
}
