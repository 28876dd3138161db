//! Numbers in settings: counts; US dollars written as dollars and kept as whole micro-dollars; prices written as dollars
//! per million tokens and kept as whole pico-dollars per token.

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Deserialize as Derive, Serialize};
use serde_json::Value;

/// Larger numbers do not survive JavaScript.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// A positive integer below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Count(u64);

impl Count {
    /// A number of ours: positive and small.
    pub(crate) const fn of(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By way of a value, so that the message is ours whatever was sent.
        match Value::deserialize(deserializer)?.as_u64() {
            Some(number @ 1..=MAX_SAFE) => Ok(Self(number)),
            Some(number) if number > MAX_SAFE => Err(D::Error::custom("too large")),
            _ => Err(D::Error::custom("must be a positive integer")),
        }
    }
}

/// Micro-dollars, written as dollars: `0.25` is 250,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Derive)]
#[serde(try_from = "Value", into = "f64")]
pub struct Usd(pub u64);

impl TryFrom<Value> for Usd {
    type Error = &'static str;

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    fn try_from(value: Value) -> Result<Self, &'static str> {
        match value.as_f64() {
            // 9e9 dollars are 9e15 micro-dollars: just below 2^53.
            Some(dollars) if (0.000_001..=9e9).contains(&dollars) => Ok(Self((dollars * 1e6).round() as u64)),
            _ => Err("must be US dollars above 0, at most 9000000000"),
        }
    }
}

impl From<Usd> for f64 {
    #[allow(clippy::cast_precision_loss, reason = "below 2^53 by construction")]
    fn from(usd: Usd) -> Self {
        usd.0 as Self / 1e6
    }
}

/// Pico-dollars per token, written as dollars per million tokens: `2.5` is 2,500,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Derive)]
#[serde(try_from = "Value", into = "f64")]
pub struct PerMillion(pub u64);

impl TryFrom<Value> for PerMillion {
    type Error = &'static str;

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    fn try_from(value: Value) -> Result<Self, &'static str> {
        match value.as_f64() {
            // A dollar a token.
            Some(dollars) if (0.0..=1e6).contains(&dollars) => Ok(Self((dollars * 1e6).round() as u64)),
            _ => Err("must be US dollars per million tokens, from 0 to 1000000"),
        }
    }
}

impl From<PerMillion> for f64 {
    #[allow(clippy::cast_precision_loss, reason = "below 2^53 by construction")]
    fn from(price: PerMillion) -> Self {
        price.0 as Self / 1e6
    }
}
