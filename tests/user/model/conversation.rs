//! What the threads must hold, kept by hand. Every text begins with a word of its own, so loss and doubling show.
//!
//! Absent on purpose: odd clients; these send only what is new, or all of it, or all of it up to an edit.

use std::collections::BTreeMap;

use behest::api::estimate::message_tokens;
use behest::user::command::{BeginThread, ThreadFinish};
use serde_json::value::RawValue;

#[derive(Clone, Debug, Default)]
pub struct Conversations {
    pub threads: BTreeMap<String, Thread>,
    births: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Thread {
    pub texts: Vec<String>,
    version: u64,
    born: u64,
}

/// What a client sends, and what must come of it if nothing happens meanwhile.
#[derive(Clone, Debug)]
pub struct Intent {
    pub thread: String,
    pub sent: Vec<String>,
    pub window_tokens: u64,
    /// The question is new, or only the reply is.
    pub asked: Option<String>,
    keep: Option<usize>,
    only_new: bool,
    version: u64,
    born: Option<u64>,
}

impl Conversations {
    /// A client's next message, by one habit or the other.
    pub fn intend(&self, rng: &mut fastrand::Rng, number: u64, threads: u8) -> Intent {
        let thread = format!("t{}", rng.u8(..threads));
        let now = self.threads.get(&thread);
        let question = format!("q{number} what?");
        let (version, born) = (now.map_or(0, |thread| thread.version), now.map(|thread| thread.born));
        let window_tokens = if rng.u8(..8) == 0 { 0 } else { 1_000_000 };
        let mut intent = Intent {
            thread,
            sent: vec![question.clone()],
            window_tokens,
            asked: Some(question),
            keep: None,
            only_new: true,
            version,
            born,
        };
        let texts = now.map_or(&[][..], |thread| &thread.texts);
        if rng.bool() || texts.is_empty() {
            return intent;
        }
        intent.only_new = false;
        let mut sent: Vec<String> = texts.iter().map(|text| seen_by_client(rng, text)).collect();
        // An edit or a regeneration needs something in common, and more than one message sent.
        let questions: Vec<usize> = (2..texts.len()).filter(|place| texts[*place].starts_with('q')).collect();
        match (rng.u8(..4), rng.choice(questions)) {
            (0, Some(place)) => {
                sent.truncate(place);
                sent.extend(intent.asked.clone());
                intent.keep = Some(place);
            }
            (1, Some(place)) if place + 1 < texts.len() => {
                sent.truncate(place + 1);
                intent.asked = None;
                intent.keep = Some(place + 1);
            }
            _ => sent.extend(intent.asked.clone()),
        }
        intent.sent = sent;
        intent
    }

    /// What goes before the client's list if the request is begun now: everything, for a client that sends only what is new.
    pub fn history(&self, intent: &Intent) -> Vec<String> {
        let stored = self.threads.get(&intent.thread).map_or(&[][..], |thread| &thread.texts);
        if intent.only_new && intent.window_tokens > 0 { stored.to_vec() } else { Vec::new() }
    }

    /// Stores a turn; false if there is nothing to store, or the thread was deleted meanwhile.
    pub fn store(&mut self, intent: &Intent, reply: Option<&str>) -> bool {
        let Some(reply) = reply else { return false };
        let now = self.threads.get(&intent.thread);
        if intent.born.is_some() && intent.born != now.map(|thread| thread.born) {
            return false;
        }
        if now.is_none() {
            self.births += 1;
        }
        let born = self.births;
        let thread = self.threads.entry(intent.thread.clone()).or_insert(Thread { born, ..Thread::default() });
        if let Some(keep) = intent.keep.filter(|_| thread.version == intent.version) {
            thread.texts.truncate(keep);
        }
        thread.texts.extend(intent.asked.clone());
        thread.texts.push(reply.to_owned());
        thread.version += 1;
        true
    }

    /// Whether a turn that would have rewound is to be appended instead.
    pub fn changed_since(&self, intent: &Intent) -> bool {
        self.threads.get(&intent.thread).is_some_and(|thread| thread.version != intent.version)
    }
}

impl Intent {
    /// The thread as it is now: what a repeated begin reads.
    pub fn still_fits(&self, now: &Conversations) -> bool {
        let thread = now.threads.get(&self.thread);
        self.born == thread.map(|thread| thread.born) && self.version == thread.map_or(0, |thread| thread.version)
    }

    pub fn begin(&self) -> BeginThread {
        BeginThread {
            id: self.thread.clone(),
            messages: self.sent.iter().map(|text| body(text)).collect(),
            window_tokens: self.window_tokens,
        }
    }

    pub fn finish(&self, base: behest::user::command::Base, reply: Option<&str>, complete: bool) -> ThreadFinish {
        ThreadFinish { id: self.thread.clone(), base, messages: self.begin().messages, reply: reply.map(body), complete }
    }
}

/// A reply may be cut in the client: some of it after its first word, or all.
fn seen_by_client(rng: &mut fastrand::Rng, text: &str) -> String {
    match text.split_once(' ') {
        Some((word, _)) if text.starts_with('r') && rng.u8(..3) == 0 => text[..rng.usize(word.len() + 1..=text.len())].to_owned(),
        _ => text.to_owned(),
    }
}

pub fn body(text: &str) -> Box<RawValue> {
    let role = if text.starts_with('q') { "user" } else { "assistant" };
    RawValue::from_string(format!("{{\"role\":\"{role}\",\"content\":\"{text}\"}}")).unwrap()
}

pub fn tokens(texts: &[String]) -> u64 {
    texts.iter().map(|text| message_tokens(body(text).get())).sum()
}

/// The word that is a text's own.
pub fn word(text: &str) -> &str {
    text.split(' ').next().unwrap()
}
