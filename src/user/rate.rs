//! The request rate: an exact sliding window of 60 s; and how many requests run at once.
//!
//! Always holds: of the admission times, no closed interval of 60,000 ms contains more than the limit. A request that was
//! admitted at `t` counts up to and including `t + 60,000`; the next one that needs its place is admitted at `t + 60,001`.
//! A refused request is not counted. A reservation is a place among those that run, until it is settled or its time is over.
//! Absent on purpose: buckets and averages; a time costs a few bytes for a minute.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::command::{Limits, RateSnapshot};
use super::refusal::{Budget, Refusal};
use super::store::RequestRow;
use super::{Recent, User};

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
        let counted = self.counted(now);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        if counted < most {
            return None;
        }
        // The one that has to leave the window: the limit-th newest. With a limit of 0 there is none, and never will be.
        let leaves = self.recent.len().checked_sub(most).and_then(|index| self.recent.get(index)).map_or(now, |request| request.at);
        let retry_after_ms = leaves.saturating_add(WINDOW_MS + 1).saturating_sub(now);
        Some(Refusal::Rate { scope: "user".to_owned(), limit, retry_after_ms })
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

    /// What is left of the limits at `now`.
    pub(super) fn snapshot(&self, limits: &Limits, now: u64) -> RateSnapshot {
        let clock = self.clock(now);
        let budget = |budget: Budget| {
            let limit = budget.limit(limits)?;
            let remaining = limit.saturating_sub(self.used(budget, clock));
            Some(Window { limit, remaining, reset_ms: self.today.ends(budget.period()).saturating_sub(now) })
        };
        let requests = tightest([self.minute(limits, now), budget(Budget::UserRequestsPerDay)]);
        let tokens = tightest([budget(Budget::UserTokensPerDay), budget(Budget::UserTokensPerMonth)]);
        RateSnapshot {
            limit_requests: requests.map(|window| window.limit),
            remaining_requests: requests.map(|window| window.remaining),
            reset_requests_ms: requests.map(|window| window.reset_ms),
            limit_tokens: tokens.map(|window| window.limit),
            remaining_tokens: tokens.map(|window| window.remaining),
            reset_tokens_ms: tokens.map(|window| window.reset_ms),
        }
    }

    /// The sliding window.
    fn minute(&self, limits: &Limits, now: u64) -> Option<Window> {
        let limit = limits.requests_per_minute?;
        let clock = self.clock(now);
        let remaining = limit.saturating_sub(self.counted(clock) as u64);
        Some(Window { limit, remaining, reset_ms: self.minute_resets(clock).saturating_sub(now) })
    }

    /// When all requests of the sliding window have left it, epoch ms; 0 if there are none.
    pub(super) fn minute_resets(&self, now: u64) -> u64 {
        if self.counted(now) > 0 { self.newest_at + WINDOW_MS + 1 } else { 0 }
    }
}

/// A limit over a span, and what is left of it.
#[derive(Clone, Copy)]
struct Window {
    limit: u64,
    remaining: u64,
    reset_ms: u64,
}

/// The window in which the least is left; of equals, the one that takes longer to come back.
fn tightest(windows: [Option<Window>; 2]) -> Option<Window> {
    windows.into_iter().flatten().min_by_key(|window| (window.remaining, Reverse(window.reset_ms)))
}
