//! Which limits hold for a user, and who set each.
//!
//! Always holds: what the project set comes before the contract's default (section 7); a limit that nobody set is off.

use crate::config::number::Count;
use crate::config::settings::{Limits, PROJECT_RPM, USER_TOKENS_PER_DAY};
use crate::user::command;

/// A limit of a user, by its name in the settings less `user_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the settings' and say it")]
pub enum Limit {
    Rpm,
    Concurrency,
    RequestsPerDay,
    TokensPerDay,
    TokensPerMonth,
    UsdPerDay,
    UsdPerMonth,
}

/// Who set a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody: it is the contract's.
    Default,
    /// The project's settings.
    Project,
}

impl Source {
    /// As answers show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Project => "project",
        }
    }
}

impl Limit {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] =
        [Self::Rpm, Self::Concurrency, Self::RequestsPerDay, Self::TokensPerDay, Self::TokensPerMonth, Self::UsdPerDay, Self::UsdPerMonth];

    /// Its name in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rpm => "user_rpm",
            Self::Concurrency => "user_concurrency",
            Self::RequestsPerDay => "user_requests_per_day",
            Self::TokensPerDay => "user_tokens_per_day",
            Self::TokensPerMonth => "user_tokens_per_month",
            Self::UsdPerDay => "user_usd_per_day",
            Self::UsdPerMonth => "user_usd_per_month",
        }
    }

    /// Whether it is in micro-dollars.
    pub const fn is_usd(self) -> bool {
        matches!(self, Self::UsdPerDay | Self::UsdPerMonth)
    }

    fn set_in(self, limits: &Limits) -> Option<u64> {
        let count = match self {
            Self::Rpm => limits.user_rpm,
            Self::Concurrency => limits.user_concurrency,
            Self::RequestsPerDay => limits.user_requests_per_day,
            Self::TokensPerDay => limits.user_tokens_per_day,
            Self::TokensPerMonth => limits.user_tokens_per_month,
            Self::UsdPerDay => return limits.user_usd_per_day.map(|usd| usd.0),
            Self::UsdPerMonth => return limits.user_usd_per_month.map(|usd| usd.0),
        };
        count.map(Count::get)
    }

    /// max(3, project / 10) requests a minute; a million tokens a day; nothing else.
    fn default_in(self, limits: &Limits) -> Option<u64> {
        match self {
            Self::Rpm => Some((limits.project_rpm.map_or(PROJECT_RPM, Count::get) / 10).max(3)),
            Self::TokensPerDay => Some(USER_TOKENS_PER_DAY),
            _ => None,
        }
    }
}

/// The limits of a user with their sources.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    project: &'a Limits,
}

impl<'a> Named<'a> {
    /// The limits in a project.
    pub const fn of(project: &'a Limits) -> Self {
        Self { project }
    }

    /// A limit (requests, tokens or micro-dollars) and who set it.
    pub fn get(&self, limit: Limit) -> (Option<u64>, Option<Source>) {
        let set = limit.set_in(self.project).map(|value| (value, Source::Project));
        set.or_else(|| limit.default_in(self.project).map(|value| (value, Source::Default))).unzip()
    }

    /// All of them, as admission takes them.
    pub fn limits(&self) -> command::Limits {
        let get = |limit| self.get(limit).0;
        command::Limits {
            requests_per_minute: get(Limit::Rpm),
            requests_per_day: get(Limit::RequestsPerDay),
            concurrency: get(Limit::Concurrency),
            tokens_per_day: get(Limit::TokensPerDay),
            tokens_per_month: get(Limit::TokensPerMonth),
            micro_usd_per_day: get(Limit::UsdPerDay),
            micro_usd_per_month: get(Limit::UsdPerMonth),
        }
    }
}
