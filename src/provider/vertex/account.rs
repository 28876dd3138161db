//! A service account: what of its key file is used, checked when an owner writes it, and how it asks for an access token.
//!
//! Always holds: what is not fit for use is a 400 that names the member; `Debug` and errors show nothing of the key; the token server
//! is one of Google's unless the deployment allows private upstreams. Absent on purpose: signing (`edge`), and keys of other kinds
//! (a user's own, workload identity).

use core::cell::RefCell;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::pem;
use super::token::Tokens;
use crate::egress;
use crate::error::{Error, Result};
use crate::provider::{Outbound, Secret};

/// The field of a provider that a key file stands in.
const FIELD: &str = "service_account";
/// Google's own, if the file names none (developers.google.com/identity/protocols/oauth2/service-account).
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Where token servers of Google's are.
const GOOGLE: &str = ".googleapis.com";
/// What the token is for: all of Google Cloud that the account's roles allow.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that Google lets an assertion live, in seconds.
const ASSERTION_S: u64 = 3_600;
/// A clock that is slightly ahead of Google's would make assertions of the future, which it refuses.
const SKEW_S: u64 = 10;
const MAX_TEXT: usize = 255;

/// What of a key file is used. Sealed as a whole.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// Whose key it is.
    pub client_email: String,
    /// The project that is asked and that pays.
    pub project_id: String,
    /// Which of the account's keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_id: Option<String>,
    /// PEM.
    pub private_key: Zeroizing<String>,
    /// Where tokens come from.
    pub token_uri: String,
}

impl KeyFile {
    /// Reads `service_account` of a provider: the file's JSON, as an object or as text.
    ///
    /// # Errors
    /// 400 that names the member.
    pub fn read(given: Value, allow_private: bool) -> Result<Self> {
        let wrong = || Error::invalid(FIELD, "service_account must be a key file of Google Cloud: JSON, as an object or as a string.");
        let members = match given {
            Value::Object(members) => members,
            Value::String(text) => serde_json::from_str(&text).map_err(|_| wrong())?,
            _ => return Err(wrong()),
        };
        let text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(refused(name, "must be a string")),
        };
        if text("type")?.is_some_and(|kind| kind != FIELD) {
            return Err(refused("type", "must be service_account: keys of users and of workload identities are not supported"));
        }
        let needed = |name: &'static str| text(name)?.ok_or_else(|| refused(name, "is missing"));
        let file = Self {
            client_email: needed("client_email")?,
            project_id: needed("project_id")?,
            private_key_id: text("private_key_id")?.filter(|id| !id.is_empty()),
            private_key: Zeroizing::new(needed("private_key")?),
            token_uri: text("token_uri")?.unwrap_or_else(|| TOKEN_URI.to_owned()),
        };
        file.check(allow_private)?;
        Ok(file)
    }

    fn check(&self, allow_private: bool) -> Result<()> {
        let plain = |text: &str| (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain(&self.client_email) || !self.client_email.contains('@') {
            return Err(refused("client_email", "must be the address of a service account"));
        }
        if !is_project(&self.project_id) {
            return Err(refused("project_id", "must be the id of a project of Google Cloud"));
        }
        if self.private_key_id.as_deref().is_some_and(|id| !plain(id)) {
            return Err(refused("private_key_id", "must be at most 255 visible ASCII characters"));
        }
        pem::pkcs8(&self.private_key).map_err(|why| refused("private_key", why))?;
        check_token_uri(&self.token_uri, allow_private).map_err(|why| refused("token_uri", why))
    }
}

/// It becomes a part of the URL: letters, digits and hyphens, of old domains too (`example.com:project`).
fn is_project(id: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
    (1..=100).contains(&id.len()) && id.bytes().all(harmless) && id.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// An assertion opens whatever the account may do, so it goes to Google and nowhere else.
fn check_token_uri(text: &str, allow_private: bool) -> Result<(), &'static str> {
    let url = egress::check_url(text, allow_private)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain a query or a fragment");
    }
    if !allow_private && !url.host_str().is_some_and(|host| host.ends_with(GOOGLE)) {
        return Err("must be on googleapis.com");
    }
    Ok(())
}

fn refused(member: &str, why: &str) -> Error {
    let param = format!("{FIELD}.{member}");
    Error::invalid(&param, format!("{param} {why}."))
}

/// A service account in use, with the token it has got.
pub struct Account {
    file: KeyFile,
    tokens: RefCell<Tokens>,
}

impl Account {
    /// An account without a token.
    pub fn new(file: KeyFile) -> Self {
        Self { file, tokens: RefCell::default() }
    }

    /// Tells the account from others: two with the same may share a token.
    pub fn fingerprint(&self) -> [u8; 32] {
        let KeyFile { client_email, project_id, private_key_id, private_key, token_uri } = &self.file;
        let mut hash = Sha256::new();
        for text in [client_email, project_id, private_key_id.as_deref().unwrap_or_default(), private_key, token_uri] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }

    /// Looks at or changes the account's tokens.
    pub fn tokens<R>(&self, f: impl FnOnce(&mut Tokens) -> R) -> R {
        f(&mut self.tokens.borrow_mut())
    }

