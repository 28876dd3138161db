//! Every failure a client can see: one enum of codes, one shape, rendered in one place.
//!
//! Always holds: the HTTP status follows from the code (an upstream's failure may choose among 4xx/5xx);
//! the body is `{"error":{message,type,param,code,details},"code":…}`; nothing internal is in a `ServerError`.
//! Absent on purpose: anything about how a response is sent (`edge`) and CORS (`cors`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What went wrong, in the words of the wire contract (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Code {
    /// 400: the request is malformed; `param` names the field.
    Validation,
    /// 401: no credential, or one that does not verify.
    InvalidToken,
    /// 401: a good token whose time is over.
    TokenExpired,
    /// 401: an API key where a user's token belongs.
    ApiKeyNotAllowed,
    /// 402: a budget is spent.
    QuotaExceeded,
    /// 403: known, but not permitted.
    Forbidden,
    /// 404: no such thing, or not the caller's.
    NotFound,
    /// 404: no such model.
    ModelNotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: the state of the thing does not allow it (a slug that is taken).
    Conflict,
    /// 413: larger than the gateway accepts.
    PayloadTooLarge,
    /// 429: too many requests.
    RateLimited,
    /// 451: personal data was found and the project blocks it.
    PiiBlocked,
    /// 451: the content is not allowed by the project.
    ContentBlocked,
    /// 502 unless set otherwise: the provider failed.
    UpstreamError,
    /// 503: the project has no provider for this.
    ProviderNotConfigured,
    /// 501: nothing in the project can do this; the message says how to enable it.
    NotSupported,
    /// 504: the provider did not answer in time.
    UpstreamTimeout,
    /// 500: our fault; opaque to the client, logged by the edge.
    ServerError,
}

impl Code {
    /// (status, `error.code`, `error.type`).
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Validation => (400, "validation_error", "invalid_request_error"),
            Self::InvalidToken => (401, "invalid_token", "authentication_error"),
            Self::TokenExpired => (401, "token_expired", "authentication_error"),
            Self::ApiKeyNotAllowed => (401, "api_key_not_allowed", "authentication_error"),
            Self::QuotaExceeded => (402, "quota_exceeded", "insufficient_quota"),
            Self::Forbidden => (403, "forbidden", "permission_error"),
            Self::NotFound => (404, "not_found", "not_found_error"),
            Self::ModelNotFound => (404, "model_not_found", "not_found_error"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "invalid_request_error"),
            Self::Conflict => (409, "conflict", "invalid_request_error"),
            Self::PayloadTooLarge => (413, "payload_too_large", "invalid_request_error"),
            Self::RateLimited => (429, "rate_limited", "rate_limit_error"),
            Self::PiiBlocked => (451, "pii_blocked", "invalid_request_error"),
            Self::ContentBlocked => (451, "content_blocked", "invalid_request_error"),
            Self::UpstreamError => (502, "upstream_error", "api_error"),
            Self::ProviderNotConfigured => (503, "provider_not_configured", "api_error"),
            Self::NotSupported => (501, "not_supported", "api_error"),
            Self::UpstreamTimeout => (504, "upstream_timeout", "api_error"),
            Self::ServerError => (500, "server_error", "api_error"),
        }
    }
}

/// A failure on its way to a client. One pointer wide: most functions never fail.
/// It travels whole between an object and the Worker; a client sees `body` only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Error(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Parts {
    code: Code,
    status: u16,
    message: String,
    param: Option<String>,
    details: Option<Value>,
    retry_after_ms: Option<u64>,
    /// For our log only: what happened. Must hold no secret; never rendered.
    cause: Option<String>,
}

/// The result of everything that can fail towards a client.
pub type Result<T, E = Error> = core::result::Result<T, E>;

#[derive(Serialize)]
struct Body<'a> {
    error: Inner<'a>,
    code: &'static str,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'static str,
    details: Option<&'a Value>,
}

