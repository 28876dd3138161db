//! A streamed answer of the Messages API as chunks of a chat completion.
//!
//! Always holds: nothing is sent before the model has begun to answer, so an early failure is still a real status; only
//! `message_stop` completes the answer; events, blocks and deltas that are not known are passed over.

use serde_json::value::RawValue;

use super::format;
use super::model::Model;
use super::response::{self, CITATIONS};
use super::thought::Collector;
use super::usage::Counts;
use crate::api::chat::{ChatRequest, whole};
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};
use crate::json::{self, pick};
use crate::provider::failure::{self, Scrub};
use crate::provider::private::{MAX_BYTES, Maker, Private};
use crate::provider::shape::{Draft, Escaped, Head, Live};
use crate::provider::{Pushed, Target, Translate};
use crate::sse::{Event, MAX_EVENT};

/// The most blocks of one answer.
const MAX_BLOCKS: usize = 4_096;

#[derive(Debug)]
pub(super) struct Stream {
    wants_usage: bool,
    scrub: Scrub,
    /// The tool whose arguments are the answer.
    json_tool: Option<String>,
    json: Json,
    /// What chunks say of themselves until the provider says.
    head: Head,
    live: Option<Live>,
    counts: Counts,
    /// Blocks that are open, by their index.
    blocks: Vec<(u64, Block)>,
    begun: usize,
    thoughts: Collector,
    /// Bytes of text so far.
    said: u64,
    stop_reason: Option<String>,
    /// Bytes of the answer when its usage was complete.
    covered_bytes: u64,
    done: bool,
}

/// Where the answer as JSON is, when it is to come as a tool's arguments.
#[derive(Debug)]
enum Json {
    /// It was not asked for: text is text.
    Unasked,
    /// It has not come yet. Text is held until it is known that it is all there is.
    Expected(String),
    /// It came: other text is none.
    Come,
}

/// An open block. Strings are JSON string content, still escaped.
#[derive(Debug)]
enum Block {
    Text,
    /// The answer as the arguments of a tool; whether any came.
    Json {
        any: bool,
    },
    Thought {
        text: String,
        signature: String,
    },
    Call {
        index: usize,
        input: String,
    },
    Other,
}

impl Stream {
    pub(super) fn new(chat: &ChatRequest<'_>, target: &Target, now_s: u64) -> Self {
        let json_tool = format::json_tool(chat, Model::of(target));
        Self {
            wants_usage: chat.include_usage,
            scrub: Scrub::of(target),
            json: if json_tool.is_some() { Json::Expected(String::new()) } else { Json::Unasked },
            json_tool,
            head: response::head(None, None, target, now_s),
            live: None,
            counts: Counts::default(),
            blocks: Vec::new(),
            begun: 0,
            thoughts: Collector::of(Maker::of(target)),
            said: 0,
            stop_reason: None,
            covered_bytes: 0,
            done: false,
        }
    }

    fn live(&mut self) -> &mut Live {
        self.live.get_or_insert_with(|| Live::new(&self.head, self.wants_usage))
    }

    fn message_start(&mut self, message: &RawValue) {
        let Ok([id, model, usage]) = pick(message.get(), ["id", "model", "usage"]) else { return };
        for (field, value) in [(&mut self.head.id, id), (&mut self.head.model, model)] {
            if let Some(text) = value.and_then(json::text).filter(|text| !text.is_empty()) {
                *field = text.into_owned();
            }
        }
        if let Some(usage) = usage {
            self.counts.merge(usage);
        }
    }

