//! Headers for the platform: one string crosses into JavaScript, not two for every header.

use std::collections::BTreeMap;

use wasm_bindgen::JsValue;

/// A record of header names and values, as `Headers` and `ResponseInit` take it. A later value replaces an earlier one.
///
/// # Errors
/// JavaScript could not read the JSON, which cannot be: it is ours.
pub fn record<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<JsValue, JsValue> {
    let record: BTreeMap<&str, &str> = headers.collect();
    js_sys::JSON::parse(&serde_json::to_string(&record).unwrap_or_default())
}
