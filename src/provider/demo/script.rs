//! An answer as a provider would send it: a status, and the bytes of the body with the pauses between them.
//!
//! Always holds: a streamed 200 is server-sent events, anything else is one JSON body; tokens are counted in pieces.
//! Absent on purpose: waiting. `delay_ms` is for the caller.

use core::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::MODEL;
use super::answer::{Answer, answer};
use super::prompt::Prompt;
use super::trigger::Trigger;
use crate::api::chat::ChatRequest;
use crate::error::{Error, Result};
use crate::sse;

/// The silence of `demo:slow`, in milliseconds.
const SILENCE_MS: u64 = 5_000;
/// What `demo:error 429` and `503` say in `retry-after`, in milliseconds.
const RETRY_AFTER_MS: u64 = 2_000;
/// The most choices the demo gives: all of an answer is made at once.
const MAX_CHOICES: u64 = 8;
/// A longer word is cut, so that text without spaces streams too.
const MAX_PIECE: usize = 16;

/// One piece of a demo answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How long to wait before it, in milliseconds.
    pub delay_ms: u64,
    /// Bytes as a provider would send them: one SSE event, or the whole body.
    pub bytes: Vec<u8>,
}

/// An answer, as the provider's status and the pieces of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The HTTP status; other than 200 it is to be treated as a provider's failure, its body being all pieces together.
    pub status: u16,
    /// The `retry-after` of a failure, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The body, in order.
    pub pieces: Vec<Piece>,
}

impl Script {
    /// The answer to a request. `now_s` (Unix seconds) is what `created` says.
    pub fn for_request(chat: &ChatRequest<'_>, now_s: u64) -> Result<Self> {
        if chat.n > MAX_CHOICES {
            return Err(Error::invalid("n", format!("The demo gives at most {MAX_CHOICES} choices.")));
        }
        let prompt = Prompt::read(chat)?;
        let trigger = if prompt.user_is_last { Trigger::read(&prompt.said) } else { None };
        match trigger {
            Some(Trigger::Error(status)) => return Ok(Self::failure(status, &format!("demo:error {status}"))),
            Some(Trigger::MidstreamError) if !chat.stream => return Ok(Self::failure(500, "demo:midstream-error")),
            _ => {}
        }
        let choices = (0..chat.n).map(|choice| Choice::new(answer(&prompt, trigger, choice), chat, &prompt.stop)).collect();
        let reply = Reply { id: id(chat), created: now_s, prompt_tokens: chat.prompt_tokens_estimate(), choices };
        let mut pieces = if chat.stream { reply.stream(chat.include_usage) } else { reply.whole() };
        match trigger {
            Some(Trigger::Cut) => cut(&mut pieces),
            Some(Trigger::MidstreamError) => break_with_error(&mut pieces),
            Some(Trigger::Slow) => pieces.iter_mut().take(1).for_each(|piece| piece.delay_ms = SILENCE_MS),
            _ => {}
        }
        Ok(Self { status: 200, retry_after_ms: None, pieces })
    }

    /// The whole body, for an answer that is not streamed or not a 200.
    pub fn body(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect()
    }

    /// One document, at once.
    pub(super) fn document(bytes: Vec<u8>) -> Self {
        Self { status: 200, retry_after_ms: None, pieces: vec![Piece { delay_ms: 0, bytes }] }
    }

    pub(super) fn failure(status: u16, wish: &str) -> Self {
        let retry_after_ms = matches!(status, 429 | 503).then_some(RETRY_AFTER_MS);
        Self { status, retry_after_ms, pieces: vec![Piece { delay_ms: 0, bytes: error(wish).to_string().into_bytes() }] }
    }
}

fn error(wish: &str) -> Value {
    json!({"error": {"message": format!("The demo fails because you asked it to: {wish}"), "type": "demo_error", "param": null, "code": null}})
}

/// Without its second half: a stream without an end, or JSON without its end.
fn cut(pieces: &mut Vec<Piece>) {
    match pieces.as_mut_slice() {
        [only] => only.bytes.truncate(only.bytes.len() / 2),
        _ => pieces.truncate(pieces.len() / 2),
    }
}

fn break_with_error(pieces: &mut Vec<Piece>) {
    cut(pieces);
    pieces.push(Piece { delay_ms: 0, bytes: sse::encode(error("demo:midstream-error").to_string().as_bytes()) });
}

