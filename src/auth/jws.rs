//! A signed token (JWS, compact form), read strictly: RFC 7515, and RFC 8725 as code.
//!
//! Always holds: there is one way to write a token that passes (exact base64url, no duplicate members), and nothing in its header
//! can name a key, a place to fetch one, or another token inside. The algorithm that the header names decides nothing: it is
//! compared with the key's. Absent on purpose: RSA and ECDSA, which the platform checks (`edge::signature`), and what claims mean.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, Mac};
use jwt_compact::UntrustedToken;
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::auth::strict;
use crate::auth::token::{MAX_TOKEN_BYTES, invalid};
use crate::error::Result;

/// The longest key id, in characters.
const MAX_KID_CHARS: usize = 256;
/// Header members that would let a token bring its own key, change how it is read, or hold another token.
const REFUSED: [&str; 9] = ["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "enc", "cty"];

/// The algorithms that a key may be fixed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 7518 and RFC 8037 say it")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
    Hs256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 10] =
        [Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256, Self::Ps384, Self::Ps512, Self::Es256, Self::Es384, Self::EdDsa, Self::Hs256];

    /// By its name in `alg`, in exactly that case: `nOnE` is no spelling of anything. `EdDSA` has a second one, for the only curve that
    /// is taken here: `Ed25519` (RFC 9864, 2.2).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name).or_else(|| (name == "Ed25519").then_some(Self::EdDsa))
    }

    /// What `alg` says.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }

    /// How long every signature is, where the algorithm alone says it.
    pub const fn signature_len(self) -> Option<usize> {
        match self {
            Self::Es256 | Self::EdDsa => Some(64),
            Self::Es384 => Some(96),
            Self::Hs256 => Some(32),
            _ => None,
        }
    }
}

/// A token that was read and whose signature was not looked at yet.
#[derive(Clone, Debug)]
pub struct Jws<'a> {
    /// The algorithm that it says it is signed with.
    pub alg: Algorithm,
    /// The key that it says it is signed with.
    pub kid: Option<String>,
    /// Its claims. Nobody has vouched for them before the signature is checked.
    pub unverified: Map<String, Value>,
    /// What the signature is of.
    pub signed: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// 401 for anything that is not exactly a token of the kind we take.
    pub fn parse(token: &'a str) -> Result<Self> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("it is too long"));
        }
        let untrusted = UntrustedToken::new(token).map_err(|_| invalid("it is not a JWT"))?;
        let (signed, _) = token.rsplit_once('.').ok_or_else(|| invalid("it is not a JWT"))?;
        let (head, claims) = signed.split_once('.').ok_or_else(|| invalid("it is not a JWT"))?;
        let (alg, kid) = header(head)?;
        let unverified = members(claims).ok_or_else(|| invalid("its claims are not a JSON object without duplicates"))?;
        Ok(Self { alg, kid, unverified, signed, signature: untrusted.signature_bytes().to_vec() })
    }

    /// Whether an Ed25519 key signed it. Keys and signatures of small order are refused: they fit many texts.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        let signature = Signature::from_slice(&self.signature);
        self.alg == Algorithm::EdDsa && signature.is_ok_and(|signature| key.verify_strict(self.signed.as_bytes(), &signature).is_ok())
    }

    /// Whether a shared secret signed it with HS256. In constant time.
    pub fn is_signed_with(&self, secret: &[u8]) -> bool {
        let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(secret) else { return false };
        mac.update(self.signed.as_bytes());
        self.alg == Algorithm::Hs256 && mac.verify_slice(&self.signature).is_ok()
    }
}

fn header(part: &str) -> Result<(Algorithm, Option<String>)> {
    let header = members(part).ok_or_else(|| invalid("its header is not a JSON object without duplicates"))?;
    if let Some(name) = REFUSED.iter().find(|name| header.contains_key(**name)) {
        return Err(invalid(&format!("its header must not have `{name}`")));
    }
    let token_type = header.get("typ").map(|name| name.as_str().unwrap_or(""));
    if token_type.is_some_and(|name| !name.eq_ignore_ascii_case("JWT") && !name.eq_ignore_ascii_case("at+jwt")) {
        return Err(invalid("its `typ` must be JWT or at+jwt"));
    }
    let alg = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
    let alg = alg.ok_or_else(|| invalid("its `alg` is none that is taken here"))?;
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.chars().count() <= MAX_KID_CHARS => Some(kid.clone()),
        Some(_) => return Err(invalid("its `kid` must be a string of at most 256 characters")),
    };
    Ok((alg, kid))
}

