//! The request rate: an exact sliding window of 60 s; and how many requests run at once.
//!
//! Always holds: of the admission times, no closed interval of 60,000 ms contains more than the limit. A request that was
//! admitted at `t` counts up to and including `t + 60,000`; the next one that needs its place is admitted at `t + 60,001`.
//! A refused request is not counted. A reservation is a place among those that run, until it is settled or its time is over.
//! Absent on purpose: buckets and averages; a time costs a few bytes for a minute.

use std::collections::VecDeque;

use super::command::{Limits, RateSnapshot};
use super::refusal::{Budget, Refusal};
use super::store::RequestRow;
use super::{Recent, User};
use crate::api::ratelimit::{Policy, Window};
use crate::lease::Room;

/// The window, in ms.
pub(super) const WINDOW_MS: u64 = 60_000;
/// What a client is told to wait for a place: one may be free at any time.
const PLACE_AFTER_MS: u64 = 1_000;
/// How many of the newest requests are searched for a repeated id: a repeat is a retry by the gateway, seconds later.
const REPEATS: usize = 1024;

/// Whether a request admitted at `at` still counts at `now`.
pub(super) const fn counts(at: u64, now: u64) -> bool {
    at.saturating_add(WINDOW_MS) >= now
}

/// Adds the newest request and drops those that no longer count beside it.
pub(super) fn remember(recent: &mut VecDeque<Recent>, row: &RequestRow) {
    while recent.front().is_some_and(|oldest| !counts(oldest.at, row.at)) {
        recent.pop_front();
    }
    recent.push_back(Recent { at: row.at, request_id: row.request_id.as_str().into() });
}

impl User {
    /// Requests that count at `now`.
    pub(super) fn counted(&self, now: u64) -> usize {
        self.recent.len() - self.recent.partition_point(|request| !counts(request.at, now))
    }

    /// Set if one more request at `now` would pass the limit.
    pub(super) fn rate_refusal(&self, limits: &Limits, now: u64) -> Option<Refusal> {
        let limit = limits.requests_per_minute?;
        if (self.counted(now) as u64) < limit {
            return None;
        }
        Some(Refusal::Rate { scope: "user".to_owned(), limit, retry_after_ms: self.frees(limit, now) - now })
    }

    /// When more of the sliding window is left than at `now`, epoch ms.
    pub(super) fn frees(&self, limit: u64, now: u64) -> u64 {
        // The one that has to leave: the oldest that counts; of a full window, the limit-th newest. With a limit of 0 there is none,
        // and never will be.
        let newer = usize::try_from(limit).unwrap_or(usize::MAX).min(self.counted(now));
        let leaves = self.recent.len().checked_sub(newer).and_then(|index| self.recent.get(index)).map_or(now, |request| request.at);
        leaves.saturating_add(WINDOW_MS + 1)
    }

    /// Set if as many requests as may run at once are running at `now`.
    pub(super) fn concurrency_refusal(&self, limits: &Limits, now: u64) -> Option<Refusal> {
        let limit = limits.concurrency?;
        (self.running(now) >= limit).then_some(Refusal::Concurrency { whose: "user".to_owned(), limit, retry_after_ms: PLACE_AFTER_MS })
    }

    /// Reservations whose time is not over at `now`.
    pub(super) fn running(&self, now: u64) -> u64 {
        self.open.values().filter(|open| !open.due(now)).count() as u64
    }

    /// Whether a request with this id was admitted a moment ago.
    pub(super) fn seen(&self, request_id: &str) -> bool {
        self.recent.iter().rev().take(REPEATS).any(|request| &*request.request_id == request_id)
    }

    /// What is left of the limits at `now`, the user's and then the project's.
    pub(super) fn snapshot(&self, limits: &Limits, room: Option<&Room>, now: u64) -> RateSnapshot {
        let (minute, running) = (self.minute(limits, now), self.places(limits, now));
        let budgets = Budget::OF_USER.into_iter().filter_map(|budget| self.budget(budget, limits, now));
        let of_project = room.into_iter().flat_map(|room| self.windows(room, now));
        RateSnapshot { windows: minute.into_iter().chain(running).chain(budgets).chain(of_project).collect() }
    }

    /// The sliding window.
    fn minute(&self, limits: &Limits, now: u64) -> Option<Window> {
        let limit = limits.requests_per_minute?;
        let clock = self.clock(now);
        Some(Window {
            policy: Policy::RequestsMinute,
            limit,
            remaining: limit.saturating_sub(self.counted(clock) as u64),
            span_s: Some(WINDOW_MS / 1000),
            frees_ms: Some(self.frees(limit, clock).saturating_sub(now)),
            reset_ms: Some(self.minute_resets(clock).saturating_sub(now)),
        })
    }

    fn places(&self, limits: &Limits, now: u64) -> Option<Window> {
        let limit = limits.concurrency?;
        let remaining = limit.saturating_sub(self.running(self.clock(now)));
        Some(Window { policy: Policy::Concurrency, limit, remaining, span_s: None, frees_ms: None, reset_ms: None })
    }

    fn budget(&self, budget: Budget, limits: &Limits, now: u64) -> Option<Window> {
        let limit = budget.limit(limits)?;
        let clock = self.clock(now);
        let remaining = limit.saturating_sub(self.used(budget, clock));
        let ends_ms = self.today.ends(budget.period()).saturating_sub(now);
        let span_s = Some(self.today.length_s(budget.period()));
        Some(Window { policy: budget.policy(), limit, remaining, span_s, frees_ms: Some(ends_ms), reset_ms: Some(ends_ms) })
    }

    /// When all requests of the sliding window have left it, epoch ms; 0 if there are none.
    pub(super) fn minute_resets(&self, now: u64) -> u64 {
        if self.counted(now) > 0 { self.newest_at + WINDOW_MS + 1 } else { 0 }
    }
}
