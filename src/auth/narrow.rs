//! Capabilities that somebody asks for: read from a request's body, and put on top of those a token has.
//!
//! Always holds: what comes out allows nothing that the token did not allow; what would is a 403 that names the field, not silently
//! cut, so that an app hears of its mistake. Absent on purpose: signatures, and what the budgets have left (the user's object).

use serde_json::{Map, Value};
use url::Url;

use crate::auth::capabilities::{Capabilities, Scope, common_scopes, contains, covers, is_network, read_scopes};
use crate::auth::mint::{self, MIN_TTL_S, is_header_id};
use crate::auth::token::{AUDIENCE, Principal, UserClaims};
use crate::config::number::{Count, Usd};
use crate::config::settings::is_model_name;
use crate::error::{Code, Error, Result};

/// The most entries of `models`: a token must stay short.
const MAX_MODELS: usize = 50;
/// The most tokens that a token may be made from, one from the other.
const MAX_GENERATIONS: usize = 8;

/// What is asked for. Missing = not narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Capabilities; `under` is empty.
    pub capabilities: Capabilities,
    /// Scopes.
    pub scp: Option<String>,
    /// The one session the token is for.
    pub sid: Option<String>,
}

impl Asked {
    /// Reads the fields `models`, `max_tokens`, `tokens_max`, `usd_max`, `origin`, `thread`, `ip`, `one_time`, `scp`, `sid` of a body.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn read(body: &Map<String, Value>) -> Result<Self> {
        let field = |name: &str| body.get(name).filter(|value| !value.is_null());
        let capabilities = Capabilities {
            models: field("models").map(models).transpose()?,
            max_tokens: field("max_tokens").map(|value| count("max_tokens", value)).transpose()?,
            tokens_max: field("tokens_max").map(|value| count("tokens_max", value)).transpose()?,
            usd_max: field("usd_max").map(dollars).transpose()?,
            origin: field("origin").map(origin).transpose()?,
            thread: field("thread").map(|value| header_id("thread", value)).transpose()?,
            ip: field("ip").map(network).transpose()?,
            one_time: field("one_time").map(|value| flag("one_time", value)).transpose()?.unwrap_or_default(),
            sid_only: field("sid").is_some(),
            under: Vec::new(),
        };
        let scp = field("scp").map(scopes).transpose()?;
        let sid = field("sid").map(|value| header_id("sid", value)).transpose()?;
        Ok(Self { capabilities, scp, sid })
    }

    /// The claims of a token that may do what both these claims and this allow. Its `jti`, `sid` and `par` are the caller's to set.
    ///
    /// # Errors
    /// 403 that names the field for what the claims do not allow.
    pub fn narrow(&self, own: &UserClaims) -> Result<UserClaims> {
        let (had, asked) = (&own.capabilities, &self.capabilities);
        let every = |asked: &[String], had: &[String]| asked.iter().all(|entry| had.iter().any(|own| covers(own, entry)));
        let beyond = [
            ("models", differ(asked.models.as_deref(), had.models.as_deref(), |asked, had| !every(asked, had))),
            ("max_tokens", differ(asked.max_tokens, had.max_tokens, |asked, had| asked.get() > had.get())),
            ("origin", differ(asked.origin.as_ref(), had.origin.as_ref(), |asked, had| asked != had)),
            ("thread", differ(asked.thread.as_ref(), had.thread.as_ref(), |asked, had| asked != had)),
            ("ip", differ(asked.ip.as_ref(), had.ip.as_ref(), |asked, had| !contains(had, asked))),
            ("sid", self.sid.as_ref().is_some_and(|sid| had.sid_only && *sid != own.sid)),
        ];
        let refusal =
            |field: &str| Error::new(Code::Forbidden, format!("{field}: the token may not give what it does not have.")).with_param(field);
        if let Some((field, _)) = beyond.into_iter().find(|(_, beyond)| *beyond) {
            return Err(refusal(field));
        }
        let scp = self.scp.as_ref().map_or_else(|| own.scp.clone(), |scp| common_scopes(&own.scp, scp));
        if scp.is_empty() {
            return Err(refusal("scp"));
        }
        let capabilities = Capabilities {
            models: asked.models.clone().or_else(|| had.models.clone()),
            max_tokens: asked.max_tokens.or(had.max_tokens),
            tokens_max: asked.tokens_max,
            usd_max: asked.usd_max,
            origin: asked.origin.clone().or_else(|| had.origin.clone()),
            thread: asked.thread.clone().or_else(|| had.thread.clone()),
            ip: asked.ip.clone().or_else(|| had.ip.clone()),
            one_time: asked.one_time || had.one_time,
            sid_only: asked.sid_only || had.sid_only,
            // Its own budgets stay the parent's: what the child spends counts there.
            under: had.allowances(&own.jti),
        };
        Ok(UserClaims { capabilities, scp, sid: self.sid.clone().unwrap_or_else(|| own.sid.clone()), ..own.clone() })
    }
}

