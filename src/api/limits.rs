//! What `GET /v1/limits` answers: each limit of the caller, what is left of it, when it comes back, and who set it.
//!
//! Always holds: names are those of the settings; a limit that is off is there, with `null`.

use serde_json::{Value, json};

use crate::config::limits::{Limit, Named, Source};
use crate::price::dollars;
use crate::user::report::Standing;

/// The answer. Times are whole epoch seconds.
pub fn view(named: &Named, tier: Option<&str>, standing: &Standing) -> Value {
    let row = |limit: Limit| {
        let (used, resets_at) = used(limit, standing);
        let (value, source) = named.get(limit);
        let shown = |amount: u64| shown(limit, amount);
        json!({
            "name": limit.name(),
            "limit": value.map(shown),
            "used": shown(used),
            "remaining": value.map(|value| shown(value.saturating_sub(used))),
            "resets_at": resets_at.map(|ms| ms.div_ceil(1000)),
            "source": source.map(Source::name),
        })
    };
    json!({"object": "limits", "tier": tier, "limits": Limit::ALL.map(row)})
}

/// What `GET …/tiers/{name}/resolved` answers: the limits of a user whose token names the tier, and who set each.
pub fn resolved(named: &Named, tier: &str) -> Value {
    let row = |limit: Limit| {
        let (value, source) = named.get(limit);
        json!({"name": limit.name(), "limit": value.map(|value| shown(limit, value)), "source": source.map(Source::name)})
    };
    json!({"object": "tier.resolved", "name": tier, "limits": Limit::ALL.map(row)})
}

/// Dollars as dollars.
fn shown(limit: Limit, amount: u64) -> Value {
    if limit.is_usd() { json!(dollars(amount)) } else { json!(amount) }
}

/// What is lost of a limit, and when it is back, epoch ms.
const fn used(limit: Limit, standing: &Standing) -> (u64, Option<u64>) {
    match limit {
        Limit::Rpm => (standing.requests_minute, if standing.requests_minute > 0 { Some(standing.minute_resets) } else { None }),
        Limit::Concurrency => (standing.running, None),
        Limit::RequestsPerDay => (standing.requests_day, Some(standing.day_ends)),
        Limit::TokensPerDay => (standing.tokens_day, Some(standing.day_ends)),
        Limit::TokensPerMonth => (standing.tokens_month, Some(standing.month_ends)),
        Limit::UsdPerDay => (standing.micro_usd_day, Some(standing.day_ends)),
        Limit::UsdPerMonth => (standing.micro_usd_month, Some(standing.month_ends)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tier::Tiers;

    #[test]
    fn each_limit_says_what_is_left_and_who_set_it() {
        let settings = serde_json::from_value(json!({"user_rpm": 7, "user_usd_per_day": 0.5})).unwrap();
        let standing = Standing {
            requests_minute: 2,
            minute_resets: 60_001,
            micro_usd_day: 600_000,
            day_ends: 86_400_000,
            tokens_month: 9,
            ..Standing::default()
        };
        let tiers = Tiers::default();
        let answer = view(&Named::of(&settings, &tiers, None), None, &standing);
        let row = |n: usize| answer["limits"][n].clone();
        assert_eq!(row(0), json!({"name": "user_rpm", "limit": 7, "used": 2, "remaining": 5, "resets_at": 61, "source": "project"}));
        assert_eq!(
            row(5),
            json!({"name": "user_usd_per_day", "limit": 0.5, "used": 0.6, "remaining": 0.0, "resets_at": 86_400, "source": "project"})
        );
        assert_eq!(
            row(4),
            json!({"name": "user_tokens_per_month", "limit": null, "used": 9, "remaining": null, "resets_at": 0, "source": null})
        );
        assert_eq!(row(3)["source"], "default");
    }
}
