//! The end of a request: its reservation becomes a charge, its turn goes into the thread.
//!
//! Always holds: a reservation is settled once, whoever comes first (finish, a repeated finish, the alarm). A finish that
//! comes after the alarm changes no counter any more, but its turn is still stored, once (as long as the request's row is
//! there), with what is kept of its calls. A finish past the deadline that comes before the alarm is simply a finish.
//! Absent on purpose: what a turn looks like in rows (`turn`).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::alerts::Watch;
use super::budget::Amount;
use super::charge::plausible;
use super::command::{Base, Outcome};
use super::holding::Upkeep;
use super::private;
use super::store::{DayRow, Settlement, Status, Store, StoreError, Write};
use super::turn::{self, Turn};
use super::{MAX_SAFE, Open, User};
use crate::api::usage::TokenUsage;
use crate::error::Result;
use crate::provider::Private;

/// Settled rows after which the day totals are written, so that loading reads no more than about this many.
const CHECKPOINT_EVERY: u64 = 200;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The provider said that it was done.
    Completed,
    /// The client went away.
    Cancelled,
    /// The provider or the way to it failed.
    Failed,
    /// The gateway ended it: a deadline, a guard.
    Stopped,
}

/// Settle one request. Sending it twice, or after the reservation expired, counts nothing twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finish {
    /// The request.
    pub request_id: String,
    /// Its [`Reservation::seq`].
    pub seq: u64,
    /// What it used. `None` with `Failed` is nothing; else the last progress or the whole reservation is charged.
    pub usage: Option<TokenUsage>,
    /// The usage is our own count, not the provider's.
    pub estimated: bool,
    /// How it ended.
    pub status: Ending,
    /// From the request's arrival to the first byte of the reply, in ms.
    pub ttft_ms: Option<u64>,
    /// From the request's arrival to its end, in ms.
    pub duration_ms: Option<u64>,
    /// Set if the request has a thread.
    pub thread: Option<ThreadFinish>,
    /// What the provider wants back with the results of the answer's calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<Private>,
    /// Set if the project wants alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
}

/// One turn to store. Without a reply nothing is stored, so that a retry does not find its own question there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThreadFinish {
    /// The thread.
    pub id: String,
    /// What `Begin` gave.
    pub base: Base,
    /// The client's messages again, verbatim and all of them.
    pub messages: Vec<Box<RawValue>>,
    /// The assistant's message as far as it got; `None` if no byte of it came.
    pub reply: Option<Box<RawValue>>,
    /// False marks the reply as cut.
    pub complete: bool,
}

/// What a finish changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// This call settled the reservation (a duplicate or a late one does not).
    pub settled: bool,
    /// This call stored the turn.
    pub stored: bool,
    /// What the request was charged, by this call or before; `None` if nobody remembers it.
    pub micro_usd: Option<u64>,
    /// What there is to do about the lease, in the background.
    #[serde(default)]
    pub upkeep: Upkeep,
}

impl User {
    pub(super) fn finish(&mut self, store: &mut impl Store, finish: &Finish, now: u64) -> Result<Outcome> {
        let open = self.open.get(&finish.request_id).copied().filter(|open| open.seq == finish.seq);
        let Some(open) = open else { return self.finish_late(store, finish, now) };
        let (usage, estimated) = charge(&open, finish);
        let micro_usd = open.cost(usage);
        let mut writes = store_turn(store, finish, open.at, now)?;
        let stored = !writes.is_empty();
        // What its thread does not remember is not kept either.
        if stored || finish.thread.is_none() {
            writes.extend(private::keep(store, finish, open.at, self.clock(now))?);
        }
        writes.push(Write::Settle(Settlement {
            seq: open.seq,
            ended: self.next_ended(),
            status: status(finish.status),
            usage,
            micro_usd,
            estimated,
            stored,
            settled_at: now.min(MAX_SAFE),
            ttft_ms: finish.ttft_ms.map(|ms| ms.min(MAX_SAFE)),
            duration_ms: finish.duration_ms.map(|ms| ms.min(MAX_SAFE)),
        }));
        let alerts = self.finish_alerts(store, finish, &open, Amount { tokens: usage.total(), micro_usd }, now)?;
        writes.extend_from_slice(&alerts);
        let settled_through = self.settled_through();
        let due = settled_through.saturating_sub(self.frontier) >= CHECKPOINT_EVERY;
        if due {
            writes.extend(checkpoint(store, self.frontier, settled_through)?);
        }
        self.commit(store, &writes)?;
        self.settled(&finish.request_id, usage);
        self.alerted(&alerts);
        if due {
            self.frontier = settled_through;
        }
        Ok(Outcome::Finished(Finished { settled: true, stored, micro_usd: Some(micro_usd), upkeep: self.upkeep(now) }))
    }

