//! The rules by which Project Wycheproof tries readers of JWS and JWK, as far as they can be decided without the platform: each by its
//! own name, with keys and signatures that are made here. What the platform decides (RSA, ECDSA): `tests/worker/jose-rules.test.ts`.
//!
//! Absent on purpose: rules for what is not taken at all; `docs/security.md` lists them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(missing_docs)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use behest::auth::jwk::PublicKey;
use behest::auth::jwks::KeySet;
use behest::auth::jws::Jws;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &[u8] = b"a secret of an identity provider";

fn pair(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn mac(signed: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(SECRET).unwrap();
    mac.update(signed.as_bytes());
    encode(mac.finalize().into_bytes())
}

/// The parts of a good token of an algorithm.
fn parts(alg: &str) -> [String; 3] {
    let (head, claims) = (encode(json!({"alg": alg, "kid": "k"}).to_string()), encode(r#"{"uid":"anna"}"#));
    let signature = sign(alg, &format!("{head}.{claims}"));
    [head, claims, signature]
}

fn sign(alg: &str, signed: &str) -> String {
    if alg == "HS256" { mac(signed) } else { encode(pair(7).sign(signed.as_bytes()).to_bytes()) }
}

/// Signed as it is, however it is spelled.
fn signed(alg: &str, head: &str, claims: &str) -> String {
    format!("{head}.{claims}.{}", sign(alg, &format!("{head}.{claims}")))
}

fn is_good(token: &str) -> bool {
    Jws::parse(token).is_ok_and(|jws| jws.is_signed_by(&pair(7).verifying_key()) || jws.is_signed_with(SECRET))
}

#[test]
fn signatures_and_parts() {
    for alg in ["EdDSA", "HS256"] {
        let [head, claims, signature] = parts(alg);
        let none = encode(json!({"alg": "none", "kid": "k"}).to_string());
        let other = |part: &str| encode(URL_SAFE_NO_PAD.decode(part).unwrap().iter().map(|byte| byte ^ 1).collect::<Vec<u8>>());
        for (rule, accepted, token) in [
            ("acceptsValid", true, format!("{head}.{claims}.{signature}")),
            ("rejectsModifiedSignature", false, format!("{head}.{claims}.{}", other(&signature))),
            ("rejectsMissingSignature", false, format!("{head}.{claims}.")),
            ("rejectsMissingSignatureAndSeparator", false, format!("{head}.{claims}")),
            ("rejectsModifiedPayload", false, format!("{head}.{}.{signature}", encode(r#"{"uid":"annb"}"#))),
            ("rejectsMissingPayload", false, format!("{head}..{signature}")),
            ("rejectsMissingPayload, signed", false, signed(alg, &head, "")),
            ("rejectsMissingPayloadAndSeparator", false, format!("{head}.{signature}")),
            ("rejectsModifiedHeader", false, format!("{}.{claims}.{signature}", encode(json!({"alg": alg, "kid": "l"}).to_string()))),
            ("rejectsMissingHeader", false, format!(".{claims}.{signature}")),
            ("rejectsMissingHeader, signed", false, signed(alg, "", &claims)),
            ("rejectsMissingHeaderAndSeparator", false, format!("{claims}.{signature}")),
            ("rejectsMissingHeaderAndSignature", false, format!(".{claims}.")),
            ("rejectsMissingHeaderSignatureAndSeparators", false, claims.clone()),
            ("rejectsEmptyString", false, String::new()),
            ("rejectsExtraEmptyComponent", false, format!("{head}.{claims}.{signature}.")),
            ("rejectsExtraComponent", false, format!("{head}.{claims}.{signature}.foo")),
            ("rejectsNoneAlgorithmAndMissingSignature", false, format!("{none}.{claims}.")),
            ("algIsNone, signed", false, signed(alg, &none, &claims)),
            (
                "rejectsValidJsonSerialization",
                false,
                json!({"payload": claims, "signatures": [{"protected": head, "signature": signature}]}).to_string(),
            ),
            (
                "rejectsValidJsonSerialization, flattened",
                false,
                json!({"payload": claims, "protected": head, "signature": signature}).to_string(),
            ),
        ] {
            assert_eq!(is_good(&token), accepted, "{alg} {rule}: {token}");
        }
    }
}

/// Another spelling of a part.
type Spoil = fn(&str) -> String;

/// The same bits in other letters: what follows the last whole byte is set.
fn unused_bits(part: &str) -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = letters.find(part.chars().last().unwrap()).unwrap();
    format!("{}{}", &part[..part.len() - 1], letters.chars().nth(last + 1).unwrap())
}

#[test]
fn one_spelling_of_base64url() {
    let spoiled: [(&str, Spoil); 7] = [
        ("spaces before", |part| format!("    {part}")),
        ("spaces after", |part| format!("{part}    ")),
        ("a line end within", |part| format!("{}\n{}", &part[..4], &part[4..])),
        ("an invalid character before", |part| format!("?{part}")),
        ("an invalid character within", |part| format!("{}?{}", &part[..4], &part[4..])),
        ("an invalid character in the place of another", |part| format!("####{}", &part[4..])),
        ("padding", |part| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4 + usize::from(part.len() % 4 == 0)))),
    ];
    for alg in ["EdDSA", "HS256"] {
        let [head, claims, signature] = parts(alg);
        for (rule, spoil) in spoiled {
            // The signature is of the spoiled text, so that nothing but the spelling is wrong.
            assert!(!is_good(&signed(alg, &spoil(&head), &claims)), "{alg}: header with {rule}");
            assert!(!is_good(&signed(alg, &head, &spoil(&claims))), "{alg}: payload with {rule}");
            assert!(!is_good(&format!("{head}.{claims}.{}", spoil(&signature))), "{alg}: signature with {rule}");
        }
        // Fourteen bytes leave four bits, 64 and 32 leave four and two.
        assert_eq!(claims.len() % 4, 3);
        let again = unused_bits(&claims);
        assert!(!is_good(&signed(alg, &head, &again)), "{alg}: MacOfIncorrectlyEncodedMessage");
        assert!(!is_good(&format!("{head}.{again}.{signature}")), "{alg}: ModifiedUnusedBitsInPayload");
        assert!(!is_good(&format!("{head}.{claims}.{}", unused_bits(&signature))), "{alg}: unused bits in the signature");
        for (rule, text) in [
            ("ValidSpacesInJsonHeader", format!(r#"{{ "kid" : "k", "alg" : "{alg}" }}"#)),
            ("ValidWhiteSpaceInJsonHeader", format!("{{\"kid\":\"k\",\n\t\"alg\":\"{alg}\"}}")),
        ] {
            assert!(is_good(&signed(alg, &encode(text), &claims)), "{alg}: {rule}");
        }
    }
}

#[test]
fn an_eddsa_signature_has_one_form() {
    let [head, claims, signature] = parts("EdDSA");
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    // S + L, L being the group's order: the same number for who does not look at its size.
    let order = [
        0xed_u8, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0_u16;
    let larger: Vec<u8> = bytes[32..]
        .iter()
        .zip(order)
        .map(|(own, more)| {
            carry += u16::from(*own) + u16::from(more);
            let low = carry.to_le_bytes()[0];
            carry >>= 8;
            low
        })
        .collect();
    assert_eq!(carry, 0);
    let zero = [0; 32];
    let mut neutral = zero;
    neutral[0] = 1;
    for (rule, made) in [
        ("S beyond the group's order", [&bytes[..32], &larger].concat()),
        ("S = 0", [&bytes[..32], &zero].concat()),
        ("R = 0", [&zero[..], &bytes[32..]].concat()),
        ("R neutral, S = 0", [neutral, zero].concat()),
        ("too long", [&bytes[..], &[0]].concat()),
        ("too short", bytes[..63].to_vec()),
        ("halves exchanged", [&bytes[32..], &bytes[..32]].concat()),
    ] {
        assert!(!is_good(&format!("{head}.{claims}.{}", encode(made))), "{rule}");
    }
}

fn okp(seed: u8, changes: &Value) -> Value {
    let mut jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k", "x": encode(pair(seed).verifying_key().as_bytes())});
    for (name, value) in changes.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

#[test]
fn sets_of_keys() {
    let token = parts("EdDSA").join(".");
    let jws = Jws::parse(&token).unwrap();
    let symmetric = json!({"kty": "oct", "alg": "HS256", "use": "sig", "kid": "k", "k": encode(SECRET)});
    for (rule, keys, accepted) in [
        ("acceptsValid", json!([okp(7, &json!({})), okp(8, &json!({"kid": "l"}))]), true),
        ("acceptsValid, the other way round", json!([okp(8, &json!({"kid": "l"})), okp(7, &json!({}))]), true),
        ("DuplicateKid", json!([okp(7, &json!({})), okp(8, &json!({}))]), false),
        ("DuplicateKid, the other way round", json!([okp(8, &json!({})), okp(7, &json!({}))]), false),
        ("the same key twice", json!([okp(7, &json!({})), okp(7, &json!({}))]), true),
        ("the same kid for another purpose", json!([okp(8, &json!({"use": "enc"})), okp(7, &json!({}))]), true),
        ("two keys without a kid", json!([okp(7, &json!({"kid": null})), okp(8, &json!({"kid": null}))]), false),
        ("rejectsWrongUse", json!([okp(7, &json!({"use": "enc"}))]), false),
        ("rejectWrongKeyOps", json!([okp(7, &json!({"key_ops": ["encrypt"]}))]), false),
        ("key_ops that verify", json!([okp(7, &json!({"key_ops": ["sign", "verify"]}))]), true),
        ("mismatchedAlgAndCurve", json!([okp(7, &json!({"alg": "ES256"}))]), false),
        ("mismatchedAlgAndCurve, invalid", json!([okp(7, &json!({"alg": "ES224"}))]), false),
        ("wrong_curve", json!([okp(7, &json!({"crv": "P-256"}))]), false),
        ("wrong_kty", json!([okp(7, &json!({"kty": "RSA"}))]), false),
        ("the private half is there", json!([okp(7, &json!({"d": encode([7; 32])}))]), false),
    ] {
        // A member that is null is not there.
        let keys: Value = keys.as_array().unwrap().iter().map(without_nulls).collect();
        let set = KeySet::read(&json!({ "keys": keys }));
        let good = set.is_ok_and(|set| set.find(&jws).and_then(PublicKey::ed25519).is_some_and(|key| jws.is_signed_by(&key)));
        assert_eq!(good, accepted, "{rule}");
    }
    let shared = parts("HS256").join(".");
    let shared = Jws::parse(&shared).unwrap();
    let mixed = json!({"keys": [symmetric, okp(7, &json!({"kid": "l"}))]});
    assert!(KeySet::check_inline(&mixed).is_err(), "MixedKeySet, sent by an owner");
    assert!(KeySet::read(&mixed).unwrap().find(&shared).is_none(), "MixedKeySet, published");
    for alg in ["HS256", "A256GCM", "A256KW"] {
        let set = json!({"keys": [{"kty": "oct", "alg": alg, "use": "sig", "kid": "k", "k": encode(SECRET)}]});
        assert!(KeySet::read(&set).is_err(), "rejectsAesKey, {alg}");
    }
}

fn without_nulls(jwk: &Value) -> Value {
    jwk.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn rsa_keys() {
    // The primes of the test for CVE-2017-15361; their product has a power of 65,537 as every rest, if one is added to a multiple of it.
    let product: u128 = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157].iter().product();
    let bytes = product.to_be_bytes();
    let modulus = |last: u8| encode(bytes.iter().copied().skip_while(|byte| *byte == 0).chain([0; 250]).chain([last]).collect::<Vec<u8>>());
    let plain = |length: usize| encode([vec![0xff_u8; length - 1], vec![0xfd]].concat());
    for (rule, n, e, accepted) in [
        ("acceptsValid", plain(256), "AQAB", true),
        ("rejectsKeyWithRocaVulnerability", modulus(1), "AQAB", false),
        ("a modulus that is beside it", modulus(3), "AQAB", true),
        ("rejects1024bitRsaKey", plain(128), "AQAB", false),
        ("rejectsPublicExponent1", plain(256), "AQ", false),
        ("an even exponent", plain(256), "BA", false),
    ] {
        let jwk = json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": n, "e": e});
        assert_eq!(PublicKey::from_jwk(&jwk, None).is_ok(), accepted, "{rule}");
        assert_eq!(KeySet::read(&json!({"keys": [jwk]})).is_ok(), accepted, "{rule}, published");
    }
}
