//! Admission: the token, rate, concurrency, requests of the day, then thread, then budgets, then the project's lease, then one row.
//!
//! Always holds: a refused request writes nothing and costs nothing; a repeated one gets the reservation it already has.
//! Absent on purpose: anything about the thread's content (`history`).

use super::budget::{Claim, Grant};
use super::command::{Begin, Begun, Outcome, Refused, Reservation};
use super::history::{self, History};
use super::holding::Holding;
use super::pass::use_up;
use super::refusal::Refusal;
use super::store::{RequestRow, Status, Store, Write};
use super::token_budget::counted;
use super::{MAX_REQUEST_TOKENS, Open, User};
use crate::calendar::DAY_MS;
use crate::error::{Code, Error, Result};
use crate::lease::Reply;
use crate::lease::holder::RUN_MS;

/// An alarm this long overdue was lost.
const ALARM_LOST_MS: u64 = 3_600_000;

/// What a user is told to wait for when the project's answer came too late for it, ms.
const BUSY_MS: u64 = 1_000;

/// What the project's limits say of a request.
enum Leased {
    /// It may be admitted, and then this is what is held.
    Covered(Option<Box<Holding>>, Grant),
    /// Something has to be done first.
    Not(Box<Outcome>),
    /// It may not be admitted.
    Refused(Refusal),
}

impl User {
    pub(super) fn begin(&mut self, store: &mut impl Store, begin: &Begin, answer: Option<&(Reply, u64)>, now: u64) -> Result<Outcome> {
        if let Some(outcome) = self.check(store, begin.pass.as_ref())? {
            return Ok(outcome);
        }
        if let Some(open) = self.open.get(&begin.request_id).copied() {
            let history = history::read(store, begin, self.clock(now))?;
            return Ok(self.begun(begin, &open, history, now));
        }
        if self.seen(&begin.request_id) {
            return Err(Error::new(Code::Conflict, "This request was already begun and has ended."));
        }
        let at = self.clock(now);
        let limits = &begin.limits;
        let too_many =
            self.rate_refusal(limits, at).or_else(|| self.concurrency_refusal(limits, at)).or_else(|| self.request_refusal(limits));
        if let Some(refusal) = too_many {
            return self.refused(store, begin, refusal, None, now);
        }
        let history = history::read(store, begin, at)?;
        let input = begin.estimate.input.saturating_add(history.tokens).min(MAX_REQUEST_TOKENS);
        let claim = Claim { begin, input, tokens: self.token_ceilings(store, begin.pass.as_ref(), at)? };
        let grant = match self.grant(&claim, None, at) {
            Ok(grant) => grant,
            Err(refusal) => return self.refused(store, begin, refusal, None, now),
        };
        let (holding, grant) = match self.lease(store, &claim, answer, grant, at)? {
            Leased::Covered(holding, grant) => (holding, grant),
            Leased::Not(outcome) => return Ok(*outcome),
            Leased::Refused(refusal) => return self.refused(store, begin, refusal, answer, now),
        };
        self.write(store, begin, grant, holding, at)?;
        let open = self.open.get(&begin.request_id).copied().ok_or_else(|| Error::server("user: an admitted request is not open"))?;
        Ok(self.begun(begin, &open, history, now))
    }

    /// Whether the project's limits cover the request, by what is held of them or by what the project has just said.
    fn lease(&mut self, store: &mut impl Store, claim: &Claim<'_>, answer: Option<&(Reply, u64)>, grant: Grant, at: u64) -> Result<Leased> {
        let (begin, input) = (claim.begin, claim.input);
        let version = begin.project.version;
        let (holding, refusal) = match answer {
            None => (None, None),
            Some((Reply::Lease(lease), asked_at)) => (Some(self.holding_for(lease, *asked_at, begin, input, &grant)), None),
            Some((Reply::Refused { version, refusal, .. }, _)) => (Some(self.holding_told(*version)), Some(refusal.clone())),
            Some((Reply::Outlived { epoch }, _)) => {
                self.outlive(store, *epoch)?;
                return Ok(Leased::Refused(Refusal::Busy { retry_after_ms: BUSY_MS }));
            }
            Some((Reply::Noted, _)) => (None, Some(Refusal::Busy { retry_after_ms: BUSY_MS })),
        };
        let known = holding.as_ref().unwrap_or(&self.holding);
        if known.version > version {
            return Ok(Leased::Not(Box::new(Outcome::Stale { version: known.version })));
        }
        if let Some(refusal) = refusal {
            return Ok(Leased::Refused(refusal));
        }
        if !begin.project.leased || self.is_covered(known, version, &grant, at) {
            return Ok(Leased::Covered(holding.map(Box::new), grant));
        }
        if answer.is_some() {
            // It may be that only a part of the whole was given, and that a part will do.
            let lowered = self.grant(claim, Some(known), at).ok().filter(|grant| self.is_covered(known, version, grant, at));
            return Ok(lowered.map_or(Leased::Refused(Refusal::Busy { retry_after_ms: BUSY_MS }), |grant| {
                Leased::Covered(holding.map(Box::new), grant)
            }));
        }
        Ok(Leased::Not(Box::new(Outcome::Ask(self.ask(store, begin, input, &grant, at)?))))
    }

