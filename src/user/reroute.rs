//! A request that failed at one target goes on at another: its reservation moves there, at that one's prices.
//!
//! Always holds: it holds no more tokens than at its admission (a model that may say more is told so), and more dollars only if
//! every budget allows it: the same ceilings as an extension's. The row names who is asked now, so that whoever settles it charges
//! the prices of who served. What was reported before is not moved: such an attempt is settled by itself.
//! Absent on purpose: which targets there are (`crate::routing`), and when to go on (`edge`).

use serde::{Deserialize, Serialize};

use super::budget::Ceiling;
use super::command::{Estimate, Limits, Outcome, Refused, Reservation};
use super::pass::Pass;
use super::refusal::Refusal;
use super::store::{KeySource, Store, StoreError, Write};
use super::{MAX_REQUEST_TOKENS, Open, User};
use crate::error::{Error, Result};
use crate::lease::{Ask, Reply};
use crate::price::Rates;

/// Who serves a request, and at what prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The provider asked.
    pub provider: String,
    /// The model asked of it.
    pub model_served: String,
    /// Whose credential.
    pub key_source: KeySource,
    /// What the model costs, if that is known.
    pub rates: Option<Rates>,
}

/// Another target for an open request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reroute {
    /// The request.
    pub request_id: String,
    /// Who is asked now.
    pub served: Served,
    /// What may be used there; the input stays what it was.
    pub estimate: Estimate,
    /// The limits that the request was begun with.
    pub limits: Limits,
    /// The token that it came with; it travels beside.
    #[serde(skip)]
    pub pass: Option<Pass>,
}

/// What a request holds at its new target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moved {
    output: u64,
    micro_usd: u64,
    max_output: Option<u64>,
    grows_to: Option<u64>,
}

impl User {
    /// Moves a reservation. `answer`: what the project said when it was asked for more, and when it was asked (epoch ms).
    pub(super) fn reroute(
        &mut self,
        store: &mut impl Store,
        reroute: &Reroute,
        answer: Option<&(Reply, u64)>,
        now: u64,
    ) -> Result<Outcome> {
        if let Some(outcome) = self.check(store, reroute.pass.as_ref())? {
            return Ok(outcome);
        }
        let open = self.open.get(&reroute.request_id).copied();
        let open = open.filter(|open| open.progress.is_none() && !open.due(self.clock(now)));
        let open = open.ok_or_else(|| Error::server("a request that is to be tried elsewhere is not open, or has reported usage"))?;
        if let Some((Reply::Lease(lease), asked_at)) = answer {
            self.take_lease(store, lease, *asked_at)?;
        }
        let refusal = match self.moved(store, &open, reroute)? {
            Ok(moved) => return self.go(store, reroute, &open, moved),
            Err(refusal) => refusal,
        };
        if answer.is_none() && matches!(&refusal, Refusal::Quota { scope, .. } if scope.is_of_project()) {
            return Ok(Outcome::Ask(self.ask_for_dollars(&open, reroute, now)));
        }
        let refusal = match answer {
            Some((Reply::Refused { refusal, .. }, _)) => refusal.clone(),
            _ => refusal,
        };
        Ok(Outcome::Refused(Refused { refusal, rate: self.snapshot(&reroute.limits, self.room(now), now) }))
    }

    /// What it would hold there, or which budget is in the way.
    fn moved(&self, store: &impl Store, open: &Open, reroute: &Reroute) -> Result<Result<Moved, Refusal>, StoreError> {
        let (estimate, rates) = (reroute.estimate, reroute.served.rates);
        let named = estimate.output.is_some();
        let choices = estimate.choices.max(1);
        // The most that the model may say, and the most that was foreseen at admission.
        let whole = estimate.output.unwrap_or(estimate.output_default).min(MAX_REQUEST_TOKENS);
        let mut most = whole.min(open.grows_to.unwrap_or(open.output));
        let mut output = open.output.min(most);
        let cost = |output| rates.map_or(0, |rates: Rates| rates.most(open.input, output));
        if cost(most) > open.micro_usd {
            let today = self.day_of(store, open, &reroute.limits.zone)?;
            let mut ceilings = self.ceilings(&reroute.limits, Some(&self.holding), &today, 0);
            ceilings.extend(self.token_ceilings(store, reroute.pass.as_ref(), 0)?);
            for ceiling in ceilings.iter().filter(|ceiling| ceiling.whose.is_usd()) {
                let fits = ceiling.fits(open.input, open.holds(), rates);
                let each = fits.map(|fits| fits / choices).filter(|each| *each > 0);
                if fits.is_none_or(|fits| fits < output) && (named || each.is_none()) {
                    return Ok(Err(Ceiling::refusal(ceiling)));
                }
                let fits = fits.unwrap_or(0) / choices * choices;
                output = output.min(fits);
                if !(named || ceiling.leased && open.grows_to.is_some()) {
                    most = most.min(fits);
                }
            }
        }
        let max_output = (!named && most < whole).then_some(most / choices);
        Ok(Ok(Moved { output, micro_usd: cost(output), max_output, grows_to: open.grows_to.map(|_| most) }))
    }

    fn go(&mut self, store: &mut impl Store, reroute: &Reroute, open: &Open, moved: Moved) -> Result<Outcome> {
        let Moved { output, micro_usd, max_output, grows_to } = moved;
        let served = Box::new(reroute.served.clone());
        self.commit(
            store,
            &[Write::Reroute { seq: open.seq, served, reserved_output: output, reserved_micro_usd: micro_usd, max_output, grows_to }],
        )?;
        let open = Open { output, micro_usd, max_output, grows_to, rates: reroute.served.rates, ..*open };
        self.open.insert(reroute.request_id.clone(), open);
        Ok(Outcome::Rerouted(Reservation {
            seq: open.seq,
            reserved: open.reserved(),
            reserved_micro_usd: micro_usd,
            input: open.input,
            max_output,
            grows_to,
        }))
    }

    /// What to ask the project for: the dollars that it costs more there.
    fn ask_for_dollars(&self, open: &Open, reroute: &Reroute, now: u64) -> Ask {
        let more = |output: u64| {
            let dollars = reroute.served.rates.map_or(0, |rates| rates.most(open.input, output));
            (0, dollars.saturating_sub(open.micro_usd))
        };
        self.ask_for_more(more(open.output), more(open.grows_to.unwrap_or(open.output)), now)
    }
}
