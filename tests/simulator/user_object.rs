//! A user's object: the real state in a shell that does what `edge::objects::user` does, a message at a time.
//!
//! Always holds: one message to the project at a time. Absent on purpose: what arrives when (`world`), and what is checked
//! (`witness`).

use std::collections::{BTreeMap, VecDeque};

use behest::error::{Error, Result};
use behest::lease::{Ask, Recall, Reply, Want};
use behest::user::command::{Begin, Command, Expire, Finish, Limits, Outcome, Progress};
use behest::user::holding::Upkeep;
use behest::user::refusal::Refusal;
use behest::user::store::Holding;
use behest::user::{RETENTION_MS, User};
use behest::zone::Zone;

use crate::memory::Memory;
use crate::wire::{Caller, Event, Round};
use crate::witness::Cause;
use crate::world::World;

/// How often the project is asked for one request.
const ASKS: usize = 2;
/// How long an answer of the project is waited for, ms.
const DEADLINE_MS: u64 = 5_000;

pub struct UserObject {
    pub name: String,
    pub user: User,
    pub store: Memory,
    /// Its own limits.
    pub limits: Limits,
    /// How far its clock is ahead of the true time, ms.
    pub ahead: i64,
    /// By how much its clock was ever set back, ms.
    pub set_back: u64,
    /// Counts how often it was made from its rows.
    pub life: u64,
    /// Counts erasures.
    pub born: u64,
    /// Nobody can reach it any more.
    pub lost: bool,
    /// Its last commit failed: its memory counts for nothing.
    pub failed: bool,
    /// The newest configuration that it was told of and has written down.
    pub told: u64,
    /// Until when the leases of each configuration that it may have can be used, true time.
    pub leases: BTreeMap<u64, u64>,
    /// Until when the project may count on a lease that was written down and never sent, true time.
    pub unsent: u64,
    /// The newest row that is in the books, and its time.
    pub newest: (u64, u64),
    tasks: BTreeMap<u64, Task>,
    started: u64,
    /// The task that may write to the project.
    asking: Option<u64>,
    waiting: VecDeque<u64>,
}

/// What waits for the project, or for its turn to write to it.
struct Task {
    job: Job,
    asks: usize,
    asked_at: u64,
}

enum Job {
    Begin { request: usize, begin: Box<Begin> },
    Report(Box<Progress>),
    Upkeep(Upkeep),
}

impl UserObject {
    pub fn new(index: usize, limits: Limits, ahead: i64) -> Self {
        let store = Memory::default();
        Self {
            name: format!("u{index}"),
            user: User::load(&store).unwrap(),
            store,
            limits,
            ahead,
            set_back: 0,
            life: 0,
            born: 0,
            lost: false,
            failed: false,
            told: 0,
            leases: BTreeMap::new(),
            unsent: 0,
            newest: (0, 0),
            tasks: BTreeMap::new(),
            started: 0,
            asking: None,
            waiting: VecDeque::new(),
        }
    }

    pub fn clock(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.ahead) - self.set_back
    }

    /// Memory is what the rows say.
    pub fn check_memory(&mut self, now: u64) {
        let now = self.clock(now);
        let (mut memory, mut rows) = (self.user.clone(), User::load(&self.store).unwrap());
        for user in [&mut memory, &mut rows] {
            user.apply(&mut self.store, Command::Standing(Zone::UTC), now).unwrap();
        }
        assert!(memory == rows || self.failed, "memory: {memory:#?}, rows: {rows:#?}");
    }

    /// The project has given it a lease that can be used until `until` at the latest, true time.
    pub fn may_have(&mut self, version: u64, until: u64) {
        let latest = self.leases.entry(version).or_default();
        *latest = until.max(*latest);
    }

    /// Until when it may have any lease as far as the project knows, true time.
    pub fn leases_end(&self) -> u64 {
        self.leases.values().copied().max().unwrap_or(0).max(self.unsent)
    }
}

impl World {
    /// A request arrives.
    pub fn begin(&mut self, request: usize) {
        let (user, begin) = (self.requests[request].user, Box::new(self.requests[request].begin.clone()));
        let outcome = self.admit(user, &begin, None);
        if !matches!(outcome, Ok(Outcome::Ask(_))) {
            return self.answered(request, &outcome);
        }
        self.start(user, Job::Begin { request, begin });
    }

