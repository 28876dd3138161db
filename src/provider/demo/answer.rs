//! What the demo says: quotes and counts in Markdown, JSON where it was asked for, arguments for tools.
//!
//! Always holds: text says that it is a demo's; the variant follows from the prompt alone.

use core::fmt::Write as _;

use serde_json::json;

use super::prompt::{Form, Prompt};
use super::schema;
use super::trigger::{HELP, Trigger};

/// One answer, before it is cut into pieces.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// Text, and whether a filter stopped it.
    Text { text: String, filtered: bool },
    /// A refusal.
    Refusal(String),
    /// Calls: name, and arguments as JSON.
    Calls(Vec<(String, String)>),
}

const LONG_WORDS: usize = 2_000;
/// Longest quotation of what was said, in characters.
const MAX_QUOTE: usize = 240;

/// The answer to a prompt. `choice` numbers the alternatives of one request, so that they differ.
pub(super) fn answer(prompt: &Prompt, trigger: Option<Trigger>, choice: u64) -> Answer {
    let text = match (trigger, &prompt.form) {
        (Some(Trigger::Help), _) => HELP.to_owned(),
        (Some(Trigger::Long), _) => long(),
        (Some(Trigger::Refuse), _) => return Answer::Refusal("I refuse, because you asked the demo to: `demo:refuse`.".to_owned()),
        (Some(Trigger::Filter), _) => {
            return Answer::Text { text: "This demo answer is stopped by a content filter in the middle of".to_owned(), filtered: true };
        }
        (None, Form::Calls(tools)) => {
            let arguments = |tool: &super::prompt::Tool| schema::example(&tool.parameters, &prompt.said).to_string();
            return Answer::Calls(tools.iter().map(|tool| (tool.name.clone(), arguments(tool))).collect());
        }
        (None, Form::JsonSchema(schema)) => schema::example(schema, &prompt.said).to_string(),
        (None, Form::JsonObject) => json!({"demo": true, "messages": prompt.messages, "you_wrote": short(&prompt.said)}).to_string(),
        _ => markdown(prompt, choice),
    };
    Answer::Text { text, filtered: false }
}

fn markdown(prompt: &Prompt, choice: u64) -> String {
    let mut text = String::from("### A reply from the demo\n\n");
    if choice > 0 {
        let _ = write!(text, "This is choice {}.\n\n", choice + 1);
    }
    if prompt.user_is_last || prompt.tool_results.is_empty() {
        let _ = write!(text, "You wrote:\n\n{}\n\n", quote(&prompt.said));
    }
    for result in &prompt.tool_results {
        let _ = write!(text, "The tool answered:\n\n{}\n\n", quote(result));
    }
    text += "I am Behest's built-in demo: **no language model read this**, but everything around it is real.\n\n";
    let _ = writeln!(text, "- I was sent {}.", counted(prompt.messages, "message"));
    if prompt.images > 0 {
        let _ = writeln!(text, "- I was sent {}.", counted(prompt.images, "image"));
    }
    if let Some(before) = &prompt.said_before {
        let _ = writeln!(text, "- Before that you said: “{}”", short(before));
    }
    let _ = write!(text, "- Your message has {}.\n\n", counted(prompt.said.split_whitespace().count(), "word"));
    text += SHOWPIECES.get(prompt.said.len() % SHOWPIECES.len()).copied().unwrap_or_default();
    text += "\nSend `demo:help` to see what else I can do.\n";
    text
}

/// Something to render, chosen by the length of the prompt.
const SHOWPIECES: [&str; 4] = [
    "```js\nconst reply = await client.chat.completions.create({\n  model: \"any\",\n  messages: [{ role: \"user\", content: \"Hello\" }],\n});\n```\n",
    "| part | is |\n|---|---|\n| token | real |\n| limits | real |\n| thread | real |\n| answer | a demo |\n",
    "1. Your token was checked.\n2. Your limits were counted.\n3. This text was streamed, word by word.\n",
    "> A gateway is at its best when nobody notices it.\n\nInline code looks like `this`, and a link like [this](https://example.com).\n",
];

fn long() -> String {
    const SENTENCE: &str = "This sentence of the demo says nothing, at some length, so that a long answer can be watched. ";
    let mut text = String::from("### A long answer from the demo\n\n");
    let mut words = text.split_whitespace().count();
    let per_sentence = SENTENCE.split_whitespace().count();
    while words + per_sentence <= LONG_WORDS {
        text += SENTENCE;
        words += per_sentence;
        if words % 90 < per_sentence {
            text += "\n\n";
        }
    }
    let missing: Vec<&str> = std::iter::repeat_n("word", LONG_WORDS - words).collect();
    text + &missing.join(" ")
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A Markdown quotation.
fn quote(text: &str) -> String {
    match short(text).trim() {
        "" => "> (nothing)".to_owned(),
        text => text.lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n"),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_answer_has_the_length_that_is_promised() {
        assert_eq!(long().split_whitespace().count(), LONG_WORDS);
    }
}
