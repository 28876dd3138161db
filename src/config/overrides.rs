//! A user's own limits as the admin routes read and show them.
//!
//! Always holds: the checks are those of a tier; `null` is no limit at all, and a name that is absent says nothing.

use serde_json::{Map, Value, json};

use crate::config::limits::Limit;
use crate::config::tier::Tier;
use crate::error::{Error, Result};
use crate::price::dollars;
use crate::user::overrides::{Bound, Overrides};

/// Reads the body of a PUT: `{"limits": {"user_rpm": 5, "user_tokens_per_day": null}}`.
///
/// # Errors
/// 400 with `param` = the path, such as `limits.user_rpm`.
pub fn parse(body: Value) -> Result<Overrides> {
    let said = body.get("limits").and_then(Value::as_object).cloned().unwrap_or_default();
    let limits = Tier::from_value(body)?.limits;
    if let Some(name) = said.keys().find(|name| Limit::ALL.iter().all(|limit| limit.name() != name.as_str())) {
        let path = format!("limits.{name}");
        return Err(Error::invalid(&path, format!("{path}: only limits of users can be set here, not those of addresses or projects.")));
    }
    let mut overrides = Overrides::default();
    for limit in Limit::ALL {
        let unlimited = said.get(limit.name()).is_some_and(Value::is_null).then_some(Bound::Unlimited);
        *limit.in_overrides(&mut overrides) = limit.set_in(&limits).map(Bound::AtMost).or(unlimited);
    }
    Ok(overrides)
}

/// What the routes answer.
pub fn view(uid: &str, mut overrides: Overrides) -> Value {
    let mut limits = Map::new();
    for limit in Limit::ALL {
        let shown = match *limit.in_overrides(&mut overrides) {
            None => continue,
            Some(Bound::Unlimited) => Value::Null,
            Some(Bound::AtMost(most)) if limit.is_usd() => json!(dollars(most)),
            Some(Bound::AtMost(most)) => json!(most),
        };
        limits.insert(limit.name().to_owned(), shown);
    }
    json!({"object": "user.limits", "user_id": uid, "limits": limits})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_as_they_were_written() {
        for limits in [
            json!({}),
            json!({"user_rpm": 5}),
            json!({"user_rpm": null, "user_usd_per_day": null}),
            json!({
                "user_rpm": 1, "user_concurrency": 2, "user_requests_per_day": 3, "user_tokens_per_day": 4,
                "user_tokens_per_month": 5, "user_usd_per_day": 0.25, "user_usd_per_month": null,
            }),
        ] {
            let overrides = parse(json!({"limits": limits})).unwrap();
            assert_eq!(view("ann", overrides), json!({"object": "user.limits", "user_id": "ann", "limits": limits}));
            let kept: Overrides = serde_json::from_str(&serde_json::to_string(&overrides).unwrap()).unwrap();
            assert_eq!(kept, overrides);
        }
    }

    #[test]
    fn bodies_are_checked_by_path() {
        for (param, body) in [
            ("limits", json!({})),
            ("limits", json!({"limits": null})),
            ("limits", json!({"limits": [1]})),
            ("limits.user_rpm", json!({"limits": {"user_rpm": 0}})),
            ("limits.user_rpm", json!({"limits": {"user_rpm": "5"}})),
            ("limits.user_usd_per_day", json!({"limits": {"user_usd_per_day": -1}})),
            ("limits.project_rpm", json!({"limits": {"project_rpm": 5}})),
            ("limits.project_rpm", json!({"limits": {"project_rpm": null}})),
            ("limits.ip_rpm", json!({"limits": {"ip_rpm": null}})),
            ("limits.user_rpn", json!({"limits": {"user_rpn": null}})),
            ("color", json!({"limits": {}, "color": 1})),
        ] {
            let error = parse(body.clone()).unwrap_err();
            let told: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), &told["error"]["param"]), (400, &json!(param)), "{body} → {told}");
        }
    }
}
