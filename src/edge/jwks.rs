//! The published keys of identity providers: fetched through the one egress function, remembered by the isolate.
//!
//! Always holds: what is remembered are values, never futures; one fetch per provider and isolate at a time, for which the others wait
//! with timers of their own; no redirect is followed, and an address that a discovery document names is checked like any other.
//! Absent on purpose: when keys are due, and who fetches them (`auth::jwks`).

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;
use web_sys::AbortController;

use crate::auth::jwks::{FETCH_MS, Fetched, Jwks, KeySet, MAX_DOCUMENT, Next};
use crate::edge::clock;
use crate::edge::isolate::{self, ISSUER_MS};
use crate::edge::upstream;
use crate::error::{Code, Error, Result};

/// How often who waits for another request's fetch looks, in ms.
const LOOK_MS: u64 = 25;

/// Where a provider's keys are.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// At this address.
    Url(&'a str),
    /// Where the discovery document of this issuer says.
    Discovery(&'a str),
}

/// The keys to look for `kid` in.
///
/// # Errors
/// 503 if there are none to be had.
pub async fn keys(place: Place<'_>, kid: Option<&str>, allow_private: bool) -> Result<Rc<KeySet>> {
    let jwks = remembered(place);
    let (mut waited, began_ms) = (None, clock::now_ms());
    loop {
        let next = jwks.borrow_mut().next(kid, waited, clock::now_ms());
        match next {
            Next::Use(keys) => return Ok(keys),
            Next::Fail(error) => return Err(error),
            Next::Fetch(flight) => return fetch(&jwks, place, flight, allow_private).await,
            Next::Wait(_) if clock::now_ms().saturating_sub(began_ms) > FETCH_MS => {
                return Err(failed("no answer in time"));
            }
            Next::Wait(flight) => {
                waited = Some(flight);
                clock::sleep(LOOK_MS).await;
            }
        }
    }
}

fn remembered(place: Place) -> Rc<RefCell<Jwks>> {
    let name = match place {
        Place::Url(url) => format!("jwks {url}"),
        Place::Discovery(issuer) => format!("discovery {issuer}"),
    };
    let now = clock::now_ms();
    isolate::with(|i| {
        let jwks = i.jwks.get(&name, now).cloned().unwrap_or_default();
        i.jwks.put(name, Rc::clone(&jwks), now + ISSUER_MS);
        jwks
    })
}

async fn fetch(jwks: &RefCell<Jwks>, place: Place<'_>, flight: u64, allow_private: bool) -> Result<Rc<KeySet>> {
    let abort = AbortController::new().map_err(|_| Error::server("no AbortController"))?;
    let under_way = UnderWay { jwks, flight, abort };
    let fetched = clock::within(FETCH_MS, read(place, allow_private, &under_way.abort)).await;
    let fetched = fetched.unwrap_or_else(|| Err(failed("no answer in time")));
    jwks.borrow_mut().landed(flight, fetched, clock::now_ms())
}

async fn read(place: Place<'_>, allow_private: bool, abort: &AbortController) -> Result<Fetched> {
    let url = match place {
        Place::Url(url) => url.to_owned(),
        Place::Discovery(issuer) => discover(issuer, allow_private, abort).await?,
    };
    let (document, cache_control) = document(&url, allow_private, abort).await?;
    let keys = KeySet::read(&document).map_err(|why| failed(&format!("the JWKS {why}")))?;
    Ok(Fetched { keys, cache_control })
}

/// OIDC Discovery 1.0, 4.3: the document must be of exactly this issuer.
async fn discover(issuer: &str, allow_private: bool, abort: &AbortController) -> Result<String> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let (document, _) = document(&url, allow_private, abort).await?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(failed("the discovery document is of another issuer"));
    }
    let keys = document.get("jwks_uri").and_then(Value::as_str);
    keys.map(str::to_owned).ok_or_else(|| failed("the discovery document has no jwks_uri"))
}

async fn document(url: &str, allow_private: bool, abort: &AbortController) -> Result<(Value, Option<String>)> {
    let received = upstream::get(url, allow_private, abort).await?;
    if received.status() != 200 {
        let status = received.status();
        received.discard();
        return Err(failed(&format!("status {status}")));
    }
    let cache_control = received.cache_control();
    let body = received.into_source().read_to_end(MAX_DOCUMENT).await.map_err(|_| failed("too large, or broken off"))?;
    let document = serde_json::from_slice(&body).map_err(|_| failed("not JSON"))?;
    Ok((document, cache_control))
}

/// For the log: clients hear only that keys could not be had.
fn failed(why: &str) -> Error {
    Error::new(Code::UpstreamError, "The keys of the token's identity provider could not be fetched.")
        .with_status(503)
        .with_cause(format!("identity provider: {why}"))
}

/// A fetch that its request has begun: however the request ends, the fetch is let go, and others may begin one.
struct UnderWay<'a> {
    jwks: &'a RefCell<Jwks>,
    flight: u64,
    abort: AbortController,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.abort.abort();
        self.jwks.borrow_mut().abandoned(self.flight);
    }
}
