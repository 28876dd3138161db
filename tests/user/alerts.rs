//! Thresholds of budgets: each is told once in its period and none is missed, in whatever order requests are settled, limits
//! change, days pass, commits fail and objects are lost.
//!
//! Always holds: a schedule is a function of its seed; what was spent and what was told is counted here, beside the code.

use std::collections::BTreeMap;

use behest::calendar::{day_of, month_of};
use behest::price::Rates;
use behest::user::User;
use behest::user::alerts::Watch;
use behest::user::command::{Begin, Command, Expire, Finish, Limits, Outcome};
use behest::user::refusal::Budget;
use behest::user::store::{AlertKey, AlertRow, Status};
use behest::zone::Zone;

use crate::memory::Fault;
use crate::words::{NOW, Object, begin, estimate, finish, usage};

const DAY: u64 = 86_400_000;
const BUDGETS: [Budget; 4] = [Budget::UserTokensPerDay, Budget::UserTokensPerMonth, Budget::UserUsdPerDay, Budget::UserUsdPerMonth];

fn per_day(limit: u64) -> Limits {
    Limits { tokens_per_day: Some(limit), ..Limits::default() }
}

fn rows(object: &Object) -> Vec<(Budget, u8, u64, u64)> {
    object.store.rows.alerts.values().map(|row| (row.budget, row.threshold, row.spent, row.ceiling)).collect()
}

/// Begins and finishes a request that costs so many tokens.
fn spend(object: &mut Object, id: &str, limits: Limits, tokens: u64, now: u64) {
    let begin = Begin { limits, thresholds: vec![50, 80, 100], estimate: estimate(0, Some(1)), ..begin(id) };
    let seq = object.begin(begin, now).unwrap().reservation.seq;
    let watch = Some(Watch { limits, thresholds: vec![50, 80, 100] });
    object.finish(Finish { usage: Some(usage(tokens, 0)), watch, ..finish(id, seq) }, now);
}

#[test]
fn the_highest_of_several_is_told_and_the_next_period_begins_anew() {
    let (day, tokens) = (Budget::UserTokensPerDay, per_day(1_000));
    let mut object = Object::new();
    spend(&mut object, "a", tokens, 499, NOW);
    assert_eq!((rows(&object), object.store.written), (vec![], 2), "nothing is passed, nothing is written");
    spend(&mut object, "b", tokens, 400, NOW);
    assert_eq!(rows(&object), [(day, 80, 899, 1_000)], "50 is passed over");
    let row = *object.user.untold().next().unwrap();
    assert_eq!((row.at, row.resets_at, row.span), (NOW, (NOW / DAY + 1) * 86_400, NOW / DAY));
    assert_eq!(object.store.rows.alarm, Some(NOW + 60_000), "if it cannot be told at once");
    spend(&mut object, "c", tokens, 50, NOW + 1);
    spend(&mut object, "d", tokens, 51, NOW + 2);
    assert_eq!(rows(&object)[1..], [(day, 100, 1_000, 1_000)]);
    // Nobody is admitted any more; a raised limit makes no threshold of the day new.
    spend(&mut object, "e", per_day(2_000), 100, NOW + 3);
    assert_eq!(rows(&object).len(), 2);
    let keys = object.user.untold().map(AlertRow::key).collect::<Vec<_>>();
    object.apply(Command::AlertsTold(keys), NOW + 4).unwrap();
    assert_eq!((object.user.untold().count(), memory_is_the_rows(&object, NOW + 4)), (0, true));
    spend(&mut object, "f", tokens, 600, NOW + DAY);
    assert_eq!(rows(&object), [(day, 50, 600, 1_000)], "the marks of yesterday are gone");
}

