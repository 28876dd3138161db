//! A world of users' objects, a project's object and an unreliable wire between them, driven by a seed.
//!
//! Always holds: what is expected is the sum of the users' own rows, kept by hand where a user is erased, and never asks
//! the project. Absent on purpose: limits and threads (the tests of the user's state).

use std::collections::BTreeMap;

use behest::api::usage::TokenUsage;
use behest::price::Rates;
use behest::rollup::batch::Batch;
use behest::rollup::requests::Filter;
use behest::rollup::{self, answer};
use behest::user::User;
use behest::user::command::{Begin, Command, Ending, Estimate, Expire, Finish, Limits, Outcome};
use behest::user::outbox::Acknowledge;
use behest::user::store::{KeySource, RequestRow, Status};

use crate::memory::Memory;
use crate::user_memory::{self, Fault};
use crate::words::{HOUR, MINUTE, NOW, Project, RETENTION};

pub type Key = (u64, [String; 6]);

/// One user's object.
struct Object {
    user: User,
    store: user_memory::Memory,
    /// Requests that run: their id and number.
    running: Vec<(String, u64)>,
}

/// A message on the wire.
#[derive(Clone)]
enum Message {
    Tell(usize, Batch),
    Told(usize, Acknowledge),
}

/// What a schedule got to.
#[derive(Debug, Default)]
pub struct Seen {
    pub settled: u64,
    pub refused: u64,
    pub repeated: u64,
    pub failed: u64,
    pub crashed: u64,
    pub erased: u64,
    pub cut_short: u64,
}

pub struct World {
    rng: fastrand::Rng,
    now: u64,
    objects: Vec<Object>,
    project: Memory,
    wire: Vec<Message>,
    /// What users who were erased had used; under no name once the project was told.
    gone: Vec<(String, RequestRow)>,
    numbers: u64,
    pub seen: Seen,
}

