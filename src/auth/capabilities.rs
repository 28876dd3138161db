//! What a token may do less than its user: capabilities, which only ever narrow, and scopes, which name routes.
//!
//! Always holds: a claim that is there and cannot be read is an error, never ignored (a token must not gain power by a typing
//! error); narrowing a token twice gives no more than narrowing it once. Absent on purpose: `usd_max`, `tokens_max` and `one_time` are
//! only written down here: the user's object counts them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::number::{Count, Usd};
use crate::error::{Code, Error, Result};

/// Capabilities as they stand among the claims. Missing = not narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Models it may name: exact, or with one trailing `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// The most output tokens of one reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<Count>,
    /// The most tokens in its whole life, input and output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_max: Option<Count>,
    /// The most US dollars in its whole life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_max: Option<Usd>,
    /// The one browser origin that may send it. A request without an `Origin` is then refused too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The one thread it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The address or network (`203.0.113.0/24`, `2001:db8::/32`) it may come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// It is good for one request.
    #[serde(skip_serializing_if = "is_false")]
    pub one_time: bool,
    /// Only the session that `sid` names may be named.
    #[serde(skip_serializing_if = "is_false")]
    pub sid_only: bool,
    /// Budgets of the tokens that this one was made from: what it spends counts there too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub under: Vec<Allowance>,
}

/// A budget that belongs to a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The `jti` of the token that it belongs to.
    pub id: String,
    /// As [`Capabilities::tokens_max`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_max: Option<Count>,
    /// As [`Capabilities::usd_max`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_max: Option<Usd>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls it with")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Capabilities {
    /// The budgets a request with this token counts in: its own, and those it is under. `id` is its `jti`.
    pub fn allowances(&self, id: &str) -> Vec<Allowance> {
        let own = (self.tokens_max.is_some() || self.usd_max.is_some()).then(|| Allowance {
            id: id.to_owned(),
            tokens_max: self.tokens_max,
            usd_max: self.usd_max,
        });
        own.into_iter().chain(self.under.iter().cloned()).collect()
    }

    /// Whether the token may name this model.
    pub fn allows_model(&self, name: &str) -> bool {
        self.models.as_ref().is_none_or(|list| list.iter().any(|entry| covers(entry, name)))
    }

    /// The same as a refusal.
    ///
    /// # Errors
    /// 403 that names `model`.
    pub fn check_model(&self, name: &str) -> Result<()> {
        if self.allows_model(name) {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, format!("The model `{name}` is not among those this token may use.")).with_param("model"))
    }

    /// What a request may have as its reply's maximum, if it names one.
    ///
    /// # Errors
    /// 403 that names `max_tokens` for more than the token's.
    pub fn check_output(&self, named: Option<u64>) -> Result<()> {
        match (self.max_tokens, named) {
            (Some(most), Some(named)) if named > most.get() => {
                let message = format!("The token may ask for at most {} output tokens in a reply.", most.get());
                Err(Error::new(Code::Forbidden, message).with_param("max_tokens"))
            }
            _ => Ok(()),
        }
    }

    /// The most output tokens of a reply that names no maximum: what is granted, and no more than the token's.
    pub fn output(&self, granted: Option<u64>) -> Option<u64> {
        match (self.max_tokens.map(Count::get), granted) {
            (Some(most), Some(granted)) => Some(granted.min(most)),
            (most, granted) => granted.or(most),
        }
    }

    /// Whether a target that the owner wrote down may serve a request: by any of its names.
    pub fn allows_target(&self, provider: &str, model: &str) -> bool {
        self.models.is_none() || self.allows_model(model) || self.allows_model(&format!("{provider}/{model}"))
    }

    /// Where the request comes from: the page and the address.
    ///
    /// # Errors
    /// 403 for another origin or address than the token's, or for none.
    pub fn check_place(&self, origin: Option<&str>, address: Option<&str>) -> Result<()> {
        if self.origin.as_deref().is_some_and(|own| origin != Some(own)) {
            return Err(Error::new(Code::Forbidden, "The token is for pages of another origin."));
        }
        if self.ip.as_deref().is_some_and(|own| !address.is_some_and(|address| contains(own, address))) {
            return Err(Error::new(Code::Forbidden, "The token is for another network address."));
        }
        Ok(())
    }

    /// The thread of a request that names this one, or none.
    ///
    /// # Errors
    /// 403 for another thread than the token's.
    pub fn thread(&self, named: Option<String>) -> Result<Option<String>> {
        match (&self.thread, named) {
            (Some(own), Some(named)) if *own != named => {
                Err(Error::new(Code::Forbidden, "The token is for another thread.").with_param("x-thread-id"))
            }
            (Some(own), _) => Ok(Some(own.clone())),
            (None, named) => Ok(named),
        }
    }

    /// The session of a request that names this one, or none; `own` is the token's.
    ///
    /// # Errors
    /// 403 for another session than the token's, if it is for that only.
    pub fn session(&self, named: Option<String>, own: &str) -> Result<String> {
        match named {
            Some(named) if self.sid_only && named != own => {
                Err(Error::new(Code::Forbidden, "The token is for another session.").with_param("x-session-id"))
            }
            Some(named) => Ok(named),
            None => Ok(own.to_owned()),
        }
    }
}

