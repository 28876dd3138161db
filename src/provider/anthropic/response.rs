//! A whole answer of the Messages API as a chat completion.
//!
//! Always holds: blocks that are not for the client (tools that Anthropic ran itself, types not known here) are left out.

use serde_json::value::RawValue;

use super::thought::Collector;
use super::usage::Counts;
use crate::json::{self, each_item, pick};
use crate::provider::private::Maker;
use crate::provider::shape::{Draft, Escaped, Finish, Head, completion};
use crate::provider::{Reply, Target};

/// The client's extension for where a text is from.
pub(super) const CITATIONS: &str = "citations";

/// `None` when it is no message. `json_tool`: the tool whose arguments are the answer.
pub(super) fn read(body: &[u8], json_tool: Option<&str>, target: &Target, now_s: u64) -> Option<Reply<'static>> {
    let text = core::str::from_utf8(body).ok()?;
    let [kind, id, model, content, stop, usage] = pick(text, ["type", "id", "model", "content", "stop_reason", "usage"]).ok()?;
    if kind.map(RawValue::get) != Some("\"message\"") {
        return None;
    }
    let json = json_tool.and_then(|name| arguments(content?, name));
    let mut answer =
        Answer { draft: Draft::default(), thoughts: Collector::of(Maker::of(target)), said: 0, json_tool, is_json: json.is_some() };
    if let Some(json) = json {
        answer.draft.text(Escaped::text(json.get()).get());
    }
    each_item(content?.get(), |block| answer.block(block)).ok()?;
    let mut counts = Counts::default();
    if let Some(usage) = usage {
        counts.complete(usage);
    }
    let usage = counts.tokens();
    let Answer { mut draft, thoughts, .. } = answer;
    draft.finish(finish(stop.and_then(json::text).as_deref(), draft.has_calls()));
    let (message, output_bytes) = (draft.message(), draft.output_bytes());
    let head = head(id, model, target, now_s);
    let body = completion(&head, &[draft], usage.as_ref()).into();
    Some(Reply { body, usage, message, output_bytes, private: thoughts.private() })
}

/// What every chunk and answer says of itself.
pub(super) fn head(id: Option<&RawValue>, model: Option<&RawValue>, target: &Target, now_s: u64) -> Head {
    let text = |value: Option<&RawValue>| value.and_then(json::text).filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned);
    Head { id: text(id).unwrap_or_else(|| "msg".to_owned()), model: text(model).unwrap_or_else(|| target.model.clone()), created: now_s }
}

/// Why it ended, in OpenAI's words.
pub(super) fn finish(stop_reason: Option<&str>, has_calls: bool) -> Finish {
    match stop_reason {
        // `pause_turn` and `compaction`: there is more to say, and nobody who would ask for it.
        Some("max_tokens" | "model_context_window_exceeded" | "pause_turn" | "compaction") => Finish::Length,
        Some("refusal") => Finish::ContentFilter,
        // A call of the tool whose arguments are the answer is none to the client.
        Some("tool_use") if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

/// What the first call of this tool was given.
fn arguments<'a>(content: &'a RawValue, tool: &str) -> Option<&'a RawValue> {
    let mut first = None;
    let _ = each_item(content.get(), |block| {
        if let Ok([Some(name), Some(input)]) = pick(block.get(), ["name", "input"])
            && json::text(name).as_deref() == Some(tool)
        {
            first.get_or_insert(input);
        }
    });
    first
}

struct Answer<'t> {
    draft: Draft,
    thoughts: Collector,
    /// Bytes of text so far.
    said: u64,
    json_tool: Option<&'t str>,
    /// The answer came as that tool's arguments: other text is none.
    is_json: bool,
}

impl Answer<'_> {
    fn block(&mut self, block: &RawValue) {
        let Ok([kind, text, thinking, id, name, input, citations]) =
            pick(block.get(), ["type", "text", "thinking", "id", "name", "input", CITATIONS])
        else {
            return;
        };
        match kind.map_or("", RawValue::get) {
            "\"text\"" => {
                if let Some(text) = text.and_then(Escaped::of).filter(|_| !self.is_json) {
                    self.said += text.text_len();
                    self.draft.text(text);
                }
                let _ = citations.map(|all| each_item(all.get(), |citation| self.draft.extension(CITATIONS, citation)));
            }
            "\"thinking\"" => {
                if let Some(thought) = thinking.and_then(Escaped::of) {
                    self.draft.reasoning(thought);
                }
                self.thoughts.thought(self.said, block.to_owned());
            }
            "\"redacted_thinking\"" => self.thoughts.thought(self.said, block.to_owned()),
            "\"tool_use\"" => self.call(id, name, input),
            _ => {}
        }
    }

    fn call(&mut self, id: Option<&RawValue>, name: Option<&RawValue>, input: Option<&RawValue>) {
        let arguments = Escaped::text(input.map_or("{}", RawValue::get));
        if self.json_tool.is_some() && name.and_then(json::text).as_deref() == self.json_tool {
            return;
        }
        let (Some(id), Some(name)) = (id.and_then(Escaped::of), name.and_then(Escaped::of)) else { return };
        if let Some(index) = self.draft.call(id, name, None) {
            self.draft.arguments(index, arguments.get());
            self.thoughts.call(id.as_str(), self.said);
        }
    }
}