#[test]
fn what_nobody_watched_is_told_by_the_next_request_even_a_refused_one() {
    let mut object = Object::new();
    let seq = object.begin(Begin { estimate: estimate(0, Some(90)), ttl_ms: 1_000, ..begin("a") }, NOW).unwrap().reservation.seq;
    object.finish(Finish { usage: Some(usage(60, 0)), ..finish("a", seq) }, NOW);
    assert_eq!(rows(&object), []);
    // The limit is lowered below what is spent.
    let refused = Begin { limits: per_day(50), thresholds: vec![10, 20, 30], ..begin("b") };
    object.begin(refused.clone(), NOW + 1).unwrap_err();
    assert_eq!(rows(&object), [(Budget::UserTokensPerDay, 30, 60, 50)]);
    let written = object.store.written;
    object.begin(refused, NOW + 2).unwrap_err();
    assert_eq!(object.store.written, written, "once");
    // Who does not want alerts gets none, and makes no marks.
    let mut object = Object::new();
    let seq = object.begin(Begin { limits: per_day(100), ..begin("a") }, NOW).unwrap().reservation.seq;
    object.finish(Finish { usage: Some(usage(100, 0)), ..finish("a", seq) }, NOW);
    object.begin(Begin { limits: per_day(100), ..begin("b") }, NOW).unwrap_err();
    assert_eq!(rows(&object), []);
}

#[test]
fn an_expired_reservation_counts_when_it_is_settled() {
    let mut object = Object::new();
    object.begin(Begin { limits: per_day(100), estimate: estimate(0, Some(90)), ttl_ms: 1_000, ..begin("a") }, NOW).unwrap();
    let next = Begin { limits: per_day(100), thresholds: vec![50, 80, 100], estimate: estimate(0, Some(1)), ..begin("b") };
    object.begin(next, NOW + 2_000).unwrap();
    assert_eq!(rows(&object), [(Budget::UserTokensPerDay, 80, 90, 100)]);
}

/// A user, the project that is told, and what must be so.
struct World {
    rng: fastrand::Rng,
    now: u64,
    object: Object,
    limits: Limits,
    thresholds: Vec<u8>,
    /// Requests that run: id, seq, what watches their end.
    open: Vec<(String, u64, Option<Watch>)>,
    numbers: u64,
    /// What was ever settled, by number: when it began, tokens, micro-dollars. Rows are pruned.
    settled: BTreeMap<u64, (u64, u64, u64)>,
    /// Everything that was ever marked.
    marked: BTreeMap<AlertKey, AlertRow>,
    seen: [u64; 6],
}

