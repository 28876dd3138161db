//! A project's limits, held in slices by its users' objects, under seeded schedules: several users and their project as they
//! run, and between them everything that can go wrong.
//!
//! Always holds: a schedule is a function of its seed; a failure prints it, and `BEHEST_SEED=… cargo test --test simulator`
//! plays that one alone, event by event. `BEHEST_SCHEDULES=1000000` plays more. The books below count for themselves and
//! never ask the code that they check. Absent on purpose: threads and the ledger's details (`tests/user`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::struct_excessive_bools,
    clippy::similar_names,
    clippy::large_enum_variant,
    clippy::match_same_arms,
    reason = "tests"
)]

mod books;
mod chance;
mod hops;
#[path = "../user/memory.rs"]
#[allow(dead_code, reason = "shared with the tests of one user")]
mod memory;
mod project_object;
mod rest;
mod rows;
mod seen;
mod user_object;
mod wire;
mod witness;
mod workers;
mod world;

use std::thread;

use seen::Seen;
use world::World;

const SCHEDULES: u64 = 100_000;
/// Things that happen in a schedule, besides what follows from them.
const STEPS: u64 = 32;

#[test]
fn schedules() {
    if let Some(seed) = number("BEHEST_SEED") {
        play(World::new(seed, true), seed);
        return;
    }
    let schedules = number("BEHEST_SCHEDULES").unwrap_or(SCHEDULES);
    // Two threads: the machine's cores. The seeds are the same ones whatever their number.
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (half..schedules).step_by(2).for_each(run));
        }
    });
}

/// Long enough that the project removes who holds nothing any more.
#[test]
fn long_schedules() {
    let only = number("BEHEST_SEED");
    for seed in only.map_or(0..64, |seed| seed..seed + 1) {
        let _reporter = Reporter(seed, "long_schedules");
        let mut world = World::new(seed, only.is_some());
        (0..1_000).for_each(|_| world.step());
        world.come_to_rest();
    }
}

/// The schedules must reach what they are meant to reach, or what they show holds for nothing.
#[test]
fn schedules_reach_every_outcome() {
    let mut seen = Seen::default();
    (0..3_000).for_each(|seed| seen.add(&play(World::new(seed, false), seed)));
    seen.assert_all();
}

fn run(seed: u64) {
    play(World::new(seed, false), seed);
}

fn play(mut world: World, seed: u64) -> Seen {
    let _reporter = Reporter(seed, "schedules");
    for _ in 0..STEPS {
        world.step();
    }
    world.come_to_rest();
    world.seen
}

/// Says which seed failed.
struct Reporter(u64, &'static str);

impl Drop for Reporter {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self(seed, test) = self;
            eprintln!("the schedule that failed: BEHEST_SEED={seed} cargo test --test simulator -- --exact {test} --nocapture");
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test on the host: there is an environment here")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
