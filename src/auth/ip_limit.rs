//! Requests per minute of one address or one key, counted in this isolate before any work that costs more than counting.
//!
//! Always holds: never more than `MAX_NAMES` are remembered; a full table forgets the least recently started window.
//! Absent on purpose: exactness across isolates: this is the cheap first layer; a project's own limit per address is the
//! exact one (`address_window`).

use std::collections::{HashMap, VecDeque};

use crate::error::{Code, Error, Result};

const WINDOW_MS: u64 = 60_000;
const MAX_NAMES: usize = 10_000;

/// Sliding windows by address, or by what else is counted.
#[derive(Default)]
pub struct IpLimit {
    windows: HashMap<String, VecDeque<u64>>,
    order: VecDeque<String>,
}

impl IpLimit {
    /// Counts a request of `address` at `now` (ms) against `per_minute`; 0 switches the limit off.
    ///
    /// # Errors
    /// 429 with scope `ip` and the time until the next one is admitted.
    pub fn admit(&mut self, address: &str, per_minute: u64, now: u64) -> Result<()> {
        self.take(address, per_minute, now).map_err(|wait| too_many(per_minute, wait))
    }

    /// Counts a mint of the API key `key_id` likewise.
    ///
    /// # Errors
    /// 429 with scope `key`.
    pub fn admit_key(&mut self, key_id: &str, per_minute: u64, now: u64) -> Result<()> {
        self.take(key_id, per_minute, now).map_err(|wait| {
            let details = serde_json::json!({"scope": "key", "limit": per_minute});
            Error::new(Code::RateLimited, "This API key has minted too many tokens.").with_details(details).with_retry_after_ms(wait)
        })
    }

    /// How long `name` has to wait, in ms, if it has as many in the last minute as it may.
    pub fn wait(&mut self, name: &str, per_minute: u64, now: u64) -> Option<u64> {
        let limit = usize::try_from(per_minute).ok().filter(|limit| *limit > 0)?;
        let window = self.windows.get_mut(name)?;
        while window.front().is_some_and(|at| at + WINDOW_MS <= now) {
            window.pop_front();
        }
        let oldest = window.front().filter(|_| window.len() >= limit)?;
        Some((oldest + WINDOW_MS).saturating_sub(now).max(1))
    }

    /// Counts one of `name`, whether it may or not; no more are kept than are needed to refuse.
    pub fn count(&mut self, name: &str, per_minute: u64, now: u64) {
        // One that is refused anyway makes the wait no longer.
        let _ = self.take(name, per_minute, now);
    }

    /// Counts one of `name`, or says how long it has to wait, in ms.
    fn take(&mut self, name: &str, per_minute: u64, now: u64) -> Result<(), u64> {
        if per_minute == 0 {
            return Ok(());
        }
        if let Some(wait) = self.wait(name, per_minute, now) {
            return Err(wait);
        }
        if !self.windows.contains_key(name) {
            self.make_room();
            self.order.push_back(name.to_owned());
        }
        self.windows.entry(name.to_owned()).or_default().push_back(now);
        Ok(())
    }

    fn make_room(&mut self) {
        while self.windows.len() >= MAX_NAMES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.windows.remove(&oldest);
        }
    }
}

/// The refusal of a request from an address that has made too many.
pub fn too_many(per_minute: u64, retry_after_ms: u64) -> Error {
    let details = serde_json::json!({"scope": "ip", "limit": per_minute});
    Error::new(Code::RateLimited, "Too many requests from this address.").with_details(details).with_retry_after_ms(retry_after_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut limit = IpLimit::default();
        assert!((0..3).all(|n| limit.admit("a", 3, n * 1000).is_ok()));
        let error = limit.admit("a", 3, 3_000).unwrap_err();
        assert_eq!(error.headers()[1], ("retry-after-ms", "57000".to_owned()));
        assert!(limit.admit("b", 3, 3_000).is_ok(), "another address");
        assert!(limit.admit("a", 3, 60_000).is_ok());
        assert!(limit.admit("a", 3, 60_001).is_err());
        assert!(limit.admit("a", 0, 60_001).is_ok(), "off");
    }

    #[test]
    fn failures_alone_may_be_counted() {
        let mut limit = IpLimit::default();
        for n in 0..3 {
            assert_eq!(limit.wait("a", 3, n), None);
            limit.count("a", 3, n);
        }
        limit.count("a", 3, 50_000);
        assert_eq!((limit.wait("a", 3, 50_000), limit.wait("b", 3, 50_000)), (Some(10_000), None));
        assert_eq!(limit.wait("a", 3, 60_000), None, "the refused one made it no longer");
    }

    #[test]
    fn a_key_that_mints_too_much_is_told_so() {
        let mut limit = IpLimit::default();
        limit.admit_key("key_1", 1, 0).unwrap();
        let error = limit.admit_key("key_1", 1, 30_000).unwrap_err();
        assert_eq!((error.status(), error.details().unwrap()["scope"].as_str()), (429, Some("key")));
        assert_eq!(error.headers()[0], ("retry-after", "30".to_owned()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut limit = IpLimit::default();
        for n in 0..MAX_NAMES * 2 {
            limit.admit(&n.to_string(), 1, 0).unwrap();
        }
        assert!(limit.windows.len() <= MAX_NAMES && limit.order.len() <= MAX_NAMES);
    }
}
