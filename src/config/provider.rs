//! A provider of a project: how it is written by an owner, kept (its secret sealed), shown, and made ready for use.
//!
//! Always holds: the API key is shown as its last four characters only; header values count as secrets too.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::api_key::last4;
use crate::config::provider_fields::{all_keys, base_url, check_api_version, check_name, check_secrets, preset};
use crate::config::settings::is_model_name;
use crate::config::vertex::{self, Vertex};
use crate::error::{Error, Result};
use crate::json;
use crate::provider::host::Host;
use crate::provider::vertex::{Account, KeyFile};
use crate::provider::{Kind, Secret, Target};
use crate::secrets::{MasterKeys, NONCE_LEN, Purpose, Sealed};

/// A provider as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProviderConfig {
    /// Its dialect.
    pub kind: Kind,
    /// What stands before the dialect's own path; absent = the kind's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The name of its host, if the owner said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The version of the host's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Models it serves, if the owner listed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// The key's last four characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last4: Option<String>,
    /// The same of each key, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Names of the extra headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_names: Vec<String>,
    /// Where and as whom, for the kind `vertex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertex: Option<Vertex>,
    /// Key and header values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// Epoch seconds.
    pub created_at: u64,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Secrets {
    api_key: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    more_keys: Vec<String>,
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_account: Option<KeyFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    kind: String,
    #[serde(default)]
    api_key: Option<String>,
    /// Read by hand: serde's message would repeat what was sent.
    #[serde(default)]
    api_keys: Value,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    preset: Option<String>,
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    models: Option<Vec<String>>,
    #[serde(default)]
    service_account: Option<Value>,
    #[serde(default)]
    location: Option<String>,
}

/// What sealing a provider needs.
pub struct Sealing<'a> {
    /// The deployment's master keys.
    pub masters: &'a MasterKeys,
    /// Fresh random bytes.
    pub nonce: [u8; NONCE_LEN],
    /// Whether private addresses are allowed.
    pub allow_private: bool,
    /// Epoch seconds.
    pub now_s: u64,
}

