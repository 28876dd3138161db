//! An identity provider that a project trusts: how an owner writes it, how it is kept (a secret of its sealed), how it is shown.
//!
//! Always holds: what `iss` must say is one exact text; a token must be for this app, by its audience or by who asked for it; a
//! provider has keys or a secret, never both. Absent on purpose: what presets know (`preset`), fetching keys (`edge::jwks`).

mod preset;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::preset::{Given, Known, checked_url};
use crate::auth::jwks::KeySet;
use crate::auth::jws::Algorithm;
use crate::config::provider::Sealing;
use crate::error::{Error, Result};
use crate::json;
use crate::secrets::{MasterKeys, Purpose, Sealed};

pub use self::preset::Preset;

/// The longest that a token may live, in seconds, and what holds unless the owner says less: marks of revocation are kept for no longer.
pub const MAX_AGE_S: u64 = 86_400;
/// What owners may list. HS256 goes with a secret only.
const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
/// The algorithm of a shared secret.
pub const HMAC: &str = "HS256";
/// RFC 7518 3.2: a key of HS256 has at least the hash's 32 bytes.
const MIN_SECRET: usize = 32;
const MAX_SECRET: usize = 4_096;
/// Most entries of a list.
const MAX_LIST: usize = 50;
const MAX_TEXT: usize = 512;

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// What `iss` must say.
    pub issuer: String,
    /// Whose product it is, if the owner said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// What verifies its signatures.
    pub keys: Keys,
    /// One of these must be among the token's `aud`; none = `authorized_parties` or the issuer itself says whose the token is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// If there are any: what `azp` may say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorized_parties: Vec<String>,
    /// Which claim is the user's id; dots lead into objects.
    pub user_id_claim: String,
    /// Which claim names the tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_claim: Option<String>,
    /// If there are any: the domains, in lower case, that the user's e-mail address may be of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email_domains: Vec<String>,
    /// If there are any: the algorithms that its keys may be used with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// The longest life of a token, seconds.
    pub max_age: u64,
    /// Epoch seconds.
    #[serde(default)]
    pub created_at: u64,
    /// The version of the configuration that it came with: one that was changed is another.
    #[serde(default)]
    pub revision: u64,
}

/// What verifies the signatures of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// A JWKS at this address.
    Url(String),
    /// A JWKS whose address the provider's discovery document names.
    Discovery,
    /// This JWKS.
    Inline(Value),
    /// A secret that is shared with it (HS256).
    Secret(Sealed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    preset: Option<String>,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    jwks_url: Option<String>,
    /// Read by hand, as is the secret: serde's message would repeat what was sent.
    #[serde(default)]
    jwks: Value,
    #[serde(default)]
    secret: Value,
    /// `null` and absent are not the same.
    #[serde(default, deserialize_with = "present")]
    audience: Option<Value>,
    #[serde(default)]
    authorized_parties: Vec<String>,
    #[serde(default)]
    user_id_claim: Option<String>,
    #[serde(default)]
    tier_claim: Option<String>,
    #[serde(default)]
    email_domains: Vec<String>,
    #[serde(default)]
    algorithms: Vec<String>,
    #[serde(default)]
    max_age: Option<u64>,
    #[serde(default)]
    project_ref: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    frontend_api: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    user_pool_id: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Issuer {
    /// Reads the body of `PUT …/issuers/{name}` and seals its secret.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn parse(body: &[u8], project_id: &str, name: &str, sealing: &Sealing) -> Result<Self> {
        let fields = json::object(body)?;
        let body: Body = serde_path_to_error::deserialize(Value::Object(fields)).map_err(|e| Error::field(&e))?;
        check_name(name)?;
        let preset = body.preset.as_deref().map(Preset::parse).transpose()?;
        let known = known(preset, &body, sealing.allow_private)?;
        let issuer = issuer(&body, &known, preset, sealing.allow_private)?;
        let keys = keys(&body, known.keys, &context(project_id, name), sealing)?;
        let audience = audience(&body, known.audience, known.whole_issuer)?;
        let algorithms = algorithms(&body.algorithms, &keys)?;
        let (user_id_claim, tier_claim) = (body.user_id_claim.unwrap_or_else(|| "sub".to_owned()), body.tier_claim);
        check_claim("user_id_claim", &user_id_claim)?;
        tier_claim.iter().try_for_each(|claim| check_claim("tier_claim", claim))?;
        Ok(Self {
            issuer,
            preset,
            keys,
            audience,
            authorized_parties: list("authorized_parties", body.authorized_parties)?,
            user_id_claim,
            tier_claim,
            email_domains: domains(&body.email_domains)?,
            algorithms,
            max_age: max_age(body.max_age)?,
            created_at: sealing.now_s,
            revision: 0,
        })
    }

    /// As the admin routes show it.
    pub fn view(&self, name: &str) -> Value {
        let (jwks_url, jwks) = match &self.keys {
            Keys::Url(url) => (json!(url), Value::Null),
            Keys::Inline(set) => (Value::Null, set.clone()),
            Keys::Discovery | Keys::Secret(_) => (Value::Null, Value::Null),
        };
        json!({
            "object": "issuer", "name": name, "preset": self.preset, "issuer": self.issuer,
            "jwks_url": jwks_url, "jwks": jwks, "discovery": self.keys == Keys::Discovery,
            "has_secret": matches!(self.keys, Keys::Secret(_)), "audience": self.audience,
            "authorized_parties": self.authorized_parties, "user_id_claim": self.user_id_claim, "tier_claim": self.tier_claim,
            "email_domains": self.email_domains, "algorithms": self.algorithms, "max_age": self.max_age, "created_at": self.created_at,
        })
    }

    /// Opens its secret, if it has one.
    ///
    /// # Errors
    /// A server error if it does not decrypt.
    pub fn secret(&self, masters: &MasterKeys, project_id: &str, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Keys::Secret(sealed) = &self.keys else { return Ok(None) };
        masters.open(Purpose::IssuerSecrets, &context(project_id, name), sealed).map(Some).map_err(Error::server)
    }

    /// Whether its keys may be used with this algorithm.
    pub fn takes(&self, algorithm: &str) -> bool {
        match self.keys {
            Keys::Secret(_) => algorithm == HMAC,
            _ => algorithm != HMAC && (self.algorithms.is_empty() || self.algorithms.iter().any(|name| name == algorithm)),
        }
    }
}