    /// Writes the request's row, and with it the expiry of what is overdue: the budget it takes may be theirs.
    fn write(&mut self, store: &mut impl Store, begin: &Begin, grant: Grant, holding: Option<Box<Holding>>, at: u64) -> Result<()> {
        let row = RequestRow { day: self.today.day, ..row(begin, grant, self.newest_seq + 1, at) };
        let due = self.due(at);
        let alarm = self.alarm_by(at + begin.roll_up_ms, at);
        let mut writes: Vec<Write> = due.iter().map(|(_, settlement)| Write::Settle(settlement.clone())).collect();
        writes.push(Write::InsertRequest(Box::new(row.clone())));
        writes.extend(counted(begin.pass.as_ref(), row.seq));
        writes.extend(begin.pass.as_ref().and_then(|pass| use_up(pass, at)));
        writes.extend(alarm.map(|at| Write::SetAlarm(Some(at))));
        let holding = holding.filter(|holding| **holding != self.holding);
        writes.extend(holding.clone().map(Write::PutHolding));
        let alerts = self.alerts(&begin.limits, &begin.thresholds, &self.charges(&due), (&self.today, at), at);
        writes.extend_from_slice(&alerts);
        self.commit(store, &writes)?;
        for (request_id, settlement) in &due {
            self.settled(request_id, settlement.usage);
        }
        self.admitted(&row);
        self.alarm = alarm.or(self.alarm);
        if let Some(holding) = holding {
            self.holding = *holding;
        }
        self.alerted(&alerts);
        Ok(())
    }

    /// Set if an alarm has to be set: none is pending soon enough to tell the project of this request, or the one that was
    /// has been lost. So whoever finishes need not set any, and a user who goes on sets one per alarm.
    pub(super) fn alarm_by(&self, latest: u64, now: u64) -> Option<u64> {
        let pending = self.alarm.is_some_and(|alarm| alarm <= latest && alarm + ALARM_LOST_MS >= now);
        if pending { None } else { Some(latest) }
    }

    fn begun(&self, begin: &Begin, open: &Open, history: History, now: u64) -> Outcome {
        let reservation = Reservation {
            seq: open.seq,
            reserved: open.reserved(),
            reserved_micro_usd: open.micro_usd,
            input: open.input,
            max_output: open.max_output,
            grows_to: open.grows_to,
        };
        let rate = self.snapshot(&begin.limits, self.room(now), now);
        let History { prepend, private, base, .. } = history;
        Outcome::Begun(Begun { reservation, prepend, private, base, rate })
    }

    /// Writes nothing, unless a limit was lowered below what is spent: nobody may be admitted any more who could tell of it.
    fn refused(
        &mut self,
        store: &mut impl Store,
        begin: &Begin,
        refusal: Refusal,
        answer: Option<&(Reply, u64)>,
        now: u64,
    ) -> Result<Outcome> {
        let at = self.clock(now);
        let alerts = self.alerts(&begin.limits, &begin.thresholds, &[], (&self.today, at), at);
        if !alerts.is_empty() {
            self.commit(store, &alerts)?;
            self.alerted(&alerts);
        }
        let room = match answer {
            Some((Reply::Refused { room, .. }, _)) => Some(room),
            _ => self.room(now),
        };
        Ok(Outcome::Refused(Refused { refusal, rate: self.snapshot(&begin.limits, room, now) }))
    }
}

fn row(begin: &Begin, grant: Grant, seq: u64, at: u64) -> RequestRow {
    RequestRow {
        seq,
        request_id: begin.request_id.clone(),
        session_id: begin.session_id.clone(),
        thread_id: begin.thread.as_ref().map(|thread| thread.id.clone()),
        model: begin.model.clone(),
        model_served: begin.model_served.clone(),
        provider: begin.provider.clone(),
        key_source: begin.key_source,
        rates: begin.rates,
        at,
        day: 0,
        // Never longer than a day, so that the day totals' checkpoint cannot be held up; and a place that was leased is
        // free when the project thinks so.
        deadline: at + begin.ttl_ms.min(if begin.project.leased { RUN_MS } else { DAY_MS }),
        reserved_input: grant.input,
        reserved_output: grant.output,
        reserved_micro_usd: grant.micro_usd,
        max_output: grant.max_output,
        grows_to: grant.grows_to,
        status: Status::Open,
        input: None,
        output: None,
        cached_input: 0,
        cache_write: 0,
        cache_write_hour: 0,
        reasoning: 0,
        audio_input: 0,
        audio_output: 0,
        micro_usd: 0,
        estimated: false,
        stored: false,
        ended: None,
        settled_at: None,
        ttft_ms: None,
        duration_ms: None,
    }
}