    fn admit(&mut self, user: usize, begin: &Begin, answer: Option<&(Reply, u64)>) -> Result<Outcome> {
        self.with(user, &Cause::Begin(begin), |state, store, now| state.admit(store, &mut begin.clone(), answer, now))
    }

    /// Begins what needs the right to write to the project.
    fn start(&mut self, user: usize, job: Job) {
        let object = &mut self.users[user];
        object.started += 1;
        let task = object.started;
        object.tasks.insert(task, Task { job, asks: 0, asked_at: 0 });
        if object.asking.is_some() {
            object.waiting.push_back(task);
            return;
        }
        object.asking = Some(task);
        self.run(user, task);
    }

    /// The task has the right to write to the project.
    fn run(&mut self, user: usize, task: u64) {
        match &self.users[user].tasks[&task].job {
            Job::Begin { begin, .. } => {
                let outcome = self.admit(user, &begin.clone(), None);
                self.follow(user, task, outcome);
            }
            Job::Report(progress) => {
                let outcome = self.hear(user, &progress.clone(), None);
                self.follow(user, task, outcome);
            }
            Job::Upkeep(upkeep) => {
                let command = if *upkeep == Upkeep::Renew { Command::Renew } else { Command::GiveBack(None) };
                let outcome = self.with(user, &Cause::Other, |state, store, now| state.apply(store, command, now));
                let name = self.users[user].user.lessor().map(|(_, name)| name.to_owned());
                match (outcome, name) {
                    (Ok(Outcome::Ask(ask)), Some(_)) => {
                        self.seen.renewals += 1;
                        self.write(user, task, ask);
                    }
                    (Ok(Outcome::Reported(report)), Some(name)) => {
                        self.seen.given_back += 1;
                        self.write(user, task, Ask { user: name, report, want: Want::Nothing });
                    }
                    _ => self.end(user, task),
                }
            }
        }
    }

    /// What a request or a report does with an answer of its user.
    fn follow(&mut self, user: usize, task: u64, outcome: Result<Outcome>) {
        match outcome {
            Ok(Outcome::Ask(ask)) => self.write(user, task, ask),
            outcome => {
                match &self.users[user].tasks[&task].job {
                    Job::Begin { request, .. } => self.answered(*request, &outcome),
                    Job::Report(progress) => self.heard(&progress.request_id.clone(), outcome),
                    Job::Upkeep(_) => {}
                }
                self.end(user, task);
            }
        }
    }

    fn write(&mut self, user: usize, task: u64, ask: Ask) {
        let object = &mut self.users[user];
        let asked_at = object.clock(self.now);
        let doing = object.tasks.get_mut(&task).unwrap();
        (doing.asks, doing.asked_at) = (doing.asks + 1, asked_at);
        let from = Caller { user, life: object.life, task, ask: doing.asks };
        assert!(doing.asks <= ASKS, "asks without end");
        self.seen.second_ask += u64::from(doing.asks > 1);
        self.wire.put(self.now + DEADLINE_MS, Event::Late { to: from });
        self.send(Event::Ask { ask: Box::new(ask), from });
    }

    fn end(&mut self, user: usize, task: u64) {
        let object = &mut self.users[user];
        object.tasks.remove(&task);
        object.asking = object.waiting.pop_front();
        if let Some(next) = object.asking {
            self.run(user, next);
        }
    }

    fn awaits(&self, to: Caller) -> bool {
        let object = &self.users[to.user];
        object.life == to.life && object.asking == Some(to.task) && object.tasks[&to.task].asks == to.ask
    }

