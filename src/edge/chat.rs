//! `POST /v1/chat/completions`: the straight line of a chat request. Every decision is a call into the pure zone.
//!
//! Always holds: once `begin` has admitted a request, its ticket is settled exactly once, whatever happens.

use serde_json::value::RawValue;
use web_sys::AbortController;
use worker::Context;

use crate::api::chat::ChatRequest;
use crate::api::estimate::text_tokens;
use crate::catalog;
use crate::config::model::{self, Resolved};
use crate::config::price;
use crate::edge::answer::{Answer, Facts};
use crate::edge::caller::{Caller, header_id};
use crate::edge::deployment::Deployment;
use crate::edge::exchange::Exchange;
use crate::edge::gone::Gone;
use crate::edge::inbound::{Inbound, MAX_BODY};
use crate::edge::objects;
use crate::edge::pump::WHOLE_MS;
use crate::edge::reporting::Reporting;
use crate::edge::settle::{Settling, Ticket, Turn};
use crate::error::{Error, Result};
use crate::provider::{Extras, Kind, Target};
use crate::user::command::{Begin, BeginThread, Begun, Estimate};
use crate::user::store::KeySource;
use crate::user::{Command, Outcome};

/// A reservation outlives the longest answer by this, in ms, before the alarm settles it.
const RESERVATION_SLACK_MS: u64 = 60_000;
/// What the ledger calls the model of a request that names none.
const DEFAULT_MODEL: &str = "default";

/// What admitting a request needs.
struct Admission<'a> {
    inbound: &'a Inbound,
    deployment: &'a Deployment,
    caller: &'a Caller,
}

/// Serves the route. `facts` are headers that belong to the answer even if it is an error.
pub async fn serve(
    inbound: &mut Inbound,
    context: &Context,
    deployment: &Deployment,
    caller: &Caller,
    facts: &mut Facts,
) -> Result<Answer> {
    let bytes = inbound.body(MAX_BODY).await?;
    let chat = ChatRequest::parse(&bytes)?;
    let known = facts.len();
    if let Some(answer) = exchange(inbound, context, deployment, caller, &chat, facts).await? {
        return Ok(answer);
    }
    // The user's object knows of a newer configuration than this isolate and KV do.
    facts.truncate(known);
    let caller = caller.refreshed(inbound).await?;
    let answer = exchange(inbound, context, deployment, &caller, &chat, facts).await?;
    answer.ok_or_else(|| Error::server("the configuration changes faster than it can be read"))
}

/// One try; `None` if the configuration is too old to say.
async fn exchange(
    inbound: &Inbound,
    context: &Context,
    deployment: &Deployment,
    caller: &Caller,
    chat: &ChatRequest<'_>,
    facts: &mut Facts,
) -> Result<Option<Answer>> {
    let session = header_id(inbound, "x-session-id")?.unwrap_or_else(|| caller.principal.claims.sid.clone());
    let thread = header_id(inbound, "x-thread-id")?;
    facts.push(("x-session-id", session.clone()));
    facts.extend(thread.clone().map(|id| ("x-thread-id", id)));
    let resolved = model::resolve(&caller.project.snapshot, chat.model.as_deref())?;
    let target = caller.project.target(deployment, &resolved)?;
    facts.push(("x-behest-provider", target.provider.clone()));
    facts.push(("x-behest-model", resolved.served_model().to_owned()));
    let admission = Admission { inbound, deployment, caller };
    let thread = thread.filter(|_| caller.project.snapshot.settings.memory.enabled);
    let abort = AbortController::new().map_err(|_| Error::server("no AbortController"))?;
    let Some(Started { ticket, extras, reporting }) = admission.begin(chat, &target, &resolved, session, thread, facts).await? else {
        return Ok(None);
    };
    let exchange = Exchange {
        chat,
        target: &target,
        extras: &extras,
        dialect: target.kind.dialect(),
        routing: &caller.project.snapshot.settings.routing,
        allow_private: deployment.allow_private,
        arrived_ms: inbound.arrived_ms,
        gone: Gone::of(&inbound.request),
        abort,
        reporting,
    };
    exchange.answer(Settling::open(context, ticket)).await.map(Some)
}

/// A request that may go upstream.
struct Started {
    ticket: Ticket,
    extras: Extras,
    reporting: Option<Reporting>,
}

