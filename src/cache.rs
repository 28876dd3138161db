//! A bounded map whose entries are forgotten after a time: what an isolate may remember between requests.
//!
//! Always holds: never more than `capacity` entries, and nothing older than its life is returned.
//! Values only: a future kept across requests belongs to a request that may be gone.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A bounded cache with a life per entry. The oldest insertion goes first when it is full.
pub struct Cache<K, V> {
    entries: HashMap<K, Entry<V>>,
    order: VecDeque<(K, u64)>,
    capacity: usize,
    next: u64,
}

struct Entry<V> {
    value: V,
    expires_ms: u64,
    serial: u64,
}

impl<K: Hash + Eq + Clone, V> Cache<K, V> {
    /// An empty cache for at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), capacity: capacity.max(1), next: 0 }
    }

    /// The value, unless its life is over at `now` (milliseconds).
    pub fn get<Q>(&self, key: &Q, now: u64) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.get(key).filter(|entry| now < entry.expires_ms).map(|entry| &entry.value)
    }

    /// Keeps a value until `expires_ms`.
    pub fn put(&mut self, key: K, value: V, expires_ms: u64) {
        let serial = self.next;
        self.next += 1;
        self.entries.insert(key.clone(), Entry { value, expires_ms, serial });
        self.order.push_back((key, serial));
        while self.entries.len() > self.capacity || self.order.len() > self.capacity.saturating_mul(2) {
            let Some((oldest, serial)) = self.order.pop_front() else { break };
            // An entry that was put again since has a later place in the order: this one is only its shadow.
            if self.entries.get(&oldest).is_some_and(|entry| entry.serial == serial) {
                self.entries.remove(&oldest);
            }
        }
    }

    /// Forgets a value.
    pub fn remove<Q>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.remove(key);
    }

    /// How many entries are held, expired ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_with_their_life() {
        let mut cache = Cache::new(4);
        cache.put("a", 1, 100);
        assert_eq!(cache.get("a", 99), Some(&1));
        assert_eq!(cache.get("a", 100), None);
    }

    #[test]
    fn it_never_grows_past_its_capacity() {
        let mut cache = Cache::new(3);
        for n in 0..1000 {
            cache.put(n % 7, n, u64::MAX);
            assert!(cache.len() <= 3 && cache.order.len() <= 7, "{} {}", cache.len(), cache.order.len());
        }
        assert_eq!(cache.get(&(999 % 7), 0), Some(&999));
    }

    #[test]
    fn putting_again_renews_the_place() {
        let mut cache = Cache::new(2);
        cache.put("a", 1, u64::MAX);
        cache.put("b", 1, u64::MAX);
        cache.put("a", 2, u64::MAX);
        cache.put("c", 1, u64::MAX);
        assert_eq!((cache.get("a", 0), cache.get("b", 0)), (Some(&2), None));
    }
}
