//! The one egress function: every request that leaves the gateway goes through `send` or, for public documents, `get`.
//!
//! Always holds: the URL is checked again here; redirects are not followed; nothing of the client's headers goes out.
//! Absent on purpose: the deadline, which covers more than this (`exchange`).

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, RequestInit, RequestRedirect, Response, WorkerGlobalScope};

use crate::edge::source::Source;
use crate::edge::{clock, headers};
use crate::egress;
use crate::error::{Code, Error, Result};
use crate::provider::{Outbound, Secret};

/// The largest error body of a provider that is read.
pub const MAX_FAILURE: usize = 64 * 1024;
/// How long the words of a failure are waited for; its status is known already.
const FAILURE_WORDS_MS: u64 = 2_000;

/// The head of a provider's answer; its body is unread.
pub struct Received(pub Response);

impl Received {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    /// From `retry-after-ms` or `retry-after`.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let ms = self.header("retry-after-ms").and_then(|ms| ms.trim().parse().ok());
        ms.or_else(|| self.header("retry-after").and_then(|text| retry_after(&text)))
    }

    /// Whether the answer says that it is something else than an event stream.
    pub fn is_document(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        kind.starts_with("application/json") || kind.starts_with("text/html")
    }

    /// How long the answer may be kept.
    pub fn cache_control(&self) -> Option<String> {
        self.header("cache-control")
    }

    /// The body.
    pub fn into_source(self) -> Source {
        let length = self.header("content-length").and_then(|length| length.parse().ok());
        Source::answer(self.0, length)
    }

    /// What a failure says, as far as it comes soon; `patience_ms` is how long an answer may take. A failure whose words do not
    /// arrive is still that failure.
    pub async fn words(self, patience_ms: u64) -> Vec<u8> {
        let mut source = self.into_source();
        let read = clock::within(FAILURE_WORDS_MS.min(patience_ms / 2), source.read_to_end(MAX_FAILURE)).await;
        read.and_then(Result::ok).unwrap_or_default()
    }

    /// Lets the answer go, unread.
    pub fn discard(self) {
        Source::upstream(self.0.body()).stop();
    }

    fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name).ok().flatten()
    }
}

/// Sends a request, with an access token if it needs one, and waits for the answer's head. The caller sets the deadline.
///
/// # Errors
/// 502 when no connection came about or the URL is not allowed.
pub async fn send(outbound: &Outbound, token: Option<&Secret>, allow_private: bool, abort: &AbortController) -> Result<Received> {
    egress::check_url(&outbound.url, allow_private).map_err(|why| {
        Error::new(Code::UpstreamError, "The provider's base URL is not allowed.").with_cause(format!("the upstream URL {why}"))
    })?;
    // What the platform says may hold the URL's host, never a header: it goes to the log only.
    fetch(outbound, token, abort).await.map(Received).map_err(|e| unreachable_provider(&e))
}

/// Asks for a public document, and waits for the answer's head. The caller sets the deadline. No redirect is followed: an answer that
/// is one is the caller's to refuse.
///
/// # Errors
/// 502 when no connection came about or the URL is not allowed.
pub async fn get(url: &str, allow_private: bool, abort: &AbortController) -> Result<Received> {
    egress::check_url(url, allow_private).map_err(|why| {
        Error::new(Code::UpstreamError, "The address of a document is not allowed.").with_cause(format!("the document's URL {why}"))
    })?;
    let init = RequestInit::new();
    let answer = async {
        init.set_headers(&headers::record([("accept", "application/json")].into_iter())?);
        dispatch(url, &init, abort).await
    };
    answer.await.map(Received).map_err(|e| unreachable_provider(&e))
}

/// The provider was silent for too long.
pub fn timed_out(ms: u64) -> Error {
    Error::new(Code::UpstreamTimeout, format!("The provider did not answer within {ms} ms."))
}

fn unreachable_provider(error: &JsValue) -> Error {
    let cause = error.dyn_ref::<js_sys::Error>().map_or_else(|| "fetch failed".to_owned(), |e| String::from(e.message()));
    Error::new(Code::UpstreamError, "The provider could not be reached.").with_cause(cause)
}

async fn fetch(outbound: &Outbound, token: Option<&Secret>, abort: &AbortController) -> Result<Response, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    let bearer = token.map(|token| format!("Bearer {}", token.expose()));
    let own = outbound.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    init.set_headers(&headers::record(own.chain(bearer.iter().map(|bearer| ("authorization", bearer.as_str()))))?);
    init.set_body(&Uint8Array::from(outbound.body.as_slice()));
    dispatch(&outbound.url, &init, abort).await
}

async fn dispatch(url: &str, init: &RequestInit, abort: &AbortController) -> Result<Response, JsValue> {
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&abort.signal()));
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    JsFuture::from(scope.fetch_with_str_and_init(url, init)).await?.dyn_into()
}

/// Whole seconds or an HTTP date → milliseconds from now.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "epoch milliseconds fit")]
fn retry_after(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let at = js_sys::Date::parse(text);
    at.is_finite().then(|| (at as u64).saturating_sub(clock::now_ms()))
}
