//! The access tokens of one service account: what the token server answered, when a new one is due, and who gets it.
//!
//! Always holds: at most one fetch at a time (a flight); a flight that its request did not end is over after its deadline; who waits
//! for one that fails gets its error and does not try for itself. Time is an argument.
//! Absent on purpose: fetching and waiting (`edge::access_token`), and futures, which do not outlive their request.

use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
use crate::json::{pick, text};
use crate::provider::Secret;

/// How long the token server may take, in ms. It answers within some 100 ms; a user waits.
pub const TOKEN_MS: u64 = 5_000;
/// Within its own deadline a flight ends by itself. Who sees it this much later takes it for lost with its request.
const LOST_MS: u64 = TOKEN_MS + 1_000;
/// A token is renewed this long before its end, in ms, or a sixth of its life: a long answer must not outlive what it began with.
const EARLY_MS: u64 = 300_000;
/// After a renewal has failed, the old token serves this long before the next attempt, in ms.
const PAUSE_MS: u64 = 10_000;
/// Google's tokens live an hour, twelve at most; longer is not believed.
const MAX_LIFE_S: u64 = 43_200;
/// Google's tokens have some 1,000 bytes, 2,048 at most.
const MAX_TOKEN: usize = 8_192;

/// A token and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    value: Secret,
    renew_ms: u64,
    expires_ms: u64,
}

impl Token {
    /// Reads the answer of the token server.
    ///
    /// # Errors
    /// 502 or 503 that say what went wrong, with nothing of the answer but its OAuth error code, which is for the log.
    pub fn read(status: u16, body: &[u8], now_ms: u64) -> Result<Self> {
        let body = core::str::from_utf8(body).unwrap_or_default();
        if status != 200 {
            return Err(failure(status, body));
        }
        Self::parse(body, now_ms).ok_or_else(|| {
            Error::new(Code::UpstreamError, "Google's token server did not answer with an access token.")
                .with_cause("no token in its answer")
        })
    }

    fn parse(body: &str, now_ms: u64) -> Option<Self> {
        let [value, expires_in, kind] = pick(body, ["access_token", "expires_in", "token_type"]).ok()?;
        let value = value.and_then(text).filter(|value| (1..=MAX_TOKEN).contains(&value.len()))?;
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) || !kind.and_then(text).is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"))
        {
            return None;
        }
        let seconds: u64 = expires_in?.get().parse().ok().filter(|seconds| *seconds > 0)?;
        let life_ms = seconds.min(MAX_LIFE_S) * 1000;
        let expires_ms = now_ms.saturating_add(life_ms);
        Some(Self { value: Secret::new(value.into_owned()), renew_ms: expires_ms - EARLY_MS.min(life_ms / 6), expires_ms })
    }
}

/// The words of a refusal are Google's about the owner's account; the assertion might be among them. Its code is enough.
fn failure(status: u16, body: &str) -> Error {
    let code = pick(body, ["error"]).ok().and_then(|[error]| error.and_then(word)).unwrap_or_default();
    let (message, shown) = match status {
        429 | 500..=599 => ("Google's token server is overloaded or unavailable.", 503),
        _ => ("Google refused the service account of this provider.", 502),
    };
    Error::new(Code::UpstreamError, message).with_status(shown).with_cause(format!("token server: status {status} {code}"))
}

/// An OAuth error code, such as `invalid_grant`.
fn word(value: &RawValue) -> Option<String> {
    let word = text(value)?;
    let plain = (1..=40).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    plain.then(|| word.into_owned())
}

/// What somebody who needs a token does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Uses this one.
    Use(Secret),
    /// Fetches one, as the flight of this number.
    Fetch(u64),
    /// Waits for this flight, and asks again.
    Wait(u64),
    /// Gives up: the flight that was waited for has failed.
    Fail(Error),
}

/// The tokens of one account.
#[derive(Debug, Default)]
pub struct Tokens {
    current: Option<Token>,
    /// The one before: requests may still be running with it.
    former: Option<Secret>,
    /// The number of the fetch that is under way, and when it began.
    flight: Option<(u64, u64)>,
    /// The last flight that failed.
    failed: Option<(u64, Error)>,
    /// No renewal before.
    pause_until_ms: u64,
    flights: u64,
}

