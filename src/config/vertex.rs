//! What only a provider of the kind `vertex` has: a service account or an API key, and a location.
//!
//! Always holds: nothing secret is in [`Vertex`], which is kept and shown as it is; a location names no host but one of Google's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::provider::Kind;
use crate::provider::vertex::{self, GLOBAL, KeyFile};

/// How access tokens begin, which are none of Google's API keys and live for an hour.
const ACCESS_TOKEN: &str = "ya29.";

/// What is kept in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vertex {
    /// Where the models run; an API key has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Whose key it is, so that an owner finds it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_email: Option<String>,
    /// The project that pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
}

/// The fields of a provider's body that are read here.
pub struct Given<'a> {
    /// `location`
    pub location: Option<String>,
    /// `service_account`
    pub service_account: Option<Value>,
    /// `api_key`
    pub api_key: Option<&'a str>,
}

/// Reads the fields; `None` for another kind.
///
/// # Errors
/// 400 that names the field.
pub fn read(kind: Kind, given: Given<'_>, allow_private: bool) -> Result<Option<(Vertex, Option<KeyFile>)>> {
    let Given { location, service_account, api_key } = given;
    if kind != Kind::Vertex {
        return match (service_account, location) {
            (Some(_), _) => Err(only("service_account")),
            (_, Some(_)) => Err(only("location")),
            (None, None) => Ok(None),
        };
    }
    match (service_account, api_key) {
        (None, None) => {
            Err(Error::invalid("service_account", "service_account is required for this kind, or an api_key for Gemini alone."))
        }
        (Some(_), Some(_)) => Err(Error::invalid("api_key", "api_key: a provider has a service_account or an api_key, not both.")),
        (None, Some(key)) => with_key(key, location.is_some()).map(|vertex| Some((vertex, None))),
        (Some(account), None) => {
            let location = location.unwrap_or_else(|| GLOBAL.to_owned());
            check_location(&location)?;
            let file = KeyFile::read(account, allow_private)?;
            let (client_email, project_id) = (Some(file.client_email.clone()), Some(file.project_id.clone()));
            Ok(Some((Vertex { location: Some(location), client_email, project_id }, Some(file))))
        }
    }
}

/// An API key stands for its project and has no location (Google calls that express mode).
fn with_key(key: &str, located: bool) -> Result<Vertex> {
    if key.starts_with(ACCESS_TOKEN) {
        return Err(Error::invalid(
            "api_key",
            "api_key is an access token, which ends within hours: give the service_account that makes them.",
        ));
    }
    if located {
        return Err(Error::invalid("location", "location needs a service_account: API keys of Vertex AI have none."));
    }
    Ok(Vertex { location: None, client_email: None, project_id: None })
}

fn only(field: &str) -> Error {
    Error::invalid(field, format!("{field} is for the kind vertex only."))
}

/// A part of a host's name.
fn check_location(location: &str) -> Result<()> {
    let harmless = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fine = (1..=40).contains(&location.len()) && location.bytes().all(harmless) && !location.starts_with('-');
    let why = "location must be a region such as us-central1, a continent (us, eu), or global.";
    if fine { Ok(()) } else { Err(Error::invalid("location", why)) }
}

impl Vertex {
    /// What stands before `/publishers/…`. `given`: what the owner says stands before `/projects/…`.
    pub fn base_url(&self, given: Option<&str>) -> String {
        let location = self.location.as_deref().unwrap_or(GLOBAL);
        let base = given.map_or_else(|| vertex::base_url(location), str::to_owned);
        match &self.project_id {
            Some(project) => format!("{base}/projects/{project}/locations/{location}"),
            None => base,
        }
    }

