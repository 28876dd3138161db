//! What a project says its models cost, and with it what a model's prices are.
//!
//! Always holds: a list is small, its patterns are model names with at most one `*`, at the end, and each entry prices input
//! or output. What the project says comes before the catalogue, whole: the two are never mixed.
//! Absent on purpose: the catalogue (`catalog`), and what a request costs (`crate::price`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::Prices;
use crate::config::model::Resolved;
use crate::config::number::PerMillion;
use crate::config::settings::{Settings, UnknownModels, is_model_name};
use crate::error::{Error, Result};
use crate::price::Rates;
use crate::provider::host;

/// The snapshot is read on cold starts and must stay small.
const MAX_PRICES: usize = 200;
/// The warning (header `x-behest-warning`) on every answer of a model that counts as free because nobody knows its price.
pub const UNPRICED: &str = "unpriced-model";

/// Prices of one model, or of those whose names begin alike. What is not listed costs what its class costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are those of the token classes; all are US dollars per million tokens")]
pub struct Price {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_hour: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<PerMillion>,
}

impl Price {
    fn prices(self) -> Prices {
        let pico = |price: Option<PerMillion>| price.map(|price| price.0);
        Prices {
            input: pico(self.input),
            cached_input: pico(self.cached_input),
            cache_write: pico(self.cache_write),
            cache_write_hour: pico(self.cache_write_hour),
            output: pico(self.output),
            audio_input: pico(self.audio_input),
            audio_output: pico(self.audio_output),
        }
    }
}

/// Prices by pattern: a model's name or `provider/name`, exact or with one trailing `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceList(BTreeMap<String, Price>);

/// What a model costs: by the project's prices, else by the catalogue; `None` if neither knows it.
///
/// # Errors
/// 400 for a model without a price, if the project refuses those.
pub fn rates(settings: &Settings, resolved: &Resolved<'_>) -> Result<Option<Rates>> {
    let model = resolved.served_model();
    let listed = || host::listed(resolved.config.kind, resolved.config.host(), model).as_ref().and_then(Rates::of);
    let rates = settings.prices.of(resolved.provider, model).or_else(listed);
    if rates.is_none() && settings.unknown_models == UnknownModels::Refuse {
        let message = format!(
            "The price of the model `{model}` is not known, and this project refuses such models (its setting `unknown_models`). \
             Its owner can name a price in the setting `prices`."
        );
        return Err(Error::invalid("model", message));
    }
    Ok(rates)
}

impl PriceList {
    /// The entry that says the most of `provider/model`: a whole name before a beginning, a longer beginning before a shorter
    /// one, and of two that say the same of the model, the one that names the provider.
    fn of(&self, provider: &str, model: &str) -> Option<Rates> {
        let name = format!("{provider}/{model}");
        let said = |(pattern, price): (&String, &Price)| {
            let (stem, whole) = pattern.strip_suffix('*').map_or((pattern.as_str(), true), |stem| (stem, false));
            let fits = |text: &str| if whole { text == stem } else { text.starts_with(stem) };
            let (fits_model, fits_name) = (fits(model), fits(&name));
            let length = stem.len() + if fits_name { 0 } else { name.len() - model.len() };
            (fits_model || fits_name).then_some(((whole, length, fits_name), *price))
        };
        let (_, price) = self.0.iter().filter_map(said).max_by_key(|(said, _)| *said)?;
        Rates::flat(price.prices())
    }

    /// The path of an entry that is no object: serde would read an array as one, field by field.
    pub(super) fn not_an_object(prices: &Value) -> Option<String> {
        let (pattern, _) = prices.as_object()?.iter().find(|(_, price)| !price.is_object())?;
        Some(format!("prices.{pattern}"))
    }