/// A weaker token of a token, to be signed.
#[derive(Clone, Debug)]
pub struct Child {
    /// Its claims.
    pub claims: UserClaims,
    /// When it ends, epoch seconds.
    pub expires_at: u64,
}

/// Reads and checks a request for a weaker token (`POST /v1/auth/attenuate`). `ttl` is in seconds and never outlives the parent.
///
/// # Errors
/// 400 or 403 that names the field; 401 if the parent is over; 409 if the parent has too many parents itself.
pub fn child(body: &[u8], parent: &Principal, issuer: &str, jti: String, now: u64) -> Result<Child> {
    let body = if body.is_empty() { Map::new() } else { crate::json::object(body)? };
    let claims = Asked::read(&body)?.narrow(&parent.claims)?;
    let left = left(parent, now)?;
    let ttl = match body.get("ttl").filter(|value| !value.is_null()) {
        None => left,
        Some(value) => match value.as_u64() {
            Some(ttl) if ttl >= MIN_TTL_S => ttl.min(left),
            _ => return Err(Error::invalid("ttl", format!("ttl must be a whole number of seconds, at least {MIN_TTL_S}."))),
        },
    };
    let par = lineage(&parent.claims)?;
    let claims = UserClaims { iss: issuer.to_owned(), aud: AUDIENCE.to_owned(), jti, par, ..claims };
    Ok(Child { claims, expires_at: now.saturating_add(ttl) })
}

/// Seconds that a token has left, for one that is made from it.
///
/// # Errors
/// 401 if there are none. In the leeway after its end it is still taken, but a child that began then would outlive it.
pub fn left(parent: &Principal, now: u64) -> Result<u64> {
    match parent.expires_at.saturating_sub(now) {
        0 => Err(Error::new(Code::TokenExpired, "The token's time is over. Get a new one before making another one of it.")),
        left => Ok(left),
    }
}

/// The parents of a token that is made from this one, nearest first.
///
/// # Errors
/// 409 if they are too many.
pub fn lineage(parent: &UserClaims) -> Result<Vec<String>> {
    if parent.par.len() >= MAX_GENERATIONS {
        let message = format!("The token was made from {MAX_GENERATIONS} others, which is the most. Begin with a new one.");
        return Err(Error::new(Code::Conflict, message));
    }
    Ok(std::iter::once(&parent.jti).chain(&parent.par).cloned().collect())
}

/// What the parent's owner is told of the child: the fields that a mint answers too.
pub fn answer(child: &Child, token: &str, now: u64) -> Value {
    let ttl = child.expires_at.saturating_sub(now);
    let mut answer = mint::fields(&child.claims, token, ttl, now);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("scope".to_owned(), Value::String(child.claims.scp.clone()));
    }
    answer
}

/// What a chat is checked for beside its model: where its history goes.
///
/// # Errors
/// 403 if the token may not write threads, or is for another one.
pub fn thread(claims: &UserClaims, named: Option<String>) -> Result<Option<String>> {
    let thread = claims.capabilities.thread(named)?;
    if thread.is_some() && claims.capabilities.thread.is_none() {
        Scope::ThreadsWrite.check(&claims.scp)?;
    }
    Ok(thread)
}

/// Whether both say something, and what is asked for is more.
fn differ<T>(asked: Option<T>, had: Option<T>, more: impl FnOnce(T, T) -> bool) -> bool {
    asked.zip(had).is_some_and(|(asked, had)| more(asked, had))
}

