//! The limits of a whole project, held in slices by its users' objects: what the two say to each other.
//!
//! A user's object asks its project's for a lease when it has none that covers a request, and admits under it without
//! asking. Always holds: whatever is lost, doubled, delayed or reordered, the slices that users may use never sum to more
//! than the project counts as given, and that is never more than a limit. Budgets are two counters that only grow (what was
//! ever granted, what was ever returned), so that any old message can be taken again; requests a minute and places are
//! numbered grants, of which a user takes only newer ones. Times that travel are durations: clocks need not agree.
//! Absent on purpose: storage and calls (`edge`), what a user's own limits are (`user`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::user::command::Limits;
use crate::user::refusal::{Budget, Refusal};

pub mod holder;
mod plan;
pub mod pool;
pub mod room;
pub mod schema;
pub mod spent;
pub mod steps;
pub mod store;
mod sums;

pub use pool::Pool;
pub use room::Room;

/// A budget of a project that is held in slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it; dollars are micro-dollars")]
pub enum Share {
    RequestsPerDay,
    TokensPerDay,
    TokensPerMonth,
    UsdPerDay,
    UsdPerMonth,
}

impl Share {
    /// Each, in the order in which they refuse.
    pub const ALL: [Self; 5] = [Self::RequestsPerDay, Self::TokensPerDay, Self::TokensPerMonth, Self::UsdPerDay, Self::UsdPerMonth];

    /// Its limit among a project's.
    pub const fn limit(self, limits: &Limits) -> Option<u64> {
        match self {
            Self::RequestsPerDay => limits.requests_per_day,
            Self::TokensPerDay => limits.tokens_per_day,
            Self::TokensPerMonth => limits.tokens_per_month,
            Self::UsdPerDay => limits.micro_usd_per_day,
            Self::UsdPerMonth => limits.micro_usd_per_month,
        }
    }

    /// Whether its span is a month.
    pub const fn is_of_month(self) -> bool {
        matches!(self, Self::TokensPerMonth | Self::UsdPerMonth)
    }

    /// The budget of a user with the same span and unit: what a user has committed of this one is what it has lost of that.
    pub const fn of_user(self) -> Budget {
        match self {
            Self::RequestsPerDay => Budget::UserRequestsPerDay,
            Self::TokensPerDay => Budget::UserTokensPerDay,
            Self::TokensPerMonth => Budget::UserTokensPerMonth,
            Self::UsdPerDay => Budget::UserUsdPerDay,
            Self::UsdPerMonth => Budget::UserUsdPerMonth,
        }
    }

    /// The budget as refusals name it.
    pub const fn of_project(self) -> Budget {
        match self {
            Self::RequestsPerDay => Budget::ProjectRequestsPerDay,
            Self::TokensPerDay => Budget::ProjectTokensPerDay,
            Self::TokensPerMonth => Budget::ProjectTokensPerMonth,
            Self::UsdPerDay => Budget::ProjectUsdPerDay,
            Self::UsdPerMonth => Budget::ProjectUsdPerMonth,
        }
    }
}

/// The day and the month that budgets are of: the number of the day, and of the first day of its month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The day.
    pub day: u64,
    /// The month's first day.
    pub month: u64,
}

impl Span {
    /// The number of the span that a budget is of.
    pub const fn of(self, share: Share) -> u64 {
        match share {
            Share::RequestsPerDay | Share::TokensPerDay | Share::UsdPerDay => self.day,
            Share::TokensPerMonth | Share::UsdPerMonth => self.month,
        }
    }
}

/// What a user's object tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When the user's counters began, epoch ms by its own clock: an erased user that comes back has another.
    pub epoch: u64,
    /// Grows with each change: of two reports of an epoch, the one with the lower number is the older one.
    pub number: u64,
    /// The newest grant it has taken or been told of.
    pub grant: u64,
    /// The newest configuration that it knows of, and has written down.
    pub version: u64,
    /// It admits nothing more under that grant or an older one.
    pub closed: bool,
    /// How long ago each request of the last minute was admitted, ms, newest first.
    pub recent: Vec<u64>,
    /// Requests that run.
    pub running: u64,
    /// Requests that are not settled: what they hold may yet become less.
    pub unsettled: u64,
    /// The day and month it is in.
    pub span: Span,
    /// Its counters of that day and month.
    pub counters: BTreeMap<Share, Counters>,
}

/// A user's side of one budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Ever taken of what was granted.
    pub taken: u64,
    /// Ever returned.
    pub returned: u64,
    /// Spent and reserved now.
    pub committed: u64,
}

/// What a request needs beyond what is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Amounts by budget.
    pub amounts: BTreeMap<Share, Amount>,
    /// The user's own limit of requests a minute: more than that is of no use to it.
    pub rpm: Option<u64>,
    /// Its own limit of requests at once.
    pub concurrency: Option<u64>,
    /// It can ask for more while it runs: near a limit a part of the whole will do.
    pub extends: bool,
}

/// How much of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// With less the request cannot be admitted.
    pub least: u64,
    /// More is not used.
    pub whole: u64,
}

/// A user's object to its project's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The user.
    pub user: String,
    /// What it has.
    pub report: Report,
    /// What it wants.
    pub want: Want,
}

/// What a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// To admit one request.
    Request(Need),
    /// To hold more of the budgets for a request that runs; requests a minute and places stay as they are.
    Extension(Need),
    /// To have a lease for the next requests before the old one is over.
    Renewal(Need),
    /// Nothing: it gives back.
    Nothing,
}

/// The project's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Take this.
    Lease(Lease),
    /// A later user of this name is known, that began then: begin after it.
    Outlived {
        /// Epoch ms.
        epoch: u64,
    },
    /// Not now.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The configuration that says so.
        version: u64,
        /// What there is.
        #[serde(default)]
        room: Room,
    },
    /// The report was taken.
    Noted,
}

/// A slice of the project's limits. `None`, or a budget that is missing: not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Of the user that it is for: one that was erased meanwhile must not take it.
    pub epoch: u64,
    /// Counts up per user.
    pub grant: u64,
    /// The configuration that it follows.
    pub version: u64,
    /// How long it may be used, from when it was asked for, ms.
    pub ttl_ms: u64,
    /// Requests in any 60 seconds.
    pub rate: Option<u64>,
    /// Requests at once.
    pub places: Option<u64>,
    /// The day and month of the budgets.
    pub span: Span,
    /// Ever granted of each budget.
    pub granted: BTreeMap<Share, u64>,
    /// The limit is near: tell of each end, so that what is left over comes back.
    pub tight: bool,
    /// What the others have, for the user to know what is left.
    #[serde(default)]
    pub room: Room,
}

/// The project to a user: give back what is not in use, and know that the configuration has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// The user.
    pub user: String,
    /// As in [`Lease`].
    pub epoch: u64,
    /// The newest grant it was given: it and older ones are over.
    pub grant: u64,
    /// The configuration now.
    pub version: u64,
    /// As in [`Lease`].
    pub span: Span,
    /// As in [`Lease`].
    pub granted: BTreeMap<Share, u64>,
    /// The budgets that are limited now: a request that runs may not grow beyond what is held of them, be it nothing.
    pub limited: BTreeSet<Share>,
}
