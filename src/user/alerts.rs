//! Alerts of one user's budgets: finds the thresholds that what is spent has passed, and keeps them until the project has them.
//!
//! Always holds: a row is a mark and an outbox in one, written in the batch of the charge that passes its threshold (or, where
//! nobody knew the limits then, by the next request); a request that passes none writes nothing. Within a period thresholds
//! only rise: each is told once, and of several at once the highest. What is reserved does not count. Without thresholds, which
//! come from the project with every request, nothing is marked. Absent on purpose: budgets of days that are over when a request
//! ends, telling the project, and the event's id (`crate::alert`).

use serde::{Deserialize, Serialize};

use super::User;
use super::budget::{Amount, Period};
use super::command::Limits;
use super::refusal::Budget;
use super::store::{Settlement, Write};
use super::today::Today;
use crate::alert::Event;
use crate::alert::threshold::passed;
use crate::calendar::next_month;

/// How long after an alert the alarm rings, in ms, to tell the project if that failed.
const TELL_WITHIN_MS: u64 = 60_000;

/// A threshold that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRow {
    /// Which budget.
    pub budget: Budget,
    /// The first day of its period, as days since 1970-01-01.
    pub span: u64,
    /// Per cent.
    pub threshold: u8,
    /// The limit at that time.
    pub ceiling: u64,
    /// What was spent.
    pub spent: u64,
    /// Epoch ms.
    pub at: u64,
    /// When the period ends, epoch seconds.
    pub resets_at: u64,
    /// The project has it.
    #[serde(with = "super::store::flag")]
    pub told: bool,
}

/// What is to be watched while a request is settled: it travels with the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The limits that held when it began.
    pub limits: Limits,
    /// Per cent.
    pub thresholds: Vec<u8>,
}

/// A charge of a batch that is about to be written, and the local day of its request.
pub(super) type Charge = (u64, Amount);

impl User {
    /// What to write because thresholds are passed in a local day and its month once `charges` are settled, with an alarm if
    /// none would ring soon. `of`: a time of that day, epoch ms.
    pub(super) fn alerts(&self, limits: &Limits, thresholds: &[u8], charges: &[Charge], (today, of): (&Today, u64), at: u64) -> Vec<Write> {
        let mut writes: Vec<Write> = self.passed(limits, thresholds, charges, (today, of), at).into_iter().map(Write::PutAlert).collect();
        if !writes.is_empty() {
            writes.extend(self.alarm_by(at + TELL_WITHIN_MS, at).map(|alarm| Write::SetAlarm(Some(alarm))));
        }
        writes
    }

    fn passed(&self, limits: &Limits, thresholds: &[u8], charges: &[Charge], (today, of): (&Today, u64), at: u64) -> Vec<AlertRow> {
        if thresholds.is_empty() {
            return Vec::new();
        }
        let passed = |budget: Budget| {
            let (period, ceiling) = (budget.period(), budget.limit(limits)?);
            let (span, next) = match period {
                Period::Day => (today.day, today.day + 1),
                Period::Month => (today.month, next_month(today.day)),
            };
            let resets_at = limits.zone.reaches(next, of).div_ceil(1000);
            let spent = spent_with(today, budget, charges);
            let told = self.alerts.iter().filter(|row| (row.budget, row.span) == (budget, span)).map(|row| row.threshold).max();
            let threshold = passed(thresholds, ceiling, spent, told.unwrap_or(0))?;
            Some(AlertRow { budget, span, threshold, ceiling, spent, at, resets_at, told: false })
        };
        Budget::RESERVED.into_iter().filter_map(passed).collect()
    }

    /// The charges of reservations that are about to be settled.
    pub(super) fn charges(&self, ends: &[(String, Settlement)]) -> Vec<Charge> {
        let charge = |(id, end): &(String, Settlement)| {
            let amount = Amount { tokens: end.usage.total(), micro_usd: end.micro_usd };
            self.open.get(id).map(|open| (open.day, amount))
        };
        ends.iter().filter_map(charge).collect()
    }

    /// Memory follows what was written.
    pub(super) fn alerted(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::PutAlert(row) => {
                    self.alerts.retain(|old| old.budget != row.budget || old.span >= row.span || !old.told);
                    self.alerts.push(*row);
                    self.alerts.sort_by_key(AlertRow::key);
                }
                Write::AlertsTold(keys) => {
                    for row in self.alerts.iter_mut().filter(|row| keys.contains(&row.key())) {
                        row.told = true;
                    }
                }
                Write::SetAlarm(alarm) => self.alarm = *alarm,
                _ => {}
            }
        }
    }

    /// What the project does not have yet.
    pub fn untold(&self) -> impl Iterator<Item = &AlertRow> {
        self.alerts.iter().filter(|row| !row.told)
    }

    /// When the alarm has to ring for them, epoch ms.
    pub(super) fn tell_alerts_at(&self, now: u64) -> Option<u64> {
        self.untold().next().map(|_| now + TELL_WITHIN_MS)
    }
}

/// What is settled of a budget in the period of a day, with the charges.
fn spent_with(today: &Today, budget: Budget, charges: &[Charge]) -> u64 {
    let period = budget.period();
    let here = charges.iter().filter(|(day, _)| today.shares(period, *day));
    let sum = here.fold(today.spent(period), |sum, (_, amount)| sum.plus(*amount));
    if budget.is_usd() { sum.micro_usd } else { sum.tokens }
}

/// A row's primary key.
pub type AlertKey = (Budget, u64, u8);

impl AlertRow {
    /// What it is about.
    pub const fn key(&self) -> AlertKey {
        (self.budget, self.span, self.threshold)
    }

    /// As the project is told of it.
    pub fn event(&self, user: &str) -> Event {
        Event {
            user: Some(user.to_owned()),
            budget: self.budget,
            span: self.span,
            threshold: self.threshold,
            limit: self.ceiling,
            used: self.spent,
            at: self.at,
            resets_at: self.resets_at,
        }
    }
}