impl Tokens {
    /// Decides. `waited`: the flight that this somebody has been waiting for.
    pub fn next(&mut self, waited: Option<u64>, now_ms: u64) -> Next {
        let flying = self.flight.filter(|(_, began)| now_ms < began.saturating_add(LOST_MS));
        if let Some(token) = self.usable(now_ms) {
            let renews = token.renew_ms <= now_ms && self.pause_until_ms <= now_ms && flying.is_none();
            if !renews {
                return Next::Use(token.value.clone());
            }
        } else if let Some((number, _)) = flying {
            return Next::Wait(number);
        } else if let Some((_, error)) = self.failed.as_ref().filter(|(number, _)| Some(*number) == waited) {
            return Next::Fail(error.clone());
        }
        self.flights += 1;
        self.flight = Some((self.flights, now_ms));
        Next::Fetch(self.flights)
    }

    /// A flight has ended. What its request goes on with: the new token, or the old one while that lasts.
    ///
    /// # Errors
    /// The flight's own.
    pub fn landed(&mut self, flight: u64, fetched: Result<Token>, now_ms: u64) -> Result<Secret> {
        self.abandoned(flight);
        match fetched {
            Ok(token) => {
                let value = token.value.clone();
                self.former =
                    self.current.replace(token).map(|former| former.value).filter(|former| *former != value).or(self.former.take());
                Ok(value)
            }
            Err(error) => {
                self.failed = Some((flight, error.clone()));
                self.pause_until_ms = now_ms.saturating_add(PAUSE_MS);
                self.usable(now_ms).map(|token| token.value.clone()).ok_or(error)
            }
        }
    }

    /// A flight's request has gone away. Nothing, if it had landed.
    pub fn abandoned(&mut self, flight: u64) {
        if self.flight.is_some_and(|(number, _)| number == flight) {
            self.flight = None;
        }
    }

    /// A provider did not take this token: it is used no more. Another one that came meanwhile stays.
    pub fn refused(&mut self, token: &Secret) {
        if let Some(refused) = self.current.take_if(|current| current.value == *token) {
            self.former = Some(refused.value);
        }
    }

    /// Whatever a provider could repeat.
    pub(super) fn known(&self) -> Vec<Secret> {
        self.current.iter().map(|token| &token.value).chain(&self.former).cloned().collect()
    }

