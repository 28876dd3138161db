//! A conversation as typed values, for dialects that say it in other words than OpenAI's.
//!
//! Always holds: texts are borrowed where they have no escapes; an error names the field as OpenAI does
//! (`messages[2].content[0].image_url.url`), `thread[2]…` for a stored message; what is not read here stays reachable (`member`).
//! Absent on purpose: what a provider accepts. A dialect refuses what it cannot say with `Part::unsupported`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::api::chat::Role;
use crate::error::{Error, Result};
use crate::json;

/// Where a message is from, to name it in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The project's own instructions.
    SystemPrompt,
    /// `messages[…]` of the request.
    Request(usize),
    /// A stored message of the thread.
    Thread(usize),
}

/// One message.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// Who speaks. Never `Function`: the older spelling is refused by name.
    pub role: Role,
    /// Its content. Text as a plain string is one part; `null` is none.
    pub parts: Vec<Part<'a>>,
    /// An assistant's calls.
    pub calls: Vec<Call<'a>>,
    /// Which call a tool's message answers; only of tools, and then never empty.
    pub answers: Option<Cow<'a, str>>,
    /// The `name` of the speaker, if any.
    pub name: Option<Cow<'a, str>>,
    place: Place,
    raw: Option<&'a RawValue>,
}

/// One part of a message's content.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// What it is.
    pub piece: Piece<'a>,
    /// `None`: the content was a plain string.
    index: Option<usize>,
    place: Place,
    raw: Option<&'a RawValue>,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// What the assistant said instead of an answer.
    Refusal(Cow<'a, str>),
    /// An image.
    Image(Media<'a>),
    /// A document.
    File {
        /// Its content.
        media: Media<'a>,
        /// Its name.
        name: Option<Cow<'a, str>>,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: Cow<'a, str>,
        /// `wav`, `mp3`, …
        format: Cow<'a, str>,
    },
    /// A type that OpenAI does not have, by its name; its members are reachable.
    Other(Cow<'a, str>),
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq)]
pub enum Media<'a> {
    /// Here.
    Inline {
        /// `image/png`; without parameters, lower case.
        mime: String,
        /// The bytes in base64, as they were sent.
        base64: Cow<'a, str>,
    },
    /// At an `http` or `https` URL.
    Url(Cow<'a, str>),
    /// In the provider's own file store.
    Id(Cow<'a, str>),
}

/// One call of a tool by the assistant.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Which its result names. Never empty.
    pub id: Cow<'a, str>,
    /// The function.
    pub name: Cow<'a, str>,
    /// What the model wrote, usually a JSON object.
    pub arguments: Cow<'a, str>,
    /// The call as the client sent it.
    pub raw: &'a RawValue,
}

impl<'a> Said<'a> {
    /// Instructions that are nobody's message.
    pub fn instructions(text: &'a str) -> Self {
        let part = Part { piece: Piece::Text(Cow::Borrowed(text)), index: None, place: Place::SystemPrompt, raw: None };
        Self { role: Role::System, parts: vec![part], calls: Vec::new(), answers: None, name: None, place: Place::SystemPrompt, raw: None }
    }

    /// Reads one message.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn read(role: Role, raw: &'a RawValue, place: Place) -> Result<Self> {
        if role == Role::Function {
            return Err(place.invalid(".role", "must be tool: this provider has no function messages."));
        }
        let names = ["content", "refusal", "tool_calls", "tool_call_id", "name", "function_call", "audio"];
        let [content, refusal, calls, answers, name, function_call, audio] =
            json::pick(raw.get(), names).map_err(|_| place.invalid("", "must be an object."))?;
        if function_call.is_some() {
            return Err(place.invalid(".function_call", "is not supported by this provider: use tool_calls."));
        }
        if audio.is_some() && role == Role::Assistant {
            return Err(place.invalid(".audio", "is not supported by this provider."));
        }
        let mut parts = content.map_or(Ok(Vec::new()), |content| parts(content, place))?;
        if let Some(refusal) = refusal.filter(|_| role == Role::Assistant) {
            let piece = Piece::Refusal(string(refusal, place, || ".refusal".to_owned())?);
            parts.push(Part { piece, index: None, place, raw: None });
        }
        let answers = answers.map(|id| id_of(id, place, || ".tool_call_id".to_owned())).transpose()?;
        if role == Role::Tool && answers.is_none() {
            return Err(place.invalid(".tool_call_id", "is required."));
        }
        let calls = match calls.filter(|_| role == Role::Assistant) {
            Some(calls) => self::calls(calls, place)?,
            None => Vec::new(),
        };
        let name = name.and_then(json::text);
        Ok(Self { role, parts, calls, answers: answers.filter(|_| role == Role::Tool), name, place, raw: Some(raw) })
    }

    /// All text of the message, parts joined by nothing; what is no text is left out.
    pub fn text(&self) -> String {
        self.parts.iter().filter_map(Part::text).collect()
    }

    /// A member that is not read here, such as an extension; `null` is absent.
    pub fn member(&self, name: &str) -> Option<&'a RawValue> {
        member(self.raw, name)
    }

    /// A 400 that names a field of this message: `field` begins with a dot, or is empty for the message itself.
    pub fn invalid(&self, field: &str, why: &str) -> Error {
        self.place.invalid(field, why)
    }
}

