//! What must hold: after an answer, between any two steps, and at rest.
//!
//! Always holds: what is expected comes from the ledger and the conversations, never from the code under test.

use std::collections::{BTreeMap, BTreeSet};

use behest::provider::Private;
use behest::user::command::{Begun, Command, Outcome, Progressed};
use behest::user::refusal::Refusal;
use behest::user::report::UsageQuery;
use behest::user::turn::messages;
use behest::user::{Store, User};

use super::conversation::{body, word};
use super::ledger::{DAY, InTheWay, Verdict};
use super::totals::{Account, Totals};
use super::{Flight, World};

impl World {
    pub(super) fn check_refusal(&mut self, refusal: &Refusal, verdict: &Verdict) {
        match (refusal, verdict) {
            (Refusal::Rate { retry_after_ms, .. }, Verdict::TooFast { retry_after_ms: expected }) => {
                assert_eq!(retry_after_ms, expected, "retry after");
                self.seen.refused_rate += 1;
            }
            (Refusal::Concurrency { .. }, Verdict::TooMany) => self.seen.refused_concurrency += 1,
            (Refusal::Quota { scope, used, resets_at, .. }, Verdict::OverBudget { scope: expected, used: so_much, resets_at: then }) => {
                assert_eq!((scope.name(), used, resets_at), (*expected, so_much, then));
                *match *expected {
                    "user_requests_per_day" => &mut self.seen.refused_requests,
                    "user_tokens_per_day" => &mut self.seen.refused_tokens_day,
                    "user_tokens_per_month" => &mut self.seen.refused_tokens_month,
                    "user_usd_per_day" => &mut self.seen.refused_usd_day,
                    _ => &mut self.seen.refused_usd_month,
                } += 1;
            }
            other => panic!("refusal: {other:?}"),
        }
    }

    /// A stream that gets no more is told which budget is in the way.
    pub(super) fn check_stop(&mut self, progressed: &Progressed, in_the_way: Option<InTheWay>) {
        match (&progressed.stop, in_the_way) {
            (None, None) => {}
            (Some(Refusal::Quota { scope, used, resets_at, .. }), Some((expected, so_much, then))) => {
                assert_eq!((scope.name(), *used, *resets_at), (expected, so_much, then));
                self.seen.not_extended += 1;
            }
            other => panic!("stop: {other:?}"),
        }
    }

    /// What the model is sent: all of the history that belongs there and nothing twice, with what is kept of its calls.
    pub(super) fn check_upstream(flight: &Flight, history: &[String], given: &BTreeMap<String, Private>, begun: &Begun) {
        let private: BTreeMap<String, Private> = begun.private.iter().map(|private| (private.call_id.clone(), private.clone())).collect();
        assert_eq!((begun.private.len(), &private), (given.len(), given), "what is kept of the calls");
        let prepended: Vec<&str> = begun.prepend.iter().map(|message| message.get()).collect();
        let expected: Vec<String> = history.iter().map(|text| body(text).get().to_owned()).collect();
        assert_eq!(prepended, expected, "history");
        let sent = flight.intent.iter().flat_map(|intent| &intent.sent);
        let words: Vec<&str> = history.iter().chain(sent).map(|text| word(text)).collect();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len(), "the history is sent twice: {words:?}");
    }

    /// Everything that must hold between any two steps.
    pub fn check(&mut self) {
        let mut user = self.user.clone();
        let rate = match user.apply(&mut self.store, Command::Limits(self.limits), self.now) {
            Ok(Outcome::Rate(rate)) => rate,
            other => panic!("limits: {other:?}"),
        };
        let mut loaded = User::load(&self.store).unwrap();
        loaded.apply(&mut self.store, Command::Limits(self.limits), self.now).unwrap();
        assert_eq!(user, loaded, "memory is not what the store says");
        let windows: Vec<_> = rate.windows.iter().map(|w| (w.policy.name(), w.limit, w.remaining, w.frees_ms)).collect();
        assert_eq!(windows, self.ledger.windows(self.limits, &self.local, self.now), "what is left");
        self.ledger.check_budgets(self.limits, &self.local, self.now);
        if std::mem::replace(&mut self.checked, self.store.commits) != self.store.commits {
            self.check_store();
        }
    }

    fn check_store(&self) {
        self.ledger.check_rows(&self.store.rows.requests, self.pruned);
        self.keeping.check(&self.store, self.now.max(self.ledger.newest_at()));
        assert_eq!(self.store.rows.threads.len(), self.conversations.threads.len());
        for (id, thread) in &self.conversations.threads {
            let held = messages(&self.store, id).unwrap();
            let expected: Vec<String> = thread.texts.iter().map(|text| body(text).get().to_owned()).collect();
            let bodies: Vec<&str> = held.iter().map(|message| message.message.get()).collect();
            assert_eq!(bodies, expected, "thread {id}");
            let ids: BTreeSet<&str> = held.iter().map(|message| message.id.as_str()).collect();
            let row = self.store.thread(id).unwrap().unwrap();
            assert_eq!((ids.len(), row.messages), (held.len(), held.len() as u64), "ids and count of {id}");
            assert_eq!(row.bytes, bodies.iter().map(|body| body.len() as u64).sum::<u64>(), "bytes of {id}");
        }
    }

    /// After quiet and the alarm nothing is reserved, and every token is counted once; then every finish comes once more.
    pub fn come_to_rest(&mut self) {
        self.now = self.now.max(self.ledger.newest_at()) + 700_001;
        self.expire();
        self.check();
        self.check_store();
        assert!(self.ledger.requests.values().all(|request| request.charge.is_some()), "something is still open");
        self.check_days();
        self.tell_all();
        for place in 0..self.flights.len() {
            self.finish(place);
        }
        self.tell_all();
        self.check();
        self.check_days();
    }

    /// Checkpoints plus the rows behind them are what was charged, for every day.
    fn check_days(&mut self) {
        let frontier = self.store.checkpoint().unwrap().map_or(0, |checkpoint| checkpoint.through_seq);
        self.seen.checkpoints += u64::from(frontier > 0);
        let mut days = BTreeMap::new();
        let rows = self.store.day_sums(frontier, 1 << 52).unwrap();
        for row in self.store.rows.days.values().chain(&rows) {
            let key = (row.day, row.provider.clone(), row.model.clone(), row.key_source);
            let day: &mut Totals = days.entry(key).or_default();
            *day = day.plus(Totals { requests: row.requests, unpriced: row.unpriced, usage: row.usage(), micro_usd: row.micro_usd });
        }
        assert_eq!(days, self.ledger.days(|request| request.day), "day totals");
        self.check_usage();
    }

    /// What the user is told of the days: by UTC, and where the rows are gone, by the dates of the local days.
    fn check_usage(&mut self) {
        let days = self.ledger.days(|request| if request.seq > self.pruned { request.at / DAY } else { request.day });
        let query = UsageQuery { from: 0, to: self.now + DAY, step: Some(DAY) };
        let cells = match self.user.clone().apply(&mut self.store, Command::Usage(query), self.now) {
            Ok(Outcome::Usage(cells)) => cells,
            other => panic!("usage: {other:?}"),
        };
        let told: BTreeMap<Account, Totals> = cells
            .into_iter()
            .map(|cell| {
                let totals = Totals { requests: cell.requests, unpriced: cell.unpriced, usage: cell.usage, micro_usd: cell.micro_usd };
                ((cell.at / DAY, cell.provider, cell.model, cell.key_source), totals)
            })
            .collect();
        assert_eq!(told, days, "usage");
    }
}
