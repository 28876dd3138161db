//! The published keys of an identity provider: which of them can be used, and when they are fetched anew.
//!
//! Always holds: at most one fetch at a time (a flight), and for kids that are not there at most one in 30 s; what was good serves for
//! an hour after it was last fresh, should the provider be out. Time is an argument.
//! Absent on purpose: fetching and waiting (`edge::jwks`), and futures, which do not outlive their request.

use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::Value;

use crate::auth::jwk::PublicKey;
use crate::auth::jws::Jws;
use crate::error::{Code, Error, Result};

/// How long one fetch may take, in ms, with discovery.
pub const FETCH_MS: u64 = 3_000;
/// The largest document that is read.
pub const MAX_DOCUMENT: usize = 1024 * 1024;
/// Within its own deadline a flight ends by itself. Who sees it this much later takes it for lost with its request.
const LOST_MS: u64 = FETCH_MS + 1_000;
/// How long keys are fresh if the provider does not say, and within which bounds it may say.
const FRESH_MS: u64 = 600_000;
const MIN_FRESH_MS: u64 = 60_000;
const MAX_FRESH_MS: u64 = 86_400_000;
/// How long keys that are no longer fresh still serve while new ones cannot be had.
const STALE_MS: u64 = 3_600_000;
/// The pause between fetches for unknown kids.
const UNKNOWN_PAUSE_MS: u64 = 30_000;
/// How long a kid that was looked for in vain is not looked for again, and how many of those are remembered.
const MISSING_MS: u64 = 120_000;
const MAX_MISSING: usize = 100;
/// The pause after a fetch that failed, and what it grows to.
const PAUSE_MS: u64 = 5_000;
const MAX_PAUSE_MS: u64 = 60_000;
/// Most keys of a set; providers have two to five.
const MAX_KEYS: usize = 100;

/// Keys that can be used.
#[derive(Debug, Default)]
pub struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// Reads `{"keys": […]}`. Keys of other kinds or for other purposes are passed over.
    ///
    /// # Errors
    /// Why it is no set of keys, as the end of a sentence.
    pub fn read(document: &Value) -> Result<Self, &'static str> {
        let keys = document.get("keys").and_then(Value::as_array).ok_or("must be an object with a list `keys`")?;
        if keys.len() > MAX_KEYS {
            return Err("must have at most 100 keys");
        }
        let usable: Vec<PublicKey> = keys.iter().filter_map(|key| PublicKey::from_jwk(key, None).ok()).collect();
        if usable.is_empty() { Err("has no public key that can verify a signature") } else { Ok(Self(usable)) }
    }

    /// Checks a set that an owner sends: it must not hold what is nobody else's business.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn check_inline(document: &Value) -> Result<(), &'static str> {
        let private = |key: &Value| ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|member| key.get(member).is_some());
        if document.get("keys").and_then(Value::as_array).is_some_and(|keys| keys.iter().any(private)) {
            return Err("has a private key: send the public halves only");
        }
        Self::read(document).map(drop)
    }

    /// The key that a token names; for a token that names none, the only one of its algorithm. Where a name could mean two keys it
    /// means none.
    pub fn find(&self, jws: &Jws) -> Option<&PublicKey> {
        let named = jws.kid.as_deref();
        // Keys without ids cannot be named.
        let wanted = |key: &&PublicKey| match named {
            Some(kid) if self.knows(kid) => key.kid.as_deref() == named,
            _ => named.is_none() || key.kid.is_none(),
        };
        let mut all = self.0.iter().filter(|key| key.alg == jws.alg).filter(wanted);
        let first = all.next()?;
        // Some providers publish one key twice.
        all.all(|other| other.jwk == first.jwk).then_some(first)
    }

    fn knows(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid.as_deref() == Some(kid))
    }
}

/// What a fetch brought.
#[derive(Debug)]
pub struct Fetched {
    /// The keys.
    pub keys: KeySet,
    /// The answer's `cache-control`.
    pub cache_control: Option<String>,
}

/// What somebody who needs keys does next.
#[derive(Debug)]
pub enum Next {
    /// Uses these.
    Use(Rc<KeySet>),
    /// Fetches, as the flight of this number.
    Fetch(u64),
    /// Waits for this flight, and asks again.
    Wait(u64),
    /// Gives up: there are none to be had.
    Fail(Error),
}

/// The keys of one provider, as one isolate knows them.
#[derive(Debug, Default)]
pub struct Jwks {
    current: Option<(Rc<KeySet>, u64)>,
    /// The number of the fetch that is under way, and when it began.
    flight: Option<(u64, u64)>,
    flights: u64,
    /// Kids that were looked for in vain, and until when that is believed.
    missing: VecDeque<(String, u64)>,
    unknown_from_ms: u64,
    failures: u32,
    pause_until_ms: u64,
}