    fn block_start(&mut self, index: u64, block: &RawValue, out: &mut Vec<u8>) -> Result<()> {
        self.begun += 1;
        if self.begun > MAX_BLOCKS {
            return Err(Error::new(Code::UpstreamError, "The provider's answer has too many blocks."));
        }
        let names = ["type", "text", "id", "name", "input"];
        let [kind, text, id, name, input] = pick(block.get(), names).map_err(|_| not_an_event())?;
        let kind = kind.map_or("", RawValue::get);
        let is_json = kind == "\"tool_use\"" && name.and_then(json::text).is_some_and(|name| self.json_tool.as_deref() == Some(&*name));
        self.live().role(0, kind != "\"tool_use\"" || is_json, out)?;
        let open = match (kind, id.and_then(Escaped::of), name.and_then(Escaped::of)) {
            ("\"text\"", ..) => {
                self.text(text, out)?;
                Block::Text
            }
            ("\"tool_use\"", ..) if is_json => match core::mem::replace(&mut self.json, Json::Come) {
                // There is one answer.
                Json::Come => Block::Other,
                Json::Unasked | Json::Expected(_) => Block::Json { any: false },
            },
            ("\"tool_use\"", Some(id), Some(name)) => {
                let call = self.live().call(0, id, name, None, out)?;
                self.thoughts.call(id.as_str(), self.said);
                let input = input.map(RawValue::get).filter(|input| *input != "{}").unwrap_or_default();
                Block::Call { index: call, input: input.to_owned() }
            }
            ("\"thinking\"", ..) => Block::Thought { text: String::new(), signature: String::new() },
            ("\"redacted_thinking\"", ..) => {
                self.thoughts.thought(self.said, block.to_owned());
                Block::Other
            }
            _ => Block::Other,
        };
        self.blocks.retain(|(known, _)| *known != index);
        self.blocks.push((index, open));
        Ok(())
    }

    fn text(&mut self, text: Option<&RawValue>, out: &mut Vec<u8>) -> Result<()> {
        let Some(text) = some(text) else { return Ok(()) };
        match &mut self.json {
            Json::Unasked => {
                self.said = self.said.saturating_add(text.text_len());
                self.live().text(0, text, out)
            }
            Json::Expected(held) if held.len() + text.as_str().len() > MAX_EVENT => {
                Err(Error::new(Code::UpstreamError, "The provider's answer is too large."))
            }
            Json::Expected(held) => {
                held.push_str(text.as_str());
                Ok(())
            }
            Json::Come => Ok(()),
        }
    }