const SEEN: [&str; 6] = ["finish", "begin", "refusal", "passed over", "forgotten", "lost and told again"];

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let limits = limits(&mut rng);
        let now = rng.choice([20_000, 20_089]).unwrap() * DAY - rng.u64(..600_000);
        Self {
            rng,
            now,
            object: Object::new(),
            limits,
            thresholds: vec![50, 80, 100],
            open: Vec::new(),
            numbers: 0,
            settled: BTreeMap::new(),
            marked: BTreeMap::new(),
            seen: [0; 6],
        }
    }

    fn step(&mut self) {
        let fault = [Fault::Before, Fault::After, Fault::None, Fault::None, Fault::None, Fault::None];
        self.object.store.fault = *self.rng.choice(&fault).unwrap();
        let before = self.object.store.rows.alerts.clone();
        match self.rng.u8(..16) {
            0..5 => self.begin(),
            5..10 => self.finish(),
            10 => self.limits = limits(&mut self.rng),
            11 => self.thresholds = self.rng.choice([vec![50, 80, 100], vec![80], vec![10, 60, 90], vec![]]).unwrap(),
            12 => self.object.user = User::load(&self.object.store).unwrap(),
            13 => drop(self.object.apply(Command::Expire(Expire { retention_ms: Some(0), roll_up_ms: 60_000 }), self.now)),
            14 => self.tell(),
            _ => self.now += self.rng.choice([0, 50_000, 3_600_000, DAY, 9 * DAY]).unwrap(),
        }
        self.object.store.fault = Fault::None;
        self.check(&before);
    }

    fn begin(&mut self) {
        self.numbers += 1;
        let id = format!("r{}", self.numbers);
        let begin = Begin {
            limits: self.limits,
            thresholds: self.thresholds.clone(),
            estimate: estimate(self.rng.u64(..20), Some(self.rng.u64(..40))),
            rates: self.rng.bool().then(|| Rates::try_from("2000000 0 0 10000000 0 0".to_owned()).unwrap()),
            ttl_ms: self.rng.u64(1_000..100_000),
            ..begin(&id)
        };
        let (watched, marks) = (!self.thresholds.is_empty(), self.object.store.rows.alerts.clone());
        let answer = self.object.apply(Command::Begin(begin), self.now);
        let new = u64::from(self.marks_beside(&marks));
        match answer {
            Ok(Outcome::Begun(admitted)) => {
                let watch = (watched && self.rng.u8(..4) > 0).then(|| Watch { limits: self.limits, thresholds: self.thresholds.clone() });
                self.open.push((id, admitted.reservation.seq, watch));
                self.seen[1] += new;
            }
            Ok(Outcome::Refused(_)) => self.seen[2] += new,
            Err(_) => return,
            other => panic!("{other:?}"),
        }
        self.none_is_missed(self.now, self.limits, &self.thresholds.clone());
    }

    fn finish(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let place = self.rng.usize(..self.open.len());
        let (id, seq, watch) = self.open[place].clone();
        let usage = usage(self.rng.u64(..60), self.rng.u64(..60));
        let (written, marks) = (self.object.store.written, self.object.store.rows.alerts.clone());
        let done = self.object.apply(Command::Finish(Finish { usage: Some(usage), watch: watch.clone(), ..finish(&id, seq) }), self.now);
        if done.is_err() {
            // The Worker tries again some time.
            return;
        }
        self.open.swap_remove(place);
        let new = self.marks_beside(&marks);
        self.seen[0] += u64::from(new);
        assert!(new || self.object.store.written - written <= 1, "a request that passes no threshold wrote more than its end");
        // Only the day of the newest request is looked at, and only if this one settled.
        if let Some(watch) = watch.filter(|_| self.object.store.written > written) {
            let newest = self.object.store.rows.requests.values().map(|row| row.at).max().unwrap_or(0);
            self.none_is_missed(newest, watch.limits, &watch.thresholds);
        }
    }

    fn marks_beside(&self, before: &BTreeMap<AlertKey, AlertRow>) -> bool {
        self.object.store.rows.alerts.keys().any(|key| !before.contains_key(key))
    }

    /// The shell hands over what waits; an answer may be lost, then it is handed over again.
    fn tell(&mut self) {
        let keys: Vec<AlertKey> = self.object.user.untold().map(AlertRow::key).collect();
        if !keys.is_empty() && self.object.apply(Command::AlertsTold(keys), self.now).is_err() {
            self.seen[5] += 1;
        }
    }

    fn record(&mut self) {
        for row in self.object.store.rows.requests.values().filter(|row| row.status != Status::Open) {
            self.settled.insert(row.seq, (row.at, row.usage().unwrap_or_default().total(), row.micro_usd));
        }
    }

    /// What is settled of a budget in the span of `at`.
    fn spent(&self, budget: Budget, at: u64) -> u64 {
        let span = |at| if is_month(budget) { month_of(day_of(at)) } else { day_of(at) };
        let here = self.settled.values().filter(|(began, ..)| span(*began) == span(at));
        here.map(|(_, tokens, micro_usd)| if budget.is_usd() { micro_usd } else { tokens }).sum()
    }

    /// For each budget, the highest threshold that is reached is marked, or a higher one.
    fn none_is_missed(&mut self, at: u64, limits: Limits, thresholds: &[u8]) {
        self.record();
        let at = self.object.store.rows.requests.values().map(|row| row.at).max().unwrap_or(0).max(at);
        for budget in BUDGETS {
            let Some(limit) = budget.limit(&limits).filter(|limit| *limit > 0) else { continue };
            let span = if is_month(budget) { month_of(day_of(at)) } else { day_of(at) };
            let spent = self.spent(budget, at);
            let reached = thresholds.iter().copied().filter(|t| spent * 100 >= limit * u64::from(*t)).max().unwrap_or(0);
            let marks = self.object.store.rows.alerts.keys().filter(|(of, when, _)| (*of, *when) == (budget, span));
            let marked = marks.map(|(_, _, threshold)| *threshold).max().unwrap_or(0);
            assert!(marked >= reached, "{budget:?}: {spent} of {limit} is {reached} %, marked {marked}");
        }
    }

    fn check(&mut self, before: &BTreeMap<AlertKey, AlertRow>) {
        self.record();
        assert!(memory_is_the_rows(&self.object, self.now), "memory is not what the store says");
        let now = self.object.store.rows.alerts.clone();
        let new: Vec<AlertRow> = now.iter().filter(|(key, _)| !before.contains_key(key)).map(|(_, row)| *row).collect();
        for row in &new {
            let same = self.marked.keys().filter(|(budget, span, _)| (*budget, *span) == (row.budget, row.span));
            let highest = same.map(|(_, _, threshold)| *threshold).max().unwrap_or(0);
            assert!(row.threshold > highest, "{row:?} after {highest}");
            assert!(row.spent * 100 >= row.ceiling * u64::from(row.threshold), "{row:?}");
            assert_eq!(row.spent, self.spent(row.budget, row.span * DAY), "{row:?}");
            self.seen[3] += u64::from(highest == 0 && row.threshold > 50);
            self.marked.insert(row.key(), *row);
        }
        for budget in BUDGETS {
            assert!(new.iter().filter(|row| row.budget == budget).count() <= 1, "several at once: {new:?}");
        }
        let gone: Vec<&AlertRow> = before.values().filter(|row| !now.contains_key(&row.key())).collect();
        self.seen[4] += gone.len() as u64;
        assert!(gone.iter().all(|row| row.told && new.iter().any(|newer| newer.budget == row.budget && newer.span > row.span)), "{gone:?}");
    }
}

