//! Requests per minute of one address, counted in this isolate before any signature or key work.
//!
//! Always holds: never more than `MAX_ADDRESSES` are remembered; a full table forgets the least recently started window.
//! Absent on purpose: exactness across isolates: this is the cheap first layer; a project's own limit per address is the
//! exact one (`address_window`).

use std::collections::{HashMap, VecDeque};

use crate::error::{Code, Error, Result};

const WINDOW_MS: u64 = 60_000;
const MAX_ADDRESSES: usize = 10_000;

/// Sliding windows by address.
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
        let Ok(limit @ 1..) = usize::try_from(per_minute) else { return Ok(()) };
        if !self.windows.contains_key(address) {
            self.make_room();
            self.order.push_back(address.to_owned());
        }
        let window = self.windows.entry(address.to_owned()).or_default();
        while window.front().is_some_and(|at| at + WINDOW_MS <= now) {
            window.pop_front();
        }
        match window.front() {
            Some(oldest) if window.len() >= limit => {
                let wait = (oldest + WINDOW_MS).saturating_sub(now).max(1);
                Err(too_many(per_minute, wait))
            }
            _ => {
                window.push_back(now);
                Ok(())
            }
        }
    }

    fn make_room(&mut self) {
        while self.windows.len() >= MAX_ADDRESSES {
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
    fn memory_is_bounded() {
        let mut limit = IpLimit::default();
        for n in 0..MAX_ADDRESSES * 2 {
            limit.admit(&n.to_string(), 1, 0).unwrap();
        }
        assert!(limit.windows.len() <= MAX_ADDRESSES && limit.order.len() <= MAX_ADDRESSES);
    }
}
