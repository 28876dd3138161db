//! What a seed chooses: which kinds of trouble there are, limits, requests, and how long things take.

use behest::price::Rates;
use behest::user::command::{Estimate, Limits};
use fastrand::Rng;

/// The kinds of trouble of a schedule. Each is absent from many, so that none hides what goes wrong without it.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Messages are lost and doubled.
    pub messages: bool,
    /// Some messages take seconds, or minutes.
    pub delays: bool,
    /// Most do.
    pub slow: bool,
    /// Commits fail.
    pub commits: bool,
    /// Objects are evicted from memory.
    pub crashes: bool,
    /// Clocks differ.
    pub skew: bool,
    /// Clocks are set back.
    pub set_back: bool,
    /// Providers bill more than was reserved.
    pub overdraft: bool,
    /// The limits change.
    pub changes: bool,
    /// Users are erased and come back.
    pub erasure: bool,
    /// A user's object can no longer be reached.
    pub loss: bool,
}

impl Trouble {
    pub fn of(rng: &mut Rng) -> Self {
        let mut one_in = |n: u8| rng.u8(..n) == 0;
        Self {
            messages: one_in(2),
            delays: one_in(2),
            slow: one_in(6),
            commits: one_in(2),
            crashes: one_in(2),
            skew: one_in(2),
            set_back: one_in(4),
            overdraft: one_in(3),
            changes: one_in(2),
            erasure: one_in(4),
            loss: one_in(6),
        }
    }
}

/// Small limits, so that a few requests reach them. Each is off more often than on.
pub fn limits(rng: &mut Rng) -> Limits {
    let mut one_of = |often: u8, limits: &[u64]| if rng.u8(..8) < often { rng.choice(limits).copied() } else { None };
    Limits {
        zone: behest::zone::Zone::UTC,
        requests_per_minute: one_of(5, &[1, 2, 3, 4, 6, 8, 12, 24]),
        requests_per_day: one_of(2, &[2, 4, 8, 16]),
        concurrency: one_of(3, &[1, 2, 3, 5, 10]),
        tokens_per_day: one_of(2, &[60, 150, 400, 1_000, 4_000]),
        tokens_per_month: one_of(1, &[200, 600, 2_000, 6_000]),
        micro_usd_per_day: one_of(2, &[100, 250, 700, 2_000, 8_000]),
        micro_usd_per_month: one_of(1, &[300, 1_000, 3_000, 10_000]),
    }
}

/// The limits with one or two of them lowered, raised, switched off or on.
pub fn changed(rng: &mut Rng, limits: &Limits) -> Limits {
    let mut next = *limits;
    for _ in 0..rng.u8(1..=2) {
        let place = match rng.u8(..7) {
            0 | 1 => &mut next.requests_per_minute,
            2 => &mut next.concurrency,
            3 => &mut next.requests_per_day,
            4 => &mut next.tokens_per_day,
            5 => &mut next.micro_usd_per_day,
            _ => &mut next.micro_usd_per_month,
        };
        *place = match (*place, rng.u8(..8)) {
            (_, 0) => None,
            (Some(limit), 1..5) => Some((limit / 2).max(1)),
            (Some(limit), _) => Some(limit * 2),
            (None, _) => Some(rng.choice([3, 8, 200, 1_000]).unwrap()),
        };
    }
    next
}

/// A user's own limits: mostly none, for the project's are what is looked at.
pub fn own_limits(rng: &mut Rng) -> Limits {
    if rng.u8(..4) > 0 {
        return Limits::default();
    }
    let mut one_of = |limits: &[u64]| if rng.bool() { rng.choice(limits).copied() } else { None };
    Limits {
        requests_per_minute: one_of(&[2, 4, 10]),
        concurrency: one_of(&[1, 3]),
        requests_per_day: one_of(&[5, 10]),
        tokens_per_day: one_of(&[300, 1_000]),
        ..Limits::default()
    }
}

pub fn estimate(rng: &mut Rng) -> Estimate {
    Estimate {
        input: rng.u64(1..20),
        output: if rng.u8(..3) > 0 { Some(rng.u64(1..60)) } else { None },
        output_default: rng.u64(1..200),
        choices: rng.u64(1..3),
    }
}

/// A micro-dollar for each token that is read and two for each that is written: `books` counts with the same.
pub fn rates() -> Rates {
    Rates::try_from("1000000 1000000 1000000 2000000 1000000 2000000".to_owned()).unwrap()
}

/// How long a message is under way, ms.
pub fn delay(rng: &mut Rng, trouble: Trouble) -> u64 {
    match rng.u8(..32) {
        0..12 => rng.u64(..30),
        12..22 if trouble.slow => rng.u64(..2_500),
        22..29 if trouble.slow => rng.u64(..12_000),
        12..26 => rng.u64(..30),
        _ if !trouble.delays => rng.u64(..300),
        26..29 => rng.u64(..1_500),
        29 | 30 => rng.u64(..6_000),
        _ if rng.u8(..4) > 0 => rng.u64(..30_000),
        _ => rng.u64(..1_000_000),
    }
}
