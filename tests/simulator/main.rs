//! A project's limits, held in slices by its users' objects, under seeded schedules: several users and their project as they
//! run, and between them everything that can go wrong.
//!
//! Always holds: a schedule is a function of its seed; a failure prints it, and `BEHEST_SEED=… cargo test --test simulator`
//! plays that one alone, event by event. `BEHEST_SCHEDULES=1000000` plays more. The books below count for themselves and
//! never ask the code that they check. Absent on purpose: threads and the ledger's details (`tests/user`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

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
            scope.spawn(move || (half..schedules).step_by(2).for_each(|seed| drop(play(World::new(seed, false), seed))));
        }
    });
}

/// The schedules must reach what they are meant to reach, or what they show holds for nothing.
#[test]
fn schedules_reach_every_outcome() {
    let mut seen = Seen::default();
    (0..3_000).for_each(|seed| seen.add(&play(World::new(seed, false), seed)));
    seen.assert_all();
}

/// TEMP
#[test]
fn survey() {
    let Some(n) = number("SURVEY") else { return };
    std::panic::set_hook(Box::new(|_| {}));
    let from = number("FROM").unwrap_or(0);
    let kinds = std::sync::Mutex::new(std::collections::BTreeMap::<String, (u64, Vec<u64>)>::new());
    thread::scope(|scope| {
        for half in 0..2 {
            let kinds = &kinds;
            scope.spawn(move || {
                for seed in (from + half..from + n).step_by(2) {
                    let result = std::panic::catch_unwind(|| {
                        let mut world = World::new(seed, false);
                        for _ in 0..STEPS {
                            world.step();
                        }
                        world.come_to_rest();
                    });
                    if let Err(e) = result {
                        let text = e
                            .downcast_ref::<String>()
                            .cloned()
                            .or_else(|| e.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                            .unwrap_or_default();
                        let text = text
                            .replace("Estimate { input: 1, output: Some(1), output_default: 1, choices: 1 }", "small")
                            .split("Sum {")
                            .next()
                            .unwrap()
                            .split("[")
                            .next()
                            .unwrap()
                            .to_owned();
                        let text: String = text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).take(90).collect();
                        let mut kinds = kinds.lock().unwrap();
                        let kind = kinds.entry(text).or_default();
                        kind.0 += 1;
                        if kind.1.len() < 8 {
                            kind.1.push(seed);
                        }
                    }
                }
            });
        }
    });
    let kinds = kinds.into_inner().unwrap();
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (n, _))| std::cmp::Reverse(*n));
    for (text, (n, seeds)) in kinds.into_iter().take(40) {
        println!("{n:6} {seeds:?}\n       {text}");
    }
}

fn play(mut world: World, seed: u64) -> Seen {
    let _reporter = Reporter(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.come_to_rest();
    world.seen
}

/// Says which seed failed.
struct Reporter(u64);

impl Drop for Reporter {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the schedule that failed: BEHEST_SEED={} cargo test --test simulator schedules -- --nocapture", self.0);
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test on the host: there is an environment here")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
