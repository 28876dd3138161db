//! A streamed answer on its way out: each thing said goes to the client as a chunk and into the draft of its choice.
//!
//! Always holds: a choice begins with its role and ends with one finish, after which nothing is said; call indices are our own
//! counter; a call that got no arguments gets `{}` when it is closed.

use serde_json::value::RawValue;

use super::draft::Draft;
use super::frames::{Delta, Frames};
use super::{Escaped, Finish, Head};
use crate::api::usage::TokenUsage;
use crate::error::{Code, Error, Result};
use crate::provider::stopped::{self, Choices};

/// The most text one answer may have, in bytes: more is no answer, and it is kept in memory until it is stored.
const MAX_TEXT: u64 = 16 * 1024 * 1024;
/// The most choices of one answer: more than any provider gives.
const MAX_CHOICES: usize = 128;

/// The answer so far.
#[derive(Debug)]
pub(in crate::provider) struct Live {
    frames: Frames,
    /// What all chunks share, as JSON without braces.
    head: String,
    wants_usage: bool,
    /// By index; `true` once its role was said.
    choices: Vec<(bool, Draft)>,
}

impl Live {
    pub(in crate::provider) fn new(head: &Head, wants_usage: bool) -> Self {
        let shared = head.json("chat.completion.chunk").trim_start_matches('{').to_owned();
        Self { frames: Frames::new(head, wants_usage), head: shared, wants_usage, choices: Vec::new() }
    }

    /// Says the role, if it was not said yet. `text`: no call is what comes next.
    pub(in crate::provider) fn role(&mut self, choice: usize, text: bool, out: &mut Vec<u8>) -> Result<()> {
        self.open(choice, text, out).map(|_| ())
    }

    pub(in crate::provider) fn text(&mut self, choice: usize, text: Escaped<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.open(choice, true, out)?.text(text);
        self.say(choice, Delta::Text(text), out)
    }

    pub(in crate::provider) fn reasoning(&mut self, choice: usize, text: Escaped<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.open(choice, true, out)?.reasoning(text);
        self.say(choice, Delta::Reasoning(text), out)
    }

    /// Begins a call and gives its index. `extension`: a member of the call that OpenAI does not have.
    pub(in crate::provider) fn call(
        &mut self,
        choice: usize,
        id: Escaped<'_>,
        name: Escaped<'_>,
        extension: Option<(&'static str, &RawValue)>,
        out: &mut Vec<u8>,
    ) -> Result<usize> {
        let too_many = || Error::new(Code::UpstreamError, "The provider's answer has too many calls.");
        let index = self.open(choice, false, out)?.call(id, name, extension).ok_or_else(too_many)?;
        self.say(choice, Delta::Call { index, id, name, extension }, out)?;
        Ok(index)
    }

    pub(in crate::provider) fn arguments(&mut self, choice: usize, index: usize, text: Escaped<'_>, out: &mut Vec<u8>) -> Result<()> {
        if text.as_str().is_empty() {
            return Ok(());
        }
        self.open(choice, false, out)?.arguments(index, text);
        self.say(choice, Delta::Arguments { index, text }, out)
    }

    /// A call is complete: without arguments it gets `{}`.
    pub(in crate::provider) fn close_call(&mut self, choice: usize, index: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.choices.get(choice).is_some_and(|(_, draft)| draft.lacks_arguments(index)) {
            return self.arguments(choice, index, Escaped("{}"), out);
        }
        Ok(())
    }

    /// Adds an item to an array that OpenAI does not have.
    pub(in crate::provider) fn extension(&mut self, choice: usize, name: &'static str, item: &RawValue, out: &mut Vec<u8>) -> Result<()> {
        self.open(choice, true, out)?.extension(name, item);
        self.say(choice, Delta::Extension { name, item }, out)
    }

    /// Adds tokens with their probabilities, each a JSON object.
    pub(in crate::provider) fn logprobs(&mut self, choice: usize, tokens: &[String], out: &mut Vec<u8>) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        self.open(choice, true, out)?.logprobs(tokens);
        self.frames.logprobs(choice, tokens, out);
        Ok(())
    }

    /// Ends a choice, once.
    pub(in crate::provider) fn finish(&mut self, choice: usize, finish: Finish, out: &mut Vec<u8>) -> Result<()> {
        let draft = self.open(choice, true, out)?;
        if !draft.is_finished() {
            draft.finish(finish);
            self.frames.finish(choice, finish, out);
        }
        Ok(())
    }

    /// The chunk that only reports usage, for clients that asked for it.
    pub(in crate::provider) fn usage(&self, usage: &TokenUsage, out: &mut Vec<u8>) {
        self.frames.usage(usage, out);
    }

    /// The gateway ends the answer here: every open choice ends for its length, with `details` that say why.
    pub(in crate::provider) fn stop(&self, why: &Error, usage: TokenUsage, out: &mut Vec<u8>) {
        let mut choices = Choices::default();
        for (index, (begun, draft)) in (0..).zip(&self.choices) {
            if *begun {
                choices.see(index, draft.is_finished());
            }
        }
        stopped::write(&self.head, &choices, why, self.wants_usage.then_some(usage), out);
    }

    /// A choice, if anything was said in it.
    pub(in crate::provider) fn draft(&self, choice: usize) -> Option<&Draft> {
        self.choices.get(choice).filter(|(begun, _)| *begun).map(|(_, draft)| draft)
    }

    /// Choices so far.
    pub(in crate::provider) fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.choices.iter().map(|(_, draft)| draft)
    }

    /// Bytes of what the model wrote, in all choices.
    pub(in crate::provider) fn output_bytes(&self) -> u64 {
        self.drafts().map(Draft::output_bytes).fold(0, u64::saturating_add)
    }

    fn open(&mut self, choice: usize, text: bool, out: &mut Vec<u8>) -> Result<&mut Draft> {
        if choice >= MAX_CHOICES {
            return Err(Error::new(Code::UpstreamError, "The provider's answer has too many choices."));
        }
        if self.choices.len() <= choice {
            self.choices.resize_with(choice + 1, Default::default);
        }
        let Some((begun, draft)) = self.choices.get_mut(choice) else { return Err(Error::server("a choice is missing")) };
        if !*begun {
            *begun = true;
            self.frames.delta(choice, Delta::Role { text }, out);
        }
        Ok(draft)
    }

    fn say(&self, choice: usize, delta: Delta<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.frames.delta(choice, delta, out);
        if self.output_bytes() > MAX_TEXT {
            return Err(Error::new(Code::UpstreamError, "The provider's answer is too large."));
        }
        Ok(())
    }
}
