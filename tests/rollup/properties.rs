//! Both sides of the roll-up under seeded schedules: messages lost, doubled, delayed and reordered, commits that fail before
//! or after they persist, crashes on both sides, erasures that are cut short.
//!
//! Always holds: a schedule is a function of its seed; a failure prints the seed, `BEHEST_SEED=… cargo test` runs that one.

use std::thread;

use crate::world::World;

const SCHEDULES: u64 = 20_000;
const STEPS: u64 = 60;

#[test]
fn schedules() {
    if let Some(seed) = seed_from_environment() {
        return drop(play(seed));
    }
    // Two threads: the machine's cores. The seeds are the same ones whatever their number.
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (half..SCHEDULES).step_by(2).for_each(|seed| drop(play(seed))));
        }
    });
}

/// The schedules must reach what they are meant to reach, or the properties hold for nothing.
#[test]
fn schedules_reach_every_outcome() {
    let mut reached = [0; 6];
    for seed in 0..500 {
        let seen = play(seed).seen;
        let counts = [seen.settled, seen.repeated, seen.failed, seen.crashed, seen.erased, seen.cut_short];
        reached.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    assert!(reached.iter().all(|count| *count > 20), "settled, repeated, failed, crashed, erased, cut short: {reached:?}");
}

/// A project that was put back to an earlier day is told again what it lost since.
#[test]
fn a_project_that_is_put_back() {
    let mut refused = 0;
    for seed in 0..500 {
        let _reporter = Reporter(seed);
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.plain_step());
        let before = world.project_now();
        (0..STEPS).for_each(|_| world.plain_step());
        world.project_as(before);
        world.come_to_rest();
        refused += world.seen.refused;
    }
    assert!(refused > 100, "a gap was refused {refused} times");
}

fn play(seed: u64) -> World {
    let _reporter = Reporter(seed);
    let mut world = World::new(seed);
    (0..STEPS).for_each(|_| world.step());
    world.come_to_rest();
    world
}

/// Says which seed failed.
struct Reporter(u64);

impl Drop for Reporter {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the schedule that failed: BEHEST_SEED={} cargo test --test rollup schedules", self.0);
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test on the host: there is an environment here")]
fn seed_from_environment() -> Option<u64> {
    std::env::var("BEHEST_SEED").ok().map(|seed| seed.parse().expect("BEHEST_SEED is a number"))
}
