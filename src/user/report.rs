//! What a user has used: sums over a window, and what is lost of each limit now.
//!
//! Always holds: only settled requests count, at the time of their begin. Rows that are pruned live on in the totals of
//! their local days: those count whole, at the beginning of the day of the same date in UTC. Absent on purpose: how it
//! looks (`api::report`), and steps in other zones than UTC.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::budget::Period;
use super::overrides::Overrides;
use super::store::{DayRow, KeySource, Store, StoreError};
use super::{MAX_SAFE, User};
use crate::api::usage::TokenUsage;
use crate::calendar::{DAY_MS, day_of};

/// The days of two zones at one moment are at most so many apart.
const ZONES_APART: u64 = 2;

/// A window and how to cut it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageQuery {
    /// The first moment, epoch ms.
    pub from: u64,
    /// The first moment after, epoch ms.
    pub to: u64,
    /// The length of a step in ms; steps begin at multiples of it. `None`: one step.
    pub step: Option<u64>,
}

/// What was used within one step of one model of one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The beginning of the step, epoch ms; 0 if there is only one.
    pub at: u64,
    /// The provider asked.
    pub provider: String,
    /// The model served.
    pub model: String,
    /// Whose credential.
    pub key_source: KeySource,
    /// Settled requests.
    pub requests: u64,
    /// Of them, those whose model has no known price.
    pub unpriced: u64,
    /// Tokens.
    pub usage: TokenUsage,
    /// What they cost.
    pub micro_usd: u64,
}

/// What is lost of each limit now, reservations included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Requests in the last 60 s.
    pub requests_minute: u64,
    /// When all of them are back, epoch ms.
    pub minute_resets: u64,
    /// Requests begun today.
    pub requests_day: u64,
    /// Requests that run.
    pub running: u64,
    /// Tokens today.
    pub tokens_day: u64,
    /// Tokens this month.
    pub tokens_month: u64,
    /// Micro-dollars today.
    pub micro_usd_day: u64,
    /// Micro-dollars this month.
    pub micro_usd_month: u64,
    /// When the day is over, epoch ms.
    pub day_ends: u64,
    /// When the month is over, epoch ms.
    pub month_ends: u64,
    /// What is said of this user's limits.
    pub overrides: Overrides,
}

impl User {
    pub(super) fn standing(&self, now: u64) -> Standing {
        let clock = self.clock(now);
        let (day, month) = (self.amount(Period::Day, clock), self.amount(Period::Month, clock));
        Standing {
            requests_minute: self.counted(clock) as u64,
            minute_resets: self.minute_resets(clock),
            requests_day: self.today.requests,
            running: self.running(clock),
            tokens_day: day.tokens,
            tokens_month: month.tokens,
            micro_usd_day: day.micro_usd,
            micro_usd_month: month.micro_usd,
            day_ends: self.today.day_ends,
            month_ends: self.today.month_ends,
            overrides: self.overrides,
        }
    }
}

/// The sums of a window, by step, provider, model and key source.
pub(super) fn usage(store: &impl Store, query: UsageQuery) -> Result<Vec<Cell>, StoreError> {
    let step = query.step.unwrap_or(MAX_SAFE).max(1);
    let mut cells: BTreeMap<_, DayRow> = BTreeMap::new();
    let pruned = pruned(store, query)?.into_iter().map(|row| DayRow { day: row.day * DAY_MS / step, ..row });
    for row in pruned.chain(store.sums(query.from, query.to, step)?) {
        let key = (row.day, row.provider.clone(), row.model.clone(), row.key_source);
        cells.entry(key).and_modify(|sum| sum.add(&row)).or_insert(row);
    }
    Ok(cells.into_values().map(|row| cell(row, step)).collect())
}

fn cell(row: DayRow, step: u64) -> Cell {
    Cell {
        at: row.day * step,
        usage: row.usage(),
        provider: row.provider,
        model: row.model,
        key_source: row.key_source,
        requests: row.requests,
        unpriced: row.unpriced,
        micro_usd: row.micro_usd,
    }
}

/// The totals of days whose dates begin within the window, less the rows that are still there.
fn pruned(store: &impl Store, query: UsageQuery) -> Result<Vec<DayRow>, StoreError> {
    let (Some(checkpoint), Some(last)) = (store.checkpoint()?, query.to.checked_sub(1)) else { return Ok(Vec::new()) };
    let first = store.request_after(0)?;
    let from = query.from.div_ceil(DAY_MS);
    // A day that is later than the oldest row's has lost rows only if it came before it, in another zone.
    let through = first.as_ref().map_or(day_of(last), |first| day_of(last).min(first.day.saturating_add(ZONES_APART)));
    if from > through || first.as_ref().is_some_and(|first| first.seq == 1) {
        return Ok(Vec::new());
    }
    let mut days = store.days(from, through)?;
    if let Some(first) = first {
        for kept in store.day_sums(first.seq.saturating_sub(1), checkpoint.through_seq)? {
            if let Some(total) = days.iter_mut().find(|total| total.key() == kept.key()) {
                total.remove(&kept);
            }
        }
    }
    days.retain(|row| row.requests > 0);
    Ok(days)
}
