//! Tokens that a tenant signs for its own users: which project and key they name, and who they then are.
//!
//! Always holds: nothing is read as truth before the signature is good; the role is `user`; a claim that would narrow the token and
//! cannot be read refuses it. Absent on purpose: the signature (`edge::signature`), and whether the key still stands (`standing`).

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::auth::capabilities::{ALL_SCOPES, Capabilities, is_scope};
use crate::auth::jwk::PublicKey;
use crate::auth::jws::Jws;
use crate::auth::mint::{self, check_user_id, is_header_id};
use crate::auth::token::{AUDIENCE, LEEWAY_S, Principal, UserClaims, Via, invalid};
use crate::config::{Project, SigningKey, Snapshot};
use crate::error::{Code, Error, Result};
use crate::secrets::hex;

/// Issuers that tokens of the SDKs name, beside the deployment's own.
const ISSUERS: [&str; 3] = ["behest", "https://api.behest.ai", "https://api.behest.app"];
/// Times and numbers from here on are not exact in every JSON reader.
const MAX_SECONDS: u64 = 1 << 53;
/// Claims that narrow a token: there and `null` is not absent.
const NARROWING: [&str; 9] = ["models", "max_tokens", "tokens_max", "usd_max", "origin", "thread", "ip", "one_time", "sid_only"];
/// Claims that only this deployment writes: they tie a token to the ones it was made from.
const OURS: [&str; 2] = ["under", "par"];

/// What a token of this project must agree with.
pub struct Terms<'a> {
    /// The project that it names.
    pub project: &'a Project,
    /// The key that signed it.
    pub key: &'a SigningKey,
    /// The deployment's issuer.
    pub issuer: &'a str,
    /// The longest life, in seconds.
    pub max_ttl: u64,
}

/// The project that a token names, if it names one that could be ours.
pub fn project_id(unverified: &Map<String, Value>) -> Option<&str> {
    let id = unverified.get("pid")?.as_str()?;
    let digits = id.strip_prefix("proj_")?;
    (digits.len() == 24 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).then_some(id)
}

/// The key of the project that a token names: by `kid`, or the only one of its algorithm if it names none.
///
/// # Errors
/// 401 if there is none.
pub fn key<'a>(snapshot: &'a Snapshot, jws: &Jws<'_>) -> Result<&'a SigningKey> {
    let found = if let Some(kid) = &jws.kid {
        snapshot.signing_keys.get(kid)
    } else {
        let mut fitting = snapshot.signing_keys.values().filter(|key| key.alg == jws.alg.name());
        fitting.next().filter(|_| fitting.next().is_none())
    };
    found.ok_or_else(|| invalid("it was signed with a key this project does not know"))
}

/// A registered key, ready to verify.
///
/// # Errors
/// A server error if what is stored is no key.
pub fn public_key(key: &SigningKey) -> Result<PublicKey> {
    PublicKey::from_jwk(&key.jwk, Some(&key.alg)).map_err(|_| Error::server(format!("the signing key {} is damaged", key.kid)))
}

/// Who a token is for. Its signature is good.
///
/// # Errors
/// 401 that says which claim is not as it must be; `token_expired` for a token whose time is over.
pub fn principal(jws: &Jws<'_>, terms: &Terms, now: u64) -> Result<Principal> {
    let claims = &jws.unverified;
    check_place(claims, terms)?;
    let (issued_at, expires_at) = times(claims, terms.max_ttl, now)?;
    // Of what was signed, not of the signature: some algorithms let anybody make another good signature from one.
    let digest = hex(&Sha256::digest(jws.signed.as_bytes()));
    let made = |range: core::ops::Range<usize>| digest.get(range).unwrap_or_default().to_owned();
    let claims = UserClaims {
        tid: terms.project.tenant_id.clone(),
        pid: terms.project.id.clone(),
        uid: user_id(claims)?,
        role: "user".to_owned(),
        scp: scopes(claims.get("scp"))?,
        iss: text(claims, "iss").unwrap_or_default().to_owned(),
        aud: AUDIENCE.to_owned(),
        jti: id(claims, "jti")?.unwrap_or_else(|| made(0..32)),
        sid: id(claims, "sid")?.unwrap_or_else(|| made(32..64)),
        tier: mint::tier(claims.get("tier").unwrap_or(&Value::Null)).map_err(|_| wrong("tier"))?,
        via: Some(Via::Signing(terms.key.kid.clone())),
        par: Vec::new(),
        capabilities: capabilities(claims)?,
    };
    Ok(Principal { claims, issued_at, expires_at, trust: terms.key.revision })
}

