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
use crate::calendar::DAY_MS;
use crate::error::{Error, Result};
use crate::lease::Reply;
use crate::price::Rates;

pub mod alerts;
mod begin;
mod budget;
mod charge;
pub mod command;
mod expire;
mod extend;
mod finish;
mod history;
pub mod holding;
mod message;
pub mod minted;
pub mod outbox;
pub mod overrides;
pub mod pass;
pub mod private;
mod rate;
pub mod reconcile;
pub mod refusal;
pub mod report;
mod reroute;
mod room;
pub mod schema;
pub mod store;
mod thread_command;
mod thread_row;
mod threads;
mod today;
mod token_budget;
pub mod token_schema;
mod totals;
pub mod turn;

pub use command::{Command, Outcome};
pub use store::{Store, StoreError, Write};

use alerts::AlertRow;
use budget::Amount;
use command::{Begin, Progress, Reroute};
use holding::Holding;
use overrides::Overrides;
use pass::{Mark, TokenWrite};
use store::{OutboxRow, RequestRow, Status};
use today::Today;

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

/// What is kept in memory about one user: only what admission needs, and all of it a function of the store's rows and of
/// which day the last command was of.
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
    /// The latest local day of any request.
    latest_day: u64,
    /// What the day of the last command, and its month, have lost.
    today: Today,
    /// Request rows up to here are in the stored day totals.
    frontier: u64,
    /// What is said of this user's limits.
    overrides: Overrides,
    /// What it has of the project's limits.
    holding: Holding,
    /// Tokens that are void, in the order of their keys.
    marks: Vec<Mark>,
    /// The thresholds that were passed, in the order of their keys.
    alerts: Vec<AlertRow>,
    /// The alarm that was last set.
    alarm: Option<u64>,
    /// How far the project has been told.
    outbox: OutboxRow,
    /// A commit failed: the store has to be read before anything else.
    stale: bool,
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
    /// The local day of its admission.
    day: u64,
    deadline: u64,
    input: u64,
    output: u64,
    micro_usd: u64,
    rates: Option<Rates>,
    max_output: Option<u64>,
    /// Set if it may grow: to how many output tokens, as far as can be foreseen.
    grows_to: Option<u64>,
    progress: Option<TokenUsage>,
}

impl User {
    /// Reads one user's state from its rows.
    pub fn load(store: &impl Store) -> Result<Self, StoreError> {
        let mut user = Self::default();
        if let Some(checkpoint) = store.checkpoint()? {
            (user.frontier, user.newest_seq) = (checkpoint.through_seq, checkpoint.through_seq);
            user.latest_day = checkpoint.day;
            // If every row is gone, this is the last that is known of the time: a local day began within a day of UTC's.
            user.newest_at = checkpoint.day.saturating_sub(1).saturating_mul(DAY_MS);
        }
        let rows = rows_that_matter(store, user.frontier)?;
        for row in rows.iter().rev() {
            user.remember(row);
            if row.status != Status::Open {
                user.open.remove(&row.request_id);
            }
        }
        user.today = user.read_day(store, rows.first().map_or(user.latest_day, |newest| newest.day))?;
        user.overrides = store.overrides()?;
        user.holding = store.holding()?.unwrap_or_default();
        user.set_marks(store.marks()?);
        user.alerts = store.alerts()?;
        user.alerts.sort_by_key(AlertRow::key);
        user.alarm = store.alarm()?;
        user.outbox = store.outbox()?;
        user.outbox.ended = user.outbox.ended.max(store.newest_ended(user.outbox.low)?);
        Ok(user)
    }

