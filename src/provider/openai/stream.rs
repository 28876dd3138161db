//! A streamed answer in OpenAI's dialect, which is also the client's: events pass through with their bytes.
//!
//! Always holds: each event is scanned, not parsed into a tree, and only a host's own words are exchanged in it; the chunk that only reports usage is withheld unless wanted;
//! an error, or data that is no JSON object, ends the answer; only `[DONE]` completes it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::draft::{Draft, text_bytes};
use super::rewrite::{Rewrite, Rewritten};
use super::usage;
use crate::api::chat::whole;
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};
use crate::json::{each_item, pick};
use crate::provider::failure::{self, Scrub};
use crate::provider::stopped::{self, Choices};
use crate::provider::{Pushed, Target, Translate};
use crate::sse::{self, Event};

const END_MARK: &[u8] = b"[DONE]";

/// The most text one answer may have, in bytes: more is no answer, and it is kept in memory until it is stored.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Stream {
    wants_usage: bool,
    scrub: Scrub,
    rewrite: Rewrite,
    usage: Option<TokenUsage>,
    draft: Draft,
    output_bytes: u64,
    covered_bytes: u64,
    /// What all chunks share, from the first one that had a choice.
    head: Option<String>,
    choices: Choices,
    done: bool,
}

impl Stream {
    pub(super) fn new(wants_usage: bool, target: &Target) -> Self {
        Self {
            wants_usage,
            scrub: Scrub::of(target),
            rewrite: Rewrite::of(target),
            usage: None,
            draft: Draft::default(),
            output_bytes: 0,
            covered_bytes: 0,
            head: None,
            choices: Choices::default(),
            done: false,
        }
    }

    /// Takes in one choice of a chunk.
    fn choice(&mut self, choice: &RawValue) {
        let Ok([index, delta, finish]) = pick(choice.get(), ["index", "delta", "finish_reason"]) else { return };
        self.choices.see(index.and_then(|index| whole(index.get())).unwrap_or(0), finish.is_some());
        let Some(delta) = delta else { return };
        self.output_bytes = self.output_bytes.saturating_add(text_bytes(delta.get()) as u64);
        if index.is_none_or(|index| index.get() == "0") {
            self.draft.push(delta.get());
        }
    }
}

impl Translate for Stream {
    fn push(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<Pushed> {
        // A blank `data:` line is some hosts' way of keeping the connection alive.
        let data = event.data.trim_ascii();
        if self.done || data.is_empty() {
            return Ok(Pushed::Nothing);
        }
        if data == END_MARK {
            self.done = true;
            return Ok(Pushed::Done);
        }
        let text = core::str::from_utf8(event.data).map_err(|_| not_json())?;
        let [choices, reported, error] = pick(text, ["choices", "usage", "error"]).map_err(|_| not_json())?;
        if error.is_some() || event.name == b"error" {
            return Err(failure::from_event(event.data, &self.scrub));
        }
        let mut any_choice = false;
        if let Some(choices) = choices {
            // What is no array has nothing for us; the client still gets its bytes.
            let _ = each_item(choices.get(), |choice| {
                any_choice = true;
                self.choice(choice);
            });
        }
        if any_choice && self.head.is_none() {
            let [id, created, model] = pick(text, ["id", "created", "model"]).map_err(|_| not_json())?;
            self.head = Some(stopped::head(id.map(RawValue::get), created.map(RawValue::get), model.map(RawValue::get)));
        }
        if self.output_bytes > MAX_TEXT {
            return Err(Error::new(Code::UpstreamError, "The provider's answer is too large."));
        }
        let elsewhere = if reported.is_none() { self.rewrite.usage(text) } else { None };
        let reported = reported.or(elsewhere).and_then(usage::read);
        if reported.is_some() {
            (self.usage, self.covered_bytes) = (reported, self.output_bytes);
        }
        if reported.is_some() && !any_choice && !self.wants_usage {
            return Ok(Pushed::Nothing);
        }
        let data = match self.rewrite.chunk(text, elsewhere.filter(|_| self.wants_usage)) {
            Rewritten::Nothing => return Ok(Pushed::Nothing),
            Rewritten::Same => Cow::Borrowed(event.data),
            Rewritten::Text(text) => Cow::Owned(text.into_bytes()),
        };
        sse::encode_into(&data, out);
        Ok(Pushed::Frame)
    }

    fn end(&mut self, rest: Option<Event<'_>>, _out: &mut Vec<u8>) -> Result<()> {
        // Some hosts close right after the end mark, without its blank line.
        self.done = self.done || rest.is_some_and(|event| event.data.trim_ascii() == END_MARK);
        if self.done { Ok(()) } else { Err(Error::new(Code::UpstreamError, "The provider's stream ended before it was complete.")) }
    }

    fn usage(&self) -> Option<TokenUsage> {
        self.usage
    }

    fn message(&self) -> Option<String> {
        self.draft.json()
    }

    fn output_bytes(&self) -> u64 {
        self.output_bytes
    }

    fn covered_bytes(&self) -> u64 {
        self.covered_bytes
    }

    fn stop(&mut self, why: &Error, usage: TokenUsage, out: &mut Vec<u8>) {
        let head = self.head.take().unwrap_or_else(|| stopped::head(None, None, None));
        stopped::write(&head, &self.choices, why, self.wants_usage.then_some(usage), out);
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

fn not_json() -> Error {
    Error::new(Code::UpstreamError, "The provider sent an event that is not a JSON object.")
}
