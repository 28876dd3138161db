//! Whom a login token of an identity provider speaks of: verified claims in, a `Principal` of the project out. Contract section 3.
//!
//! Always holds: issuer, audience and times are checked before anything else is read; the role is `user`, whatever the provider's
//! own roles and scopes say; no capability is read from such a token. Absent on purpose: signatures (`edge::login`).

use serde_json::{Map, Value};

use crate::auth::capabilities::{ALL_SCOPES, Capabilities};
use crate::auth::mint::{check_user_id, is_header_id, is_tier_name};
use crate::auth::token::{AUDIENCE, LEEWAY_S, Principal, UserClaims, Via};
use crate::config::Project;
use crate::config::issuer::{Issuer, Preset};
use crate::error::{Code, Error, Result};

/// Larger numbers are not exact in every reader of JSON.
const MAX_TIME_S: u64 = 1 << 53;
/// The longest `jti` that is taken as it is.
const MAX_JTI: usize = 255;
/// Roles that Supabase gives to keys of its own, which are signed like users' tokens but are nobody's login.
const NOBODY: [&str; 3] = ["anon", "service_role", "supabase_admin"];

type Claims = Map<String, Value>;

/// When a token begins and ends, in epoch seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it was made; 0 if it does not say.
    pub issued_at: u64,
    /// When it ends.
    pub expires_at: u64,
}

/// The user that a token with a good signature speaks of. `digest` is the hexadecimal hash of what was signed, and not of the
/// signature: of one of ECDSA anybody can make another good one, which must not become another token.
///
/// # Errors
/// 401 `token_expired` for a good token whose time is over, else 401 `invalid_token`.
pub fn principal(issuer: &Issuer, name: &str, project: &Project, claims: &Claims, digest: &str, now: u64) -> Result<Principal> {
    let times = check(issuer, claims, now)?;
    check_kind(issuer, claims, now)?;
    check_email(issuer, claims)?;
    let short = digest.get(..32).unwrap_or(digest);
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    let sid = text("session_id").or_else(|| text("sid")).filter(|id| is_header_id(id));
    let jti = text("jti").filter(|id| (1..=MAX_JTI).contains(&id.len()));
    let claims = UserClaims {
        tid: project.tenant_id.clone(),
        pid: project.id.clone(),
        uid: user_id(issuer, claims)?,
        role: "user".to_owned(),
        scp: ALL_SCOPES.to_owned(),
        iss: issuer.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        jti: jti.unwrap_or(short).to_owned(),
        sid: sid.unwrap_or(short).to_owned(),
        tier: tier(issuer, claims),
        via: Some(Via::Issuer(name.to_owned())),
        par: Vec::new(),
        capabilities: Capabilities::default(),
    };
    Ok(Principal { claims, issued_at: times.issued_at, expires_at: times.expires_at, trust: issuer.revision })
}

/// Issuer, audience, party and times: what every token must say, whoever it is for.
///
/// # Errors
/// As [`principal`].
pub fn check(issuer: &Issuer, claims: &Claims, now: u64) -> Result<Times> {
    if claims.get("iss").and_then(Value::as_str) != Some(&issuer.issuer) {
        return Err(invalid("it is of another issuer"));
    }
    if !is_for(issuer, claims) {
        return Err(invalid("its audience is another than the project's settings for this identity provider say"));
    }
    times(issuer.max_age, claims, now)
}

/// Whether the token is for the app that this configuration describes. Decides which configuration is meant, too.
pub fn is_for(issuer: &Issuer, claims: &Claims) -> bool {
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    let named: Vec<&str> = match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        // Cognito's access tokens say `client_id` instead.
        None if issuer.preset == Some(Preset::Cognito) && text("token_use") == Some("access") => text("client_id").into_iter().collect(),
        _ => text("aud").into_iter().collect(),
    };
    let audience = issuer.audience.is_empty() || issuer.audience.iter().any(|own| named.contains(&own.as_str()));
    let party =
        issuer.authorized_parties.is_empty() || text("azp").is_some_and(|azp| issuer.authorized_parties.iter().any(|own| own == azp));
    audience && party
}

