//! A world of clients, Workers and failures around one user's state, driven by a seed.
//!
//! Always holds: the world knows which commit failed and whether it persisted, so the model knows what must be there. Every
//! answer is checked when it comes, everything stored after every step. Absent on purpose: the seeds (`user_properties`).

mod alarm;
mod chance;
mod checks;
mod conversation;
mod ledger;
mod local;
mod money;
mod private;
mod seen;
mod streams;
mod telling;
mod time;
mod totals;

use behest::error::{Code, Error};
use behest::user::User;
use behest::user::command::{Base, Begin, Command, Ending, Estimate, Finish, Limits, Outcome, ProjectTerms, ThreadId};
use behest::user::store::KeySource;

use crate::memory::{Fault, Memory};
use crate::words::{finish, usage};
use conversation::{Conversations, Intent, tokens};
use ledger::{DAY, Ledger};
use local::Local;
use private::Keeping;
pub use seen::Seen;

pub struct World {
    rng: fastrand::Rng,
    now: u64,
    store: Memory,
    user: User,
    limits: Limits,
    /// The zone of the limits.
    local: Local,
    /// Another one, to move to.
    elsewhere: Local,
    ledger: Ledger,
    conversations: Conversations,
    keeping: Keeping,
    flights: Vec<Flight>,
    numbers: u64,
    pruned: u64,
    /// Which requests the project was told of, in the order of their settle numbers.
    told: Vec<String>,
    /// Few steps cross an hour or a day.
    slow: bool,
    /// Most requests belong to one thread.
    talkative: bool,
    /// Most requests are long streams without a maximum.
    streaming: bool,
    /// Commits when the rows were last checked.
    checked: u64,
    pub seen: Seen,
}