    /// What is wrong with it: the path and why.
    pub(super) fn fault(&self) -> Option<(String, &'static str)> {
        if self.0.len() > MAX_PRICES {
            return Some(("prices".to_owned(), "at most 200 entries"));
        }
        let fault = |pattern: &str, price: &Price| {
            let stem = pattern.strip_suffix('*').unwrap_or(pattern);
            if !is_model_name(pattern) || stem.contains('*') {
                Some("expected a model's name or provider/name, with at most one `*`, at its end")
            } else if price.input.or(price.output).is_none() {
                Some("input or output must be there, in US dollars per million tokens")
            } else {
                None
            }
        };
        self.0.iter().find_map(|(pattern, price)| fault(pattern, price).map(|why| (format!("prices.{pattern}"), why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::usage::TokenUsage;
    use crate::config::{ProviderConfig, Snapshot, model};
    use serde_json::json;

    fn settings(value: Value) -> Settings {
        Settings::from_value(value).unwrap()
    }

    /// What a million tokens of input cost, in whole dollars, at a provider of this name and kind.
    fn input(settings: &Settings, (provider, kind): (&str, &str), model: &str) -> Option<u64> {
        let config: ProviderConfig = serde_json::from_value(json!({"kind": kind, "created_at": 0})).unwrap();
        let resolved = Resolved { provider, config: &config, model: model.to_owned() };
        let usage = TokenUsage { input: 1_000_000, ..TokenUsage::default() };
        rates(settings, &resolved).unwrap().map(|rates| rates.cost(usage) / 1_000_000)
    }

    #[test]
    fn what_says_the_most_of_the_name_is_the_price() {
        let settings = settings(json!({"prices": {
            "*": {"input": 1}, "gpt-*": {"input": 2}, "openai/*": {"input": 3}, "gpt-5*": {"input": 4}, "gpt-5": {"input": 5},
            "openai/gpt-5": {"input": 6}, "openai/gpt-4*": {"input": 7}, "gpt-4*": {"input": 8}, "meta/llama": {"input": 9},
            "free-*": {"input": 0}, "demo-1": {"output": 1},
        }}));
        let (openai, other) = (("openai", "openai"), ("other", "openai-compatible"));
        for (provider, model, dollars) in [
            (other, "claude", Some(1)),
            (other, "gpt-4o", Some(8)),
            (openai, "gpt-4o", Some(7)),
            (other, "gpt-3", Some(2)),
            (openai, "gpt-3", Some(2)),
            (openai, "o3", Some(3)),
            (other, "gpt-5", Some(5)),
            (openai, "gpt-5", Some(6)),
            (openai, "gpt-5-mini", Some(4)),
            (other, "meta/llama", Some(9)),
            (("meta", "openai-compatible"), "llama", Some(9)),
            (other, "free-and-easy", Some(0)),
            (("demo", "demo"), "any name", Some(0)),
        ] {
            assert_eq!(input(&settings, provider, model), dollars, "{provider:?} {model}");
        }
    }

    #[test]
    fn what_is_not_said_is_the_catalogues() {
        let none = settings(json!({}));
        let main = ("main", "openai-compatible");
        assert_eq!((input(&none, main, "gpt-4o"), input(&none, main, "nobody-knows")), (Some(2), None));
        let some = settings(json!({"prices": {"nobody-knows": {"output": 1}}}));
        assert_eq!((input(&some, main, "gpt-4o"), input(&some, main, "nobody-knows")), (Some(2), Some(0)));
    }

    #[test]
    fn classes_without_a_price_cost_what_their_class_costs() {
        let price = |value| serde_json::from_value::<Price>(value).map(|price| String::from(Rates::flat(price.prices()).unwrap())).unwrap();
        for (value, expected) in [
            (json!({"input": 2.5, "output": 10}), "2500000 2500000 2500000 10000000 2500000 10000000"),
            (json!({"input": 0.000_001}), "1 1 1 0 1 0"),
            (
                json!({"input": 1, "cached_input": 2, "cache_write": 3, "output": 4, "audio_input": 5, "audio_output": 6}),
                "1000000 2000000 3000000 4000000 5000000 6000000",
            ),
            (json!({"input": 1, "output": 4, "cache_write_hour": 2}), "1000000 1000000 1000000 4000000 1000000 4000000 2000000"),
        ] {
            assert_eq!(price(value), expected);
        }
    }

    #[test]
    fn a_model_without_a_price_is_refused_where_that_is_set() {
        let providers = json!({"main": {"kind": "openai-compatible", "base_url": "https://a.example", "created_at": 0}});
        let refusing = json!({"unknown_models": "refuse", "prices": {"ours": {"input": 1}}});
        let project = json!({"id": "p", "tenant_id": "t", "slug": "s", "name": "n", "status": "active", "created_at": 0});
        let snapshot: Snapshot =
            serde_json::from_value(json!({"v": 1, "project": project, "settings": refusing, "providers": providers})).unwrap();
        let priced = |name| rates(&snapshot.settings, &model::resolve(&snapshot, Some(name)).unwrap());
        assert!(priced("ours").unwrap().is_some() && priced("gpt-4o").unwrap().is_some());
        let error = priced("nobody-knows").unwrap_err();
        assert_eq!(error.status(), 400);
        let body = error.body();
        assert!(["nobody-knows", "unknown_models", r#""param":"model""#].iter().all(|part| body.contains(part)), "{body}");
    }
}
