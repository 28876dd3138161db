//! Users' tokens that we sign: EdDSA with a key derived from the master secret, and the JWKS that lets others check them.
//!
//! Always holds: the algorithm is fixed by the key that `kid` names; `aud` is `behest`, `iss` is this deployment;
//! times have 30 s of leeway. Absent on purpose: tokens that tenants or identity providers sign.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jwt_compact::alg::Ed25519;
use jwt_compact::{AlgorithmExt, Claims, Header, TimeOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::auth::capabilities::Capabilities;
use crate::auth::jws::Jws;
use crate::error::{Code, Error, Result};
use crate::secrets::{MasterKeys, Purpose, hex};

/// The audience of every token.
pub const AUDIENCE: &str = "behest";
/// Clock difference that is forgiven, in seconds.
pub const LEEWAY_S: u64 = 30;
/// A longer token is refused unread.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The claims of a token, beside `exp`, `nbf` and `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserClaims {
    /// Tenant.
    pub tid: String,
    /// Project.
    pub pid: String,
    /// User, as the app names them.
    pub uid: String,
    /// `user`, or a role only some keys may mint.
    pub role: String,
    /// Scopes, space-separated.
    pub scp: String,
    /// Issuer.
    pub iss: String,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// Unique id of the token.
    pub jti: String,
    /// Session.
    pub sid: String,
    /// Tier by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// What let the user in ([`Via`], written out); absent in older tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// The ids of the tokens that this one was made from, nearest first: whoever revokes one of them revokes this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub par: Vec<String>,
    /// What it may do less than its user.
    #[serde(flatten)]
    pub capabilities: Capabilities,
}

/// What vouched for a user: written `key:<id>`, `signing:<kid>`, `issuer:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Via {
    /// An API key minted the token, or is the caller itself.
    Key(String),
    /// A key that the tenant signs with.
    Signing(String),
    /// An identity provider that the project trusts.
    Issuer(String),
}

impl From<Via> for String {
    fn from(via: Via) -> Self {
        match via {
            Via::Key(id) => format!("key:{id}"),
            Via::Signing(kid) => format!("signing:{kid}"),
            Via::Issuer(name) => format!("issuer:{name}"),
        }
    }
}

impl TryFrom<String> for Via {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        match text.split_once(':') {
            Some(("key", id)) => Ok(Self::Key(id.to_owned())),
            Some(("signing", kid)) => Ok(Self::Signing(kid.to_owned())),
            Some(("issuer", name)) => Ok(Self::Issuer(name.to_owned())),
            _ => Err("nobody that can vouch for a user"),
        }
    }
}

/// A verified caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The claims.
    pub claims: UserClaims,
    /// When the token was made, epoch seconds; 0 if it does not say.
    pub issued_at: u64,
    /// When the token ends, epoch seconds.
    pub expires_at: u64,
    /// Which configuration of the tenant's key or of the issuer verified it (its `revision`); 0 for our own.
    pub trust: u64,
}

/// A key pair with its id.
struct Pair {
    kid: String,
    signing: SigningKey,
}

/// The keys that sign and verify: one per master key, newest first.
pub struct TokenKeys {
    pairs: Vec<Pair>,
    issuer: String,
}

impl TokenKeys {
    /// Derives the keys. `issuer` is what `iss` says and must say.
    pub fn derive(masters: &MasterKeys, issuer: &str) -> Self {
        let pairs = masters.derive_all(Purpose::TokenSigning).map(|(_, seed)| Pair::new(&SigningKey::from_bytes(&seed))).collect();
        Self { pairs, issuer: issuer.to_owned() }
    }

    /// What `iss` says.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs with the current key. Times in epoch seconds.
    ///
    /// # Errors
    /// A server error if the claims cannot be written.
    pub fn sign(&self, claims: UserClaims, now: u64, expires_at: u64) -> Result<String> {
        let pair = self.pairs.first().ok_or_else(|| Error::server("no signing key"))?;
        let mut claims = Claims::new(claims);
        claims.issued_at = Some(moment(now)?);
        claims.not_before = claims.issued_at;
        claims.expiration = Some(moment(expires_at)?);
        let header = Header::empty().with_token_type("JWT").with_key_id(&pair.kid);
        Ed25519.token(&header, &claims, &pair.signing).map_err(|e| Error::server(format!("a token could not be signed: {e}")))
    }

    /// Verifies a token at `now` (epoch seconds); `None` if its `kid` is none of ours.
    ///
    /// # Errors
    /// 401 `token_expired` for a good token whose time is over, else 401 `invalid_token`.
    pub fn verify(&self, token: &str, now: u64) -> Option<Result<Principal>> {
        match Jws::parse(token) {
            Err(error) => Some(Err(error)),
            Ok(jws) => {
                let pair = self.pairs.iter().find(|pair| jws.kid.as_deref() == Some(&pair.kid))?;
                Some(self.verify_own(pair, jws, now))
            }
        }
    }

    fn verify_own(&self, pair: &Pair, jws: Jws<'_>, now: u64) -> Result<Principal> {
        let refused = || invalid("its signature or its claims are not valid");
        if !jws.is_signed_by(&pair.signing.verifying_key()) {
            return Err(refused());
        }
        let claims = serde_json::from_value(Value::Object(jws.unverified)).map_err(|_| refused())?;
        self.check(&claims, now)
    }

