//! What a project knows of one user's slice.
//!
//! Always holds: the user can have no more in use than is counted here, whichever of its messages have come and whichever
//! of ours have reached it. A report counts as exact only if it knows of the newest grant; else what was before stays too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pool::Terms;
use super::steps::Steps;
use super::{Lease, Recall, Report, Share, Span};

/// The window of requests a minute, ms.
pub const WINDOW_MS: u64 = 60_000;
/// The longest that a request runs, ms: its reservation is over then. Admission sees to it.
pub const RUN_MS: u64 = 660_000;
/// A user with reservations tells how they end; after this time without a word it is asked, ms.
const SILENT_MS: u64 = 60_000;

/// A user's slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The incarnation of the user that it is of.
    pub epoch: u64,
    /// The number of the newest report.
    pub number: u64,
    /// The newest grant.
    pub grant: u64,
    /// Until when the newest grant may be used, epoch ms.
    pub until: u64,
    /// Until when any grant that it may have can be used, epoch ms: the newest may be lost, and an older one live longer.
    pub latest: u64,
    /// The newest grant's requests a minute.
    pub rate_now: u64,
    /// Requests that may count towards the minute.
    pub rate: Steps,
    /// The newest grant's places.
    pub places_now: u64,
    /// Requests that may run.
    pub places: Steps,
    /// Budgets.
    pub shares: BTreeMap<Share, Held>,
    /// The user has given back everything that it does not need: recalling it would bring nothing.
    pub exact: bool,
    /// It has reservations that may come to less.
    pub unsettled: bool,
    /// The newest grant was for one request only.
    pub single: bool,
    /// The configuration that the user knows of: by its own word, or because all that it can have came with it.
    pub told: u64,
    /// When it last wrote, epoch ms.
    pub heard: u64,
    /// When it was last recalled, epoch ms; not kept, for it only saves calls.
    #[serde(skip)]
    pub recalled: u64,
    /// By which configuration; likewise.
    #[serde(skip)]
    pub recalled_by: u64,
}

/// The project's side of one budget of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The day or month that it is of.
    pub span: u64,
    /// Ever granted.
    pub granted: u64,
    /// Ever returned, as far as we know.
    pub returned: u64,
    /// Spent and reserved, as last reported.
    pub committed: u64,
    /// What the project's ledger has of it, where that counts (`spent`); not kept: the ledger is.
    #[serde(skip)]
    pub ledger: u64,
}

impl Held {
    /// What the user may have committed at most: what it has of what was granted, or more if a provider billed beyond a
    /// reservation, or if it was spent before there was a limit.
    pub fn amount(&self) -> u64 {
        self.granted.saturating_sub(self.returned).max(self.known())
    }

    /// What it has committed, as far as anybody has told.
    pub fn known(&self) -> u64 {
        self.committed.max(self.ledger)
    }

    /// It may have what it does not use.
    pub const fn has_slack(&self) -> bool {
        self.granted.saturating_sub(self.returned) > self.committed
    }

    /// What is ever granted with `more` than may be committed now.
    pub fn granted_with(&self, more: u64) -> u64 {
        self.returned.saturating_add(self.amount()).saturating_add(more)
    }
}

impl Holder {
    /// What it holds of a budget in a span.
    pub fn held(&self, share: Share, span: Span) -> u64 {
        self.shares.get(&share).filter(|held| held.span == span.of(share)).map_or(0, Held::amount)
    }

