//! A user's object: the real state in a shell that does what `edge::objects::user` does, a message at a time.
//!
//! Always holds: one message to the project at a time; every change of a row is entered in the books when it is made,
//! whoever hears of it. Absent on purpose: what arrives when (`world`).

use std::collections::{BTreeMap, VecDeque};

use behest::api::usage::TokenUsage;
use behest::calendar::{day_of, month_of};
use behest::error::{Code, Error, Result};
use behest::lease::holder::RUN_MS;
use behest::lease::{Ask, Recall, Reply, Span, Want};
use behest::user::command::{Begin, Command, Ending, Expire, Finish, Limits, Outcome, Progress};
use behest::user::holding::Upkeep;
use behest::user::refusal::Refusal;
use behest::user::store::{Holding, RequestRow, Status};
use behest::user::{RETENTION_MS, User};

use crate::books::{Amount, Entry};
use crate::memory::{Fault, Memory};
use crate::wire::{Caller, Event, Round};
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
    /// The newest configuration that it was told of and has written down.
    told: u64,
    /// Until when the leases of each configuration that it may have can be used, true time.
    leases: BTreeMap<u64, u64>,
    /// Until when the project may count on a lease that was written down and never sent, true time.
    pub unsent: u64,
    /// The newest row that is in the books, and its time.
    newest: (u64, u64),
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
    Upkeep(Upkeep),
}

