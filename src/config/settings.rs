//! A project's settings: the groups of the contract (section 9), typed, with their defaults.
//!
//! Always holds: an unknown or ill-typed field is refused with its path; what is not built yet is refused too,
//! not silently kept. Absent on purpose: merge-patching (`patch`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::mint::{MAX_TTL_S, MIN_TTL_S};
use crate::calendar::DAY_MS;
use crate::config::number::{Count, Usd};
use crate::config::price::PriceList;
use crate::config::routing::Routing;
use crate::config::zone::ZoneName;
use crate::cors::Origins;
use crate::error::{Error, Result};
use crate::user::RETENTION_MS;

/// Requests per minute of a project when its settings name none (contract section 7).
pub const PROJECT_RPM: u64 = 60;
/// Tokens that an API key may mint in a minute when the settings say nothing.
pub const MINT_RPM: u64 = 3_000;
/// Tokens per day of a user when the settings name none (contract section 7).
pub const USER_TOKENS_PER_DAY: u64 = 1_000_000;

/// All settings. Missing = default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The model of requests that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// Models users may name, exact or with one trailing `*`; absent = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_models: Option<Vec<String>>,
    /// Browser origins that may read answers; absent = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Origins>,
    /// Lives of tokens.
    pub token: TokenSettings,
    /// Limits.
    pub limits: Limits,
    /// Where the days and months of budgets begin; absent = UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// What models cost, by name; before the catalogue.
    pub prices: PriceList,
    /// What becomes of a model whose price nobody knows.
    pub unknown_models: UnknownModels,
    /// How models find providers.
    pub routing: Routing,
    /// Safety controls.
    pub guardrails: Guardrails,
    /// Threads.
    pub memory: Memory,
    /// Days that the rows of single requests are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<Count>,
    /// Put in front of every chat as the first system message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
}

/// Lives of tokens, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSettings {
    /// When the mint request names none.
    pub default_ttl: u64,
    /// The longest a mint request may name.
    pub max_ttl: u64,
    /// Tokens that one API key may mint in a minute, in one isolate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mint_rpm: Option<Count>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self { default_ttl: 900, max_ttl: MAX_TTL_S, mint_rpm: None }
    }
}

impl TokenSettings {
    /// Tokens that one API key may mint in a minute.
    pub fn mint_rpm(self) -> u64 {
        self.mint_rpm.map_or(MINT_RPM, Count::get)
    }
}

/// Limits; absent = the contract's default (section 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are the contract's and say it: per minute, per day, per month, US dollars")]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_rpm: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_rpm: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_concurrency: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_requests_per_day: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_rpm: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_concurrency: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_requests_per_day: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_tokens_per_day: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_tokens_per_month: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_tokens_per_day: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_tokens_per_month: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_usd_per_day: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_usd_per_month: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_usd_per_day: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_usd_per_month: Option<Usd>,
}

/// What becomes of a model whose price nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownModels {
    /// It is served, counts as free, and the answer says so.
    #[default]
    Free,
    /// It is refused.
    Refuse,
}

/// Safety controls. Not built yet: only `disabled` is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guardrails {
    /// Personal data.
    pub pii: Guardrail,
    /// Prompt injection.
    pub sentinel: Guardrail,
}

/// One safety control.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guardrail {
    /// Only `disabled` for now.
    pub mode: GuardrailMode,
}

/// What a safety control does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardrailMode {
    /// Nothing.
    #[default]
    Disabled,
}

/// Threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Whether `X-Thread-Id` remembers.
    pub enabled: bool,
    /// Most tokens of history a request is given; absent = what the model's context allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Count>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { enabled: true, window: None }
    }
}

impl Limits {
    /// The first limit that is set and is not one of users.
    pub fn not_of_users(&self) -> Option<&'static str> {
        let Self { ip_rpm, project_rpm, project_concurrency, project_requests_per_day, .. } = self;
        let Self { project_tokens_per_day, project_tokens_per_month, project_usd_per_day, project_usd_per_month, .. } = self;
        let set = [
            ("limits.ip_rpm", ip_rpm.is_some()),
            ("limits.project_rpm", project_rpm.is_some()),
            ("limits.project_concurrency", project_concurrency.is_some()),
            ("limits.project_requests_per_day", project_requests_per_day.is_some()),
            ("limits.project_tokens_per_day", project_tokens_per_day.is_some()),
            ("limits.project_tokens_per_month", project_tokens_per_month.is_some()),
            ("limits.project_usd_per_day", project_usd_per_day.is_some()),
            ("limits.project_usd_per_month", project_usd_per_month.is_some()),
        ];
        set.into_iter().find(|(_, set)| *set).map(|(path, _)| path)
    }
}

impl Settings {
    /// How long the rows of single requests are kept, in ms.
    pub fn retention_ms(&self) -> u64 {
        self.retention_days.map_or(RETENTION_MS, |days| days.get().saturating_mul(DAY_MS))
    }

    /// Reads settings, naming the path of what is wrong.
    ///
    /// # Errors
    /// 400 with `param` = the path, such as `limits.user_rpm`.
    pub fn from_value(value: Value) -> Result<Self> {
        if let Some(path) = value.get("prices").and_then(PriceList::not_an_object) {
            return Err(Error::invalid(&path, format!("{path}: must be an object, such as {{\"input\": 0.5, \"output\": 2}}.")));
        }
        let settings: Self = serde_path_to_error::deserialize(value).map_err(|e| Error::field(&e))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        let refuse = |path: &str, why: &str| Err(Error::invalid(path, format!("{path}: {why}.")));
        let ttl = MIN_TTL_S..=MAX_TTL_S;
        if !ttl.contains(&self.token.max_ttl) {
            return refuse("token.max_ttl", "expected 60 to 86400 seconds");
        }
        if !ttl.contains(&self.token.default_ttl) || self.token.default_ttl > self.token.max_ttl {
            return refuse("token.default_ttl", "expected 60 seconds to token.max_ttl");
        }
        if self.retention_days.is_some_and(|days| !(1..=3650).contains(&days.get())) {
            return refuse("retention_days", "expected 1 to 3650 days");
        }
        self.routing.check()?;
        if let Some((path, why)) = self.prices.fault() {
            return refuse(&path, why);
        }
        self.check_texts()
    }

    fn check_texts(&self) -> Result<()> {
        let refuse =
            |path: &str| Err(Error::invalid(path, format!("{path}: a model's name has 1 to 256 characters and no control characters.")));
        if self.default_model.as_deref().is_some_and(|m| !is_model_name(m)) {
            return refuse("default_model");
        }
        if self.allowed_models.iter().flatten().any(|m| !is_model_name(m)) {
            return refuse("allowed_models");
        }
        if self.system_prompt.as_ref().is_some_and(|p| p.len() > 100_000) {
            return Err(Error::invalid("system_prompt", "system_prompt: at most 100000 bytes."));
        }
        Ok(())
    }
}

/// Whether a text may be a model's name: 1–256 characters, none of them a control character.
pub fn is_model_name(name: &str) -> bool {
    (1..=256).contains(&name.len()) && !name.chars().any(char::is_control)
}