/// Whether an entry of a list of models covers a name, or another entry.
pub(crate) fn covers(entry: &str, name: &str) -> bool {
    entry == name || entry.strip_suffix('*').is_some_and(|prefix| name.starts_with(prefix))
}

/// An address and how many of its leading bits count.
fn network(text: &str) -> Option<(u128, u32, u32)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let (number, width) = match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let bits = match bits {
        None => width,
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= width)?,
    };
    Some((number, bits, width))
}

/// Whether a text is an address or a network.
pub(crate) fn is_network(text: &str) -> bool {
    network(text).is_some()
}

/// Whether a network contains an address or a smaller network.
pub(crate) fn contains(outer: &str, inner: &str) -> bool {
    let (Some((outer, outer_bits, outer_width)), Some((inner, inner_bits, inner_width))) = (network(outer), network(inner)) else {
        return false;
    };
    let differs = (outer ^ inner).checked_shr(128 - outer_bits).unwrap_or(0);
    outer_width == inner_width && inner_bits >= outer_bits && differs == 0
}

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Any token opens it.
    Any,
    /// `chat`.
    Chat,
    /// `embeddings`.
    Embeddings,
    /// `moderations`, or `chat`.
    Moderations,
    /// `threads:read`, or `threads`.
    ThreadsRead,
    /// `threads:write`, or `threads`.
    ThreadsWrite,
    /// `usage`.
    Usage,
}

/// Every scope there is: what a token without `scp` has.
pub const ALL_SCOPES: &str = "chat embeddings moderations models threads usage";
/// What a scope claim or a request for scopes may contain.
const SCOPES: [&str; 8] = ["chat", "embeddings", "moderations", "models", "threads", "threads:read", "threads:write", "usage"];