impl Jwks {
    /// Decides. `waited`: the flight that this somebody has been waiting for.
    pub fn next(&mut self, kid: Option<&str>, waited: Option<u64>, now_ms: u64) -> Next {
        let flying = self.flight.filter(|(_, began)| now_ms < began.saturating_add(LOST_MS)).map(|(number, _)| number);
        let paused = now_ms < self.pause_until_ms;
        let Some((keys, fresh_until)) = self.usable(now_ms) else {
            return match flying {
                Some(number) => Next::Wait(number),
                None if paused => Next::Fail(unavailable(self.pause_until_ms - now_ms)),
                // The flight that was waited for has failed: whoever waited does not try for itself.
                None if waited.is_some() && self.failures > 0 => Next::Fail(unavailable(PAUSE_MS)),
                None => self.take_off(now_ms),
            };
        };
        let unknown = kid.filter(|kid| !keys.knows(kid));
        match (unknown, flying) {
            (Some(_), Some(number)) => Next::Wait(number),
            (None, None) if fresh_until <= now_ms && !paused => self.take_off(now_ms),
            (Some(kid), None) if !paused && waited.is_none() && self.may_look_for(kid, now_ms) => {
                self.look_for(kid, now_ms);
                self.take_off(now_ms)
            }
            _ => Next::Use(keys),
        }
    }

    /// A flight has ended. Gives what its request uses: should it have failed, what there was before.
    ///
    /// # Errors
    /// 503 if there is nothing.
    pub fn landed(&mut self, flight: u64, fetched: Result<Fetched>, now_ms: u64) -> Result<Rc<KeySet>> {
        self.abandoned(flight);
        match fetched {
            Ok(fetched) => {
                let keys = Rc::new(fetched.keys);
                self.missing.retain(|(kid, _)| !keys.knows(kid));
                self.current = Some((Rc::clone(&keys), now_ms.saturating_add(life_ms(fetched.cache_control.as_deref()))));
                (self.failures, self.pause_until_ms) = (0, 0);
                Ok(keys)
            }
            Err(error) => {
                let pause = PAUSE_MS.saturating_mul(1 << self.failures.min(4)).min(MAX_PAUSE_MS);
                self.failures = self.failures.saturating_add(1);
                self.pause_until_ms = now_ms.saturating_add(pause);
                let cause = error.cause().unwrap_or_else(|| error.message()).to_owned();
                self.usable(now_ms).map(|(keys, _)| keys).ok_or_else(|| unavailable(pause).with_cause(cause))
            }
        }
    }

    /// Its request has ended, and the flight with it.
    pub fn abandoned(&mut self, flight: u64) {
        self.flight = self.flight.filter(|(number, _)| *number != flight);
    }

    fn usable(&self, now_ms: u64) -> Option<(Rc<KeySet>, u64)> {
        self.current.clone().filter(|(_, fresh_until)| now_ms < fresh_until.saturating_add(STALE_MS))
    }

    fn take_off(&mut self, now_ms: u64) -> Next {
        self.flights += 1;
        self.flight = Some((self.flights, now_ms));
        Next::Fetch(self.flights)
    }

    fn may_look_for(&self, kid: &str, now_ms: u64) -> bool {
        self.unknown_from_ms <= now_ms && !self.missing.iter().any(|(missing, until)| missing == kid && now_ms < *until)
    }

    fn look_for(&mut self, kid: &str, now_ms: u64) {
        self.unknown_from_ms = now_ms.saturating_add(UNKNOWN_PAUSE_MS);
        self.missing.retain(|(missing, until)| now_ms < *until && missing != kid);
        self.missing.push_back((kid.to_owned(), now_ms.saturating_add(MISSING_MS)));
        if self.missing.len() > MAX_MISSING {
            self.missing.pop_front();
        }
    }
}

/// From `cache-control: max-age=…`, within bounds.
fn life_ms(cache_control: Option<&str>) -> u64 {
    let words = || cache_control.into_iter().flat_map(|text| text.split(',')).map(|word| word.trim().to_ascii_lowercase());
    if words().any(|word| word == "no-store" || word == "no-cache") {
        return MIN_FRESH_MS;
    }
    let seconds = words().find_map(|word| word.strip_prefix("max-age=").and_then(|seconds| seconds.trim_matches('"').parse::<u64>().ok()));
    seconds.map_or(FRESH_MS, |seconds| seconds.saturating_mul(1_000)).clamp(MIN_FRESH_MS, MAX_FRESH_MS)
}

fn unavailable(retry_ms: u64) -> Error {
    Error::new(Code::UpstreamError, "The keys of the token's identity provider could not be fetched.")
        .with_status(503)
        .with_retry_after_ms(retry_ms)
}

#[cfg(test)]
mod tests;
