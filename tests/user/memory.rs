//! A `Store` in memory whose commit can fail without or after persisting, as a database at the end of a wire can.
//!
//! Always holds: it refuses what SQLite would refuse (a key twice, a row over 2 MB, a number the platform cannot carry),
//! and a refused batch changes nothing. It counts rows written the way the platform bills them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use behest::user::overrides::Overrides;
use behest::user::schema::{Bind, statements};
use behest::user::store::{
    AlertKey, AlertRow, Checkpoint, DayRow, Extent, Holding, Mark, Minted, OutboxRow, PrivateRow, PrivateSize, RequestRow, Settlement,
    Status, ThreadRow, TokenWrite, TurnRow, Used,
};
use behest::user::{Store, StoreError, Write};

/// What the next commit does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// It fails and nothing is persisted.
    Before,
    /// Everything is persisted and then it fails.
    After,
}

/// The primary key of the day totals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayKey(u64, String, String, &'static str);

impl From<&DayRow> for DayKey {
    fn from(row: &DayRow) -> Self {
        Self(row.day, row.provider.clone(), row.model.clone(), row.key_source.name())
    }
}

/// A row of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Builds up to November 2026 wrote none.
    pub extent: Option<Extent>,
    pub body: String,
}

/// All rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub requests: BTreeMap<u64, RequestRow>,
    pub days: BTreeMap<DayKey, DayRow>,
    pub threads: BTreeMap<String, ThreadRow>,
    pub turns: BTreeMap<(String, u64, u64), Piece>,
    pub private: BTreeMap<u64, PrivateRow>,
    pub overrides: Overrides,
    pub outbox: OutboxRow,
    pub alerts: BTreeMap<AlertKey, AlertRow>,
    pub alarm: Option<u64>,
    pub holding: Option<Holding>,
    pub marks: BTreeMap<(&'static str, String), Mark>,
    pub used: BTreeMap<String, Used>,
    pub token_use: BTreeSet<(String, u64)>,
    pub minted: BTreeMap<String, Minted>,
}

#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub rows: Rows,
    pub fault: Fault,
    /// Rows inserted or updated, not counting the alarm's.
    pub written: u64,
    pub commits: u64,
    /// How often what is kept of calls was asked for.
    pub asked_private: Cell<u64>,
}

impl Store for Memory {
    fn requests_before(&self, seq: u64, limit: u64) -> Result<Vec<RequestRow>, StoreError> {
        Ok(self.rows.requests.range(..seq).rev().take(size(limit)).map(|(_, row)| row.clone()).collect())
    }

    fn request(&self, seq: u64) -> Result<Option<RequestRow>, StoreError> {
        Ok(self.rows.requests.get(&seq).cloned())
    }

    fn request_after(&self, seq: u64) -> Result<Option<RequestRow>, StoreError> {
        Ok(self.rows.requests.range(seq + 1..).next().map(|(_, row)| row.clone()))
    }