impl<'a> Part<'a> {
    /// The text, of text and of a refusal.
    pub fn text(&self) -> Option<&str> {
        match &self.piece {
            Piece::Text(text) | Piece::Refusal(text) => Some(text),
            _ => None,
        }
    }

    /// A member that is not read here, such as an extension; `null` is absent.
    pub fn member(&self, name: &str) -> Option<&'a RawValue> {
        member(self.raw, name)
    }

    /// A 400 that names the part and its type.
    pub fn unsupported(&self, provider: &str) -> Error {
        let kind = match &self.piece {
            Piece::Text(_) => "text",
            Piece::Refusal(_) => "refusal",
            Piece::Image(_) => "image_url",
            Piece::File { .. } => "file",
            Piece::Audio { .. } => "input_audio",
            Piece::Other(kind) => kind,
        };
        self.invalid("", &format!("has the type {kind}, which {provider} does not take here."))
    }

    /// A 400 that names the part, or its `field` (which begins with a dot).
    pub fn invalid(&self, field: &str, why: &str) -> Error {
        let part = self.index.map_or_else(|| ".content".to_owned(), |index| format!(".content[{index}]"));
        self.place.invalid(&format!("{part}{field}"), why)
    }
}

impl Call<'_> {
    /// The arguments as a JSON object, for dialects that want one. What is no object (a call that was cut off) is kept as
    /// text under `invalid_arguments`, so that the model sees what it wrote.
    pub fn object(&self) -> Box<RawValue> {
        let text = self.arguments.trim();
        let text = if text.is_empty() { "{}" } else { text };
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if text.starts_with('{') => raw.to_owned(),
            _ => json::owned(format!(r#"{{"invalid_arguments":{}}}"#, json::string(text))),
        }
    }
}

impl Place {
    fn invalid(self, field: &str, why: &str) -> Error {
        let path = match self {
            Self::SystemPrompt => "system_prompt".to_owned(),
            Self::Request(index) => format!("messages[{index}]{field}"),
            Self::Thread(index) => format!("thread[{index}]{field}"),
        };
        Error::invalid(&path, format!("{path} {why}"))
    }
}

fn member<'a>(raw: Option<&'a RawValue>, name: &str) -> Option<&'a RawValue> {
    let [value] = json::pick(raw?.get(), [name]).ok()?;
    value
}

fn parts(content: &RawValue, place: Place) -> Result<Vec<Part<'_>>> {
    if let Some(text) = json::text(content) {
        return Ok(vec![Part { piece: Piece::Text(text), index: None, place, raw: None }]);
    }
    let mut items = Vec::new();
    json::each_item(content.get(), |item| items.push(item))
        .map_err(|_| place.invalid(".content", "must be a string or an array of parts."))?;
    items.into_iter().enumerate().map(|(index, raw)| part(index, raw, place)).collect()
}

fn part(index: usize, raw: &RawValue, place: Place) -> Result<Part<'_>> {
    let at = |field: &str| format!(".content[{index}]{field}");
    let names = ["type", "text", "refusal", "image_url", "file", "input_audio"];
    let [kind, text, refusal, image, file, audio] =
        json::pick(raw.get(), names).map_err(|_| place.invalid(&at(""), "must be an object."))?;
    let kind = kind.ok_or_else(|| place.invalid(&at(".type"), "is required."))?;
    let kind = string(kind, place, || at(".type"))?;
    let need = |value: Option<&'_ RawValue>, field: &str| value.is_none().then(|| place.invalid(&at(field), "is required."));
    let piece = match (&*kind, text, refusal, image, file, audio) {
        ("text", Some(text), ..) => Piece::Text(string(text, place, || at(".text"))?),
        ("refusal", _, Some(refusal), ..) => Piece::Refusal(string(refusal, place, || at(".refusal"))?),
        ("image_url", _, _, Some(image), ..) => Piece::Image(self::image(image, place, &at(".image_url"))?),
        ("file", _, _, _, Some(file), _) => self::file(file, place, &at(".file"))?,
        ("input_audio", .., Some(audio)) => self::audio(audio, place, &at(".input_audio"))?,
        _ => {
            let missing = match &*kind {
                "text" => need(text, ".text"),
                "refusal" => need(refusal, ".refusal"),
                "image_url" => need(image, ".image_url"),
                "file" => need(file, ".file"),
                "input_audio" => need(audio, ".input_audio"),
                _ => None,
            };
            missing.map_or(Ok(Piece::Other(kind)), Err)?
        }
    };
    Ok(Part { piece, index: Some(index), place, raw: Some(raw) })
}

/// `{"url": …}`; a bare string is tolerated, for many clients send it.
fn image<'a>(raw: &'a RawValue, place: Place, at: &str) -> Result<Media<'a>> {
    if let Some(url) = json::text(raw) {
        return media(url, place, at);
    }
    let [url] = json::pick(raw.get(), ["url"]).map_err(|_| place.invalid(at, "must be an object."))?;
    let path = format!("{at}.url");
    let url = url.ok_or_else(|| place.invalid(&path, "is required."))?;
    media(string(url, place, || path.clone())?, place, &path)
}