fn models(value: &Value) -> Result<Vec<String>> {
    let refuse = || Error::invalid("models", format!("models must be a list of 1 to {MAX_MODELS} models' names."));
    let list = value.as_array().filter(|list| (1..=MAX_MODELS).contains(&list.len())).ok_or_else(refuse)?;
    list.iter().map(|entry| entry.as_str().filter(|name| is_model_name(name)).map(str::to_owned).ok_or_else(refuse)).collect()
}

fn count(field: &str, value: &Value) -> Result<Count> {
    serde_json::from_value(value.clone()).map_err(|why| Error::invalid(field, format!("{field}: {why}.")))
}

fn dollars(value: &Value) -> Result<Usd> {
    Usd::try_from(value.clone()).map_err(|why| Error::invalid("usd_max", format!("usd_max: {why}.")))
}

fn origin(value: &Value) -> Result<String> {
    let exact = |text: &&str| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.is_some_and(|url| url.origin().ascii_serialization() == **text)
    };
    let origin = value.as_str().filter(exact);
    origin.map(str::to_owned).ok_or_else(|| Error::invalid("origin", "origin must be one exact origin, such as https://app.example."))
}

fn header_id(field: &str, value: &Value) -> Result<String> {
    let id = value.as_str().filter(|id| is_header_id(id));
    id.map(str::to_owned).ok_or_else(|| Error::invalid(field, format!("{field} must be a string of 1 to 128 visible ASCII characters.")))
}

fn network(value: &Value) -> Result<String> {
    let network = value.as_str().filter(|text| is_network(text));
    network.map(str::to_owned).ok_or_else(|| Error::invalid("ip", "ip must be an address or a network, such as 203.0.113.0/24."))
}

fn flag(field: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| Error::invalid(field, format!("{field} must be true or false.")))
}

