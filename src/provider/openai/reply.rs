//! A whole answer: passed on as it is, but for what its host says otherwise, and read for its usage and its message.

use std::borrow::Cow;

use crate::json::{RawObject, each_item, pick};
use crate::provider::Reply;
use crate::provider::host::Host;

use super::{draft, rewrite, usage};

/// Members of a message that go into the thread. The rest (annotations, reasoning, audio) is not wanted back by providers.
const KEPT: [&str; 5] = ["role", "content", "refusal", "function_call", "tool_calls"];

/// `None` when it is no chat completion: not JSON, no object, no array of choices, or an error.
pub(super) fn read<'b>(body: &'b [u8], host: Option<&'static Host>) -> Option<Reply<'b>> {
    let body = host.map_or(Cow::Borrowed(body), |host| rewritten(body, host));
    let text = core::str::from_utf8(&body).ok()?;
    let [choices, reported, error] = pick(text, ["choices", "usage", "error"]).ok()?;
    let (mut position, mut message, mut output_bytes) = (0, None, 0);
    each_item(choices?.get(), |choice| {
        if let Ok([index, Some(raw)]) = pick(choice.get(), ["index", "message"]) {
            output_bytes += draft::text_bytes(raw.get());
            if index.map_or(position == 0, |index| index.get() == "0") {
                message = thread_message(raw.get());
            }
        }
        position += 1;
    })
    .ok()?;
    if error.is_some() && position == 0 {
        return None;
    }
    let usage = reported.and_then(usage::read);
    Some(Reply { body, usage, message, output_bytes: output_bytes as u64, private: Vec::new() })
}

fn rewritten<'b>(body: &'b [u8], host: &'static Host) -> Cow<'b, [u8]> {
    let other = core::str::from_utf8(body).ok().and_then(|text| rewrite::whole(text, host));
    other.map_or(Cow::Borrowed(body), |text| Cow::Owned(text.into_bytes()))
}

/// The message without what providers do not want back.
fn thread_message(raw: &str) -> Option<String> {
    let mut message = RawObject::parse(raw).ok()?;
    let dropped: Vec<String> = message
        .iter()
        .filter(|(name, value)| !KEPT.contains(name) || (*name != "content" && matches!(value.get(), "null" | "[]")))
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in dropped {
        message.remove(&name);
    }
    if message.get("role").is_none() {
        message.set("role", Cow::Owned(crate::json::string("assistant")));
    }
    String::from_utf8(message.to_bytes()).ok()
}
