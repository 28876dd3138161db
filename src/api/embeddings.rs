//! `POST /v1/embeddings`: the request.
//!
//! Always holds: what is not read here keeps its bytes; there is at least one input and none is empty; tokens are whole numbers.
//! Absent on purpose: which of it a provider takes (`provider`), and the vectors (`vector`).

use serde_json::value::RawValue;

use crate::api::chat;
use crate::api::estimate::text_tokens;
use crate::api::vector::Encoding;
use crate::error::{Error, Result};
use crate::json::{self, RawObject};

/// The most inputs of one request, as OpenAI has it.
pub const MAX_INPUTS: usize = 2_048;

/// What is to be embedded; at least one.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// JSON strings, none empty.
    Texts(Vec<&'a RawValue>),
    /// JSON arrays of token ids, none empty.
    Tokens(Vec<&'a RawValue>),
}

/// A request, borrowed from its body.
#[derive(Clone, Debug)]
pub struct EmbeddingsRequest<'a> {
    /// The model asked for; `None` means the project's default.
    pub model: Option<String>,
    /// What is to be embedded.
    pub input: Input<'a>,
    /// The form of the vectors.
    pub encoding: Encoding,
    /// How many numbers a vector shall have.
    pub dimensions: Option<u64>,
    object: RawObject<'a>,
}

impl<'a> EmbeddingsRequest<'a> {
    /// Reads a body. Every error is a 400 that names the field, or for bad JSON the place.
    pub fn parse(body: &'a [u8]) -> Result<Self> {
        let object = chat::object(body)?;
        chat::text(&object, "user")?;
        Ok(Self {
            model: chat::model(&object)?,
            input: input(&object)?,
            encoding: encoding(&object)?,
            dimensions: chat::count(&object, "dimensions")?,
            object,
        })
    }

    /// Every member of the body, in order.
    pub fn object(&self) -> &RawObject<'a> {
        &self.object
    }

    /// A member that is a text; `null` is the same as absent.
    ///
    /// # Errors
    /// 400 for what is no text.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        chat::text(&self.object, name)
    }

    /// What it will cost in tokens: token ids exactly, text from above.
    pub fn tokens_estimate(&self) -> u64 {
        let tokens = |item: &&RawValue| match &self.input {
            Input::Texts(_) => text_tokens(json::quoted(item).map_or(0, json::text_len)),
            Input::Tokens(_) => item.get().bytes().filter(|byte| *byte == b',').count() as u64 + 1,
        };
        self.input.items().iter().map(tokens).sum()
    }
}

impl<'a> Input<'a> {
    /// One JSON value for each vector that is wanted.
    pub fn items(&self) -> &[&'a RawValue] {
        match self {
            Self::Texts(items) | Self::Tokens(items) => items,
        }
    }
}

fn encoding(object: &RawObject<'_>) -> Result<Encoding> {
    match chat::text(object, "encoding_format")?.as_deref() {
        None | Some("float") => Ok(Encoding::Float),
        Some("base64") => Ok(Encoding::Base64),
        Some(_) => Err(Error::invalid("encoding_format", "encoding_format must be float or base64.")),
    }
}

fn input<'a>(object: &RawObject<'a>) -> Result<Input<'a>> {
    let raw = object.get_borrowed("input").filter(|raw| raw.get() != "null");
    let raw = raw.ok_or_else(|| Error::invalid("input", "input is required: a string, an array of strings, or token ids."))?;
    if is_text(raw) {
        return Ok(Input::Texts(vec![filled(raw, || "input".to_owned())?]));
    }
    let mut items = Items::default();
    json::each_item(raw.get(), |item| items.take(item)).map_err(|_| wrong("input"))?;
    items.read(raw)
}

/// What an array holds. Token ids, of which there may be millions, are counted, not kept.
#[derive(Default)]
struct Items<'a> {
    count: usize,
    ids: usize,
    kept: Vec<&'a RawValue>,
}

impl<'a> Items<'a> {
    fn take(&mut self, item: &'a RawValue) {
        self.count += 1;
        if is_token(item) {
            self.ids += 1;
        } else if self.kept.len() <= MAX_INPUTS {
            self.kept.push(item);
        }
    }

    fn read(self, raw: &'a RawValue) -> Result<Input<'a>> {
        if self.count == 0 {
            return Err(Error::invalid("input", "input must not be empty."));
        }
        if self.ids == self.count {
            return Ok(Input::Tokens(vec![raw]));
        }
        let texts = self.kept.first().is_some_and(|first| is_text(first));
        if self.count > MAX_INPUTS {
            return Err(Error::invalid("input", format!("input has {} entries; at most {MAX_INPUTS} are allowed.", self.count)));
        }
        if self.ids > 0 {
            return Err(wrong("input"));
        }
        for (position, item) in self.kept.iter().enumerate() {
            let name = || format!("input[{position}]");
            filled(item, name)?;
            if is_text(item) != texts || (!texts && !is_tokens(item)) {
                return Err(wrong(&name()));
            }
        }
        Ok(if texts { Input::Texts(self.kept) } else { Input::Tokens(self.kept) })
    }
}

fn is_text(item: &RawValue) -> bool {
    item.get().starts_with('"')
}

fn is_token(item: &RawValue) -> bool {
    item.get().bytes().all(|byte| byte.is_ascii_digit())
}

fn is_tokens(item: &RawValue) -> bool {
    let mut all = true;
    json::each_item(item.get(), |token| all &= is_token(token)).is_ok_and(|()| all)
}

fn filled(item: &RawValue, name: impl Fn() -> String) -> Result<&RawValue> {
    let empty = match item.get() {
        "\"\"" => true,
        other => other.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|inner| inner.trim_ascii().is_empty()),
    };
    if empty { Err(Error::invalid(name(), format!("{} must not be empty.", name()))) } else { Ok(item) }
}

