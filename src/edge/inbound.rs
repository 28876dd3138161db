//! A request as it came in: the parts we read, read once.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Uint8Array;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request};
use worker::Env;

use crate::auth::address::counted;
use crate::edge::source::{Source, Unread};
use crate::error::{Code, Error, Result};

/// Larger bodies are 413.
pub const MAX_BODY: usize = 10 * 1024 * 1024;
/// Larger bodies of admin and mint requests are 413.
pub const MAX_SMALL_BODY: usize = 256 * 1024;

/// One request and what it reaches.
pub struct Inbound {
    /// The platform's bindings.
    pub env: Env,
    /// Upper-case method.
    pub method: String,
    /// Path as sent, percent-encoded.
    pub path: String,
    /// Query parameters, decoded.
    pub query: Vec<(String, String)>,
    /// `Origin`, if a browser sent it.
    pub origin: Option<String>,
    /// The host name it was sent to, lower case.
    pub host: String,
    /// The client's address, as the platform saw it.
    pub ip: Option<String>,
    /// What the client's address counts as, as the platform saw it.
    pub address: String,
    /// Who an admin request is from, as the audit log names them: `admin`, `access:<email>`.
    pub actor: String,
    /// `x-request-id` of the answer.
    pub request_id: String,
    /// When it arrived, epoch ms.
    pub arrived_ms: u64,
    /// What serving it costs on the platform's bill.
    pub costs: Rc<Costs>,
    /// The platform's request.
    pub request: Request,
    headers: Headers,
    /// The body, if it was read before whoever serves the route asks for it.
    buffered: Option<Vec<u8>>,
}

/// What one request costs on the platform's bill, counted for the log.
#[derive(Default)]
pub struct Costs {
    /// Calls of objects.
    pub object_calls: Cell<u64>,
    /// Reads of KV.
    pub kv_reads: Cell<u64>,
    /// Rows that objects wrote.
    pub rows_written: Cell<u64>,
    /// Settling writes the request's log line, for it knows how it ended.
    pub logged_when_settled: Cell<bool>,
}

impl Costs {
    /// Counts a call of an object that wrote `rows`.
    pub fn object_call(&self, rows: u64) {
        self.object_calls.set(self.object_calls.get() + 1);
        self.rows_written.set(self.rows_written.get() + rows);
    }

    /// Counts a read of KV.
    pub fn kv_read(&self) {
        self.kv_reads.set(self.kv_reads.get() + 1);
    }
}

impl Inbound {
    /// Reads the parts that every route needs.
    pub fn new(request: Request, env: Env, request_id: String, arrived_ms: u64) -> Self {
        let (host, path, query) = match Url::parse(&request.url()) {
            Ok(url) => (url.host_str().unwrap_or_default().to_owned(), url.path().to_owned(), url.query_pairs().into_owned().collect()),
            Err(_) => (String::new(), String::new(), Vec::new()),
        };
        let (method, headers) = (request.method(), request.headers());
        let origin = headers.get("origin").ok().flatten();
        let ip = headers.get("cf-connecting-ip").ok().flatten();
        let address = ip.as_deref().map_or_else(|| "unknown".to_owned(), counted);
        let (actor, buffered) = ("admin".to_owned(), None);
        let costs = Rc::default();
        Self { env, method, path, query, origin, host, ip, address, actor, request_id, arrived_ms, costs, request, headers, buffered }
    }

    /// A request header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }

    /// A query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The `Link` header of the page after: the same question with another place to go on from.
    pub fn next_link(&self, place: &str, next: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(name, _)| name != place)).append_pair(place, next);
        format!("<{}?{}>; rel=\"next\"", self.path, query.finish())
    }

    /// The body as JSON of an admin request.
    ///
    /// # Errors
    /// 400 that names the field or says where the JSON breaks, 413.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let bytes = self.body(MAX_SMALL_BODY).await?;
        crate::json::object(&bytes).and_then(|fields| serde_path_to_error::deserialize(Value::Object(fields)).map_err(|e| Error::field(&e)))
    }

    /// The same for a body that may be missing.
    ///
    /// # Errors
    /// As `json`.
    pub async fn json_or_default<T: DeserializeOwned + Default>(&mut self) -> Result<T> {
        if self.request.body().is_none() { Ok(T::default()) } else { self.json().await }
    }

    /// The body before it is asked for: it is kept for whoever asks.
    ///
    /// # Errors
    /// As `body`.
    pub async fn peek(&mut self, limit: usize) -> Result<&[u8]> {
        let bytes = self.body(limit).await?;
        Ok(self.buffered.insert(bytes))
    }

    /// The body, if it is not larger than `limit`.
    ///
    /// # Errors
    /// 413 for a larger one, 400 for one that broke off.
    pub async fn body(&mut self, limit: usize) -> Result<Vec<u8>> {
        if let Some(bytes) = self.buffered.take() {
            return Ok(bytes);
        }
        let broke_off = || Error::new(Code::Validation, "The request's body could not be read to its end.");
        let declared = self.header("content-length").and_then(|text| text.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        if declared.is_none() {
            // Of unknown length: read piece by piece, so that no more than the limit is ever held.
            let mut source = Source::upstream(self.request.body());
            return source.read_to_end(limit).await.map_err(|end| match end {
                Unread::TooLarge => too_large(limit),
                Unread::Broken => broke_off(),
            });
        }
        // The platform delivers at most what was declared.
        let read = self.request.array_buffer().map_err(|_| broke_off())?;
        let buffer = JsFuture::from(read).await.map_err(|_| broke_off())?;
        Ok(Uint8Array::new(buffer.unchecked_ref()).to_vec())
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(Code::PayloadTooLarge, format!("The request's body is larger than {limit} bytes."))
}
