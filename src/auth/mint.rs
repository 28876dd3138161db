//! `POST /v1/auth/mint`: reads the request, decides the claims, writes the answer. Contract section 2.
//!
//! Absent on purpose: the API key (checked before) and the signature (`token`).

use serde_json::Value;

use crate::auth::capabilities::{ALL_SCOPES, Capabilities};
use crate::auth::token::{AUDIENCE, UserClaims, Via};
use crate::error::{Code, Error, Result};
use crate::json;

/// Shortest life of a token, in seconds.
pub const MIN_TTL_S: u64 = 60;
/// Longest life of a token, in seconds.
pub const MAX_TTL_S: u64 = 86_400;

/// What the project and the key allow.
pub struct Terms<'a> {
    /// Tenant id.
    pub tenant_id: &'a str,
    /// Project id.
    pub project_id: &'a str,
    /// The API key that mints.
    pub key_id: &'a str,
    /// Issuer of the deployment.
    pub issuer: &'a str,
    /// Life when the request names none, seconds.
    pub default_ttl: u64,
    /// Longest life, seconds.
    pub max_ttl: u64,
    /// Whether the key may mint `admin` and `dashboard-service`.
    pub may_mint_admin: bool,
}

/// A token to be signed.
#[derive(Debug)]
pub struct Mint {
    /// The claims.
    pub claims: UserClaims,
    /// Life in seconds.
    pub ttl: u64,
}

/// Reads and checks a mint request. `fresh_id` makes a UUID v4.
///
/// # Errors
/// 400 that names the field; 403 for a role the key may not mint.
pub fn parse(body: &[u8], terms: &Terms, mut fresh_id: impl FnMut() -> String) -> Result<Mint> {
    let body = json::object(body)?;
    let field = |name: &str| body.get(name).unwrap_or(&Value::Null);
    let ttl = ttl(field("ttl"), terms)?;
    let claims = UserClaims {
        tid: terms.tenant_id.to_owned(),
        pid: terms.project_id.to_owned(),
        uid: user_id(field("user_id"))?,
        role: role(field("role"), terms.may_mint_admin)?,
        scp: ALL_SCOPES.to_owned(),
        iss: terms.issuer.to_owned(),
        aud: AUDIENCE.to_owned(),
        jti: fresh_id(),
        sid: session_id(field("session_id"))?.unwrap_or_else(fresh_id),
        tier: tier(field("tier"))?,
        via: Some(Via::Key(terms.key_id.to_owned())),
        par: Vec::new(),
        capabilities: capabilities(&body)?,
    };
    Ok(Mint { claims, ttl })
}

/// What the token may do less than its user.
fn capabilities(body: &serde_json::Map<String, Value>) -> Result<Capabilities> {
    let names = ["tokens_max", "usd_max", "one_time"];
    let given = body.iter().filter(|(name, value)| names.contains(&name.as_str()) && !value.is_null());
    let fields = given.map(|(name, value)| (name.clone(), value.clone())).collect();
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| Error::field(&error))
}

/// The superset of every answer that clients read: three equal token fields, integer times.
pub fn answer(mint: &Mint, token: &str, now: u64) -> Value {
    serde_json::json!({
        "access_token": token, "jwt": token, "token": token, "token_type": "Bearer",
        "project_id": mint.claims.pid, "session_id": mint.claims.sid,
        "ttl": mint.ttl, "expires_in": mint.ttl, "expires_at": now + mint.ttl,
    })
}

fn user_id(value: &Value) -> Result<String> {
    let id = match value {
        Value::String(id) => id.as_str(),
        Value::Null => return Err(Error::invalid("user_id", "user_id is required: the id your app knows this user by.")),
        _ => return Err(Error::invalid("user_id", "user_id must be a string.")),
    };
    check_user_id(id)?;
    Ok(id.to_owned())
}

/// Checks the id of a user: 1 to 255 characters, none of them a control character, and not one of ours.
///
/// # Errors
/// 400 that names `user_id`.
pub fn check_user_id(id: &str) -> Result<()> {
    if id.is_empty() || id.chars().count() > 255 {
        return Err(Error::invalid("user_id", "user_id must have 1 to 255 characters."));
    }
    if id.chars().any(char::is_control) {
        return Err(Error::invalid("user_id", "user_id must not contain control characters."));
    }
    let folded = id.to_lowercase();
    if folded.starts_with("sys") || folded == "admin" || folded == "dashboard-service" {
        return Err(Error::invalid("user_id", "user_id is reserved: it must not be `admin` or `dashboard-service`, nor begin with `sys`."));
    }
    Ok(())
}

fn session_id(value: &Value) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(id) if is_header_id(id) => Ok(Some(id.clone())),
        _ => Err(Error::invalid("session_id", "session_id must be a string of 1 to 128 visible ASCII characters.")),
    }
}

/// Whether a session or thread id may stand in a header: 1–128 visible ASCII characters.
pub fn is_header_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