/// After a failed commit memory is read again by the next command, and the next command that names a zone says which day it is.
fn memory_is_the_rows(object: &Object, now: u64) -> bool {
    let (mut memory, mut loaded) = (object.user.clone(), User::load(&object.store).unwrap());
    for user in [&mut memory, &mut loaded] {
        user.apply(&mut object.store.clone(), Command::Standing(Zone::UTC), now).unwrap();
    }
    memory == loaded
}

fn is_month(budget: Budget) -> bool {
    matches!(budget, Budget::UserTokensPerMonth | Budget::UserUsdPerMonth)
}

fn limits(rng: &mut fastrand::Rng) -> Limits {
    let mut one_of = |limits: [u64; 4]| rng.bool().then(|| rng.choice(limits).unwrap());
    Limits {
        tokens_per_day: one_of([0, 100, 300, 2_000]),
        tokens_per_month: one_of([200, 500, 1_000, 4_000]),
        micro_usd_per_day: one_of([1, 500, 1_000, 9_000]),
        micro_usd_per_month: one_of([900, 2_000, 5_000, 20_000]),
        ..Limits::default()
    }
}

#[test]
fn each_threshold_is_told_once_in_its_period_and_none_is_missed() {
    let mut seen = [0; 6];
    for seed in 0..4_000 {
        let mut world = World::new(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (0..60).for_each(|_| world.step())));
        assert!(outcome.is_ok(), "seed {seed}");
        seen.iter_mut().zip(world.seen).for_each(|(sum, more)| *sum += more);
    }
    assert!(seen.iter().all(|count| *count > 20), "{SEEN:?}: {seen:?}");
}
