//! One user's state in one project: request rate, token budget, usage and threads, as a pure state machine.
//!
//! Always holds: time is an argument; what is computed first is written last, in one batch; memory changes only after
//! the batch is committed, and after a failed one it is read again. So memory is a function of the store's rows, and a
//! crash between any two steps loses nothing that was answered. Reserve, then settle: `begin` holds the worst case
//! before anything is sent, `finish` replaces it by the truth, the alarm settles what nobody finished.
//!
//! Absent on purpose: the platform, async, SQL execution (`schema` only has its text) and any global limit.

use std::collections::{BTreeMap, VecDeque};

use crate::api::usage::TokenUsage;
use crate::calendar::{DAY_MS, day_of};
use crate::error::{Error, Result};
use crate::price::Rates;

mod begin;
mod budget;
mod charge;
pub mod command;
mod expire;
mod finish;
mod history;
mod message;
pub mod outbox;
mod rate;
pub mod reconcile;
pub mod refusal;
pub mod report;
pub mod schema;
pub mod store;
mod threads;
mod totals;
pub mod turn;

pub use command::{Command, Outcome};
pub use store::{Store, StoreError, Write};

use budget::{Amount, Period};
use store::{OutboxRow, RequestRow, Status};

/// How long request rows are kept as long as the project has not said it: 30 days, in ms.
pub const RETENTION_MS: u64 = 30 * DAY_MS;
/// The most bytes of messages that a thread may hold and still be continued.
pub const MAX_THREAD_BYTES: u64 = 32 * 1024 * 1024;

/// The largest integer that the platform carries exactly.
const MAX_SAFE: u64 = (1 << 53) - 1;
/// No request uses more; a report above it is nonsense and must not spoil a sum.
const MAX_REQUEST_TOKENS: u64 = 1 << 32;
/// Rows per read while loading.
const LOAD_PAGE: u64 = 256;

/// What is kept in memory about one user: only what admission needs, and all of it a function of the store's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The number of the newest request.
    newest_seq: u64,
    /// When it was admitted. The state's clock does not go back behind it.
    newest_at: u64,
    /// Every request admitted in the 60 s up to `newest_at`, oldest first.
    recent: VecDeque<Recent>,
    /// Reservations by request id.
    open: BTreeMap<String, Open>,
    /// What the day and the month of `newest_at` have lost.
    spent: Spent,
    /// Request rows up to here are in the stored day totals.
    frontier: u64,
    /// The alarm that was last set.
    alarm: Option<u64>,
    /// How far the project has been told.
    outbox: OutboxRow,
    /// A commit failed: the store has to be read before anything else.
    stale: bool,
}

/// Settled requests by the day and the month of their begin, and the requests begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    requests_today: u64,
    day: Amount,
    month: Amount,
}

/// A request in the rate window.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Recent {
    at: u64,
    request_id: Box<str>,
}

/// A reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    seq: u64,
    at: u64,
    deadline: u64,
    input: u64,
    output: u64,
    micro_usd: u64,
    rates: Option<Rates>,
    max_output: Option<u64>,
    progress: Option<TokenUsage>,
}

impl User {
    /// Reads one user's state from its rows.
    pub fn load(store: &impl Store) -> Result<Self, StoreError> {
        let mut user = Self::default();
        if let Some(checkpoint) = store.checkpoint()? {
            (user.frontier, user.newest_seq) = (checkpoint.through_seq, checkpoint.through_seq);
            // If every row is gone, this is the last that is known of the time, and the month may still be the same.
            user.newest_at = checkpoint.day.saturating_mul(DAY_MS);
        }
        for row in rows_that_matter(store, user.frontier)?.iter().rev() {
            user.admitted(row);
            if row.status != Status::Open {
                let charged = if row.seq > user.frontier { row.usage().unwrap_or_default() } else { TokenUsage::default() };
                user.settled(&row.request_id, charged);
            }
        }
        let today = day_of(user.newest_at);
        for row in store.days(Period::Month.of(user.newest_at), today)? {
            let amount = Amount { tokens: row.usage().total(), micro_usd: row.micro_usd };
            user.spent.month = user.spent.month.plus(amount);
            if row.day == today {
                user.spent.day = user.spent.day.plus(amount);
                user.spent.requests_today = user.spent.requests_today.saturating_add(row.requests);
            }
        }
        user.alarm = store.alarm()?;
        user.outbox = store.outbox()?;
        user.outbox.ended = user.outbox.ended.max(store.newest_ended(user.outbox.low)?);
        Ok(user)
    }