fn members(part: &str) -> Option<Map<String, Value>> {
    strict::object(&URL_SAFE_NO_PAD.decode(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    fn pair() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    /// A token of these two texts, signed with Ed25519.
    fn token(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(pair().sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    }

    #[test]
    fn what_is_written_is_read() {
        for (header, kid) in [
            (r#"{"alg":"EdDSA"}"#, None),
            (r#"{"alg":"Ed25519"}"#, None),
            (r#"{"alg":"EdDSA","typ":"jwt","kid":""}"#, Some("")),
            (
                r#" {"alg":"EdDSA","typ":"AT+jwt","kid":"../../etc/passwd' OR 1=1 --","x5t":"AAAAAAAAAAAAAAAAAAAAAAAAAAA","cat":"cl_B7"}"#,
                Some("../../etc/passwd' OR 1=1 --"),
            ),
        ] {
            let text = token(header, r#"{"uid":"ann"}"#);
            let jws = Jws::parse(&text).unwrap();
            assert_eq!((jws.alg, jws.kid.as_deref(), &jws.unverified["uid"]), (Algorithm::EdDsa, kid, &Value::from("ann")), "{header}");
            assert!(jws.is_signed_by(&pair().verifying_key()), "{header}");
            assert!(!jws.is_signed_by(&SigningKey::from_bytes(&[8; 32]).verifying_key()), "{header}");
        }
    }

    #[test]
    fn what_rfc_8725_warns_of_is_no_token() {
        let with = |member: &str| token(&format!(r#"{{"alg":"EdDSA",{member}}}"#), "{}");
        let good = token(r#"{"alg":"EdDSA"}"#, r#"{"uid":"ann"}"#);
        let parts: Vec<&str> = good.split('.').collect();
        let mut refused: Vec<String> = REFUSED.iter().map(|name| with(&format!(r#""{name}":null"#))).collect();
        refused.extend(
            ["none", "None", "nOnE", "NONE", "", "HS384", "eddsa", "ed25519", "Ed448", "ES256K", "RSA-OAEP", "ES512"]
                .map(|alg| token(&format!(r#"{{"alg":"{alg}"}}"#), "{}")),
        );
        refused.extend(
            [
                r#""typ":"JOSE""#,
                r#""typ":"dpop+jwt""#,
                r#""typ":7"#,
                r#""kid":7"#,
                r#""kid":null"#,
                r#""alg":"RS256""#,
                r#""\u0061lg":"RS256""#,
            ]
            .map(with),
        );
        refused.push(with(&format!(r#""kid":"{}""#, "k".repeat(257))));
        refused.extend(["{}", r#"{"alg":null}"#, r#"{"alg":["EdDSA"]}"#, "[]", "\"EdDSA\"", ""].map(|header| token(header, "{}")));
        refused.extend(
            [
                "[]",
                "7",
                "",
                "ann",
                "{",
                "{} {}",
                r#"{"uid":"a","uid":"b"}"#,
                r#"{"a":{"b":1,"b":2}}"#,
                r#"{"exp":1e400}"#,
                r#"{"exp":NaN}"#,
            ]
            .map(|claims| token(r#"{"alg":"EdDSA"}"#, claims)),
        );
        refused.extend([
            String::new(),
            "..".to_owned(),
            format!("{good}."),
            format!("{good}.AAAA"),
            format!("{good}.AAAA.AAAA"),
            format!("{}.{}", parts[0], parts[1]),
            format!("{good}="),
            format!("{good}=="),
            format!("{good} "),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
            format!("{}.{}+/.{}", parts[0], parts[1], parts[2]),
            format!("{}.{}.{}", parts[0], parts[1], "-_/+"),
            // 64 bytes leave 4 bits that must be 0: with one of them set, a second spelling of the same signature.
            format!("{}.{}.{}", parts[0], parts[1], "A".repeat(85) + "B"),
            format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES)),
            format!("{}.{}.{}", parts[0], "é", parts[2]),
        ]);
        for token in &refused {
            assert_eq!(Jws::parse(token).unwrap_err().name(), "invalid_token", "{token}");
        }
        assert!(refused.len() >= 60);
    }

    #[test]
    fn a_signature_is_of_its_key_algorithm_and_text() {
        let secret = b"a secret of an identity provider";
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode("{}"));
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).unwrap();
        mac.update(signed.as_bytes());
        let shared = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        let jws = Jws::parse(&shared).unwrap();
        assert!(jws.is_signed_with(secret) && !jws.is_signed_with(b"another") && !jws.is_signed_by(&pair().verifying_key()));
        let own = token(r#"{"alg":"EdDSA"}"#, "{}");
        let jws = Jws::parse(&own).unwrap();
        let changed = [
            Jws { alg: Algorithm::Hs256, ..jws.clone() },
            Jws { signature: jws.signature[..63].to_vec(), ..jws.clone() },
            Jws { signature: vec![0; 64], ..jws.clone() },
            Jws { signature: Vec::new(), ..jws.clone() },
            Jws { signed: "e30.e30", ..jws.clone() },
        ];
        assert!(jws.is_signed_by(&pair().verifying_key()) && !jws.is_signed_with(pair().verifying_key().as_bytes()));
        assert!(changed.iter().all(|jws| !jws.is_signed_by(&pair().verifying_key())));
    }
}
