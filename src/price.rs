//! What tokens cost: integer money, exact until one rounding at the end.
//!
//! Always holds: the sum is made in pico-dollars and rounded once, half to even, to micro-dollars; what may come is rounded
//! up, so a reservation is never below the charge of what it covers. `Rates` travel and are stored as text, so that a
//! request is settled with the prices it was admitted with. Absent on purpose: where prices come from (`catalog`), budgets.

use core::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use crate::api::usage::TokenUsage;
use crate::catalog::{LongContext, Model, Prices};

/// Pico-dollars in a micro-dollar.
const PICO: u128 = 1_000_000;
/// The most a request is said to cost, in micro-dollars: some four million dollars. Sums of it stay exact.
pub const MAX_REQUEST_MICRO_USD: u64 = 1 << 42;

/// The prices of one model, complete: what is not listed costs what its class costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Rates {
    ordinary: Tariff,
    /// For a whole request whose input is longer than this many tokens.
    long: Option<(u64, Tariff)>,
}

/// Pico-dollars per token of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tariff {
    input: u64,
    cached_input: u64,
    cache_write: u64,
    output: u64,
    audio_input: u64,
    audio_output: u64,
    /// Written to a cache that keeps it for an hour.
    cache_write_hour: u64,
}

impl Rates {
    /// What a model of the catalogue costs; `None` if no price of it is known.
    pub fn of(model: &Model) -> Option<Self> {
        let prices = model.prices;
        let long = model.long.map(|long| (long.above, Tariff::of(long.prices.or(prices))));
        Some(Self { long, ..Self::flat(prices)? })
    }

    /// The same prices however long the input is; `None` if there are none for input and output.
    pub fn flat(prices: Prices) -> Option<Self> {
        prices.input.or(prices.output)?;
        Some(Self { ordinary: Tariff::of(prices), long: None })
    }

    /// The prices, each of them known.
    pub fn prices(&self) -> Prices {
        self.ordinary.prices()
    }

    /// The prices of a request with a long input, where they differ.
    pub fn long(&self) -> Option<LongContext> {
        self.long.as_ref().map(|(above, tariff)| LongContext { above: *above, prices: tariff.prices() })
    }

    /// The same for a request that asks for no cache to be kept for an hour: that price need not be reserved.
    #[must_use]
    pub fn without_hours(self) -> Self {
        Self { ordinary: self.ordinary.without_hours(), long: self.long.map(|(above, tariff)| (above, tariff.without_hours())) }
    }

    /// The charge for a usage, in micro-dollars. Reasoning is output and costs what output costs.
    pub fn cost(&self, usage: TokenUsage) -> u64 {
        let tariff = self.tariff(usage.input);
        let cached = usage.cached_input.min(usage.input);
        let written = usage.cache_write.min(usage.input - cached);
        let hours = usage.cache_write_hour.min(written);
        let heard = usage.audio_input.min(usage.input - cached - written);
        let spoken = usage.audio_output.min(usage.output);
        let pico = [
            (cached, tariff.cached_input),
            (written - hours, tariff.cache_write),
            (hours, tariff.cache_write_hour),
            (heard, tariff.audio_input),
            (usage.input - cached - written - heard, tariff.input),
            (spoken, tariff.audio_output),
            (usage.output - spoken, tariff.output),
        ];
        micro(half_even(pico.into_iter().map(|(tokens, price)| product(tokens, price)).fold(0, u128::saturating_add)))
    }

    /// The most that so many tokens can cost, whatever their classes, in micro-dollars, rounded up.
    pub fn most(&self, input: u64, output: u64) -> u64 {
        let tariff = self.tariff(input);
        micro(product(input, tariff.most_input()).saturating_add(product(output, tariff.most_output())).div_ceil(PICO))
    }

    /// How many output tokens such an input leaves of `left` micro-dollars; `None` if not even the input fits.
    pub fn output_within(&self, input: u64, left: u64) -> Option<u64> {
        let tariff = self.tariff(input);
        let rest = (u128::from(left) * PICO).checked_sub(product(input, tariff.most_input()))?;
        Some(rest.checked_div(u128::from(tariff.most_output())).map_or(u64::MAX, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX)))
    }

    fn tariff(&self, input: u64) -> &Tariff {
        match &self.long {
            Some((above, long)) if input > *above => long,
            _ => &self.ordinary,
        }
    }
}

impl Tariff {
    fn of(prices: Prices) -> Self {
        let (input, output) = (prices.input.unwrap_or(0), prices.output.unwrap_or(0));
        Self {
            input,
            cached_input: prices.cached_input.unwrap_or(input),
            cache_write: prices.cache_write.unwrap_or(input),
            output,
            audio_input: prices.audio_input.unwrap_or(input),
            audio_output: prices.audio_output.unwrap_or(output),
            cache_write_hour: prices.cache_write_hour.or(prices.cache_write).unwrap_or(input),
        }
    }