    fn prunable(&self, before: u64, limit: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.rows.requests.values().take(size(limit)).filter(|row| row.at < before).map(|row| row.seq).max())
    }

    fn day_sums(&self, after: u64, through: u64) -> Result<Vec<DayRow>, StoreError> {
        let range = self.rows.requests.range(after + 1..=through.max(after + 1));
        Ok(sums(range.map(|(_, row)| row).filter(|row| row.seq <= through), |row| row.day))
    }

    fn sums(&self, from: u64, to: u64, step: u64) -> Result<Vec<DayRow>, StoreError> {
        Ok(sums(self.rows.requests.values().filter(|row| (from..to).contains(&row.at)), |row| row.at / step))
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let Some(day) = self.rows.days.values().next_back().map(|row| row.day) else { return Ok(None) };
        let through_seq = self.rows.days.values().filter(|row| row.day + 2 >= day).map(|row| row.through_seq).max();
        Ok(through_seq.map(|through_seq| Checkpoint { day, through_seq }))
    }

    fn days(&self, from: u64, through: u64) -> Result<Vec<DayRow>, StoreError> {
        Ok(self.rows.days.values().filter(|row| (from..=through).contains(&row.day)).cloned().collect())
    }

    fn minted(&self, name: &str) -> Result<Option<Minted>, StoreError> {
        Ok(self.rows.minted.get(name).cloned())
    }

    fn overrides(&self) -> Result<Overrides, StoreError> {
        Ok(self.rows.overrides)
    }

    fn outbox(&self) -> Result<OutboxRow, StoreError> {
        Ok(self.rows.outbox)
    }

    fn newest_ended(&self, seq: u64) -> Result<u64, StoreError> {
        Ok(self.rows.requests.range(seq..).filter_map(|(_, row)| row.ended).max().unwrap_or(0))
    }

    fn ended(&self, low: u64, after: u64, limit: u64) -> Result<Vec<RequestRow>, StoreError> {
        let told = |row: &&RequestRow| row.ended.is_some_and(|ended| ended > after && ended <= after + limit);
        Ok(self.rows.requests.range(low..).map(|(_, row)| row).filter(told).take(size(limit)).cloned().collect())
    }

    fn first_untold(&self, low: u64, through: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.rows.requests.range(low..).find(|(_, row)| row.ended.is_none_or(|ended| ended > through)).map(|(seq, _)| *seq))
    }

    fn alerts(&self) -> Result<Vec<AlertRow>, StoreError> {
        Ok(self.rows.alerts.values().rev().copied().collect())
    }

    fn alarm(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.rows.alarm)
    }

    fn holding(&self) -> Result<Option<Holding>, StoreError> {
        Ok(self.rows.holding.clone())
    }

    fn marks(&self) -> Result<Vec<Mark>, StoreError> {
        Ok(self.rows.marks.values().rev().cloned().collect())
    }

    fn used_by(&self, jti: &str) -> Result<Option<String>, StoreError> {
        Ok(self.rows.used.get(jti).map(|used| used.request_id.clone()))
    }

    fn spent_under(&self, id: &str) -> Result<(u64, u64), StoreError> {
        let settled = self.rows.under(id).filter(|row| row.status != Status::Open);
        Ok(settled.fold((0, 0), |(tokens, micro_usd), row| {
            (tokens + row.input.unwrap_or(0) + row.output.unwrap_or(0), micro_usd + row.micro_usd)
        }))
    }

    fn open_under(&self, id: &str) -> Result<Vec<u64>, StoreError> {
        Ok(self.rows.under(id).filter(|row| row.status == Status::Open).map(|row| row.seq).collect())
    }

    fn thread(&self, id: &str) -> Result<Option<ThreadRow>, StoreError> {
        Ok(self.rows.threads.get(id).map(|row| self.rows.newest(row)))
    }

    fn threads(&self, before: Option<(u64, &str)>, limit: u64) -> Result<Vec<ThreadRow>, StoreError> {
        let mut rows: Vec<ThreadRow> = self.rows.threads.values().map(|row| self.rows.newest(row)).collect();
        rows.sort_by(|a, b| (b.last_message_at, &b.id).cmp(&(a.last_message_at, &a.id)));
        rows.retain(|row| before.is_none_or(|before| (row.last_message_at, row.id.as_str()) < before));
        rows.truncate(size(limit));
        Ok(rows)
    }

    fn turns(&self, thread: &str) -> Result<Vec<TurnRow>, StoreError> {
        let row = |((_, turn, piece), row): (&(String, u64, u64), &Piece)| TurnRow { turn: *turn, piece: *piece, body: row.body.clone() };
        Ok(self.rows.turns_of(thread).map(row).collect())
    }

    fn private(&self, calls: &[String], since: u64) -> Result<Vec<String>, StoreError> {
        self.asked_private.set(self.asked_private.get() + 1);
        let has = |row: &&PrivateRow| serde_json::from_str::<Vec<String>>(&row.calls).unwrap().iter().any(|id| calls.contains(id));
        Ok(self.rows.private.values().filter(|row| row.at > since).filter(has).map(|row| row.body.clone()).collect())
    }

    fn private_sizes(&self) -> Result<Vec<PrivateSize>, StoreError> {
        Ok(self.rows.private.values().map(|row| PrivateSize { seq: row.seq, at: row.at, bytes: row.bytes }).collect())
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let fault = std::mem::take(&mut self.fault);
        if fault == Fault::Before {
            return Err(StoreError("fault before".to_owned()));
        }
        for write in writes {
            self.rows.accepts(write).map_err(StoreError)?;
        }
        let written: u64 = writes.iter().map(|write| self.rows.write(write)).sum();
        self.written += written;
        self.commits += 1;
        if fault == Fault::After { Err(StoreError("fault after".to_owned())) } else { Ok(()) }
    }
}

