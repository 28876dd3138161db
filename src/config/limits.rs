//! Which limits hold for a user, and who set each.
//!
//! Always holds: what is nearer to the user comes first: what is said of this one user, then the tier that the token names,
//! then the project's settings, then the contract's defaults (section 7). A limit that nobody set is off; a name that is no tier's sets nothing.

use crate::config::number::Count;
use crate::config::settings::{Limits, PROJECT_RPM, USER_TOKENS_PER_DAY};
use crate::config::tier::{self, Tiers};
use crate::user::command;
use crate::user::overrides::{Bound, Overrides};
use crate::zone::Zone;

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
    /// The tier, built in or the project's own.
    Tier,
    /// The project's settings.
    Project,
    /// What is said of this one user.
    User,
}

impl Source {
    /// As answers show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Tier => "tier",
            Self::Project => "project",
            Self::User => "user",
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

    /// The name of the same limit of the whole project.
    pub const fn of_project(self) -> &'static str {
        match self {
            Self::Rpm => "project_rpm",
            Self::Concurrency => "project_concurrency",
            Self::RequestsPerDay => "project_requests_per_day",
            Self::TokensPerDay => "project_tokens_per_day",
            Self::TokensPerMonth => "project_tokens_per_month",
            Self::UsdPerDay => "project_usd_per_day",
            Self::UsdPerMonth => "project_usd_per_month",
        }
    }

    /// Whether it is in micro-dollars.
    pub const fn is_usd(self) -> bool {
        matches!(self, Self::UsdPerDay | Self::UsdPerMonth)
    }

    /// What settings or a tier say of it: requests, tokens or micro-dollars.
    pub fn set_in(self, limits: &Limits) -> Option<u64> {
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

    /// What is said of it of one user.
    pub const fn in_overrides(self, user: &mut Overrides) -> &mut Option<Bound> {
        match self {
            Self::Rpm => &mut user.requests_per_minute,
            Self::Concurrency => &mut user.concurrency,
            Self::RequestsPerDay => &mut user.requests_per_day,
            Self::TokensPerDay => &mut user.tokens_per_day,
            Self::TokensPerMonth => &mut user.tokens_per_month,
            Self::UsdPerDay => &mut user.micro_usd_per_day,
            Self::UsdPerMonth => &mut user.micro_usd_per_month,
        }
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

/// The limits of a whole project: requests a minute by the contract's default, nothing else unless it is set.
pub fn of_project(limits: &Limits) -> command::Limits {
    command::Limits {
        requests_per_minute: Some(limits.project_rpm.map_or(PROJECT_RPM, Count::get)),
        requests_per_day: limits.project_requests_per_day.map(Count::get),
        concurrency: limits.project_concurrency.map(Count::get),
        tokens_per_day: limits.project_tokens_per_day.map(Count::get),
        tokens_per_month: limits.project_tokens_per_month.map(Count::get),
        micro_usd_per_day: limits.project_usd_per_day.map(|usd| usd.0),
        micro_usd_per_month: limits.project_usd_per_month.map(|usd| usd.0),
        ..command::Limits::default()
    }
}

/// The limits of a user with their sources.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    project: &'a Limits,
    /// What the project says of the tier.
    tier: Option<&'a Limits>,
    built_in: Option<Limits>,
    /// What is said of the user.
    user: Overrides,
}

impl<'a> Named<'a> {
    /// The limits in a project of a user whose token names a tier, or none.
    pub fn of(project: &'a Limits, tiers: &'a Tiers, tier: Option<&str>) -> Self {
        let own = tier.and_then(|name| tiers.get(name)).map(|tier| &tier.limits);
        Self { project, tier: own, built_in: tier.and_then(tier::built_in), user: Overrides::default() }
    }

    /// With what is said of this one user.
    #[must_use]
    pub const fn of_user(self, user: Overrides) -> Self {
        Self { user, ..self }
    }

    /// A limit (requests, tokens or micro-dollars) and who set it.
    pub fn get(&self, limit: Limit) -> (Option<u64>, Option<Source>) {
        let mut user = self.user;
        match *limit.in_overrides(&mut user) {
            Some(Bound::Unlimited) => return (None, Some(Source::User)),
            Some(Bound::AtMost(most)) => return (Some(most), Some(Source::User)),
            None => {}
        }
        let tiers = [self.tier, self.built_in.as_ref()].into_iter().flatten();
        let by_tier = tiers.filter_map(|limits| limit.set_in(limits)).map(|value| (value, Source::Tier)).next();
        let set = by_tier.or_else(|| limit.set_in(self.project).map(|value| (value, Source::Project)));
        set.or_else(|| limit.default_in(self.project).map(|value| (value, Source::Default))).unzip()
    }

    /// Who set the same limit of the whole project, if it is set.
    pub const fn of_project(&self, limit: Limit) -> Source {
        match limit {
            Limit::Rpm if self.project.project_rpm.is_none() => Source::Default,
            _ => Source::Project,
        }
    }

    /// All of them but the user's own, as admission takes them, with days and months of this zone.
    pub fn limits(&self, zone: Zone) -> command::Limits {
        let get = |limit| self.get(limit).0;
        command::Limits {
            requests_per_minute: get(Limit::Rpm),
            requests_per_day: get(Limit::RequestsPerDay),
            concurrency: get(Limit::Concurrency),
            tokens_per_day: get(Limit::TokensPerDay),
            tokens_per_month: get(Limit::TokensPerMonth),
            micro_usd_per_day: get(Limit::UsdPerDay),
            micro_usd_per_month: get(Limit::UsdPerMonth),
            zone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Source::{Default, Project, Tier, User};
    use super::*;
    use serde_json::json;

    #[test]
    fn the_nearest_to_the_user_comes_first() {
        let project: Limits = serde_json::from_value(json!({"project_rpm": 200, "user_rpm": 7, "user_usd_per_day": 1.5})).unwrap();
        let tiers: Tiers = serde_json::from_value(json!({
            "team": {"limits": {"user_rpm": 33, "user_concurrency": 4}},
            "pro": {"limits": {"user_requests_per_day": 5}},
        }))
        .unwrap();
        let (rpm, usd, million) = ((Some(7), Some(Project)), (Some(1_500_000), Some(Project)), (Some(1_000_000), Some(Default)));
        let off = (None, None);
        let tier = |value| (Some(value), Some(Tier));
        // Requests a minute, at once, a day; tokens a day; dollars a day.
        for (name, expected) in [
            (None, [rpm, off, off, million, usd]),
            (Some("nobody-knows"), [rpm, off, off, million, usd]),
            (Some("team"), [tier(33), tier(4), off, million, usd]),
            (Some("free"), [tier(10), off, tier(100), tier(50_000), usd]),
            (Some("pro"), [tier(60), off, tier(5), tier(2_000_000), usd]),
            (Some("max"), [tier(300), off, tier(100_000), tier(20_000_000), usd]),
        ] {
            let named = Named::of(&project, &tiers, name);
            let got = [Limit::Rpm, Limit::Concurrency, Limit::RequestsPerDay, Limit::TokensPerDay, Limit::UsdPerDay]
                .map(|limit| named.get(limit));
            assert_eq!(got, expected, "{name:?}");
        }
        let user =
            Overrides { requests_per_minute: Some(Bound::AtMost(1)), tokens_per_day: Some(Bound::Unlimited), ..Overrides::default() };
        let named = Named::of(&project, &tiers, Some("free")).of_user(user);
        let got = [Limit::Rpm, Limit::TokensPerDay, Limit::RequestsPerDay, Limit::UsdPerDay].map(|limit| named.get(limit));
        assert_eq!(got, [(Some(1), Some(User)), (None, Some(User)), tier(100), usd]);
        let none: Limits = serde_json::from_value(json!({"project_rpm": 200})).unwrap();
        assert_eq!(Named::of(&none, &tiers, None).limits(Zone::UTC).requests_per_minute, Some(20));
    }
}
