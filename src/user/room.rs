//! What is left of the project's limits for this user, by what the project last said of the others.
//!
//! Always holds: what the user has itself is known to the moment; what the others have is as old as the lease. It is told
//! while the lease is in force, and with the project's own refusal; never more than the limit. Absent on purpose: asking.

use super::User;
use super::rate::WINDOW_MS;
use crate::api::ratelimit::{Policy, Window};
use crate::lease::Room;

impl User {
    /// What the lease that is in force says of the others.
    pub(super) fn room(&self, now: u64) -> Option<&Room> {
        (self.holding.until >= self.clock(now)).then_some(&self.holding.room)
    }

    /// The project's windows.
    pub(super) fn windows(&self, room: &Room, now: u64) -> Vec<Window> {
        let clock = self.clock(now);
        let (counted, frees_ms) = (self.counted(clock) as u64, room.frees_ms);
        let minute = room.rate.map(|part| Window {
            policy: Policy::ProjectRequestsMinute,
            limit: part.limit,
            remaining: part.left(counted),
            span_s: Some(WINDOW_MS / 1000),
            frees_ms: Some(frees_ms.unwrap_or_else(|| self.frees(part.limit, clock).saturating_sub(now))),
            // Whatever the others do not use comes back when it is needed, and what they use within the window.
            reset_ms: Some(if part.used(counted) > 0 { WINDOW_MS + 1 } else { 0 }),
        });
        let places = room.places.map(|part| {
            let remaining = part.left(self.running(clock));
            Window { policy: Policy::ProjectConcurrency, limit: part.limit, remaining, span_s: None, frees_ms: None, reset_ms: None }
        });
        // Of another day nothing is known.
        let here = room.shares.iter().filter(|(share, _)| room.span.of(**share) == self.span().of(**share));
        let budgets = here.map(|(share, part)| {
            let (policy, period) = (share.of_project().policy(), share.of_project().period());
            let ends_ms = Some(self.today.ends(period).saturating_sub(now));
            let remaining = part.left(self.committed(*share, clock));
            Window { policy, limit: part.limit, remaining, span_s: Some(self.today.length_s(period)), frees_ms: ends_ms, reset_ms: ends_ms }
        });
        minute.into_iter().chain(places).chain(budgets).collect()
    }
}
