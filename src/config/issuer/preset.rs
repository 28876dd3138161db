//! What is known of the products that issue login tokens: what `iss` and `aud` say, and where the keys are.
//!
//! Always holds: a field that does not go with the preset is refused; what becomes a part of a host name is one.
//! Sources: the providers' own pages on verifying their tokens; OIDC Discovery 1.0 for the rest.

use serde::{Deserialize, Serialize};

use super::Keys;
use crate::egress;
use crate::error::{Error, Result};

/// A product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "their names")]
pub enum Preset {
    Supabase,
    Clerk,
    Auth0,
    Firebase,
    Cognito,
    BetterAuth,
    Oidc,
}

/// Name, preset, the fields that go with it.
const TABLE: [(&str, Preset, &[&str]); 7] = [
    ("supabase", Preset::Supabase, &["project_ref", "url"]),
    ("clerk", Preset::Clerk, &["frontend_api"]),
    ("auth0", Preset::Auth0, &["domain"]),
    ("firebase", Preset::Firebase, &["project_id"]),
    ("cognito", Preset::Cognito, &["region", "user_pool_id", "client_id"]),
    ("better-auth", Preset::BetterAuth, &["url"]),
    ("oidc", Preset::Oidc, &[]),
];

/// Google's keys for Firebase, as a JWKS.
const FIREBASE_KEYS: &str = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

/// The fields of presets, as given.
#[allow(missing_docs, reason = "they are what the products call them")]
pub struct Given<'a> {
    pub project_ref: Option<&'a str>,
    pub url: Option<&'a str>,
    pub frontend_api: Option<&'a str>,
    pub domain: Option<&'a str>,
    pub project_id: Option<&'a str>,
    pub region: Option<&'a str>,
    pub user_pool_id: Option<&'a str>,
    pub client_id: Option<&'a str>,
}

/// What a preset says of its issuer.
#[derive(Debug, Default)]
pub struct Known {
    /// What `iss` says.
    pub issuer: Option<String>,
    /// Where the keys are.
    pub keys: Option<Keys>,
    /// What `aud` says.
    pub audience: Option<Vec<String>>,
    /// Whether the issuer serves one app, so that its tokens need no audience.
    pub whole_issuer: bool,
}

impl Preset {
    /// By name.
    ///
    /// # Errors
    /// 400 that names `preset`.
    pub fn parse(name: &str) -> Result<Self> {
        let found = TABLE.iter().find(|row| row.0 == name).map(|row| row.1);
        found.ok_or_else(|| {
            let names: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
            Error::invalid("preset", format!("preset must be one of {}.", names.join(", ")))
        })
    }

    /// What is known, given its fields.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn known(self, given: &Given, allow_private: bool) -> Result<Known> {
        match self {
            Self::Supabase => supabase(given, allow_private),
            Self::Clerk => {
                let base = format!("https://{}", host("frontend_api", given.frontend_api)?);
                let keys = format!("{base}/.well-known/jwks.json");
                Ok(Known { whole_issuer: true, ..Known::at(base, keys) })
            }
            Self::Auth0 => {
                let base = format!("https://{}", host("domain", given.domain)?);
                Ok(Known::at(format!("{base}/"), format!("{base}/.well-known/jwks.json")))
            }
            Self::Firebase => {
                let id = label("project_id", given.project_id)?;
                let at = Known::at(format!("https://securetoken.google.com/{id}"), FIREBASE_KEYS.to_owned());
                Ok(Known { audience: Some(vec![id]), ..at })
            }
            Self::Cognito => cognito(given),
            Self::BetterAuth => {
                let base = base_url(given.url, allow_private)?;
                let keys = format!("{base}/api/auth/jwks");
                Ok(Known { audience: Some(vec![base.clone()]), ..Known::at(base, keys) })
            }
            Self::Oidc => Ok(Known { keys: Some(Keys::Discovery), ..Known::default() }),
        }
    }
}

