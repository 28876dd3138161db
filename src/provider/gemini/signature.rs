//! Thought signatures: what Gemini wants back with the calls it made, kept for clients that cannot carry it.
//!
//! A signature comes with a call (of parallel ones only with the first) or with a text. It goes to the client in Google's own
//! form (`tool_calls[].extra_content.google.thought_signature`), and is private state of the call as well (`private`); back it
//! comes from whichever knows it. Always holds: Gemini 3 and later refuse the first call of a message without one, so there
//! it gets the value that Google documents for calls of another origin, and nothing else does.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::model::Generation;
use crate::api::message::Said;
use crate::json;
use crate::provider::Private;
use crate::provider::private::{self, Kept, Maker};

/// Base64 of `skip_thought_signature_validator` (ai.google.dev/gemini-api/docs/thought-signatures): the field is bytes.
pub(super) const UNKNOWN: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// The extension member of a call.
pub(super) const EXTENSION: &str = "extra_content";

/// What is known of the calls in a history.
pub(super) struct Signatures<'p> {
    pub(super) kept: Kept<'p>,
    pub(super) generation: Generation,
    /// Whether calls and results have ids. `v1` of Vertex knows none and refuses them by name.
    pub(super) with_ids: bool,
}

impl Signatures<'_> {
    /// The signatures of a message: of its text, and of each of its calls.
    pub(super) fn of<'a>(&self, said: &Said<'a>) -> (Option<Cow<'a, str>>, Vec<Option<Cow<'a, str>>>) {
        let mut of_text = said.member(EXTENSION).and_then(google);
        let mut of_calls = Vec::with_capacity(said.calls.len());
        for call in &said.calls {
            let [carried] = json::pick(call.raw.get(), [EXTENSION]).unwrap_or_default();
            let kept = self.kept.find(&call.id);
            let [kept, text] = kept.and_then(|state| json::pick(state.get(), ["call", "text"]).ok()).unwrap_or_default();
            let owned = |value: Option<&RawValue>| value.and_then(json::text).map(|text| Cow::Owned(text.into_owned()));
            of_text = of_text.or_else(|| owned(text));
            of_calls.push(carried.and_then(google).or_else(|| owned(kept)));
        }
        if let (Some(first @ None), Generation::Level) = (of_calls.first_mut(), self.generation) {
            *first = Some(Cow::Borrowed(UNKNOWN));
        }
        (of_text, of_calls)
    }
}

/// `{"google":{"thought_signature":…}}`
fn google(extra: &RawValue) -> Option<Cow<'_, str>> {
    let [google] = json::pick(extra.get(), ["google"]).ok()?;
    let [signature] = json::pick(google?.get(), ["thought_signature"]).ok()?;
    signature.and_then(json::text).filter(|signature| !signature.is_empty())
}

/// The extension member of a call with this signature (a JSON string).
pub(super) fn extension(signature: &RawValue) -> Box<RawValue> {
    json::owned(format!(r#"{{"google":{{"thought_signature":{}}}}}"#, signature.get()))
}

/// What is kept of the calls of an answer.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    kept: Vec<Private>,
    /// The signature of the text before the first call.
    text: Option<String>,
}

impl Keeper {
    /// A text came with a signature.
    pub(super) fn text(&mut self, signature: &RawValue) {
        self.text = Some(signature.get().to_owned());
    }

    /// A call came, perhaps with a signature.
    pub(super) fn call(&mut self, maker: &Maker, call_id: &str, signature: Option<&RawValue>) {
        let text = self.text.take();
        let members = [("call", signature.map(RawValue::get)), ("text", text.as_deref())];
        let members: Vec<String> = members.iter().filter_map(|(name, value)| Some(format!("\"{name}\":{}", value.as_ref()?))).collect();
        if !members.is_empty() {
            let state = json::owned(format!("{{{}}}", members.join(",")));
            self.kept.push(Private { call_id: call_id.to_owned(), maker: maker.clone(), state });
        }
    }

    pub(super) fn kept(&self) -> Vec<Private> {
        private::bounded(self.kept.clone())
    }
}
