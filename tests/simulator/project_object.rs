//! A project's object: the real pool in a shell that does what `edge::objects::{project, leases}` do, a message at a time.
//!
//! Always holds: the configuration is read when it is used. Absent on purpose: what arrives when (`world`).

use std::collections::BTreeMap;

use behest::error::Result;
use behest::lease::pool::{Answer, Terms};
use behest::lease::{Ask, Pool, Recall, Reply, Report};
use behest::zone::Zone;

use crate::memory::Fault;
use crate::rows::LeaseRows;
use crate::wire::{Caller, Event, Round};
use crate::world::World;

/// One hour in ms.
const HOUR_MS: u64 = 3_600_000;
/// How long a user may take to give back, ms.
const RECALL_MS: u64 = 1_500;
/// The longest life of a lease, ms.
const LONGEST_MS: u64 = 900_000;
/// When whom a change did not reach is told again, ms.
const RETRY_MS: u64 = 1_100;

#[derive(Default)]
pub struct ProjectObject {
    pub pool: Option<Pool>,
    pub rows: LeaseRows,
    /// How far its clock is ahead of the true time, ms.
    pub ahead: i64,
    pub set_back: u64,
    /// Counts how often it was made from its rows.
    life: u64,
    /// The newest configuration of which it says that everyone has been told.
    pub all_told: u64,
    rounds: BTreeMap<u64, Recalling>,
    started: u64,
}

/// Users have been asked for what they do not use.
struct Recalling {
    purpose: Purpose,
    missing: usize,
    reports: Vec<(usize, Report)>,
}

enum Purpose {
    Answer { ask: Box<Ask>, from: Caller },
    Tell,
}

impl ProjectObject {
    pub fn new(ahead: i64) -> Self {
        Self { ahead, ..Self::default() }
    }
}

impl World {
    fn with_pool<T>(&mut self, work: impl FnOnce(&mut Pool, &mut LeaseRows, &Terms, u64) -> Result<T>) -> Result<T> {
        let fault = self.fault();
        let mut pool = self.project.pool.take().unwrap_or_else(|| Pool::load(&self.project.rows).unwrap());
        let now = pool.clock(self.now.saturating_add_signed(self.project.ahead) - self.project.set_back);
        let terms = self.terms(now);
        let project = &mut self.project;
        project.rows.fault = fault;
        let answer = work(&mut pool, &mut project.rows, &terms, now);
        let struck = fault != Fault::None && std::mem::take(&mut project.rows.fault) == Fault::None;
        assert_eq!(answer.is_err(), struck, "a commit that failed is an error, and nothing else is");
        project.pool = Some(pool);
        self.seen.fail_project(struck.then_some(fault));
        answer
    }

    /// Settled requests of a user come into the project's ledger: all, or some of them.
    pub fn roll_up(&mut self, user: usize, all: bool) {
        let (name, born) = (self.users[user].name.clone(), self.users[user].born);
        for index in self.books.untold(user, born) {
            if all || self.rng.u8(..4) > 0 {
                let hour = self.books.entries[index].at / HOUR_MS;
                let counts = self.books.tell(index);
                let sums = self.project.rows.ledger.entry((hour, name.clone())).or_default();
                sums.iter_mut().zip(counts).for_each(|(sum, more)| *sum += more);
                self.seen.rolled_up += 1;
            }
        }
        let _ = self.with_pool(|pool, rows, terms, _| Ok(pool.told(rows, terms, &name)?));
    }

    /// A user was erased: the ledger's sums of it are nobody's now.
    pub fn forget(&mut self, user: usize) {
        let name = self.users[user].name.clone();
        let calm = std::mem::replace(&mut self.calm, true);
        // One batch on the platform: it fails as a whole.
        self.with_pool(|pool, rows, terms, _| {
            let spent = pool.spent_of(rows, terms, &name)?;
            let all = std::mem::take(&mut rows.ledger);
            for ((hour, user), sums) in all {
                let user = if user == name { String::new() } else { user };
                rows.ledger.entry((hour, user)).or_default().iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
            }
            Ok(pool.forgot(rows, terms, &name, &spent)?)
        })
        .unwrap();
        self.calm = calm;
    }