    /// Adds to what the admin routes show of a provider.
    pub fn show(&self, view: &mut Value) {
        for (name, value) in [("location", &self.location), ("client_email", &self.client_email), ("project_id", &self.project_id)] {
            if let Some(text) = value {
                view[name] = Value::from(text.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProviderConfig;
    use crate::config::provider::Sealing;
    use crate::secrets::{MasterKeys, NONCE_LEN, hex};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    fn file() -> Value {
        let head = [0x30, 0x82, 4, 0, 2, 1, 0, 0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0, 4];
        let der: Vec<u8> = head.into_iter().chain([7; 1024 - 19]).collect();
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
        json!({"project_id": "my-project-1", "private_key_id": "abcdef0123", "private_key": key, "client_email": "a@b.iam.gserviceaccount.com"})
    }

    fn masters() -> MasterKeys {
        MasterKeys::parse(&hex(&[1; 32])).unwrap()
    }

    fn parse(body: &Value) -> Result<ProviderConfig> {
        let masters = masters();
        let sealing = Sealing { masters: &masters, nonce: [3; NONCE_LEN], allow_private: false, now_s: 5 };
        ProviderConfig::parse(body.to_string().as_bytes(), "proj_1", "cloud", &sealing)
    }

    #[test]
    fn the_key_is_sealed_and_the_place_is_shown() {
        let config = parse(&json!({"kind": "vertex", "service_account": file(), "location": "us-east5"})).unwrap();
        let view = config.view("cloud");
        assert!(!(serde_json::to_string(&config).unwrap() + &view.to_string()).contains("PRIVATE"), "{view}");
        assert_eq!((&view["last4"], &view["location"]), (&json!("0123"), &json!("us-east5")));
        assert_eq!((&view["client_email"], &view["project_id"]), (&json!("a@b.iam.gserviceaccount.com"), &json!("my-project-1")));
        let kept: ProviderConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        let target = kept.target(&masters(), "proj_1", "cloud", "gemini-2.5-pro").unwrap();
        assert_eq!(target.base_url, "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project-1/locations/us-east5");
        assert!(target.account.is_some() && target.api_key.is_none());
    }

    #[test]
    fn base_urls() {
        for (body, expected) in [
            (json!({"service_account": file()}), "https://aiplatform.googleapis.com/v1/projects/my-project-1/locations/global"),
            (
                json!({"service_account": file(), "location": "eu", "base_url": "https://proxy.example/v1beta1/"}),
                "https://proxy.example/v1beta1/projects/my-project-1/locations/eu",
            ),
            (json!({"api_key": "AQ.0123456789"}), "https://aiplatform.googleapis.com/v1"),
            (json!({"api_key": "AQ.0123456789", "base_url": "https://proxy.example/v1"}), "https://proxy.example/v1"),
        ] {
            let mut body = body;
            body["kind"] = json!("vertex");
            assert_eq!(parse(&body).unwrap().target(&masters(), "proj_1", "cloud", "m").unwrap().base_url, expected);
        }
    }

    #[test]
    fn bad_fields_are_named() {
        for (param, body) in [
            ("service_account", json!({"kind": "vertex"})),
            ("api_key", json!({"kind": "vertex", "api_key": "AQ.0123456789", "service_account": file()})),
            ("api_key", json!({"kind": "vertex", "api_key": "ya29.0123456789"})),
            ("api_key", json!({"kind": "vertex", "api_key": "short"})),
            ("location", json!({"kind": "vertex", "api_key": "AQ.0123456789", "location": "us"})),
            ("location", json!({"kind": "vertex", "service_account": file(), "location": ""})),
            ("location", json!({"kind": "vertex", "service_account": file(), "location": "us.evil.example/"})),
            ("location", json!({"kind": "vertex", "service_account": file(), "location": "-x"})),
            ("location", json!({"kind": "vertex", "service_account": file(), "location": "x".repeat(41)})),
            ("location", json!({"kind": "vertex", "service_account": file(), "location": 7})),
            ("location", json!({"kind": "demo", "location": "us"})),
            ("service_account", json!({"kind": "gemini", "api_key": "AQ.0123456789", "service_account": file()})),
            ("service_account.private_key", json!({"kind": "vertex", "service_account": {"client_email": "a@b", "project_id": "p"}})),
        ] {
            let error = parse(&body).unwrap_err();
            let rendered: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &rendered["error"]["param"]), (400, &json!(param)), "{body} → {}", error.body());
        }
    }
}
