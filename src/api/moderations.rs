//! `POST /v1/moderations`: the request. Its input may be a text, texts, or parts with images; only that there is one is checked.
//!
//! Absent on purpose: who answers it (`question`).

use serde_json::value::RawValue;

use crate::api::chat;
use crate::error::{Error, Result};
use crate::json::{self, RawObject};

/// A request, borrowed from its body.
#[derive(Clone, Debug)]
pub struct ModerationsRequest<'a> {
    /// The model asked for, if one was named.
    pub model: Option<String>,
    object: RawObject<'a>,
}

impl<'a> ModerationsRequest<'a> {
    /// Reads a body. Every error is a 400 that names the field, or for bad JSON the place.
    pub fn parse(body: &'a [u8]) -> Result<Self> {
        let object = chat::object(body)?;
        let input = object.get("input").map_or("null", RawValue::get);
        let mut parts = 0_usize;
        let filled = match input.as_bytes().first() {
            Some(b'"') => true,
            Some(b'[') => json::each_item(input, |_| parts += 1).is_ok() && parts > 0,
            _ => false,
        };
        if !filled {
            return Err(Error::invalid("input", "input is required: a string, an array of strings, or an array of parts."));
        }
        Ok(Self { model: chat::model(&object)?, object })
    }

    /// Every member of the body, in order.
    pub fn object(&self) -> &RawObject<'a> {
        &self.object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_must_be_there() {
        for input in ["\"\"", "\"a\"", "[\"a\"]", r#"[{"type":"text","text":"a"}]"#] {
            let body = format!("{{\"input\":{input},\"model\":\"omni\"}}");
            assert_eq!(ModerationsRequest::parse(body.as_bytes()).unwrap().model.as_deref(), Some("omni"), "{body}");
        }
        for body in ["{}", r#"{"input":null}"#, r#"{"input":[]}"#, r#"{"input":7}"#, r#"{"input":{}}"#] {
            let error = ModerationsRequest::parse(body.as_bytes()).unwrap_err();
            assert!(error.status() == 400 && error.body().contains("\"param\":\"input\""), "{body}");
        }
    }
}