impl ProviderConfig {
    /// Reads the body of `PUT …/providers/{name}` and seals its secrets.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn parse(body: &[u8], project_id: &str, name: &str, sealing: &Sealing) -> Result<Self> {
        let fields = json::object(body)?;
        let body: Body = serde_path_to_error::deserialize(Value::Object(fields)).map_err(|e| Error::field(&e))?;
        check_name(name)?;
        let kind = Kind::parse(&body.kind)?;
        let preset = preset(kind, body.preset.as_deref())?;
        let base_url = base_url(kind, preset, body.base_url, sealing.allow_private)?;
        let host = preset.or_else(|| Host::of(kind, None, base_url.as_deref()));
        check_api_version(host, body.api_version.as_deref())?;
        let keys = all_keys(body.api_key, &body.api_keys)?;
        let api_key = keys.first().cloned();
        let host_with_key = host.filter(|host| host.needs_key && !(kind == Kind::WorkersAi && base_url.is_none()));
        if kind == Kind::WorkersAi && base_url.is_none() && api_key.is_some() {
            return Err(Error::invalid(
                "base_url",
                "base_url is required with an api_key: https://api.cloudflare.com/client/v4/accounts/{id}/ai/v1.",
            ));
        }
        check_secrets(kind, host_with_key, api_key.as_deref(), &body.headers)?;
        if body.models.iter().flatten().any(|m| !is_model_name(m)) {
            return Err(Error::invalid("models", "models: a model's name has 1 to 256 characters and no control characters."));
        }
        let given = vertex::Given { location: body.location, service_account: body.service_account, api_key: api_key.as_deref() };
        let (vertex, service_account) = vertex::read(kind, given, sealing.allow_private)?.unzip();
        let service_account: Option<KeyFile> = service_account.flatten();
        // Of a key file, the id of its key: that is what Google's lists of keys show.
        let key_id = service_account.as_ref().and_then(|file| file.private_key_id.as_deref());
        let ends: Vec<String> = keys.iter().map(String::as_str).chain(key_id).map(|key| last4(key).to_owned()).collect();
        let last4 = ends.first().cloned();
        let keys_last4 = if ends.len() > 1 { ends } else { Vec::new() };
        let header_names = body.headers.keys().cloned().collect();
        let secrets = Secrets { api_key, more_keys: keys.into_iter().skip(1).collect(), headers: body.headers, service_account };
        let plain = serde_json::to_vec(&secrets).map_err(|e| Error::server(e.to_string()))?;
        let sealed =
            sealing.masters.seal(Purpose::ProviderKeys, &context(project_id, name), sealing.nonce, &plain).map_err(Error::server)?;
        Ok(Self {
            kind,
            base_url,
            preset: body.preset,
            api_version: body.api_version,
            models: body.models,
            last4,
            keys: keys_last4,
            header_names,
            vertex,
            sealed: Some(sealed),
            created_at: sealing.now_s,
        })
    }

    /// As the admin routes show it.
    pub fn view(&self, name: &str) -> Value {
        let mut view = serde_json::json!({
            "object": "provider", "name": name, "kind": self.kind, "base_url": self.base_url, "models": self.models,
            "preset": self.host().map(|host| host.name), "api_version": self.api_version,
            "headers": self.header_names, "last4": self.last4, "keys": self.keys, "created_at": self.created_at,
        });
        if let Some(vertex) = &self.vertex {
            vertex.show(&mut view);
        }
        view
    }

    /// Whether the deployment pays for it: there is no key of the project's.
    pub fn is_platforms(&self) -> bool {
        self.kind == Kind::Demo || (self.kind == Kind::WorkersAi && self.base_url.is_none())
    }

    /// The host that it is, if it is one with an accent of its own.
    pub fn host(&self) -> Option<&'static Host> {
        Host::of(self.kind, self.preset.as_deref(), self.base_url.as_deref())
    }

    /// Where it is: as the owner said, as its host is known to be, or its kind.
    fn base_url(&self) -> &str {
        let known = || self.host().map_or_else(|| self.kind.default_base_url(), |host| host.base_url);
        self.base_url.as_deref().or_else(known).unwrap_or_default()
    }

    /// Opens the secrets and points at a model.
    ///
    /// # Errors
    /// A server error when the secrets do not decrypt.
    pub fn target(&self, masters: &MasterKeys, project_id: &str, name: &str, model: &str) -> Result<Target> {
        let secrets = self.open(masters, project_id, name)?;
        Ok(Target {
            provider: name.to_owned(),
            kind: self.kind,
            host: self.host(),
            base_url: self.vertex.as_ref().map_or_else(|| self.base_url().to_owned(), |vertex| vertex.base_url(self.base_url.as_deref())),
            api_version: self.api_version.clone(),
            api_key: secrets.api_key.map(Secret::new),
            account: secrets.service_account.map(|file| Rc::new(Account::new(file))),
            headers: secrets.headers.into_iter().collect(),
            model: model.to_owned(),
        })
    }

    /// Every key, in the owner's order, if there are several.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub fn all_keys(&self, masters: &MasterKeys, project_id: &str, name: &str) -> Result<Vec<Secret>> {
        let secrets = self.open(masters, project_id, name)?;
        Ok(secrets.api_key.into_iter().chain(secrets.more_keys).map(Secret::new).collect())
    }

    fn open(&self, masters: &MasterKeys, project_id: &str, name: &str) -> Result<Secrets> {
        let Some(sealed) = &self.sealed else {
            return Ok(Secrets { api_key: None, more_keys: Vec::new(), headers: BTreeMap::new(), service_account: None });
        };
        let plain = masters.open(Purpose::ProviderKeys, &context(project_id, name), sealed).map_err(Error::server)?;
        serde_json::from_slice(&plain).map_err(|_| Error::server("a provider's secrets are damaged"))
    }
}