fn wrong(name: &str) -> Error {
    Error::invalid(name, format!("{name}: input must be a string, an array of strings, an array of token ids, or an array of such arrays."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refused(body: &str, param: &str, word: &str) {
        let error = EmbeddingsRequest::parse(body.as_bytes()).unwrap_err();
        let shown: Value = serde_json::from_str(&error.body()).unwrap();
        assert_eq!((error.status(), &shown["error"]["param"]), (400, &json!(param)), "{body}");
        assert!(error.message().contains(word), "{body}: {}", error.message());
    }

    #[test]
    fn what_is_refused_names_the_field() {
        for (input, param, word) in [
            ("null", "input", "required"),
            ("\"\"", "input", "empty"),
            ("[]", "input", "empty"),
            ("[ ]", "input", "empty"),
            ("7", "input", "must be a string"),
            ("{}", "input", "must be a string"),
            ("[\"a\",\"\"]", "input[1]", "empty"),
            ("[[1],[]]", "input[1]", "empty"),
            ("[\"a\",null]", "input[1]", "must be"),
            ("[null]", "input[0]", "must be"),
            ("[\"a\",[1]]", "input[1]", "must be"),
            ("[[1],\"a\"]", "input[1]", "must be"),
            ("[\"a\",1]", "input", "must be"),
            ("[1,\"a\"]", "input", "must be"),
            ("[1.5]", "input[0]", "must be"),
            ("[-1]", "input[0]", "must be"),
            ("[[1,-1]]", "input[0]", "must be"),
            ("[[1,[2]]]", "input[0]", "must be"),
            ("[true]", "input[0]", "must be"),
        ] {
            refused(&format!("{{\"input\":{input}}}"), param, word);
        }
        refused("{}", "input", "required");
        let many = |item: &str, count: usize| format!("{{\"input\":[{}]}}", vec![item; count].join(","));
        for item in ["\"a\"", "[1]"] {
            assert!(EmbeddingsRequest::parse(many(item, 2_048).as_bytes()).is_ok());
            refused(&many(item, 2_049), "input", "2049 entries; at most 2048");
        }
        for (rest, param) in [
            ("\"encoding_format\":\"hex\"", "encoding_format"),
            ("\"encoding_format\":1", "encoding_format"),
            ("\"dimensions\":0", "dimensions"),
            ("\"dimensions\":1.5", "dimensions"),
            ("\"dimensions\":\"7\"", "dimensions"),
            ("\"model\":7", "model"),
            ("\"user\":7", "user"),
        ] {
            refused(&format!("{{\"input\":\"a\",{rest}}}"), param, param);
        }
    }

    #[test]
    fn what_is_read() {
        let body = r#"{"model":"m","input":["caf\u00e9", "x"],"encoding_format":"base64","dimensions":3,"user":null,"x":1e400}"#;
        let asked = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
        assert_eq!((asked.model.as_deref(), asked.encoding, asked.dimensions), (Some("m"), Encoding::Base64, Some(3)));
        assert_eq!(asked.input.items().iter().map(|item| item.get()).collect::<Vec<_>>(), [r#""caf\u00e9""#, "\"x\""]);
        assert_eq!(asked.object().get("x").unwrap().get(), "1e400");
        for name in ["", "default", "auto"] {
            assert_eq!(EmbeddingsRequest::parse(format!("{{\"input\":\"a\",\"model\":\"{name}\"}}").as_bytes()).unwrap().model, None);
        }
    }

    #[test]
    fn tokens_are_counted_and_texts_estimated() {
        for (input, inputs, tokens) in [
            ("\"abc\"", 1, 1),
            ("\"abcd\"", 1, 2),
            ("[\"abcd\",\"a\"]", 2, 3),
            ("[1, 22,333]", 1, 3),
            ("[[1],[2,3]]", 2, 3),
            ("\" \"", 1, 1),
        ] {
            let body = format!("{{\"input\":{input}}}");
            let asked = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
            assert_eq!((asked.input.items().len(), asked.tokens_estimate()), (inputs, tokens), "{input}");
        }
        let million = format!("{{\"input\":[{}]}}", vec!["7"; 1_000_000].join(","));
        assert_eq!(EmbeddingsRequest::parse(million.as_bytes()).unwrap().tokens_estimate(), 1_000_000);
    }
}