impl Admission<'_> {
    /// The one hop before the provider: admits, reserves, and brings the thread's history.
    async fn begin(
        &self,
        chat: &ChatRequest<'_>,
        target: &Target,
        resolved: &Resolved<'_>,
        session: String,
        thread: Option<String>,
        facts: &mut Facts,
    ) -> Result<Option<Started>> {
        let settings = &self.caller.project.snapshot.settings;
        let estimate = estimate(chat, target, settings.system_prompt.as_deref());
        let mut ticket = self.ticket(target, estimate.input);
        let mut extras = Extras {
            prepend: Vec::new(),
            system_prompt: settings.system_prompt.clone(),
            max_output: None,
            now_s: self.inbound.arrived_ms / 1000,
            private: Vec::new(),
        };
        if self.deployment.unmetered {
            return Ok(Some(Started { ticket, extras, reporting: None }));
        }
        let rates = price::rates(settings, resolved)?;
        facts.extend(rates.is_none().then(|| ("x-behest-warning", price::UNPRICED.to_owned())));
        let thread = thread.map(|id| BeginThread { id, messages: messages(chat), window_tokens: self.window(&estimate, target) });
        let command = Begin {
            request_id: self.inbound.request_id.clone(),
            session_id: session,
            thread,
            model: chat.model.as_deref().unwrap_or(DEFAULT_MODEL).to_owned(),
            model_served: resolved.served_model().to_owned(),
            provider: target.provider.clone(),
            key_source: if target.kind == Kind::Demo { KeySource::Platform } else { KeySource::Byok },
            rates,
            limits: self.caller.limits(),
            estimate,
            project: self.caller.terms(),
            stream: chat.stream,
            thresholds: self.caller.thresholds().to_vec(),
            ttl_ms: WHOLE_MS + RESERVATION_SLACK_MS,
            roll_up_ms: self.deployment.roll_up_ms,
        };
        let limits = command.limits;
        let thread_id = command.thread.as_ref().map(|thread| thread.id.clone());
        let Some(begun) = self.admit(command, facts).await? else { return Ok(None) };
        ticket.input_estimate = begun.reservation.input;
        extras.prepend = begun.prepend;
        extras.max_output = begun.reservation.max_output;
        ticket.seq = Some(begun.reservation.seq);
        ticket.turn = thread_id.zip(begun.base).map(|(id, base)| Turn { id, base, messages: messages(chat) });
        let reporting = chat.stream.then(|| Reporting::of(&ticket, &begun.reservation, limits));
        Ok(Some(Started { ticket, extras, reporting }))
    }

    async fn admit(&self, command: Begin, facts: &mut Facts) -> Result<Option<Begun>> {
        let (outcome, rows) =
            objects::user(&self.inbound.env, self.caller.project_id(), self.caller.uid(), &Command::Begin(command)).await?;
        self.inbound.costs.object_call(rows);
        match outcome {
            Outcome::Begun(mut begun) => {
                facts.extend(self.caller.limit_headers(std::mem::take(&mut begun.rate)));
                Ok(Some(begun))
            }
            Outcome::Refused(refused) => {
                facts.extend(self.caller.limit_headers(refused.rate));
                Err(refused.refusal.error())
            }
            Outcome::Stale { .. } => Ok(None),
            _ => Err(Error::server("the user object answered something else")),
        }
    }

    fn ticket(&self, target: &Target, input_estimate: u64) -> Ticket {
        Ticket {
            env: self.inbound.env.clone(),
            project_id: self.caller.project_id().to_owned(),
            uid: self.caller.uid().to_owned(),
            request_id: self.inbound.request_id.clone(),
            provider: target.provider.clone(),
            model: target.model.clone(),
            seq: None,
            input_estimate,
            watch: self.caller.watch(),
            turn: None,
            arrived_ms: self.inbound.arrived_ms,
            costs: self.inbound.costs.clone(),
        }
    }

    /// Tokens of history that fit: the model's context less prompt and reply, or what the project says.
    fn window(&self, estimate: &Estimate, target: &Target) -> u64 {
        let (context, _) = catalog::limits(target.kind.name(), &target.model);
        let fits = context
            .saturating_sub(estimate.input)
            .saturating_sub(estimate.output.unwrap_or(estimate.output_default) / estimate.choices.max(1));
        self.caller.project.snapshot.settings.memory.window.map_or(fits, |window| fits.min(window.get()))
    }
}

/// What the request may cost at most, in tokens.
fn estimate(chat: &ChatRequest<'_>, target: &Target, system_prompt: Option<&str>) -> Estimate {
    let (_, max_output) = catalog::limits(target.kind.name(), &target.model);
    Estimate {
        input: chat.prompt_tokens_estimate() + system_prompt.map_or(0, |prompt| text_tokens(prompt.len())),
        output: chat.max_output.map(|max| max.saturating_mul(chat.n)),
        output_default: max_output.saturating_mul(chat.n),
        choices: chat.n,
    }
}

/// The client's messages, bytes as they are.
fn messages(chat: &ChatRequest<'_>) -> Vec<Box<RawValue>> {
    chat.messages.iter().map(|message| message.raw.to_owned()).collect()
}
