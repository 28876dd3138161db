//! Checks signatures of others: Ed25519 here, RSA and ECDSA by the platform.
//!
//! Always holds: the key says which algorithm is used, and a token that names another one is not signed; keys stay imported in this
//! isolate, by the digest of the whole key. Absent on purpose: which keys are trusted, and what a token must say.

use js_sys::{Array, Object, Uint8Array};
use serde_json::{Value, json};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto, WorkerGlobalScope};

use crate::auth::jwk::PublicKey;
use crate::auth::jws::{Algorithm, Jws};
use crate::edge::{clock, isolate};
use crate::error::{Error, Result};

/// How long an imported key is remembered, in ms.
const IMPORTED_MS: u64 = 3_600_000;

/// Whether this key signed the token.
///
/// # Errors
/// A server error if the platform does not take our words.
pub async fn verify(key: &PublicKey, jws: &Jws<'_>) -> Result<bool> {
    if key.alg != jws.alg || key.alg.signature_len().is_some_and(|length| jws.signature.len() != length) {
        return Ok(false);
    }
    match key.alg {
        Algorithm::EdDsa => Ok(key.ed25519().is_some_and(|key| jws.is_signed_by(&key))),
        // A shared secret is no public key.
        Algorithm::Hs256 => Ok(false),
        _ => by_platform(key, jws).await,
    }
}

/// Refuses what only the platform can tell: a point that is not on its curve, a modulus that it does not take.
///
/// # Errors
/// 400 that names `public_key`.
pub async fn check(key: &PublicKey) -> Result<()> {
    let taken = key.alg == Algorithm::EdDsa || import("jwk", &object(&key.jwk)?, key.alg, false).await.is_ok();
    if taken { Ok(()) } else { Err(refused()) }
}

/// The JWK of a public key in DER (SPKI): for the named algorithm, or for the first of the usual ones that it fits.
///
/// # Errors
/// 400 that names `public_key`.
pub async fn from_spki(der: &[u8], named: Option<&str>) -> Result<Value> {
    let usual = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
    let named = named.and_then(Algorithm::named);
    for alg in named.into_iter().chain(usual.into_iter().filter(|_| named.is_none())) {
        if let Ok(key) = import("spki", &Uint8Array::from(der), alg, true).await {
            return export(&key).await;
        }
    }
    Err(refused())
}

/// A public key as a JWK, as the platform writes it.
///
/// # Errors
/// A server error if the platform does not give it.
pub async fn export(key: &CryptoKey) -> Result<Value> {
    let text = async {
        let jwk = JsFuture::from(subtle()?.export_key("jwk", key)?).await?;
        Ok::<_, JsValue>(String::from(js_sys::JSON::stringify(&jwk)?))
    };
    let mut jwk: Value = text
        .await
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .ok_or_else(|| Error::server("a public key could not be exported"))?;
    if let Some(members) = jwk.as_object_mut() {
        // What the platform says of the use it was imported for is not the key's.
        members.retain(|name, _| !matches!(name.as_str(), "alg" | "key_ops" | "ext"));
    }
    Ok(jwk)
}

/// What the platform signs and verifies with.
///
/// # Errors
/// There is none, which cannot be.
pub fn subtle() -> Result<SubtleCrypto, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    Ok(scope.crypto()?.subtle())
}

/// A JSON value as an object of the platform.
///
/// # Errors
/// A server error if it is no object.
pub fn object(value: &Value) -> Result<Object> {
    let object = js_sys::JSON::parse(&value.to_string()).and_then(JsCast::dyn_into);
    object.map_err(|_| Error::server("JavaScript could not read our JSON"))
}

/// What the platform calls a kind of key, as it wants to hear it at an import.
pub fn kind(alg: Algorithm) -> Value {
    match alg {
        Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => json!({"name": "RSASSA-PKCS1-v1_5", "hash": hash(alg)}),
        Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => json!({"name": "RSA-PSS", "hash": hash(alg)}),
        Algorithm::Es256 => json!({"name": "ECDSA", "namedCurve": "P-256"}),
        Algorithm::Es384 => json!({"name": "ECDSA", "namedCurve": "P-384"}),
        Algorithm::EdDsa => json!({"name": "Ed25519"}),
        Algorithm::Hs256 => json!({"name": "HMAC", "hash": hash(alg)}),
    }
}

const fn hash(alg: Algorithm) -> &'static str {
    match alg {
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => "SHA-384",
        Algorithm::Rs512 | Algorithm::Ps512 => "SHA-512",
        _ => "SHA-256",
    }
}

/// How it is to verify: RFC 7518, 3.5: the salt of PSS is as long as the hash.
fn scheme(alg: Algorithm) -> Value {
    match alg {
        Algorithm::Ps256 => json!({"name": "RSA-PSS", "saltLength": 32}),
        Algorithm::Ps384 => json!({"name": "RSA-PSS", "saltLength": 48}),
        Algorithm::Ps512 => json!({"name": "RSA-PSS", "saltLength": 64}),
        Algorithm::Es256 | Algorithm::Es384 => json!({"name": "ECDSA", "hash": hash(alg)}),
        other => kind(other),
    }
}

async fn by_platform(key: &PublicKey, jws: &Jws<'_>) -> Result<bool> {
    // An identity provider may publish what is no key, such as a point beside its curve. It signs nothing.
    let Ok(imported) = imported(key).await else { return Ok(false) };
    let (signature, signed) = (Uint8Array::from(jws.signature.as_slice()), Uint8Array::from(jws.signed.as_bytes()));
    let scheme = object(&scheme(key.alg))?;
    let good = async {
        let promise = subtle()?.verify_with_object_and_js_u8_array_and_js_u8_array(&scheme, &imported, &signature, &signed)?;
        Ok::<_, JsValue>(JsFuture::from(promise).await?.is_truthy())
    };
    // The platform throws at some malformed signatures: they are not good ones.
    Ok(good.await.unwrap_or(false))
}

async fn imported(key: &PublicKey) -> Result<CryptoKey> {
    let digest = key.digest();
    if let Some(known) = isolate::with(|i| i.public_keys.get(&digest, clock::now_ms()).cloned()) {
        return Ok(known);
    }
    let new = import("jwk", &object(&key.jwk)?, key.alg, false).await.map_err(|_| Error::server("a registered public key is damaged"))?;
    isolate::with(|i| i.public_keys.put(digest, new.clone(), clock::now_ms() + IMPORTED_MS));
    Ok(new)
}

async fn import(format: &str, data: &Object, alg: Algorithm, extractable: bool) -> Result<CryptoKey, JsValue> {
    let kind = object(&kind(alg)).map_err(|_| JsValue::NULL)?;
    let promise = subtle()?.import_key_with_object(format, data, &kind, extractable, &Array::of1(&"verify".into()))?;
    JsFuture::from(promise).await?.dyn_into()
}

fn refused() -> Error {
    Error::invalid("public_key", "public_key is no key of the algorithm it is for.")
}
