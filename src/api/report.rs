//! What `GET /v1/usage` and `GET /v1/billing/usage` answer. Contract section 5.
//!
//! Always holds: dollars are micro-dollars divided once, when they are written; sums are of whole micro-dollars.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::window::{Granularity, Window, iso};
use crate::price::dollars;
use crate::user::report::Cell;
use crate::user::store::KeySource;

/// Sums over cells.
#[derive(Clone, Copy, Default)]
struct Sums {
    requests: u64,
    unpriced: u64,
    input: u64,
    output: u64,
    cached_input: u64,
    cache_write: u64,
    reasoning: u64,
    micro_usd: u64,
}

/// What a usage question is answered with, next to the sums' own fields.
#[derive(Serialize)]
struct Shown {
    requests: u64,
    tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    cache_write_tokens: u64,
    reasoning_tokens: u64,
    cost_usd: f64,
    /// Requests whose model has no known price: they count as free.
    unpriced_requests: u64,
}

impl Sums {
    fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Self {
        cells.into_iter().fold(Self::default(), Self::plus)
    }

    const fn plus(self, cell: &Cell) -> Self {
        Self {
            requests: self.requests.saturating_add(cell.requests),
            unpriced: self.unpriced.saturating_add(cell.unpriced),
            input: self.input.saturating_add(cell.usage.input),
            output: self.output.saturating_add(cell.usage.output),
            cached_input: self.cached_input.saturating_add(cell.usage.cached_input),
            cache_write: self.cache_write.saturating_add(cell.usage.cache_write),
            reasoning: self.reasoning.saturating_add(cell.usage.reasoning),
            micro_usd: self.micro_usd.saturating_add(cell.micro_usd),
        }
    }

    fn shown(self) -> Shown {
        Shown {
            requests: self.requests,
            tokens: self.input.saturating_add(self.output),
            input_tokens: self.input,
            output_tokens: self.output,
            cached_tokens: self.cached_input,
            cache_write_tokens: self.cache_write,
            reasoning_tokens: self.reasoning,
            cost_usd: dollars(self.micro_usd),
            unpriced_requests: self.unpriced,
        }
    }
}

/// `{totals, breakdown, …}`: steps in which nothing was used are left out.
pub fn usage(window: Window, granularity: Granularity, cells: &[Cell]) -> Value {
    let mut steps: BTreeMap<u64, Sums> = BTreeMap::new();
    for cell in cells {
        let sums = steps.entry(cell.at).or_default();
        *sums = sums.plus(cell);
    }
    let step = |(at, sums): (u64, Sums)| {
        json!({
            "timestamp": iso(at), "requests": sums.requests, "tokens": sums.input.saturating_add(sums.output),
            "input_tokens": sums.input, "output_tokens": sums.output, "cost_usd": dollars(sums.micro_usd),
        })
    };
    let granularity = match granularity {
        Granularity::Minute => "minute",
        Granularity::Hour => "hour",
        Granularity::Day => "day",
    };
    json!({
        "totals": Sums::of(cells).shown(),
        "breakdown": steps.into_iter().map(step).collect::<Vec<_>>(),
        "window": shown(window),
        "granularity": granularity,
    })
}

/// `{project_id, window, platform, byok}`: who pays the provider, and for which models.
pub fn billing(project_id: &str, window: Window, cells: &[Cell]) -> Value {
    let paid_by = |source: KeySource| {
        let own: Vec<&Cell> = cells.iter().filter(|cell| cell.key_source == source).collect();
        let mut models: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
        for cell in &own {
            let sums = models.entry((&cell.model, &cell.provider)).or_default();
            *sums = sums.plus(cell);
        }
        let model = |((model, provider), sums): ((&str, &str), Sums)| {
            json!({
                "model": model, "provider": provider, "requests": sums.requests, "input_tokens": sums.input,
                "output_tokens": sums.output, "cost_usd": dollars(sums.micro_usd), "priced": sums.unpriced == 0,
            })
        };
        let sums = Sums::of(own);
        json!({
            "requests": sums.requests, "input_tokens": sums.input, "output_tokens": sums.output,
            "cost_usd": dollars(sums.micro_usd), "by_model": models.into_iter().map(model).collect::<Vec<_>>(),
        })
    };
    json!({
        "project_id": project_id,
        "window": shown(window),
        "platform": paid_by(KeySource::Platform),
        "byok": paid_by(KeySource::Byok),
    })
}

fn shown(window: Window) -> Value {
    json!({"from": iso(window.from), "to": iso(window.to)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::usage::TokenUsage;

    fn cell(at: u64, model: &str, key_source: KeySource, micro_usd: u64) -> Cell {
        let usage = TokenUsage { input: 10, output: 5, cached_input: 2, ..TokenUsage::default() };
        Cell { at, provider: "p".into(), model: model.into(), key_source, requests: 2, unpriced: 0, usage, micro_usd }
    }

    fn cells() -> [Cell; 3] {
        let hour = 3_600_000;
        [cell(0, "a", KeySource::Byok, 1), cell(0, "b", KeySource::Platform, 0), cell(hour, "a", KeySource::Byok, 250_000)]
    }

    #[test]
    fn usage_has_the_contract_shape() {
        let answer = usage(Window { from: 0, to: 7_200_000 }, Granularity::Hour, &cells());
        let expected = json!({
            "totals": {
                "requests": 6, "tokens": 45, "input_tokens": 30, "output_tokens": 15, "cached_tokens": 6, "cache_write_tokens": 0,
                "reasoning_tokens": 0, "cost_usd": 0.250_001, "unpriced_requests": 0,
            },
            "breakdown": [
                {"timestamp": "1970-01-01T00:00:00Z", "requests": 4, "tokens": 30, "input_tokens": 20, "output_tokens": 10, "cost_usd": 1e-6},
                {"timestamp": "1970-01-01T01:00:00Z", "requests": 2, "tokens": 15, "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.25},
            ],
            "window": {"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T02:00:00Z"},
            "granularity": "hour",
        });
        assert_eq!(answer, expected);
    }

    #[test]
    fn billing_has_the_contract_shape() {
        let answer = billing("proj_1", Window { from: 0, to: 7_200_000 }, &cells());
        let model = |model: &str, requests: u64, usd: f64| json!({"model": model, "provider": "p", "requests": requests, "input_tokens": requests * 5, "output_tokens": requests * 5 / 2, "cost_usd": usd, "priced": true});
        let expected = json!({
            "project_id": "proj_1",
            "window": {"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T02:00:00Z"},
            "platform": {"requests": 2, "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.0, "by_model": [model("b", 2, 0.0)]},
            "byok": {"requests": 4, "input_tokens": 20, "output_tokens": 10, "cost_usd": 0.250_001, "by_model": [model("a", 4, 0.250_001)]},
        });
        assert_eq!(answer, expected);
    }
}
