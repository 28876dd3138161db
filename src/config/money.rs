//! US dollars in settings: written as a number of dollars, kept as whole micro-dollars.

use serde::{Deserialize, Serialize};

/// Micro-dollars, written as dollars: `0.25` is 250,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Usd(pub u64);

impl TryFrom<f64> for Usd {
    type Error = String;

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    fn try_from(dollars: f64) -> Result<Self, String> {
        // 9e9 dollars are 9e15 micro-dollars: just below 2^53.
        if dollars > 0.0 && dollars <= 9e9 {
            Ok(Self((dollars * 1e6).round() as u64))
        } else {
            Err("expected dollars above 0, at most 9000000000".to_owned())
        }
    }
}

impl From<Usd> for f64 {
    #[allow(clippy::cast_precision_loss, reason = "below 2^53 by construction")]
    fn from(usd: Usd) -> Self {
        usd.0 as Self / 1e6
    }
}
