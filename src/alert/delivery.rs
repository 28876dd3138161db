//! One event on its way to the owner: when it is sent, when it is sent again, and when that is given up.
//!
//! Always holds: an attempt is written down before it is made, so that a crash costs an attempt and never the pace; every
//! attempt has the same id and the same body. A delivery ends once. Absent on purpose: sending, and the store (`schema`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Event;

/// The pauses between attempts, in ms. Together 22 hours: an endpoint that is away for a night still hears of it.
const PAUSES_MS: [u64; 8] = [5_000, 30_000, 120_000, 600_000, 3_600_000, 10_800_000, 21_600_000, 43_200_000];
/// The first of them.
pub const FIRST_PAUSE_MS: u64 = 5_000;
/// How long one attempt may take, in ms.
pub const TIMEOUT_MS: u64 = 10_000;
/// An attempt nobody has heard of for this long, in ms, was lost.
const LOST_MS: u64 = 2 * TIMEOUT_MS;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The event's.
    pub id: String,
    /// What is sent, as text: a signature is of bytes.
    pub body: String,
    /// Where it is.
    pub status: Status,
    /// Attempts begun.
    pub attempts: u64,
    /// When the next one is due, epoch ms; `None` once it has ended.
    pub next_at: Option<u64>,
    /// What the last answer's status was.
    pub http_status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// Epoch ms.
    pub created_at: u64,
    /// When it was delivered or given up, epoch ms.
    pub ended_at: Option<u64>,
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// An attempt is to come.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// It was given up.
    Failed,
}

impl Status {
    /// As it stands in the column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// What became of an attempt: the answer's status, or why there is none. The reason is ours, never the answer's words.
pub type Heard = Result<u16, &'static str>;

impl Delivery {
    /// An event of a project, due at once.
    pub fn new(event: &Event, project_id: &str, now: u64) -> Self {
        Self {
            id: event.id(project_id),
            body: event.body(project_id).to_string(),
            status: Status::Pending,
            attempts: 0,
            next_at: Some(now),
            http_status: None,
            error: None,
            created_at: now,
            ended_at: None,
        }
    }

    /// What to write before an attempt at `now`; given up if there were enough.
    #[must_use]
    pub fn attempt(mut self, now: u64) -> Self {
        if self.attempts > PAUSES_MS.len() as u64 {
            return self.ended(Status::Failed, now);
        }
        self.attempts += 1;
        self.next_at = Some(now + LOST_MS);
        self
    }

    /// What to write after it. `first_pause_ms` sets the pace.
    #[must_use]
    pub fn heard(mut self, heard: Heard, first_pause_ms: u64, now: u64) -> Self {
        (self.http_status, self.error) = (heard.ok(), heard.err().map(str::to_owned));
        if matches!(heard, Ok(200..=299)) {
            return self.ended(Status::Delivered, now);
        }
        let pause = usize::try_from(self.attempts.saturating_sub(1)).ok().and_then(|done| PAUSES_MS.get(done));
        match pause {
            Some(pause) => {
                self.next_at = Some(now + pause.saturating_mul(first_pause_ms) / FIRST_PAUSE_MS);
                self
            }
            None => self.ended(Status::Failed, now),
        }
    }

    fn ended(self, status: Status, now: u64) -> Self {
        Self { status, next_at: None, ended_at: Some(now), ..self }
    }

    /// As the owner sees it. Times are whole epoch seconds.
    pub fn view(&self) -> Value {
        let seconds = |ms: Option<u64>| ms.map(|ms| ms / 1000);
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        json!({
            "id": self.id,
            "type": body.get("type"),
            "status": self.status,
            "attempts": self.attempts,
            "http_status": self.http_status,
            "error": self.error,
            "created_at": self.created_at / 1000,
            "next_attempt_at": seconds(self.next_at),
            "ended_at": seconds(self.ended_at),
            "data": body.get("data"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::refusal::Budget;

    fn delivery() -> Delivery {
        let budget = Budget::UserTokensPerDay;
        let event = Event { user: Some("ann".into()), budget, span: 1, threshold: 50, limit: 10, used: 5, at: 1_000, resets_at: 2 };
        Delivery::new(&event, "proj_1", 10_000)
    }

    #[test]
    fn it_is_tried_for_most_of_a_day_and_then_given_up() {
        let (mut delivery, mut now, mut waits) = (delivery(), 10_000, Vec::new());
        while let Some(next) = delivery.next_at {
            waits.push(next - now);
            now = next;
            delivery = delivery.attempt(now).heard(Ok(503), FIRST_PAUSE_MS, now);
        }
        assert_eq!(waits, [&[0], &PAUSES_MS[..]].concat());
        assert_eq!((delivery.status, delivery.attempts, delivery.ended_at), (Status::Failed, 9, Some(now)));
        assert!((20 * 3_600_000..24 * 3_600_000).contains(&(now - 10_000)));
    }

    #[test]
    fn what_is_heard_of_an_attempt() {
        for (heard, status, next_at) in [
            (Ok(200), Status::Delivered, None),
            (Ok(204), Status::Delivered, None),
            (Ok(199), Status::Pending, Some(15_000)),
            (Ok(302), Status::Pending, Some(15_000)),
            (Ok(500), Status::Pending, Some(15_000)),
            (Err("no connection"), Status::Pending, Some(15_000)),
        ] {
            let after = delivery().attempt(10_000).heard(heard, FIRST_PAUSE_MS, 10_000);
            assert_eq!((after.status, after.next_at, after.http_status, after.attempts), (status, next_at, heard.ok(), 1));
            assert_eq!((after.id, after.body), (delivery().id, delivery().body));
        }
        assert_eq!(delivery().attempt(10_000).heard(Ok(500), 50, 10_000).next_at, Some(10_050), "the pace is the deployment's");
    }

    #[test]
    fn attempts_of_which_nothing_is_heard_count() {
        let (mut lost, mut now) = (delivery(), 10_000);
        while let Some(next) = lost.next_at {
            now = next;
            lost = lost.attempt(now);
        }
        assert_eq!((lost.status, lost.attempts, now), (Status::Failed, 9, 10_000 + 9 * LOST_MS));
    }
}
