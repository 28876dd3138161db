//! What a client sent against what its thread holds: which of it is new, what is put before it, what is rewound.
//!
//! Two habits must both work: sending only what is new, and sending the whole history each time. Always holds: what the
//! model is sent never holds the history twice, and only a list that begins as the thread does can rewind it.
//! Absent on purpose: the window (`history`), rows (`turn`), and system messages, which are neither stored nor compared.

use core::cell::Cell;

use serde_json::value::RawValue;

use super::message::{Comparable, is_instruction};

/// Comparisons made to find a sliding window before it counts as not found: an adversary's lists must not cost n².
const MOST_COMPARISONS: usize = 200_000;

/// What to do with the client's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// So many stored messages, from the first, go before the client's list (as far as they fit the window).
    pub prepend: usize,
    /// The first of the client's messages that is to be stored.
    pub new_from: usize,
    /// Set if only so many stored messages remain.
    pub keep: Option<usize>,
}

/// How many messages at the beginning of the client's list are system or developer messages: history goes behind them.
pub fn leading_instructions(sent: &[Box<RawValue>]) -> usize {
    sent.iter().take_while(|message| is_instruction(message)).count()
}

/// Decides by the first rule that applies.
pub fn reconcile(stored: &[&RawValue], sent: &[&RawValue]) -> Plan {
    let lists = Lists::new(stored, sent);
    let (all, common) = (lists.stored.len(), lists.run(0, 0));
    if common == all {
        // It begins with everything stored.
        return Plan { prepend: 0, new_from: lists.place(common), keep: None };
    }
    if lists.is_addition() {
        return Plan { prepend: all, new_from: lists.place(0), keep: None };
    }
    if common > 0 {
        // An edit, a regeneration, or a shorter list: the client's version of the rest counts.
        return Plan { prepend: 0, new_from: lists.place(common), keep: Some(common) };
    }
    // A client that forgets the oldest sends a later stretch of the thread. Else all of it is new; the history goes before
    // it unless the client holds the history itself.
    let window = lists.window_at_end().or_else(|| lists.window_inside());
    let (start, matched) = window.unwrap_or_else(|| (if lists.holds_a_reply() { 0 } else { all }, 0));
    Plan { prepend: start, new_from: lists.place(matched), keep: None }
}

/// Both lists without system messages; `places` are the indices in the client's own list.
struct Lists<'a> {
    stored: Vec<Comparable<'a>>,
    sent: Vec<Comparable<'a>>,
    places: Vec<usize>,
    sent_length: usize,
    comparisons: Cell<usize>,
}

impl<'a> Lists<'a> {
    fn new(stored: &[&'a RawValue], sent: &[&'a RawValue]) -> Self {
        let compared = sent.iter().enumerate().filter(|(_, message)| !is_instruction(message));
        let (places, compared) = compared.map(|(place, message)| (place, Comparable::new(message))).unzip();
        let stored = stored.iter().map(|message| Comparable::new(message)).collect();
        Self { stored, sent: compared, places, sent_length: sent.len(), comparisons: Cell::new(0) }
    }

    fn place(&self, index: usize) -> usize {
        self.places.get(index).copied().unwrap_or(self.sent_length)
    }

    /// How many messages are the same from there on.
    fn run(&self, stored_from: usize, sent_from: usize) -> usize {
        let stored = self.stored.iter().skip(stored_from);
        let length = stored.zip(self.sent.iter().skip(sent_from)).take_while(|(a, b)| a.matches(b)).count();
        self.comparisons.set(self.comparisons.get() + length + 1);
        length
    }

    fn exhausted(&self) -> bool {
        self.comparisons.get() > MOST_COMPARISONS
    }

    /// One user message, or nothing but tool results.
    fn is_addition(&self) -> bool {
        match self.sent.as_slice() {
            [] => false,
            [only] if only.role() == "user" => true,
            all => all.iter().all(|message| message.role() == "tool"),
        }
    }

    /// Where the thread's last messages are the client's first: (first stored one, how many).
    fn window_at_end(&self) -> Option<(usize, usize)> {
        let longest = self.stored.len().min(self.sent.len());
        let starts = self.stored.len() - longest..self.stored.len();
        let mut candidates = starts.take_while(|_| !self.exhausted());
        candidates.find_map(|start| (self.run(start, 0) == self.stored.len() - start).then(|| (start, self.stored.len() - start)))
    }

    /// Where a list that shows that the client keeps history (it holds a reply) begins inside the thread and then leaves it: a window
    /// with an edit. The longest such stretch, the latest of equals. Nothing is rewound: that needs a shared beginning.
    fn window_inside(&self) -> Option<(usize, usize)> {
        if !self.sent.iter().any(|message| message.role() == "assistant") {
            return None;
        }
        let starts = (1..self.stored.len()).rev().take_while(|_| !self.exhausted());
        let runs = starts.map(|start| (start, self.run(start, 0))).filter(|(_, length)| *length > 0);
        runs.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// Whether any of the thread's replies is in the client's list: its first message was edited.
    fn holds_a_reply(&self) -> bool {
        let (stored, sent) = (replies(&self.stored), replies(&self.sent));
        sent.iter().any(|from| stored.iter().take_while(|_| !self.exhausted()).any(|start| self.run(*start, *from) > 0))
    }
}

fn replies(list: &[Comparable]) -> Vec<usize> {
    list.iter().enumerate().filter(|(_, message)| message.role() == "assistant").map(|(place, _)| place).collect()
}
