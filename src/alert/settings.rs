//! Where a project's alerts go, and at which thresholds: as the owner writes it, as it is kept, as it is shown.
//!
//! Always holds: the URL passes the rules for every request that leaves the gateway; the secret is ours, sealed, and shown once.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::sign::{self, SECRET_BYTES};
use crate::config::provider::Sealing;
use crate::egress;
use crate::error::{Error, Result};
use crate::json;
use crate::secrets::{MasterKeys, Purpose, Sealed};

/// Per cent, unless the owner says others.
const DEFAULT_THRESHOLDS: [u8; 3] = [50, 80, 100];
/// Most thresholds.
const MAX_THRESHOLDS: usize = 10;
/// The longest URL.
const MAX_URL: usize = 2048;

/// Alerts of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertSettings {
    /// Where they are sent.
    pub url: String,
    /// Per cent, ascending.
    pub thresholds: Vec<u8>,
    /// What they are signed with.
    pub secret: Sealed,
    /// Epoch seconds.
    pub created_at: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    url: String,
    #[serde(default)]
    thresholds: Option<Vec<u8>>,
    #[serde(default)]
    rotate_secret: bool,
}

impl AlertSettings {
    /// Reads the body of `PUT …/alerts`. Answers the secret too if it is a new one: there was none (`before`), or the owner wants
    /// another. `fresh` are random bytes for it.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn parse(
        body: &[u8],
        project_id: &str,
        before: Option<&Self>,
        fresh: &[u8; SECRET_BYTES],
        sealing: &Sealing,
    ) -> Result<(Self, Option<String>)> {
        let fields = json::object(body)?;
        let body: Body = serde_path_to_error::deserialize(Value::Object(fields)).map_err(|e| Error::field(&e))?;
        let url = egress::check_url(&body.url, sealing.allow_private).map_err(|why| Error::invalid("url", format!("url {why}.")))?;
        if url.as_str().len() > MAX_URL {
            return Err(Error::invalid("url", format!("url must have at most {MAX_URL} characters.")));
        }
        let thresholds = thresholds(body.thresholds.unwrap_or_else(|| DEFAULT_THRESHOLDS.to_vec()))?;
        let kept = before.filter(|_| !body.rotate_secret).map(|before| before.secret.clone());
        let made = kept.is_none().then(|| sign::shown(fresh));
        let seal = || sealing.masters.seal(Purpose::AlertSecrets, project_id, sealing.nonce, fresh).map_err(Error::server);
        let secret = kept.map_or_else(seal, Ok)?;
        let created_at = before.map_or(sealing.now_s, |before| before.created_at);
        Ok((Self { url: url.into(), thresholds, secret, created_at }, made))
    }

    /// What signs.
    ///
    /// # Errors
    /// A sentence for the log: the secret does not decrypt.
    pub fn open(&self, masters: &MasterKeys, project_id: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
        masters.open(Purpose::AlertSecrets, project_id, &self.secret)
    }

    /// As the admin routes show it.
    pub fn view(&self) -> Value {
        json!({"object": "alerts", "url": self.url, "thresholds": self.thresholds, "created_at": self.created_at})
    }
}

fn thresholds(mut list: Vec<u8>) -> Result<Vec<u8>> {
    list.sort_unstable();
    list.dedup();
    if list.is_empty() || list.len() > MAX_THRESHOLDS || !list.iter().all(|threshold| (1..=100).contains(threshold)) {
        let message = format!("thresholds must be 1 to {MAX_THRESHOLDS} whole numbers from 1 to 100: per cent of a budget.");
        return Err(Error::invalid("thresholds", message));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{NONCE_LEN, hex};

    fn parse(body: &Value, before: Option<&AlertSettings>) -> Result<(AlertSettings, Option<String>)> {
        let masters = MasterKeys::parse(&hex(&[1; 32])).unwrap();
        let sealing = Sealing { masters: &masters, nonce: [3; NONCE_LEN], allow_private: false, now_s: 5 };
        AlertSettings::parse(body.to_string().as_bytes(), "proj_1", before, &[before.map_or(7, |_| 8); SECRET_BYTES], &sealing)
    }

    #[test]
    fn the_secret_is_shown_when_it_is_made_and_never_again() {
        let masters = MasterKeys::parse(&hex(&[1; 32])).unwrap();
        let (first, secret) = parse(&json!({"url": "https://hooks.example/a?b=c"}), None).unwrap();
        assert_eq!(secret.as_deref(), Some("whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="));
        assert_eq!(
            first.view(),
            json!({"object": "alerts", "url": "https://hooks.example/a?b=c", "thresholds": [50, 80, 100], "created_at": 5})
        );
        assert_eq!(first.open(&masters, "proj_1").unwrap().as_slice(), [7; SECRET_BYTES]);
        assert!(first.open(&masters, "proj_2").is_err());
        let (again, secret) = parse(&json!({"url": "https://hooks.example/b", "thresholds": [90, 10, 90]}), Some(&first)).unwrap();
        assert_eq!((again.thresholds.as_slice(), &again.secret, secret), (&[10, 90][..], &first.secret, None));
        let (rotated, secret) = parse(&json!({"url": "https://hooks.example/b", "rotate_secret": true}), Some(&again)).unwrap();
        assert!(secret.is_some() && rotated.secret != first.secret);
        assert_eq!(rotated.open(&masters, "proj_1").unwrap().as_slice(), [8; SECRET_BYTES]);
    }

    #[test]
    fn bad_fields_are_named() {
        let url = "https://hooks.example/";
        for (param, body) in [
            ("url", json!({})),
            ("url", json!({"url": 1})),
            ("url", json!({"url": "hooks.example"})),
            ("url", json!({"url": "http://hooks.example/"})),
            ("url", json!({"url": "https://user:secret@hooks.example/"})),
            ("url", json!({"url": "https://127.0.0.1/"})),
            ("url", json!({"url": "https://metadata.google.internal/"})),
            ("url", json!({"url": format!("{url}{}", "x".repeat(MAX_URL))})),
            ("thresholds", json!({"url": url, "thresholds": []})),
            ("thresholds", json!({"url": url, "thresholds": [0]})),
            ("thresholds", json!({"url": url, "thresholds": [50, 101]})),
            ("thresholds", json!({"url": url, "thresholds": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]})),
            ("thresholds[0]", json!({"url": url, "thresholds": [300]})),
            ("thresholds[1]", json!({"url": url, "thresholds": [1, 1.5]})),
            ("thresholds", json!({"url": url, "thresholds": 50})),
            ("rotate_secret", json!({"url": url, "rotate_secret": "yes"})),
            ("secret", json!({"url": url, "secret": "whsec_mine"})),
        ] {
            let error = parse(&body, None).unwrap_err();
            let rendered: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &rendered["error"]["param"]), (400, &json!(param)), "{body} → {}", error.body());
        }
    }
}
