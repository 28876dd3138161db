//! What the leases cost in messages: how often a request has to wait for its project, and what is written in the background.
//!
//! `cargo test --test simulator hops -- --nocapture` prints the table; `BEHEST_MINUTES=60` lets the largest case run as long
//! as the others. Always holds: nothing is lost and answers come at once, so what is counted is the protocol's own. Time per
//! message is measured and printed, never asserted. Absent on purpose: chance that matters (the seed is fixed).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use behest::api::usage::TokenUsage;
use behest::calendar::DAY_MS;
use behest::lease::pool::{Answer, Terms};
use behest::lease::{Ask, Pool, Reply, Want};
use behest::user::User;
use behest::user::command::{Begin, Command, Ending, Estimate, Finish, Limits, Outcome, ProjectTerms};
use behest::user::holding::Upkeep;
use behest::user::refusal::Refusal;
use behest::user::store::KeySource;
use behest::zone::Zone;
use fastrand::Rng;

use crate::chance;
use crate::memory::Memory;
use crate::number;
use crate::rows::LeaseRows;

const MINUTE_MS: u64 = 60_000;
/// How long an answer takes, ms.
const ANSWER_MS: u64 = 5_000;
/// How often the project is asked for one request.
const ASKS: usize = 2;
/// Tokens of a prompt, tokens reserved for the answer, and tokens of the answer.
const TOKENS: (u64, u64, u64) = (200, 1_000, 300);

/// One line of the table.
#[derive(Debug, Default)]
struct Count {
    begun: u64,
    refused: u64,
    /// Requests that waited for the project: a user's first one, and others.
    first: u64,
    waited: u64,
    renewals: u64,
    given_back: u64,
    recalls: u64,
    asks: u64,
    took: Duration,
}

struct Project {
    limits: Limits,
    pool: Pool,
    rows: LeaseRows,
    users: Vec<(User, Memory)>,
    count: Count,
}

