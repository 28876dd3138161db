//! `GET /v1/projects/{id}/usage`: sums over a window of a project's ledger, by what the owner groups by.
//!
//! Always holds: the window is whole hours, rounded outwards, and the answer shows it; dollars are micro-dollars divided
//! once, when they are written.

use serde_json::{Map, Value, json};

use super::parameters::{Parameters, cursor};
use super::window::{Window, iso};
use crate::error::{Error, Result};
use crate::price::dollars;
use crate::rollup::HOUR_MS;
use crate::rollup::store::TotalRow;
use crate::rollup::usage::{By, GroupKey, UsagePage, UsageQuery};

/// What may be grouped by.
const GROUPS: [&str; 8] = ["model", "user", "session", "day", "hour", "provider", "status", "key_source"];
/// Groups of a page if none are said.
const DEFAULT_LIMIT: u64 = 1_000;
/// Hours of a day.
const DAY_HOURS: u64 = 24;

/// A question as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// For the ledger.
    pub query: UsageQuery,
    groups: Vec<&'static str>,
}

impl Asked {
    /// Reads `from`, `to`, `group_by`, `limit` and `after`.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn parse(parameters: Parameters, now: u64) -> Result<Self> {
        let window = Window::parse(parameters.get("from"), parameters.get("to"), now)?;
        let groups = groups(parameters.get("group_by").unwrap_or_default())?;
        let query = UsageQuery {
            from: window.from / HOUR_MS,
            to: window.to.div_ceil(HOUR_MS),
            by: by(&groups),
            after: parameters.after::<GroupKey>()?,
            limit: parameters.limit(DEFAULT_LIMIT)?,
        };
        Ok(Self { query, groups })
    }

    /// The answer, without `fresh`, and the cursor of the next page.
    ///
    /// # Errors
    /// None that can happen.
    pub fn answer(&self, page: &UsagePage) -> Result<(Value, Option<String>)> {
        let next = page.groups.last().filter(|_| page.has_more).map(|last| cursor(&GroupKey::of(last))).transpose()?;
        let data: Vec<Value> = page.groups.iter().map(|row| Value::Object(self.group(row))).collect();
        let answer = json!({
            "object": "list", "data": data, "has_more": page.has_more, "next": next, "totals": sums(&page.total),
            "group_by": self.groups, "window": {"from": iso(self.query.from * HOUR_MS), "to": iso(self.query.to * HOUR_MS)},
        });
        Ok((answer, next))
    }

    fn group(&self, row: &TotalRow) -> Map<String, Value> {
        let begins = row.hour * self.query.by.hours.unwrap_or(0) * HOUR_MS;
        let mut fields = sums(row);
        for name in &self.groups {
            let value = match *name {
                "model" => row.model.clone(),
                "user" => row.user.clone(),
                "session" => row.session.clone(),
                "provider" => row.provider.clone(),
                "status" => row.status.clone(),
                "key_source" => row.key_source.clone(),
                "day" => iso(begins).chars().take(10).collect(),
                _ => iso(begins),
            };
            fields.insert((*name).to_owned(), Value::String(value));
        }
        fields
    }
}

fn groups(text: &str) -> Result<Vec<&'static str>> {
    let mut groups = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let known = GROUPS.into_iter().find(|group| *group == name).ok_or_else(|| {
            let name: String = name.chars().take(50).collect();
            Error::invalid("group_by", format!("group_by: `{name}` is not one of {}.", GROUPS.join(", ")))
        })?;
        if !groups.contains(&known) {
            groups.push(known);
        }
    }
    Ok(groups)
}

fn by(groups: &[&str]) -> By {
    let has = |name| groups.contains(&name);
    By {
        hours: if has("hour") { Some(1) } else { has("day").then_some(DAY_HOURS) },
        user: has("user"),
        session: has("session"),
        model: has("model"),
        provider: has("provider"),
        key_source: has("key_source"),
        status: has("status"),
    }
}

fn sums(row: &TotalRow) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, sum) in [
        ("requests", row.requests),
        ("input_tokens", row.input),
        ("output_tokens", row.output),
        ("cached_tokens", row.cached_input),
        ("cache_write_tokens", row.cache_write),
        ("reasoning_tokens", row.reasoning),
        ("audio_input_tokens", row.audio_input),
        ("audio_output_tokens", row.audio_output),
        ("unpriced_requests", row.unpriced),
        ("estimated_requests", row.estimated),
    ] {
        fields.insert(name.to_owned(), sum.into());
    }
    fields.insert("cost_usd".to_owned(), dollars(row.micro_usd).into());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Result<Asked> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Asked::parse(Parameters(&pairs), 1_728_043_200_000)
    }

    #[test]
    fn windows_are_rounded_outwards_to_hours() {
        for (from, to, hours) in [
            ("2024-10-04T10:30:00Z", "2024-10-04T11:30:00Z", (10, 12)),
            ("2024-10-04T10:00:00Z", "2024-10-04T11:00:00Z", (10, 11)),
            ("2024-10-04T10:59:59.999Z", "2024-10-04T11:00:00.001Z", (10, 12)),
            ("2024-10-04", "2024-10-04", (0, 24)),
        ] {
            let query = asked(&[("from", from), ("to", to)]).unwrap().query;
            let midnight = 1_728_000_000 / 3_600;
            assert_eq!((query.from - midnight, query.to - midnight), hours, "{from} {to}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("group_by", "model,colour"),
            ("group_by", "Model"),
            ("limit", "0"),
            ("limit", "1001"),
            ("limit", "many"),
            ("after", "nonsense"),
            ("after", "bnVsbA"),
            ("from", "soon"),
            ("to", "1728043200000"),
        ] {
            let error = asked(&[(name, value)]).unwrap_err();
            assert!(error.status() == 400 && error.body().contains(&format!(r#""param":"{name}""#)), "{name}={value}: {}", error.body());
        }
    }

    #[test]
    fn groups_have_their_names_and_pages_their_cursor() {
        let asked_first = asked(&[("group_by", "hour, model,day,model"), ("to", "2024-10-04T12:00:00Z"), ("from", "2024-10-04T11:00:00Z")]);
        let first = asked_first.unwrap();
        let row = TotalRow { hour: 480_011, model: "m".into(), requests: 2, input: 7, micro_usd: 1_500_000, ..TotalRow::default() };
        let page = UsagePage { groups: vec![row.clone()], has_more: true, total: TotalRow { requests: 5, ..TotalRow::default() } };
        let (answer, next) = first.answer(&page).unwrap();
        let group = &answer["data"][0];
        assert_eq!((&group["day"], &group["hour"], &group["model"]), (&json!("2024-10-04"), &json!("2024-10-04T11:00:00Z"), &json!("m")));
        assert_eq!((&group["requests"], &group["cost_usd"], &group["user"]), (&json!(2), &json!(1.5), &Value::Null));
        assert_eq!((&answer["totals"]["requests"], &answer["group_by"]), (&json!(5), &json!(["hour", "model", "day"])));
        assert_eq!(answer["window"], json!({"from": "2024-10-04T11:00:00Z", "to": "2024-10-04T12:00:00Z"}));
        let second = asked(&[("group_by", "hour,model"), ("after", &next.unwrap())]).unwrap();
        assert_eq!(second.query.after, Some(GroupKey::of(&row)));
    }
}
