//! A provider's failure as the client's error: the one table of statuses, and the cleaning of what a provider says.
//!
//! Always holds: no message contains the target's credentials or anything that looks like a key, and none is longer than 500
//! characters; a provider that refuses the gateway's credential is the gateway's failure, and its words are not shown.
//! Absent on purpose: retries, and the shape of the error (`error`).

use serde_json::json;

use super::target::{Secret, Target};
use super::vertex::Account;
use crate::error::{Code, Error};
use crate::json::{pick, text};

/// Longest message taken over from a provider, in characters.
const MAX_MESSAGE: usize = 500;
const REDACTED: &str = "[redacted]";

/// What the body of a failure says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    message: Option<String>,
    param: Option<String>,
    /// `type` and `code`, lower case, joined by a space.
    kind: String,
    /// `code`, `status` or `status_code`, when it is an HTTP status.
    status: Option<u16>,
}

impl Said {
    /// Reads the shapes in use: `{"error":{…}}`, `{"error":"…"}`, `{"message":…}`, `{"detail":…}`, and an array around one of them.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(mut raw) = core::str::from_utf8(body) else { return Self::default() };
        if let Ok([first]) = serde_json::from_str::<[&serde_json::value::RawValue; 1]>(raw) {
            raw = first.get();
        }
        let Ok([error, detail]) = pick(raw, ["error", "detail"]) else { return Self::default() };
        match error {
            Some(error) if error.get().starts_with('{') => Self::fields(error.get()),
            Some(error) => Self { message: text(error).map(Into::into), ..Self::default() },
            None => {
                let mut said = Self::fields(raw);
                said.message =
                    said.message.or_else(|| detail.map(|detail| text(detail).map_or_else(|| detail.get().to_owned(), Into::into)));
                said
            }
        }
    }

    fn fields(raw: &str) -> Self {
        let Ok([message, param, kind, code, status, status_code]) =
            pick(raw, ["message", "param", "type", "code", "status", "status_code"])
        else {
            return Self::default();
        };
        let word = |value: Option<&serde_json::value::RawValue>| value.and_then(text).unwrap_or_default().to_ascii_lowercase();
        let number =
            |value: Option<&serde_json::value::RawValue>| value?.get().trim_matches('"').parse().ok().filter(|n| (300..600).contains(n));
        // Mistral's message may be an object.
        let message = message.map(|value| if value.get().starts_with('{') { Some(value.get().into()) } else { text(value) });
        Self {
            message: message.flatten().map(Into::into).filter(|message: &String| !message.trim().is_empty()),
            param: param.and_then(text).map(Into::into),
            kind: format!("{} {} {}", word(kind), word(code), word(status)),
            status: [code, status, status_code].into_iter().find_map(number),
        }
    }

    /// The status that an error inside a stream (or with status 200) would have had.
    fn implied_status(&self) -> u16 {
        let says = |words: &[&str]| words.iter().any(|word| self.kind.contains(word));
        match self.status {
            Some(status) => status,
            None if says(&["rate_limit", "too_many_requests", "throttl", "insufficient_quota", "resource_exhausted"]) => 429,
            None if says(&["overloaded", "unavailable"]) => 503,
            None if says(&["timeout", "timed_out", "deadline"]) => 504,
            None if says(&["authentication", "invalid_api_key", "permission"]) => 401,
            None => 500,
        }
    }
}

/// What must not reach a client: the target's credentials, and its owner's names at the provider.
#[derive(Clone, Debug)]
pub(super) struct Scrub {
    secrets: Vec<Secret>,
}

impl Scrub {
    pub(super) fn of(target: &Target) -> Self {
        // Shorter values are not secrets, and replacing them would eat ordinary words.
        let headers = target.headers.iter().map(|(_, value)| value.as_str());
        let values =
            target.api_key.iter().map(Secret::expose).chain(headers).flat_map(|value| [value, value.rsplit(' ').next().unwrap_or(value)]);
        let account = target.account.iter().flat_map(|account| Account::words(account));
        let mut secrets: Vec<Secret> = values.map(Secret::new).chain(account).filter(|secret| secret.expose().len() >= 6).collect();
        // The longest first: a secret within another must not leave the other's remains.
        secrets.sort_by_key(|secret| core::cmp::Reverse(secret.expose().len()));
        Self { secrets }
    }

    /// The message without secrets, on one line, and no longer than allowed.
    pub(super) fn clean(&self, message: &str) -> String {
        // Cut far beyond the final length first, so that a message of megabytes costs nothing.
        let mut message: String = message.chars().take(MAX_MESSAGE * 20).map(|c| if c.is_control() { ' ' } else { c }).collect();
        for secret in &self.secrets {
            message = message.replace(secret.expose(), REDACTED);
        }
        let message = without_keys(&message);
        match message.char_indices().nth(MAX_MESSAGE) {
            Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
            None => message,
        }
    }
}

/// How keys of known makers begin. A word that begins so and goes on for eight more characters is one.
const KEY_PREFIXES: [&str; 18] = [
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "behest_",
    "AIza",
    "ya29.",
    "gsk_",
    "xai-",
    "hf_",
    "r8_",
    "pplx-",
    "nvapi-",
    "ghp_",
    "github_pat_",
    "AKIA",
    "eyJ",
    "fw_",
];

