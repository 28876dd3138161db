//! The alarm: what is overdue is settled, what is old and told goes.

use behest::user::command::{Command, Expire, Outcome};

use super::World;
use super::ledger::DAY;

impl World {
    /// The alarm, early, late or twice.
    pub(super) fn expire(&mut self) {
        let now = self.now.max(self.ledger.newest_at());
        let commits = self.store.commits;
        match self.apply(Command::Expire(Expire { retention_ms: Some(0), roll_up_ms: 300_000 })) {
            Ok(Outcome::Expired(expired)) => {
                assert_eq!(expired.expired, self.ledger.expire(now));
                assert_eq!(expired.wake_at, self.store.rows.alarm);
                assert!(expired.wake_at.is_none_or(|wake_at| wake_at > now));
                self.seen.expired_by_alarm += expired.expired;
                self.seen.outdated_private += self.keeping.forget_old(now);
            }
            Err(None) if self.persisted(commits) => drop(self.ledger.expire(now)),
            Err(None) => {}
            other => panic!("expire: {other:?}"),
        }
        let first = self.store.rows.requests.keys().next().copied();
        let pruned = first.map_or_else(|| self.ledger.requests.values().map(|request| request.seq).max().unwrap_or(0), |first| first - 1);
        self.seen.pruned += pruned - self.pruned;
        let young = self.ledger.requests.values().filter(|request| request.seq <= pruned && request.at + 2 * DAY >= now).count();
        assert_eq!(young, 0, "pruned too early");
        let untold = self.ledger.requests.iter().filter(|(id, request)| request.seq <= pruned && !self.told.contains(id)).count();
        assert_eq!(untold, 0, "pruned untold");
        self.pruned = pruned;
    }
}
