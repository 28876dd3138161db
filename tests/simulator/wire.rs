//! What is under way: messages between objects, answers that are awaited, and timers, by the true time at which they arrive.
//!
//! Always holds: what arrives at one millisecond arrives in the order of sending. Absent on purpose: chance (`world`).

use std::collections::BTreeMap;

use behest::lease::{Ask, Recall, Reply, Report};
use behest::user::command::{Finish, Progress};

/// Who waits for an answer: which user, in which of its lives in memory, which task of it, for which of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub user: usize,
    pub life: u64,
    pub task: u64,
    pub ask: usize,
}

/// Which recall of the project: in which of its lives in memory, and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    pub life: u64,
    pub number: u64,
}

#[derive(Clone, Debug)]
pub enum Event {
    /// A Worker to a user: admit this request.
    Begin { request: usize },
    /// A Worker to a user.
    Finish { user: usize, finish: Box<Finish> },
    /// A Worker to a user.
    Progress { user: usize, progress: Progress },
    /// A user to the project.
    Ask { ask: Box<Ask>, from: Caller },
    /// The project's answer; `None`: it failed.
    Reply { to: Caller, reply: Option<Box<Reply>> },
    /// A user has waited long enough for an answer.
    Late { to: Caller },
    /// The project to a user.
    Recall { user: usize, recall: Box<Recall>, round: Round },
    /// The user's answer.
    Reported { round: Round, user: usize, report: Box<Report> },
    /// The project has waited long enough for reports.
    Patience { round: Round },
    /// The project tells again whom a change has not reached.
    Tell,
}

#[derive(Debug, Default)]
pub struct Wire {
    queue: BTreeMap<(u64, u64), Event>,
    sent: u64,
}

impl Wire {
    /// `event` arrives at `at`.
    pub fn put(&mut self, at: u64, event: Event) {
        self.sent += 1;
        self.queue.insert((at, self.sent), event);
    }

    /// The next event that arrives until `until`, and when.
    pub fn next(&mut self, until: u64) -> Option<(u64, Event)> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= until)?;
        let ((at, _), event) = entry.remove_entry();
        Some((at, event))
    }

    /// When the last event arrives.
    pub fn end(&self) -> Option<u64> {
        self.queue.last_key_value().map(|((at, _), _)| *at)
    }
}
