//! A user's own limits: what is said of this one user, before tier and project.
//!
//! Always holds: they are kept in the user's own object, one row whatever they say, so they are in force with the next
//! command and go when the user is erased. Absent on purpose: names and checks (`config::limits`).

use serde::{Deserialize, Serialize};

use super::command::Limits;
use super::store::{Store, Write};
use super::{Command, User};
use crate::error::Result;

/// One limit of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Off, whatever tier and project say.
    Unlimited,
    /// Requests, tokens or micro-dollars.
    AtMost(u64),
}

/// What is said of one user; `None` is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of `Limits`")]
pub struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_usd_per_day: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_usd_per_month: Option<Bound>,
}

impl Overrides {
    /// The limits that hold for the user, if these would hold for another.
    pub fn over(&self, limits: Limits) -> Limits {
        let over = |bound: Option<Bound>, limit| match bound {
            None => limit,
            Some(Bound::Unlimited) => None,
            Some(Bound::AtMost(most)) => Some(most),
        };
        Limits {
            requests_per_minute: over(self.requests_per_minute, limits.requests_per_minute),
            requests_per_day: over(self.requests_per_day, limits.requests_per_day),
            concurrency: over(self.concurrency, limits.concurrency),
            tokens_per_day: over(self.tokens_per_day, limits.tokens_per_day),
            tokens_per_month: over(self.tokens_per_month, limits.tokens_per_month),
            micro_usd_per_day: over(self.micro_usd_per_day, limits.micro_usd_per_day),
            micro_usd_per_month: over(self.micro_usd_per_month, limits.micro_usd_per_month),
            ..limits
        }
    }
}

impl Command {
    /// The limits that it brings, which a user's own come before.
    pub(super) fn limits_mut(&mut self) -> Option<&mut Limits> {
        match self {
            Self::Begin(begin) => Some(&mut begin.limits),
            Self::Limits(limits) => Some(limits),
            Self::Progress(progress) => progress.extend.as_mut().map(|extend| &mut extend.limits),
            Self::Reroute(reroute) => Some(&mut reroute.limits),
            Self::Finish(finish) => finish.watch.as_mut().map(|watch| &mut watch.limits),
            _ => None,
        }
    }
}

impl User {
    pub(super) fn put_overrides(&mut self, store: &mut impl Store, overrides: Overrides) -> Result<()> {
        if overrides != self.overrides {
            self.commit(store, &[Write::PutOverrides(overrides)])?;
            self.overrides = overrides;
        }
        Ok(())
    }
}
