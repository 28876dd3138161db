//! A chat completion request as the client sent it, read where it lies.
//!
//! Always holds: what is not read here passes through byte for byte; an error names the field as OpenAI does
//! (`messages[2].role`); parsing is linear, borrows from the body and does not recurse.
//! Absent on purpose: what a provider accepts (its own 400 says so better), and any change to the request (`provider`).

use serde_json::value::RawValue;

use crate::api::estimate::{message_tokens, text_tokens};
use crate::error::{Code, Error, Result};
use crate::json::{self, RawObject};

/// Names longer than this are no model's.
const MAX_MODEL_NAME: usize = 256;
/// The name that leaves the choice to the project's policy.
pub const AUTO: &str = "auto";

/// Who speaks in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, in the newer spelling.
    Developer,
    /// The end user.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
    /// A tool's result, in the older spelling.
    Function,
}

impl Role {
    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "system" => Self::System,
            "developer" => Self::Developer,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" => Self::Tool,
            "function" => Self::Function,
            _ => return None,
        })
    }

    /// Instructions rather than conversation.
    pub fn is_instruction(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

/// One message: its role, and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// The message as the client wrote it.
    pub raw: &'a RawValue,
}

/// A chat request, borrowed from its body.
#[derive(Clone, Debug)]
pub struct ChatRequest<'a> {
    /// The model asked for; `None` means the project's default (missing, `null`, `""`, `default`, `auto`).
    pub model: Option<String>,
    /// The model asked for is `auto`: the project's policy picks one, if it has a policy.
    pub auto: bool,
    /// The reply is to be streamed.
    pub stream: bool,
    /// The client wants the final usage chunk (only meaningful with `stream`).
    pub include_usage: bool,
    /// How many choices; at least 1.
    pub n: u64,
    /// The most output tokens per choice, if the client said: the larger of `max_completion_tokens` and `max_tokens`.
    pub max_output: Option<u64>,
    /// The body's `user`.
    pub user: Option<String>,
    /// At least one message.
    pub messages: Vec<Message<'a>>,
    object: RawObject<'a>,
}

impl<'a> ChatRequest<'a> {
    /// Reads a body. Every error is a 400 that names the field, or for bad JSON the place.
    pub fn parse(body: &'a [u8]) -> Result<Self> {
        let object = object(body)?;
        Ok(Self {
            model: model(&object)?,
            auto: object.get("model").and_then(json::text).as_deref() == Some(AUTO),
            stream: boolean(object.get("stream"), "stream")?.unwrap_or(false),
            include_usage: include_usage(&object)?,
            n: count(&object, "n")?.unwrap_or(1),
            max_output: count(&object, "max_completion_tokens")?.max(count(&object, "max_tokens")?),
            user: text(&object, "user")?,
            messages: messages(&object)?,
            object,
        })
    }

    /// Every member of the body, in order.
    pub fn object(&self) -> &RawObject<'a> {
        &self.object
    }

    /// A member of the body; `null` is the same as absent.
    pub fn member(&self, name: &str) -> Option<&RawValue> {
        present(self.object.get(name))
    }

    /// A member that is true or false, or a 400 that names it.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        boolean(self.object.get(name), name)
    }

    /// What the prompt will cost in tokens, from above: the messages, and everything else in the body by its size.
    pub fn prompt_tokens_estimate(&self) -> u64 {
        let messages: u64 = self.messages.iter().map(|message| message_tokens(message.raw.get())).sum();
        let others = self.object.iter().filter(|(name, _)| *name != "messages").map(|(_, value)| text_tokens(value.get().len()));
        messages.saturating_add(others.sum())
    }
}

/// The body as a JSON object, or a 400 that says what else it is.
pub(super) fn object(body: &[u8]) -> Result<RawObject<'_>> {
    let text = core::str::from_utf8(body)
        .map_err(|error| Error::new(Code::Validation, format!("The body is not valid UTF-8 (byte {}).", error.valid_up_to() + 1)))?;
    json::check_depth(text)?;
    RawObject::parse(text).map_err(|error| {
        if error.is_data() { Error::new(Code::Validation, "The body must be a JSON object.") } else { Error::json("The body", &error) }
    })
}

pub(super) fn model(object: &RawObject<'_>) -> Result<Option<String>> {
    let name = text(object, "model")?.filter(|name| !matches!(name.as_str(), "" | "default" | AUTO));
    if name.as_ref().is_some_and(|name| name.len() > MAX_MODEL_NAME || name.chars().any(char::is_control)) {
        return Err(Error::invalid("model", format!("model must be at most {MAX_MODEL_NAME} bytes, without control characters.")));
    }
    Ok(name)
}

fn include_usage(object: &RawObject<'_>) -> Result<bool> {
    let Some(options) = present(object.get("stream_options")) else { return Ok(false) };
    let [wanted] =
        json::pick(options.get(), ["include_usage"]).map_err(|_| Error::invalid("stream_options", "stream_options must be an object."))?;
    Ok(boolean(wanted, "stream_options.include_usage")?.unwrap_or(false))
}

