//! The attempts of one request: at a target again, with another key, at the next target, until one answers or none is left.
//!
//! Always holds: nothing is sent before it is reserved at the prices of who is asked; an attempt that failed after the provider had
//! counted tokens is settled as a request of its own, so that both are recorded; once the client was sent a byte nothing is tried
//! again; a client that leaves ends it all. If all fail, the client is told what the target it asked for said.
//! Absent on purpose: deciding (`crate::routing`), and one attempt (`exchange`).

use std::cell::RefCell;
use std::rc::Rc;

use web_sys::AbortController;
use worker::Context;

use crate::api::chat::ChatRequest;
use crate::auth::api_key::last4;
use crate::config::model::Resolved;
use crate::config::routing::{Routing, TIMEOUT_MS};
use crate::edge::account::Account;
use crate::edge::admission::{Admission, warning};
use crate::edge::answer::{Answer, Facts};
use crate::edge::exchange::{Exchange, Failed, Opened};
use crate::edge::gone::Gone;
use crate::edge::pump::{Deadlines, WHOLE_MS};
use crate::edge::reporting::Reporting;
use crate::edge::settle::{Ended, Settling, Trail};
use crate::edge::{clock, isolate, random};
use crate::error::{Error, Result};
use crate::meter::Seen;
use crate::provider::{Extras, Secret, Target};
use crate::routing::health::{key_of, provider_key};
use crate::routing::{Course, Next, Plan, Why};
use crate::user::command::{Ending, Reservation};

/// A request and its way over the targets.
pub struct Attempts<'a> {
    admission: Admission<'a>,
    context: &'a Context,
    chat: &'a ChatRequest<'a>,
    plan: &'a Plan<'a>,
    gone: Gone,
    course: Course,
    /// What the client is told if nothing helps, and whether a target has said it rather than we.
    told: Option<(Error, bool)>,
}

/// A request that was begun, until it is settled.
struct Begun {
    settling: Settling,
    trail: Rc<RefCell<Trail>>,
    extras: Extras,
    held: Option<(Rc<Account>, Reservation)>,
}

/// One target, ready to be asked.
struct Stop<'a> {
    resolved: &'a Resolved<'a>,
    target: Target,
    /// What its health is known by.
    key: String,
    keys: Option<Keys>,
}

/// The keys of a provider that has several.
struct Keys {
    all: Rc<[Secret]>,
    /// What their turns are known by.
    ring: String,
    tried: Vec<usize>,
}

impl<'a> Attempts<'a> {
    /// Of a request that is planned and not begun.
    pub fn new(admission: Admission<'a>, context: &'a Context, chat: &'a ChatRequest<'a>, plan: &'a Plan<'a>, gone: Gone) -> Self {
        let retries = admission.caller.project.snapshot.settings.routing.retries;
        let course = Course::new(plan.len(), retries, plan.named, admission.inbound.arrived_ms + WHOLE_MS);
        Self { admission, context, chat, plan, gone, course, told: None }
    }

    /// Answers it; `None` if the configuration is too old to say.
    ///
    /// # Errors
    /// The refusal, or what went wrong before anything was sent to the client.
    pub async fn answer(mut self, facts: &mut Facts) -> Result<Option<Answer>> {
        let mut stop = self.stop(&self.plan.first)?;
        name(facts, &stop);
        let Some(mut begun) = self.begin(&stop, facts).await? else { return Ok(None) };
        isolate::with(|i| i.health.sent(&stop.key, clock::now_ms()));
        loop {
            match self.attempt(&stop, &begun).await {
                Ok(opened) => {
                    if self.course.at() > 0 {
                        name(facts, &stop);
                        facts.retain(|(name, _)| *name != "x-behest-warning");
                        facts.extend(self.admission.served(self.chat, stop.resolved).ok().as_ref().and_then(warning));
                    }
                    return opened.deliver(begun.settling, self.gone).await.map(Some);
                }
                Err(failed) => begun = self.recover(&mut stop, begun, failed).await?,
            }
        }
    }

    async fn begin(&self, stop: &Stop<'_>, facts: &mut Facts) -> Result<Option<Begun>> {
        let started = self.admission.begin(self.chat, &stop.target, stop.resolved, facts).await?;
        Ok(started.map(|started| Begun {
            trail: Rc::clone(&started.ticket.trail),
            settling: Settling::open(self.context, started.ticket),
            extras: started.extras,
            held: started.held,
        }))
    }

