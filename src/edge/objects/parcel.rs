//! How a text travels between the Worker and an object: as a value, or, if it is large, as the body of a response.
//!
//! Always holds: whatever fits into memory arrives. As a value the platform carries 32 MiB at most, counted as JavaScript keeps it: two
//! bytes a character if one of them is not Latin-1, so that a history of 17 MiB of photos and one emoji would be too much.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{Error, Result};

/// A text of more bytes (UTF-8) is large. Twice this is far from the platform's limit.
const MAX_VALUE: usize = 8 * 1024 * 1024;

/// What carries the text.
///
/// # Errors
/// The platform's.
pub fn pack(text: &str) -> Result<JsValue> {
    if text.len() <= MAX_VALUE {
        return Ok(text.into());
    }
    Ok(web_sys::Response::new_with_opt_str(Some(text))?.into())
}

/// The text that it carries.
///
/// # Errors
/// It carries none, or the way broke.
pub async fn unpack(parcel: JsValue) -> Result<String> {
    if let Some(text) = parcel.as_string() {
        return Ok(text);
    }
    let response: web_sys::Response = parcel.dyn_into().map_err(|_| Error::RustError("neither a text nor a response".to_owned()))?;
    let buffer = JsFuture::from(response.array_buffer()?).await?;
    String::from_utf8(Uint8Array::new(&buffer).to_vec()).map_err(|_| Error::RustError("not UTF-8".to_owned()))
}
