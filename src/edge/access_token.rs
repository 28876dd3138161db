//! The access tokens of service accounts: fetched through the one egress function, remembered by the isolate, put on requests.
//!
//! Always holds: what is remembered are values, never futures; one fetch per account and isolate at a time, for which the others wait
//! with timers of their own; a provider's 401 drops the token and asks once more with another.
//! Absent on purpose: when a token is due, and who fetches it (`provider::vertex`).

use std::rc::Rc;

use web_sys::AbortController;

use crate::edge::isolate::{self, ACCOUNT_MS};
use crate::edge::upstream::{self, Received};
use crate::edge::{clock, rsa};
use crate::error::{Code, Error, Result};
use crate::provider::vertex::{Account, Next, TOKEN_MS, Token};
use crate::provider::{Outbound, Secret, Target};

/// How often who waits for another request's fetch looks, in ms: rarely more than five times.
const LOOK_MS: u64 = 25;
/// The largest answer of a token server that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends a request with the target's token, if it has a service account.
///
/// # Errors
/// As [`upstream::send`], and 502, 503 or 504 if there is no token to be had.
pub async fn send(target: &Target, outbound: &Outbound, allow_private: bool, abort: &AbortController) -> Result<Received> {
    let Some(account) = &target.account else { return upstream::send(outbound, None, allow_private, abort).await };
    let token = token(account, allow_private).await?;
    let received = upstream::send(outbound, Some(&token), allow_private, abort).await?;
    if received.status() != 401 {
        return Ok(received);
    }
    // Revoked before its time, perhaps. Whoever else had it refused finds a new one here, or gets it first.
    received.discard();
    account.tokens(|tokens| tokens.refused(&token));
    let token = self::token(account, allow_private).await?;
    upstream::send(outbound, Some(&token), allow_private, abort).await
}

/// The same target with the account that this isolate knows already, and its token.
pub fn known(target: Target) -> Target {
    let account = target.account.map(|account| {
        let (id, until) = (account.fingerprint(), clock::now_ms() + ACCOUNT_MS);
        isolate::with(|isolate| {
            let account = isolate.accounts.get(&id, clock::now_ms()).cloned().unwrap_or(account);
            isolate.accounts.put(id, Rc::clone(&account), until);
            account
        })
    });
    Target { account, ..target }
}

/// Whether a provider's service account, if it has one, can sign.
///
/// # Errors
/// 400 that names the key.
pub async fn check(target: &Target) -> Result<()> {
    let Some(account) = &target.account else { return Ok(()) };
    if rsa::is_key(&account.pkcs8()?).await {
        return Ok(());
    }
    Err(Error::invalid("service_account.private_key", "service_account.private_key is not an RSA key that can sign."))
}

async fn token(account: &Account, allow_private: bool) -> Result<Secret> {
    let mut waited = None;
    loop {
        match account.tokens(|tokens| tokens.next(waited, clock::now_ms())) {
            Next::Use(token) => return Ok(token),
            Next::Fail(error) => return Err(error),
            Next::Wait(flight) => {
                waited = Some(flight);
                clock::sleep(LOOK_MS).await;
            }
            Next::Fetch(flight) => return fetch(account, flight, allow_private).await,
        }
    }
}

async fn fetch(account: &Account, flight: u64, allow_private: bool) -> Result<Secret> {
    let abort = AbortController::new().map_err(|_| Error::server("no AbortController"))?;
    let under_way = UnderWay { account, flight, abort };
    let exchanged = clock::within(TOKEN_MS, exchange(account, allow_private, &under_way.abort)).await;
    let fetched = exchanged.unwrap_or_else(|| {
        let message = format!("Google's token server did not answer within {TOKEN_MS} ms.");
        Err(Error::new(Code::UpstreamTimeout, message).with_cause("token server: no answer in time"))
    });
    account.tokens(|tokens| tokens.landed(flight, fetched, clock::now_ms()))
}

async fn exchange(account: &Account, allow_private: bool, abort: &AbortController) -> Result<Token> {
    let assertion = account.assertion(clock::now_s());
    let signature = rsa::sign(&account.pkcs8()?, assertion.as_bytes()).await?;
    let received = upstream::send(&account.exchange(&assertion, &signature), None, allow_private, abort).await.map_err(|error| {
        let cause = format!("token server: {}", error.cause().unwrap_or_default());
        Error::new(Code::UpstreamError, "Google's token server could not be reached.").with_cause(cause)
    })?;
    let status = received.status();
    // A refusal whose words do not arrive is still one, and half a token is none.
    let body = received.into_source().read_to_end(MAX_ANSWER).await.unwrap_or_default();
    Token::read(status, &body, clock::now_ms())
}

/// A fetch that its request has begun: however the request ends, the fetch is let go, and others may begin one.
struct UnderWay<'a> {
    account: &'a Account,
    flight: u64,
    abort: AbortController,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.abort.abort();
        self.account.tokens(|tokens| tokens.abandoned(self.flight));
    }
}