/// Replaces words that look like keys, and whatever follows `Bearer`.
fn without_keys(message: &str) -> String {
    let is_key_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '+' | '/' | '~');
    let mut out = String::with_capacity(message.len());
    let mut after_bearer = false;
    for word in message.split_inclusive(|c| !is_key_char(c)) {
        let key = word.trim_end_matches(|c| !is_key_char(c));
        let looks_like_key = KEY_PREFIXES.iter().any(|prefix| key.starts_with(prefix) && key.len() >= prefix.len() + 8);
        if looks_like_key || (after_bearer && key.len() >= 6) {
            out.push_str(REDACTED);
            out.push_str(word.get(key.len()..).unwrap_or_default());
        } else {
            out.push_str(word);
        }
        if !key.is_empty() {
            after_bearer = key.eq_ignore_ascii_case("bearer");
        }
    }
    out
}

/// Statuses that say something else than they mean: (status, a word of the body, what is meant). Gemini calls a bad key a bad
/// request; OpenAI calls an account without credit a rate limit.
const MEANT: [(u16, &str, u16); 2] = [(400, "API_KEY_INVALID", 401), (429, "insufficient_quota", 402)];

/// What a provider's status means for what is tried next.
pub fn meant(status: u16, body: &[u8]) -> u16 {
    let says = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
    MEANT.iter().find(|(said, word, _)| *said == status && says(word)).map_or(status, |(_, _, meant)| *meant)
}

/// The error for a provider's answer with a status other than 200.
pub(super) fn from_status(status: u16, retry_after_ms: Option<u64>, body: &[u8], scrub: &Scrub) -> Error {
    // Who lacks credit is told of a rate limit, as by the provider; a bad key is never the client's bad request.
    let status = if meant(status, body) == 401 { 401 } else { status };
    let said = Said { status: Some(status), ..Said::read(body) };
    from_said(status, retry_after_ms, &said, scrub)
}

/// The error for an error event inside a stream.
pub(super) fn from_event(data: &[u8], scrub: &Scrub) -> Error {
    let said = Said::read(data);
    from_said(said.implied_status(), None, &said, scrub)
}

/// The error for an answer with status 200 that is no answer.
pub(super) fn from_answer(body: &[u8], scrub: &Scrub) -> Error {
    from_other_answer("a chat completion", body, scrub)
}

/// The same where something else was asked.
pub(super) fn from_other_answer(asked: &str, body: &[u8], scrub: &Scrub) -> Error {
    let message = match Said::read(body).message {
        Some(said) => format!("The provider answered with an error: {}", scrub.clean(&said)),
        None if body.trim_ascii().is_empty() => "The provider's answer was empty.".to_owned(),
        None => format!("The provider's answer was not {asked}."),
    };
    Error::new(Code::UpstreamError, message)
}

/// The table. The statuses that are the client's fault keep their class and the provider's words; the rest is the provider's failure.
fn from_said(status: u16, retry_after_ms: Option<u64>, said: &Said, scrub: &Scrub) -> Error {
    let (code, shown) = match status {
        400 => (Code::Validation, 400),
        404 => (Code::ModelNotFound, 404),
        408 | 504 | 522 | 524 => (Code::UpstreamTimeout, 504),
        413 => (Code::PayloadTooLarge, 413),
        422 => (Code::Validation, 422),
        429 => (Code::RateLimited, 429),
        503 | 529 => (Code::UpstreamError, 503),
        // 3xx, 401, 402, 403, 409, every other 4xx (the client chose neither path nor method nor headers), 500, 502, every other 5xx.
        _ => (Code::UpstreamError, 502),
    };
    let mut error = Error::new(code, sentence(status, said, scrub)).with_status(shown).with_cause(format!("upstream status {status}"));
    match status {
        400 | 422 => {
            if let Some(param) = &said.param {
                error = error.with_param(scrub.clean(param));
            }
        }
        404 => error = error.with_param("model"),
        429 => error = error.with_details(json!({"scope": "upstream"})),
        _ => {}
    }
    match retry_after_ms {
        Some(ms) if matches!(shown, 429 | 503) => error.with_retry_after_ms(ms),
        _ => error,
    }
}

/// The provider's own words where they may be shown and there are any, else ours.
fn sentence(status: u16, said: &Said, scrub: &Scrub) -> String {
    let own = match status {
        300..=399 => "The provider redirected the request, which the gateway does not follow",
        401 | 403 => return "The provider refused the gateway's credential.".to_owned(),
        402 => return "The provider refused the gateway's account for lack of credit.".to_owned(),
        400 | 422 => "The provider refused the request",
        404 => "The provider does not know this model, or its base URL is wrong",
        408 | 504 | 522 | 524 => "The provider did not answer in time",
        413 => "The request is too large for the provider",
        429 => "The provider's rate limit is reached",
        503 | 529 => "The provider is overloaded or unavailable",
        _ => "The provider failed",
    };
    // A status that we only infer is not one that the provider said.
    let said_status = said.status.map_or_else(String::new, |status| format!(" (status {status})"));
    match &said.message {
        Some(message) if matches!(status, 400 | 404 | 413 | 422 | 429) => scrub.clean(message),
        Some(message) => format!("{own}{said_status}: {}", scrub.clean(message)),
        None => format!("{own}{said_status}."),
    }
}