fn check_place(claims: &Map<String, Value>, terms: &Terms) -> Result<()> {
    if text(claims, "pid") != Some(&terms.project.id) || text(claims, "tid") != Some(&terms.project.tenant_id) {
        return Err(invalid("its `tid` and `pid` are not those of the project"));
    }
    if !text(claims, "iss").is_some_and(|iss| iss == terms.issuer || ISSUERS.contains(&iss)) {
        return Err(invalid("its `iss` is none that is taken here"));
    }
    let ours = match claims.get("aud") {
        Some(Value::Array(list)) => list.iter().all(Value::is_string) && list.iter().any(|aud| aud == AUDIENCE),
        Some(aud) => aud == AUDIENCE,
        None => false,
    };
    if ours { Ok(()) } else { Err(invalid("its `aud` is not `behest`")) }
}

/// When it was made (0 if it does not say) and when it ends.
fn times(claims: &Map<String, Value>, max_ttl: u64, now: u64) -> Result<(u64, u64)> {
    let expires_at = seconds(claims, "exp")?.ok_or_else(|| wrong("exp"))?;
    let (issued_at, not_before) = (seconds(claims, "iat")?, seconds(claims, "nbf")?);
    let latest = now.saturating_add(LEEWAY_S);
    if issued_at.is_some_and(|at| at > latest) || not_before.is_some_and(|at| at > latest) {
        return Err(invalid("it is not valid yet"));
    }
    if expires_at.saturating_add(LEEWAY_S) <= now {
        return Err(Error::new(Code::TokenExpired, "The token's time is over. Sign a new one."));
    }
    if expires_at.saturating_sub(issued_at.unwrap_or(now)) > max_ttl.saturating_add(LEEWAY_S) {
        return Err(invalid(&format!("its life is longer than the {max_ttl} seconds that the project allows")));
    }
    Ok((issued_at.unwrap_or(0), expires_at))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative and below 2^53")]
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = |number: f64| (number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number)).then_some(number as u64);
    let read = value.as_u64().or_else(|| value.as_f64().and_then(whole)).filter(|at| *at < MAX_SECONDS);
    read.map(Some).ok_or_else(|| wrong(name))
}

fn user_id(claims: &Map<String, Value>) -> Result<String> {
    let uid = text(claims, "uid").filter(|uid| check_user_id(uid).is_ok());
    uid.map(str::to_owned).ok_or_else(|| wrong("uid"))
}

/// `scp` as one string. Absent and empty mean all: the SDKs send an empty list. Words that are no scopes give nothing.
fn scopes(scp: Option<&Value>) -> Result<String> {
    let words: Vec<&str> = match scp {
        None => Vec::new(),
        Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(|| wrong("scp"))?,
        Some(_) => return Err(wrong("scp")),
    };
    if words.is_empty() {
        return Ok(ALL_SCOPES.to_owned());
    }
    let mut known: Vec<&str> = words.into_iter().filter(|word| is_scope(word)).collect();
    known.sort_unstable();
    known.dedup();
    Ok(known.join(" "))
}

fn id(claims: &Map<String, Value>, name: &str) -> Result<Option<String>> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(id)) if is_header_id(id) => Ok(Some(id.clone())),
        Some(_) => Err(wrong(name)),
    }
}

