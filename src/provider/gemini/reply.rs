//! A whole answer.
//!
//! Always holds: an answer without candidates is an error, unless the prompt was blocked.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::answer::{Answer, Listener};
use super::head::{Asked, head};
use super::wire::Response;
use super::{failure, usage};
use crate::error::{Code, Error, Result};
use crate::provider::failure::Scrub;
use crate::provider::shape::{Draft, Escaped, completion};
use crate::provider::{self, Reply};

/// Reads a body that came with status 200.
///
/// # Errors
/// 502 when it is no answer.
pub(super) fn read(body: &[u8], asked: &Asked, scrub: &Scrub) -> Result<Reply<'static>> {
    let not_one = || provider::failure::from_answer(body, scrub);
    let text = core::str::from_utf8(body).map_err(|_| not_one())?;
    let response = Response::read(text).ok_or_else(not_one)?;
    if response.error.is_some() {
        return Err(failure::from_event(body, scrub));
    }
    let (head, id) = head(&response, text, asked);
    let mut answer = Answer::new(id, asked.maker.clone(), asked.one_call);
    let mut drafts: Vec<(usize, Draft)> = Vec::new();
    for (position, candidate) in response.candidates.iter().flatten().enumerate() {
        let choice = candidate.index.unwrap_or(position);
        let place = drafts.iter().position(|(index, _)| *index == choice).unwrap_or_else(|| {
            drafts.push((choice, Draft::default()));
            drafts.len() - 1
        });
        if let Some((_, draft)) = drafts.get_mut(place) {
            answer.candidate(choice, candidate, draft)?;
        }
    }
    if drafts.is_empty() {
        response.prompt_feedback.as_ref().and_then(|feedback| feedback.block_reason).ok_or_else(not_one)?;
        answer.block()?;
        drafts.push((0, Draft::default()));
    }
    drafts.sort_by_key(|(index, _)| *index);
    for ((_, draft), (_, ending)) in drafts.iter_mut().zip(answer.endings()) {
        draft.finish(ending.finish(scrub)?);
    }
    let drafts: Vec<Draft> = drafts.into_iter().map(|(_, draft)| draft).collect();
    let usage = response.usage_metadata.and_then(usage::read);
    Ok(Reply {
        body: Cow::Owned(completion(&head, &drafts, usage.as_ref())),
        usage,
        message: drafts.first().and_then(Draft::message),
        output_bytes: drafts.iter().map(Draft::output_bytes).fold(0, u64::saturating_add),
        private: answer.private(),
    })
}

impl Listener for Draft {
    fn text(&mut self, text: Escaped<'_>) -> Result<()> {
        self.text(text);
        Ok(())
    }

    fn reasoning(&mut self, text: Escaped<'_>) -> Result<()> {
        self.reasoning(text);
        Ok(())
    }

    fn call(&mut self, id: Escaped<'_>, name: Escaped<'_>, extension: Option<&RawValue>, arguments: Escaped<'_>) -> Result<()> {
        let too_many = || Error::new(Code::UpstreamError, "The provider's answer has too many calls.");
        let index = self.call(id, name, extension.map(|value| (super::signature::EXTENSION, value))).ok_or_else(too_many)?;
        self.arguments(index, arguments);
        Ok(())
    }

    fn extension(&mut self, name: &'static str, item: &RawValue) -> Result<()> {
        self.extension(name, item);
        Ok(())
    }

    fn logprobs(&mut self, tokens: &[String]) -> Result<()> {
        self.logprobs(tokens);
        Ok(())
    }
}