fn context(project_id: &str, name: &str) -> String {
    format!("{project_id}/issuers/{name}")
}

fn check_name(name: &str) -> Result<()> {
    let fine =
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if fine { Ok(()) } else { Err(Error::invalid("name", "An issuer's name has 1 to 64 lower-case letters, digits, - or _.")) }
}

fn known(preset: Option<Preset>, body: &Body, allow_private: bool) -> Result<Known> {
    let given = Given {
        project_ref: body.project_ref.as_deref(),
        url: body.url.as_deref(),
        frontend_api: body.frontend_api.as_deref(),
        domain: body.domain.as_deref(),
        project_id: body.project_id.as_deref(),
        region: body.region.as_deref(),
        user_pool_id: body.user_pool_id.as_deref(),
        client_id: body.client_id.as_deref(),
    };
    given.check(preset)?;
    preset.map_or_else(|| Ok(Known::default()), |preset| preset.known(&given, allow_private))
}

fn issuer(body: &Body, known: &Known, preset: Option<Preset>, allow_private: bool) -> Result<String> {
    let issuer = body.issuer.clone().or_else(|| known.issuer.clone());
    let issuer = issuer.ok_or_else(|| Error::invalid("issuer", "issuer is required: what the claim `iss` of the tokens says."))?;
    if !is_text(&issuer) {
        return Err(Error::invalid("issuer", format!("issuer must be 1 to {MAX_TEXT} visible ASCII characters.")));
    }
    if preset == Some(Preset::Oidc) {
        checked_url("issuer", &issuer, allow_private)?;
    }
    Ok(issuer)
}

fn keys(body: &Body, known: Option<Keys>, context: &str, sealing: &Sealing) -> Result<Keys> {
    let secret = secret(&body.secret)?;
    let url = body.jwks_url.as_deref().map(|url| checked_url("jwks_url", url, sealing.allow_private).map(|_| Keys::Url(url.to_owned())));
    match (url, &body.jwks, secret) {
        (Some(url), Value::Null, None) => url,
        (None, Value::Null, Some(secret)) => {
            let sealed = sealing.masters.seal(Purpose::IssuerSecrets, context, sealing.nonce, secret.as_bytes());
            sealed.map(Keys::Secret).map_err(Error::server)
        }
        (None, Value::Null, None) => {
            known.ok_or_else(|| Error::invalid("jwks_url", "jwks_url is required, or a preset that knows it, or jwks, or a secret."))
        }
        (None, set, None) => {
            KeySet::check_inline(set).map_err(|why| Error::invalid("jwks", format!("jwks {why}.")))?;
            Ok(Keys::Inline(set.clone()))
        }
        (_, _, Some(_)) => Err(Error::invalid("secret", "secret does not go with jwks_url or jwks: a token must not choose.")),
        (Some(_), _, None) => Err(Error::invalid("jwks", "jwks does not go with jwks_url.")),
    }
}