    async fn attempt(&mut self, stop: &Stop<'_>, begun: &Begun) -> std::result::Result<Opened, Failed> {
        self.course.begun();
        begun.trail.borrow_mut().attempts = self.course.attempts();
        let abort = AbortController::new().map_err(|_| Failed::ours(Error::server("no AbortController")))?;
        let timeout = self.routing().timeout_ms(stop.resolved.provider, &stop.resolved.model);
        let exchange = Exchange {
            chat: self.chat,
            target: &stop.target,
            extras: &begun.extras,
            deadlines: Deadlines { silence_ms: timeout.unwrap_or(TIMEOUT_MS), whole_at_ms: self.admission.inbound.arrived_ms + WHOLE_MS },
            patience_ms: timeout.unwrap_or(WHOLE_MS),
            env: &self.admission.inbound.env,
            allow_private: self.admission.deployment.allow_private,
            gone: self.gone.clone(),
            account: begun.held.as_ref().map(|(account, _)| Rc::clone(account)),
            abort,
        };
        let sent_ms = clock::now_ms();
        let held = begun.held.as_ref().filter(|_| self.chat.stream);
        let opened = exchange.run(held.map(|(account, reservation)| Reporting::of(account, reservation))).await?;
        let now = clock::now_ms();
        let first_ms = matches!(opened, Opened::Stream(..)).then(|| now.saturating_sub(sent_ms));
        isolate::with(|i| i.health.succeeded(&stop.key, first_ms, now));
        Ok(opened)
    }

    /// Does what comes after a failed attempt: then another one may be made.
    async fn recover(&mut self, stop: &mut Stop<'a>, mut begun: Begun, failed: Failed) -> Result<Begun> {
        let (seen, ending) = (failed.seen, ending(failed.failure.why));
        let next = self.judge(stop, &begun, failed);
        let goes_on = match next {
            Next::Over => false,
            Next::OtherKey => stop.take_turn(),
            Next::Again { wait_ms } => self.gone.unless(clock::sleep(wait_ms)).await.is_some(),
            Next::Onward => self.onward(stop, &mut begun, seen.usage.is_some()).await,
        };
        if !goes_on {
            return Err(self.give_up(begun, seen, ending).await);
        }
        if seen.usage.is_none() { Ok(begun) } else { self.begin_again(stop, begun, seen).await }
    }

    /// What comes next, after everybody who should know has heard of the failure.
    fn judge(&mut self, stop: &Stop<'_>, begun: &Begun, failed: Failed) -> Next {
        let (failure, now) = (failed.failure, clock::now_ms());
        let of_key = stop.target.api_key.as_ref().filter(|_| failure.is_of_key());
        let key = of_key.map(|key| format!(" (key …{})", last4(key.expose()))).unwrap_or_default();
        begun.trail.borrow_mut().failed.push(format!("{}/{} {}{key}", stop.target.provider, stop.target.model, failure.name()));
        let theirs = failure.why != Why::Inexpressible;
        let first = self.course.at() == 0 || failure.why == Why::Revoked;
        if first || self.told.as_ref().is_none_or(|(_, theirs)| !theirs) {
            self.told = Some((failed.error, theirs));
        }
        let dice = random::dice();
        isolate::with(|i| {
            if let Some(well) = failure.is_well() {
                i.health.failed(&stop.key, well, now);
            }
            let other_key = stop.keys.as_ref().is_some_and(|keys| {
                let ring = i.health.ring(&keys.ring, now);
                if let Some(key) = keys.tried.last() {
                    ring.failed(*key, failure, now);
                }
                ring.has_other(keys.all.len(), &keys.tried, now)
            });
            self.course.after(&failure, other_key, || i.health.may_retry(&stop.key, now), dice, now)
        })
    }

    /// Finds the next target that can serve, and moves the reservation there. `counted`: this one is settled by itself.
    async fn onward(&mut self, stop: &mut Stop<'a>, begun: &mut Begun, counted: bool) -> bool {
        while let Some(resolved) = self.plan.get(self.course.at()).filter(|_| !self.gone.is_raised()) {
            if let Some(found) = self.able(resolved, &begun.extras)
                && (counted || self.move_to(&found, begun).await)
            {
                isolate::with(|i| i.health.sent(&found.key, clock::now_ms()));
                *stop = found;
                return true;
            }
            if self.course.skip() == Next::Over {
                return false;
            }
        }
        false
    }