fn scopes(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => read_scopes("scp", text),
        Value::Array(list) => {
            let words: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            read_scopes("scp", &words.unwrap_or_default().join(" "))
        }
        _ => Err(Error::invalid("scp", "scp must be a string of scopes, or a list of them.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(more: &Value) -> UserClaims {
        let mut claims = json!({"tid": "t", "pid": "p", "uid": "u", "role": "user", "scp": "chat threads:read usage", "iss": "behest",
            "aud": "behest", "jti": "parent", "sid": "s"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(claims).unwrap()
    }

    fn narrow(own: &Value, asked: &Value) -> Result<Value, (u16, String)> {
        let told = |error: Error| {
            let body: Value = serde_json::from_str(&error.body()).unwrap();
            (error.status(), body["error"]["param"].as_str().unwrap_or_default().to_owned())
        };
        let asked = Asked::read(asked.as_object().unwrap()).map_err(told)?;
        let claims = asked.narrow(&claims(own)).map_err(told)?;
        Ok(serde_json::to_value(claims).unwrap())
    }

    #[test]
    fn what_is_asked_for_is_read_or_named() {
        for (field, value) in [
            ("models", json!("gpt-4o")),
            ("models", json!([])),
            ("models", json!([7])),
            ("models", json!(vec!["m"; 51])),
            ("max_tokens", json!(0)),
            ("max_tokens", json!("5")),
            ("max_tokens", json!(1.5)),
            ("tokens_max", json!(-1)),
            ("usd_max", json!(0)),
            ("usd_max", json!("1")),
            ("origin", json!("app.example")),
            ("origin", json!("https://app.example/")),
            ("origin", json!("https://*.app.example/x")),
            ("origin", json!("ftp://app.example")),
            ("thread", json!("a b")),
            ("thread", json!("")),
            ("ip", json!("300.1.1.1")),
            ("ip", json!("10.0.0.0/33")),
            ("ip", json!("10.0.0.0/-1")),
            ("one_time", json!("yes")),
            ("scp", json!("chat root")),
            ("scp", json!("")),
            ("scp", json!([])),
            ("scp", json!([1])),
            ("scp", json!({"chat": true})),
            ("sid", json!(1)),
        ] {
            assert_eq!(narrow(&json!({}), &json!({field: value})), Err((400, field.to_owned())), "{field} {value}");
        }
    }

    #[test]
    fn narrowing_never_widens() {
        for (field, had, asked) in [
            ("models", json!({"models": ["gpt-4o-mini", "claude-*"]}), json!({"models": ["gpt-4o-mini", "gpt-4o"]})),
            ("models", json!({"models": ["claude-haiku-*"]}), json!({"models": ["claude-*"]})),
            ("models", json!({"models": ["claude-haiku-4-5"]}), json!({"models": ["*"]})),
            ("max_tokens", json!({"max_tokens": 10}), json!({"max_tokens": 11})),
            ("origin", json!({"origin": "https://a.example"}), json!({"origin": "https://b.example"})),
            ("thread", json!({"thread": "a"}), json!({"thread": "b"})),
            ("ip", json!({"ip": "10.0.0.0/24"}), json!({"ip": "10.0.0.0/16"})),
            ("ip", json!({"ip": "10.0.0.7"}), json!({"ip": "10.0.0.8"})),
            ("ip", json!({"ip": "10.0.0.0/8"}), json!({"ip": "2001:db8::/32"})),
            ("ip", json!({"ip": "0.0.0.0/0"}), json!({"ip": "::/0"})),
            ("scp", json!({}), json!({"scp": "embeddings"})),
            ("sid", json!({"sid_only": true}), json!({"sid": "other"})),
        ] {
            assert_eq!(narrow(&had, &asked), Err((403, field.to_owned())), "{had} {asked}");
        }
        // What was narrowed stays so, whatever is asked.
        let had = json!({"models": ["a*"], "max_tokens": 10, "origin": "https://a.example", "thread": "t", "ip": "10.0.0.0/24",
            "one_time": true, "sid_only": true, "tokens_max": 100, "usd_max": 1.5, "under": [{"id": "elder", "usd_max": 2.0}]});
        let kept = narrow(&had, &json!({"one_time": false})).unwrap();
        for field in ["models", "max_tokens", "origin", "thread", "ip", "one_time", "sid_only"] {
            assert_eq!(kept[field], had[field], "{field}");
        }
        let under = json!([{"id": "parent", "tokens_max": 100, "usd_max": 1.5}, {"id": "elder", "usd_max": 2.0}]);
        assert_eq!((&kept["under"], &kept["usd_max"], &kept["tokens_max"]), (&under, &Value::Null, &Value::Null));
        let less =
            narrow(&had, &json!({"models": ["ab", "a-*"], "max_tokens": 9, "ip": "10.0.0.128/25", "usd_max": 0.5, "scp": "threads chat"}));
        let less = less.unwrap();
        assert_eq!((&less["models"], &less["max_tokens"], &less["ip"]), (&json!(["ab", "a-*"]), &json!(9), &json!("10.0.0.128/25")));
        assert_eq!((&less["usd_max"], &less["scp"]), (&json!(0.5), &json!("chat threads:read")));
    }

    #[test]
    fn a_child_never_outlives_its_parent() {
        let parent = Principal { claims: claims(&json!({"par": ["elder"]})), issued_at: 0, expires_at: 1_000, trust: 0 };
        let made = |body: &str, now| child(body.as_bytes(), &parent, "behest", "mine".into(), now);
        let whole = made("", 400).unwrap();
        assert_eq!((whole.expires_at, whole.claims.par, whole.claims.jti.as_str()), (1_000, vec!["parent".into(), "elder".into()], "mine"));
        assert_eq!(made(r#"{"ttl": 60}"#, 400).unwrap().expires_at, 460);
        assert_eq!(made(r#"{"ttl": 3600}"#, 400).unwrap().expires_at, 1_000);
        assert_eq!(made(r#"{"ttl": 59}"#, 400).unwrap_err().status(), 400);
        for late in [1_000, 1_029] {
            assert_eq!(made("", late).unwrap_err().name(), "token_expired", "{late}: taken for the leeway, but no child may begin");
        }
        let old = Principal { claims: claims(&json!({"par": vec!["x"; 8]})), issued_at: 0, expires_at: 1_000, trust: 0 };
        assert_eq!(child(b"{}", &old, "behest", "mine".into(), 0).unwrap_err().status(), 409);
    }
}
