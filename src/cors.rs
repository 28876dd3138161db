//! Which browser origins may read answers, and the headers that say so. Contract section 8.
//!
//! Always holds: one origin is echoed, never a list, never a bare `*`; a refused origin can still read its 403.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Code, Error, Result};

/// Response headers that scripts may read, by name: `*` would not do for requests that carry a token.
pub const EXPOSED: &str = "x-request-id, x-trace-id, x-session-id, x-thread-id, x-behest-model, x-behest-provider, x-behest-warning, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
     x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, ratelimit, ratelimit-policy, \
     retry-after, retry-after-ms, x-should-retry, link";
/// Methods of all routes.
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
/// Chromium's own upper bound, seconds.
const MAX_AGE: &str = "7200";

/// A project's list of allowed origins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Origins(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    /// What stands before and after the `*`; `None` = exact.
    wildcard: Option<(String, String)>,
}

impl TryFrom<Vec<String>> for Origins {
    type Error = String;

    fn try_from(list: Vec<String>) -> Result<Self, String> {
        list.into_iter().map(Pattern::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Origins> for Vec<String> {
    fn from(origins: Origins) -> Self {
        origins.0.into_iter().map(|pattern| pattern.text).collect()
    }
}

impl Pattern {
    /// `https://app.example`, `http://localhost:3000`, or one `*` inside a host label: `https://*-team.vercel.app`.
    /// Also `http://localhost:*`, any port of this machine, and `*`, any origin.
    fn parse(text: String) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("`{}` is not an origin: {why}", text.chars().take(100).collect::<String>()));
        if text == "*" {
            return Ok(Self { wildcard: Some((String::new(), String::new())), text });
        }
        if let Some(host) = text.strip_suffix(":*") {
            return match host {
                "http://localhost" | "http://127.0.0.1" | "http://[::1]" => {
                    Ok(Self { wildcard: Some((format!("{host}:"), String::new())), text })
                }
                _ => refuse("only http://localhost may leave its port open"),
            };
        }
        let probe = text.replacen('*', "x", 1);
        let Ok(url) = Url::parse(&probe) else { return refuse("expected scheme://host[:port]") };
        if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != probe {
            return refuse("expected scheme://host[:port] in lower case, without a path or a default port");
        }
        let wildcard = text.split_once('*').map(|(before, after)| (before.to_owned(), after.to_owned()));
        if let Some((_, after)) = &wildcard {
            let after_label = after.split_once('.').map(|(_, rest)| rest);
            if after.contains('*') || after_label.is_none_or(|rest| !rest.contains('.')) {
                return refuse("one `*` may stand inside one host label, with at least two labels behind it");
            }
        }
        Ok(Self { text, wildcard })
    }

    fn matches(&self, origin: &str) -> bool {
        let Some((before, after)) = &self.wildcard else { return self.text == origin };
        let Some(middle) = origin.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str())) else { return false };
        self.text == "*" || (!middle.is_empty() && middle.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    }
}

impl Origins {
    /// Whether pages of this origin may read answers.
    pub fn allow(&self, origin: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(origin))
    }
}

/// Checks the request's `Origin`. None is not a browser's and passes; a project without a list lets every origin read.
///
/// # Errors
/// 403 `forbidden`.
pub fn check(allowed: Option<&Origins>, origin: Option<&str>) -> Result<()> {
    match (allowed, origin) {
        (Some(list), Some(origin)) if !list.allow(origin) => Err(Error::new(
            Code::Forbidden,
            format!(
                "The origin {} is not allowed. The project's owner can add it to allowed_origins.",
                origin.chars().take(200).collect::<String>()
            ),
        )
        .with_param("origin")),
        _ => Ok(()),
    }
}

/// Headers of every answer to a request with this `Origin`.
pub fn headers(origin: Option<&str>) -> Vec<(&'static str, String)> {
    let mut headers = vec![("vary", "Origin, Access-Control-Request-Headers".to_owned())];
    if let Some(origin) = origin {
        headers.push(("access-control-allow-origin", origin.to_owned()));
        headers.push(("access-control-expose-headers", EXPOSED.to_owned()));
    }
    headers
}

/// Headers of a preflight's answer. It carries no token, so the project is not known: the check is on the request.
pub fn preflight(origin: Option<&str>, requested_headers: Option<&str>) -> Vec<(&'static str, String)> {
    let mut headers = headers(origin);
    headers.push(("access-control-allow-methods", METHODS.to_owned()));
    headers.push(("access-control-max-age", MAX_AGE.to_owned()));
    if let Some(requested) = requested_headers.filter(|text| !text.is_empty()) {
        headers.push(("access-control-allow-headers", requested.to_owned()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Result<Origins, String> {
        Origins::try_from(list.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn origins_match_exactly_or_by_one_label() {
        for (pattern, origin, allowed) in [
            ("https://app.example", "https://app.example", true),
            ("https://app.example", "http://app.example", false),
            ("https://app.example", "https://app.example:8443", false),
            ("https://app.example", "https://app.example.evil.test", false),
            ("https://app.example", "null", false),
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://localhost:*", "http://localhost:5173", true),
            ("http://localhost:*", "http://localhost.evil.test", false),
            ("https://*-team.vercel.app", "https://pr-7-team.vercel.app", true),
            ("https://*-team.vercel.app", "https://-team.vercel.app", false),
            ("https://*-team.vercel.app", "https://a.b-team.vercel.app", false),
            ("https://*-team.vercel.app", "https://evil.test/x-team.vercel.app", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("*", "https://anything.test", true),
        ] {
            assert_eq!(origins(&[pattern]).unwrap().allow(origin), allowed, "{pattern} {origin}");
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for bad in [
            "",
            "example.com",
            "https://",
            "https://a.example/",
            "https://A.example",
            "https://a.example:443",
            "https://*",
            "https://*.com",
            "https://*.*.a.example",
            "ftp://a.example",
            "https://u@a.example",
            "https://a.example:*",
        ] {
            assert!(origins(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_listed_origins_pass_where_there_is_a_list() {
        let list = origins(&["https://app.example"]).unwrap();
        assert!(check(Some(&list), None).is_ok() && check(None, Some("https://x.test")).is_ok());
        assert_eq!(check(Some(&list), Some("https://x.test")).unwrap_err().status(), 403);
    }
}
