//! What must be kept of the calls of answers, kept by hand: the newest of each id, for a day, as long as its thread is there.
//!
//! Always holds: what is old may lie there until something is written beside it or the alarm rings, and is never given out. Absent
//! on purpose: the bounds, which no schedule here reaches (`private`).

use std::collections::BTreeMap;

use behest::api::estimate::text_tokens;
use behest::provider::private::Maker;
use behest::provider::{Kind, Private};
use behest::user::command::{Begin, Finish};

use super::ledger::DAY;
use crate::memory::Memory;
use crate::words::raw;

/// What is kept, by the number of the request.
#[derive(Clone, Debug, Default)]
pub struct Keeping(BTreeMap<u64, Row>);

#[derive(Clone, Debug)]
struct Row {
    at: u64,
    thread: Option<String>,
    calls: Vec<Private>,
}

impl Keeping {
    pub fn keep(&mut self, at: u64, finish: &Finish) {
        if !finish.private.is_empty() {
            let thread = finish.thread.as_ref().map(|thread| thread.id.clone());
            self.0.insert(finish.seq, Row { at, thread, calls: finish.private.clone() });
        }
    }

    /// It is known that nothing old lies there any more; how much that was.
    pub fn forget_old(&mut self, now: u64) -> u64 {
        let before = self.0.len();
        self.0.retain(|_, row| row.at + DAY > now);
        (before - self.0.len()) as u64
    }

    pub fn forget_thread(&mut self, id: &str) {
        self.0.retain(|_, row| row.thread.as_deref() != Some(id));
    }

    /// What a request is given, by call.
    pub fn given(&self, begin: &Begin, now: u64) -> BTreeMap<String, Private> {
        let young = self.0.values().filter(|row| row.at + DAY > now).flat_map(|row| &row.calls);
        young.filter(|private| begin.calls.contains(&private.call_id)).map(|private| (private.call_id.clone(), private.clone())).collect()
    }

    pub fn check(&self, store: &Memory, now: u64) {
        let held = &store.rows.private;
        assert!(held.keys().all(|seq| self.0.contains_key(seq)), "kept too long: {held:?}, not {self:?}");
        let mut young = self.0.iter().filter(|(_, row)| row.at + DAY > now);
        assert!(young.all(|(seq, row)| held.get(seq).is_some_and(|held| held.at == row.at)), "lost: {held:?}, not {self:?}");
    }
}

/// What the model that is asked reads of it.
pub fn tokens(given: &BTreeMap<String, Private>, begin: &Begin) -> u64 {
    given.values().filter(|private| private.maker.model == begin.model_served).map(|private| text_tokens(private.bytes())).sum()
}

/// The calls that a client's messages hold.
pub fn asked(rng: &mut fastrand::Rng) -> Vec<String> {
    if rng.bool() { Vec::new() } else { (0..4).filter(|_| rng.bool()).map(|call| format!("call_{call}")).collect() }
}

/// What an answer has to keep: calls whose ids come again and again.
pub fn some(rng: &mut fastrand::Rng, request: &str) -> Vec<Private> {
    if rng.bool() {
        return Vec::new();
    }
    let maker = Maker { kind: Kind::Anthropic, provider: "p".to_owned(), model: format!("m{}", rng.u8(..2)) };
    let calls = (0..4).filter(|_| rng.bool()).map(|call| (format!("call_{call}"), format!(r#"{{"of":"{request}","call":{call}}}"#)));
    calls.map(|(call_id, state)| Private { call_id, maker: maker.clone(), state: raw(&state) }).collect()
}