    fn prices(&self) -> Prices {
        let [input, cached_input, cache_write, output, audio_input, audio_output, cache_write_hour] = self.numbers().map(Some);
        Prices { input, cached_input, cache_write, cache_write_hour, output, audio_input, audio_output }
    }

    const fn without_hours(self) -> Self {
        Self { cache_write_hour: self.cache_write, ..self }
    }

    fn most_input(&self) -> u64 {
        self.input.max(self.cached_input).max(self.cache_write).max(self.cache_write_hour).max(self.audio_input)
    }

    fn most_output(&self) -> u64 {
        self.output.max(self.audio_output)
    }

    const fn numbers(&self) -> [u64; 7] {
        let Self { input, cached_input, cache_write, output, audio_input, audio_output, cache_write_hour } = *self;
        [input, cached_input, cache_write, output, audio_input, audio_output, cache_write_hour]
    }

    /// Six numbers, and the price of an hour if that is another than of five minutes.
    const fn from_numbers(numbers: &[u64]) -> Option<Self> {
        let [input, cached_input, cache_write, output, audio_input, audio_output, rest @ ..] = numbers else { return None };
        let cache_write_hour = match rest {
            [hour, ..] => *hour,
            [] => *cache_write,
        };
        Some(Self {
            input: *input,
            cached_input: *cached_input,
            cache_write: *cache_write,
            output: *output,
            audio_input: *audio_input,
            audio_output: *audio_output,
            cache_write_hour,
        })
    }
}

fn product(tokens: u64, price: u64) -> u128 {
    u128::from(tokens) * u128::from(price)
}

/// Pico-dollars as micro-dollars: to the nearer one, and to the even one from the middle.
fn half_even(pico: u128) -> u128 {
    let (whole, rest) = (pico / PICO, pico % PICO);
    let up = rest > PICO / 2 || (rest == PICO / 2 && whole % 2 == 1);
    whole + u128::from(up)
}

fn micro(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX).min(MAX_REQUEST_MICRO_USD)
}

/// Micro-dollars as the dollars that answers show.
#[allow(clippy::cast_precision_loss, reason = "sums are below 2^53")]
pub fn dollars(micro_usd: u64) -> f64 {
    micro_usd as f64 / 1e6
}

/// Six numbers of a tariff, or seven where an hour in a cache has a price of its own; with a long context `above`, and as
/// many more.
impl From<Rates> for String {
    fn from(rates: Rates) -> Self {
        let mut text = Self::new();
        let each = if rates == rates.without_hours() { 6 } else { 7 };
        let long = rates.long.map(|(above, tariff)| (above, tariff.numbers()));
        let long = long.into_iter().flat_map(|(above, numbers)| [above].into_iter().chain(numbers.into_iter().take(each)));
        for number in rates.ordinary.numbers().into_iter().take(each).chain(long) {
            let gap = if text.is_empty() { "" } else { " " };
            // Writing to a string does not fail.
            let _ = write!(text, "{gap}{number}");
        }
        text
    }
}

impl TryFrom<String> for Rates {
    type Error = NotRates;

    fn try_from(text: String) -> Result<Self, NotRates> {
        let numbers = text.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>().map_err(|_| NotRates)?;
        let each = if matches!(numbers.len(), 7 | 15) { 7 } else { 6 };
        let (ordinary, long) = numbers.split_at_checked(each).ok_or(NotRates)?;
        let tariff = |numbers: &[u64]| Tariff::from_numbers(numbers).filter(|_| numbers.len() == each).ok_or(NotRates);
        let long = match long {
            [] => None,
            [above, rest @ ..] => Some((*above, tariff(rest)?)),
        };
        Ok(Self { ordinary: tariff(ordinary)?, long })
    }
}

/// A text that is no rates.
#[derive(Clone, Copy, Debug)]
pub struct NotRates;

