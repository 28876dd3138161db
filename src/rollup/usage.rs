//! Sums over a window, grouped by what the owner asks for.
//!
//! Always holds: a group is told once, in the order of its key; the sums of all groups are the total. Absent on purpose:
//! how it looks (`api::ledger`).

use serde::{Deserialize, Serialize};

use super::store::{Store, StoreError, TotalRow};

/// A window and what to group by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageQuery {
    /// The first hour, hours since the epoch.
    pub from: u64,
    /// The first hour after.
    pub to: u64,
    /// What requests of one group have in common.
    pub by: By,
    /// Only groups behind this one.
    pub after: Option<GroupKey>,
    /// How many groups at most.
    pub limit: u64,
}

/// What requests of one group have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, clippy::struct_excessive_bools, reason = "each is asked for or not; the names are the route's")]
pub struct By {
    /// Hours of a step: 1 or 24; `None` is all of the window.
    pub hours: Option<u64>,
    pub user: bool,
    pub session: bool,
    pub model: bool,
    pub provider: bool,
    pub key_source: bool,
    pub status: bool,
}

/// The place of a group in the order: the number of its hour or day, and the texts of [`TotalRow::key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupKey(pub u64, pub [String; 6]);

impl GroupKey {
    /// The place of a row.
    pub fn of(row: &TotalRow) -> Self {
        let (hour, texts) = row.key();
        Self(hour, texts.map(str::to_owned))
    }
}

/// Some groups of a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePage {
    /// By ascending key. `hour` is the number of the step.
    pub groups: Vec<TotalRow>,
    /// There are more behind the last.
    pub has_more: bool,
    /// All of the window.
    pub total: TotalRow,
}

/// A page of groups, and the whole window's sums.
pub(super) fn usage(store: &impl Store, query: &UsageQuery) -> Result<UsagePage, StoreError> {
    let mut groups = store.sums(&UsageQuery { limit: query.limit + 1, ..query.clone() })?;
    let has_more = groups.len() as u64 > query.limit;
    if has_more {
        groups.pop();
    }
    let whole = UsageQuery { by: By::default(), after: None, limit: 1, ..query.clone() };
    let total = store.sums(&whole)?.pop().unwrap_or_default();
    Ok(UsagePage { groups, has_more, total })
}