fn capabilities(claims: &Map<String, Value>) -> Result<Capabilities> {
    if let Some(name) = OURS.iter().find(|name| claims.contains_key(**name)) {
        return Err(invalid(&format!("it must not have `{name}`")));
    }
    let named: Map<String, Value> =
        NARROWING.iter().filter_map(|name| claims.get(*name).map(|value| ((*name).to_owned(), value.clone()))).collect();
    if let Some((name, _)) = named.iter().find(|(_, value)| value.is_null()) {
        return Err(wrong(name));
    }
    let read = serde_path_to_error::deserialize::<_, Capabilities>(Value::Object(named)).map_err(|e| wrong(&e.path().to_string()))?;
    if read.thread.as_deref().is_some_and(|thread| !is_header_id(thread)) {
        return Err(wrong("thread"));
    }
    Ok(read)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

fn wrong(name: &str) -> Error {
    invalid(&format!("its claim `{name}` is missing, or not as it must be"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::jws::Algorithm;
    use crate::config::Status;
    use serde_json::json;

    const PID: &str = "proj_0123456789abcdef01234567";

    /// What becomes of a token with these claims changed (`null` in `without` removes), at 1,000.
    fn read(changes: &Value, without: &[&str]) -> Result<Principal> {
        let mut claims =
            json!({"tid": "t", "pid": PID, "uid": "ann", "iss": "behest", "aud": "behest", "iat": 1_000, "nbf": 1_000, "exp": 1_900});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let unverified = claims.as_object().unwrap().iter().filter(|(name, _)| !without.contains(&name.as_str()));
        let unverified = unverified.map(|(name, value)| (name.clone(), value.clone())).collect();
        let jws = Jws { alg: Algorithm::Rs256, kid: None, unverified, signed: "a.b", signature: vec![] };
        let (id, tenant_id) = (PID.to_owned(), "t".to_owned());
        let project = Project { id, tenant_id, slug: "s".into(), name: "n".into(), status: Status::Active, created_at: 1 };
        let key = SigningKey { kid: "sk_1".into(), name: String::new(), alg: "RS256".into(), jwk: Value::Null, created_at: 1, revision: 7 };
        principal(&jws, &Terms { project: &project, key: &key, issuer: "https://gate.example", max_ttl: 900 }, 1_000)
    }

    #[test]
    fn the_least_that_the_sdks_send_is_enough() {
        let read = read(&json!({}), &[]).unwrap();
        let claims = &read.claims;
        assert_eq!((claims.uid.as_str(), claims.role.as_str(), claims.scp.as_str()), ("ann", "user", ALL_SCOPES));
        assert_eq!((read.issued_at, read.expires_at, read.trust, &claims.via), (1_000, 1_900, 7, &Some(Via::Signing("sk_1".into()))));
        assert_eq!((claims.jti.len(), claims.sid.len(), claims.jti == claims.sid), (32, 32, false));
    }

    #[test]
    fn what_is_sent_is_read() {
        for (changes, name, expected) in [
            (json!({"role": "admin"}), "role", json!("user")),
            (json!({"role": "dashboard-service"}), "role", json!("user")),
            (json!({"scp": []}), "scp", json!(ALL_SCOPES)),
            (json!({"scp": ""}), "scp", json!(ALL_SCOPES)),
            (json!({"scp": "usage  chat root"}), "scp", json!("chat usage")),
            (json!({"scp": ["threads:read", "root"]}), "scp", json!("threads:read")),
            (json!({"scp": "root admin"}), "scp", json!("")),
            (json!({"tier": 2}), "tier", json!("pro")),
            (json!({"tier": "gold"}), "tier", json!("gold")),
            (json!({"aud": ["other", "behest"]}), "aud", json!("behest")),
            (json!({"iss": "https://api.behest.ai"}), "iss", json!("https://api.behest.ai")),
            (json!({"iss": "https://gate.example"}), "iss", json!("https://gate.example")),
            (json!({"jti": "j", "sid": "s"}), "sid", json!("s")),
            (json!({"exp": 1_900.0}), "uid", json!("ann")),
            (json!({"uid": "Zoë 用户 🦀"}), "uid", json!("Zoë 用户 🦀")),
            (json!({"models": ["a*"], "max_tokens": 5}), "models", json!(["a*"])),
            (json!({"via": "key:x", "secret": "s"}), "via", json!("signing:sk_1")),
            (json!({"exp": 1_930}), "role", json!("user")),
            (json!({"iat": 1_030, "nbf": 1_030}), "role", json!("user")),
        ] {
            let claims = serde_json::to_value(read(&changes, &[]).unwrap().claims).unwrap();
            assert_eq!(claims[name], expected, "{changes}");
        }
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table")]
    fn what_is_not_as_it_must_be_is_refused() {
        let many: Vec<Value> = [
            json!({"tid": "other"}),
            json!({"tid": 7}),
            json!({"pid": "proj_other"}),
            json!({"pid": [PID]}),
            json!({"iss": "https://evil.example"}),
            json!({"iss": "behest "}),
            json!({"iss": ["behest"]}),
            json!({"iss": ""}),
            json!({"aud": "other"}),
            json!({"aud": ["other"]}),
            json!({"aud": []}),
            json!({"aud": ["behest", 7]}),
            json!({"aud": {"behest": 1}}),
            json!({"aud": null}),
            json!({"uid": "admin"}),
            json!({"uid": "Admin"}),
            json!({"uid": "system"}),
            json!({"uid": ""}),
            json!({"uid": "a\u{0}b"}),
            json!({"uid": 7}),
            json!({"uid": null}),
            json!({"uid": ["ann"]}),
            json!({"uid": "x".repeat(256)}),
            json!({"exp": "1900"}),
            json!({"exp": -1}),
            json!({"exp": null}),
            json!({"exp": 1e300}),
            json!({"exp": u64::MAX}),
            json!({"exp": 1_u64 << 53}),
            json!({"exp": 1_900.5}),
            json!({"exp": true}),
            json!({"exp": [1_900]}),
            json!({"exp": 1_931}),
            json!({"exp": 99_999_999}),
            json!({"iat": 1_031}),
            json!({"iat": "1000"}),
            json!({"iat": -5}),
            json!({"iat": 1e30}),
            json!({"iat": null}),
            json!({"iat": 0}),
            json!({"nbf": 1_031}),
            json!({"nbf": "0"}),
            json!({"nbf": -1}),
            json!({"scp": 7}),
            json!({"scp": [7]}),
            json!({"scp": null}),
            json!({"scp": {"chat": true}}),
            json!({"sid": ""}),
            json!({"sid": "a b"}),
            json!({"sid": 7}),
            json!({"jti": 7}),
            json!({"jti": "x".repeat(129)}),
            json!({"tier": 9}),
            json!({"tier": "a b"}),
            json!({"models": "gpt-5"}),
            json!({"models": [7]}),
            json!({"models": null}),
            json!({"max_tokens": "5"}),
            json!({"max_tokens": -5}),
            json!({"tokens_max": 1.5}),
            json!({"usd_max": "1"}),
            json!({"usd_max": -1}),
            json!({"origin": ["https://a"]}),
            json!({"thread": 7}),
            json!({"thread": "a b"}),
            json!({"ip": 7}),
            json!({"one_time": "true"}),
            json!({"one_time": 1}),
            json!({"one_time": null}),
            json!({"sid_only": "yes"}),
            json!({"under": []}),
            json!({"par": ["x"]}),
        ]
        .into();
        for changes in &many {
            assert_eq!(read(changes, &[]).map(|read| read.claims).unwrap_err().name(), "invalid_token", "{changes}");
        }
        for missing in ["tid", "pid", "uid", "iss", "aud", "exp"] {
            assert_eq!(read(&json!({}), &[missing]).unwrap_err().name(), "invalid_token", "{missing}");
        }
        assert_eq!(read(&json!({"iat": 60, "nbf": 60, "exp": 960}), &[]).unwrap_err().name(), "token_expired");
        assert_eq!(read(&json!({"exp": 1_931}), &["iat"]).unwrap_err().name(), "invalid_token");
        assert_eq!(read(&json!({"exp": 1_900}), &["iat"]).unwrap().issued_at, 0);
    }
}
