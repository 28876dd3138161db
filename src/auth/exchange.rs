//! `POST /v1/auth/token` (RFC 8693): what is asked, and the claims of the token that comes of it.
//!
//! Always holds: the new token can do no more than the subject token and lives no longer; it names the subject among its parents, so
//! that whoever revokes that one revokes this. Absent on purpose: verifying the subject (`edge::caller`) and signing.

use serde_json::{Map, Value};

use crate::auth::capabilities::{common_scopes, read_scopes};
use crate::auth::mint::{MIN_TTL_S, Mint, is_header_id};
use crate::auth::narrow::{Asked, left, lineage};
use crate::auth::token::{AUDIENCE, Principal, UserClaims};
use crate::error::{Code, Error, Result};
use crate::json;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// A request for another token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The token that is given.
    pub subject: String,
    /// The project that is meant, if the token does not say.
    pub project: Option<String>,
    /// What kind of token is asked for.
    issued_type: &'static str,
    /// As RFC 8693 writes scopes.
    scope: Option<String>,
    /// Capabilities, and scopes as we write them.
    asked: Asked,
    ttl: Option<u64>,
    session: Option<String>,
}

/// What deployment and project say of the new token.
pub struct Terms<'a> {
    /// Issuer of the deployment.
    pub issuer: &'a str,
    /// Life when the request names none, seconds.
    pub default_ttl: u64,
    /// Longest life, seconds.
    pub max_ttl: u64,
    /// A fresh UUID.
    pub token_id: String,
    /// Epoch seconds.
    pub now: u64,
}

impl Exchange {
    /// Reads a form, or JSON if `kind` (the content type) says so.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn parse(kind: Option<&str>, body: &[u8]) -> Result<Self> {
        let is_json = kind.is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("application/json"));
        let fields = if is_json { json::object(body)? } else { form(body)? };
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(Error::invalid(name, format!("{name} must be a string."))),
        };
        one_of("grant_type", text("grant_type")?, &[GRANT])?;
        let subject =
            text("subject_token")?.ok_or_else(|| Error::invalid("subject_token", "subject_token is required: the token to exchange."))?;
        one_of("subject_token_type", text("subject_token_type")?, &[JWT, ID_TOKEN, ACCESS_TOKEN])?;
        if text("actor_token")?.is_some() {
            return Err(Error::invalid("actor_token", "actor_token: nobody acts for a user here."));
        }
        let issued_type = match text("requested_token_type")? {
            None => ACCESS_TOKEN,
            asked => one_of("requested_token_type", asked, &[ACCESS_TOKEN, JWT])?,
        };
        let session = text("session_id")?;
        if session.is_some_and(|id| !is_header_id(id)) {
            return Err(Error::invalid("session_id", "session_id must be a string of 1 to 128 visible ASCII characters."));
        }
        Ok(Self {
            subject: subject.to_owned(),
            project: text("project")?.map(str::to_owned),
            issued_type,
            scope: text("scope")?.map(|scope| read_scopes("scope", scope)).transpose()?,
            asked: Asked::read(&fields)?,
            ttl: ttl(fields.get("ttl"))?,
            session: session.map(str::to_owned),
        })
    }

    /// The token for a verified subject.
    ///
    /// # Errors
    /// 400 for a life that the project does not allow; 401 if the subject is over; 403 for what it may not hand on; 409 if it comes from
    /// too many others.
    pub fn mint(&self, subject: &Principal, terms: Terms) -> Result<Mint> {
        let mut given = subject.claims.clone();
        if given.capabilities.one_time {
            return Err(forbidden("A token that is good for one request cannot be exchanged."));
        }
        if let Some(scope) = &self.scope {
            given.scp = common_scopes(&given.scp, scope);
            if given.scp.is_empty() {
                return Err(forbidden("The token has none of these scopes.").with_param("scope"));
            }
        }
        given.sid = given.capabilities.session(self.session.clone(), &given.sid)?;
        let (par, ttl) = (lineage(&given)?, self.life(subject, &terms)?);
        let claims = self.asked.narrow(&given)?;
        let claims = UserClaims { iss: terms.issuer.to_owned(), aud: AUDIENCE.to_owned(), jti: terms.token_id, par, ..claims };
        Ok(Mint { claims, ttl })
    }

    fn life(&self, subject: &Principal, terms: &Terms) -> Result<u64> {
        if self.ttl.is_some_and(|ttl| ttl > terms.max_ttl) {
            return Err(Error::invalid("ttl", format!("ttl must be a whole number of seconds from {MIN_TTL_S} to {}.", terms.max_ttl)));
        }
        Ok(self.ttl.unwrap_or(terms.default_ttl).min(terms.max_ttl).min(left(subject, terms.now)?))
    }

    /// What RFC 8693 adds to the answer of a mint.
    pub fn complete(&self, mut answer: Value, mint: &Mint) -> Value {
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("issued_token_type".to_owned(), self.issued_type.into());
            fields.insert("scope".to_owned(), mint.claims.scp.clone().into());
        }
        answer
    }
}