impl Known {
    fn at(issuer: String, keys: String) -> Self {
        Self { issuer: Some(issuer), keys: Some(Keys::Url(keys)), ..Self::default() }
    }
}

impl Given<'_> {
    /// Whether nothing is given that does not go with the preset.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn check(&self, preset: Option<Preset>) -> Result<()> {
        let allowed = TABLE.iter().find(|row| Some(row.1) == preset).map_or(&[] as &[&str], |row| row.2);
        let given = [
            ("project_ref", self.project_ref),
            ("url", self.url),
            ("frontend_api", self.frontend_api),
            ("domain", self.domain),
            ("project_id", self.project_id),
            ("region", self.region),
            ("user_pool_id", self.user_pool_id),
            ("client_id", self.client_id),
        ];
        match given.iter().find(|(name, value)| value.is_some() && !allowed.contains(name)) {
            Some((name, _)) => Err(Error::invalid(*name, format!("{name} does not go with this preset."))),
            None => Ok(()),
        }
    }
}

fn supabase(given: &Given, allow_private: bool) -> Result<Known> {
    let base = match (given.project_ref, given.url) {
        (reference, None) => format!("https://{}.supabase.co", label("project_ref", reference)?),
        (None, url) => base_url(url, allow_private)?,
        (Some(_), Some(_)) => return Err(Error::invalid("url", "url does not go with project_ref.")),
    };
    let issuer = format!("{base}/auth/v1");
    let keys = format!("{issuer}/.well-known/jwks.json");
    Ok(Known { audience: Some(vec!["authenticated".to_owned()]), ..Known::at(issuer, keys) })
}

fn cognito(given: &Given) -> Result<Known> {
    let (region, pool) = (label("region", given.region)?, label("user_pool_id", given.user_pool_id)?);
    let client = given.client_id.ok_or_else(|| missing("client_id"))?;
    if client.is_empty() || client.len() > 128 || !client.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Error::invalid("client_id", "client_id must be the id of an app client."));
    }
    let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{pool}");
    let keys = format!("{issuer}/.well-known/jwks.json");
    Ok(Known { audience: Some(vec![client.to_owned()]), ..Known::at(issuer, keys) })
}

/// A URL that the gateway may send requests to.
///
/// # Errors
/// 400 that names the field.
pub(super) fn checked_url(field: &str, text: &str, allow_private: bool) -> Result<url::Url> {
    let url = egress::check_url(text, allow_private).map_err(|why| Error::invalid(field, format!("{field} {why}.")))?;
    if url.fragment().is_some() || text.len() > 512 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::invalid(field, format!("{field} must be a URL of at most 512 ASCII characters and without a fragment.")));
    }
    Ok(url)
}

/// The address of an app, without a slash at its end: others are put after it.
fn base_url(url: Option<&str>, allow_private: bool) -> Result<String> {
    let url = url.ok_or_else(|| missing("url"))?.trim_end_matches('/');
    if checked_url("url", url, allow_private)?.query().is_some() {
        return Err(Error::invalid("url", "url must not contain a query."));
    }
    Ok(url.to_owned())
}

/// A host name, which people copy with or without `https://`.
fn host(field: &str, given: Option<&str>) -> Result<String> {
    let host = given.ok_or_else(|| missing(field))?;
    let host = host.strip_prefix("https://").unwrap_or(host).trim_end_matches('/').to_ascii_lowercase();
    let fine = host.len() <= 253 && host.split('.').count() > 1 && host.split('.').all(is_label);
    let public = fine && egress::check_url(&format!("https://{host}"), false).is_ok();
    if public { Ok(host) } else { Err(Error::invalid(field, format!("{field} must be a public host name."))) }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// An id that becomes one part of a URL.
fn label(field: &str, given: Option<&str>) -> Result<String> {
    let text = given.ok_or_else(|| missing(field))?;
    if is_label(text) {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid(field, format!("{field} must have 1 to 63 letters, digits, - or _.")))
    }
}

fn missing(field: &str) -> Error {
    Error::invalid(field, format!("{field} is required with this preset."))
}