fn id(chat: &ChatRequest<'_>) -> String {
    let mut id = String::from("chatcmpl-demo-");
    for byte in Sha256::digest(chat.object().to_bytes()).iter().take(10) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// All choices of one answer.
struct Reply {
    id: String,
    created: u64,
    prompt_tokens: u64,
    choices: Vec<Choice>,
}

impl Reply {
    fn whole(&self) -> Vec<Piece> {
        let choices: Vec<Value> = self
            .choices
            .iter()
            .enumerate()
            .map(|(index, choice)| {
                json!({"index": index, "message": choice.message(&self.id, index), "logprobs": null, "finish_reason": choice.finish})
            })
            .collect();
        let body = json!({"id": self.id, "object": "chat.completion", "created": self.created, "model": MODEL, "choices": choices, "usage": self.usage()});
        vec![Piece { delay_ms: 0, bytes: body.to_string().into_bytes() }]
    }

    fn stream(&self, with_usage: bool) -> Vec<Piece> {
        let deltas: Vec<Vec<Value>> = self.choices.iter().enumerate().map(|(index, choice)| choice.deltas(&self.id, index)).collect();
        let longest = deltas.iter().map(Vec::len).max().unwrap_or(0);
        let mut pieces = Vec::new();
        for round in 0..longest {
            let now = deltas
                .iter()
                .zip(&self.choices)
                .enumerate()
                .filter_map(|(index, (deltas, choice))| Some((index, choice, deltas.get(round)?, deltas.len())));
            for (position, (index, choice, delta, length)) in now.enumerate() {
                let finish = (round + 1 == length).then_some(choice.finish);
                let choices = json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}]);
                // 25 to 40 ms a word; the choices of one round come together.
                let delay_ms = if position == 0 { 25 + (round as u64 * 7) % 16 } else { 0 };
                pieces.push(self.event(delay_ms, &choices, None));
            }
        }
        if with_usage {
            pieces.push(self.event(0, &json!([]), Some(self.usage())));
        }
        pieces.push(Piece { delay_ms: 0, bytes: sse::DONE.to_vec() });
        pieces
    }

    fn event(&self, delay_ms: u64, choices: &Value, usage: Option<Value>) -> Piece {
        let mut chunk =
            json!({"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": MODEL, "choices": choices});
        if let (Some(chunk), Some(usage)) = (chunk.as_object_mut(), usage) {
            chunk.insert("usage".to_owned(), usage);
        }
        Piece { delay_ms, bytes: sse::encode(chunk.to_string().as_bytes()) }
    }

    fn usage(&self) -> Value {
        let output: u64 = self.choices.iter().map(|choice| choice.pieces.iter().map(|(_, pieces)| pieces.len() as u64).sum::<u64>()).sum();
        json!({"prompt_tokens": self.prompt_tokens, "completion_tokens": output, "total_tokens": self.prompt_tokens + output})
    }
}

/// One choice, cut into pieces and to the length allowed.
struct Choice {
    kind: Kind,
    /// One entry of text, or one per call: the function's name, and the pieces.
    pieces: Vec<(String, Vec<String>)>,
    finish: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Refusal,
    Calls,
}

impl Choice {
    fn new(answer: Answer, chat: &ChatRequest<'_>, stop: &[String]) -> Self {
        let (kind, texts, mut finish) = match answer {
            Answer::Text { text, filtered } => {
                let end = stop.iter().filter_map(|word| text.find(word.as_str())).min().unwrap_or(text.len());
                let text = text.get(..end).unwrap_or_default().to_owned();
                (Kind::Text, vec![(String::new(), text)], if filtered { "content_filter" } else { "stop" })
            }
            Answer::Refusal(text) => (Kind::Refusal, vec![(String::new(), text)], "stop"),
            Answer::Calls(calls) => (Kind::Calls, calls, "tool_calls"),
        };
        let mut left = chat.max_output.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        let mut pieces = Vec::with_capacity(texts.len());
        for (name, text) in texts {
            let mut cut = cut_into_pieces(&text);
            if cut.len() > left {
                cut.truncate(left);
                finish = "length";
            }
            left -= cut.len();
            pieces.push((name, cut));
        }
        Self { kind, pieces, finish }
    }

    fn message(&self, id: &str, index: usize) -> Value {
        let joined: Vec<String> = self.pieces.iter().map(|(_, pieces)| pieces.concat()).collect();
        match self.kind {
            Kind::Text => json!({"role": "assistant", "content": joined.concat(), "refusal": null}),
            Kind::Refusal => json!({"role": "assistant", "content": null, "refusal": joined.concat()}),
            Kind::Calls => {
                let call = |(position, (name, _)): (usize, &(String, Vec<String>))| {
                    let arguments = joined.get(position);
                    json!({"id": call_id(id, index, position), "type": "function", "function": {"name": name, "arguments": arguments}})
                };
                let calls: Vec<Value> = self.pieces.iter().enumerate().map(call).collect();
                json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": calls})
            }
        }
    }

    /// The first names the role, the last is empty and carries the finish reason.
    fn deltas(&self, id: &str, index: usize) -> Vec<Value> {
        let mut deltas = Vec::new();
        match self.kind {
            Kind::Text => deltas.push(json!({"role": "assistant", "content": "", "refusal": null})),
            Kind::Refusal | Kind::Calls => deltas.push(json!({"role": "assistant", "content": null, "refusal": null})),
        }
        for (position, (name, pieces)) in self.pieces.iter().enumerate() {
            if self.kind == Kind::Calls {
                let function = json!({"name": name, "arguments": ""});
                deltas.push(json!({"tool_calls": [{"index": position, "id": call_id(id, index, position), "type": "function", "function": function}]}));
            }
            deltas.extend(pieces.iter().map(|piece| match self.kind {
                Kind::Text => json!({"content": piece}),
                Kind::Refusal => json!({"refusal": piece}),
                Kind::Calls => json!({"tool_calls": [{"index": position, "function": {"arguments": piece}}]}),
            }));
        }
        deltas.push(json!({}));
        deltas
    }
}

fn call_id(id: &str, choice: usize, position: usize) -> String {
    format!("call_{}_{choice}_{position}", id.strip_prefix("chatcmpl-").unwrap_or(id))
}

/// Words with the space after them; long ones in parts. Joined again they are the text.
fn cut_into_pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let mut piece = String::new();
        for c in word.chars() {
            if piece.len() >= MAX_PIECE {
                pieces.push(core::mem::take(&mut piece));
            }
            piece.push(c);
        }
        pieces.push(piece);
    }
    pieces
}
