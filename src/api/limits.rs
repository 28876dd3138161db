//! What `GET /v1/limits` answers: each limit of the caller, and then each of the whole project, what is left of it for the
//! caller, when it comes back, and who set it.
//!
//! Always holds: names are those of the settings; a limit that is off is there, with `null`.

use serde_json::{Value, json};

use crate::config::limits::{Limit, Named, Source};
use crate::lease::Share;
use crate::lease::room::{Part, Room};
use crate::price::dollars;
use crate::user::report::Standing;

/// The sliding minute, in ms.
const MINUTE_MS: u64 = 60_000;

/// The answer at `now` (epoch ms). Times are whole epoch seconds.
pub fn view(named: &Named, tier: Option<&str>, standing: &Standing, room: &Room, now: u64) -> Value {
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
    let of_project = |limit| of_project(limit, named, standing, room, now);
    let rows: Vec<Value> = Limit::ALL.into_iter().map(row).chain(Limit::ALL.into_iter().map(of_project)).collect();
    json!({"object": "limits", "tier": tier, "limits": rows})
}

/// A limit of the project. Of one that is off nobody counts what is used.
fn of_project(limit: Limit, named: &Named, standing: &Standing, room: &Room, now: u64) -> Value {
    let part = part(limit, room);
    let (own, ends) = used(limit, standing);
    let used = part.map(|part| part.used(own));
    // Whenever anything of the minute is in use, it is back a minute later.
    let resets_at = if limit == Limit::Rpm { used.filter(|used| *used > 0).map(|_| now + MINUTE_MS) } else { ends };
    json!({
        "name": limit.of_project(),
        "limit": part.map(|part| shown(limit, part.limit)),
        "used": used.map(|used| shown(limit, used)),
        "remaining": part.map(|part| shown(limit, part.left(own))),
        "resets_at": resets_at.map(|ms| ms.div_ceil(1000)),
        "source": part.map(|_| named.of_project(limit).name()),
    })
}

/// What there is of a limit of the project.
fn part(limit: Limit, room: &Room) -> Option<Part> {
    let share = match limit {
        Limit::Rpm => return room.rate,
        Limit::Concurrency => return room.places,
        Limit::RequestsPerDay => Share::RequestsPerDay,
        Limit::TokensPerDay => Share::TokensPerDay,
        Limit::TokensPerMonth => Share::TokensPerMonth,
        Limit::UsdPerDay => Share::UsdPerDay,
        Limit::UsdPerMonth => Share::UsdPerMonth,
    };
    room.shares.get(&share).copied()
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
    use std::collections::BTreeMap;

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
        let room = Room {
            rate: Some(Part { limit: 60, others: 5 }),
            shares: BTreeMap::from([(Share::UsdPerDay, Part { limit: 700_000, others: 200_000 })]),
            ..Room::default()
        };
        let answer = view(&Named::of(&settings, &tiers, None), None, &standing, &room, 1_500);
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
        assert_eq!(row(7), json!({"name": "project_rpm", "limit": 60, "used": 7, "remaining": 53, "resets_at": 62, "source": "default"}));
        let usd =
            json!({"name": "project_usd_per_day", "limit": 0.7, "used": 0.8, "remaining": 0.0, "resets_at": 86_400, "source": "project"});
        assert_eq!(row(12), usd);
        assert_eq!((&row(13)["limit"], &row(13)["used"], &row(13)["source"]), (&Value::Null, &Value::Null, &Value::Null));
    }
}