    /// The target, if it is well (or the last one) and its dialect can say what the client wants.
    fn able(&self, resolved: &'a Resolved<'a>, extras: &Extras) -> Option<Stop<'a>> {
        let stop = self.stop(resolved).ok()?;
        let well = self.course.is_last() || isolate::with(|i| i.health.would_admit(&stop.key, clock::now_ms()));
        (well && stop.target.kind.dialect().request(self.chat, &stop.target, extras).is_ok()).then_some(stop)
    }

    /// Moves the reservation to another target; false if a budget does not allow it, or its price is not known and has to be.
    async fn move_to(&self, stop: &Stop<'_>, begun: &mut Begun) -> bool {
        let Ok(served) = self.admission.served(self.chat, stop.resolved) else { return false };
        if let Some((account, reservation)) = &mut begun.held {
            let estimate = self.admission.estimate(self.chat, &stop.target);
            let Ok(moved) = account.reroute(served, estimate).await else { return false };
            begun.extras.max_output = self.admission.caller.capabilities().output(moved.max_output);
            *reservation = moved;
        }
        let mut trail = begun.trail.borrow_mut();
        (trail.provider, trail.model) = (stop.target.provider.clone(), stop.target.model.clone());
        true
    }

    /// Settles what the failed attempt has used, and begins the next one as a request of its own.
    async fn begin_again(&mut self, stop: &Stop<'_>, begun: Begun, seen: Seen) -> Result<Begun> {
        let error = self.give_up(begun, seen, Ending::Failed).await;
        self.admission.request_id = format!("{}.{}", self.admission.inbound.request_id, self.course.attempts() + 1);
        // The headers are those of the first.
        let begun = self.begin(stop, &mut Facts::new()).await;
        begun.ok().flatten().ok_or(error)
    }

    /// Settles a request that failed before anything was sent to the client. Answers what the client is told.
    async fn give_up(&self, begun: Begun, seen: Seen, ending: Ending) -> Error {
        let error = self.told.as_ref().map_or_else(|| Error::server("an attempt failed without a word"), |(error, _)| error.clone());
        let ended = Ended::unspoken(ending, seen, Some(error.clone()));
        // The client learns of the provider's failure, not of ours in its wake; the log has both.
        let _ = begun.settling.settle(ended).await;
        error
    }

    fn stop(&self, resolved: &'a Resolved<'a>) -> Result<Stop<'a>> {
        let (caller, deployment) = (self.admission.caller, self.admission.deployment);
        let project_id = &caller.project.snapshot.project.id;
        let keys = caller.project.keys(deployment, resolved)?;
        let keys = keys.map(|all| Keys { all, ring: provider_key(project_id, resolved), tried: Vec::new() });
        let target = caller.project.target(deployment, resolved)?;
        let mut stop = Stop { resolved, target, key: key_of(project_id, resolved), keys };
        stop.take_turn();
        Ok(stop)
    }

    fn routing(&self) -> &Routing {
        &self.admission.caller.project.snapshot.settings.routing
    }
}

impl Stop<'_> {
    /// Takes the key whose turn it is; false if there is none that was not tried.
    fn take_turn(&mut self) -> bool {
        let Some(keys) = &mut self.keys else { return false };
        let now = clock::now_ms();
        let picked = isolate::with(|i| i.health.ring(&keys.ring, now).pick(keys.all.len(), &keys.tried, now));
        let Some((number, key)) = picked.and_then(|number| Some((number, keys.all.get(number)?))) else { return false };
        self.target.api_key = Some(key.clone());
        keys.tried.push(number);
        true
    }
}

/// How a request is over if nothing comes after this. What the provider was asked before the gateway or the client ended it is charged.
const fn ending(why: Why) -> Ending {
    match why {
        Why::Gone => Ending::Cancelled,
        Why::Revoked => Ending::Stopped,
        _ => Ending::Failed,
    }
}

/// Names who serves the request, in place of whom was named before.
fn name(facts: &mut Facts, stop: &Stop<'_>) {
    facts.retain(|(name, _)| !matches!(*name, "x-behest-provider" | "x-behest-model"));
    facts.push(("x-behest-provider", stop.target.provider.clone()));
    facts.push(("x-behest-model", stop.resolved.served_model().to_owned()));
}
