//! An answer of a host with quirks, as OpenAI would have said it: members are added or exchanged in the text, the rest of which
//! keeps its bytes.
//!
//! Always holds: what is not there is not changed, so an answer without quirks costs a look and no copy; reasoning has the name
//! `reasoning_content` and nothing that the host said is lost.

use core::ops::Range;

use memchr::memmem;
use serde_json::value::RawValue;

use crate::json::{each_item, pick, quoted};
use crate::provider::Target;
use crate::provider::host::{Host, Quirk};

/// What a host's answers want, and what one stream has seen of it.
#[derive(Debug, Default)]
pub(super) struct Rewrite {
    host: Option<&'static Host>,
    /// `prompt_filter_results` that came without a choice, to go out with the first.
    held: Option<String>,
}

impl Rewrite {
    pub(super) fn of(target: &Target) -> Self {
        Self { host: target.host, held: None }
    }

    /// The usage that is not where OpenAI has it.
    pub(super) fn usage<'t>(&self, text: &'t str) -> Option<&'t RawValue> {
        self.host.filter(|host| host.has(Quirk::UsageInXGroq))?;
        let [groq] = pick(text, ["x_groq"]).ok()?;
        let [usage] = pick(groq?.get(), ["usage"]).ok()?;
        usage
    }

    /// A chunk of a stream. `usage`: the client wants it, and this one is not where it looks.
    pub(super) fn chunk(&mut self, text: &str, usage: Option<&RawValue>) -> Rewritten {
        let Some(host) = self.host else { return Rewritten::Same };
        if host.has(Quirk::Azure) {
            return self.with_filter_results(text);
        }
        let mut edits = Edits::of(text);
        choices(&mut edits, host, "delta");
        if let Some(usage) = usage {
            edits.set_null("usage", usage.get());
        }
        edits.apply()
    }

    /// Azure's first chunk has no choice, which half of the world reads of every chunk: what it says goes out with the next.
    fn with_filter_results(&mut self, text: &str) -> Rewritten {
        let Ok([Some(choices), results, usage]) = pick(text, ["choices", "prompt_filter_results", "usage"]) else {
            return Rewritten::Same;
        };
        let empty = choices.get().trim_start_matches('[').trim_start() == "]";
        match (empty, results) {
            (true, Some(results)) if usage.is_none() => {
                self.held = Some(results.get().to_owned());
                Rewritten::Nothing
            }
            (false, None) => match self.held.take() {
                Some(held) => {
                    let mut edits = Edits::of(text);
                    edits.insert(text, "prompt_filter_results", &held);
                    edits.apply()
                }
                None => Rewritten::Same,
            },
            _ => Rewritten::Same,
        }
    }
}

/// A whole answer; `None` if it stays as it is.
pub(super) fn whole(text: &str, host: &'static Host) -> Option<String> {
    let mut edits = Edits::of(text);
    choices(&mut edits, host, "message");
    match edits.apply() {
        Rewritten::Text(text) => Some(text),
        Rewritten::Same | Rewritten::Nothing => None,
    }
}

/// What became of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Rewritten {
    /// Nothing was to be changed.
    Same,
    /// It has nothing for the client now.
    Nothing,
    /// This instead.
    Text(String),
}

fn choices(edits: &mut Edits<'_>, host: &Host, part: &'static str) {
    let named = host.has(Quirk::Reasoning) && memmem::find(edits.text.as_bytes(), b"\"reasoning\"").is_some();
    let parts = host.has(Quirk::ThinkingParts);
    if !(named || parts || !host.finishes.is_empty()) {
        return;
    }
    let Ok([Some(choices)]) = pick(edits.text, ["choices"]) else { return };
    // What is no array has nothing to change.
    let _ = each_item(choices.get(), |choice| {
        let Ok([said, finish]) = pick(choice.get(), [part, "finish_reason"]) else { return };
        if let Some(said) = said {
            if named {
                reasoning(edits, said);
            }
            if parts {
                thinking(edits, said);
            }
        }
        let finish = finish.and_then(|finish| Some((finish, quoted(finish)?)));
        if let Some((raw, own)) = finish
            && let Some((_, openai)) = host.finishes.iter().find(|(name, _)| *name == own)
        {
            edits.replace(raw, format!("\"{openai}\""));
        }
    });
}

