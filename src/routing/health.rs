//! What an isolate knows of the targets it sends to: are they well, how many retries may they be sent, how fast are they.
//!
//! Always holds: bounded; who has not been asked for the longest is forgotten first. It is per isolate and not in the project's
//! object (ADR 12): what it knows, it knows at once, and it costs nobody a call.

use std::collections::HashMap;

use super::breaker::Breaker;
use super::keys::Ring;
use super::latency::Latency;
use super::retry::Budget;
use crate::config::model::Resolved;

/// The most targets, and the most providers with several keys.
const CAPACITY: usize = 1_000;

/// The health of targets, and the turns of keys.
#[derive(Debug, Default)]
pub struct Health {
    targets: HashMap<String, Target>,
    keys: HashMap<String, (Ring, u64)>,
}

#[derive(Debug)]
struct Target {
    breaker: Breaker,
    budget: Budget,
    latency: Latency,
    /// When it was last sent to, epoch ms.
    sent_ms: u64,
}

/// What a target is known by: its project, its provider as it was configured last, and its model.
pub fn key_of(project_id: &str, resolved: &Resolved<'_>) -> String {
    format!("{}/{}", provider_key(project_id, resolved), resolved.model)
}

/// The same of a provider. Whoever configures it anew gets a new start.
pub fn provider_key(project_id: &str, resolved: &Resolved<'_>) -> String {
    format!("{project_id}/{}@{}", resolved.provider, resolved.config.created_at)
}

impl Health {
    /// Whether a target would be asked at `now` if there is another one.
    pub fn would_admit(&self, key: &str, now: u64) -> bool {
        self.targets.get(key).is_none_or(|target| target.breaker.would_admit(now))
    }

    /// How long a target will take to its first token, if that is known.
    pub fn expected_ms(&self, key: &str, now: u64) -> Option<u64> {
        self.targets.get(key).and_then(|target| target.latency.expected(now))
    }

    /// A request is sent to a target at `now`; if its breaker was open, it is the probe.
    pub fn sent(&mut self, key: &str, now: u64) {
        let target = self.target(key, now);
        target.breaker.admit(now);
        target.sent_ms = now;
        target.budget.sent(now);
    }

    /// Takes a retry of a target's, if it has one: none while its breaker is open.
    pub fn may_retry(&mut self, key: &str, now: u64) -> bool {
        let target = self.target(key, now);
        target.breaker.is_closed() && target.budget.take()
    }

    /// A target answered; with its time to the first token, if that was measured.
    pub fn succeeded(&mut self, key: &str, first_ms: Option<u64>, now: u64) {
        let target = self.target(key, now);
        target.breaker.succeeded();
        if let Some(ms) = first_ms {
            target.latency.measured(ms, now);
        }
    }

    /// An attempt failed, which says of the target that it is well or not.
    pub fn failed(&mut self, key: &str, is_well: bool, now: u64) {
        let breaker = &mut self.target(key, now).breaker;
        if is_well { breaker.succeeded() } else { breaker.failed(now) }
    }

    /// The turns of a provider's keys.
    pub fn ring(&mut self, provider_key: &str, now: u64) -> &mut Ring {
        make_room(&mut self.keys, provider_key, |(_, used_ms)| *used_ms);
        let (ring, used_ms) = self.keys.entry(provider_key.to_owned()).or_default();
        *used_ms = now;
        ring
    }

    fn target(&mut self, key: &str, now: u64) -> &mut Target {
        make_room(&mut self.targets, key, |target| target.sent_ms);
        let fresh = || Target { breaker: Breaker::default(), budget: Budget::new(now), latency: Latency::default(), sent_ms: now };
        self.targets.entry(key.to_owned()).or_insert_with(fresh)
    }
}

/// Forgets who was used the longest ago, if there is no room for a new one.
fn make_room<V>(map: &mut HashMap<String, V>, key: &str, used_ms: impl Fn(&V) -> u64) {
    if map.len() >= CAPACITY && !map.contains_key(key) {
        let oldest = map.iter().min_by_key(|(_, value)| used_ms(value)).map(|(oldest, _)| oldest.clone());
        oldest.map(|oldest| map.remove(&oldest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_stands_back_and_is_sent_no_retry() {
        let mut health = Health::default();
        (0..5).for_each(|_| health.failed("a", false, 0));
        assert!(!health.would_admit("a", 0) && health.would_admit("b", 0));
        for key in ["a", "b"] {
            health.sent(key, 0);
        }
        assert!(!health.would_admit("a", 0) && health.would_admit("b", 0));
        assert!(!health.may_retry("a", 0) && health.may_retry("b", 0));
        health.succeeded("a", Some(7), 1);
        assert!(health.would_admit("a", 1) && health.may_retry("a", 1));
        assert_eq!((health.expected_ms("a", 1), health.expected_ms("b", 1)), (Some(7), None));
    }

    #[test]
    fn it_is_bounded() {
        let mut health = Health::default();
        for n in 0..3_000 {
            health.succeeded(&format!("t{n}"), Some(1), n);
            health.sent("always", n);
            health.ring(&format!("p{n}"), n);
            assert!(health.targets.len() <= CAPACITY && health.keys.len() <= CAPACITY);
        }
        assert!(health.targets.contains_key("always") && health.targets.contains_key("t2999"));
    }
}
