//! Revocations: what the owner may name, and those that concern a whole project: which tokens are void, by what they were made with.
//!
//! Always holds: a mark lives as long as the tokens that it voids; a project has a bounded number of them, for its snapshot is read
//! on every cold start. Absent on purpose: marks of one user, which its object keeps (`crate::user::pass`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mint::MAX_TTL_S;
use super::token::{LEEWAY_S, Principal, Via};
use crate::error::{Code, Error, Result};
use crate::user::pass::{Kind, Mark};

/// How long after it was made a token may be good, in seconds: the longest life, and the leeway at both ends.
pub const LIFE_S: u64 = MAX_TTL_S + 2 * LEEWAY_S;
/// The most marks of a project.
const MAX_MARKS: usize = 500;
/// The longest id.
const MAX_ID: usize = 255;
/// What a revocation may name.
const FIELDS: [&str; 6] = ["uid", "sid", "jti", "key_id", "signing_key", "issuer"];

/// 401 for a token that a mark voids.
pub fn revoked() -> Error {
    Error::new(Code::InvalidToken, "The token was revoked.")
}

/// What is revoked in a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// What is void ([`Target::name`]), and up to which second it was made (epoch).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    void: BTreeMap<String, u64>,
}

/// What a mark of a project is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One token, and all that were made from it.
    Token(String),
    /// A session.
    Session(String),
    /// All that somebody has vouched for.
    Via(Via),
}

impl Target {
    /// What it is known by: `token:<jti>`, `session:<sid>`, or who vouched.
    pub fn name(&self) -> String {
        match self {
            Self::Token(jti) => token(jti),
            Self::Session(sid) => session(sid),
            Self::Via(via) => via.clone().into(),
        }
    }
}

fn token(jti: &str) -> String {
    format!("token:{jti}")
}

fn session(sid: &str) -> String {
    format!("session:{sid}")
}

impl Marks {
    /// Voids what was made up to `issued`; removes what voids nothing any more. Epoch seconds.
    ///
    /// # Errors
    /// 409 if there are too many.
    pub fn add(&mut self, target: &Target, issued: u64, now: u64) -> Result<()> {
        self.void.retain(|_, issued| issued.saturating_add(LIFE_S) >= now);
        let name = target.name();
        if self.void.len() >= MAX_MARKS && !self.void.contains_key(&name) {
            return Err(Error::new(
                Code::Conflict,
                format!("The project has {MAX_MARKS} revocations that are younger than a day, which is the most. Name the user (uid) too."),
            )
            .with_param("uid"));
        }
        let issued = self.void.get(&name).map_or(issued, |before| issued.max(*before));
        self.void.insert(name, issued);
        Ok(())
    }

    /// Checks a token.
    ///
    /// # Errors
    /// 401 if it is void.
    pub fn check(&self, principal: &Principal) -> Result<()> {
        if self.void.is_empty() {
            return Ok(());
        }
        let claims = &principal.claims;
        let by_id = [&claims.jti].into_iter().chain(&claims.par).any(|jti| self.void.contains_key(&token(jti)));
        let made = [Some(session(&claims.sid)), claims.via.clone().map(String::from)];
        let by_making = made.iter().flatten().any(|name| self.void.get(name).is_some_and(|issued| principal.issued_at <= *issued));
        if by_id || by_making { Err(revoked()) } else { Ok(()) }
    }
}

/// What the owner revokes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// Tokens of a user.
    OfUser {
        /// The user.
        uid: String,
        /// Which.
        mark: Mark,
    },
    /// Tokens of whichever user.
    OfProject(Target),
}

impl Revocation {
    /// Reads what the owner asks for at `now` (epoch seconds).
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn parse(body: &Map<String, Value>, now: u64) -> Result<Self> {
        if let Some(unknown) = body.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            let name: String = unknown.chars().take(50).collect();
            return Err(Error::invalid(&name, format!("`{name}` is not one of {}.", FIELDS.join(", "))));
        }
        let mut named = Vec::new();
        for name in FIELDS {
            named.extend(text(body, name)?.map(|id| (name, id)));
        }
        let of_user = |uid: String, kind, id| Self::OfUser { uid, mark: Mark { kind, id, issued: now } };
        let mut named = named.into_iter();
        match (named.next(), named.next(), named.next()) {
            (None, ..) => Err(Error::invalid("uid", format!("Name what is revoked: one of {}.", FIELDS.join(", ")))),
            (Some(("uid", uid)), None, _) => Ok(of_user(uid, Kind::User, String::new())),
            (Some(("uid", uid)), Some(("sid", sid)), None) => Ok(of_user(uid, Kind::Session, sid)),
            (Some(("uid", uid)), Some(("jti", jti)), None) => Ok(of_user(uid, Kind::Token, jti)),
            (Some((name, id)), None, _) => Ok(Self::OfProject(target(name, id))),
            (_, Some((other, _)), _) => {
                Err(Error::invalid(other, format!("{other} cannot be named beside that: only uid with sid, or uid with jti, go together.")))
            }
        }
    }

    /// Whether tokens that are made later in the same second would be void too.
    pub const fn is_by_time(&self) -> bool {
        !matches!(self, Self::OfUser { mark: Mark { kind: Kind::Token, .. }, .. } | Self::OfProject(Target::Token(_)))
    }
}

fn target(name: &str, id: String) -> Target {
    match name {
        "jti" => Target::Token(id),
        "sid" => Target::Session(id),
        "key_id" => Target::Via(Via::Key(id)),
        "signing_key" => Target::Via(Via::Signing(id)),
        _ => Target::Via(Via::Issuer(id)),
    }
}