    /// The project's answer arrives, or the error that stands for it.
    pub fn reply(&mut self, to: Caller, reply: Option<Reply>) {
        if !self.awaits(to) {
            return;
        }
        let Caller { user, task, .. } = to;
        let doing = &self.users[user].tasks[&task];
        let (asked_at, asks) = (doing.asked_at, doing.asks);
        match (&doing.job, reply) {
            (Job::Begin { .. } | Job::Report(_), None) => self.follow(user, task, Err(Error::server("project"))),
            (Job::Begin { begin, .. }, Some(reply)) => {
                let begin = begin.clone();
                let overtaken = matches!(reply, Reply::Lease(_));
                let answer = self.admit(user, &begin, Some(&(reply, asked_at)));
                let busy = matches!(&answer, Ok(Outcome::Refused(refused)) if matches!(refused.refusal, Refusal::Busy { .. }));
                self.seen.overtaken += u64::from(busy && overtaken);
                if !busy {
                    return self.follow(user, task, answer);
                }
                match self.admit(user, &begin, None) {
                    Ok(Outcome::Ask(_)) if asks == ASKS => self.follow(user, task, answer),
                    outcome => self.follow(user, task, outcome),
                }
            }
            (Job::Report(progress), Some(reply)) => {
                let outcome = self.hear(user, &progress.clone(), Some(&(reply, asked_at)));
                assert!(!matches!(outcome, Ok(Outcome::Ask(_))), "asks again");
                self.follow(user, task, outcome);
            }
            (Job::Upkeep(_), Some(Reply::Lease(lease))) => {
                self.seen.renewed += 1;
                let take = Command::TakeLease(lease, asked_at);
                let _ = self.with(user, &Cause::Other, |state, store, now| state.apply(store, take, now));
                self.end(user, task);
            }
            (Job::Upkeep(_), _) => self.end(user, task),
        }
    }

    /// The project was waited for long enough.
    pub fn late(&mut self, to: Caller) {
        if self.awaits(to) {
            self.seen.late += 1;
            self.follow(to.user, to.task, Err(Error::server("no answer")));
        }
    }

    /// The project calls a slice back. What fails is tried once more.
    pub fn recalled(&mut self, user: usize, recall: &Recall, round: Round) {
        for _ in 0..2 {
            let give_back = Command::GiveBack(Some(recall.clone()));
            let answer = self.with(user, &Cause::Recall(recall), |state, store, now| state.apply(store, give_back, now));
            if let Ok(Outcome::Reported(report)) = answer {
                self.seen.recalled += 1;
                self.say(|| format!("  reports {report:?}"));
                return self.send(Event::Reported { round, user, report: Box::new(report) });
            }
        }
    }

    pub fn finished(&mut self, user: usize, finish: &Finish) {
        let command = Command::Finish(finish.clone());
        if let Ok(Outcome::Finished(finished)) =
            self.with(user, &Cause::Finish(finish), |state, store, now| state.apply(store, command, now))
        {
            self.keep_up(user, finished.upkeep);
        }
    }

    /// A stream's report arrives.
    pub fn progressed(&mut self, user: usize, progress: Progress) {
        let outcome = self.hear(user, &progress, None);
        if matches!(outcome, Ok(Outcome::Ask(_))) {
            self.start(user, Job::Report(Box::new(progress)));
        } else {
            self.heard(&progress.request_id, outcome);
        }
    }

    fn hear(&mut self, user: usize, progress: &Progress, answer: Option<&(Reply, u64)>) -> Result<Outcome> {
        self.with(user, &Cause::Progress(progress), |state, store, now| state.hear(store, &mut progress.clone(), answer, now))
    }

    /// The alarm rings.
    pub fn alarm(&mut self, user: usize) {
        let expire = Command::Expire(Expire { retention_ms: Some(RETENTION_MS), roll_up_ms: 300_000 });
        if let Ok(Outcome::Expired(expired)) = self.with(user, &Cause::Other, |state, store, now| state.apply(store, expire, now)) {
            self.keep_up(user, expired.upkeep);
        }
    }

    fn keep_up(&mut self, user: usize, upkeep: Upkeep) {
        if upkeep != Upkeep::Nothing {
            self.start(user, Job::Upkeep(upkeep));
        }
    }

    /// Whether it went well.
    pub fn erase(&mut self, user: usize) -> bool {
        let erased = self.with(user, &Cause::Erase, |state, store, now| state.apply(store, Command::Erase, now)).is_ok();
        self.seen.erased += u64::from(erased);
        erased
    }

    /// The object is gone from memory, and with it whatever was being done.
    pub fn evict(&mut self, user: usize) {
        let object = &mut self.users[user];
        object.store.rows.holding = object.store.rows.holding.take().map(|holding| {
            let read: Holding = serde_json::from_str(&holding.body()).unwrap();
            assert_eq!(read, holding);
            read
        });
        object.check_memory(self.now);
        object.user = User::load(&object.store).unwrap();
        object.life += 1;
        (object.asking, object.waiting) = (None, VecDeque::new());
        for task in std::mem::take(&mut object.tasks).into_values() {
            if let Job::Begin { request, .. } = task.job {
                self.answered(request, &Err(Error::server("evicted")));
            }
        }
        self.seen.evicted += 1;
    }
}
