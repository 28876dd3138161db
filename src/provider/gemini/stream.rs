//! A streamed answer: each event is a `GenerateContentResponse` with what is new.
//!
//! Always holds: the end of the body is the end of the answer, and it is complete if every choice has a finish reason (Gemini
//! has no end mark); finish reasons are said there, for Gemini may repeat or change them; usage is the last snapshot.

use serde_json::value::RawValue;

use super::answer::{Answer, Listener};
use super::head::{Asked, head};
use super::wire::Response;
use super::{failure, usage};
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};
use crate::provider::failure::Scrub;
use crate::provider::shape::{Escaped, Live};
use crate::provider::{Private, Pushed, Translate};
use crate::sse::Event;

#[derive(Debug)]
pub(super) struct Stream {
    asked: Asked,
    scrub: Scrub,
    usage: Option<TokenUsage>,
    /// Bytes of the answer when that was said.
    covered_bytes: u64,
    /// Begins with the first event.
    answer: Option<(Live, Answer)>,
}

impl Stream {
    pub(super) fn new(asked: Asked, scrub: Scrub) -> Self {
        Self { asked, scrub, usage: None, covered_bytes: 0, answer: None }
    }

    fn take(&mut self, text: &str, response: &Response<'_>, out: &mut Vec<u8>) -> Result<()> {
        let (live, answer) = self.answer.get_or_insert_with(|| {
            let (head, id) = head(response, text, &self.asked);
            (Live::new(&head, self.asked.wants_usage), Answer::new(id, self.asked.maker.clone(), self.asked.one_call))
        });
        let candidates = response.candidates.as_deref().unwrap_or_default();
        for (position, candidate) in candidates.iter().enumerate() {
            let choice = candidate.index.unwrap_or(position);
            answer.candidate(choice, candidate, &mut Spoken { live, choice, out })?;
        }
        if let Some(usage) = response.usage_metadata.and_then(usage::read) {
            (self.usage, self.covered_bytes) = (Some(usage), live.output_bytes());
        }
        let blocked = response.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.is_some());
        if blocked && candidates.is_empty() {
            answer.block()?;
        }
        Ok(())
    }
}

impl Translate for Stream {
    fn push(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<Pushed> {
        let data = event.data.trim_ascii();
        // Hosts that imitate Gemini may send OpenAI's end mark all the same.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(Pushed::Nothing);
        }
        let text = core::str::from_utf8(data).map_err(|_| not_json())?;
        let response = Response::read(text).ok_or_else(not_json)?;
        if response.error.is_some() || event.name == b"error" {
            return Err(failure::from_event(data, &self.scrub));
        }
        let before = out.len();
        self.take(text, &response, out)?;
        Ok(if out.len() > before { Pushed::Frame } else { Pushed::Nothing })
    }

    fn end(&mut self, rest: Option<Event<'_>>, out: &mut Vec<u8>) -> Result<()> {
        // A last event that is whole but for its blank line counts; a part of one does not.
        if let Some(rest) = rest.filter(|rest| serde_json::from_slice::<&RawValue>(rest.data.trim_ascii()).is_ok()) {
            self.push(rest, out)?;
        }
        let cut = || Error::new(Code::UpstreamError, "The provider's stream ended before it was complete.");
        let (live, answer) = self.answer.as_mut().filter(|(_, answer)| answer.is_complete()).ok_or_else(cut)?;
        for (choice, ending) in answer.endings() {
            live.finish(*choice, ending.finish(&self.scrub)?, out)?;
        }
        if let (true, Some(usage)) = (self.asked.wants_usage, &self.usage) {
            live.usage(usage, out);
        }
        Ok(())
    }

    fn usage(&self) -> Option<TokenUsage> {
        self.usage
    }

    fn message(&self) -> Option<String> {
        self.answer.as_ref()?.0.draft(0)?.message()
    }

    fn output_bytes(&self) -> u64 {
        self.answer.as_ref().map_or(0, |(live, _)| live.output_bytes())
    }

    fn covered_bytes(&self) -> u64 {
        self.covered_bytes
    }

    fn stop(&mut self, why: &Error, usage: TokenUsage, out: &mut Vec<u8>) {
        if let Some((live, _)) = &self.answer {
            live.stop(why, usage, out);
        }
    }

    fn private(&self) -> Vec<Private> {
        self.answer.as_ref().map(|(_, answer)| answer.private()).unwrap_or_default()
    }

    fn is_done(&self) -> bool {
        self.answer.as_ref().is_some_and(|(_, answer)| answer.is_complete())
    }
}

/// One choice on its way to the client.
struct Spoken<'s> {
    live: &'s mut Live,
    choice: usize,
    out: &'s mut Vec<u8>,
}

impl Listener for Spoken<'_> {
    fn text(&mut self, text: Escaped<'_>) -> Result<()> {
        self.live.text(self.choice, text, self.out)
    }

    fn reasoning(&mut self, text: Escaped<'_>) -> Result<()> {
        self.live.reasoning(self.choice, text, self.out)
    }

    fn call(&mut self, id: Escaped<'_>, name: Escaped<'_>, extension: Option<&RawValue>, arguments: Escaped<'_>) -> Result<()> {
        let extension = extension.map(|value| (super::signature::EXTENSION, value));
        let index = self.live.call(self.choice, id, name, extension, self.out)?;
        self.live.arguments(self.choice, index, arguments, self.out)
    }

    fn extension(&mut self, name: &'static str, item: &RawValue) -> Result<()> {
        self.live.extension(self.choice, name, item, self.out)
    }

    fn logprobs(&mut self, tokens: &[String]) -> Result<()> {
        self.live.logprobs(self.choice, tokens, self.out)
    }
}

fn not_json() -> Error {
    Error::new(Code::UpstreamError, "The provider sent an event that is not an answer of Gemini's.")
}
