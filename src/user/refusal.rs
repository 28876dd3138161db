//! Why a request is not admitted, as data that travels and as the error that the client sees.
//!
//! Always holds: a refusal names its scope and says when trying again makes sense.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Code, Error};

/// A limit that a request would pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Too many requests: 429.
    Rate {
        /// Whose limit: `user`.
        scope: String,
        /// Requests per minute.
        limit: u64,
        /// Milliseconds until one more would be admitted.
        retry_after_ms: u64,
    },
    /// A budget is spent: 402.
    Quota {
        /// Which budget: `user_tokens_per_day`.
        scope: String,
        /// Tokens.
        limit: u64,
        /// Tokens spent and reserved.
        used: u64,
        /// Epoch seconds.
        resets_at: u64,
    },
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
            Self::Quota { scope, limit, used, resets_at } => {
                let message = format!("The token budget does not allow this request: {used} of {limit} tokens are used or reserved today.");
                Error::new(Code::QuotaExceeded, message)
                    .with_details(json!({"scope": scope, "limit": limit, "used": used, "resets_at": resets_at}))
            }
        }
    }
}
