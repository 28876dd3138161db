//! Properties of the user state under seeded schedules: many requests at once, repeated, late, lost and re-ordered
//! messages, commits that fail before or after they persist, and a crash between any two steps.
//!
//! Always holds: a schedule is a function of its seed; a failure prints the seed, `BEHEST_SEED=… cargo test` runs that one
//! alone. The model below counts for itself and never asks the code that it checks. Absent on purpose: edits and
//! odd clients (`threads`).

use std::thread;

use crate::model::{Seen, World};

const SCHEDULES: u64 = 100_000;
const STEPS: u64 = 16;

#[test]
fn schedules() {
    if let Some(seed) = seed_from_environment() {
        return run(seed);
    }
    // Two threads: the machine's cores. The seeds are the same ones whatever their number.
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (half..SCHEDULES).step_by(2).for_each(run));
        }
    });
}

/// The schedules must reach what they are meant to reach, or the properties hold for nothing.
#[test]
fn schedules_reach_every_outcome() {
    let mut seen = Seen::default();
    (0..2_000).for_each(|seed| seen.add(&play(seed)));
    seen.assert_all();
}

/// Long enough that day totals are written by finishes while other requests are open, and crashes come in between.
#[test]
fn busy_schedules() {
    let mut seen = Seen::default();
    (0..10).for_each(|seed| seen.add(&steps(World::busy(seed), 1_100)));
    assert!(seen.totals_by_finish >= 6, "{seen:?}");
}

fn run(seed: u64) {
    play(seed);
}

/// Every sixteenth seed is a conversation, and every sixteenth streams.
fn play(seed: u64) -> Seen {
    let _reporter = Reporter(seed);
    match seed % 16 {
        0 => steps(World::talkative(seed), 2 * STEPS),
        8 => steps(World::streaming(seed), 2 * STEPS),
        _ => steps(World::new(seed), STEPS),
    }
}

fn steps(mut world: World, steps: u64) -> Seen {
    for _ in 0..steps {
        world.step();
        world.check();
    }
    world.come_to_rest();
    world.seen
}

/// Says which seed failed.
struct Reporter(u64);

impl Drop for Reporter {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the schedule that failed: BEHEST_SEED={} cargo test --test user schedules", self.0);
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test on the host: there is an environment here")]
fn seed_from_environment() -> Option<u64> {
    std::env::var("BEHEST_SEED").ok().map(|seed| seed.parse().expect("BEHEST_SEED is a number"))
}