fn messages<'a>(object: &RawObject<'a>) -> Result<Vec<Message<'a>>> {
    let missing = || Error::invalid("messages", "messages is required: an array of at least one message.");
    let raw = object.get_borrowed("messages").ok_or_else(missing)?;
    let mut items = Vec::new();
    json::each_item(raw.get(), |item| items.push(item)).map_err(|_| Error::invalid("messages", "messages must be an array."))?;
    if items.is_empty() {
        return Err(missing());
    }
    items.into_iter().enumerate().map(|(position, raw)| Ok(Message { role: role(position, raw)?, raw })).collect()
}

fn role(position: usize, raw: &RawValue) -> Result<Role> {
    let name = |field: &str| format!("messages[{position}]{field}");
    let [role] = json::pick(raw.get(), ["role"]).map_err(|_| Error::invalid(name(""), format!("{} must be an object.", name(""))))?;
    let role = role.ok_or_else(|| Error::invalid(name(".role"), format!("{} is required.", name(".role"))))?;
    json::text(role).as_deref().and_then(Role::parse).ok_or_else(|| {
        Error::invalid(name(".role"), format!("{} must be one of system, developer, user, assistant, tool, function.", name(".role")))
    })
}

/// `null` is the same as absent in all the fields read here.
fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| value.get() != "null")
}

fn boolean(value: Option<&RawValue>, name: &str) -> Result<Option<bool>> {
    match present(value).map(RawValue::get) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Error::invalid(name, format!("{name} must be true or false."))),
    }
}

pub(super) fn text(object: &RawObject<'_>, name: &str) -> Result<Option<String>> {
    let Some(value) = present(object.get(name)) else { return Ok(None) };
    let text = json::text(value).ok_or_else(|| Error::invalid(name, format!("{name} must be a string.")))?;
    Ok(Some(text.into_owned()))
}

/// A whole number of at least 1. `100.0` and `1e2` are whole numbers too.
pub(super) fn count(object: &RawObject<'_>, name: &str) -> Result<Option<u64>> {
    let Some(value) = present(object.get(name)) else { return Ok(None) };
    match whole(value.get()) {
        Some(0) | None => Err(Error::invalid(name, format!("{name} must be a whole number of at least 1."))),
        some => Ok(some),
    }
}

