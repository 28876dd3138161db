//! Alerts: a signed webhook when a part of a budget is spent.
//!
//! Always holds: an event's id follows from what it is about (project, user, budget, period, threshold), so however often it is
//! found, told or sent, it is the same event; the body of an event never changes. The straight line: the user's object finds
//! it (`crate::user::alerts`), the project's object keeps it until it is delivered (`delivery`), to where the owner said
//! (`settings`), signed (`sign`). Absent on purpose: the platform, and when to look.

pub mod delivery;
pub mod schema;
pub mod settings;
pub mod sign;
pub mod threshold;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::secrets::hex;
use crate::user::refusal::Budget;

/// What the events are called.
const TYPE: &str = "budget.threshold";
/// Bytes of the hash that are an id.
const ID_BYTES: usize = 16;

/// A threshold of a budget that was passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The user; `None` for a budget of the project.
    pub user: Option<String>,
    /// Which budget.
    pub budget: Budget,
    /// The first day of its period, as days since 1970-01-01.
    pub span: u64,
    /// Per cent.
    pub threshold: u8,
    /// The limit at that time: tokens or micro-dollars.
    pub limit: u64,
    /// What was spent.
    pub used: u64,
    /// When it was found, epoch ms.
    pub at: u64,
    /// When the period ends, epoch seconds.
    pub resets_at: u64,
}

impl Event {
    /// The same for the same threshold of the same budget, period, user and project, and for nothing else.
    pub fn id(&self, project_id: &str) -> String {
        let what = json!([project_id, self.user, self.budget.name(), self.span, self.threshold]);
        let hash = Sha256::digest(what.to_string().as_bytes());
        format!("evt_{}", hex(hash.get(..ID_BYTES).unwrap_or_default()))
    }

    /// What is sent. Times are whole epoch seconds, dollars are dollars.
    pub fn body(&self, project_id: &str) -> Value {
        json!({
            "id": self.id(project_id),
            "type": TYPE,
            "created_at": self.at / 1000,
            "data": {
                "project_id": project_id,
                "user": self.user,
                "budget": self.budget.name(),
                "threshold": self.threshold,
                "limit": self.budget.shown(self.limit),
                "used": self.budget.shown(self.used),
                "resets_at": self.resets_at,
            },
        })
    }
}

/// What can be asked of a project's object about its alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Deliver these. Answer: an empty list, once they are kept.
    Enqueue(Vec<Event>),
    /// The latest deliveries.
    Deliveries,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let budget = Budget::UserUsdPerDay;
        Event {
            user: Some("ann".into()),
            budget,
            span: 20_000,
            threshold: 80,
            limit: 1_500_000,
            used: 1_200_001,
            at: 1_728_000_000_123,
            resets_at: 1_728_086_400,
        }
    }

    #[test]
    fn an_id_is_of_what_it_is_about() {
        let id = event().id("proj_1");
        assert_eq!(id.len(), "evt_".len() + 32);
        assert_eq!(Event { limit: 1, used: 2, at: 3, resets_at: 4, ..event() }.id("proj_1"), id);
        let others = [
            event().id("proj_2"),
            Event { user: Some("bob".into()), ..event() }.id("proj_1"),
            Event { user: None, ..event() }.id("proj_1"),
            Event { budget: Budget::UserUsdPerMonth, ..event() }.id("proj_1"),
            Event { span: 20_001, ..event() }.id("proj_1"),
            Event { threshold: 100, ..event() }.id("proj_1"),
        ];
        assert!(others.iter().all(|other| *other != id));
    }

    #[test]
    fn the_body() {
        let expected = json!({
            "id": event().id("proj_1"), "type": "budget.threshold", "created_at": 1_728_000_000,
            "data": {"project_id": "proj_1", "user": "ann", "budget": "user_usd_per_day", "threshold": 80, "limit": 1.5, "used": 1.200_001, "resets_at": 1_728_086_400},
        });
        assert_eq!(event().body("proj_1"), expected);
    }
}
