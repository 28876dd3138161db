//! The last words of an answer that the gateway ends, in the clients' dialect: every open choice ends for its `length`, the
//! last of them with `details` that say why; then the usage comes, if the client asked for it.
//!
//! Always holds: the chunks have the id and the model of those before them; who knows nothing of `details` sees an ordinary
//! end. It has no event of its own because that would have no choice, and half of the world reads `choices[0]` of every
//! chunk. Absent on purpose: when an answer is stopped (`crate::meter`), and `[DONE]`, which is the caller's.

use core::fmt::Write as _;

use serde_json::{Value, json};

use crate::api::usage::TokenUsage;
use crate::error::Error;
use crate::sse;

/// The most choices told apart, as many as OpenAI allows.
const MAX_CHOICES: usize = 128;

/// The choices of an answer, and which of them have ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices(Vec<(u64, bool)>);

impl Choices {
    /// A choice was seen; `ended`: with its finish reason.
    pub(super) fn see(&mut self, index: u64, ended: bool) {
        if let Some((_, over)) = self.0.iter_mut().find(|(known, _)| *known == index) {
            *over |= ended;
        } else if self.0.len() < MAX_CHOICES {
            self.0.push((index, ended));
        }
    }
}

/// Appends the last words. `head`: the members that all chunks of the answer share, as JSON without braces.
pub(super) fn write(head: &str, choices: &Choices, why: &Error, usage: Option<TokenUsage>, out: &mut Vec<u8>) {
    let mut chunk = |members: &str| sse::encode_into(format!("{{{head},{members}}}").as_bytes(), out);
    let details = details(why);
    let mut open = choices.0.iter().filter(|(_, ended)| !ended).map(|(index, _)| index).peekable();
    if open.peek().is_none() {
        chunk(&format!(r#""choices":[],"details":{details}"#));
    }
    while let Some(index) = open.next() {
        let end = format!(r#""choices":[{{"index":{index},"delta":{{}},"logprobs":null,"finish_reason":"length"}}]"#);
        chunk(&if open.peek().is_some() { end } else { format!(r#"{end},"details":{details}"#) });
    }
    if let Some(TokenUsage { input, output, .. }) = usage {
        let total = input.saturating_add(output);
        let counts = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": total});
        chunk(&format!(r#""choices":[],"usage":{counts}"#));
    }
}

/// The `head` of chunks with these values, each given as JSON.
pub(super) fn head(id: Option<&str>, created: Option<&str>, model: Option<&str>) -> String {
    let mut head = String::new();
    for (name, value) in [("id", id), ("object", Some(r#""chat.completion.chunk""#)), ("created", created), ("model", model)] {
        if let Some(value) = value {
            let comma = if head.is_empty() { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(head, r#"{comma}"{name}":{value}"#);
        }
    }
    head
}

/// The code, and what an error with it would have in its `details`.
fn details(why: &Error) -> Value {
    let mut details = why.details().cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = details.as_object_mut() {
        members.insert("code".to_owned(), json!(why.name()));
    }
    details
}
