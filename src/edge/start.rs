//! What is done once per isolate, before any request.
//!
//! Always holds: nothing here can fail, and without it everything works as well, only slower. Absent on purpose: configuration
//! (`deployment`), which is not known yet.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use worker::event;

/// `wasm-bindgen` wakes every task by way of `queueMicrotask`. That of workerd makes an object of the platform's for each call, 14 to
/// a request: a promise that is resolved does the same for a tenth of the request's CPU less (measured, `docs/speed.md`).
#[event(start)]
fn start() {
    let resolved = Promise::resolve(&JsValue::UNDEFINED);
    if let Ok(then) = Reflect::get(&resolved, &"then".into()).and_then(JsCast::dyn_into::<Function>) {
        // Where it cannot be set, the platform's own stays.
        let _ = Reflect::set(&js_sys::global(), &"queueMicrotask".into(), &then.bind0(&resolved));
    }
}