fn sums<'a>(rows: impl Iterator<Item = &'a RequestRow>, day: impl Fn(&RequestRow) -> u64) -> Vec<DayRow> {
    let mut days = BTreeMap::new();
    for row in rows.filter(|row| row.status != Status::Open) {
        let (provider, model) = (row.provider.clone(), row.model_served.clone());
        let fresh = DayRow { day: day(row), provider, model, key_source: row.key_source, ..DayRow::default() };
        let sum: &mut DayRow = days.entry(DayKey::from(&fresh)).or_insert(fresh);
        sum.requests += 1;
        sum.unpriced += u64::from(row.rates.is_none());
        sum.micro_usd += row.micro_usd;
        sum.audio_input += row.audio_input;
        sum.audio_output += row.audio_output;
        sum.input += row.input.unwrap_or(0);
        sum.output += row.output.unwrap_or(0);
        sum.cached_input += row.cached_input;
        sum.cache_write += row.cache_write;
        sum.reasoning += row.reasoning;
    }
    days.into_values().collect()
}

impl Rows {
    /// The requests that count in a token's budgets.
    fn under(&self, id: &str) -> impl Iterator<Item = &RequestRow> {
        self.token_use.iter().filter(move |(of, _)| of == id).filter_map(|(_, seq)| self.requests.get(seq))
    }

    fn write_token(&mut self, write: &TokenWrite) {
        match write {
            TokenWrite::Mark(mark) => drop(self.marks.insert((mark.kind.name(), mark.id.clone()), mark.clone())),
            TokenWrite::ForgetMarks { before } => self.marks.retain(|_, mark| mark.issued >= *before),
            TokenWrite::Used { used, now } => {
                self.used.retain(|_, old| old.until >= *now);
                self.used.entry(used.jti.clone()).or_insert_with(|| used.clone());
            }
            TokenWrite::Counts { id, seq } => drop(self.token_use.insert((id.clone(), *seq))),
        }
    }

    fn turns_of(&self, thread: &str) -> impl DoubleEndedIterator<Item = (&(String, u64, u64), &Piece)> {
        self.turns.range((thread.to_owned(), 0, 0)..=(thread.to_owned(), u64::MAX, u64::MAX))
    }

    /// A thread as of its newest turn.
    fn newest(&self, row: &ThreadRow) -> ThreadRow {
        let newest = self.turns_of(&row.id).next_back();
        newest.map_or_else(|| row.clone(), |((_, turn, _), piece)| row.clone().as_of(*turn, piece.extent))
    }

    /// What `SQLite` would refuse is refused before anything is changed. (Batches here never write one key twice.)
    fn accepts(&self, write: &Write) -> Result<(), String> {
        bindable(write)?;
        let taken = match write {
            Write::InsertRequest(row) => self.requests.contains_key(&row.seq),
            Write::PutTurn { thread, turn, .. } => self.turns.contains_key(&(thread.clone(), *turn, 0)),
            _ => false,
        };
        if taken { Err(format!("UNIQUE constraint failed: {write:?}")) } else { Ok(()) }
    }

