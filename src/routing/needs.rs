//! What a request needs of a model: read only when the gateway has to choose one.
//!
//! Always holds: what is not recognised needs nothing, so that nothing is refused for it. A model that the catalogue does not know
//! is taken at its owner's word. Absent on purpose: whether the request is valid (the dialect says so).

use crate::api::chat::ChatRequest;
use crate::catalog::{self, Capability, Mode};
use crate::json;
use crate::provider::Kind;

/// Parts of a message that a model must be able to take in.
const PARTS: [(&str, Capability); 4] = [
    ("image_url", Capability::ImageInput),
    ("file", Capability::DocumentInput),
    ("input_audio", Capability::AudioInput),
    ("video_url", Capability::VideoInput),
];

/// What a request needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What the model must be able to do.
    pub capabilities: Vec<Capability>,
    /// Prompt tokens, by our estimate.
    pub input: u64,
    /// The most output tokens per choice, if the client said.
    pub output: Option<u64>,
}

impl Needs {
    /// What this request needs.
    pub fn of(chat: &ChatRequest<'_>) -> Self {
        let mut needs = Self { capabilities: Vec::new(), input: chat.prompt_tokens_estimate(), output: chat.max_output };
        let has = |name: &str| chat.member(name).is_some_and(|value| !matches!(json::compact(value.get()).as_ref(), "[]" | "{}"));
        if has("tools") || has("functions") {
            needs.add(Capability::Tools);
        }
        let kind = chat.member("response_format").and_then(|format| json::pick(format.get(), ["type"]).ok()).and_then(|[kind]| kind);
        if kind.and_then(json::text).as_deref() == Some("json_schema") {
            needs.add(Capability::Schema);
        }
        if has("audio") {
            needs.add(Capability::AudioOutput);
        }
        for message in &chat.messages {
            needs.add_parts(message.raw.get());
        }
        needs
    }

    /// Whether a model can do it, as far as is known.
    pub fn met_by(&self, kind: Kind, model: &str) -> bool {
        let Some(known) = catalog::find(kind.name(), model) else { return true };
        let room = known.context_window.is_none_or(|window| self.input.saturating_add(self.output.unwrap_or(0)) <= window)
            && known.max_output.is_none_or(|most| self.output.unwrap_or(0) <= most);
        known.mode == Mode::Chat && room && self.capabilities.iter().all(|capability| known.capabilities.has(*capability))
    }

    fn add(&mut self, capability: Capability) {
        if !self.capabilities.contains(&capability) {
            self.capabilities.push(capability);
        }
    }

    fn add_parts(&mut self, message: &str) {
        let Ok([Some(content)]) = json::pick(message, ["content"]) else { return };
        let mut found = Vec::new();
        let read = json::each_item(content.get(), |part| {
            let kind = json::pick(part.get(), ["type"]).ok().and_then(|[kind]| kind).and_then(json::text);
            found.extend(PARTS.iter().find(|(name, _)| kind.as_deref() == Some(*name)).map(|(_, capability)| *capability));
        });
        if read.is_ok() {
            for capability in found {
                self.add(capability);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Capability::{AudioInput, DocumentInput, ImageInput, Schema, Tools};

    #[test]
    fn needs_are_read() {
        let part =
            |kind: &str| format!(r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"x"}},{{"type":"{kind}"}}]}}]}}"#);
        let with = |more: &str| format!(r#"{{"messages":[{{"role":"user","content":"x"}}],{more}}}"#);
        for (body, expected) in [
            (with(r#""n":1"#), vec![]),
            (with(r#""tools":[]"#), vec![]),
            (with(r#""tools":[{"type":"function"}]"#), vec![Tools]),
            (with(r#""functions":[{}],"tools":[{}]"#), vec![Tools]),
            (with(r#""response_format":{"type":"json_object"}"#), vec![]),
            (with(r#""response_format":{"type":"json_schema"},"tools":[1]"#), vec![Tools, Schema]),
            (part("image_url"), vec![ImageInput]),
            (part("file"), vec![DocumentInput]),
            (part("input_audio"), vec![AudioInput]),
            (part("something"), vec![]),
        ] {
            assert_eq!(Needs::of(&ChatRequest::parse(body.as_bytes()).unwrap()).capabilities, expected, "{body}");
        }
    }

    #[test]
    fn the_catalogue_says_who_can() {
        let needs = |capabilities: &[Capability], input, output| Needs { capabilities: capabilities.to_vec(), input, output };
        for (needs, kind, model, can) in [
            (needs(&[Tools, ImageInput, Schema], 1_000, Some(1_000)), Kind::OpenAi, "gpt-4o", true),
            (needs(&[], 200_000, None), Kind::OpenAi, "gpt-4o", false),
            (needs(&[], 100, Some(100_000)), Kind::OpenAi, "gpt-4o", false),
            (needs(&[ImageInput], 100, None), Kind::OpenAi, "gpt-3.5-turbo", false),
            (needs(&[], 100, None), Kind::OpenAi, "text-embedding-3-small", false),
            (needs(&[ImageInput, Tools], 1_000_000, None), Kind::OpenAiCompatible, "our-own", true),
        ] {
            assert_eq!(needs.met_by(kind, model), can, "{needs:?} {model}");
        }
    }
}