impl fmt::Display for NotRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("prices must be 6, 7, 13 or 15 whole numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    fn rates(text: &str) -> Rates {
        Rates::try_from(text.to_owned()).unwrap()
    }

    fn usage(input: u64, output: u64) -> TokenUsage {
        TokenUsage { input, output, ..TokenUsage::default() }
    }

    /// Prices of each class are powers of ten, so that each digit of the sum tells one class.
    #[test]
    fn each_class_has_its_price() {
        let six = rates("1000000 10000000 100000000 1000000000 10000000000 100000000000");
        for (usage, micro_usd) in [
            (usage(0, 0), 0),
            (usage(3, 2), 2_003),
            (TokenUsage { cached_input: 2, ..usage(3, 0) }, 21),
            (TokenUsage { cache_write: 2, ..usage(3, 0) }, 201),
            (TokenUsage { reasoning: 2, ..usage(0, 3) }, 3_000),
            (TokenUsage { cached_input: 1, cache_write: 2, audio_input: 3, audio_output: 4, ..usage(9, 9) }, 435_213),
            // Parts that are more than the whole count once, the cheapest first.
            (TokenUsage { cached_input: 9, cache_write: 9, audio_input: 9, ..usage(5, 0) }, 50),
            (TokenUsage { audio_output: 9, ..usage(0, 2) }, 200_000),
        ] {
            assert_eq!(six.cost(usage), micro_usd, "{usage:?}");
            assert!(six.most(usage.input, usage.output) >= micro_usd, "{usage:?}");
        }
    }

    #[test]
    fn an_hour_in_a_cache_has_its_price_and_only_who_asks_for_it_reserves_it() {
        let hours = rates("1000000 1 1250000 4000000 1 1 2000000");
        let usage = TokenUsage { cache_write: 8, cache_write_hour: 5, ..usage(20, 0) };
        assert_eq!((hours.cost(usage), hours.without_hours().cost(usage)), (12 + 10 + 4, 12 + 10));
        assert_eq!(hours.cost(TokenUsage { cache_write_hour: 9, ..usage }), 12 + 16);
        assert_eq!((hours.most(20, 0), hours.without_hours().most(20, 0)), (40, 25));
        assert_eq!(String::from(hours.without_hours()), "1000000 1 1250000 4000000 1 1");
        let claude = catalog::find("anthropic", "claude-sonnet-4-5").as_ref().and_then(Rates::of).unwrap();
        let thousand = TokenUsage { input: 1_000, cache_write: 1_000, ..TokenUsage::default() };
        // 3 dollars a million: five minutes cost a quarter more, an hour twice as much.
        assert_eq!((claude.cost(thousand), claude.cost(TokenUsage { cache_write_hour: 1_000, ..thousand })), (3_750, 6_000));
    }

    #[test]
    fn one_rounding_half_to_even() {
        let cent = rates("500000 500000 500000 250000 500000 250000");
        // Half a micro-dollar per input token, a quarter per output token: each rounded alone, 1 + 1 would be nothing.
        for (input, output, micro_usd, most) in
            [(1, 0, 0, 1), (3, 0, 2, 2), (5, 0, 2, 3), (1, 1, 1, 1), (0, 1, 0, 1), (0, 3, 1, 1), (7, 0, 4, 4), (4, 0, 2, 2)]
        {
            assert_eq!((cent.cost(usage(input, output)), cent.most(input, output)), (micro_usd, most), "{input} {output}");
        }
    }

    #[test]
    fn long_requests_cost_more_in_all_their_tokens() {
        let long = rates("1000000 1 1 2000000 1 1 100 3000000 1 1 4000000 1 1");
        assert_eq!([long.cost(usage(100, 1)), long.cost(usage(101, 1)), long.most(100, 1), long.most(101, 1)], [102, 307, 102, 307]);
    }

    #[test]
    fn output_that_fits_is_the_most_that_fits() {
        let odd = rates("333333 1 444444 777777 1 1");
        for (input, left) in [(0, 0), (0, 1), (10, 4), (10, 5), (1_000, 10_000), (7, 1 << 40)] {
            match odd.output_within(input, left) {
                None => assert!(odd.most(input, 0) > left, "{input} {left}"),
                Some(output) => {
                    assert!(odd.most(input, output) <= left, "{input} {left}: {output}");
                    assert!(odd.most(input, output + 1) > left, "{input} {left}: {output}");
                }
            }
        }
        assert_eq!(rates("0 0 0 0 0 0").output_within(5, 0), Some(u64::MAX));
    }

    #[test]
    fn nonsense_is_bounded() {
        let all = rates(&["18446744073709551615"; 6].join(" "));
        assert_eq!((all.cost(usage(u64::MAX, u64::MAX)), all.most(u64::MAX, u64::MAX)), (MAX_REQUEST_MICRO_USD, MAX_REQUEST_MICRO_USD));
    }

    #[test]
    fn the_text_comes_back() {
        for text in ["1 2 3 4 5 6", "1 2 3 4 5 6 7 8 9 10 11 12 13", "1 2 3 4 5 6 7", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"] {
            assert_eq!(String::from(rates(text)), text);
        }
        for text in ["", "1 2 3 4 5", "1 2 3 4 5 6 7 8", "1 2 3 4 5 x", "1  2 3 4 5 6", "-1 2 3 4 5 6"] {
            assert!(Rates::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_catalogue_prices_what_it_knows() {
        let of = |kind: &str, model: &str| catalog::find(kind, model).as_ref().and_then(Rates::of);
        // 2.50, 1.25 and 10 dollars per million.
        let gpt = of("openai", "gpt-4o").unwrap();
        assert_eq!(gpt.cost(TokenUsage { cached_input: 400_000, ..usage(1_000_000, 1_000_000) }), 1_500_000 + 500_000 + 10_000_000);
        assert_eq!(of("demo", "anything").map(|rates| rates.cost(usage(1_000, 1_000))), Some(0));
        assert_eq!(of("openai-compatible", "some-model-nobody-knows"), None);
    }
}
