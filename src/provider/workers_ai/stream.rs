//! A streamed answer of Workers AI, of either form: the first event tells which.
//!
//! Always holds: the form does not change within an answer; only `[DONE]` completes it.

use super::failed;
use super::native::{Asked, Called, Said, own_id};
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};
use crate::json::pick;
use crate::provider::failure::{self, Scrub};
use crate::provider::shape::{Draft, Escaped, Head, Live};
use crate::provider::{Pushed, Translate};
use crate::sse::Event;

const END_MARK: &[u8] = b"[DONE]";

pub(super) struct Stream {
    /// Reads an answer in OpenAI's form.
    openai: Box<dyn Translate>,
    asked: Asked,
    scrub: Scrub,
    form: Form,
}

enum Form {
    Unknown,
    OpenAi,
    Native(Box<Native>),
}

struct Native {
    head: Head,
    live: Live,
    /// The host's index of each call begun.
    calls: Vec<u64>,
    usage: Option<TokenUsage>,
    covered_bytes: u64,
    done: bool,
}

impl Stream {
    pub(super) fn new(openai: Box<dyn Translate>, asked: Asked, scrub: Scrub) -> Self {
        Self { openai, asked, scrub, form: Form::Unknown }
    }

    /// What form the answer has, now that there is an event.
    fn decide(&mut self, data: &[u8]) {
        let text = core::str::from_utf8(data).unwrap_or_default();
        let own = pick(text, ["choices", "error"]).is_ok_and(|[choices, error]| choices.is_none() && error.is_none());
        if data == END_MARK || !own {
            self.form = Form::OpenAi;
            return;
        }
        let head = self.asked.head(text);
        let live = Live::new(&head, self.asked.wants_usage);
        self.form = Form::Native(Box::new(Native { head, live, calls: Vec::new(), usage: None, covered_bytes: 0, done: false }));
    }

    fn native(&self) -> Option<&Native> {
        match &self.form {
            Form::Native(native) => Some(native),
            Form::Unknown | Form::OpenAi => None,
        }
    }
}

impl Native {
    fn push(&mut self, text: &str, scrub: &Scrub, out: &mut Vec<u8>) -> Result<Pushed> {
        if let Some(error) = failed(text.as_bytes()) {
            return Err(failure::from_event(error.get().as_bytes(), scrub));
        }
        let before = out.len();
        let said = Said::read(text).ok_or_else(|| failure::from_event(text.as_bytes(), scrub))?;
        if let Some(text) = said.text.filter(|text| !text.is_empty()) {
            self.live.text(0, Escaped::joined(&text), out)?;
        }
        for call in &said.calls {
            self.call(call, out)?;
        }
        if said.usage.is_some() {
            (self.usage, self.covered_bytes) = (said.usage, self.live.output_bytes());
        }
        Ok(if out.len() > before { Pushed::Frame } else { Pushed::Nothing })
    }

    /// A call begins where it has a name that its index has not brought yet; everything else goes on with it.
    fn call(&mut self, call: &Called<'_>, out: &mut Vec<u8>) -> Result<()> {
        let known = call.index.and_then(|index| self.calls.iter().position(|known| *known == index));
        let place = if let Some(place) = known {
            place
        } else {
            let own = own_id(&self.head, self.calls.len());
            self.calls.push(call.index.unwrap_or(u64::MAX));
            self.live.call(0, Escaped::joined(call.id.unwrap_or(&own)), Escaped::joined(call.name.unwrap_or_default()), None, out)?
        };
        self.live.arguments(0, place, Escaped::joined(call.arguments.as_deref().unwrap_or_default()), out)
    }

    fn end(&mut self, asked: &Asked, out: &mut Vec<u8>) -> Result<()> {
        for place in 0..self.calls.len() {
            self.live.close_call(0, place, out)?;
        }
        self.live.finish(0, asked.finish(!self.calls.is_empty(), self.usage), out)?;
        if let Some(usage) = self.usage.filter(|_| asked.wants_usage) {
            self.live.usage(&usage, out);
        }
        Ok(())
    }
}

impl Translate for Stream {
    fn push(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<Pushed> {
        let data = event.data.trim_ascii();
        if data.is_empty() {
            return Ok(Pushed::Nothing);
        }
        if matches!(self.form, Form::Unknown) {
            self.decide(data);
        }
        let Form::Native(native) = &mut self.form else { return self.openai.push(event, out) };
        if native.done {
            return Ok(Pushed::Nothing);
        }
        if data == END_MARK {
            native.done = true;
            return Ok(Pushed::Done);
        }
        let text = core::str::from_utf8(data).map_err(|_| failure::from_event(data, &self.scrub))?;
        native.push(text, &self.scrub, out)
    }

    fn end(&mut self, rest: Option<Event<'_>>, out: &mut Vec<u8>) -> Result<()> {
        let Form::Native(native) = &mut self.form else { return self.openai.end(rest, out) };
        // The end mark may come without its blank line.
        native.done = native.done || rest.is_some_and(|event| event.data.trim_ascii() == END_MARK);
        if !native.done {
            return Err(Error::new(Code::UpstreamError, "The provider's stream ended before it was complete."));
        }
        native.end(&self.asked, out)
    }

    fn usage(&self) -> Option<TokenUsage> {
        self.native().map_or_else(|| self.openai.usage(), |native| native.usage)
    }

    fn message(&self) -> Option<String> {
        self.native().map_or_else(|| self.openai.message(), |native| native.live.draft(0).and_then(Draft::message))
    }

    fn output_bytes(&self) -> u64 {
        self.native().map_or_else(|| self.openai.output_bytes(), |native| native.live.output_bytes())
    }

    fn covered_bytes(&self) -> u64 {
        self.native().map_or_else(|| self.openai.covered_bytes(), |native| native.covered_bytes)
    }

    fn stop(&mut self, why: &Error, usage: TokenUsage, out: &mut Vec<u8>) {
        match &self.form {
            Form::Native(native) => native.live.stop(why, usage, out),
            Form::Unknown | Form::OpenAi => self.openai.stop(why, usage, out),
        }
    }

    fn is_done(&self) -> bool {
        self.native().map_or_else(|| self.openai.is_done(), |native| native.done)
    }
}