/// A request as its Worker knows it.
#[derive(Clone)]
struct Flight {
    begin: Begin,
    local: Local,
    intent: Option<Intent>,
    /// The answer, if one came.
    begun: Option<(u64, Option<Base>)>,
    finish: Option<(Finish, Option<String>)>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let limits = chance::limits(&mut rng);
        // Some minutes before a midnight, so that short schedules cross it; every second one is the end of a month.
        let midnight = rng.choice([20_000, 20_089]).unwrap() * DAY;
        let (local, near) = Local::some(&mut rng, midnight);
        let (elsewhere, _) = Local::some(&mut rng, midnight);
        let limits = Limits { zone: local.zone(), ..limits };
        let now = near - rng.u64(..600_000);
        let store = Memory::default();
        let user = User::load(&store).unwrap();
        Self {
            rng,
            now,
            store,
            user,
            limits,
            local,
            elsewhere,
            ledger: Ledger::default(),
            conversations: Conversations::default(),
            keeping: Keeping::default(),
            flights: Vec::new(),
            numbers: 0,
            pruned: 0,
            told: Vec::new(),
            slow: false,
            talkative: false,
            streaming: false,
            checked: 0,
            seen: Seen::default(),
        }
    }

    /// A schedule for conversations: nothing is refused, and everybody writes to the same thread.
    pub fn talkative(seed: u64) -> Self {
        let world = Self::new(seed);
        let limits = Limits { zone: world.limits.zone, ..Limits::default() };
        Self { limits, slow: true, talkative: true, ..world }
    }

    /// A schedule for many requests: wide limits, and time that mostly creeps, so that day totals are written while requests run.
    pub fn busy(seed: u64) -> Self {
        let world = Self::new(seed);
        let zone = world.limits.zone;
        let limits = Limits { requests_per_minute: Some(100), tokens_per_day: Some(5_000_000), zone, ..Limits::default() };
        Self { limits, slow: true, ..world }
    }

    pub fn step(&mut self) {
        self.store.fault = match self.rng.u8(..16) {
            0 => Fault::Before,
            1 => Fault::After,
            _ => Fault::None,
        };
        let steps = if self.streaming { 51 } else { 35 };
        match self.rng.u8(..steps) {
            0..6 => self.time_passes(),
            6..16 => self.begin_new(),
            16..18 => self.begin_again(),
            18..24 => self.finish_one(),
            24..26 => self.finish_again(),
            26 => self.expire(),
            27 => self.delete_thread(),
            28 => self.stray(),
            29 => self.crash(),
            30 => self.move_away(),
            31..33 => self.tell(),
            _ => self.progress(),
        }
        // A fault that nothing ran into does not wait for the next step.
        self.store.fault = Fault::None;
    }

    fn begin_new(&mut self) {
        self.numbers += 1;
        let number = self.numbers;
        let (talks, threads) = if self.talkative { (self.rng.u8(..8) > 0, 1) } else { (self.rng.u8(..3) == 0, 3) };
        let intent = talks.then(|| self.conversations.intend(&mut self.rng, number, threads));
        let begin = Begin {
            request_id: format!("req{number}"),
            session_id: "s".to_owned(),
            thread: intent.as_ref().map(Intent::begin),
            calls: private::asked(&mut self.rng),
            model: "m".to_owned(),
            model_served: format!("m{}", self.rng.u8(..2)),
            provider: "p".to_owned(),
            key_source: if self.rng.u8(..4) == 0 { KeySource::Platform } else { KeySource::Byok },
            rates: chance::rates(&mut self.rng),
            limits: self.limits,
            estimate: Estimate {
                input: self.rng.u64(1..100),
                output: if self.rng.bool() && !self.streaming { Some(self.rng.u64(1..200)) } else { None },
                output_default: self.rng.u64(1..if self.streaming { 2_000 } else { 400 }),
                choices: self.rng.u64(1..3),
            },
            thresholds: Vec::new(),
            project: ProjectTerms::default(),
            stream: self.streaming || self.rng.bool(),
            ttl_ms: self.rng.u64(1_000..if self.streaming { 700_000 } else { 120_000 }),
            roll_up_ms: self.rng.u64(1_000..400_000),
            pass: None,
        };
        let local = self.local.clone();
        self.begin(Flight { begin, local, intent, begun: None, finish: None });
    }

    /// The Worker had no answer and asks again; or the network delivers twice.
    fn begin_again(&mut self) {
        let Some(place) = self.some_flight() else { return };
        let flight = self.flights.swap_remove(place);
        let request = self.ledger.requests.get(&flight.begin.request_id);
        // A repeat comes within the minute (after that, its id may be forgotten), and the client's view is of the thread as it was.
        let late = request.is_some_and(|request| {
            request.charge.is_some() && (request.at + 60_000 < self.ledger.newest_at() || request.seq <= self.pruned)
        });
        if late || flight.intent.as_ref().is_some_and(|intent| !intent.still_fits(&self.conversations)) {
            return self.flights.push(flight);
        }
        self.begin(flight);
    }

    fn begin(&mut self, mut flight: Flight) {
        let id = flight.begin.request_id.clone();
        let history = flight.intent.as_ref().map_or_else(Vec::new, |intent| self.conversations.history(intent));
        let known = self.ledger.requests.get(&id).cloned();
        let given = self.keeping.given(&flight.begin, self.now.max(self.ledger.newest_at()));
        let read = tokens(&history) + private::tokens(&given, &flight.begin);
        let verdict = self.ledger.verdict(&flight.begin, &flight.local, read, self.now);
        let commits = self.store.commits;
        match (self.apply(Command::Begin(flight.begin.clone())), known) {
            (Ok(Outcome::Begun(begun)), Some(request)) => {
                assert!(request.charge.is_none(), "begun again after its end");
                assert_eq!((begun.reservation.seq, begun.reservation.reserved), (request.seq, request.held()));
                assert_eq!((begun.reservation.max_output, self.store.commits), (request.max_output, commits));
                Self::check_upstream(&flight, &history, &given, &begun);
                flight.begun = Some((request.seq, begun.base));
                self.seen.repeated_begin += 1;
            }
            (Err(Some(error)), Some(request)) => {
                assert_eq!((error.code(), request.charge.is_some()), (Code::Conflict, true));
                self.seen.conflict += 1;
            }
            (Ok(Outcome::Begun(begun)), None) => {
                let latest = self.ledger.requests.values().map(|request| request.day).max();
                self.seen.expired_by_begin += self.ledger.admit(&flight.begin, &verdict);
                self.seen.earlier_day += u64::from(latest > Some(self.ledger.requests[&id].day));
                let request = &self.ledger.requests[&id];
                assert_eq!((begun.reservation.seq, begun.reservation.reserved), (request.seq, request.held()));
                assert_eq!(
                    (begun.reservation.max_output, begun.reservation.reserved_micro_usd),
                    (request.max_output, request.held_micro_usd())
                );
                Self::check_upstream(&flight, &history, &given, &begun);
                flight.begun = Some((request.seq, begun.base));
                assert_eq!((begun.reservation.grows_to, begun.reservation.output()), (request.grows_to, request.output));
                self.seen.in_instalments += u64::from(request.grows_to.is_some_and(|most| most > request.output));
                self.seen.granted_less += u64::from(request.max_output.is_some());
                let no_tokens = self.limits.tokens_per_day.or(self.limits.tokens_per_month).is_none();
                self.seen.granted_less_usd += u64::from(request.max_output.is_some() && no_tokens);
                self.seen.given_private += u64::from(!given.is_empty());
                self.seen.next_month += u64::from(request.day == 20_089);
                self.seen.admitted += 1;
            }
            (Ok(Outcome::Refused(refused)), None) => {
                self.check_refusal(&refused.refusal, &verdict);
                assert_eq!(self.store.commits, commits, "a refusal wrote");
            }
            // A failed commit, told apart by the world: persisted or not.
            (Err(None), None) if self.persisted(commits) => drop(self.ledger.admit(&flight.begin, &verdict)),
            (Err(None), None) => {}
            (other, known) => panic!("begin: {other:?}, known {known:?}"),
        }
        self.flights.push(flight);
    }

    fn finish_one(&mut self) {
        let Some(place) = self.some_flight().filter(|place| self.flights[*place].finish.is_none()) else { return };
        let Some((seq, base)) = self.flights[place].begun else { return };
        let reply = match self.rng.u8(..6) {
            0 => None,
            1 => Some(String::new()),
            _ => Some(format!("r{} so it is", self.flights[place].begin.request_id)),
        };
        let complete = reply.as_ref().is_some_and(|reply| !reply.is_empty()) && self.rng.bool();
        let usage = chance::usage(&mut self.rng, 120, 300);
        let private = private::some(&mut self.rng, &self.flights[place].begin.request_id);
        let flight = &mut self.flights[place];
        let thread = flight.intent.as_ref().zip(base).map(|(intent, base)| intent.finish(base, reply.as_deref(), complete));
        let finish = Finish {
            request_id: flight.begin.request_id.clone(),
            seq,
            usage: if self.rng.u8(..4) > 0 { Some(usage) } else { None },
            estimated: self.rng.bool(),
            status: *self.rng.choice(&[Ending::Completed, Ending::Cancelled, Ending::Failed, Ending::Stopped]).unwrap(),
            ttft_ms: Some(3),
            duration_ms: Some(9),
            thread,
            private,
            watch: None,
        };
        flight.finish = Some((finish, reply.filter(|reply| !reply.is_empty())));
        self.finish(place);
    }

    fn finish_again(&mut self) {
        if let Some(place) = self.some_flight().filter(|place| self.flights[*place].finish.is_some()) {
            self.finish(place);
        }
    }

    fn finish(&mut self, place: usize) {
        let flight = self.flights[place].clone();
        let Some((finish, reply)) = flight.finish else { return };
        let before = self.ledger.requests[&finish.request_id].clone();
        let settles = before.charge.is_none();
        let mut after = self.conversations.clone();
        // What came so late that even its row is gone is not known any more.
        let may_store = settles || (before.expired && !before.stored && before.seq > self.pruned);
        let stores = match &flight.intent {
            Some(intent) if may_store => {
                self.seen.appended_instead += u64::from(after.changed_since(intent) && reply.is_some());
                after.store(intent, reply.as_deref())
            }
            _ => false,
        };
        let (commits, totals) = (self.store.commits, self.store.rows.days.clone());
        let answer = self.apply(Command::Finish(finish.clone()));
        self.seen.totals_by_finish += u64::from(self.store.rows.days != totals);
        match &answer {
            Ok(Outcome::Finished(finished)) => {
                assert_eq!((finished.settled, finished.stored), (settles, stores));
                assert_eq!(self.store.commits, commits + u64::from(settles || stores), "a finish that changes nothing wrote");
                self.seen.settled += u64::from(settles);
                self.seen.repeated_finish += u64::from(!settles && !stores);
                self.seen.stored_late += u64::from(!settles && stores);
            }
            Err(None) if self.persisted(commits) => {}
            Err(None) => return,
            other => panic!("finish: {other:?}"),
        }
        self.ledger.finish(&finish);
        if let Ok(Outcome::Finished(finished)) = answer {
            let row = self.store.rows.requests.get(&finish.seq).filter(|row| row.request_id == finish.request_id);
            assert_eq!(finished.micro_usd, row.map(|row| row.micro_usd), "the charge that is told");
        }
        if stores || (settles && flight.intent.is_none()) {
            self.keeping.keep(before.at, &finish);
        }
        if stores {
            self.conversations = after;
        }
        self.ledger.requests.get_mut(&finish.request_id).unwrap().stored |= stores;
    }

    fn delete_thread(&mut self) {
        let Some(id) = self.rng.choice(self.conversations.threads.keys()).cloned() else { return };
        let commits = self.store.commits;
        match self.apply(Command::DeleteThread(ThreadId { id: id.clone() })) {
            Ok(Outcome::Deleted) => {}
            Err(None) if self.persisted(commits) => {}
            Err(None) => return,
            other => panic!("delete: {other:?}"),
        }
        self.conversations.threads.remove(&id);
        self.keeping.forget_thread(&id);
        self.seen.deleted += 1;
    }

    /// A finish for a request that never was, with a number that may be another's.
    fn stray(&mut self) {
        let seq = self.rng.u64(..self.numbers + 2);
        let finish = Finish { usage: Some(usage(1_000, 0)), private: private::some(&mut self.rng, "never"), ..finish("never", seq) };
        match self.apply(Command::Finish(finish)) {
            Ok(Outcome::Finished(finished)) => assert_eq!((finished.settled, finished.stored), (false, false)),
            other => panic!("stray: {other:?}"),
        }
    }

    /// The object is gone from memory; the next command finds it loaded from the store.
    fn crash(&mut self) {
        self.user = User::load(&self.store).unwrap();
        self.seen.crashed += 1;
    }

    /// The answer; `Err(None)` is the commit that was made to fail.
    fn apply(&mut self, command: Command) -> Result<Outcome, Option<Error>> {
        let fault = self.store.fault;
        let answer = self.user.apply(&mut self.store, command, self.now);
        let struck = fault != Fault::None && self.store.fault == Fault::None;
        self.seen.failed_before += u64::from(struck && fault == Fault::Before);
        self.seen.failed_after += u64::from(struck && fault == Fault::After);
        match answer {
            Err(error) if struck => {
                assert_eq!(error.code(), Code::ServerError);
                Err(None)
            }
            Ok(outcome) if struck => panic!("a failed commit was answered with {outcome:?}"),
            other => other.map_err(Some),
        }
    }

    fn persisted(&self, commits_before: u64) -> bool {
        self.store.commits > commits_before
    }

    fn some_flight(&mut self) -> Option<usize> {
        // Mostly the latest ones: that is where the races are.
        let newest = self.flights.len().checked_sub(1)?;
        Some(newest - self.rng.usize(..=newest).min(self.rng.usize(..8)))
    }
}