/// A form as an object. RFC 6749 3.2: a parameter that is there twice is an error. A form has only texts: of the capabilities, those
/// that are none are written as in JSON (`models=["gpt-5-mini"]`).
fn form(body: &[u8]) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if matches!(&*name, "audience" | "resource") {
            continue;
        }
        let value = match &*name {
            "models" | "max_tokens" | "tokens_max" | "usd_max" | "one_time" => serde_json::from_str(&value).ok(),
            _ => None,
        }
        .unwrap_or_else(|| Value::from(&*value));
        if fields.insert(name.to_string(), value).is_some() {
            let name: String = name.chars().take(50).collect();
            return Err(Error::invalid(&name, format!("{name} is there twice.")));
        }
    }
    Ok(fields)
}

fn one_of(field: &str, given: Option<&str>, allowed: &[&'static str]) -> Result<&'static str> {
    let found = allowed.iter().find(|one| Some(**one) == given).copied();
    found.ok_or_else(|| Error::invalid(field, format!("{field} must be {}.", allowed.join(" or "))))
}

fn ttl(value: Option<&Value>) -> Result<Option<u64>> {
    let seconds = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
    };
    let refused = || Error::invalid("ttl", format!("ttl must be a whole number of seconds, {MIN_TTL_S} at least."));
    seconds.filter(|seconds| *seconds >= MIN_TTL_S).map(Some).ok_or_else(refused)
}

fn forbidden(message: &str) -> Error {
    Error::new(Code::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::capabilities::{ALL_SCOPES, Capabilities};
    use crate::auth::token::Via;
    use serde_json::json;

    const NOW: u64 = 1_000;

    fn subject(more: &Value) -> Principal {
        let mut claims = json!({
            "tid": "t", "pid": "p", "uid": "u", "role": "user", "scp": ALL_SCOPES, "iss": "https://idp", "aud": "behest",
            "jti": "j0", "sid": "s0", "tier": "pro", "via": "issuer:idp",
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Principal { claims: serde_json::from_value(claims).unwrap(), issued_at: NOW, expires_at: NOW + 600, trust: 3 }
    }

    fn body(more: &Value) -> Value {
        let mut body = json!({"grant_type": GRANT, "subject_token": "a.b.c", "subject_token_type": JWT});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    fn parse(more: &Value) -> Result<Exchange> {
        Exchange::parse(Some("application/json"), body(more).to_string().as_bytes())
    }

    fn mint(more: &Value, given: &Value) -> Result<Mint> {
        parse(more)?.mint(&subject(given), Terms { issuer: "behest", default_ttl: 900, max_ttl: 3_600, token_id: "j1".into(), now: NOW })
    }

    #[test]
    fn a_form_and_json_say_the_same() {
        let form: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", GRANT), ("subject_token", "a.b.c"), ("subject_token_type", JWT), ("scope", "chat usage")])
            .extend_pairs([("ttl", "120"), ("audience", "x"), ("audience", "y"), ("resource", "https://r"), ("project", "p1")])
            .finish();
        let read = Exchange::parse(Some("application/x-www-form-urlencoded"), form.as_bytes()).unwrap();
        assert_eq!(read, parse(&json!({"scope": "usage chat", "ttl": 120, "project": "p1"})).unwrap());
        let form = format!("{form}&models=%5B%22a*%22%5D&max_tokens=9&usd_max=0.5&one_time=true&origin=https%3A%2F%2Fa.example");
        let asked = json!({"scope": "usage chat", "ttl": 120, "project": "p1", "models": ["a*"], "max_tokens": 9, "usd_max": 0.5,
            "one_time": true, "origin": "https://a.example"});
        assert_eq!(Exchange::parse(None, form.as_bytes()).unwrap(), parse(&asked).unwrap());
        let twice = Exchange::parse(None, format!("{form}&ttl=60").as_bytes()).unwrap_err();
        assert!(twice.body().contains("\"ttl\""), "{}", twice.body());
    }

    #[test]
    fn bad_fields_are_named() {
        for (param, more) in [
            ("grant_type", json!({"grant_type": "password"})),
            ("grant_type", json!({"grant_type": null})),
            ("subject_token", json!({"subject_token": ""})),
            ("subject_token", json!({"subject_token": 1})),
            ("subject_token_type", json!({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"})),
            ("requested_token_type", json!({"requested_token_type": ID_TOKEN})),
            ("actor_token", json!({"actor_token": "x"})),
            ("scope", json!({"scope": "chat root"})),
            ("ttl", json!({"ttl": 59})),
            ("ttl", json!({"ttl": "1e3"})),
            ("ttl", json!({"ttl": 3_601})),
            ("session_id", json!({"session_id": "a b"})),
            ("models", json!({"models": "gpt"})),
            ("usd_max", json!({"usd_max": 0})),
            ("scp", json!({"scp": "root"})),
        ] {
            let error = mint(&more, &json!({})).unwrap_err();
            let rendered: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &rendered["error"]["param"]), (400, &json!(param)), "{more}");
        }
    }

    #[test]
    fn the_new_token_is_the_same_user_with_no_more_power() {
        let mint =
            mint(&json!({"scope": "chat threads:read"}), &json!({"models": ["a*"], "usd_max": 0.5, "par": ["j-1"], "sid_only": true}))
                .unwrap();
        let claims = &mint.claims;
        assert_eq!(
            (claims.uid.as_str(), claims.role.as_str(), claims.tier.as_deref(), claims.scp.as_str()),
            ("u", "user", Some("pro"), "chat threads:read")
        );
        assert_eq!(
            (claims.iss.as_str(), claims.jti.as_str(), claims.sid.as_str(), &claims.via),
            ("behest", "j1", "s0", &Some(Via::Issuer("idp".into())))
        );
        assert_eq!(claims.par, ["j0", "j-1"]);
        assert_eq!((mint.ttl, claims.capabilities.models.as_deref()), (600, Some(&["a*".to_owned()][..])));
        assert_eq!(
            (claims.capabilities.usd_max, claims.capabilities.under.len(), claims.capabilities.under[0].id.as_str()),
            (None, 1, "j0")
        );
        assert_eq!(mint_default().claims.capabilities, Capabilities::default());
    }

    fn mint_default() -> Mint {
        mint(&json!({}), &json!({})).unwrap()
    }

    /// The rules are those of `narrow`, which has the table; here is that they are asked.
    #[test]
    fn capabilities_narrow_as_everywhere() {
        let asked = json!({"models": ["ab"], "max_tokens": 5, "usd_max": 0.25, "one_time": true, "sid": "own", "scp": "chat"});
        let claims = mint(&asked, &json!({"models": ["a*"], "usd_max": 0.5})).unwrap().claims;
        let made = serde_json::to_value(&claims).unwrap();
        for (field, value) in asked.as_object().unwrap() {
            assert_eq!(&made[field], value, "{field}");
        }
        assert_eq!((&made["under"], claims.capabilities.sid_only), (&json!([{"id": "j0", "usd_max": 0.5}]), true));
        for (field, more) in [("models", json!({"models": ["b"]})), ("max_tokens", json!({"max_tokens": 10}))] {
            let error = mint(&more, &json!({"models": ["a*"], "max_tokens": 9})).unwrap_err();
            let rendered: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &rendered["error"]["param"]), (403, &json!(field)));
        }
    }

    #[test]
    fn lives_no_longer_than_its_subject_or_the_project_allows() {
        for (ttl, expected) in [(json!(null), 600), (json!(60), 60), (json!("599"), 599), (json!(3_600), 600)] {
            assert_eq!(mint(&json!({"ttl": ttl}), &json!({})).unwrap().ttl, expected);
        }
        let mut late = subject(&json!({}));
        late.expires_at = NOW;
        let terms = Terms { issuer: "behest", default_ttl: 900, max_ttl: 3_600, token_id: String::new(), now: NOW };
        assert_eq!(parse(&json!({})).unwrap().mint(&late, terms).unwrap_err().name(), "token_expired");
    }

    #[test]
    fn what_may_not_be_handed_on() {
        for (more, given, name) in [
            (json!({}), json!({"one_time": true}), "forbidden"),
            (json!({}), json!({"par": ["1", "2", "3", "4", "5", "6", "7", "8"]}), "conflict"),
            (json!({"scope": "usage"}), json!({"scp": "chat"}), "forbidden"),
            (json!({"scope": "chat", "scp": "usage"}), json!({}), "forbidden"),
            (json!({"session_id": "other"}), json!({"sid_only": true}), "forbidden"),
        ] {
            assert_eq!(mint(&more, &given).unwrap_err().name(), name, "{more} {given}");
        }
    }
}