    /// The private key as DER.
    ///
    /// # Errors
    /// It is none any more, which was checked when it was stored.
    pub fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        pem::pkcs8(&self.file.private_key).map_err(|why| Error::server(format!("a service account's key {why}")))
    }

    /// What is to be signed with RS256: the head and the claims of an assertion.
    pub fn assertion(&self, now_s: u64) -> String {
        let issued = now_s.saturating_sub(SKEW_S);
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": self.file.private_key_id});
        let claims = json!({
            "iss": self.file.client_email, "scope": SCOPE, "aud": self.file.token_uri, "iat": issued, "exp": issued + ASSERTION_S,
        });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}", encode(&head), encode(&claims))
    }

    /// The request that exchanges a signed assertion for a token.
    pub fn exchange(&self, assertion: &str, signature: &[u8]) -> Outbound {
        let signed = format!("{assertion}.{}", URL_SAFE_NO_PAD.encode(signature));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", GRANT), ("assertion", signed.as_str())])
            .finish();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Outbound { url: self.file.token_uri.clone(), headers, body: form.into_bytes() }
    }

    /// What no client may read: the tokens, and how Google names the owner's project and account in its errors.
    pub(in crate::provider) fn words(&self) -> Vec<Secret> {
        let names = [&self.file.project_id, &self.file.client_email].map(Secret::new);
        self.tokens(|tokens| tokens.known()).into_iter().chain(names).collect()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    /// What has the form of a key of 1,024 bytes.
    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    fn der() -> Vec<u8> {
        let head = [0x30, 0x82, 4, 0, 2, 1, 0, 0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0, 4];
        head.into_iter().chain([7; 1024 - 19]).collect()
    }

    fn file(change: impl FnOnce(&mut Value)) -> Value {
        let mut file = json!({
            "type": "service_account", "project_id": "my-project-1", "private_key_id": "abc", "private_key": pem("PRIVATE KEY", &der()),
            "client_email": "a@my-project-1.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
        });
        change(&mut file);
        file
    }

    #[test]
    fn a_key_file_is_read_however_it_comes() {
        let read = KeyFile::read(file(|_| {}), false).unwrap();
        assert_eq!(Account::new(read.clone()).pkcs8().unwrap()[..], der());
        for same in [
            Value::String(file(|_| {}).to_string()),
            file(|file| drop(file.as_object_mut().unwrap().remove("token_uri"))),
            file(|file| file["universe_domain"] = json!("googleapis.com")),
        ] {
            assert_eq!(Account::new(KeyFile::read(same, false).unwrap()).fingerprint(), Account::new(read.clone()).fingerprint());
        }
        let escaped = file(|file| file["private_key"] = json!(pem("PRIVATE KEY", &der()).replace('\n', "\\n")));
        assert_eq!(Account::new(KeyFile::read(escaped, false).unwrap()).pkcs8().unwrap()[..], der());
        let sealed: KeyFile = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert!(sealed == read);
    }

    #[test]
    fn each_member_tells_accounts_apart() {
        let print = |file| Account::new(KeyFile::read(file, false).unwrap()).fingerprint();
        let mut prints = vec![print(file(|_| {}))];
        for (member, value) in [
            ("project_id", "my-project-2".to_owned()),
            ("client_email", "b@x.iam.gserviceaccount.com".to_owned()),
            ("private_key_id", "abd".to_owned()),
            ("private_key", pem("PRIVATE KEY", &der()) + "\n"),
            ("token_uri", "https://sts.googleapis.com/v1/token".to_owned()),
        ] {
            prints.push(print(file(|file| file[member] = json!(value))));
        }
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), 6);
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated() {
        let wrong = |member: &'static str, value: Value| (member, file(|file| file[member] = value));
        let key = |value: &str| wrong("private_key", json!(value));
        let (short, other) = (&der()[..600], der().iter().map(|byte| if *byte == 0x86 { 0x87 } else { *byte }).collect::<Vec<_>>());
        for (member, given) in [
            ("", json!("canary")),
            ("", json!("[\"canary\"]")),
            ("", json!(["canary"])),
            ("", json!(7)),
            wrong("type", json!("authorized_user")),
            wrong("client_email", Value::Null),
            wrong("client_email", json!("canary")),
            wrong("client_email", json!("canary@\r\nx")),
            wrong("client_email", json!(["canary"])),
            wrong("project_id", json!("")),
            wrong("project_id", json!("canary/../x")),
            wrong("project_id", json!("..")),
            wrong("project_id", json!("canary?x")),
            wrong("private_key_id", json!("canary\n")),
            key("canary"),
            key("-----BEGIN PRIVATE KEY-----\ncanary!\n-----END PRIVATE KEY-----"),
            key(&pem("PRIVATE KEY", b"canary")),
            key(&pem("PRIVATE KEY", short)),
            key(&pem("PRIVATE KEY", &other)),
            key(&pem("RSA PRIVATE KEY", &der())),
            key(&pem("ENCRYPTED PRIVATE KEY", &der())),
            wrong("private_key", Value::Null),
            wrong("token_uri", json!("https://canary.example/token")),
            wrong("token_uri", json!("https://evilgoogleapis.com/token")),
            wrong("token_uri", json!("https://oauth2.googleapis.com.canary.example/token")),
            wrong("token_uri", json!("http://oauth2.googleapis.com/token")),
            wrong("token_uri", json!("https://canary@oauth2.googleapis.com/token")),
            wrong("token_uri", json!("https://oauth2.googleapis.com/token?canary")),
            wrong("token_uri", json!("https://169.254.169.254/token")),
            wrong("token_uri", json!("canary")),
        ] {
            let error = KeyFile::read(given.clone(), false).err().unwrap_or_else(|| panic!("{given}"));
            let param = if member.is_empty() { FIELD.to_owned() } else { format!("{FIELD}.{member}") };
            let body: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), body["error"]["param"].as_str()), (400, Some(param.as_str())), "{given} {}", error.body());
            assert!(!error.body().contains("canary"), "{}", error.body());
        }
        let private = file(|file| file["token_uri"] = json!("http://127.0.0.1:9/token"));
        assert!(KeyFile::read(private.clone(), true).is_ok() && KeyFile::read(private, false).is_err());
    }
}
