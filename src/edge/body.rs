//! A pump as the platform's stream: JavaScript asks for each piece, so a client that is gone is noticed at once.
//!
//! Always holds: the stream never errors; a cancel lets the provider go and settles the request.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::future_to_promise;
use web_sys::{ReadableStream, ReadableStreamDefaultController};

use crate::edge::gone::Gone;
use crate::edge::pump::{Pump, Step};
use crate::error::{Error, Result};

/// The pump, unless a step of it is under way.
type Slot = Rc<RefCell<Option<Pump>>>;

/// The stream that a response carries: `first`, then what the pump gives.
///
/// # Errors
/// A server error if the platform refuses to make a stream.
pub fn stream(pump: Pump, first: Vec<u8>, gone: Gone) -> Result<ReadableStream> {
    let slot: Slot = Rc::new(RefCell::new(Some(pump)));
    let mut first = Some(first).filter(|bytes| !bytes.is_empty());
    let pulled = Rc::clone(&slot);
    let pull = Closure::<dyn FnMut(ReadableStreamDefaultController) -> Promise>::new(move |controller: ReadableStreamDefaultController| {
        if let Some(bytes) = first.take() {
            enqueue(&controller, &bytes);
            return Promise::resolve(&JsValue::UNDEFINED);
        }
        future_to_promise(next(Rc::clone(&pulled), controller))
    });
    let cancel = Closure::<dyn FnMut(JsValue) -> Promise>::new(move |_reason| {
        // A step under way sees the flag and settles; otherwise it is done here.
        gone.raise();
        let idle = slot.borrow_mut().take();
        future_to_promise(async move {
            if let Some(pump) = idle {
                pump.abandon().await;
            }
            Ok(JsValue::UNDEFINED)
        })
    });
    make(&pull.into_js_value(), &cancel.into_js_value()).map_err(|_| Error::server("the platform made no stream"))
}

async fn next(slot: Slot, controller: ReadableStreamDefaultController) -> Result<JsValue, JsValue> {
    let taken = slot.borrow_mut().take();
    let Some(mut pump) = taken else { return Ok(JsValue::UNDEFINED) };
    match pump.step().await {
        Step::More(bytes) => {
            enqueue(&controller, &bytes);
            slot.replace(Some(pump));
        }
        Step::Last(bytes) => {
            enqueue(&controller, &bytes);
            // A stream that was cancelled is closed already.
            let _ = controller.close();
        }
    }
    Ok(JsValue::UNDEFINED)
}

fn enqueue(controller: &ReadableStreamDefaultController, bytes: &[u8]) {
    if !bytes.is_empty() {
        // Fails only when the client is gone, which the flag tells too.
        let _ = controller.enqueue_with_chunk(&Uint8Array::from(bytes));
    }
}

fn make(pull: &JsValue, cancel: &JsValue) -> Result<ReadableStream, JsValue> {
    let source = Object::new();
    Reflect::set(&source, &"pull".into(), pull)?;
    Reflect::set(&source, &"cancel".into(), cancel)?;
    // No piece is fetched before the client wants it.
    let strategy = Object::new();
    Reflect::set(&strategy, &"highWaterMark".into(), &0.into())?;
    ReadableStream::new_with_underlying_source_and_strategy(&source, &strategy.unchecked_into())
}
