//! Time: the platform's clock, timers that may be awaited across tasks, and deadlines.
//!
//! Always holds: a dropped timer is cleared, so that it keeps no request alive.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{Either, select};
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: f64) -> f64;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: f64);
}

/// Now, in epoch milliseconds. On Cloudflare it stands still between I/O.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "epoch milliseconds fit")]
pub fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// Now, in epoch seconds.
pub fn now_s() -> u64 {
    now_ms() / 1000
}

/// Waits until a second (epoch) is over.
pub async fn past(second: u64) {
    sleep(second.saturating_add(1).saturating_mul(1_000).saturating_sub(now_ms())).await;
}

/// Resolves after a time. Unlike the platform crate's timer it may be polled by one task and then by another.
pub struct Timer {
    id: f64,
    promise: JsFuture,
}

/// A timer for `ms` milliseconds from now.
#[allow(clippy::cast_precision_loss, reason = "a delay is far below 2^53")]
pub fn sleep(ms: u64) -> Timer {
    let mut id = 0.0;
    // setTimeout takes 32 bits; nothing here waits for more than a day.
    let promise = Promise::new(&mut |resolve, _| id = set_timeout(&resolve, ms.min(86_400_000) as f64));
    Timer { id, promise: JsFuture::from(promise) }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.promise).poll(cx).map(|_| ())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(self.id);
    }
}

/// The future's value, or `None` if it takes longer than `ms`.
pub async fn within<F: Future>(ms: u64, future: F) -> Option<F::Output> {
    futures::pin_mut!(future);
    match select(future, sleep(ms)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}