/// A JSON number as a whole one, if that is what it is.
pub(crate) fn whole(raw: &str) -> Option<u64> {
    if let Ok(number) = raw.parse() {
        return Some(number);
    }
    let number = serde_json::from_str::<f64>(raw).ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: whole, and below 2^53")]
    (number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number)).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (body, `param`, a word of the message)
    const REFUSED: [(&[u8], Option<&str>, &str); 41] = [
        (b"", None, "line 1"),
        (b"{", None, "line 1, column 1"),
        (b"{\"model\":\n tru}", None, "line 2, column 5"),
        (br#"{"messages":[{"role":"user"}]} x"#, None, "line 1, column 32"),
        (br#"{"messages":[{"role":"user","content":"\x"}]}"#, None, "escape"),
        (b"{\"messages\":\"\xff\"}", None, "UTF-8 (byte 14)"),
        (b"[]", None, "must be a JSON object"),
        (b"\"x\"", None, "must be a JSON object"),
        (b"null", None, "must be a JSON object"),
        (b"{}", Some("messages"), "required"),
        (br#"{"messages":[]}"#, Some("messages"), "at least one"),
        (br#"{"messages":null}"#, Some("messages"), "array"),
        (br#"{"messages":"hi"}"#, Some("messages"), "array"),
        (br#"{"messages":{"role":"user"}}"#, Some("messages"), "array"),
        (br#"{"messages":[{"role":"user"},"hi"]}"#, Some("messages[1]"), "object"),
        (br#"{"messages":[null]}"#, Some("messages[0]"), "object"),
        (br#"{"messages":[{"role":"user"},{"role":"user"},{"content":"x"}]}"#, Some("messages[2].role"), "required"),
        (br#"{"messages":[{"role":null}]}"#, Some("messages[0].role"), "required"),
        (br#"{"messages":[{"role":"human"}]}"#, Some("messages[0].role"), "one of system, developer"),
        (br#"{"messages":[{"role":7}]}"#, Some("messages[0].role"), "one of"),
        (br#"{"messages":[{"role":"user"}],"model":7}"#, Some("model"), "string"),
        (br#"{"messages":[{"role":"user"}],"model":["x"]}"#, Some("model"), "string"),
        (br#"{"messages":[{"role":"user"}],"model":"a\nb"}"#, Some("model"), "control"),
        (br#"{"messages":[{"role":"user"}],"stream":"true"}"#, Some("stream"), "true or false"),
        (br#"{"messages":[{"role":"user"}],"stream":1}"#, Some("stream"), "true or false"),
        (br#"{"messages":[{"role":"user"}],"stream_options":true}"#, Some("stream_options"), "object"),
        (br#"{"messages":[{"role":"user"}],"stream_options":[]}"#, Some("stream_options"), "object"),
        (br#"{"messages":[{"role":"user"}],"stream_options":{"include_usage":1}}"#, Some("stream_options.include_usage"), "true or false"),
        (br#"{"messages":[{"role":"user"}],"n":0}"#, Some("n"), "at least 1"),
        (br#"{"messages":[{"role":"user"}],"n":-1}"#, Some("n"), "at least 1"),
        (br#"{"messages":[{"role":"user"}],"n":"2"}"#, Some("n"), "whole number"),
        (br#"{"messages":[{"role":"user"}],"max_tokens":-5}"#, Some("max_tokens"), "at least 1"),
        (br#"{"messages":[{"role":"user"}],"max_tokens":0}"#, Some("max_tokens"), "at least 1"),
        (br#"{"messages":[{"role":"user"}],"max_tokens":1.5}"#, Some("max_tokens"), "whole number"),
        (br#"{"messages":[{"role":"user"}],"max_tokens":1e400}"#, Some("max_tokens"), "whole number"),
        (br#"{"messages":[{"role":"user"}],"max_tokens":true}"#, Some("max_tokens"), "whole number"),
        (br#"{"messages":[{"role":"user"}],"max_completion_tokens":"9"}"#, Some("max_completion_tokens"), "whole number"),
        (br#"{"messages":[{"role":"user"}],"max_completion_tokens":-0.5}"#, Some("max_completion_tokens"), "whole number"),
        (br#"{"messages":[{"role":"user"}],"user":5}"#, Some("user"), "string"),
        (br#"{"messages":[{"role":"user"}],"user":{}}"#, Some("user"), "string"),
        (br#"{"messages":[{"role":"user"}],"messages":7}"#, Some("messages"), "array"),
    ];

    #[test]
    fn what_is_refused_names_the_field() {
        for (body, param, word) in REFUSED {
            let error = ChatRequest::parse(body).unwrap_err();
            let shown: serde_json::Value = serde_json::from_str(&error.body()).unwrap();
            let name = String::from_utf8_lossy(body);
            assert_eq!((error.status(), error.code()), (400, Code::Validation), "{name}");
            assert_eq!(shown["error"]["param"].as_str(), param, "{name}");
            assert!(error.message().contains(word), "{name}: {}", error.message());
        }
    }

    fn parse(body: &str) -> ChatRequest<'_> {
        ChatRequest::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_read() {
        let body = r#" {"model":"openai/gpt-x","stream":true,"stream_options":{"include_usage":true},"n":2,"max_tokens":100.0,
            "max_completion_tokens":2e2,"user":"u\u00e9","messages":[{"role":"developer","content":"a"},{"content":"b","role":"user"}],"x":1e400} "#;
        let chat = parse(body);
        assert_eq!(chat.model.as_deref(), Some("openai/gpt-x"));
        assert_eq!((chat.stream, chat.include_usage, chat.n, chat.max_output), (true, true, 2, Some(200)));
        assert_eq!(chat.user.as_deref(), Some("ué"));
        let roles: Vec<Role> = chat.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::Developer, Role::User]);
        assert_eq!(chat.messages[1].raw.get(), r#"{"content":"b","role":"user"}"#);
        assert_eq!(chat.object().get("x").unwrap().get(), "1e400");
    }

    #[test]
    fn what_is_absent_or_null_has_its_default() {
        let nulls =
            r#""model":null,"stream":null,"stream_options":null,"n":null,"max_tokens":null,"max_completion_tokens":null,"user":null"#;
        for rest in ["", nulls] {
            let body = format!(r#"{{"messages":[{{"role":"user"}}]{}{rest}}}"#, if rest.is_empty() { "" } else { "," });
            let chat = parse(&body);
            assert_eq!((chat.model, chat.stream, chat.include_usage, chat.n), (None, false, false, 1));
            assert_eq!((chat.max_output, chat.user), (None, None));
        }
        for name in ["", "default", "auto"] {
            let body = format!(r#"{{"model":"{name}","messages":[{{"role":"user"}}]}}"#);
            assert_eq!((parse(&body).model, parse(&body).auto), (None, name == "auto"));
        }
    }

    #[test]
    fn nesting_ten_thousand_deep_is_an_error() {
        let deep = format!(r#"{{"messages":[{{"role":"user"}}],"x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert!(ChatRequest::parse(deep.as_bytes()).unwrap_err().message().contains("nests deeper"));
    }

    #[test]
    fn every_field_counts_in_the_estimate() {
        let chat = parse(r#"{"messages":[{"role":"user","content":"abc"}],"tools":[1,2]}"#);
        assert_eq!(chat.prompt_tokens_estimate(), 5 + 2);
    }
}
