//! Short words for commands, as the tests use them. A word that a test does not say has a plain default.

use behest::api::usage::TokenUsage;
use behest::error::Error;
use behest::provider::private::Maker;
use behest::provider::{Kind, Private};
use behest::rollup::batch::Batch;
use behest::user::command::{
    Base, Begin, BeginThread, Begun, Command, Ending, Estimate, Expire, Finish, Finished, Limits, ListMessages, Outcome, ProjectTerms,
    Refused, ThreadFinish,
};
use behest::user::outbox::Acknowledge;
use behest::user::store::KeySource;
use behest::user::{RETENTION_MS, User};
use serde_json::value::RawValue;

use crate::memory::Memory;

/// A quiet noon.
pub const NOW: u64 = 20_000 * 86_400_000 + 43_200_000;

/// How long the project waits to be told.
pub const ROLL_UP: u64 = 300_000;

/// One user and its rows.
pub struct Object {
    pub user: User,
    pub store: Memory,
}

impl Object {
    pub fn new() -> Self {
        let store = Memory::default();
        Self { user: User::load(&store).unwrap(), store }
    }

    pub fn apply(&mut self, command: Command, now: u64) -> Result<Outcome, Error> {
        self.user.apply(&mut self.store, command, now)
    }

    pub fn begin(&mut self, begin: Begin, now: u64) -> Result<Begun, Box<Refused>> {
        match self.apply(Command::Begin(begin), now) {
            Ok(Outcome::Begun(answer)) => Ok(answer),
            Ok(Outcome::Refused(refused)) => Err(Box::new(refused)),
            other => panic!("{other:?}"),
        }
    }

    pub fn finish(&mut self, finish: Finish, now: u64) -> Finished {
        match self.apply(Command::Finish(finish), now) {
            Ok(Outcome::Finished(finished)) => finished,
            other => panic!("{other:?}"),
        }
    }

    /// Begins and finishes a turn on a thread that only gets what is new.
    pub fn say(&mut self, id: &str, thread: &str, question: &str, answer: &str, now: u64) {
        let messages = vec![raw(question)];
        let begun = self.begin(Begin { thread: Some(to_thread(thread, &messages)), ..begin(id) }, now).unwrap();
        let turn = turn(thread, begun.base.unwrap(), &messages, Some(answer));
        let finished = self.finish(Finish { thread: Some(turn), ..finish(id, begun.reservation.seq) }, now);
        assert_eq!((finished.settled, finished.stored), (true, true));
    }

    /// The messages as the client gets them.
    pub fn messages(&mut self, thread: &str) -> Vec<String> {
        let list = ListMessages { thread: thread.to_owned(), limit: None, before: None };
        match self.apply(Command::Messages(list), NOW) {
            Ok(Outcome::Messages { data, has_more: false }) => data.iter().map(|message| message.get().to_owned()).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// What waits to be told, at most so much of it.
    pub fn outbox(&mut self, limit: u64) -> Batch {
        match self.apply(Command::Outbox { limit }, NOW) {
            Ok(Outcome::Outbox(batch)) => batch,
            other => panic!("{other:?}"),
        }
    }

    /// How much waits then.
    pub fn acknowledge(&mut self, told: Acknowledge) -> u64 {
        match self.apply(Command::Acknowledge(told), NOW) {
            Ok(Outcome::Acknowledged { waiting }) => waiting,
            other => panic!("{other:?}"),
        }
    }

    /// The project is told everything.
    pub fn tell_all(&mut self) {
        loop {
            let batch = self.outbox(100);
            if self.acknowledge(told(batch.through)) == 0 {
                return;
            }
        }
    }

    pub fn expire(&mut self, now: u64) -> Option<u64> {
        match self.apply(Command::Expire(Expire { retention_ms: Some(RETENTION_MS), roll_up_ms: ROLL_UP }), now) {
            Ok(Outcome::Expired(expired)) => expired.wake_at,
            other => panic!("{other:?}"),
        }
    }
}

/// The project has everything up to there.
pub fn told(through: u64) -> Acknowledge {
    Acknowledge { epoch: 0, through, rewind: false, retention_ms: None }
}

pub fn begin(id: &str) -> Begin {
    Begin {
        request_id: id.to_owned(),
        session_id: "s".to_owned(),
        thread: None,
        calls: Vec::new(),
        model: "m".to_owned(),
        model_served: "m-1".to_owned(),
        provider: "p".to_owned(),
        key_source: KeySource::Byok,
        rates: None,
        limits: Limits::default(),
        estimate: estimate(10, Some(10)),
        project: ProjectTerms::default(),
        stream: false,
        thresholds: Vec::new(),
        ttl_ms: 600_000,
        roll_up_ms: ROLL_UP,
        pass: None,
    }
}

pub fn estimate(input: u64, output: Option<u64>) -> Estimate {
    Estimate { input, output, output_default: 1_000, choices: 1 }
}

pub fn to_thread(id: &str, messages: &[Box<RawValue>]) -> BeginThread {
    BeginThread { id: id.to_owned(), messages: messages.to_vec(), window_tokens: 1_000_000 }
}

pub fn finish(id: &str, seq: u64) -> Finish {
    Finish {
        request_id: id.to_owned(),
        seq,
        usage: Some(usage(1, 1)),
        estimated: false,
        status: Ending::Completed,
        ttft_ms: None,
        duration_ms: None,
        thread: None,
        private: Vec::new(),
        watch: None,
    }
}

pub fn turn(id: &str, base: Base, messages: &[Box<RawValue>], reply: Option<&str>) -> ThreadFinish {
    ThreadFinish { id: id.to_owned(), base, messages: messages.to_vec(), reply: reply.map(raw), complete: true }
}

/// What a model wants back with a call's result.
pub fn private(call_id: &str, state: &str) -> Private {
    let maker = Maker { kind: Kind::Anthropic, provider: "p".to_owned(), model: "m-1".to_owned() };
    Private { call_id: call_id.to_owned(), maker, state: raw(state) }
}

pub fn usage(input: u64, output: u64) -> TokenUsage {
    TokenUsage { input, output, ..TokenUsage::default() }
}

pub fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

pub fn user_says(text: &str) -> String {
    serde_json::json!({"role": "user", "content": text}).to_string()
}

pub fn assistant_says(text: &str) -> String {
    serde_json::json!({"role": "assistant", "content": text}).to_string()
}