impl Scope {
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Any => &[],
            Self::Chat => &["chat"],
            Self::Embeddings => &["embeddings"],
            Self::Moderations => &["moderations", "chat"],
            Self::ThreadsRead => &["threads:read", "threads"],
            Self::ThreadsWrite => &["threads:write", "threads"],
            Self::Usage => &["usage"],
        }
    }

    /// Whether these scopes contain it.
    ///
    /// # Errors
    /// 403 that names the scope.
    pub fn check(self, scp: &str) -> Result<()> {
        let words = self.words();
        match words.first() {
            Some(name) if !scp.split(' ').any(|word| words.contains(&word)) => {
                Err(Error::new(Code::Forbidden, format!("The token lacks the scope `{name}`.")).with_param("scp"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a word is a scope.
pub fn is_scope(word: &str) -> bool {
    SCOPES.contains(&word)
}

/// Reads scopes that somebody asks for.
///
/// # Errors
/// 400 that names the field, for a word that is no scope.
pub fn read_scopes(field: &str, text: &str) -> Result<String> {
    let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
    if words.is_empty() {
        return Err(Error::invalid(field, format!("{field} must name at least one of {}.", SCOPES.join(", "))));
    }
    if let Some(unknown) = words.iter().find(|word| !SCOPES.contains(word)) {
        let unknown: String = unknown.chars().take(50).collect();
        return Err(Error::invalid(field, format!("{field}: `{unknown}` is not one of {}.", SCOPES.join(", "))));
    }
    words.sort_unstable();
    words.dedup();
    Ok(words.join(" "))
}

/// The scopes that are in both.
pub fn common_scopes(ours: &str, asked: &str) -> String {
    let has = |list: &str, word: &str| {
        let whole = word.split_once(':').map_or(word, |(whole, _)| whole);
        list.split(' ').any(|own| own == word || own == whole)
    };
    let mut words: Vec<&str> = asked.split(' ').filter(|word| has(ours, word)).collect();
    // `threads` asked of one who has only a part of it.
    words.extend(ours.split(' ').filter(|own| own.contains(':') && has(asked, own)));
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn capabilities(value: &Value) -> Capabilities {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for (field, value) in [
            ("models", json!("gpt-4o")),
            ("models", json!([1])),
            ("max_tokens", json!("5")),
            ("max_tokens", json!(0)),
            ("tokens_max", json!(1.5)),
            ("usd_max", json!("1")),
            ("usd_max", json!(-1)),
            ("origin", json!(["https://a.example"])),
            ("thread", json!(1)),
            ("ip", json!(10)),
            ("one_time", json!("true")),
            ("one_time", json!(1)),
            ("under", json!("x")),
        ] {
            assert!(serde_json::from_value::<Capabilities>(json!({field: value})).is_err(), "{field} {value}");
        }
        assert_eq!(capabilities(&json!({})), Capabilities::default());
    }

    #[test]
    fn places_are_the_tokens_own() {
        for (own, origin, address, open) in [
            (json!({}), None, None, true),
            (json!({"origin": "https://a.example"}), Some("https://a.example"), None, true),
            (json!({"origin": "https://a.example"}), Some("https://b.example"), None, false),
            (json!({"origin": "https://a.example"}), None, None, false),
            (json!({"ip": "203.0.113.7"}), None, Some("203.0.113.7"), true),
            (json!({"ip": "203.0.113.7"}), None, Some("::ffff:203.0.113.7"), true),
            (json!({"ip": "203.0.113.7"}), None, Some("203.0.113.8"), false),
            (json!({"ip": "203.0.113.0/24"}), None, Some("203.0.113.255"), true),
            (json!({"ip": "203.0.113.0/24"}), None, Some("203.0.114.0"), false),
            (json!({"ip": "2001:db8::/32"}), None, Some("2001:db8:1::1"), true),
            (json!({"ip": "2001:db8::/32"}), None, Some("2001:db9::1"), false),
            (json!({"ip": "0.0.0.0/0"}), None, Some("203.0.113.8"), true),
            (json!({"ip": "::/0"}), None, Some("203.0.113.8"), false),
            (json!({"ip": "203.0.113.7"}), None, None, false),
            (json!({"ip": "nonsense"}), None, Some("203.0.113.7"), false),
        ] {
            assert_eq!(capabilities(&own).check_place(origin, address).is_ok(), open, "{own} {origin:?} {address:?}");
        }
    }

    #[test]
    fn threads_sessions_and_maxima_are_the_tokens_own() {
        let own = capabilities(&json!({"thread": "t", "sid_only": true, "max_tokens": 10}));
        assert_eq!(own.thread(None), Ok(Some("t".into())));
        assert_eq!(own.thread(Some("u".into())).unwrap_err().status(), 403);
        assert_eq!(own.session(None, "s"), Ok("s".into()));
        assert_eq!(own.session(Some("x".into()), "s").unwrap_err().status(), 403);
        assert_eq!(Capabilities::default().session(Some("x".into()), "s"), Ok("x".into()));
        assert_eq!(
            (own.check_output(Some(11)).unwrap_err().status(), own.check_output(Some(10)), own.check_output(None)),
            (403, Ok(()), Ok(()))
        );
        assert_eq!((own.output(None), own.output(Some(5)), own.output(Some(50))), (Some(10), Some(5), Some(10)));
        assert_eq!((Capabilities::default().output(None), Capabilities::default().output(Some(5))), (None, Some(5)));
    }

    #[test]
    fn scopes_open_routes() {
        for (scp, scope, open) in [
            (ALL_SCOPES, Scope::ThreadsWrite, true),
            ("chat", Scope::Any, true),
            ("", Scope::Any, true),
            ("", Scope::Chat, false),
            ("chatter", Scope::Chat, false),
            ("chat", Scope::Moderations, true),
            ("chat", Scope::Embeddings, false),
            ("threads:read", Scope::ThreadsRead, true),
            ("threads:read", Scope::ThreadsWrite, false),
            ("threads", Scope::ThreadsRead, true),
            ("usage", Scope::Chat, false),
        ] {
            assert_eq!(scope.check(scp).is_ok(), open, "{scp} {scope:?}");
        }
        for (ours, asked, both) in [
            ("chat threads", "threads:read", "threads:read"),
            ("threads:read", "threads", "threads:read"),
            ("chat", "chat embeddings", "chat"),
            ("chat", "usage", ""),
        ] {
            assert_eq!(common_scopes(ours, asked), both, "{ours} {asked}");
        }
        assert_eq!(read_scopes("scp", " usage  chat chat "), Ok("chat usage".into()));
    }
}
