//! What Gemini said, told to whoever listens: a stream on its way to the client, or the draft of a whole answer.
//!
//! Always holds: texts are passed on as they were escaped; a call has an id that is unique in the answer, Gemini's own or one
//! made of the answer's id and the call's place, so that the same answer has the same ids; signatures are kept.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::finish::Ending;
use super::signature::{self, Keeper};
use super::wire::{Candidate, SaidCall, SaidData, SaidPart};
use crate::error::{Code, Error, Result};
use crate::json::{self, quoted, text};
use crate::provider::Private;
use crate::provider::private::Maker;
use crate::provider::shape::Escaped;
use crate::secrets::hex;

/// The most choices of one answer: more than Gemini gives.
const MAX_CHOICES: usize = 128;

/// Takes what is said in one choice.
pub(super) trait Listener {
    fn text(&mut self, text: Escaped<'_>) -> Result<()>;
    fn reasoning(&mut self, text: Escaped<'_>) -> Result<()>;
    /// A whole call.
    fn call(&mut self, id: Escaped<'_>, name: Escaped<'_>, extension: Option<&RawValue>, arguments: Escaped<'_>) -> Result<()>;
    fn extension(&mut self, name: &'static str, item: &RawValue) -> Result<()>;
    /// Tokens with their probabilities, each a JSON object.
    fn logprobs(&mut self, tokens: &[String]) -> Result<()>;
}

/// An answer so far, as far as it is not the listener's.
#[derive(Debug)]
pub(super) struct Answer {
    /// What ids are made of.
    id: String,
    maker: Maker,
    /// The client wants one call at most.
    one_call: bool,
    keeper: Keeper,
    /// Ids of the calls.
    calls: Vec<String>,
    /// By index of the choice.
    endings: Vec<(usize, Ending)>,
}

impl Answer {
    /// `id`: what tells this answer from others.
    pub(super) fn new(id: String, maker: Maker, one_call: bool) -> Self {
        Self { id, maker, one_call, keeper: Keeper::default(), calls: Vec::new(), endings: Vec::new() }
    }

    /// How each choice ended, by index.
    pub(super) fn endings(&self) -> &[(usize, Ending)] {
        &self.endings
    }

    /// Every choice has a reason why it ended, and there is one.
    pub(super) fn is_complete(&self) -> bool {
        !self.endings.is_empty() && self.endings.iter().all(|(_, ending)| ending.reason.is_some())
    }

    pub(super) fn private(&self) -> Vec<Private> {
        self.keeper.kept()
    }

    /// The prompt was blocked, so there is no candidate: a choice that a filter stopped.
    pub(super) fn block(&mut self) -> Result<()> {
        self.ending(0)?.reason.get_or_insert_with(|| "PROHIBITED_CONTENT".to_owned());
        Ok(())
    }

    /// Tells what is new of one choice.
    pub(super) fn candidate(&mut self, choice: usize, candidate: &Candidate<'_>, to: &mut impl Listener) -> Result<()> {
        self.ending(choice)?;
        for part in candidate.content.iter().flat_map(|content| &content.parts).flatten() {
            self.part(choice, part, to)?;
        }
        let extensions = [
            ("grounding_metadata", candidate.grounding_metadata),
            ("url_context_metadata", candidate.url_context_metadata),
            ("citation_metadata", candidate.citation_metadata),
        ];
        for (name, value) in extensions {
            if let Some(value) = value.filter(|value| value.get() != "{}") {
                to.extension(name, &json::owned(json::compact(value.get())))?;
            }
        }
        if let Some(result) = candidate.logprobs_result {
            to.logprobs(&super::logprobs::read(result))?;
        }
        let ending = self.ending(choice)?;
        if let Some(reason) = candidate.finish_reason {
            ending.reason = Some(text(reason).map_or_else(|| reason.get().to_owned(), Into::into));
            ending.message = candidate.finish_message.as_deref().map(str::to_owned);
        }
        Ok(())
    }

    fn part(&mut self, choice: usize, part: &SaidPart<'_>, to: &mut impl Listener) -> Result<()> {
        if let Some(call) = &part.function_call {
            return self.call(choice, call, part.thought_signature, to);
        }
        if let (Some(signature), None | Some(false)) = (part.thought_signature, part.thought) {
            self.keeper.text(signature);
        }
        if let Some(text) = part.text.and_then(Escaped::of).filter(|text| !text.as_str().is_empty()) {
            self.ending(choice)?.said |= part.thought != Some(true);
            return if part.thought == Some(true) { to.reasoning(text) } else { to.text(text) };
        }
        if let Some(data) = &part.inline_data {
            self.ending(choice)?.said = true;
            let (name, item) = media(data);
            return to.extension(name, &item);
        }
        // Code that Google ran, and what came of it, cannot be asked for here.
        Ok(())
    }

    fn call(&mut self, choice: usize, call: &SaidCall<'_>, signature: Option<&RawValue>, to: &mut impl Listener) -> Result<()> {
        // A piece of a call that is streamed has no name; it cannot be asked for here.
        let Some(name) = call.name.and_then(Escaped::of).filter(|name| !name.as_str().is_empty()) else { return Ok(()) };
        let another = core::mem::replace(&mut self.ending(choice)?.calls, true);
        if another && self.one_call {
            return Ok(());
        }
        let id = self.call_id(choice, call.id);
        self.keeper.call(&self.maker, &id, signature);
        let extension = signature.filter(|signature| quoted(signature).is_some()).map(signature::extension);
        let arguments = call.args.map_or("{}".into(), |args| json::compact(args.get()));
        let result = to.call(Escaped::text(&id).get(), name, extension.as_deref(), Escaped::text(&arguments).get());
        self.calls.push(id);
        result
    }

    /// Gemini's own id, if it gave one that is not taken; else one that follows from the answer and the place.
    fn call_id(&self, choice: usize, given: Option<&RawValue>) -> String {
        let given = given.and_then(text).filter(|id| !id.is_empty() && !self.calls.iter().any(|known| *known == *id));
        given.map_or_else(|| format!("call_{}", digest(&[&self.id, &choice.to_string(), &self.calls.len().to_string()])), Into::into)
    }

    fn ending(&mut self, choice: usize) -> Result<&mut Ending> {
        let too_many = || Error::new(Code::UpstreamError, "The provider's answer has too many choices.");
        let place = match self.endings.binary_search_by_key(&choice, |(index, _)| *index) {
            Ok(place) => place,
            Err(_) if choice >= MAX_CHOICES => return Err(too_many()),
            Err(place) => {
                self.endings.insert(place, (choice, Ending::default()));
                place
            }
        };
        self.endings.get_mut(place).map(|(_, ending)| ending).ok_or_else(too_many)
    }
}

/// Twelve bytes of a hash, in hexadecimal.
pub(in crate::provider) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(hash.finalize().get(..12).unwrap_or_default())
}

/// What the model drew, in the form that hosts with such models agree on.
fn media(data: &SaidData<'_>) -> (&'static str, Box<RawValue>) {
    let (mime, base64) = (data.mime_type.as_deref().unwrap_or("application/octet-stream"), data.data.as_deref().unwrap_or_default());
    let url = json::string(&format!("data:{mime};base64,{base64}"));
    let (name, item) = if mime.starts_with("image/") {
        ("images", format!(r#"{{"type":"image_url","image_url":{{"url":{}}}}}"#, url.get()))
    } else {
        ("files", format!(r#"{{"type":"file","file":{{"file_data":{}}}}}"#, url.get()))
    };
    (name, json::owned(item))
}