impl Error {
    /// A failure with the code's own status.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let (status, ..) = code.row();
        Self(Box::new(Parts { code, status, message: message.into(), param: None, details: None, retry_after_ms: None, cause: None }))
    }

    /// A 400 that names the field.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::Validation, message).with_param(param)
    }

    /// A 400 for a body that is not the JSON we need; says where.
    pub fn json(what: &str, error: &serde_json::Error) -> Self {
        let place = format!("line {}, column {}", error.line(), error.column());
        Self::new(Code::Validation, format!("{what} is not valid JSON at {place}: {}", strip_place(&error.to_string())))
    }

    /// A 400 for JSON that is valid but not what a field takes; `param` is the field's path.
    pub fn field(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let (path, why) = (error.path().to_string(), without_value(&error.inner().to_string()));
        // A missing or unknown field has no path of its own: serde names it in back-quotes.
        let param = if path == "." { why.split('`').nth(1).unwrap_or("body").to_owned() } else { path };
        Self::invalid(&param, format!("{param}: {why}."))
    }

    /// A 500. `cause` is for the log and must hold no secret.
    pub fn server(cause: impl Into<String>) -> Self {
        Self::new(Code::ServerError, "The gateway failed. Quote the request id when you report this.").with_cause(cause)
    }

    /// Another status than the code's own: an upstream's failure keeps its class.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = status;
        self
    }

    /// The field that is to blame.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// Machine-readable particulars, such as `{scope, limit, used, resets_at}`.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// When trying again makes sense, in milliseconds from now.
    #[must_use]
    pub fn with_retry_after_ms(mut self, ms: u64) -> Self {
        self.0.retry_after_ms = Some(ms);
        self
    }

    /// A note for the log. Must hold no secret.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The code as clients see it, such as `rate_limited`.
    pub fn name(&self) -> &'static str {
        self.0.code.row().1
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The sentence for the client.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Machine-readable particulars, if any.
    pub fn details(&self) -> Option<&Value> {
        self.0.details.as_ref()
    }

    /// The note for the log, if any.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The JSON body; also the `data:` of an error event in a stream.
    pub fn body(&self) -> String {
        let (_, code, r#type) = self.0.code.row();
        let error = Inner { message: &self.0.message, r#type, param: self.0.param.as_deref(), code, details: self.0.details.as_ref() };
        // Serialising strings and a `Value` cannot fail; the fallback keeps the shape without a panic path.
        serde_json::to_string(&Body { error, code })
            .unwrap_or_else(|_| r#"{"error":{"message":"","code":"server_error"},"code":"server_error"}"#.to_owned())
    }

    /// Headers that belong to the failure: `retry-after` (whole seconds, rounded up), `retry-after-ms`, `x-should-retry`.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(ms) = self.0.retry_after_ms {
            headers.push(("retry-after", ms.div_ceil(1000).max(1).to_string()));
            headers.push(("retry-after-ms", ms.to_string()));
        }
        // The OpenAI SDKs would retry these: a spent budget does not come back within a retry, a conflict is final, and what
        // nobody in the project can do stays so.
        if matches!(self.0.code, Code::QuotaExceeded | Code::Conflict | Code::NotSupported) {
            headers.push(("x-should-retry", "false".to_owned()));
        }
        headers
    }
}

/// `serde_json` ends its messages with the place, which we say in our own words.
fn strip_place(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message)
}

/// serde repeats a text that it cannot use, and somebody's secret may stand in the wrong place. What was expected is ours, and comes last.
fn without_value(why: &str) -> String {
    let kind = ["invalid type: string", "invalid value: string", "unknown variant"].into_iter().find(|kind| why.starts_with(kind));
    match (kind, why.rfind(", expected ").and_then(|at| why.get(at..))) {
        (Some(kind), Some(expected)) => format!("{kind}{expected}"),
        _ => why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_that_does_not_fit_is_not_repeated() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "lowercase")]
        #[allow(dead_code, reason = "only read")]
        enum Word {
            One,
        }
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "only read")]
        struct Fields {
            #[serde(default)]
            map: std::collections::BTreeMap<String, String>,
            #[serde(default)]
            list: Vec<u8>,
            #[serde(default)]
            word: Option<Word>,
        }
        for (body, param, message) in [
            (json!({"map": "canary"}), "map", "map: invalid type: string, expected a map."),
            (json!({"map": "canary\", expected more"}), "map", "map: invalid type: string, expected a map."),
            (json!({"list": ["canary"]}), "list[0]", "list[0]: invalid type: string, expected u8."),
            (json!({"list": [300]}), "list[0]", "list[0]: invalid value: integer `300`, expected u8."),
            (json!({"word": "canary`, expected `x"}), "word", "word: unknown variant, expected `one`."),
            (json!({"wrod": 1}), "wrod", "wrod: unknown field `wrod`, expected one of `map`, `list`, `word`."),
        ] {
            let error = Error::field(&serde_path_to_error::deserialize::<_, Fields>(body.clone()).unwrap_err());
            assert_eq!((error.message(), error.0.param.as_deref()), (message, Some(param)), "{body}");
        }
    }

    #[test]
    fn body_has_the_contract_shape() {
        let error = Error::invalid("model", "model must be a string");
        let body: Value = serde_json::from_str(&error.body()).unwrap();
        assert_eq!(
            body,
            json!({"error": {"message": "model must be a string", "type": "invalid_request_error", "param": "model", "code": "validation_error", "details": null}, "code": "validation_error"})
        );
        assert_eq!(error.status(), 400);
    }

    #[test]
    fn retry_after_is_whole_seconds_rounded_up() {
        let error = Error::new(Code::RateLimited, "slow down").with_retry_after_ms(1001);
        assert_eq!(error.headers(), vec![("retry-after", "2".to_owned()), ("retry-after-ms", "1001".to_owned())]);
    }

    #[test]
    fn json_errors_say_where() {
        let error = serde_json::from_str::<Value>("{\"a\":\n}").unwrap_err();
        let message = Error::json("The body", &error).message().to_owned();
        assert!(message.contains("line 2, column 1"), "{message}");
        assert_eq!(message.matches("line").count(), 1, "{message}");
    }

    #[test]
    fn a_cause_is_never_rendered() {
        assert!(!Error::server("kv said no").body().contains("kv said no"));
    }
}
