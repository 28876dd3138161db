//! The binding of Workers AI: a model is run by the platform itself, without a key and without a connection of ours.
//!
//! Always holds: the answer is the raw one, status and all, which the dialect reads like any provider's.
//! Absent on purpose: the deadline, which covers more than this (`exchange`), and a signal to abort: the options are sent as JSON, and
//! whoever stops reading the answer lets go of it. The binding's name is always `AI`.

use js_sys::{JSON, Object, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;
use worker::Env;

use crate::edge::upstream::Received;
use crate::error::{Code, Error, Result};
use crate::provider::Run;

const BINDING: &str = "AI";

#[wasm_bindgen]
extern "C" {
    type Ai;
    #[wasm_bindgen(method, catch)]
    fn run(this: &Ai, model: &str, inputs: &JsValue, options: &JsValue) -> Result<Promise, JsValue>;
}

/// Runs a model and waits for the answer's head.
///
/// # Errors
/// 503 without the binding; 502 when the platform does not answer.
pub async fn run(env: &Env, run: &Run) -> Result<Received> {
    let binding = Reflect::get(env, &BINDING.into()).unwrap_or_default();
    if binding.is_undefined() {
        let message = "This deployment has no binding to Workers AI. Its operator adds `[ai]` with `binding = \"AI\"` to wrangler.toml and deploys again.";
        return Err(Error::new(Code::ProviderNotConfigured, message));
    }
    // What the platform says goes to the log only.
    answer(&binding.unchecked_into(), run).await.map(Received).map_err(|error| unreachable_model(&error))
}

async fn answer(ai: &Ai, run: &Run) -> Result<Response, JsValue> {
    let inputs = JSON::parse(&String::from_utf8_lossy(&run.inputs))?;
    let options = Object::new();
    Reflect::set(&options, &"returnRawResponse".into(), &JsValue::TRUE)?;
    JsFuture::from(ai.run(&run.model, &inputs, &options)?).await?.dyn_into()
}

fn unreachable_model(error: &JsValue) -> Error {
    let cause = error.dyn_ref::<js_sys::Error>().map_or_else(|| "run failed".to_owned(), |e| String::from(e.message()));
    Error::new(Code::UpstreamError, "Workers AI could not be reached.").with_cause(cause)
}