fn file<'a>(raw: &'a RawValue, place: Place, at: &str) -> Result<Piece<'a>> {
    let [data, id, name] =
        json::pick(raw.get(), ["file_data", "file_id", "filename"]).map_err(|_| place.invalid(at, "must be an object."))?;
    let name = name.and_then(json::text);
    let media = match (data, id) {
        (Some(data), _) => {
            let path = format!("{at}.file_data");
            let text = string(data, place, || path.clone())?;
            match &name {
                // OpenAI takes bare base64 too.
                Some(name) if !text.contains(':') && !text.is_empty() => Media::Inline { mime: mime_of(name).to_owned(), base64: text },
                _ => media(text, place, &path)?,
            }
        }
        (None, Some(id)) => Media::Id(id_of(id, place, || format!("{at}.file_id"))?),
        (None, None) => return Err(place.invalid(&format!("{at}.file_data"), "is required.")),
    };
    Ok(Piece::File { media, name })
}

fn audio<'a>(raw: &'a RawValue, place: Place, at: &str) -> Result<Piece<'a>> {
    let [data, format] = json::pick(raw.get(), ["data", "format"]).map_err(|_| place.invalid(at, "must be an object."))?;
    let read = |value: Option<&'a RawValue>, name: &str| match value {
        Some(value) => string(value, place, || format!("{at}.{name}")),
        None => Err(place.invalid(&format!("{at}.{name}"), "is required.")),
    };
    Ok(Piece::Audio { data: read(data, "data")?, format: read(format, "format")? })
}

/// A `data:` URL with base64, or a web address.
fn media<'a>(url: Cow<'a, str>, place: Place, at: &str) -> Result<Media<'a>> {
    let starts = |prefix: &str| url.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if starts("http://") || starts("https://") {
        return Ok(Media::Url(url));
    }
    let wrong = || place.invalid(at, "must be an http or https URL, or a data: URL with base64.");
    if !starts("data:") {
        return Err(wrong());
    }
    let comma = url.find(',').ok_or_else(wrong)?;
    let head = url.get("data:".len()..comma).unwrap_or_default();
    let kind = head.strip_suffix(";base64").ok_or_else(wrong)?;
    let mime = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !mime.contains('/') || mime.len() > 128 {
        return Err(place.invalid(at, "must name a media type, as in `data:image/png;base64,…`."));
    }
    let base64 = match url {
        Cow::Borrowed(url) => Cow::Borrowed(url.get(comma + 1..).unwrap_or_default()),
        Cow::Owned(mut url) => Cow::Owned(url.split_off(comma + 1)),
    };
    if base64.is_empty() {
        return Err(place.invalid(at, "has no data."));
    }
    Ok(Media::Inline { mime, base64 })
}

/// By the ending of a file's name; a document that is not told apart is what nearly all are.
fn mime_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "txt" | "md" | "csv" => "text/plain",
        "html" | "htm" => "text/html",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ => "application/pdf",
    }
}

fn calls(raw: &RawValue, place: Place) -> Result<Vec<Call<'_>>> {
    let mut items = Vec::new();
    json::each_item(raw.get(), |item| items.push(item)).map_err(|_| place.invalid(".tool_calls", "must be an array."))?;
    items.into_iter().enumerate().map(|(index, raw)| call(index, raw, place)).collect()
}

fn call(index: usize, raw: &RawValue, place: Place) -> Result<Call<'_>> {
    let at = |field: &str| format!(".tool_calls[{index}]{field}");
    let required = |field: &str| place.invalid(&at(field), "is required.");
    let [id, kind, function] =
        json::pick(raw.get(), ["id", "type", "function"]).map_err(|_| place.invalid(&at(""), "must be an object."))?;
    if kind.is_some_and(|kind| kind.get() != "\"function\"") {
        return Err(place.invalid(&at(".type"), "must be function: this provider has no other calls."));
    }
    let function = function.ok_or_else(|| required(".function"))?;
    let [name, arguments] =
        json::pick(function.get(), ["name", "arguments"]).map_err(|_| place.invalid(&at(".function"), "must be an object."))?;
    Ok(Call {
        id: id_of(id.ok_or_else(|| required(".id"))?, place, || at(".id"))?,
        name: id_of(name.ok_or_else(|| required(".function.name"))?, place, || at(".function.name"))?,
        arguments: arguments.map_or(Ok(Cow::Borrowed("")), |arguments| string(arguments, place, || at(".function.arguments")))?,
        raw,
    })
}

fn string(value: &RawValue, place: Place, at: impl Fn() -> String) -> Result<Cow<'_, str>> {
    json::text(value).ok_or_else(|| place.invalid(&at(), "must be a string."))
}

/// A string that is not empty.
fn id_of(value: &RawValue, place: Place, at: impl Fn() -> String) -> Result<Cow<'_, str>> {
    let id = string(value, place, &at)?;
    if id.is_empty() { Err(place.invalid(&at(), "must not be empty.")) } else { Ok(id) }
}
