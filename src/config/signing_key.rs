//! A public key that a tenant signs its users' tokens with, and the request that registers one or asks for one.
//!
//! Always holds: only public members are kept or shown. Absent on purpose: reading keys (`auth::jwk`) and making them (`edge`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::jws::Algorithm;
use crate::error::{Error, Result};

/// What kids of the kind that clients expect begin with.
pub const KID_PREFIX: &str = "sk_";
/// The algorithms of which we make keys.
const MADE: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// A tenant's key: only its public half is ever kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// What tokens name it by.
    pub kid: String,
    /// For people.
    pub name: String,
    /// The one algorithm it signs with, such as `RS256`.
    pub alg: String,
    /// Its public half as a JWK, public members only.
    pub jwk: Value,
    /// Epoch seconds.
    pub created_at: u64,
    /// The version of the configuration that it came with: a key that was deleted and registered again is another.
    #[serde(default)]
    pub revision: u64,
}

impl SigningKey {
    /// As the admin routes show it.
    pub fn view(&self) -> Value {
        json!({
            "object": "signing_key", "id": self.kid, "kid": self.kid, "name": self.name, "alg": self.alg,
            "public_key": self.jwk, "created_at": self.created_at,
        })
    }
}

/// A request for a key: one that is sent, or one that is to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSigningKey {
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    public_key: Option<Value>,
    #[serde(default)]
    generate: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Wanted {
    /// This public key is to be registered: a JWK, or PEM as a string.
    Registered(Value),
    /// A pair of this algorithm is to be made.
    Made(Algorithm),
}

/// A request that was checked.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// The key's id; `None` leaves the choice to us (or to the JWK).
    pub kid: Option<String>,
    /// For people.
    pub name: String,
    /// The algorithm by name.
    pub alg: Option<String>,
    /// What is to be done.
    pub wanted: Wanted,
}

impl NewSigningKey {
    /// Checks the request.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn check(self) -> Result<Request> {
        if self.name.chars().count() > 200 || self.name.chars().any(char::is_control) {
            return Err(Error::invalid("name", "name must have at most 200 characters and no control characters."));
        }
        self.kid.as_deref().map(check_kid).transpose()?;
        let wanted = match (self.public_key, self.generate) {
            (Some(_), true) => return Err(Error::invalid("generate", "generate: a key is either sent or made; leave one of the two out.")),
            (None, false) => return Err(Error::invalid("public_key", "public_key is required: PEM or a JWK. Or send `generate: true`.")),
            (Some(Value::String(text)), false) if text.trim_start().starts_with('{') => {
                let jwk = serde_json::from_str(&text).map_err(|_| Error::invalid("public_key", "public_key is not JSON."))?;
                Wanted::Registered(jwk)
            }
            (Some(key), false) => Wanted::Registered(key),
            (None, true) => Wanted::Made(made(self.alg.as_deref())?),
        };
        Ok(Request { kid: self.kid, name: self.name, alg: self.alg, wanted })
    }
}

fn made(alg: Option<&str>) -> Result<Algorithm> {
    let found = Algorithm::named(alg.unwrap_or("RS256")).filter(|alg| MADE.contains(alg));
    found
        .ok_or_else(|| Error::invalid("alg", format!("alg of a key that is made must be one of {}.", MADE.map(Algorithm::name).join(", "))))
}

/// Checks a key's id: 1 to 128 letters, digits, dots, dashes and underscores, so that it can stand in a path.
///
/// # Errors
/// 400 that names `kid`.
pub fn check_kid(kid: &str) -> Result<()> {
    let plain = kid.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    // Dots alone are steps in a path.
    if plain && (1..=128).contains(&kid.len()) && !kid.bytes().all(|b| b == b'.') {
        return Ok(());
    }
    Err(Error::invalid("kid", "kid must have 1 to 128 letters, digits, dots, dashes or underscores."))
}

/// A private key as PEM (RFC 7468).
pub fn pem(pkcs8_base64: &str) -> String {
    let lines: Vec<&str> =
        (0..pkcs8_base64.len()).step_by(64).filter_map(|at| pkcs8_base64.get(at..(at + 64).min(pkcs8_base64.len()))).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// What the SDKs take as `BEHEST_KEY`: the PEM in one line behind their prefix, which is all that they take away before they read it.
pub fn behest_key(pkcs8_base64: &str) -> String {
    format!("behest_pk_-----BEGIN PRIVATE KEY-----{pkcs8_base64}-----END PRIVATE KEY-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Request> {
        serde_json::from_value::<NewSigningKey>(body).map_err(|e| Error::invalid("body", e.to_string()))?.check()
    }

    #[test]
    fn a_key_is_sent_or_made() {
        for (body, expected) in [
            (json!({"public_key": "PEM"}), Wanted::Registered("PEM".into())),
            (json!({"public_key": {"kty": "RSA"}}), Wanted::Registered(json!({"kty": "RSA"}))),
            (json!({"public_key": " {\"kty\": \"RSA\"}"}), Wanted::Registered(json!({"kty": "RSA"}))),
            (json!({"generate": true}), Wanted::Made(Algorithm::Rs256)),
            (json!({"generate": true, "alg": "EdDSA", "name": "n", "kid": "sk_a.b-c"}), Wanted::Made(Algorithm::EdDsa)),
            (json!({"generate": true, "alg": "Ed25519", "name": "n", "kid": "sk_a.b-c"}), Wanted::Made(Algorithm::EdDsa)),
        ] {
            assert_eq!(read(body.clone()).unwrap().wanted, expected, "{body}");
        }
        for (field, body) in [
            ("public_key", json!({})),
            ("public_key", json!({"public_key": "{"})),
            ("generate", json!({"generate": true, "public_key": "x"})),
            ("alg", json!({"generate": true, "alg": "HS256"})),
            ("alg", json!({"generate": true, "alg": "none"})),
            ("kid", json!({"generate": true, "kid": ""})),
            ("kid", json!({"generate": true, "kid": ".."})),
            ("kid", json!({"generate": true, "kid": "../x"})),
            ("kid", json!({"generate": true, "kid": "x".repeat(129)})),
            ("kid", json!({"generate": true, "kid": "é"})),
            ("name", json!({"generate": true, "name": "a\nb"})),
        ] {
            let error: Value = serde_json::from_str(&read(body.clone()).unwrap_err().body()).unwrap();
            assert_eq!(error["error"]["param"], field, "{body}");
        }
    }
}
