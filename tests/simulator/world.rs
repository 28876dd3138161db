//! A world of clients, Workers, users' objects, their project, and the wires between them, driven by a seed.
//!
//! Always holds: only the world knows the true time; every object has a clock of its own. What comes of a step is looked at
//! in `user_object` as it happens. Absent on purpose: what holds when all is quiet (`rest`).

use behest::calendar::{DAY_MS, next_month};
use behest::lease::Share;
use behest::user::command::Limits;
use fastrand::Rng;

use crate::books::{Books, place};
use crate::chance::{self, Trouble};
use crate::memory::Fault;
use crate::project_object::ProjectObject;
use crate::seen::Seen;
use crate::user_object::UserObject;
use crate::wire::{Event, Wire};
use crate::workers::Request;

pub struct World {
    pub rng: Rng,
    /// The true time, epoch ms.
    pub now: u64,
    pub trouble: Trouble,
    /// Nothing goes wrong any more.
    pub calm: bool,
    pub wire: Wire,
    pub users: Vec<UserObject>,
    pub project: ProjectObject,
    /// The project's limits by each configuration; the first is number 1.
    pub settings: Vec<Limits>,
    pub requests: Vec<Request>,
    pub books: Books,
    pub seen: Seen,
    /// Prints what happens.
    told: bool,
}