fn text(body: &Map<String, Value>, name: &str) -> Result<Option<String>> {
    match body.get(name) {
        None => Ok(None),
        // It would void nothing, and be kept for a day where everybody may read who can read the configuration.
        Some(Value::String(id)) if id.starts_with("eyJ") && id.split('.').count() == 3 => {
            Err(Error::invalid(name, format!("{name}: this is a whole token. Name what stands in it, such as its jti.")))
        }
        Some(Value::String(id)) if (1..=MAX_ID).contains(&id.chars().count()) && !id.chars().any(char::is_control) => Ok(Some(id.clone())),
        Some(_) => {
            Err(Error::invalid(name, format!("{name} must be a string of 1 to {MAX_ID} characters, none of them a control character.")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::capabilities::Capabilities;
    use crate::auth::token::UserClaims;

    fn principal(via: Option<Via>, par: &[&str], issued_at: u64) -> Principal {
        let text = |text: &str| text.to_owned();
        let claims = UserClaims {
            tid: text("t"),
            pid: text("p"),
            uid: text("u"),
            role: text("user"),
            scp: text("chat"),
            iss: text("behest"),
            aud: text("behest"),
            jti: text("j"),
            sid: text("s"),
            tier: None,
            via,
            par: par.iter().map(|id| text(id)).collect(),
            capabilities: Capabilities::default(),
        };
        Principal { claims, issued_at, expires_at: issued_at + 900, trust: 0 }
    }

    #[allow(clippy::unnecessary_wraps, reason = "as claims have it")]
    fn key(id: &str) -> Option<Via> {
        Some(Via::Key(id.to_owned()))
    }

    /// (what is revoked at 100, the token, is it void)
    #[test]
    fn a_mark_voids_what_it_names() {
        for (body, token, void) in [
            (json!({"jti": "j"}), principal(None, &[], 500), true),
            (json!({"jti": "up"}), principal(None, &["near", "up"], 500), true),
            (json!({"jti": "s"}), principal(None, &[], 50), false),
            (json!({"sid": "s"}), principal(None, &[], 100), true),
            (json!({"sid": "s"}), principal(None, &[], 101), false),
            (json!({"key_id": "k"}), principal(key("k"), &[], 100), true),
            (json!({"key_id": "k"}), principal(key("k"), &[], 101), false),
            (json!({"key_id": "k"}), principal(key("k2"), &[], 100), false),
            (json!({"signing_key": "k"}), principal(key("k"), &[], 100), false),
            (json!({"signing_key": "k"}), principal(Some(Via::Signing("k".to_owned())), &[], 0), true),
            (json!({"issuer": "i"}), principal(Some(Via::Issuer("i".to_owned())), &[], 100), true),
        ] {
            let Revocation::OfProject(target) = Revocation::parse(body.as_object().unwrap(), 100).unwrap() else { panic!("{body}") };
            let mut marks = Marks::default();
            assert!(marks.check(&token).is_ok());
            marks.add(&target, 100, 100).unwrap();
            // As it travels in the snapshot.
            let marks: Marks = serde_json::from_str(&serde_json::to_string(&marks).unwrap()).unwrap();
            assert_eq!(marks.check(&token).is_err(), void, "{body} {token:?}");
        }
    }

    #[test]
    fn a_project_has_room_for_so_many_a_day() {
        let (mut marks, target) = (Marks::default(), |n: usize| Target::Token(n.to_string()));
        for n in 0..MAX_MARKS {
            marks.add(&target(n), 100, 100).unwrap();
        }
        assert_eq!(marks.add(&target(MAX_MARKS), 100, 100).unwrap_err().status(), 409);
        marks.add(&target(0), 101, 101).unwrap();
        marks.add(&target(MAX_MARKS), 101 + LIFE_S, 101 + LIFE_S).unwrap();
        assert_eq!(marks.void.len(), 2, "the others void nothing any more");
    }

    #[test]
    fn what_goes_together() {
        let parse = |body: Value| Revocation::parse(body.as_object().unwrap(), 7);
        for (body, kind, id) in [
            (json!({"uid": "u"}), Kind::User, ""),
            (json!({"uid": "u", "sid": "x"}), Kind::Session, "x"),
            (json!({"jti": "x", "uid": "u"}), Kind::Token, "x"),
        ] {
            let expected = Revocation::OfUser { uid: "u".to_owned(), mark: Mark { kind, id: id.to_owned(), issued: 7 } };
            assert_eq!(parse(body).unwrap(), expected);
        }
        for (body, param) in [
            (json!({}), "uid"),
            (json!({"user": "u"}), "user"),
            (json!({"uid": ""}), "uid"),
            (json!({"uid": 7}), "uid"),
            (json!({"sid": null}), "sid"),
            (json!({"jti": "x".repeat(256)}), "jti"),
            (json!({"jti": "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiJ1In0.c2ln"}), "jti"),
            (json!({"key_id": "a\nb"}), "key_id"),
            (json!({"uid": "u", "key_id": "k"}), "key_id"),
            (json!({"sid": "s", "jti": "j"}), "jti"),
            (json!({"uid": "u", "sid": "s", "jti": "j"}), "sid"),
        ] {
            let error = parse(body.clone()).unwrap_err();
            let rendered: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &rendered["error"]["param"]), (400, &json!(param)), "{body}");
        }
    }
}
