//! The one egress function: every request that leaves the gateway goes through `send`.
//!
//! Always holds: the URL is checked again here; redirects are not followed; nothing of the client's headers goes out;
//! there is a deadline until the answer begins.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStream, RequestInit, RequestRedirect, Response, WorkerGlobalScope};

use crate::edge::{clock, headers};
use crate::egress;
use crate::error::{Code, Error, Result};
use crate::provider::Outbound;

/// How a provider's answer begins.
pub struct Received {
    /// HTTP status.
    pub status: u16,
    /// From `retry-after-ms` or `retry-after`.
    pub retry_after_ms: Option<u64>,
    /// Whether the answer says that it is something else than an event stream.
    pub is_document: bool,
    /// The body, unread.
    pub body: Option<ReadableStream>,
}

/// Sends a request and waits for the answer's head.
///
/// # Errors
/// 504 after `deadline_ms`, 502 when no connection came about or the URL is not allowed.
pub async fn send(outbound: &Outbound, allow_private: bool, abort: &AbortController, deadline_ms: u64) -> Result<Received> {
    egress::check_url(&outbound.url, allow_private).map_err(|why| {
        Error::new(Code::UpstreamError, "The provider's base URL is not allowed.").with_cause(format!("the upstream URL {why}"))
    })?;
    let exchange = fetch(outbound, abort);
    let Some(answer) = clock::within(deadline_ms, exchange).await else {
        abort.abort();
        return Err(timed_out(deadline_ms));
    };
    // What the platform says may hold the URL's host, never a header: it goes to the log only.
    let response = answer.map_err(|e| unreachable_provider(&e))?;
    let header = |name: &str| response.headers().get(name).ok().flatten();
    let retry_after_ms = header("retry-after-ms")
        .and_then(|ms| ms.trim().parse().ok())
        .or_else(|| header("retry-after").and_then(|text| retry_after(&text)));
    let kind = header("content-type").unwrap_or_default().to_ascii_lowercase();
    let is_document = kind.starts_with("application/json") || kind.starts_with("text/html");
    Ok(Received { status: response.status(), retry_after_ms, is_document, body: response.body() })
}

/// The provider was silent for too long.
pub fn timed_out(ms: u64) -> Error {
    Error::new(Code::UpstreamTimeout, format!("The provider did not answer within {ms} ms."))
}

fn unreachable_provider(error: &JsValue) -> Error {
    let cause = error.dyn_ref::<js_sys::Error>().map_or_else(|| "fetch failed".to_owned(), |e| String::from(e.message()));
    Error::new(Code::UpstreamError, "The provider could not be reached.").with_cause(cause)
}

async fn fetch(outbound: &Outbound, abort: &AbortController) -> Result<Response, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers::record(outbound.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))?);
    init.set_body(&Uint8Array::from(outbound.body.as_slice()));
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&abort.signal()));
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    JsFuture::from(scope.fetch_with_str_and_init(&outbound.url, &init)).await?.dyn_into()
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
