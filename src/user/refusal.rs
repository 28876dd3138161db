//! Why a request is not admitted, as data that travels and as the error that the client sees.
//!
//! Always holds: a refusal names its scope and says when trying again makes sense.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::ratelimit::Policy;
use crate::error::{Code, Error};
use crate::price::dollars;

/// A limit that a request would pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Too many requests: 429.
    Rate {
        /// Whose limit: `user` or `project`.
        scope: String,
        /// Requests per minute.
        limit: u64,
        /// Milliseconds until one more would be admitted.
        retry_after_ms: u64,
    },
    /// Too many requests at the same time: 429.
    Concurrency {
        /// Whose limit: `user` or `project`.
        whose: String,
        /// Requests that may run at once.
        limit: u64,
        /// A guess in ms: any of them may end at any time.
        retry_after_ms: u64,
    },
    /// A budget is spent: 402.
    Quota {
        /// Which budget.
        scope: Budget,
        /// Requests, tokens or micro-dollars.
        limit: u64,
        /// As many, spent and reserved.
        used: u64,
        /// Epoch seconds.
        resets_at: u64,
    },
    /// A budget of the token's is spent: 402.
    Token {
        /// It counts micro-dollars, not tokens.
        usd: bool,
        /// Tokens or micro-dollars.
        limit: u64,
        /// As many, spent and reserved.
        used: u64,
    },
    /// No limit is reached for good: the project's is being shared out anew. 429.
    Busy {
        /// Milliseconds until trying again makes sense.
        retry_after_ms: u64,
    },
}

/// A budget of a user or of a whole project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's and say it; days and months are the project's")]
pub enum Budget {
    UserRequestsPerDay,
    UserTokensPerDay,
    UserTokensPerMonth,
    UserUsdPerDay,
    UserUsdPerMonth,
    ProjectRequestsPerDay,
    ProjectTokensPerDay,
    ProjectTokensPerMonth,
    ProjectUsdPerDay,
    ProjectUsdPerMonth,
}

impl Budget {
    /// All of them, in the order in which they refuse.
    pub const OF_USER: [Self; 5] =
        [Self::UserRequestsPerDay, Self::UserTokensPerDay, Self::UserTokensPerMonth, Self::UserUsdPerDay, Self::UserUsdPerMonth];

    /// As clients see it in `details.scope`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserRequestsPerDay => "user_requests_per_day",
            Self::UserTokensPerDay => "user_tokens_per_day",
            Self::UserTokensPerMonth => "user_tokens_per_month",
            Self::UserUsdPerDay => "user_usd_per_day",
            Self::UserUsdPerMonth => "user_usd_per_month",
            Self::ProjectRequestsPerDay => "project_requests_per_day",
            Self::ProjectTokensPerDay => "project_tokens_per_day",
            Self::ProjectTokensPerMonth => "project_tokens_per_month",
            Self::ProjectUsdPerDay => "project_usd_per_day",
            Self::ProjectUsdPerMonth => "project_usd_per_month",
        }
    }

    /// Whether it is a whole project's.
    pub const fn is_of_project(self) -> bool {
        matches!(
            self,
            Self::ProjectRequestsPerDay
                | Self::ProjectTokensPerDay
                | Self::ProjectTokensPerMonth
                | Self::ProjectUsdPerDay
                | Self::ProjectUsdPerMonth
        )
    }

    /// Its name in the `RateLimit` headers.
    pub const fn policy(self) -> Policy {
        match self {
            Self::UserRequestsPerDay => Policy::RequestsDay,
            Self::UserTokensPerDay => Policy::TokensDay,
            Self::UserTokensPerMonth => Policy::TokensMonth,
            Self::UserUsdPerDay => Policy::UsdDay,
            Self::UserUsdPerMonth => Policy::UsdMonth,
            Self::ProjectRequestsPerDay => Policy::ProjectRequestsDay,
            Self::ProjectTokensPerDay => Policy::ProjectTokensDay,
            Self::ProjectTokensPerMonth => Policy::ProjectTokensMonth,
            Self::ProjectUsdPerDay => Policy::ProjectUsdDay,
            Self::ProjectUsdPerMonth => Policy::ProjectUsdMonth,
        }
    }

    /// Whether it counts micro-dollars.
    pub const fn is_usd(self) -> bool {
        matches!(self, Self::UserUsdPerDay | Self::UserUsdPerMonth | Self::ProjectUsdPerDay | Self::ProjectUsdPerMonth)
    }

    /// A number of it as clients see it: dollars as dollars.
    pub fn shown(self, amount: u64) -> Value {
        if self.is_usd() { json!(dollars(amount)) } else { json!(amount) }
    }

    /// A sentence: what it is that does not allow a request.
    fn sentence(self, used: &Value, limit: &Value) -> String {
        let name = self.name();
        let span = if name.ends_with("month") { "this month" } else { "today" };
        let whose = if name.starts_with("project") { "The project's" } else { "The" };
        match self {
            Self::UserRequestsPerDay | Self::ProjectRequestsPerDay => {
                format!("{whose} limit of requests per day is reached: {used} of {limit} were made {span}.")
            }
            _ if self.is_usd() => {
                format!("{whose} budget does not allow this request: {used} of {limit} US dollars are used or reserved {span}.")
            }
            _ => format!("{whose} token budget does not allow this request: {used} of {limit} tokens are used or reserved {span}."),
        }
    }
}

impl Refusal {
    /// The error that the client sees.
    pub fn error(&self) -> Error {
        match self {
            Self::Rate { scope, limit, retry_after_ms } => {
                Error::new(Code::RateLimited, format!("Rate limit reached: {limit} requests per minute for this {scope}."))
                    .with_details(json!({"scope": scope, "limit": limit}))
                    .with_retry_after_ms(*retry_after_ms)
            }
            Self::Concurrency { whose, limit, retry_after_ms } => {
                Error::new(Code::RateLimited, format!("This {whose} may have {limit} requests running at once, and has."))
                    .with_details(json!({"scope": "concurrency", "whose": whose, "limit": limit}))
                    .with_retry_after_ms(*retry_after_ms)
            }
            Self::Busy { retry_after_ms } => {
                Error::new(Code::RateLimited, "The project's limits are being shared out anew. Try again in a moment.")
                    .with_details(json!({"scope": "project"}))
                    .with_retry_after_ms(*retry_after_ms)
            }
            Self::Token { usd, limit, used } => {
                let shown = |amount| if *usd { json!(dollars(amount)) } else { json!(amount) };
                let (unit, limit, used) = (if *usd { "US dollars" } else { "tokens" }, shown(*limit), shown(*used));
                let message = format!("The token's own budget does not allow this request: {used} of {limit} {unit} are used or reserved.");
                Error::new(Code::QuotaExceeded, message).with_details(json!({"scope": "token", "limit": limit, "used": used}))
            }
            Self::Quota { scope, limit, used, resets_at } => {
                let (limit, used) = (scope.shown(*limit), scope.shown(*used));
                Error::new(Code::QuotaExceeded, scope.sentence(&used, &limit))
                    .with_details(json!({"scope": scope.name(), "limit": limit, "used": used, "resets_at": resets_at}))
            }
        }
    }
}