    /// Answers one command at `now` (epoch ms). An error leaves memory and store as they were, or memory is read again
    /// before the next command.
    pub fn apply(&mut self, store: &mut impl Store, command: Command, now: u64) -> Result<Outcome> {
        if self.stale {
            *self = Self::load(store)?;
        }
        match command {
            Command::Begin(begin) => self.begin(store, begin, now),
            Command::Progress(progress) => self.progress(store, &progress),
            Command::Finish(finish) => self.finish(store, &finish, now),
            Command::Limits(limits) => Ok(Outcome::Rate(self.snapshot(&limits, now))),
            Command::Standing => Ok(Outcome::Standing(self.standing(now))),
            Command::Usage(query) => Ok(Outcome::Usage(report::usage(store, query)?)),
            Command::ListThreads(list) => threads::list(store, &list),
            Command::GetThread(thread) => threads::get(store, &thread.id),
            Command::Messages(list) => threads::messages(store, &list),
            Command::PatchThread(patch) => {
                let writes = threads::patch(store, &patch)?;
                self.commit(store, &writes)?;
                threads::get(store, &patch.id)
            }
            Command::DeleteThread(thread) => {
                let writes = threads::delete(store, thread.id)?;
                self.commit(store, &writes)?;
                Ok(Outcome::Deleted)
            }
            Command::Expire(expire) => self.expire(store, expire, now),
            Command::Outbox { limit } => Ok(Outcome::Outbox(self.batch(store, limit)?)),
            Command::Acknowledge(told) => self.acknowledge(store, &told),
            Command::Close => self.close(store, now),
            Command::Erase => {
                // Numbers begin again, so the epoch is all that stays: it tells new numbers from old ones.
                let outbox = OutboxRow { epoch: self.outbox.epoch + 1, ..OutboxRow::default() };
                self.commit(store, &[Write::Erase, Write::PutOutbox(outbox)])?;
                *self = Self { outbox, ..Self::default() };
                Ok(Outcome::Erased { epoch: outbox.epoch })
            }
        }
    }

    /// The one way to write. After a failure nobody knows whether the batch is there: memory counts for nothing until read again.
    fn commit(&mut self, store: &mut impl Store, writes: &[Write]) -> Result<()> {
        store.commit(writes).map_err(|error| {
            self.stale = true;
            Error::from(error)
        })
    }

    /// The time that counts: a clock that steps back must not reopen a window that is full.
    fn clock(&self, now: u64) -> u64 {
        now.max(self.newest_at).min(MAX_SAFE)
    }

    /// Takes an admitted request into memory. Called in the order of the numbers.
    fn admitted(&mut self, row: &RequestRow) {
        if day_of(row.at) != day_of(self.newest_at) {
            let same_month = Period::Month.of(row.at) == Period::Month.of(self.newest_at);
            self.spent = Spent { month: if same_month { self.spent.month } else { Amount::default() }, ..Spent::default() };
        }
        // While loading, rows up to the frontier come with the day totals.
        self.spent.requests_today += u64::from(row.seq > self.frontier);
        (self.newest_seq, self.newest_at) = (row.seq, row.at);
        rate::remember(&mut self.recent, row);
        let open = Open {
            seq: row.seq,
            at: row.at,
            deadline: row.deadline,
            input: row.reserved_input,
            output: row.reserved_output,
            micro_usd: row.reserved_micro_usd,
            rates: row.rates,
            max_output: row.max_output,
            progress: row.usage(),
        };
        self.open.insert(row.request_id.clone(), open);
    }

    /// Replaces a reservation by its charge.
    fn settled(&mut self, request_id: &str, usage: TokenUsage) {
        let Some(open) = self.open.remove(request_id) else { return };
        self.outbox.ended += 1;
        let amount = Amount { tokens: usage.total(), micro_usd: open.cost(usage) };
        if Period::Month.of(open.at) == Period::Month.of(self.newest_at) {
            self.spent.month = self.spent.month.plus(amount);
        }
        if day_of(open.at) == day_of(self.newest_at) {
            self.spent.day = self.spent.day.plus(amount);
        }
    }
}

/// The rows that memory is made of, newest first: those not in the day totals, and those in the rate window.
fn rows_that_matter(store: &impl Store, frontier: u64) -> Result<Vec<RequestRow>, StoreError> {
    let mut rows: Vec<RequestRow> = Vec::new();
    loop {
        let below = rows.last().map_or(MAX_SAFE, |row| row.seq);
        let page = store.requests_before(below, LOAD_PAGE)?;
        let newest_at = rows.first().or(page.first()).map_or(0, |row| row.at);
        let (size, found) = (page.len(), rows.len());
        rows.extend(page.into_iter().take_while(|row| row.seq > frontier || rate::counts(row.at, newest_at)));
        if rows.len() < found + size || size == 0 {
            return Ok(rows);
        }
    }
}