fn role(value: &Value, may_mint_admin: bool) -> Result<String> {
    match value.as_str() {
        None if value.is_null() => Ok("user".to_owned()),
        Some("user" | "regular") => Ok("user".to_owned()),
        Some(role @ ("admin" | "dashboard-service")) if may_mint_admin => Ok(role.to_owned()),
        Some("admin" | "dashboard-service") => {
            Err(Error::new(Code::Forbidden, "This API key may not mint that role: it lacks the capability `mint:admin`.")
                .with_param("role"))
        }
        _ => Err(Error::invalid("role", "role must be `user`, `regular`, `admin` or `dashboard-service`.")),
    }
}

fn ttl(value: &Value, terms: &Terms) -> Result<u64> {
    if value.is_null() {
        return Ok(terms.default_ttl.min(terms.max_ttl));
    }
    match value.as_u64() {
        Some(ttl) if (MIN_TTL_S..=terms.max_ttl).contains(&ttl) => Ok(ttl),
        _ => Err(Error::invalid("ttl", format!("ttl must be a whole number of seconds from {MIN_TTL_S} to {}.", terms.max_ttl))),
    }
}

/// Whether a text may be a tier's name: 1–64 letters, digits, - or _.
pub fn is_tier_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A tier by name; 1, 2 and 3 are the numbers older clients send for free, pro and max.
fn tier(value: &Value) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) if is_tier_name(name) => Ok(Some(name.clone())),
        Value::Number(number) => match number.as_u64() {
            Some(1) => Ok(Some("free".to_owned())),
            Some(2) => Ok(Some("pro".to_owned())),
            Some(3) => Ok(Some("max".to_owned())),
            _ => Err(Error::invalid("tier", "tier must be a tier's name, or 1 (free), 2 (pro) or 3 (max).")),
        },
        _ => Err(Error::invalid("tier", "tier must be a tier's name (letters, digits, - or _), or 1, 2 or 3.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn terms(may_mint_admin: bool) -> Terms<'static> {
        Terms {
            tenant_id: "tnt_default",
            project_id: "proj_1",
            key_id: "key_1",
            issuer: "behest",
            default_ttl: 900,
            max_ttl: 3600,
            may_mint_admin,
        }
    }

    fn mint(body: &Value) -> Result<Mint> {
        parse(body.to_string().as_bytes(), &terms(false), || "fresh".to_owned())
    }

    #[test]
    fn defaults_are_the_contracts() {
        let mint = mint(&json!({"user_id": "u"})).unwrap();
        assert_eq!((mint.ttl, mint.claims.role.as_str(), mint.claims.sid.as_str()), (900, "user", "fresh"));
        let answer = answer(&mint, "a.b.c", 1_000);
        assert_eq!(answer["expires_at"], 1_900);
        assert!(["access_token", "jwt", "token"].iter().all(|field| answer[field] == "a.b.c"));
    }

    #[test]
    fn bad_fields_are_named() {
        for (field, body) in [
            ("user_id", json!({})),
            ("user_id", json!({"user_id": 7})),
            ("user_id", json!({"user_id": ""})),
            ("user_id", json!({"user_id": "x".repeat(256)})),
            ("user_id", json!({"user_id": "a\nb"})),
            ("user_id", json!({"user_id": "admin"})),
            ("user_id", json!({"user_id": "Admin"})),
            ("user_id", json!({"user_id": "system-1"})),
            ("user_id", json!({"user_id": "dashboard-service"})),
            ("session_id", json!({"user_id": "u", "session_id": ""})),
            ("session_id", json!({"user_id": "u", "session_id": "a b"})),
            ("session_id", json!({"user_id": "u", "session_id": 1})),
            ("role", json!({"user_id": "u", "role": "root"})),
            ("role", json!({"user_id": "u", "role": 1})),
            ("ttl", json!({"user_id": "u", "ttl": 59})),
            ("ttl", json!({"user_id": "u", "ttl": 3601})),
            ("ttl", json!({"user_id": "u", "ttl": 90.5})),
            ("ttl", json!({"user_id": "u", "ttl": "900"})),
            ("tier", json!({"user_id": "u", "tier": 4})),
            ("tier", json!({"user_id": "u", "tier": "a b"})),
        ] {
            let error = mint(&body).unwrap_err();
            let rendered: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &rendered["error"]["param"]), (400, &json!(field)), "{body}");
        }
    }

    #[test]
    fn powerful_roles_need_the_capability() {
        let body = json!({"user_id": "u", "role": "admin"});
        assert_eq!(mint(&body).unwrap_err().status(), 403);
        assert_eq!(parse(body.to_string().as_bytes(), &terms(true), String::new).unwrap().claims.role, "admin");
        assert_eq!(mint(&json!({"user_id": "u", "role": "regular"})).unwrap().claims.role, "user");
    }
}