    fn block_delta(&mut self, index: u64, delta: &RawValue, out: &mut Vec<u8>) -> Result<()> {
        let names = ["type", "text", "partial_json", "thinking", "signature", "citation"];
        let [kind, text, json, thinking, signature, citation] = pick(delta.get(), names).map_err(|_| not_an_event())?;
        let Self { blocks, live: Some(live), .. } = self else { return Ok(()) };
        let Some((_, block)) = blocks.iter_mut().find(|(known, _)| *known == index) else { return Ok(()) };
        match (block, kind.map_or("", RawValue::get)) {
            (Block::Text, "\"text_delta\"") => self.text(text, out)?,
            (Block::Text, "\"citations_delta\"") => {
                if let Some(citation) = citation {
                    live.extension(0, CITATIONS, citation, out)?;
                }
            }
            (Block::Json { any }, "\"input_json_delta\"") => {
                if let Some(json) = some(json) {
                    *any = true;
                    live.text(0, json, out)?;
                }
            }
            (Block::Call { index, input }, "\"input_json_delta\"") => {
                if let Some(json) = some(json) {
                    input.clear();
                    live.arguments(0, *index, json, out)?;
                }
            }
            (Block::Thought { text, .. }, "\"thinking_delta\"") => {
                if let Some(thought) = some(thinking) {
                    append(text, thought);
                    live.reasoning(0, thought, out)?;
                }
            }
            (Block::Thought { signature: so_far, .. }, "\"signature_delta\"") => {
                if let Some(signature) = some(signature) {
                    append(so_far, signature);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, index: u64, out: &mut Vec<u8>) -> Result<()> {
        let Some(place) = self.blocks.iter().position(|(known, _)| *known == index) else { return Ok(()) };
        match self.blocks.swap_remove(place).1 {
            Block::Call { index, input } => {
                self.live().arguments(0, index, Escaped::text(&input).get(), out)?;
                self.live().close_call(0, index, out)
            }
            Block::Json { any: false } => self.live().text(0, Escaped::text("{}").get(), out),
            Block::Thought { text, signature } => {
                if text.len() + signature.len() <= MAX_BYTES {
                    let block = format!(r#"{{"type":"thinking","thinking":"{text}","signature":"{signature}"}}"#);
                    self.thoughts.thought(self.said, json::owned(block));
                }
                Ok(())
            }
            Block::Text | Block::Json { any: true } | Block::Other => Ok(()),
        }
    }

    fn message_delta(&mut self, delta: Option<&RawValue>, usage: Option<&RawValue>) {
        if let Some(usage) = usage {
            self.counts.complete(usage);
            self.covered_bytes = self.output_bytes();
        }
        let stop = delta.and_then(|delta| pick(delta.get(), ["stop_reason"]).ok()).and_then(|[stop]| stop).and_then(json::text);
        self.stop_reason = stop.map(Into::into).or(self.stop_reason.take());
    }

    /// The last words of a complete answer.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if let Json::Expected(held) = core::mem::replace(&mut self.json, Json::Come)
            && !held.is_empty()
        {
            self.live().text(0, Escaped::joined(&held), out)?;
        }
        let has_calls = self.live().draft(0).is_some_and(Draft::has_calls);
        let finish = response::finish(self.stop_reason.as_deref(), has_calls);
        self.live().finish(0, finish, out)?;
        if let (true, Some(usage)) = (self.wants_usage, self.usage()) {
            self.live().usage(&usage, out);
        }
        Ok(())
    }
}

/// A string that is not empty.
fn some(value: Option<&RawValue>) -> Option<Escaped<'_>> {
    value.and_then(Escaped::of).filter(|text| !text.as_str().is_empty())
}

/// More than is kept need not be collected.
fn append(so_far: &mut String, text: Escaped<'_>) {
    if so_far.len() <= MAX_BYTES {
        so_far.push_str(text.as_str());
    }
}

impl Translate for Stream {
    fn push(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<Pushed> {
        if self.done || event.data.trim_ascii().is_empty() {
            return Ok(Pushed::Nothing);
        }
        let before = out.len();
        let text = core::str::from_utf8(event.data).map_err(|_| not_an_event())?;
        let names = ["type", "message", "index", "content_block", "delta", "usage"];
        let [kind, message, index, block, delta, usage] = pick(text, names).map_err(|_| not_an_event())?;
        let index = index.and_then(|index| whole(index.get())).unwrap_or_default();
        match (kind.map_or("", RawValue::get), message, block, delta) {
            ("\"message_start\"", Some(message), ..) => self.message_start(message),
            ("\"content_block_start\"", _, Some(block), _) => self.block_start(index, block, out)?,
            ("\"content_block_delta\"", _, _, Some(delta)) => self.block_delta(index, delta, out)?,
            ("\"content_block_stop\"", ..) => self.block_stop(index, out)?,
            ("\"message_delta\"", ..) => self.message_delta(delta, usage),
            ("\"message_stop\"", ..) => {
                self.done = true;
                return Ok(Pushed::Done);
            }
            ("\"error\"", ..) => return Err(failure::from_event(event.data, &self.scrub)),
            _ if event.name == b"error" => return Err(failure::from_event(event.data, &self.scrub)),
            _ => {}
        }
        Ok(if out.len() > before { Pushed::Frame } else { Pushed::Nothing })
    }

    fn end(&mut self, rest: Option<Event<'_>>, out: &mut Vec<u8>) -> Result<()> {
        // Some hosts close right after the end mark, without its blank line.
        let is_end = |event: Event<'_>| {
            let kind = core::str::from_utf8(event.data).ok().and_then(|text| pick(text, ["type"]).ok()).and_then(|[kind]| kind);
            kind.is_some_and(|kind| kind.get() == "\"message_stop\"")
        };
        self.done = self.done || rest.is_some_and(is_end);
        if !self.done {
            return Err(Error::new(Code::UpstreamError, "The provider's stream ended before it was complete."));
        }
        self.finish(out)
    }

    fn usage(&self) -> Option<TokenUsage> {
        let usage = self.counts.tokens()?;
        // The first report says a few tokens, whatever comes: until the last one the text tells more.
        Some(if self.counts.is_complete() { usage } else { TokenUsage { output: 0, ..usage } })
    }

    fn message(&self) -> Option<String> {
        self.live.as_ref()?.draft(0)?.message()
    }

    fn output_bytes(&self) -> u64 {
        self.live.as_ref().map_or(0, Live::output_bytes)
    }

    fn covered_bytes(&self) -> u64 {
        self.covered_bytes
    }

    fn stop(&mut self, why: &Error, usage: TokenUsage, out: &mut Vec<u8>) {
        self.live().stop(why, usage, out);
    }

    fn private(&self) -> Vec<Private> {
        self.thoughts.private()
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

fn not_an_event() -> Error {
    Error::new(Code::UpstreamError, "The provider sent an event that is not a JSON object.")
}
