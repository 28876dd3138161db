//! One JSON line per request: ids, route, status, model, tokens, times. No bodies, no secrets, no addresses.

use serde::Serialize;

use crate::api::usage::TokenUsage;
use crate::edge::inbound::Costs;
use crate::error::Error;

/// What is known when a request ends.
#[derive(Default, Serialize)]
#[allow(missing_docs, reason = "the names are the log's fields")]
pub struct Line<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    /// The route's path in the table: it holds no id.
    pub route: &'a str,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    /// Why, in our words, if it was our fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// How often a provider was asked, if more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u64>,
    /// Which attempts failed, and why: `main/gpt-5 429, main/gpt-5 401 (key …0001)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<TokenUsage>,
    /// What the request was charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_usd: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    pub ms: u64,
    pub object_calls: u64,
    pub kv_reads: u64,
    pub rows_written: u64,
}

impl<'a> Line<'a> {
    /// Adds what an error says.
    #[must_use]
    pub fn with_error(mut self, error: Option<&'a Error>) -> Self {
        self.code = error.map(Error::name);
        self.cause = error.and_then(Error::cause);
        self
    }

    /// Adds what the request cost.
    #[must_use]
    pub fn with_costs(mut self, costs: &Costs) -> Self {
        (self.object_calls, self.kv_reads, self.rows_written) = (costs.object_calls.get(), costs.kv_reads.get(), costs.rows_written.get());
        self
    }

    /// Writes the line.
    pub fn write(&self) {
        if let Ok(line) = serde_json::to_string(self) {
            worker::console_log!("{line}");
        }
    }
}