fn secret(value: &Value) -> Result<Option<&str>> {
    match value {
        Value::Null => Ok(None),
        Value::String(secret) if (MIN_SECRET..=MAX_SECRET).contains(&secret.len()) => Ok(Some(secret)),
        _ => Err(Error::invalid("secret", format!("secret must be a string of {MIN_SECRET} to {MAX_SECRET} bytes."))),
    }
}

fn audience(body: &Body, known: Option<Vec<String>>, whole_issuer: bool) -> Result<Vec<String>> {
    let named = match &body.audience {
        None => known,
        Some(Value::Null) => None,
        Some(Value::String(one)) => Some(list("audience", vec![one.clone()])?),
        Some(Value::Array(several)) => {
            let texts: Option<Vec<String>> = several.iter().map(|one| one.as_str().map(str::to_owned)).collect();
            Some(list("audience", texts.unwrap_or_default())?)
        }
        Some(_) => Some(Vec::new()),
    };
    match named {
        Some(named) if named.is_empty() => Err(Error::invalid("audience", "audience must be a text or a list of texts.")),
        Some(named) => Ok(named),
        None if whole_issuer || (body.audience.is_some() && !body.authorized_parties.is_empty()) => Ok(Vec::new()),
        None => Err(Error::invalid(
            "audience",
            "audience is required: what `aud` of the tokens for your app says. If they have none, send null and authorized_parties, which `azp` is held against.",
        )),
    }
}

fn algorithms(names: &[String], keys: &Keys) -> Result<Vec<String>> {
    let allowed: &[&str] = if matches!(keys, Keys::Secret(_)) { &[HMAC] } else { &ALGORITHMS };
    let known = |name: &String| Algorithm::named(name).map(Algorithm::name).filter(|name| allowed.contains(name)).map(str::to_owned);
    names
        .iter()
        .map(known)
        .collect::<Option<_>>()
        .ok_or_else(|| Error::invalid("algorithms", format!("algorithms: each must be one of {}.", allowed.join(", "))))
}

fn list(field: &str, texts: Vec<String>) -> Result<Vec<String>> {
    if texts.len() > MAX_LIST || !texts.iter().all(|text| is_text(text)) {
        return Err(Error::invalid(field, format!("{field}: at most {MAX_LIST} texts of 1 to {MAX_TEXT} visible ASCII characters.")));
    }
    Ok(texts)
}

fn is_text(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn domains(texts: &[String]) -> Result<Vec<String>> {
    let domains: Vec<String> = texts.iter().map(|text| text.trim_start_matches('@').to_ascii_lowercase()).collect();
    let fine = |domain: &String| domain.contains('.') && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if domains.len() > MAX_LIST || !domains.iter().all(fine) {
        return Err(Error::invalid("email_domains", "email_domains: each must be a domain such as example.com."));
    }
    Ok(domains)
}

/// What a user may write themselves must not say who they are, nor what they have paid for.
fn check_claim(field: &str, claim: &str) -> Result<()> {
    if !is_text(claim) || claim.split('.').any(str::is_empty) {
        return Err(Error::invalid(field, format!("{field} must be a claim's name, such as sub or app_metadata.tier.")));
    }
    let first = claim.split('.').next().unwrap_or_default();
    if matches!(first, "user_metadata" | "unsafe_metadata" | "unsafeMetadata") {
        return Err(Error::invalid(
            field,
            format!("{field}: users can write `{first}` themselves. Use a claim that only your server sets."),
        ));
    }
    Ok(())
}

fn max_age(given: Option<u64>) -> Result<u64> {
    match given {
        None => Ok(MAX_AGE_S),
        Some(seconds @ 60..=MAX_AGE_S) => Ok(seconds),
        Some(_) => Err(Error::invalid("max_age", format!("max_age must be a whole number of seconds from 60 to {MAX_AGE_S}."))),
    }
}

#[cfg(test)]
mod tests;
