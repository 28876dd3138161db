//! How much of a project's limits there is for one user: each limit, and what the others have of it.
//!
//! Always holds: what the others have in use, and what they hold and may yet use, is counted; so what is left is never more
//! than what could be had at the time. It is as old as the answer that brought it: others may have taken of it since.
//! Absent on purpose: what the user has itself (`user`), and how it looks (`api`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pool::{Pool, Terms};
use super::store::{Store, StoreError};
use super::{Share, Span};
use crate::user::refusal::Refusal;

/// The limits of a project as one user finds them; what is missing is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Requests in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Part>,
    /// Requests at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Part>,
    /// The budgets of a day and its month.
    #[serde(default)]
    pub shares: BTreeMap<Share, Part>,
    /// The day and month.
    pub span: Span,
    /// How long until the request that did not fit into the minute does, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frees_ms: Option<u64>,
}

/// One limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// For all users together.
    pub limit: u64,
    /// What the others have used or hold.
    pub others: u64,
}

impl Part {
    /// What is left for the user, which has so much itself.
    pub const fn left(self, own: u64) -> u64 {
        self.limit.saturating_sub(self.others).saturating_sub(own)
    }

    /// What all have together.
    pub const fn used(self, own: u64) -> u64 {
        self.others.saturating_add(own)
    }
}

impl Room {
    /// The same for a request that did not fit.
    #[must_use]
    pub(super) fn refused(self, refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Rate { retry_after_ms, .. } => Self { frees_ms: Some(*retry_after_ms), ..self },
            _ => self,
        }
    }
}

impl Pool {
    /// What there is for the user that is being answered: the sums are all others'.
    pub(super) fn room(&self, terms: &Terms) -> Room {
        let (limits, others) = (&terms.limits, &self.others);
        let part = |others: u64| move |limit: u64| Part { limit, others };
        let shares = Share::ALL.into_iter().zip(others.held);
        Room {
            rate: limits.requests_per_minute.map(part(others.rate)),
            places: limits.concurrency.map(part(others.places)),
            shares: shares.filter_map(|(share, held)| Some((share, part(held)(share.limit(limits)?)))).collect(),
            span: terms.span,
            frees_ms: None,
        }
    }

    /// What there is for a user at `now` (epoch ms, by [`Self::clock`]); nothing is given.
    ///
    /// # Errors
    /// The store's.
    pub fn room_for(&mut self, store: &mut impl Store, user: &str, terms: &Terms, now: u64) -> Result<Room, StoreError> {
        self.read_again(store)?;
        self.begin_counting(store, terms)?;
        self.sum_others(user, terms.span, now);
        let room = self.room(terms);
        self.count_again(user);
        Ok(room)
    }
}