fn name(place: usize) -> String {
    format!("u{place}")
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let objects = (0..rng.usize(1..4)).map(|_| {
            let store = user_memory::Memory::default();
            Object { user: User::load(&store).unwrap(), store, running: Vec::new() }
        });
        let objects = objects.collect();
        let (project, wire, gone) = (Memory::default(), Vec::new(), Vec::new());
        Self { rng, now: NOW, objects, project, wire, gone, numbers: 0, seen: Seen::default() }
    }

    pub fn step(&mut self) {
        let place = self.rng.usize(..self.objects.len());
        let (ours, theirs) = (self.fault(), self.fault());
        self.objects[place].store.fault = ours;
        self.project.fault = theirs;
        match self.rng.u8(..33) {
            0..3 => self.now += self.rng.u64(..20) * MINUTE,
            3..10 => self.begin(place),
            10..17 => self.finish(place),
            17 => drop(self.ask(place, Command::Expire(Expire { retention_ms: Some(0), roll_up_ms: MINUTE }))),
            18..22 => self.send(place),
            22..31 => self.deliver(),
            31 => self.crash(place),
            _ => self.erase(place),
        }
        self.objects[place].store.fault = Fault::None;
        self.project.fault = Fault::None;
    }

    fn fault(&mut self) -> Fault {
        match self.rng.u8(..12) {
            0 => Fault::Before,
            1 => Fault::After,
            _ => Fault::None,
        }
    }

    fn ask(&mut self, place: usize, command: Command) -> Option<Outcome> {
        let Object { user, store, .. } = &mut self.objects[place];
        let outcome = user.apply(store, command, self.now).ok();
        self.seen.failed += u64::from(outcome.is_none());
        outcome
    }

    fn begin(&mut self, place: usize) {
        self.numbers += 1;
        let request_id = format!("req{}", self.numbers);
        let prices = [None, Some("2500000 1250000 3125000 10000000 40000000 80000000")];
        let begin = Begin {
            project: behest::user::command::ProjectTerms::default(),
            stream: false,
            request_id: request_id.clone(),
            session_id: format!("s{}", self.rng.u8(..2)),
            thread: None,
            calls: Vec::new(),
            model: "m".to_owned(),
            model_served: format!("m{}", self.rng.u8(..2)),
            provider: format!("p{}", self.rng.u8(..2)),
            key_source: if self.rng.bool() { KeySource::Platform } else { KeySource::Byok },
            rates: self.rng.choice(prices).flatten().map(|text| Rates::try_from(text.to_owned()).unwrap()),
            limits: Limits::default(),
            estimate: Estimate { input: 10, output: Some(20), output_default: 0, choices: 1 },
            thresholds: Vec::new(),
            ttl_ms: self.rng.u64(1..30) * MINUTE,
            roll_up_ms: 5 * MINUTE,
            pass: None,
        };
        if let Some(Outcome::Begun(begun)) = self.ask(place, Command::Begin(begin)) {
            self.objects[place].running.push((request_id, begun.reservation.seq));
        }
    }

    fn finish(&mut self, place: usize) {
        let running = self.objects[place].running.len();
        if running == 0 {
            return;
        }
        let (request_id, seq) = self.objects[place].running[self.rng.usize(..running)].clone();
        let usage =
            TokenUsage { input: self.rng.u64(..50), output: self.rng.u64(..90), reasoning: self.rng.u64(..9), ..TokenUsage::default() };
        let finish = Finish {
            request_id,
            seq,
            usage: self.rng.bool().then_some(usage),
            estimated: self.rng.bool(),
            status: *self.rng.choice(&[Ending::Completed, Ending::Cancelled, Ending::Failed, Ending::Stopped]).unwrap(),
            ttft_ms: None,
            duration_ms: Some(5),
            thread: None,
            private: Vec::new(),
            watch: None,
        };
        if let Some(Outcome::Finished(finished)) = self.ask(place, Command::Finish(finish)) {
            self.seen.settled += u64::from(finished.settled);
        }
    }

    fn send(&mut self, place: usize) {
        let limit = self.rng.u64(1..6);
        match self.ask(place, Command::Outbox { limit }) {
            Some(Outcome::Outbox(batch)) if !batch.is_empty() => self.wire.push(Message::Tell(place, batch)),
            _ => {}
        }
    }

    /// Any message of those on the wire, which may come again; the answer may be lost.
    fn deliver(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        let at = self.rng.usize(..self.wire.len());
        let message = if self.rng.u8(..4) == 0 {
            self.seen.repeated += 1;
            self.wire[at].clone()
        } else {
            self.wire.swap_remove(at)
        };
        match message {
            Message::Tell(place, batch) => {
                if let Some(told) = self.tell(place, batch).filter(|_| self.rng.u8(..4) > 0) {
                    self.wire.push(Message::Told(place, told));
                }
            }
            Message::Told(place, told) => drop(self.ask(place, Command::Acknowledge(told))),
        }
    }

    fn tell(&mut self, place: usize, batch: Batch) -> Option<Acknowledge> {
        let (epoch, user) = (batch.epoch, name(place));
        let told = |through, rewind| Acknowledge { epoch, through, rewind, retention_ms: None };
        let (commits, known) = (self.project.commits, self.project.rows.applied.get(&user).map(|(applied, _)| applied.epoch));
        let answer = answer(&mut self.project, rollup::Command::Apply { user, batch }, RETENTION, self.now);
        if self.project.commits > commits && known.is_some_and(|known| known < epoch) {
            self.forgotten(place);
        }
        match answer {
            Ok(rollup::Outcome::Told { through, .. }) => Some(told(through, false)),
            Ok(rollup::Outcome::Expected { number }) => {
                self.seen.refused += 1;
                Some(told(number - 1, true))
            }
            Err(_) => {
                self.seen.failed += 1;
                None
            }
            other => panic!("{other:?}"),
        }
    }

    fn crash(&mut self, place: usize) {
        let object = &mut self.objects[place];
        object.user = User::load(&object.store).unwrap();
        self.seen.crashed += 1;
    }

    /// As the owner's route does it; what fails in between leaves it undone, and the owner asks again some time.
    fn erase(&mut self, place: usize) {
        let done = self.erase_now(place);
        self.seen.erased += u64::from(done.is_some());
        self.seen.cut_short += u64::from(done.is_none());
    }

    fn erase_now(&mut self, place: usize) -> Option<()> {
        self.ask(place, Command::Close)?;
        self.carry(place)?;
        let rows: Vec<RequestRow> = self.objects[place].store.rows.requests.values().cloned().collect();
        let commits = self.objects[place].store.commits;
        let erased = self.ask(place, Command::Erase);
        if self.objects[place].store.commits > commits {
            self.gone.extend(rows.into_iter().map(|row| (name(place), row)));
        }
        let Outcome::Erased { epoch } = erased? else { panic!("not erased") };
        if self.rng.u8(..3) == 0 {
            return None;
        }
        let commits = self.project.commits;
        let forget = rollup::Command::Forget { user: name(place), epoch };
        let forgotten = answer(&mut self.project, forget, RETENTION, self.now);
        if self.project.commits > commits {
            self.forgotten(place);
        }
        forgotten.ok().map(drop)
    }

    /// The project knows that who had this name is gone.
    fn forgotten(&mut self, place: usize) {
        for (user, row) in self.gone.iter_mut().filter(|(user, _)| *user == name(place)) {
            (*user, row.session_id) = (String::new(), String::new());
        }
    }

    /// Until nothing waits.
    fn carry(&mut self, place: usize) -> Option<()> {
        loop {
            let Some(Outcome::Outbox(batch)) = self.ask(place, Command::Outbox { limit: 3 }) else { panic!("no outbox") };
            if batch.is_empty() {
                return Some(());
            }
            let told = self.tell(place, batch)?;
            self.ask(place, Command::Acknowledge(told))?;
        }
    }

    /// Each key's requests and micro-dollars, and tokens.
    fn expected(&self) -> BTreeMap<Key, [u64; 7]> {
        let mut sums: BTreeMap<Key, [u64; 7]> = BTreeMap::new();
        let rows = |(place, object): (usize, &Object)| {
            object.store.rows.requests.values().map(move |row| (name(place), row.clone())).collect::<Vec<_>>()
        };
        let now = self.objects.iter().enumerate().flat_map(rows);
        for (user, row) in now.chain(self.gone.iter().cloned()) {
            assert_ne!(row.status, Status::Open);
            let texts = [&user, &row.session_id, &row.model_served, &row.provider, row.key_source.name(), row.status.name()];
            let sum = sums.entry((row.at / HOUR, texts.map(str::to_owned))).or_default();
            let more = [
                1,
                row.micro_usd,
                row.input.unwrap(),
                row.output.unwrap(),
                row.reasoning,
                u64::from(row.rates.is_none()),
                u64::from(row.estimated),
            ];
            for (sum, more) in sum.iter_mut().zip(more) {
                *sum += more;
            }
        }
        sums
    }

    fn counted(&self) -> BTreeMap<Key, [u64; 7]> {
        let sums = |row: &behest::rollup::store::TotalRow| {
            [row.requests, row.micro_usd, row.input, row.output, row.reasoning, row.unpriced, row.estimated]
        };
        self.project.rows.totals.iter().map(|(key, row)| (key.clone(), sums(row))).collect()
    }

    /// After quiet the project's sums are the users' rows, in each dimension, and each request is told once; what still was
    /// on the wire changes nothing.
    pub fn come_to_rest(&mut self) {
        for place in 0..self.objects.len() {
            self.crash(place);
            self.ask(place, Command::Close).unwrap();
            self.carry(place).unwrap();
            assert_eq!(self.objects[place].user.waiting(), 0);
        }
        self.check();
        for message in std::mem::take(&mut self.wire) {
            match message {
                Message::Tell(place, batch) => drop(self.tell(place, batch)),
                Message::Told(place, told) if !told.rewind => drop(self.ask(place, Command::Acknowledge(told))),
                Message::Told(..) => {}
            }
        }
        self.check();
    }

    fn check(&self) {
        assert_eq!(self.counted(), self.expected(), "sums");
        let mut project = Project { store: self.project.clone() };
        let mut told = project.walk(5, &Filter::default());
        let rows = |(place, object): (usize, &Object)| {
            object.store.rows.requests.values().map(move |row| (row.at, name(place), row.ended.unwrap())).collect::<Vec<_>>()
        };
        let mut expected: Vec<_> = self.objects.iter().enumerate().flat_map(rows).collect();
        // A user whose erasure was cut short is still known by what came before.
        let named = self.gone.iter().filter(|(user, _)| !user.is_empty());
        expected.extend(named.map(|(user, row)| (row.at, user.clone(), row.ended.unwrap())));
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "single requests");
    }

    /// The project's object is put back to how it was; every user goes on and tells it again what it lost.
    pub fn project_as(&mut self, before: Memory) {
        self.project = before;
        for place in 0..self.objects.len() {
            self.begin(place);
        }
    }

    pub fn project_now(&self) -> Memory {
        self.project.clone()
    }

    /// A step in which nobody is erased.
    pub fn plain_step(&mut self) {
        let place = self.rng.usize(..self.objects.len());
        match self.rng.u8(..4) {
            0 => self.begin(place),
            1 => self.finish(place),
            2 => self.send(place),
            _ => self.deliver(),
        }
    }
}