    /// Does one write; says how many rows it cost.
    fn write(&mut self, write: &Write) -> u64 {
        match write {
            Write::InsertRequest(row) => drop(self.requests.insert(row.seq, row.as_ref().clone())),
            Write::Progress { seq, usage, reserved_output, reserved_micro_usd } => {
                if let Some(row) = self.requests.get_mut(seq).filter(|row| row.status == Status::Open) {
                    set_usage(row, *usage);
                    (row.reserved_output, row.reserved_micro_usd) = (*reserved_output, *reserved_micro_usd);
                }
            }
            Write::Reroute { seq, served, reserved_output, reserved_micro_usd, max_output, grows_to } => {
                if let Some(row) = self.requests.get_mut(seq).filter(|row| row.status == Status::Open) {
                    row.provider.clone_from(&served.provider);
                    row.model_served.clone_from(&served.model_served);
                    (row.key_source, row.rates) = (served.key_source, served.rates);
                    (row.reserved_output, row.reserved_micro_usd) = (*reserved_output, *reserved_micro_usd);
                    (row.max_output, row.grows_to) = (*max_output, *grows_to);
                }
            }
            Write::Settle(settlement) => self.settle(settlement),
            Write::MarkStored { seq } => self.requests.get_mut(seq).into_iter().for_each(|row| row.stored = true),
            Write::PutDay(day) => drop(self.days.insert(DayKey::from(day), day.clone())),
            Write::PruneRequests { through } => {
                self.requests.retain(|seq, _| seq > through);
                self.token_use.retain(|(_, seq)| seq > through);
            }
            Write::PutThread(row) => drop(self.threads.insert(row.id.clone(), row.clone())),
            Write::PutTurn { thread, turn, extent, pieces } => return self.put_turn((thread, *turn), *extent, pieces),
            Write::TruncateTurns { thread, from } => self.turns.retain(|(id, turn, _), _| id != thread || turn < from),
            Write::DeleteThread { thread } => self.delete_thread(thread),
            Write::PutPrivate(row) => drop(self.private.insert(row.seq, row.clone())),
            Write::ForgetPrivate { through } => self.private.retain(|seq, _| seq > through),
            Write::PutOverrides(overrides) => self.overrides = *overrides,
            Write::PutMinted(row) => {
                self.minted.retain(|_, old| old.expires_at > row.issued_at);
                self.minted.insert(row.name.clone(), row.clone());
            }
            Write::PutOutbox(row) => self.outbox = *row,
            Write::PutAlert(row) => {
                self.alerts.retain(|(budget, span, _), old| *budget != row.budget || *span >= row.span || !old.told);
                self.alerts.insert(row.key(), *row);
            }
            Write::AlertsTold(keys) => {
                for key in keys {
                    if let Some(row) = self.alerts.get_mut(key) {
                        row.told = true;
                    }
                }
                return keys.len() as u64;
            }
            Write::SetAlarm(at) => {
                self.alarm = *at;
                return 0;
            }
            Write::PutHolding(holding) => self.holding = Some((**holding).clone()),
            Write::Token(write) => self.write_token(write),
            Write::Erase => *self = Self::default(),
        }
        1
    }

    fn put_turn(&mut self, (thread, turn): (&str, u64), extent: Extent, pieces: &[String]) -> u64 {
        for (piece, body) in (0..).zip(pieces) {
            self.turns.insert((thread.to_owned(), turn, piece), Piece { extent: Some(extent), body: body.clone() });
        }
        pieces.len() as u64
    }

    fn delete_thread(&mut self, thread: &str) {
        self.threads.remove(thread);
        self.turns.retain(|(id, ..), _| id != thread);
        self.private.retain(|_, row| row.thread.as_deref() != Some(thread));
    }

    fn settle(&mut self, settlement: &Settlement) {
        if let Some(row) = self.requests.get_mut(&settlement.seq).filter(|row| row.status == Status::Open) {
            set_usage(row, settlement.usage);
            row.status = settlement.status;
            row.micro_usd = settlement.micro_usd;
            row.estimated = settlement.estimated;
            row.stored = settlement.stored;
            row.ended = Some(settlement.ended);
            row.settled_at = Some(settlement.settled_at);
            row.ttft_ms = settlement.ttft_ms;
            row.duration_ms = settlement.duration_ms;
        }
    }
}

fn set_usage(row: &mut RequestRow, usage: behest::api::usage::TokenUsage) {
    (row.input, row.output) = (Some(usage.input), Some(usage.output));
    (row.cached_input, row.cache_write, row.reasoning) = (usage.cached_input, usage.cache_write, usage.reasoning);
    (row.audio_input, row.audio_output, row.cache_write_hour) = (usage.audio_input, usage.audio_output, usage.cache_write_hour);
}

/// The statements of the write must have a value per placeholder, and every value must fit the platform.
fn bindable(write: &Write) -> Result<(), String> {
    for (sql, binds) in statements(write) {
        if sql.matches('?').count() != binds.len() {
            return Err(format!("{sql}: {} values", binds.len()));
        }
        for bind in binds {
            match bind {
                Bind::Int(n) if n >= 1 << 53 => return Err(format!("{sql}: {n} is not exact as a float")),
                Bind::Text(text) if text.len() > 2_000_000 => return Err(format!("{sql}: row too big")),
                _ => {}
            }
        }
    }
    Ok(())
}

fn size(limit: u64) -> usize {
    usize::try_from(limit).expect("a limit fits")
}
