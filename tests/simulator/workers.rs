//! The Workers: they send requests to users' objects, try again as the real ones do, and tell how requests end.
//!
//! Always holds: a Worker knows a request's number only if the answer reached it; nothing else ends a request.

use behest::api::usage::TokenUsage;
use behest::error::{Code, Result};
use behest::user::Outcome;
use behest::user::command::{Begin, Ending, Extend, Finish, Limits, Progress, ProjectTerms};
use behest::user::refusal::Refusal;
use behest::user::store::KeySource;

use crate::chance;
use crate::wire::Event;
use crate::world::World;

/// How often a Worker sends a request to a user's object that fails, and with how new a configuration: once more each.
const TRIES: u8 = 2;

/// A request as its Worker knows it.
#[derive(Clone, Debug)]
pub struct Request {
    pub user: usize,
    pub begin: Begin,
    pub state: State,
    tries: u8,
    refreshed: bool,
    /// Output tokens that it knows to be held for a stream, and that it said were used.
    held: u64,
    used: u64,
    finish: Option<Finish>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No answer yet.
    Asked,
    /// It runs; its number.
    Begun(u64),
    Refused(Refusal),
    /// The client got an error.
    Failed,
    /// It ran.
    Ended,
}

impl World {
    /// A client sends a request.
    pub fn begin_new(&mut self, user: usize) {
        let (mut begin, newest) = (self.plain(user), self.newest());
        begin.estimate = chance::estimate(&mut self.rng);
        begin.stream = self.rng.bool();
        begin.rates = begin.rates.filter(|_| self.rng.u8(..4) > 0);
        begin.limits = self.users[user].limits;
        begin.ttl_ms = *self.rng.choice(&[3_000, 60_000, 600_000, 660_000, 660_000, 900_000]).unwrap();
        let older = u64::from(self.rng.u8(..4) == 0) * self.rng.u64(1..3);
        begin.project.version = newest.saturating_sub(older).max(1);
        begin.project.leased = *self.limits(begin.project.version) != Limits::default();
        self.ask(user, begin);
    }

    /// A request for little, by the newest configuration.
    pub fn plain(&self, user: usize) -> Begin {
        Begin {
            stream: false,
            thresholds: Vec::new(),
            roll_up_ms: 300_000,
            pass: None,
            request_id: format!("r{}", self.requests.len()),
            session_id: "s".to_owned(),
            thread: None,
            calls: Vec::new(),
            model: "m".to_owned(),
            model_served: "m".to_owned(),
            provider: "p".to_owned(),
            key_source: KeySource::Byok,
            rates: Some(chance::rates()),
            limits: Limits::default(),
            estimate: behest::user::command::Estimate { input: 1, output: Some(1), output_default: 1, choices: 1 },
            project: ProjectTerms {
                id: "p".to_owned(),
                user: self.users[user].name.clone(),
                version: self.newest(),
                leased: *self.limits(self.newest()) != Limits::default(),
            },
            ttl_ms: 660_000,
        }
    }

    /// Sends a request; gives its number.
    pub fn ask(&mut self, user: usize, begin: Begin) -> usize {
        let request = self.requests.len();
        self.requests.push(Request { user, begin, state: State::Asked, tries: 1, refreshed: false, held: 0, used: 0, finish: None });
        self.send(Event::Begin { request });
        request
    }

    /// A user's object has answered a request, or failed to.
    pub fn answered(&mut self, request: usize, answer: &Result<Outcome>) {
        let newest = self.newest();
        let leased = *self.limits(newest) != Limits::default();
        self.say(|| format!("  r{request} is answered {}", said(answer)));
        let asked = &mut self.requests[request];
        if asked.state != State::Asked {
            return;
        }
        match answer {
            Ok(Outcome::Begun(begun)) if self.calm || !self.trouble.messages || self.rng.u8(..32) > 0 => {
                asked.state = State::Begun(begun.reservation.seq);
                asked.held = begun.reservation.reserved - begun.reservation.input;
                self.seen.begun += 1;
            }
            Ok(Outcome::Begun(_)) => asked.state = State::Failed,
            Ok(Outcome::Refused(refused)) => {
                asked.state = State::Refused(refused.refusal.clone());
                self.seen.refuse(&refused.refusal);
            }
            Ok(Outcome::Stale { version }) => {
                assert!(*version <= newest, "the newest configuration, {newest}, is called older than {version}");
                self.seen.stale += 1;
                if asked.begin.project.version >= *version {
                    // The answer to a copy of the first try.
                } else if asked.refreshed {
                    asked.state = State::Failed;
                } else {
                    asked.refreshed = true;
                    (asked.begin.project.version, asked.begin.project.leased) = (newest, leased);
                    self.send(Event::Begin { request });
                }
            }
            Err(error) if error.code() == Code::ServerError && asked.tries < TRIES => {
                asked.tries += 1;
                self.send(Event::Begin { request });
            }
            Err(_) => asked.state = State::Failed,
            Ok(other) => panic!("begin: {other:?}"),
        }
    }

