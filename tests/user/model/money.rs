//! What tokens cost and how many fit, counted by hand. Absent on purpose: anything of `behest::price` but the text that prices travel as.

use behest::api::usage::TokenUsage;
use behest::price::Rates;

/// Seven prices in pico-dollars: input, cached, written, output, audio in, audio out, written for an hour.
type Seven = [u64; 7];

/// The prices for so much input; all nothing if nobody knows them.
fn seven(rates: Option<Rates>, input: u64) -> Seven {
    let Some(rates) = rates else { return [0; 7] };
    let numbers: Vec<u64> = String::from(rates).split(' ').map(|number| number.parse().unwrap()).collect();
    let each = if numbers.len().is_multiple_of(2) || numbers.len() == 13 { 6 } else { 7 };
    let long = numbers.len() > each && input > numbers[each];
    let of = if long { &numbers[each + 1..] } else { &numbers[..each] };
    let mut seven = [of[2]; 7];
    seven[..each].copy_from_slice(of);
    seven
}

/// Micro-dollars of a usage: pico-dollars token by token, rounded by the fraction's distance to both neighbours.
pub fn cost(rates: Option<Rates>, usage: TokenUsage) -> u64 {
    let six = seven(rates, usage.input);
    let hours = usage.cache_write_hour.min(usage.cache_write);
    let mut left = usage.input;
    let mut pico = 0_u64;
    let written = usage.cache_write.min(left - usage.cached_input.min(left));
    let hours = hours.min(written);
    let by_class =
        [(usage.cached_input, six[1]), (hours, six[6]), (written - hours, six[2]), (usage.audio_input, six[4]), (u64::MAX, six[0])];
    for (tokens, price) in by_class {
        pico += tokens.min(left) * price;
        left -= tokens.min(left);
    }
    let spoken = usage.audio_output.min(usage.output);
    pico += spoken * six[5] + (usage.output - spoken) * six[3];
    let below = pico / 1_000_000;
    match (pico - below * 1_000_000).cmp(&((below + 1) * 1_000_000 - pico)) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Equal => below + below % 2,
        std::cmp::Ordering::Greater => below + 1,
    }
}

/// Micro-dollars that so many tokens can cost at most.
pub fn worst(rates: Option<Rates>, input: u64, output: u64) -> u64 {
    let [plain, cached, written, out, heard, spoken, hour] = seven(rates, input);
    let pico = input * plain.max(cached).max(written).max(hour).max(heard) + output * out.max(spoken);
    pico.div_ceil(1_000_000)
}

/// The most up to `most` that fits, found by halving; `None` if not even nothing does.
pub fn most_that_fits(most: u64, fits: impl Fn(u64) -> bool) -> Option<u64> {
    if !fits(0) {
        return None;
    }
    let (mut fit, mut too_many) = (0, most + 1);
    while too_many - fit > 1 {
        let middle = u64::midpoint(fit, too_many);
        *if fits(middle) { &mut fit } else { &mut too_many } = middle;
    }
    Some(fit)
}
