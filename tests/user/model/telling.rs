//! What the project is told: every settled request once, under a number of its own, in the order of the numbers.
//!
//! Always holds: what the model's project knows is a list; it takes what goes on from its end and nothing else.

use behest::rollup::batch::Batch;
use behest::user::command::{Command, Outcome};
use behest::user::outbox::Acknowledge;

use super::World;
use super::money::cost;

impl World {
    /// Somebody carries a batch; the way back may be lost, and what comes back may be old.
    pub(super) fn tell(&mut self) {
        let limit = self.rng.u64(1..8);
        let batch = match self.apply(Command::Outbox { limit }) {
            Ok(Outcome::Outbox(batch)) => batch,
            other => panic!("outbox: {other:?}"),
        };
        self.take(&batch);
        if self.rng.u8(..4) == 0 {
            return;
        }
        let newest = self.told.len() as u64;
        let through = if self.rng.u8(..4) == 0 { self.rng.u64(..=newest) } else { newest };
        let waiting = self.user.waiting();
        match self.apply(Command::Acknowledge(Acknowledge { epoch: 0, through, rewind: false, retention_ms: None })) {
            Ok(Outcome::Acknowledged { waiting: left }) => {
                assert!(left <= waiting, "more waits than before");
                self.seen.acknowledged += u64::from(left < waiting);
            }
            Err(None) => {}
            other => panic!("acknowledge: {other:?}"),
        }
    }

    fn take(&mut self, batch: &Batch) {
        let known = self.told.len() as u64;
        assert!(batch.first <= known + 1, "a gap before {}: {known} are known", batch.first);
        assert_eq!(batch.entries.len() as u64, batch.through + 1 - batch.first, "a number without an entry");
        for (number, entry) in (batch.first..).zip(&batch.entries) {
            assert_eq!(entry.number, number);
            let request = &self.ledger.requests[&entry.request_id];
            let usage = request.charge.expect("told before it is settled");
            assert_eq!((entry.usage, entry.micro_usd), (usage, cost(request.rates, usage)), "{entry:?}");
            match usize::try_from(number - 1).ok().and_then(|place| self.told.get(place)) {
                Some(before) => assert_eq!(*before, entry.request_id, "number {number} was another's"),
                None => self.told.push(entry.request_id.clone()),
            }
        }
    }

    /// After quiet the project knows each request once.
    pub(super) fn tell_all(&mut self) {
        while self.user.waiting() > 0 {
            self.tell();
        }
        let mut told: Vec<&String> = self.told.iter().collect();
        told.sort_unstable();
        assert_eq!(told, self.ledger.requests.keys().collect::<Vec<_>>(), "told");
    }
}