    fn usable(&self, now_ms: u64) -> Option<&Token> {
        self.current.as_ref().filter(|token| now_ms < token.expires_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn token(name: &str, now_ms: u64) -> Token {
        Token::read(200, format!(r#"{{"access_token":"{name}","expires_in":3600,"token_type":"Bearer"}}"#).as_bytes(), now_ms).unwrap()
    }

    fn uses(name: &str) -> Next {
        Next::Use(Secret::new(name))
    }

    fn down() -> Error {
        Error::new(Code::UpstreamTimeout, "down")
    }

    #[test]
    fn one_fetches_and_the_others_wait() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.next(None, 0), Next::Fetch(1));
        assert_eq!(tokens.next(None, 10), Next::Wait(1));
        assert_eq!(tokens.landed(1, Ok(token("a", 100)), 100).unwrap(), Secret::new("a"));
        assert_eq!(tokens.next(Some(1), 110), uses("a"));
        assert_eq!(tokens.next(None, HOUR - EARLY_MS), uses("a"));
    }

    #[test]
    fn who_waited_for_a_failure_has_failed() {
        let mut tokens = Tokens::default();
        tokens.next(None, 0);
        assert_eq!(tokens.next(None, 10), Next::Wait(1));
        assert_eq!(tokens.landed(1, Err(down()), 20), Err(down()));
        assert_eq!(tokens.next(Some(1), 30), Next::Fail(down()));
        // Who comes now has waited for nothing, and who waited for another flight waits for this one.
        assert_eq!(tokens.next(None, 40), Next::Fetch(2));
        assert_eq!(tokens.next(Some(1), 50), Next::Wait(2));
    }

    #[test]
    fn a_lost_flight_is_taken_over() {
        let mut tokens = Tokens::default();
        tokens.next(None, 0);
        assert_eq!(tokens.next(Some(1), LOST_MS - 1), Next::Wait(1));
        assert_eq!(tokens.next(Some(1), LOST_MS), Next::Fetch(2));
        tokens.abandoned(1);
        assert_eq!(tokens.next(None, LOST_MS), Next::Wait(2), "the end of an old flight is not the end of the new one");
        tokens.abandoned(2);
        assert_eq!(tokens.next(Some(2), LOST_MS), Next::Fetch(3), "one whose request has gone failed nobody");
    }

    #[test]
    fn renewal_is_early_and_by_one() {
        let mut tokens = Tokens::default();
        tokens.next(None, 0);
        tokens.landed(1, Ok(token("a", 0)), 0).unwrap();
        let due = HOUR - EARLY_MS;
        assert_eq!(tokens.next(None, due - 1), uses("a"));
        assert_eq!(tokens.next(None, due), Next::Fetch(2));
        assert_eq!(tokens.next(None, due + 1), uses("a"), "the others go on with the old one");
        assert_eq!(tokens.landed(2, Err(down()), due + 2).unwrap(), Secret::new("a"), "and so does who failed to renew it");
        assert_eq!(tokens.next(None, due + 3), uses("a"), "for a while nobody tries");
        assert_eq!(tokens.next(None, due + 2 + PAUSE_MS), Next::Fetch(3));
        assert_eq!(tokens.landed(3, Ok(token("b", due)), due), Ok(Secret::new("b")));
        assert_eq!(tokens.known(), ["b", "a"].map(Secret::new));
        assert_eq!(tokens.next(None, 2 * HOUR), Next::Fetch(4), "its time is over");
    }

    #[test]
    fn a_refused_token_is_used_no_more() {
        let mut tokens = Tokens::default();
        tokens.next(None, 0);
        tokens.landed(1, Ok(token("a", 0)), 0).unwrap();
        tokens.refused(&Secret::new("older"));
        assert_eq!(tokens.next(None, 1), uses("a"));
        tokens.refused(&Secret::new("a"));
        assert_eq!(tokens.next(None, 2), Next::Fetch(2));
        assert_eq!(tokens.known(), [Secret::new("a")], "but a provider may still repeat it");
    }

    #[test]
    fn short_lives_are_used() {
        let token = Token::parse(r#"{"access_token":"x","expires_in":6}"#, 0).unwrap();
        assert_eq!((token.renew_ms, token.expires_ms), (5_000, 6_000));
        let long = Token::parse(r#"{"access_token":"x","expires_in":99999999999999999}"#, 0).unwrap();
        assert_eq!(long.expires_ms, MAX_LIFE_S * 1000);
    }

    #[test]
    fn what_is_no_token_is_an_error_without_its_words() {
        for (status, body, shown) in [
            (200, "", 502),
            (200, "<html>canary</html>", 502),
            (200, "[]", 502),
            (200, r#"{"access_token":"canary"}"#, 502),
            (200, r#"{"access_token":"canary","expires_in":0}"#, 502),
            (200, r#"{"access_token":"canary","expires_in":-5}"#, 502),
            (200, r#"{"access_token":"canary","expires_in":"soon"}"#, 502),
            (200, r#"{"access_token":"canary","expires_in":3600,"token_type":"MAC"}"#, 502),
            (200, r#"{"access_token":"canary\r\nx: y","expires_in":3600}"#, 502),
            (200, r#"{"access_token":"","expires_in":3600}"#, 502),
            (200, r#"{"access_token":7,"expires_in":3600}"#, 502),
            (400, r#"{"error":"invalid_grant","error_description":"canary"}"#, 502),
            (400, r#"{"error":"canary canary"}"#, 502),
            (401, r#"{"error":"invalid_client","canary":1}"#, 502),
            (302, "canary", 502),
            (429, "canary", 503),
            (500, "canary", 503),
            (503, "canary", 503),
        ] {
            let error = Token::read(status, body.as_bytes(), 0).unwrap_err();
            assert_eq!((error.status(), error.name()), (shown, "upstream_error"), "{status} {body}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        let refused = Token::read(400, br#"{"error":"invalid_grant"}"#, 0).unwrap_err();
        assert_eq!(refused.cause(), Some("token server: status 400 invalid_grant"));
        assert_eq!(Token::read(200, b"\xff", 0).unwrap_err().status(), 502);
    }
}