    /// Answers one command at `now` (epoch ms). An error leaves memory and store as they were, or memory is read again
    /// before the next command.
    pub fn apply(&mut self, store: &mut impl Store, mut command: Command, now: u64) -> Result<Outcome> {
        if self.stale {
            *self = Self::load(store)?;
        }
        if let Some(limits) = command.limits_mut() {
            *limits = self.overrides.over(*limits);
        }
        if let Some(zone) = command.zone() {
            self.turn_to(store, zone, now)?;
        }
        match command {
            Command::Begin(begin) => self.begin(store, &begin, None, now),
            Command::Progress(progress) => self.progress(store, &progress, None, now),
            Command::Reroute(reroute) => self.reroute(store, &reroute, None, now),
            Command::Finish(finish) => self.finish(store, &finish, now),
            Command::Limits(limits) => Ok(Outcome::Rate(self.snapshot(&limits, self.room(now), now))),
            Command::Standing(_) => Ok(Outcome::Standing(self.standing(now))),
            Command::Overrides => Ok(Outcome::Overrides(self.overrides)),
            Command::PutOverrides(overrides) => {
                self.put_overrides(store, overrides)?;
                Ok(Outcome::Overrides(overrides))
            }
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
            Command::GiveBack(recall) => Ok(Outcome::Reported(self.give_back(store, recall.as_ref(), now)?)),
            Command::Renew => Ok(self.renewal(now).map_or(Outcome::Held, Outcome::Ask)),
            Command::TakeLease(lease, asked_at) => self.take_lease(store, &lease, asked_at).map(|()| Outcome::Held),
            Command::Revoke(mark) => self.revoke(store, mark, now),
            Command::AlertsTold(keys) => {
                let writes = [Write::AlertsTold(keys)];
                self.commit(store, &writes)?;
                self.alerted(&writes);
                Ok(Outcome::Noted)
            }
            Command::Mint(minted) => self.mint(store, minted),
            Command::Expire(expire) => self.expire(store, expire, now),
            Command::Outbox { limit } => Ok(Outcome::Outbox(self.batch(store, limit)?)),
            Command::Acknowledge(told) => self.acknowledge(store, &told),
            Command::Close => self.close(store, now),
            Command::Erase => {
                // Numbers begin again, so the epoch stays: it tells new numbers from old ones. And no token may outlive what
                // it was counted by.
                let outbox = OutboxRow { epoch: self.outbox.epoch + 1, ..OutboxRow::default() };
                let mark = Self::void_all(self.clock(now));
                self.commit(store, &[Write::Erase, Write::PutOutbox(outbox), Write::Token(TokenWrite::Mark(mark.clone()))])?;
                *self = Self { outbox, marks: vec![mark], ..Self::default() };
                Ok(Outcome::Erased { epoch: outbox.epoch })
            }
        }
    }

    /// `begin`, for whoever has to ask the project in between: `answer` is what it said, and when it was asked (epoch ms).
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn admit(&mut self, store: &mut impl Store, begin: &mut Begin, answer: Option<&(Reply, u64)>, now: u64) -> Result<Outcome> {
        if self.stale {
            *self = Self::load(store)?;
        }
        begin.limits = self.overrides.over(begin.limits);
        self.turn_to(store, &begin.limits.zone, now)?;
        self.begin(store, begin, answer, now)
    }

    /// `progress`, likewise.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn hear(&mut self, store: &mut impl Store, progress: &mut Progress, answer: Option<&(Reply, u64)>, now: u64) -> Result<Outcome> {
        if self.stale {
            *self = Self::load(store)?;
        }
        if let Some(extend) = &mut progress.extend {
            extend.limits = self.overrides.over(extend.limits);
        }
        self.progress(store, progress, answer, now)
    }

    /// `reroute`, likewise.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn go_on(&mut self, store: &mut impl Store, reroute: &mut Reroute, answer: Option<&(Reply, u64)>, now: u64) -> Result<Outcome> {
        if self.stale {
            *self = Self::load(store)?;
        }
        reroute.limits = self.overrides.over(reroute.limits);
        self.reroute(store, reroute, answer, now)
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

    /// Takes a request that was just admitted into memory.
    fn admitted(&mut self, row: &RequestRow) {
        self.remember(row);
        self.today.requests += u64::from(row.day == self.today.day);
    }

    /// Takes a row into memory, as if it were open. Called in the order of the numbers.
    fn remember(&mut self, row: &RequestRow) {
        (self.newest_seq, self.newest_at) = (row.seq, row.at);
        self.latest_day = self.latest_day.max(row.day);
        rate::remember(&mut self.recent, row);
        let open = Open {
            seq: row.seq,
            at: row.at,
            day: row.day,
            deadline: row.deadline,
            input: row.reserved_input,
            output: row.reserved_output,
            micro_usd: row.reserved_micro_usd,
            rates: row.rates,
            max_output: row.max_output,
            grows_to: row.grows_to,
            progress: row.usage(),
        };
        self.open.insert(row.request_id.clone(), open);
    }

    /// Replaces a reservation by its charge.
    fn settled(&mut self, request_id: &str, usage: TokenUsage) {
        let Some(open) = self.open.remove(request_id) else { return };
        self.outbox.ended += 1;
        let amount = Amount { tokens: usage.total(), micro_usd: open.cost(usage) };
        self.today.charge(open.day, amount);
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