/// Why a row may change.
pub enum Cause<'a> {
    Begin(&'a Begin),
    Finish(&'a Finish),
    Progress(&'a Progress),
    Recall(&'a Recall),
    Erase,
    Other,
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
    /// The one way to a user's state. Gives its answer; an error is a commit that was made to fail, or a conflict.
    fn with(&mut self, user: usize, cause: &Cause, work: impl FnOnce(&mut User, &mut Memory, u64) -> Result<Outcome>) -> Result<Outcome> {
        let fault = self.fault();
        let object = &mut self.users[user];
        let clock = object.clock(self.now);
        if !matches!(cause, Cause::Finish(_) | Cause::Progress(_)) {
            self.books.pass(user, object.born, clock.max(object.newest.1));
        }
        object.store.fault = fault;
        let commits = object.store.commits;
        let answer = work(&mut object.user, &mut object.store, clock);
        let struck = fault != Fault::None && std::mem::take(&mut object.store.fault) == Fault::None;
        let wrote = object.store.commits > commits;
        match &answer {
            Ok(outcome) => assert!(!struck, "a failed commit was answered with {outcome:?}"),
            Err(error) if struck => assert_eq!(error.code(), Code::ServerError),
            Err(error) => assert_eq!(error.code(), Code::Conflict, "{error:?}"),
        }
        self.seen.fail(struck.then_some(fault));
        if wrote {
            self.enter(user, cause);
        }
        answer
    }

    /// Enters in the books what has become of a user's rows.
    fn enter(&mut self, user: usize, cause: &Cause) {
        let born = self.users[user].born;
        match cause {
            Cause::Erase => {
                self.books.erase(user, born);
                let object = &mut self.users[user];
                (object.born, object.told, object.newest) = (born + 1, 0, (0, 0));
                return;
            }
            Cause::Recall(recall) if self.users[user].store.rows.holding.as_ref().is_some_and(|holding| holding.epoch > 0) => {
                self.users[user].told = self.users[user].told.max(recall.version);
            }
            Cause::Progress(progress) => {
                let index = self.books.open_of(user, born).into_iter().find(|index| self.is(*index, &progress.request_id));
                self.books.progress(index.expect("progress of what is not open"), progress.usage);
            }
            _ => {}
        }
        for index in self.books.open_of(user, born) {
            let row = self.users[user].store.rows.requests.get(&self.books.entries[index].seq).cloned().expect("an open row was pruned");
            if row.status != Status::Open {
                self.enter_end(index, &row, cause);
            }
        }
        let (newest, _) = self.users[user].newest;
        let rows: Vec<RequestRow> = self.users[user].store.rows.requests.range(newest + 1..).map(|(_, row)| row.clone()).collect();
        for row in rows {
            let Cause::Begin(begin) = cause else { panic!("a row without a request: {row:?}") };
            self.enter_admission(user, &row, begin);
        }
    }

    fn is(&self, index: usize, request_id: &str) -> bool {
        self.requests[self.books.entries[index].request].begin.request_id == request_id
    }

    fn enter_end(&mut self, index: usize, row: &RequestRow, cause: &Cause) {
        let entry = &self.books.entries[index];
        let charge = match cause {
            Cause::Finish(finish) if finish.request_id == row.request_id => match finish.usage {
                Some(usage) => usage,
                None if finish.status == Ending::Failed && entry.progress.is_none() => TokenUsage::default(),
                None => entry.presumed(),
            },
            _ => {
                assert!(row.status == Status::Expired && entry.due, "ended by nobody: {row:?}");
                self.seen.expired += 1;
                entry.presumed()
            }
        };
        assert_eq!((row.usage(), row.micro_usd), (Some(charge), Amount::of(charge, entry.priced).micro_usd), "{entry:?}");
        self.books.settle(index, charge);
        self.seen.settled += 1;
    }

    fn enter_admission(&mut self, user: usize, row: &RequestRow, begin: &Begin) {
        let (estimate, version) = (begin.estimate, begin.project.version);
        let whole = estimate.output.unwrap_or(estimate.output_default);
        assert_eq!(row.request_id, begin.request_id);
        assert_eq!(row.reserved_input, estimate.input);
        assert!(row.reserved_output == whole || (estimate.output.is_none() && row.reserved_output < whole), "{row:?}");
        assert!(row.at >= self.users[user].newest.1 && row.deadline - row.at <= RUN_MS.max(begin.ttl_ms));
        let reserved = TokenUsage { input: row.reserved_input, output: row.reserved_output, ..TokenUsage::default() };
        let counted = Amount::of(reserved, begin.rates.is_some());
        assert_eq!(row.reserved_micro_usd, counted.micro_usd);
        self.seen.granted_less += u64::from(row.reserved_output < whole && begin.limits == Limits::default());
        let day = day_of(row.at);
        let entry = Entry {
            user,
            born: self.users[user].born,
            seq: row.seq,
            request: begin.request_id[1..].parse().unwrap(),
            version,
            admitted: self.now,
            deadline: row.deadline,
            ttl: row.deadline - row.at,
            span: Span { day, month: month_of(day) },
            reserved,
            priced: begin.rates.is_some(),
            progress: None,
            counted,
            due: false,
            settled: false,
            ended: false,
        };
        self.say(|| format!("  admitted by {version}: {counted:?} on {day}"));
        self.check_lease(user, begin);
        let set_back: Vec<u64> = self.users.iter().map(|object| object.set_back).collect();
        self.books.admit(entry, &self.settings, &set_back, self.now);
        self.users[user].newest = (row.seq, row.at);
        self.seen.came_back += u64::from(self.users[user].born > 0);
    }

    /// What is admitted by a limit is admitted within the life of a lease, by no older configuration than was told of, and
    /// by none at all that the project says is gone.
    fn check_lease(&self, user: usize, begin: &Begin) {
        let (object, version) = (&self.users[user], begin.project.version);
        assert!(version >= object.told, "admitted by {version} after {} was told", object.told);
        if begin.project.leased {
            let until = object.leases.get(&version).copied().unwrap_or(0);
            assert!(self.now <= until + object.set_back, "admitted {} ms after its lease", self.now - until);
            let told = self.project.all_told;
            assert!(version >= told || object.set_back > 0, "admitted by {version} after everyone was told of {told}");
        }
    }

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

    /// What a request does with an answer of its user.
    fn follow(&mut self, user: usize, task: u64, outcome: Result<Outcome>) {
        match outcome {
            Ok(Outcome::Ask(ask)) => self.write(user, task, ask),
            outcome => {
                if let Job::Begin { request, .. } = self.users[user].tasks[&task].job {
                    self.answered(request, &outcome);
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
            (Job::Begin { .. }, None) => self.follow(user, task, Err(Error::server("project"))),
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

    pub fn progressed(&mut self, user: usize, progress: &Progress) {
        let command = Command::Progress(progress.clone());
        let _ = self.with(user, &Cause::Progress(progress), |state, store, now| state.apply(store, command, now));
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

    pub fn erase(&mut self, user: usize) {
        if self.with(user, &Cause::Erase, |state, store, now| state.apply(store, Command::Erase, now)).is_ok() {
            self.seen.erased += 1;
        }
    }

    /// The object is gone from memory, and with it whatever was being done.
    pub fn evict(&mut self, user: usize) {
        let object = &mut self.users[user];
        object.store.rows.holding = object.store.rows.holding.take().map(|holding| {
            let read: Holding = serde_json::from_str(&holding.body()).unwrap();
            assert_eq!(read, holding);
            read
        });
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