    fn terms(&self, now: u64) -> Terms {
        Terms::at(self.newest(), *self.limits(self.newest()), &Zone::UTC, now)
    }

    /// A user's message arrives.
    pub fn asked(&mut self, ask: Box<Ask>, from: Caller, recalled: bool) {
        match self.with_pool(|pool, rows, terms, now| pool.ask(rows, terms, &ask, recalled, now)) {
            Ok(Answer::Reply(reply)) => {
                self.say(|| format!("  the project: {reply:?}"));
                self.promise(from, &reply);
                self.send(Event::Reply { to: from, reply: Some(Box::new(reply)) });
            }
            Ok(Answer::Recall(recalls)) => {
                assert!(!recalled, "the pool recalled twice");
                self.seen.recalled_itself += u64::from(recalls.iter().any(|recall| recall.user == ask.user));
                self.recall(recalls, Purpose::Answer { ask, from });
            }
            Err(_) => {
                self.users[from.user].unsent = self.now + LONGEST_MS;
                self.send(Event::Reply { to: from, reply: None });
            }
        }
    }

    fn promise(&mut self, to: Caller, reply: &Reply) {
        self.seen.outlived += u64::from(matches!(reply, Reply::Outlived { .. }));
        if let Reply::Lease(lease) = reply {
            self.users[to.user].may_have(lease.version, self.now + lease.ttl_ms);
            self.seen.lease(lease);
        }
    }

    fn recall(&mut self, recalls: Vec<Recall>, purpose: Purpose) {
        let project = &mut self.project;
        project.started += 1;
        let round = Round { life: project.life, number: project.started };
        project.rounds.insert(round.number, Recalling { purpose, missing: recalls.len(), reports: Vec::new() });
        self.wire.put(self.now + RECALL_MS, Event::Patience { round });
        for recall in recalls {
            let user = self.users.iter().position(|object| object.name == recall.user).expect("a recall of nobody");
            self.send(Event::Recall { user, recall: Box::new(recall), round });
        }
    }

    /// A recalled user's answer arrives.
    pub fn reported(&mut self, round: Round, user: usize, report: Report) {
        let Some(recalling) = self.project.rounds.get_mut(&round.number).filter(|_| round.life == self.project.life) else { return };
        if recalling.reports.iter().all(|(from, _)| *from != user) {
            recalling.reports.push((user, report));
            recalling.missing -= 1;
        }
        if recalling.missing == 0 {
            self.recall_is_over(round);
        }
    }

    /// Whoever has not answered keeps what it has.
    pub fn recall_is_over(&mut self, round: Round) {
        if round.life != self.project.life {
            return;
        }
        let Some(recalling) = self.project.rounds.remove(&round.number) else { return };
        self.seen.unanswered += u64::from(recalling.missing > 0);
        for (user, report) in recalling.reports {
            let name = self.users[user].name.clone();
            let _ = self.with_pool(|pool, rows, terms, now| pool.reported(rows, terms, &name, &report, now));
        }
        match recalling.purpose {
            Purpose::Answer { ask, from } => self.asked(ask, from, true),
            Purpose::Tell => self.tell(),
        }
    }

    /// Tells every user that holds a slice by an older configuration.
    pub fn tell(&mut self) {
        let found = self.with_pool(|pool, rows, terms, now| Ok((pool.outdated(rows, terms, now)?, pool.has_outdated(terms.version, now))));
        let Ok((recalls, outdated)) = found else { return self.wire.put(self.now + RETRY_MS, Event::Tell) };
        if !recalls.is_empty() {
            self.seen.told += 1;
            self.recall(recalls, Purpose::Tell);
        } else if outdated {
            self.wire.put(self.now + RETRY_MS, Event::Tell);
        } else {
            self.say(|| "  everyone has been told".to_owned());
            self.project.all_told = self.newest();
        }
    }

    /// The object is gone from memory, and with it whatever was being done.
    pub fn evict_project(&mut self) {
        let project = &mut self.project;
        (project.pool, project.rounds) = (None, BTreeMap::new());
        project.life += 1;
        self.seen.evicted_project += 1;
    }
}
