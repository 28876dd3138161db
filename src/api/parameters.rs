//! Query parameters of the owner's lists: what is asked, how much of it, and where to go on.
//!
//! Always holds: an empty parameter is none; what is wrong is named; a cursor is opaque to clients and read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The most entries of a page.
const MOST: u64 = 1_000;
/// No cursor of ours is longer.
const MOST_CURSOR: usize = 4_096;

/// The parameters of a query, decoded.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a>(pub &'a [(String, String)]);

impl<'a> Parameters<'a> {
    /// The first parameter of that name.
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The same, owned.
    pub fn text(self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// `limit`: 1 to 1,000.
    ///
    /// # Errors
    /// 400 that names it.
    pub fn limit(self, default: u64) -> Result<u64> {
        let Some(text) = self.get("limit") else { return Ok(default) };
        let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
        limit.ok_or_else(|| Error::invalid("limit", format!("limit must be a whole number from 1 to {MOST}.")))
    }

    /// `after`: a cursor that an earlier answer gave as `next`.
    ///
    /// # Errors
    /// 400 that names it.
    pub fn after<T: DeserializeOwned>(self) -> Result<Option<T>> {
        let Some(text) = self.get("after") else { return Ok(None) };
        let bytes = Some(text).filter(|text| text.len() <= MOST_CURSOR).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        place.map(Some).ok_or_else(|| Error::invalid("after", "after must be the `next` of an earlier answer of this route."))
    }
}

/// A place as clients carry it.
///
/// # Errors
/// It has no JSON; ours do.
pub fn cursor<T: Serialize>(place: &T) -> Result<String> {
    let bytes = serde_json::to_vec(place).map_err(|error| Error::server(format!("cursor: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
