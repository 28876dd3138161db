//! An answer on its way out. The one place that makes a platform response and renders an error.

use js_sys::Uint8Array;
use serde_json::Value;
use web_sys::{ReadableStream, Response, ResponseInit};

use crate::cors;
use crate::edge::headers;
use crate::error::{Code, Error};

/// What an answer carries.
pub enum Body {
    /// Nothing.
    Empty,
    /// All of it.
    Bytes(Vec<u8>),
    /// A stream that never errors.
    Stream(ReadableStream),
}

/// Status, headers, body.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// Headers that become known while a request is served, and belong to its answer even if that is an error.
pub type Facts = Vec<(&'static str, String)>;

impl Answer {
    /// No content.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// A JSON text.
    pub fn json_text(status: u16, text: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())],
            body: Body::Bytes(text.into()),
        }
    }

    /// A JSON value.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::json_text(status, value.to_string())
    }

    /// Comma-separated values, to be saved as a file.
    pub fn csv(name: &str, text: impl Into<Vec<u8>>) -> Self {
        let headers = vec![
            ("content-type", "text/csv; charset=utf-8".to_owned()),
            ("content-disposition", format!("attachment; filename=\"{name}\"")),
            ("cache-control", "no-store".to_owned()),
        ];
        Self { status: 200, headers, body: Body::Bytes(text.into()) }
    }

    /// An event stream.
    pub fn events(stream: ReadableStream) -> Self {
        let headers = vec![
            ("content-type", "text/event-stream; charset=utf-8".to_owned()),
            ("cache-control", "no-cache, no-transform".to_owned()),
            ("x-accel-buffering", "no".to_owned()),
        ];
        Self { status: 200, headers, body: Body::Stream(stream) }
    }

    /// With one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The platform's response, with CORS headers for this origin.
    ///
    /// # Errors
    /// The platform refused: a header with a line break, say. Everything we send is ASCII.
    pub fn into_response(self, origin: Option<&str>) -> worker::Result<Response> {
        let init = ResponseInit::new();
        init.set_status(self.status);
        init.set_headers(&headers::record(cors::headers(origin).iter().chain(&self.headers).map(|(name, value)| (*name, value.as_str())))?);
        let response = match self.body {
            Body::Empty => Response::new_with_opt_str_and_init(None, &init),
            Body::Bytes(bytes) => Response::new_with_opt_js_u8_array_and_init(Some(&Uint8Array::from(bytes.as_slice())), &init),
            Body::Stream(stream) => Response::new_with_opt_readable_stream_and_init(Some(&stream), &init),
        };
        response.map_err(worker::Error::from)
    }
}

impl From<&Error> for Answer {
    fn from(error: &Error) -> Self {
        let mut answer = Self::json_text(error.status(), error.body());
        answer.headers.extend(error.headers());
        let allow = error.details().and_then(|details| details.get("allow")).and_then(Value::as_str);
        if let (Code::MethodNotAllowed, Some(allow)) = (error.code(), allow) {
            answer.headers.push(("allow", format!("{allow}, OPTIONS")));
        }
        answer
    }
}