#[test]
fn hops() {
    let minutes = number("BEHEST_MINUTES").unwrap_or(5);
    println!(
        "{:>6} {:>5} {:>6} {:>4}  {:>8} {:>8}  {:>6} {:>14}  {:>8} {:>10} {:>8}  {:>7}",
        "users", "room", "places", "min", "begun", "refused", "first", "waited later", "renewals", "given back", "recalls", "us/ask"
    );
    for (users, minutes) in [(1, 60), (100, 60), (10_000, minutes)] {
        for (room, places) in [(100, None), (100, Some(users as u64 * 10)), (100, Some(users as u64 + 1)), (12, None)] {
            let count = Project::new(users, room, places, minutes).run(minutes);
            let share = 100.0 * ratio(count.waited, count.begun);
            let cost = ratio(u64::try_from(count.took.as_nanos()).unwrap(), count.asks) / 1_000.0;
            println!(
                "{users:>6} {:>4.1}x {:>6} {minutes:>4}  {:>8} {:>8}  {:>6} {:>6} {share:>5.1} %  {:>8} {:>10} {:>8}  {cost:>7.1}",
                ratio(room, 10),
                places.map_or("-".to_owned(), |places| places.to_string()),
                count.begun,
                count.refused,
                count.first,
                count.waited,
                count.renewals,
                count.given_back,
                count.recalls
            );
            assert_eq!(count.first, users as u64);
            if room == 100 && places.is_none_or(|places| places > users as u64 + 1) {
                assert_eq!(count.refused, 0);
                assert!(share <= 2.0, "{share} % of the requests waited");
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "for a table")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

impl Project {
    /// A project whose limits are `tenths` / 10 times what its users need.
    fn new(users: usize, tenths: u64, places: Option<u64>, minutes: u64) -> Self {
        let of = |needed: u64| Some((needed * tenths).div_ceil(10));
        let (count, (input, reserved, output)) = (users as u64, TOKENS);
        // What runs and is reserved at once, more than on average.
        let running = count.div_ceil(6) + 2;
        let tokens = minutes * count * (input + output) + running * (input + reserved);
        let limits = Limits {
            zone: Zone::UTC,
            requests_per_minute: of(count + 1),
            requests_per_day: of(minutes * count),
            concurrency: places,
            tokens_per_day: of(tokens),
            tokens_per_month: of(tokens),
            micro_usd_per_day: of(2 * tokens),
            micro_usd_per_month: of(2 * tokens),
        };
        let fresh = |_| {
            let store = Memory::default();
            (User::load(&store).unwrap(), store)
        };
        Self { limits, pool: Pool::default(), rows: LeaseRows::default(), users: (0..users).map(fresh).collect(), count: Count::default() }
    }

    /// Each user writes about once a minute.
    fn run(mut self, minutes: u64) -> Count {
        let mut rng = Rng::with_seed(1);
        let start = 20_000 * DAY_MS + DAY_MS / 2;
        let mut due: BinaryHeap<Reverse<(u64, usize, Option<u64>)>> = BinaryHeap::new();
        (0..self.users.len()).for_each(|user| due.push(Reverse((start + rng.u64(..MINUTE_MS), user, None))));
        let mut requests = 0;
        while let Some(Reverse((now, user, ends))) = due.pop() {
            if let Some(request) = ends {
                self.finish(user, request, now);
            } else if now < start + minutes * MINUTE_MS {
                requests += 1;
                if self.begin(user, requests, now) {
                    due.push(Reverse((now + ANSWER_MS, user, Some(requests))));
                }
                due.push(Reverse((now + MINUTE_MS / 2 + rng.u64(..MINUTE_MS), user, None)));
            }
        }
        self.count
    }

    fn begin(&mut self, user: usize, request: u64, now: u64) -> bool {
        let begin = begin(user, request);
        let mut outcome = self.admit(user, &begin, None, now);
        let asked = matches!(outcome, Outcome::Ask(_));
        for _ in 0..ASKS {
            let Outcome::Ask(ask) = &outcome else { break };
            let reply = self.ask(&ask.clone(), now);
            outcome = self.admit(user, &begin, Some(&(reply, now)), now);
            if matches!(&outcome, Outcome::Refused(refused) if matches!(refused.refusal, Refusal::Busy { .. })) {
                outcome = self.admit(user, &begin, None, now);
            }
        }
        match outcome {
            Outcome::Begun(begun) if begun.reservation.seq == 1 => {
                (self.count.begun, self.count.first) = (self.count.begun + 1, self.count.first + 1);
            }
            Outcome::Begun(_) => (self.count.begun, self.count.waited) = (self.count.begun + 1, self.count.waited + u64::from(asked)),
            Outcome::Refused(_) => self.count.refused += 1,
            other => panic!("{other:?}"),
        }
        matches!(self.users[user].1.rows.requests.last_key_value(), Some((_, row)) if row.request_id == begin.request_id)
    }

    fn admit(&mut self, user: usize, begin: &Begin, answer: Option<&(Reply, u64)>, now: u64) -> Outcome {
        let (state, store) = &mut self.users[user];
        state.admit(store, &mut begin.clone(), answer, now).unwrap()
    }

    fn apply(&mut self, user: usize, command: Command, now: u64) -> Outcome {
        let (state, store) = &mut self.users[user];
        state.apply(store, command, now).unwrap()
    }

    fn finish(&mut self, user: usize, request: u64, now: u64) {
        let seq = *self.users[user].1.rows.requests.last_key_value().unwrap().0;
        let usage = TokenUsage { input: TOKENS.0, output: TOKENS.2, ..TokenUsage::default() };
        let finish = Finish {
            watch: None,
            request_id: format!("r{request}"),
            seq,
            usage: Some(usage),
            estimated: false,
            status: Ending::Completed,
            ttft_ms: None,
            duration_ms: None,
            thread: None,
            private: Vec::new(),
        };
        let Outcome::Finished(finished) = self.apply(user, Command::Finish(finish), now) else { panic!("finish") };
        assert!(finished.settled);
        match finished.upkeep {
            Upkeep::Nothing => {}
            Upkeep::GiveBack => {
                self.count.given_back += 1;
                let Outcome::Reported(report) = self.apply(user, Command::GiveBack(None), now) else { panic!("give back") };
                self.ask(&Ask { user: name(user), report, want: Want::Nothing }, now);
            }
            Upkeep::Renew => {
                self.count.renewals += 1;
                let Outcome::Ask(ask) = self.apply(user, Command::Renew, now) else { panic!("renew") };
                if let Reply::Lease(lease) = self.ask(&ask, now) {
                    self.apply(user, Command::TakeLease(lease, now), now);
                }
            }
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a test on the host: what it costs is to be known")]
    fn ask(&mut self, ask: &Ask, now: u64) -> Reply {
        let terms = terms(self.limits, now);
        for recalled in [false, true] {
            let start = Instant::now();
            let answer = self.pool.ask(&mut self.rows, &terms, ask, recalled, now).unwrap();
            self.count.took += start.elapsed();
            self.count.asks += 1;
            match answer {
                Answer::Reply(reply) => return reply,
                Answer::Recall(recalls) => {
                    for recall in recalls {
                        self.count.recalls += 1;
                        let user: usize = recall.user[1..].parse().unwrap();
                        let Outcome::Reported(report) = self.apply(user, Command::GiveBack(Some(recall)), now) else { panic!("recall") };
                        let start = Instant::now();
                        self.pool.reported(&mut self.rows, &terms, &name(user), &report, now).unwrap();
                        self.count.took += start.elapsed();
                        self.count.asks += 1;
                    }
                }
            }
        }
        panic!("the pool recalled twice")
    }
}

fn name(user: usize) -> String {
    format!("u{user}")
}

fn terms(limits: Limits, now: u64) -> Terms {
    Terms::at(1, limits, &Zone::UTC, now)
}

fn begin(user: usize, request: u64) -> Begin {
    Begin {
        stream: false,
        thresholds: Vec::new(),
        roll_up_ms: 300_000,
        pass: None,
        request_id: format!("r{request}"),
        session_id: "s".to_owned(),
        thread: None,
        calls: Vec::new(),
        model: "m".to_owned(),
        model_served: "m".to_owned(),
        provider: "p".to_owned(),
        key_source: KeySource::Byok,
        rates: Some(chance::rates()),
        limits: Limits { requests_per_minute: Some(10), ..Limits::default() },
        estimate: Estimate { input: TOKENS.0, output: None, output_default: TOKENS.1, choices: 1 },
        project: ProjectTerms { id: "p".to_owned(), user: name(user), version: 1, leased: true },
        ttl_ms: 660_000,
    }
}