fn context(project_id: &str, name: &str) -> String {
    format!("{project_id}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::hex;
    use serde_json::json;

    fn parse(body: &Value) -> Result<ProviderConfig> {
        let masters = MasterKeys::parse(&hex(&[1; 32])).unwrap();
        let sealing = Sealing { masters: &masters, nonce: [3; NONCE_LEN], allow_private: false, now_s: 5 };
        ProviderConfig::parse(body.to_string().as_bytes(), "proj_1", "main", &sealing)
    }

    #[test]
    fn the_secret_is_sealed_and_comes_back() {
        let masters = MasterKeys::parse(&hex(&[1; 32])).unwrap();
        let config = parse(&json!({"kind": "openai", "api_key": "sk-canary-0001", "headers": {"X-Team": "canary-2"}})).unwrap();
        let kept = serde_json::to_string(&config).unwrap() + &config.view("main").to_string();
        assert!(!kept.contains("canary"), "{kept}");
        assert_eq!(config.view("main")["last4"], "0001");
        let target = config.target(&masters, "proj_1", "main", "gpt").unwrap();
        assert_eq!(target.api_key.unwrap().expose(), "sk-canary-0001");
        assert_eq!(target.headers, [("X-Team".to_owned(), "canary-2".to_owned())]);
        assert_eq!(target.base_url, "https://api.openai.com/v1");
        assert!(config.target(&masters, "proj_2", "main", "gpt").is_err(), "moved to another project");
    }

    #[test]
    fn several_keys_are_sealed_and_come_back_in_order() {
        let masters = MasterKeys::parse(&hex(&[1; 32])).unwrap();
        let keys = ["sk-canary-0001", "sk-canary-0002", "sk-canary-0001"];
        let config = parse(&json!({"kind": "openai", "api_key": keys[1], "api_keys": keys})).unwrap();
        let kept = serde_json::to_string(&config).unwrap() + &config.view("main").to_string();
        assert!(!kept.contains("canary"), "{kept}");
        assert_eq!((&config.view("main")["last4"], &config.view("main")["keys"]), (&json!("0002"), &json!(["0002", "0001"])));
        let opened = config.all_keys(&masters, "proj_1", "main").unwrap();
        assert_eq!(opened.iter().map(Secret::expose).collect::<Vec<_>>(), [keys[1], keys[0]]);
        assert_eq!(config.target(&masters, "proj_1", "main", "gpt").unwrap().api_key.unwrap().expose(), keys[1]);
        let one = parse(&json!({"kind": "openai", "api_keys": [keys[0]]})).unwrap();
        assert_eq!((&one.view("main")["last4"], &one.view("main")["keys"]), (&json!("0001"), &json!([])));
    }

    #[test]
    fn a_host_brings_its_address() {
        let masters = MasterKeys::parse(&hex(&[1; 32])).unwrap();
        for (body, host, url) in [
            (json!({"preset": "groq"}), Some("groq"), "https://api.groq.com/openai/v1"),
            (json!({"preset": "groq", "base_url": "https://a.example/v1/"}), Some("groq"), "https://a.example/v1"),
            (json!({"base_url": "https://api.mistral.ai/v1"}), Some("mistral"), "https://api.mistral.ai/v1"),
            (json!({"base_url": "https://a.example/v1"}), None, "https://a.example/v1"),
            (json!({"kind": "workers-ai", "api_key": null}), Some("workers-ai"), ""),
        ] {
            let mut full = json!({"kind": "openai-compatible", "api_key": "sk-canary-0001"});
            full.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            let config = parse(&full).unwrap();
            let target = config.target(&masters, "proj_1", "main", "m").unwrap();
            assert_eq!((target.host.map(|host| host.name), target.base_url.as_str()), (host, url), "{body}");
            assert_eq!(config.view("main")["preset"], json!(host), "{body}");
        }
    }

    #[test]
    fn bad_fields_are_named_and_secrets_are_not_repeated() {
        for (param, body) in [
            ("kind", json!({})),
            ("kind", json!({"kind": "nope"})),
            ("kind", json!({"kind": 1})),
            ("extra", json!({"kind": "openai", "api_key": "sk-canary-0001", "extra": 1})),
            ("api_key", json!({"kind": "openai"})),
            ("api_key", json!({"kind": "anthropic", "base_url": "https://a.example/v1"})),
            ("api_key", json!({"kind": "openai", "api_key": "canary\n1234567"})),
            ("api_key", json!({"kind": "openai", "api_key": 7})),
            ("api_key", json!({"kind": "openai", "api_keys": ["canary"]})),
            ("api_keys", json!({"kind": "openai", "api_key": "sk-canary-0001", "api_keys": ["canary"]})),
            ("api_keys", json!({"kind": "openai", "api_keys": "sk-canary-0001"})),
            ("api_keys", json!({"kind": "openai", "api_keys": [["sk-canary-0001"]]})),
            ("api_keys", json!({"kind": "openai", "api_keys": (0..17).map(|n| format!("sk-canary-{n:04}")).collect::<Vec<_>>()})),
            ("base_url", json!({"kind": "openai-compatible"})),
            ("preset", json!({"kind": "openai-compatible", "preset": "canary", "api_key": "sk-canary-0001"})),
            ("preset", json!({"kind": "openai", "preset": "groq", "api_key": "sk-canary-0001"})),
            ("api_key", json!({"kind": "openai-compatible", "preset": "groq"})),
            ("api_key", json!({"kind": "openai-compatible", "base_url": "https://api.groq.com/openai/v1"})),
            ("base_url", json!({"kind": "openai-compatible", "preset": "azure", "api_key": "sk-canary-0001"})),
            ("base_url", json!({"kind": "openai-compatible", "preset": "ollama"})),
            ("api_version", json!({"kind": "openai", "api_key": "sk-canary-0001", "api_version": "2024-10-21"})),
            ("base_url", json!({"kind": "workers-ai", "api_key": "sk-canary-0001"})),
            ("api_key", json!({"kind": "workers-ai", "base_url": "https://a.example/v1"})),
            ("base_url", json!({"kind": "openai", "api_key": "sk-canary-0001", "base_url": "https://127.0.0.1/v1"})),
            ("headers.host", json!({"kind": "demo", "headers": {"host": "x"}})),
            ("headers.x", json!({"kind": "demo", "headers": {"x": "a\r\nb"}})),
            ("models", json!({"kind": "demo", "models": [""]})),
        ] {
            let error = parse(&body).unwrap_err();
            let rendered: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &rendered["error"]["param"]), (400, &json!(param)), "{body} → {}", error.body());
            assert!(!error.body().contains("canary"), "{}", error.body());
        }
    }
}
