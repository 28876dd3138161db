//! Where a request goes and with which credential, and the request that is to be sent there.
//!
//! Always holds: `Debug` shows no secret of either.

use core::fmt;
use std::rc::Rc;

use zeroize::Zeroizing;

use super::host::Host;
use super::vertex::Account;
use super::{Kind, demo};

/// A credential. `Debug` does not show it, and its memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps a credential.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The credential itself, to be put into a request and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One model at one provider of a project.
#[derive(Clone)]
pub struct Target {
    /// The provider's name in the project.
    pub provider: String,
    /// Its dialect.
    pub kind: Kind,
    /// What stands before the dialect's own path; a slash at its end does not matter. Unused by `demo`.
    pub base_url: String,
    /// The host, if it is one that is known to have an accent of its own.
    pub host: Option<&'static Host>,
    /// The version of a host's API, where there are several.
    pub api_version: Option<String>,
    /// The credential, if the provider wants one.
    pub api_key: Option<Secret>,
    /// Makes the credential, if it is none that an owner could write down: shared, for its token is.
    pub account: Option<Rc<Account>>,
    /// Further headers, which may hold secrets too; one with the name of a header of ours replaces it.
    pub headers: Vec<(String, String)>,
    /// The model's name at the provider.
    pub model: String,
}

impl Target {
    /// A POST of JSON to `base_url` and a path. `own` are the dialect's headers (lower case), such as the key's; the target's own
    /// replace ours of the same name. `stream`: events are wanted rather than a document.
    pub(super) fn post(&self, path: &str, stream: bool, own: Vec<(&'static str, String)>, body: Vec<u8>) -> Outbound {
        self.post_to(format!("{}{path}", self.base_url.trim_end_matches('/')), stream, own, body)
    }

    /// The same to a URL of the host's own making.
    pub(super) fn post_to(&self, url: String, stream: bool, own: Vec<(&'static str, String)>, body: Vec<u8>) -> Outbound {
        let accept = if stream { "text/event-stream" } else { "application/json" };
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned()), ("accept".to_owned(), accept.to_owned())];
        headers.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            headers.retain(|(ours, _)| *ours != name);
            headers.push((name, value.clone()));
        }
        Outbound { url, headers, body }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("provider", &self.provider)
            .field("kind", &self.kind)
            .field("host", &self.host.map(|host| host.name))
            .field("base_url", &self.base_url)
            .field("api_version", &self.api_version)
            .field("api_key", &self.api_key)
            .field("account", &self.account)
            .field("headers", &names(&self.headers))
            .field("model", &self.model)
            .finish()
    }
}

/// An HTTP POST to a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The absolute URL; holds no secret.
    pub url: String,
    /// Names in lower case, values as they are to be sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("url", &self.url)
            .field("headers", &names(&self.headers))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// A model of Workers AI and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The model.
    pub model: String,
    /// A JSON object.
    pub inputs: Vec<u8>,
}

/// What a dialect wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Send this and read the answer.
    Http(Outbound),
    /// Run this by the binding of Workers AI and read the answer.
    WorkersAi(Run),
    /// Play this as the answer.
    Demo(demo::Script),
}

fn names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}
