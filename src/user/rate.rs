//! The request rate: an exact sliding window of 60 s.
//!
//! Always holds: of the admission times, no closed interval of 60,000 ms contains more than the limit. A request that was
//! admitted at `t` counts up to and including `t + 60,000`; the next one that needs its place is admitted at `t + 60,001`.
//! A refused request is not counted. Absent on purpose: buckets and averages; a time costs a few bytes for a minute.

use std::collections::VecDeque;

use super::command::{Limits, RateSnapshot};
use super::refusal::Refusal;
use super::store::RequestRow;
use super::{DAY_MS, Recent, User, day_of};

/// The window, in ms.
const WINDOW_MS: u64 = 60_000;
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
    fn counted(&self, now: u64) -> usize {
        self.recent.len() - self.recent.partition_point(|request| !counts(request.at, now))
    }

    /// Set if one more request at `now` would pass the limit.
    pub(super) fn rate_refusal(&self, limits: Limits, now: u64) -> Option<Refusal> {
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

    /// Whether a request with this id was admitted a moment ago.
    pub(super) fn seen(&self, request_id: &str) -> bool {
        self.recent.iter().rev().take(REPEATS).any(|request| &*request.request_id == request_id)
    }

    /// What is left of the limits at `now`.
    pub(super) fn snapshot(&self, limits: Limits, now: u64) -> RateSnapshot {
        let clock = self.clock(now);
        let counted = self.counted(clock) as u64;
        let newest = if counted > 0 { (self.newest_at + WINDOW_MS + 1).saturating_sub(now) } else { 0 };
        let tokens = limits.tokens_per_day;
        RateSnapshot {
            limit_requests: limits.requests_per_minute,
            remaining_requests: limits.requests_per_minute.map(|limit| limit.saturating_sub(counted)),
            reset_requests_ms: limits.requests_per_minute.map(|_| newest),
            limit_tokens: tokens,
            remaining_tokens: tokens.map(|limit| limit.saturating_sub(self.used(clock))),
            reset_tokens_ms: tokens.map(|_| ((day_of(clock) + 1) * DAY_MS).saturating_sub(now)),
        }
    }
}
