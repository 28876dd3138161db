//! Short words for the ledger's commands, as the tests use them.

use behest::api::usage::TokenUsage;
use behest::error::Error;
use behest::rollup::batch::{Batch, Entry};
use behest::rollup::requests::{Filter, Page, RequestsQuery};
use behest::rollup::store::TotalRow;
use behest::rollup::usage::{By, UsagePage, UsageQuery};
use behest::rollup::{Command, Outcome, answer};
use behest::user::store::{KeySource, Status};

use crate::memory::Memory;

/// A quiet noon.
pub const NOW: u64 = 20_000 * 86_400_000 + 43_200_000;
pub const MINUTE: u64 = 60_000;
pub const HOUR: u64 = 3_600_000;
pub const DAY: u64 = 86_400_000;
pub const RETENTION: u64 = 30 * DAY;

/// One project's ledger.
#[derive(Default)]
pub struct Project {
    pub store: Memory,
}

impl Project {
    pub fn ask(&mut self, command: Command, now: u64) -> Result<Outcome, Error> {
        answer(&mut self.store, command, RETENTION, now)
    }

    /// How far the user is counted, or else the number that is expected.
    pub fn apply(&mut self, user: &str, batch: Batch) -> Result<u64, u64> {
        match self.ask(Command::Apply { user: user.to_owned(), batch }, NOW) {
            Ok(Outcome::Told { through, retention_ms: RETENTION }) => Ok(through),
            Ok(Outcome::Expected { number }) => Err(number),
            other => panic!("{other:?}"),
        }
    }

    pub fn usage(&mut self, query: UsageQuery) -> UsagePage {
        match self.ask(Command::Usage(query), NOW) {
            Ok(Outcome::Usage(page)) => *page,
            other => panic!("{other:?}"),
        }
    }

    pub fn total(&mut self) -> TotalRow {
        self.usage(UsageQuery { to: 1 << 40, limit: 1, ..UsageQuery::default() }).total
    }

    pub fn groups(&mut self, by: By) -> Vec<TotalRow> {
        self.usage(UsageQuery { to: 1 << 40, limit: 1_000, by, ..UsageQuery::default() }).groups
    }

    pub fn page(&mut self, query: RequestsQuery) -> Page {
        match self.ask(Command::Requests(query), NOW) {
            Ok(Outcome::Requests(page)) => page,
            other => panic!("{other:?}"),
        }
    }

    /// All pages, as (time, user, number).
    pub fn walk(&mut self, limit: u64, filter: &Filter) -> Vec<(u64, String, u64)> {
        let mut walked = Vec::new();
        let mut query = all(limit, filter);
        loop {
            let page = self.page(query.clone());
            assert!(page.lines.len() as u64 <= limit);
            walked.extend(page.lines.into_iter().map(|line| (line.entry.at, line.user, line.entry.number)));
            match page.next {
                Some(next) => query.below = Some(next),
                None => return walked,
            }
        }
    }
}

pub fn all(limit: u64, filter: &Filter) -> RequestsQuery {
    RequestsQuery { from: 0, to: 1 << 50, below: None, limit, filter: filter.clone() }
}

/// The numbers from `first` on.
pub fn batch(first: u64, entries: Vec<Entry>) -> Batch {
    let through = first + entries.len() as u64 - 1;
    let entries = (first..).zip(entries).map(|(number, entry)| Entry { number, ..entry }).collect();
    Batch { epoch: 0, first, through, entries }
}

/// Ten tokens in, five out, for a dollar's thousandth.
pub fn entry(at: u64) -> Entry {
    Entry {
        number: 0,
        request_id: format!("req_{at}"),
        session_id: "s".to_owned(),
        thread_id: None,
        model: "fast".to_owned(),
        model_served: "m".to_owned(),
        provider: "p".to_owned(),
        key_source: KeySource::Byok,
        status: Status::Completed,
        estimated: false,
        priced: true,
        at,
        usage: TokenUsage { input: 10, output: 5, ..TokenUsage::default() },
        micro_usd: 1_000,
        ttft_ms: Some(3),
        duration_ms: Some(9),
    }
}
