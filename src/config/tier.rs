//! Tiers: limits by the name that a token carries. Three are built in, a project may change those and add its own.
//!
//! Always holds: a tier sets limits of users only; what it does not set is the project's affair.
//! Absent on purpose: the order of precedence (`limits`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::number::Count;
use crate::config::settings::Limits;
use crate::error::{Error, Result};

/// Tiers of one's own, next to the built-in names.
pub const MAX_OWN: usize = 10;
/// The built-in ones, with requests a minute, requests a day and tokens a day (contract section 7).
const BUILT_IN: [(&str, u64, u64, u64); 3] = [("free", 10, 100, 50_000), ("pro", 60, 10_000, 2_000_000), ("max", 300, 100_000, 20_000_000)];

/// What a project says of a tier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The limits of its users; only the names that begin with `user_`.
    pub limits: Limits,
}

/// The tiers of a project by name.
pub type Tiers = BTreeMap<String, Tier>;

impl Tier {
    /// Reads the body of a PUT.
    ///
    /// # Errors
    /// 400 with `param` = the path, such as `limits.user_rpm`.
    pub fn from_value(value: Value) -> Result<Self> {
        if !value.get("limits").is_some_and(Value::is_object) {
            return Err(Error::invalid("limits", "limits must be an object, such as {\"user_rpm\": 30}."));
        }
        let tier: Self = serde_path_to_error::deserialize(value).map_err(|e| Error::field(&e))?;
        match tier.limits.not_of_users() {
            Some(path) => {
                Err(Error::invalid(path, format!("{path}: only limits of users can be set here, not those of addresses or projects.")))
            }
            None => Ok(tier),
        }
    }
}

/// Whether a name is a built-in tier's.
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(built_in, ..)| *built_in == name)
}

/// The limits of a built-in tier.
pub fn built_in(name: &str) -> Option<Limits> {
    let (_, rpm, requests, tokens) = BUILT_IN.into_iter().find(|(built_in, ..)| *built_in == name)?;
    Some(Limits {
        user_rpm: Some(Count::of(rpm)),
        user_requests_per_day: Some(Count::of(requests)),
        user_tokens_per_day: Some(Count::of(tokens)),
        ..Limits::default()
    })
}

/// Every tier's name: the built-in ones, and the project's own.
pub fn names(tiers: &Tiers) -> Vec<&str> {
    let own = tiers.keys().map(String::as_str).filter(|name| !is_built_in(name));
    BUILT_IN.iter().map(|(name, ..)| *name).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_are_checked_by_path() {
        let tier = Tier::from_value(json!({"limits": {"user_rpm": 30, "user_usd_per_month": 2.5}})).unwrap();
        assert_eq!(serde_json::to_value(&tier).unwrap(), json!({"limits": {"user_rpm": 30, "user_usd_per_month": 2.5}}));
        for (param, body) in [
            ("limits", json!({})),
            ("limits", json!({"limits": []})),
            ("limits.user_rpm", json!({"limits": {"user_rpm": 0}})),
            ("limits.project_rpm", json!({"limits": {"project_rpm": 5}})),
            ("limits.ip_rpm", json!({"limits": {"ip_rpm": 5}})),
            ("limits.project_concurrency", json!({"limits": {"project_concurrency": 5}})),
            ("limits.project_requests_per_day", json!({"limits": {"project_requests_per_day": 5}})),
            ("limits.project_tokens_per_month", json!({"limits": {"project_tokens_per_month": 5}})),
            ("limits.project_usd_per_month", json!({"limits": {"project_usd_per_month": 5}})),
            ("limits.user_usd_per_day", json!({"limits": {"user_usd_per_day": -1}})),
            ("color", json!({"limits": {}, "color": 1})),
        ] {
            let error = Tier::from_value(body.clone()).unwrap_err();
            let told: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &told["error"]["param"]), (400, &json!(param)), "{body} → {told}");
        }
    }
}
