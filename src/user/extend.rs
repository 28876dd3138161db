//! A running stream reports what it has used, and a reservation that comes in instalments grows with it.
//!
//! Always holds: an extension passes no budget (the same ceilings as at admission, of the day and month of the request's
//! begin), is in the same row write as the report, and is made once however often it is asked for. A reservation never
//! shrinks here. Absent on purpose: when a stream asks (`crate::meter`), and stopping it (`edge`).

use serde::{Deserialize, Serialize};

use super::budget::{Amount, MIN_INSTALMENT};
use super::charge::plausible;
use super::command::{Limits, Outcome};
use super::pass::Pass;
use super::refusal::Refusal;
use super::store::{Store, StoreError, Write};
use super::today::Today;
use super::{MAX_REQUEST_TOKENS, Open, User};
use crate::api::usage::TokenUsage;
use crate::calendar::next_month;
use crate::error::Result;
use crate::lease::{Ask, Reply};
use crate::zone::Zone;

/// A running stream's last word on its usage. Sending it twice, or late, changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The request.
    pub request_id: String,
    /// A snapshot, as it would be billed (all zero: nothing was seen yet); overwrites the one before unless that had more output.
    pub usage: TokenUsage,
    /// Set if what is held will soon be used up.
    pub extend: Option<Extend>,
    /// The token that the request came with; it travels beside.
    #[serde(skip)]
    pub pass: Option<Pass>,
}

/// A wish to hold another instalment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extend {
    /// Output tokens used so far, counted from above.
    pub used: u64,
    /// Output tokens held, as the Worker knows it: if more is held already, an answer was lost, and nothing is added.
    pub held: u64,
    /// The limits that the request was begun with.
    pub limits: Limits,
}

/// What came of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progressed {
    /// The report was recorded: the request is open.
    pub counted: bool,
    /// Output tokens held now, in all replies.
    pub reserved_output: u64,
    /// Set if more was wanted and nothing more fits: which budget is in the way.
    pub stop: Option<Refusal>,
}

impl User {
    /// Takes a report in. `answer`: what the project said when it was asked for more, and when it was asked (epoch ms).
    pub(super) fn progress(
        &mut self,
        store: &mut impl Store,
        progress: &Progress,
        answer: Option<&(Reply, u64)>,
        now: u64,
    ) -> Result<Outcome> {
        if let Some(outcome) = self.check(store, progress.pass.as_ref())? {
            return Ok(outcome);
        }
        let Some(open) = self.open.get(&progress.request_id).copied() else {
            return Ok(Outcome::Progressed(Progressed { counted: false, reserved_output: 0, stop: None }));
        };
        if let Some((Reply::Lease(lease), asked_at)) = answer {
            self.take_lease(store, lease, *asked_at)?;
        }
        // Two reports may overtake one another, and one of nothing tells of nothing: it only asks whether to go on.
        let reported = Some(plausible(progress.usage)).filter(|usage| *usage != TokenUsage::default());
        let newer = reported.filter(|usage| open.progress.is_none_or(|known| known.output <= usage.output));
        let usage = newer.or(open.progress);
        let (output, mut stop) = match &progress.extend {
            Some(extend) => self.extended(store, &open, usage.unwrap_or_default(), (extend, progress.pass.as_ref()), self.clock(now))?,
            None => (open.output, None),
        };
        if let (Some(extend), Some(Refusal::Quota { scope, .. })) = (&progress.extend, &stop)
            && scope.is_of_project()
        {
            match answer {
                None => return Ok(Outcome::Ask(self.extension(&open, extend, now))),
                Some((Reply::Refused { refusal, .. }, _)) => stop = Some(refusal.clone()),
                Some(_) => {}
            }
        }
        self.record(store, &progress.request_id, &open, usage, output)?;
        Ok(Outcome::Progressed(Progressed { counted: true, reserved_output: output, stop }))
    }

    /// Writes what has changed, in one row.
    fn record(&mut self, store: &mut impl Store, request_id: &str, open: &Open, usage: Option<TokenUsage>, output: u64) -> Result<()> {
        if open.progress == usage && output == open.output {
            return Ok(());
        }
        let micro_usd = open.rates.map_or(0, |rates| rates.most(open.input, output));
        let usage = usage.unwrap_or_default();
        self.commit(store, &[Write::Progress { seq: open.seq, usage, reserved_output: output, reserved_micro_usd: micro_usd }])?;
        if let Some(open) = self.open.get_mut(request_id) {
            (open.progress, open.output, open.micro_usd) = (Some(usage), output, micro_usd);
        }
        Ok(())
    }

    /// What to ask the project for, so that a running request may hold another instalment.
    fn extension(&self, open: &Open, extend: &Extend, now: u64) -> Ask {
        let used = extend.used.min(MAX_REQUEST_TOKENS);
        let least = used.max(open.output) + MIN_INSTALMENT;
        let whole = open.grows_to.unwrap_or(least).max(least);
        let more = |output: u64| {
            let dollars = open.rates.map_or(0, |rates| rates.most(open.input, output));
            (output.saturating_sub(open.output), dollars.saturating_sub(open.micro_usd))
        };
        self.ask_for_more(more(least), more(whole), now)
    }

    /// How many output tokens a request holds after its wish for more, and which budget is in the way if it gets none.
    fn extended(
        &self,
        store: &impl Store,
        open: &Open,
        usage: TokenUsage,
        (extend, pass): (&Extend, Option<&Pass>),
        now: u64,
    ) -> Result<(u64, Option<Refusal>), StoreError> {
        let wanted = open.output == extend.held && !open.due(now);
        let Some(foreseen) = open.grows_to.filter(|_| wanted) else { return Ok((open.output, None)) };
        let used = extend.used.min(MAX_REQUEST_TOKENS);
        let least = used.max(open.output) + MIN_INSTALMENT;
        // A provider may go on past what it was told, or what its model is known to do.
        let mut output = if used > foreseen { least } else { foreseen };
        if output <= open.output {
            return Ok((open.output, None));
        }
        // The provider may have counted more than we did.
        let input = open.input.max(usage.input);
        // Nothing counts as overdue: this does not settle it.
        let mut ceilings = self.ceilings(&extend.limits, Some(&self.holding), &self.day_of(store, open, &extend.limits.zone)?, 0);
        ceilings.extend(self.token_ceilings(store, pass, 0)?);
        for ceiling in ceilings {
            let fits = ceiling.fits(input, open.holds(), open.rates).unwrap_or(0);
            if fits <= open.output {
                return Ok((open.output, Some(ceiling.refusal())));
            }
            let held = Amount { tokens: open.reserved(), micro_usd: open.micro_usd };
            output = output.min(fits).min(ceiling.instalment(open.input, held, open.rates).max(least));
        }
        Ok((output, None))
    }

    /// The day that a running request is of, which may be over.
    pub(super) fn day_of(&self, store: &impl Store, open: &Open, zone: &Zone) -> Result<Today, StoreError> {
        let (day_ends, month_ends) = (zone.reaches(open.day + 1, open.at), zone.reaches(next_month(open.day), open.at));
        Ok(Today { day_ends, month_ends, ..self.day(store, open.day)? })
    }
}