    /// Takes in what its user reports.
    pub fn take(&mut self, report: &Report, span: Span, now: u64) {
        let newest = report.number >= self.number;
        (self.epoch, self.heard) = (report.epoch, now);
        self.told = self.told.max(report.version);
        if newest {
            (self.number, self.unsettled) = (report.number, report.unsettled > 0);
        }
        if newest && report.grant >= self.grant {
            self.grant = report.grant;
            self.rate = Steps::of_ages(&report.recent, WINDOW_MS, now);
            self.places = Steps::default();
            self.places.add(report.running, now + RUN_MS);
            self.exact = report.closed;
            if report.closed {
                (self.until, self.latest) = (0, 0);
            } else {
                // Even if its time is over: the report may have been long under way.
                self.latest = self.until;
                self.rate.add(self.rate_now, self.until + WINDOW_MS);
                self.places.add(self.places_now, self.until + RUN_MS);
            }
        }
        for (share, counters) in &report.counters {
            let number = report.span.of(*share);
            if number != span.of(*share) {
                continue;
            }
            let held = self.shares.entry(*share).or_default();
            if held.span != number {
                *held = Held { span: number, ..Held::default() };
            }
            held.granted = held.granted.max(counters.taken);
            held.returned = held.returned.max(counters.returned);
            if newest {
                // It knows better what it has spent than the ledger does.
                (held.committed, held.ledger) = (counters.committed, 0);
            }
        }
    }

    /// Notes a grant.
    pub fn give(&mut self, lease: &Lease, now: u64) {
        if self.grant == 0 {
            // Its first: without it, it can do nothing, and with it, it knows. Calling it back would tell it nothing new.
            self.told = self.told.max(lease.version);
        }
        self.grant = lease.grant;
        self.until = now + lease.ttl_ms;
        self.latest = self.latest.max(self.until);
        (self.rate_now, self.places_now) = (lease.rate.unwrap_or(0), lease.places.unwrap_or(0));
        self.rate.prune(now);
        self.places.prune(now);
        self.rate.add(self.rate_now, self.until + WINDOW_MS);
        self.places.add(self.places_now, self.until + RUN_MS);
        for (share, granted) in &lease.granted {
            let held = self.shares.entry(*share).or_default();
            held.span = lease.span.of(*share);
            held.granted = *granted;
        }
        (self.exact, self.single) = (false, lease.tight);
    }

    /// Whether a recall might bring something.
    pub fn has_slack(&self, span: Span, now: u64) -> bool {
        let spare =
            Share::ALL.into_iter().any(|share| self.shares.get(&share).is_some_and(|held| held.span == span.of(share) && held.has_slack()));
        let silent = self.unsettled && self.heard + SILENT_MS < now;
        spare || silent || (!self.exact && (self.rate.at(now) > 0 || self.places.at(now) > 0))
    }

    /// Whether it was not recalled a moment ago.
    pub const fn is_recallable(&self, now: u64, quiet_ms: u64) -> bool {
        self.recalled == 0 || self.recalled + quiet_ms < now
    }

    /// Whether nothing of it counts any more.
    pub fn is_over(&self, span: Span, now: u64) -> bool {
        self.until < now
            && self.rate.at(now) == 0
            && self.places.at(now) == 0
            && Share::ALL.into_iter().all(|share| self.held(share, span) == 0)
    }

    /// The message that calls its slice back.
    pub fn recall(&self, user: &str, terms: &Terms) -> Recall {
        let Terms { version, span, .. } = *terms;
        let granted = self.shares.iter().filter(|(share, held)| held.span == span.of(**share)).map(|(share, held)| (*share, held.granted));
        let limited = Share::ALL.into_iter().filter(|share| share.limit(&terms.limits).is_some());
        Recall {
            user: user.to_owned(),
            epoch: self.epoch,
            grant: self.grant,
            version,
            span,
            granted: granted.collect(),
            limited: limited.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_grant_tells_of_its_configuration_and_later_ones_may_be_lost() {
        let span = Span { day: 20_000, month: 200 };
        let lease = |version, grant| Lease { grant, version, ..Lease::default() };
        let report = |version, grant| Report { epoch: 1, number: 1, grant, version, span, ..Report::default() };
        let mut holder = Holder::default();
        holder.take(&report(3, 0), span, 0);
        holder.give(&lease(7, 1), 0);
        assert_eq!(holder.told, 7);
        holder.give(&lease(8, 2), 0);
        assert_eq!(holder.told, 7, "it may still use the first");
        holder.take(&report(8, 2), span, 0);
        assert_eq!(holder.told, 8);
    }
}
