//! Headers for the platform: one string crosses into JavaScript, not two for every header.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use wasm_bindgen::JsValue;

/// What is encoded in a value that is not ASCII: all of that, and `%`, so that it can be decoded again.
const NOT_PLAIN: &AsciiSet = &CONTROLS.add(b'%');

/// A record of header names and values, as `Headers` and `ResponseInit` take it. A later value replaces an earlier one.
/// A value that no header can hold (a model's name may be any text) is percent-encoded.
///
/// # Errors
/// JavaScript could not read the JSON, which cannot be: it is ours.
pub fn record<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<JsValue, JsValue> {
    let record: BTreeMap<&str, Cow<str>> = headers.map(|(name, value)| (name, plain(value))).collect();
    js_sys::JSON::parse(&serde_json::to_string(&record).unwrap_or_default())
}

fn plain(value: &str) -> Cow<'_, str> {
    if value.is_ascii() { Cow::Borrowed(value) } else { utf8_percent_encode(value, NOT_PLAIN).into() }
}
