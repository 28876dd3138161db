//! What a project says its models cost.
//!
//! Always holds: a list is small, its patterns are model names with at most one `*`, at the end, and each entry prices input or
//! output. Absent on purpose: the catalogue (`catalog`), and what a request costs (`crate::price`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::number::PerMillion;
use crate::config::settings::is_model_name;

/// The snapshot is read on cold starts and must stay small.
const MAX_PRICES: usize = 200;

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
    pub audio_input: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<PerMillion>,
}

/// Prices by pattern: a model's name or `provider/name`, exact or with one trailing `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceList(BTreeMap<String, Price>);

impl PriceList {
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