    fn running(&mut self) -> Option<usize> {
        let running: Vec<usize> = (0..self.requests.len()).filter(|r| matches!(self.requests[*r].state, State::Begun(_))).collect();
        self.rng.choice(running)
    }

    /// A request that runs ends, and its object is told.
    pub fn finish_one(&mut self) {
        let Some(request) = self.running() else { return };
        let reserved = self.reserved(request);
        let beyond = if self.trouble.overdraft && self.rng.u8(..4) == 0 { 40 } else { 0 };
        let usage = TokenUsage {
            input: self.rng.u64(..=reserved.input) + self.rng.u64(..=beyond),
            output: self.rng.u64(..=reserved.output) + self.rng.u64(..=beyond),
            ..TokenUsage::default()
        };
        let usage = if self.rng.u8(..6) > 0 { Some(usage) } else { None };
        let ending = *self.rng.choice(&[Ending::Completed, Ending::Cancelled, Ending::Failed, Ending::Stopped]).unwrap();
        self.finish(request, usage, ending);
    }

    /// As it was reserved.
    pub fn reserved(&self, request: usize) -> TokenUsage {
        self.books.entries.iter().rev().find(|entry| entry.request == request).map(|entry| entry.reserved).unwrap()
    }

    /// The request ends, and its object is told.
    pub fn finish(&mut self, request: usize, usage: Option<TokenUsage>, status: Ending) {
        let State::Begun(seq) = self.requests[request].state else { return };
        let request_id = self.requests[request].begin.request_id.clone();
        let finish = Finish {
            request_id,
            seq,
            usage,
            estimated: false,
            status,
            ttft_ms: None,
            duration_ms: None,
            thread: None,
            private: Vec::new(),
            watch: None,
        };
        self.requests[request].state = State::Ended;
        self.requests[request].finish = Some(finish.clone());
        // Whatever its object knows: it does not run any more.
        if let Some(entry) = self.books.entries.iter_mut().rev().find(|entry| entry.request == request) {
            entry.ended = true;
        }
        let user = self.requests[request].user;
        self.send(Event::Finish { user, finish: Box::new(finish) });
    }

    /// A Worker that had no answer tells again.
    pub fn finish_again(&mut self) {
        let ended: Vec<usize> = (0..self.requests.len()).filter(|r| self.requests[*r].finish.is_some()).collect();
        let Some(request) = self.rng.choice(ended) else { return };
        let (user, finish) = (self.requests[request].user, self.requests[request].finish.clone().unwrap());
        self.send(Event::Finish { user, finish: Box::new(finish) });
    }

    /// A request that runs tells how far it is; a stream asks for more before it has used up what is held.
    pub fn progress_one(&mut self) {
        let Some(request) = self.running() else { return };
        let beyond = if self.trouble.overdraft && self.rng.u8(..4) == 0 { 40 } else { 0 };
        let reserved = self.reserved(request);
        let asked = &mut self.requests[request];
        let used = asked.used.max(self.rng.u64(..=asked.held) + self.rng.u64(..=beyond));
        let usage = TokenUsage { input: self.rng.u64(..=reserved.input), output: used, ..TokenUsage::default() };
        asked.used = used;
        let wants = asked.begin.stream && asked.begin.estimate.output.is_none() && self.rng.u8(..8) > 0;
        let extend = wants.then_some(Extend { used, held: asked.held, limits: asked.begin.limits });
        let (user, request_id) = (asked.user, asked.begin.request_id.clone());
        self.send(Event::Progress { user, progress: Progress { request_id, usage, extend, pass: None } });
    }

    /// A user's object has answered a report, or failed to.
    pub fn heard(&mut self, request_id: &str, answer: Result<Outcome>) {
        let request: usize = request_id[1..].parse().unwrap();
        self.say(|| format!("  the report of r{request} is answered {answer:?}"));
        let Ok(outcome) = answer else { return };
        let Outcome::Progressed(progressed) = outcome else { panic!("a report: {outcome:?}") };
        if self.trouble.messages && !self.calm && self.rng.u8(..32) == 0 {
            return;
        }
        if progressed.counted {
            let asked = &mut self.requests[request];
            asked.held = asked.held.max(progressed.reserved_output);
        }
        if progressed.stop.is_some() {
            self.seen.stopped += 1;
            let usage = TokenUsage { input: 1, output: self.requests[request].used, ..TokenUsage::default() };
            self.finish(request, Some(usage), Ending::Stopped);
        }
    }
}

/// An answer in short.
fn said(answer: &Result<Outcome>) -> String {
    match answer {
        Ok(Outcome::Begun(begun)) => format!("begun: {:?}", begun.reservation),
        Ok(Outcome::Refused(refused)) => format!("{:?}", refused.refusal),
        other => format!("{other:?}"),
    }
}