/// `reasoning`, under the name that clients know too.
fn reasoning(edits: &mut Edits<'_>, said: &RawValue) {
    if let Ok([Some(reasoning), None]) = pick(said.get(), ["reasoning", "reasoning_content"])
        && quoted(reasoning).is_some()
    {
        edits.insert(said.get(), "reasoning_content", reasoning.get());
    }
}

/// Content in parts: the thoughts become `reasoning_content`, and the content is text if text is all that is left.
fn thinking(edits: &mut Edits<'_>, said: &RawValue) {
    let Ok([Some(content), None]) = pick(said.get(), ["content", "reasoning_content"]) else { return };
    let (mut thoughts, mut text, mut others) = (String::new(), String::new(), false);
    let read = each_item(content.get(), |part| {
        let Ok([kind, thinking, said]) = pick(part.get(), ["type", "thinking", "text"]) else { return };
        match kind.and_then(quoted) {
            Some("thinking") => thinking.into_iter().for_each(|thinking| push_texts(&mut thoughts, thinking)),
            Some("text") => text.push_str(said.and_then(quoted).unwrap_or_default()),
            _ => others = true,
        }
    });
    if read.is_err() {
        return;
    }
    if !thoughts.is_empty() {
        edits.insert(said.get(), "reasoning_content", &format!("\"{thoughts}\""));
    }
    if !others {
        edits.replace(content, format!("\"{text}\""));
    }
}

/// A thought: a string, or an array of text parts.
fn push_texts(thoughts: &mut String, thinking: &RawValue) {
    if let Some(text) = quoted(thinking) {
        thoughts.push_str(text);
        return;
    }
    let _ = each_item(thinking.get(), |part| {
        if let Ok([Some(text)]) = pick(part.get(), ["text"]) {
            thoughts.push_str(quoted(text).unwrap_or_default());
        }
    });
}

/// Changes to a text, by place.
struct Edits<'t> {
    text: &'t str,
    all: Vec<(Range<usize>, String)>,
}

impl<'t> Edits<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, all: Vec::new() }
    }

    /// Adds a member at the beginning of an object that is part of the text.
    fn insert(&mut self, object: &str, name: &str, value: &str) {
        let Some(inner) = object.trim_start().strip_prefix('{') else { return };
        let comma = if inner.trim_start().starts_with('}') { "" } else { "," };
        if let Some(at) = self.place(inner) {
            self.all.push((at.start..at.start, format!("\"{name}\":{value}{comma}")));
        }
    }

    /// Puts something else in the place of a part of the text.
    fn replace(&mut self, part: &RawValue, with: String) {
        if let Some(at) = self.place(part.get()) {
            self.all.push((at, with));
        }
    }

    /// Sets a member of the whole that is `null` or missing.
    fn set_null(&mut self, name: &str, value: &str) {
        let mut null = None;
        let _ = crate::json::each_member(self.text, |key, value| {
            if quoted(key) == Some(name) {
                null = Some(value);
            }
        });
        match null {
            Some(null) => self.replace(null, value.to_owned()),
            None => self.insert(self.text, name, value),
        }
    }

    /// Where a part of the text stands in it.
    fn place(&self, part: &str) -> Option<Range<usize>> {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        let range = start..start.checked_add(part.len())?;
        (self.text.get(range.clone()) == Some(part)).then_some(range)
    }

    fn apply(mut self) -> Rewritten {
        if self.all.is_empty() {
            return Rewritten::Same;
        }
        self.all.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(self.text.len() + self.all.iter().map(|(_, with)| with.len()).sum::<usize>());
        let mut from = 0;
        for (range, with) in self.all {
            out.push_str(self.text.get(from..range.start).unwrap_or_default());
            out.push_str(&with);
            from = range.end;
        }
        out.push_str(self.text.get(from..).unwrap_or_default());
        Rewritten::Text(out)
    }
}
