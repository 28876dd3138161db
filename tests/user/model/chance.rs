//! What a seed chooses: limits, prices, and what a provider says was used.

use behest::api::usage::TokenUsage;
use behest::price::Rates;
use behest::user::command::Limits;

/// Nobody knows; free; ordinary prices whose sums need rounding; prices that rise for long inputs.
const PRICES: [Option<&str>; 5] = [
    None,
    Some("0 0 0 0 0 0"),
    Some("2500000 1250000 3125000 10000000 40000000 80000000"),
    Some("333333 33333 500000 1500000 333333 1500000 60 666667 66667 1000000 2250000 666667 2250000"),
    Some("3000000 300000 3750000 15000000 3000000 15000000 6000000"),
];

/// Each limit is off more often than on, so that none hides the others.
pub fn limits(rng: &mut fastrand::Rng) -> Limits {
    let mut one_of = |often: u8, limits: &[u64]| if rng.u8(..4) < often { rng.choice(limits).copied() } else { None };
    Limits {
        requests_per_minute: one_of(3, &[0, 1, 2, 3, 5, 10]),
        requests_per_day: one_of(1, &[1, 3, 5]),
        concurrency: one_of(1, &[1, 2, 3]),
        tokens_per_day: one_of(2, &[0, 100, 500, 2_000, 50_000]),
        tokens_per_month: one_of(1, &[300, 1_000, 4_000]),
        micro_usd_per_day: one_of(1, &[1, 500, 2_000, 20_000]),
        micro_usd_per_month: one_of(1, &[1_000, 5_000, 50_000]),
        ..Limits::default()
    }
}

pub fn rates(rng: &mut fastrand::Rng) -> Option<Rates> {
    rng.choice(PRICES).flatten().map(|text| Rates::try_from(text.to_owned()).unwrap())
}

/// Tokens of all classes; half of the time of the plain ones only. What a provider says need not add up.
pub fn usage(rng: &mut fastrand::Rng, input: u64, output: u64) -> TokenUsage {
    let (input, output) = (rng.u64(..input), rng.u64(..output));
    if rng.bool() {
        return TokenUsage { input, output, ..TokenUsage::default() };
    }
    let mut part = |whole: u64| rng.u64(..=whole + whole / 8);
    TokenUsage {
        input,
        output,
        cached_input: part(input),
        cache_write: part(input / 2),
        cache_write_hour: part(input / 4),
        reasoning: part(output),
        audio_input: part(input / 2),
        audio_output: part(output / 2),
    }
}