    /// Thresholds of the day of the newest request, and of its month.
    fn finish_alerts(&self, store: &impl Store, finish: &Finish, open: &Open, amount: Amount, now: u64) -> Result<Vec<Write>, StoreError> {
        let Some(watch) = &finish.watch else { return Ok(Vec::new()) };
        let today = self.day(store, watch.limits.zone.day_of(self.newest_at))?;
        let of = (&today, self.newest_at);
        Ok(self.alerts(&watch.limits, &watch.thresholds, &[(open.day, amount)], of, self.clock(now)))
    }

    /// Not open: unknown, a duplicate, or expired. Only the last has something left to do.
    fn finish_late(&mut self, store: &mut impl Store, finish: &Finish, now: u64) -> Result<Outcome> {
        let row = store.request(finish.seq)?.filter(|row| row.request_id == finish.request_id);
        let (micro_usd, asked_at) = (row.as_ref().map(|row| row.micro_usd), row.as_ref().map_or(now, |row| row.at));
        let writes = match row {
            Some(row) if row.status == Status::Expired && !row.stored => store_turn(store, finish, row.at, now)?,
            _ => Vec::new(),
        };
        if writes.is_empty() {
            return Ok(Outcome::Finished(Finished { settled: false, stored: false, micro_usd, upkeep: Upkeep::Nothing }));
        }
        let kept = private::keep(store, finish, asked_at, self.clock(now))?;
        let writes = [writes, kept, vec![Write::MarkStored { seq: finish.seq }]].concat();
        self.commit(store, &writes)?;
        Ok(Outcome::Finished(Finished { settled: false, stored: true, micro_usd, upkeep: Upkeep::Nothing }))
    }

    /// The highest number up to which every request is settled.
    pub(super) fn settled_through(&self) -> u64 {
        self.open.values().map(|open| open.seq).min().map_or(self.newest_seq, |oldest| oldest - 1)
    }
}

/// Day totals for the requests with `after < seq <= through`, all of which are settled in the store.
pub(super) fn checkpoint(store: &impl Store, after: u64, through: u64) -> Result<Vec<Write>, StoreError> {
    let mut days = store.day_sums(after, through)?;
    let (Some(first), Some(last)) = (days.first().map(|sums| sums.day), days.last().map(|sums| sums.day)) else {
        return Ok(Vec::new());
    };
    for so_far in store.days(first, last)? {
        if let Some(sums) = days.iter_mut().find(|sums| sums.key() == so_far.key()) {
            sums.add(&so_far);
        }
    }
    Ok(days.into_iter().map(|sums| Write::PutDay(DayRow { through_seq: through, ..sums })).collect())
}

fn store_turn(store: &impl Store, finish: &Finish, asked_at: u64, now: u64) -> Result<Vec<Write>> {
    match &finish.thread {
        Some(thread) => turn::append(store, &Turn { seq: finish.seq, asked_at, replied_at: now.clamp(asked_at, MAX_SAFE), finish: thread }),
        None => Ok(Vec::new()),
    }
}

/// What to charge, and whether it is our own guess.
fn charge(open: &Open, finish: &Finish) -> (TokenUsage, bool) {
    match finish.usage {
        Some(usage) => (plausible(usage), finish.estimated),
        None if finish.status == Ending::Failed && open.progress.is_none() => (TokenUsage::default(), finish.estimated),
        None => (open.presumed(), true),
    }
}

const fn status(ending: Ending) -> Status {
    match ending {
        Ending::Completed => Status::Completed,
        Ending::Cancelled => Status::Cancelled,
        Ending::Failed => Status::Failed,
        Ending::Stopped => Status::Stopped,
    }
}