fn times(max_age: u64, claims: &Claims, now: u64) -> Result<Times> {
    let expires_at = time(claims, "exp")?.ok_or_else(|| invalid("it has no `exp`"))?;
    let issued_at = time(claims, "iat")?;
    let begins = time(claims, "nbf")?.into_iter().chain(issued_at).max();
    if begins.is_some_and(|begins| begins > now + LEEWAY_S) {
        return Err(invalid("it is not valid yet"));
    }
    if expires_at + LEEWAY_S <= now {
        return Err(Error::new(Code::TokenExpired, "The token's time is over. Get a new one from your identity provider."));
    }
    if expires_at.saturating_sub(issued_at.unwrap_or(now)) > max_age {
        return Err(invalid(&format!("it lives longer than {max_age} seconds, which is the most for this identity provider")));
    }
    Ok(Times { issued_at: issued_at.unwrap_or(0), expires_at })
}

/// A time in whole seconds; one that is written as 1.0 is one, too.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "it is whole and within 2^53")]
fn time(claims: &Claims, claim: &str) -> Result<Option<u64>> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let whole = |seconds: f64| (seconds.fract() == 0.0 && (0.0..MAX_TIME_S as f64).contains(&seconds)).then_some(seconds as u64);
    let seconds = value.as_u64().filter(|seconds| *seconds < MAX_TIME_S).or_else(|| value.as_f64().and_then(whole));
    seconds.map(Some).ok_or_else(|| invalid(&format!("its `{claim}` is no time")))
}

/// What is peculiar to a product.
fn check_kind(issuer: &Issuer, claims: &Claims, now: u64) -> Result<()> {
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    if text("role").is_some_and(|role| NOBODY.contains(&role)) {
        return Err(invalid("it is a key of the identity provider, not the login of a user"));
    }
    match issuer.preset {
        Some(Preset::Firebase) => match time(claims, "auth_time")? {
            Some(at) if at <= now + LEEWAY_S => Ok(()),
            _ => Err(invalid("its `auth_time` is not in the past")),
        },
        Some(Preset::Cognito) if !matches!(text("token_use"), Some("access" | "id")) => {
            Err(invalid("its `token_use` is neither `access` nor `id`"))
        }
        _ => Ok(()),
    }
}

fn check_email(issuer: &Issuer, claims: &Claims) -> Result<()> {
    if issuer.email_domains.is_empty() {
        return Ok(());
    }
    if claims.get("email_verified").is_some_and(|verified| verified != true && verified != "true") {
        return Err(invalid("its e-mail address is not verified"));
    }
    let domain = claims.get("email").and_then(Value::as_str).and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
    if domain.is_some_and(|domain| issuer.email_domains.iter().any(|own| own.eq_ignore_ascii_case(domain))) {
        return Ok(());
    }
    Err(invalid("the project does not admit its e-mail address"))
}

fn user_id(issuer: &Issuer, claims: &Claims) -> Result<String> {
    let claim = &issuer.user_id_claim;
    let id = match find(claims, claim) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) if id.is_u64() || id.is_i64() => id.to_string(),
        _ => return Err(invalid(&format!("its `{claim}` names no user"))),
    };
    check_user_id(&id).map_err(|error| invalid(&format!("its `{claim}` is no user id: {}", error.message().trim_end_matches('.'))))?;
    Ok(id)
}

/// A tier by name. What is no name of a tier is as good as none: the project's own limits hold, and nobody is locked out by what
/// the provider put there.
fn tier(issuer: &Issuer, claims: &Claims) -> Option<String> {
    let named = issuer.tier_claim.as_deref().and_then(|claim| find(claims, claim)).and_then(Value::as_str);
    named.filter(|name| is_tier_name(name)).map(str::to_owned)
}

/// A claim by its whole name (some are URLs), or by the names on the way to it.
fn find<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |value, name| value.get(name))
}

fn invalid(why: &str) -> Error {
    Error::new(Code::InvalidToken, format!("The token is not valid: {why}."))
}

#[cfg(test)]
mod tests;