impl World {
    pub fn new(seed: u64, told: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let trouble = Trouble::of(&mut rng);
        let settings = vec![chance::limits(&mut rng)];
        // Mostly some minutes before a midnight; every second one is the end of a month.
        let before_midnight = if rng.bool() { rng.u64(..600_000) } else { rng.u64(..DAY_MS) };
        let now = rng.choice([20_000, 20_089]).unwrap() * DAY_MS - before_midnight;
        let ahead = |rng: &mut Rng| if trouble.skew { rng.i64(-4_000..4_000) } else { 0 };
        let users = (0..rng.usize(2..=6)).map(|index| UserObject::new(index, chance::own_limits(&mut rng), ahead(&mut rng))).collect();
        let project = ProjectObject::new(ahead(&mut rng));
        let (books, wire, seen) = (Books::default(), Wire::default(), Seen::default());
        let world = Self { rng, now, trouble, calm: false, wire, users, project, settings, requests: Vec::new(), books, seen, told };
        world.say(|| format!("{trouble:?}\n{:?}", world.settings[0]));
        world
    }

    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{} {}", self.now, what());
        }
    }

    /// The number of the newest configuration.
    pub fn newest(&self) -> u64 {
        self.settings.len() as u64
    }

    /// The project's limits by a configuration.
    pub fn limits(&self, version: u64) -> &Limits {
        &self.settings[place(version)]
    }

    /// What the next commit does.
    pub fn fault(&mut self) -> Fault {
        if self.calm || !self.trouble.commits {
            return Fault::None;
        }
        match self.rng.u8(..32) {
            0 => Fault::Before,
            1 => Fault::After,
            _ => Fault::None,
        }
    }

    /// Something happens, and time passes.
    pub fn step(&mut self) {
        let user = self.rng.usize(..self.users.len());
        match self.rng.u8(..64) {
            0..20 => self.begin_new(user),
            20..24 => (0..self.rng.u8(2..7)).for_each(|_| self.begin_new(user)),
            24..26 => (0..self.users.len()).for_each(|user| self.begin_new(user)),
            26..38 => self.finish_one(),
            38..40 => self.finish_again(),
            40..43 => self.progress_one(),
            43..45 => self.alarm(user),
            45..48 if self.trouble.crashes => self.evict(user),
            48..50 if self.trouble.crashes => self.evict_project(),
            50..53 if self.trouble.changes => self.change(),
            53..55 if self.trouble.erasure => self.erase_one(user),
            55..57 if self.trouble.set_back => self.set_back(user),
            57 if self.trouble.loss => self.lose(user),
            58..61 => self.roll_up(user, false),
            _ => {}
        }
        let day = self.now / DAY_MS;
        let until = self.moment();
        self.run_until(until);
        self.seen.next_day += u64::from(self.now / DAY_MS > day);
        self.seen.next_month += u64::from(day < 20_089 && self.now / DAY_MS >= 20_089);
    }

    /// The owner changes the limits.
    fn change(&mut self) {
        let before = *self.limits(self.newest());
        let after = chance::changed(&mut self.rng, &before);
        let three = |limits: &Limits| [limits.requests_per_minute, limits.concurrency, limits.tokens_per_day];
        for change in three(&before).into_iter().zip(three(&after)) {
            match change {
                (Some(before), Some(after)) if before < after => self.seen.raised += 1,
                (Some(before), Some(after)) if before > after => self.seen.lowered += 1,
                (Some(_), None) => self.seen.switched_off += 1,
                (None, Some(_)) => self.seen.switched_on += 1,
                _ => {}
            }
        }
        Share::ALL.into_iter().filter(|share| share.limit(&before).is_none() && share.limit(&after).is_some()).for_each(|share| {
            self.books.switch_on(share, &self.settings, self.now);
            self.seen.budget_switched_on += 1;
        });
        self.settings.push(after);
        self.say(|| format!("configuration {}: {after:?}", self.newest()));
        self.tell();
    }

    fn set_back(&mut self, user: usize) {
        let by = self.rng.u64(1..5_000);
        if self.rng.u8(..4) == 0 {
            self.say(|| format!("the project's clock is set back by {by}"));
            self.project.set_back += by;
            self.seen.project_set_back += 1;
        } else {
            self.say(|| format!("the clock of {user} is set back by {by}"));
            self.users[user].set_back += by;
            self.seen.set_back += 1;
        }
    }

    /// A user is erased, and mostly back at once.
    fn erase_one(&mut self, user: usize) {
        self.roll_up(user, true);
        if self.erase(user) {
            self.forget(user);
        }
        if self.trouble.set_back && self.rng.bool() {
            self.set_back(user);
        }
        if self.rng.u8(..4) > 0 {
            self.begin_new(user);
        }
    }

    fn lose(&mut self, user: usize) {
        if self.users.iter().all(|object| !object.lost) {
            self.say(|| format!("{user} is gone for good"));
            self.users[user].lost = true;
            self.seen.gone += 1;
        }
    }

    /// A time to which it might be interesting to go.
    fn moment(&mut self) -> u64 {
        let now = self.now;
        let end = match self.rng.choice(&self.users) {
            Some(object) if object.leases_end() > now => object.leases_end(),
            _ => now,
        };
        let edge = self.rng.u64(..3).saturating_sub(1);
        let begun = self.rng.choice(&self.books.entries).map_or(now, |entry| entry.admitted);
        let goal = match self.rng.u8(..64) {
            0..24 => now + self.rng.u64(..60),
            24..36 => now + self.rng.u64(..2_500),
            36..44 => now + self.rng.u64(..15_000),
            44..48 => now + self.rng.u64(..70_000),
            48..51 => begun + 60_000 + edge,
            51..54 => end.saturating_sub(self.rng.u64(..50)),
            54 => end + edge,
            55 => end + 60_000 + edge,
            56 => end + 660_000 + edge,
            57 => now + self.rng.u64(..700_000),
            58..60 => now + self.rng.u64(..1_000_000),
            60 if self.rng.u8(..8) == 0 => next_month(now / DAY_MS) * DAY_MS + self.rng.u64(..6_000) - 3_000,
            60 => now + 3_600_000,
            61 => now + self.rng.u64(..2) * DAY_MS,
            // To a midnight, as some clock sees it.
            _ => (now / DAY_MS + 1) * DAY_MS + self.rng.u64(..6_000) - 3_000,
        };
        goal.max(now)
    }

    /// Sends a message: it takes a while, and it may be lost or doubled.
    pub fn send(&mut self, event: Event) {
        if self.calm {
            let at = self.now + self.rng.u64(..10);
            return self.wire.put(at, event);
        }
        if self.trouble.messages {
            match self.rng.u8(..32) {
                0 | 1 => {
                    self.say(|| format!("  lost: {event:?}"));
                    self.seen.lost += 1;
                    return;
                }
                2 | 3 => {
                    let at = self.now + chance::delay(&mut self.rng, self.trouble);
                    self.wire.put(at, event.clone());
                    self.seen.doubled += 1;
                }
                _ => {}
            }
        }
        let delay = chance::delay(&mut self.rng, self.trouble);
        self.seen.slow += u64::from(delay > 5_000);
        self.wire.put(self.now + delay, event);
    }

    /// Lets time pass, and everything happen that is under way.
    pub fn run_until(&mut self, until: u64) {
        while let Some((at, event)) = self.wire.next(until) {
            self.now = self.now.max(at);
            self.deliver(event);
        }
        self.now = self.now.max(until);
    }

    fn deliver(&mut self, event: Event) {
        let to = match &event {
            Event::Begin { request } => Some(self.requests[*request].user),
            Event::Finish { user, .. } | Event::Progress { user, .. } | Event::Recall { user, .. } => Some(*user),
            Event::Reply { to, .. } => Some(to.user),
            _ => None,
        };
        if to.is_some_and(|user| self.users[user].lost) {
            return;
        }
        self.say(|| format!("{event:?}"));
        match event {
            Event::Begin { request } => self.begin(request),
            Event::Finish { user, finish } => self.finished(user, &finish),
            Event::Progress { user, progress } => self.progressed(user, progress),
            Event::Ask { ask, from } => self.asked(ask, from, false),
            Event::Reply { to, reply } => self.reply(to, reply.map(|reply| *reply)),
            Event::Late { to } => self.late(to),
            Event::Recall { user, recall, round } => self.recalled(user, &recall, round),
            Event::Reported { round, user, report } => self.reported(round, user, *report),
            Event::Patience { round } => self.recall_is_over(round),
            Event::Tell => self.tell(),
        }
    }
}