    fn check(&self, claims: &Claims<UserClaims>, now: u64) -> Result<Principal> {
        let leeway = jwt_leeway()?;
        let at = moment(now)?;
        let times = TimeOptions::new(leeway, move || at);
        let custom = &claims.custom;
        if custom.aud != AUDIENCE || custom.iss != self.issuer {
            return Err(invalid("it was issued by or for another service"));
        }
        if custom.uid.is_empty() || custom.pid.is_empty() {
            return Err(invalid("it names no user or no project"));
        }
        if claims.not_before.is_some() {
            claims.validate_maturity(&times).map_err(|_| invalid("it is not valid yet"))?;
        }
        claims
            .validate_expiration(&times)
            .map_err(|_| Error::new(Code::TokenExpired, "The token's time is over. Mint a new one with POST /v1/auth/mint."))?;
        let seconds = |at: Option<Moment>| at.and_then(|at| u64::try_from(at.timestamp()).ok()).unwrap_or(0);
        let (issued_at, expires_at) = (seconds(claims.issued_at), seconds(claims.expiration));
        Ok(Principal { claims: custom.clone(), issued_at, expires_at, trust: 0 })
    }

    /// The JWKS document: public halves only.
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self
            .pairs
            .iter()
            .map(|pair| {
                let x = URL_SAFE_NO_PAD.encode(pair.signing.verifying_key().as_bytes());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": pair.kid, "alg": "EdDSA", "use": "sig"})
            })
            .collect();
        json!({ "keys": keys })
    }
}

impl Pair {
    /// The id is a digest of the public half: the same key has the same id everywhere.
    fn new(signing: &SigningKey) -> Self {
        let digest = Sha256::digest(signing.verifying_key().as_bytes());
        Self { kid: hex(digest.get(..8).unwrap_or_default()), signing: signing.clone() }
    }
}

/// The key of the per-isolate cache of verified tokens: the full SHA-256, so that no two tokens share an entry.
pub fn cache_key(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The one form of refusing a token.
pub(crate) fn invalid(why: &str) -> Error {
    Error::new(Code::InvalidToken, format!("The token is not valid: {why}."))
}

type Moment = chrono::DateTime<chrono::Utc>;

fn moment(seconds: u64) -> Result<Moment> {
    i64::try_from(seconds).ok().and_then(|s| Moment::from_timestamp(s, 0)).ok_or_else(|| Error::server("a time is out of range"))
}

fn jwt_leeway() -> Result<chrono::Duration> {
    chrono::Duration::from_std(Duration::from_secs(LEEWAY_S)).map_err(|_| Error::server("the leeway is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(fill: u8) -> TokenKeys {
        TokenKeys::derive(&MasterKeys::parse(&hex(&[fill; 32])).unwrap(), "behest")
    }

    fn claims() -> UserClaims {
        UserClaims {
            tid: "tnt_default".into(),
            pid: "proj_1".into(),
            uid: "user-1".into(),
            role: "user".into(),
            scp: "chat".into(),
            iss: "behest".into(),
            aud: AUDIENCE.into(),
            jti: "j".into(),
            sid: "s".into(),
            tier: None,
            via: None,
            par: Vec::new(),
            capabilities: Capabilities::default(),
        }
    }

    fn verify(keys: &TokenKeys, token: &str, now: u64) -> Result<Principal> {
        keys.verify(token, now).unwrap_or_else(|| Err(invalid("nobody's")))
    }

    #[test]
    fn a_signed_token_verifies_until_its_end_and_the_leeway() {
        let token = keys(1).sign(claims(), 1_000, 1_900).unwrap();
        assert_eq!(verify(&keys(1), &token, 1_500).unwrap(), Principal { claims: claims(), issued_at: 1_000, expires_at: 1_900, trust: 0 });
        assert!(verify(&keys(1), &token, 1_929).is_ok());
        assert_eq!(verify(&keys(1), &token, 1_931).unwrap_err().name(), "token_expired");
        assert_eq!(verify(&keys(1), &token, 900).unwrap_err().name(), "invalid_token");
    }

    #[test]
    fn changed_or_foreign_tokens_are_refused() {
        let token = keys(1).sign(claims(), 1_000, 1_900).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#), parts[1]);
        let swapped = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(r#"{"uid":"admin"}"#), parts[2]);
        let mut foreign = claims();
        foreign.iss = "elsewhere".into();
        for bad in [
            String::new(),
            "a.b.c".into(),
            none,
            swapped,
            token[..token.len() - 2].to_owned(),
            "x".repeat(MAX_TOKEN_BYTES + 1),
            keys(2).sign(claims(), 1_000, 1_900).unwrap(),
            keys(1).sign(foreign, 1_000, 1_900).unwrap(),
        ] {
            assert_eq!(verify(&keys(1), &bad, 1_500).unwrap_err().name(), "invalid_token", "{bad}");
        }
    }

    #[test]
    fn rotation_keeps_old_tokens_valid() {
        let old = MasterKeys::parse(&format!("a:{}", hex(&[1; 32]))).unwrap();
        let both = MasterKeys::parse(&format!("b:{},a:{}", hex(&[2; 32]), hex(&[1; 32]))).unwrap();
        let token = TokenKeys::derive(&old, "behest").sign(claims(), 1_000, 1_900).unwrap();
        let rotated = TokenKeys::derive(&both, "behest");
        assert!(verify(&rotated, &token, 1_500).is_ok());
        assert_eq!(rotated.jwks()["keys"].as_array().unwrap().len(), 2);
        assert!(!rotated.jwks().to_string().contains("\"d\""));
    }
}
