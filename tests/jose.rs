//! The examples of RFC 7515, 7520 and 8037, which lie beside the project, if they do: each signature is good, and is not after any change.
//!
//! Absent on purpose: RSA signatures, which the platform checks; of those keys it is tried that they are read and made public first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(missing_docs)]
#![allow(clippy::explicit_write, reason = "the test harness swallows what `eprintln` says when a test passes")]

use std::io::{self, Write};
use std::{fs, path::Path};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use behest::auth::jwk::PublicKey;
use behest::auth::jws::{Algorithm, Jws};
use serde_json::{Map, Value};

const VECTORS: &str = "../shared/vectors/jose-cookbook/vectors.json";

/// Whether this key signed the token.
fn is_good(jws: &Jws<'_>, key: &Value) -> bool {
    match jws.alg {
        Algorithm::Hs256 => jws.is_signed_with(&URL_SAFE_NO_PAD.decode(key["k"].as_str().unwrap()).unwrap()),
        _ => jws.is_signed_by(&public(key).ed25519().unwrap()),
    }
}

fn public(key: &Value) -> PublicKey {
    let mut members = key.as_object().unwrap().clone();
    members.retain(|name, _| ["kty", "crv", "n", "e", "x", "y", "kid"].contains(&name.as_str()));
    PublicKey::from_jwk(&Value::Object(members), None).unwrap()
}

#[test]
fn examples_of_the_rfcs() {
    if !Path::new(VECTORS).exists() {
        writeln!(io::stderr(), "SKIPPED: {VECTORS} is not here; no example of the RFCs was tried").unwrap();
        return;
    }
    let vectors: Vec<Value> = serde_json::from_slice(&fs::read(VECTORS).unwrap()).unwrap();
    let mut checked = 0;
    for vector in &vectors {
        let (name, compact) = (&vector["name"], vector["compact"].as_str().unwrap());
        let alg = Algorithm::named(vector["alg"].as_str().unwrap()).unwrap();
        // Their payloads are text, not claims: as tokens they are refused.
        assert_eq!(Jws::parse(compact).unwrap_err().name(), "invalid_token", "{name}");
        if vector["key"]["kty"] != "oct" {
            assert!(PublicKey::from_jwk(&vector["key"], None).unwrap_err().message().contains("public half only"), "{name}");
            assert_eq!(public(&vector["key"]).alg, alg, "{name}");
        }
        if !matches!(alg, Algorithm::Hs256 | Algorithm::EdDsa) {
            continue;
        }
        let (signed, signature) = compact.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let jws = Jws { alg, kid: None, unverified: Map::new(), signed, signature };
        assert!(is_good(&jws, &vector["key"]), "{name}");
        for byte in 0..jws.signature.len() {
            let mut changed = jws.clone();
            changed.signature[byte] ^= 1;
            assert!(!is_good(&changed, &vector["key"]), "{name}: byte {byte}");
        }
        assert!(!is_good(&Jws { signed: &signed[1..], ..jws }, &vector["key"]), "{name}");
        checked += 1;
    }
    writeln!(io::stderr(), "examples of the RFCs: {} read, {checked} signatures checked here", vectors.len()).unwrap();
    assert!(checked >= 2, "only {checked}");
}
