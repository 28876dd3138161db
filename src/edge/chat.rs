//! `POST /v1/chat/completions`: the straight line of a chat request. Every decision is a call into the pure zone.
//!
//! Always holds: once `begin` has admitted a request, its ticket is settled exactly once, whatever happens.

use serde_json::value::RawValue;
use web_sys::AbortController;
use worker::Context;

use crate::api::chat::ChatRequest;
use crate::api::estimate::text_tokens;
use crate::api::ratelimit;
use crate::catalog;
use crate::config::model::{self, Resolved};
use crate::config::number::Count;
use crate::edge::answer::{Answer, Facts};
use crate::edge::caller::{Caller, header_id};
use crate::edge::deployment::Deployment;
use crate::edge::gone::Gone;
use crate::edge::inbound::{Inbound, MAX_BODY};
use crate::edge::pump::{Deadlines, Pump, WHOLE_MS, client_closed};
use crate::edge::settle::{Ended, Settling, Ticket, Turn};
use crate::edge::source::Source;
use crate::edge::{body, clock, objects, upstream};
use crate::error::{Code, Error, Result};
use crate::price::Rates;
use crate::provider::{Call, Dialect, Extras, Kind, Target};
use crate::user::command::{Begin, BeginThread, Begun, Ending, Estimate};
use crate::user::store::KeySource;
use crate::user::{Command, Outcome};

/// A reservation outlives the longest answer by this, in ms, before the alarm settles it.
const RESERVATION_SLACK_MS: u64 = 60_000;
/// What the ledger calls the model of a request that names none.
const DEFAULT_MODEL: &str = "default";
/// The largest answer that is read whole.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// The largest error body of a provider that is read.
const MAX_FAILURE: usize = 64 * 1024;

/// What stays the same through one request.
struct Line<'a> {
    inbound: &'a Inbound,
    deployment: &'a Deployment,
    caller: &'a Caller,
    gone: Gone,
    abort: AbortController,
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
    let session = header_id(inbound, "x-session-id")?.unwrap_or_else(|| caller.principal.claims.sid.clone());
    let thread = header_id(inbound, "x-thread-id")?;
    facts.push(("x-session-id", session.clone()));
    facts.extend(thread.clone().map(|id| ("x-thread-id", id)));
    let resolved = model::resolve(&caller.project.snapshot, chat.model.as_deref())?;
    let target = caller.project.target(deployment, &resolved)?;
    facts.push(("x-behest-provider", target.provider.clone()));
    facts.push(("x-behest-model", resolved.served_model().to_owned()));
    let abort = AbortController::new().map_err(|_| Error::server("no AbortController"))?;
    let line = Line { inbound, deployment, caller, gone: Gone::of(&inbound.request), abort };
    let thread = thread.filter(|_| caller.project.snapshot.settings.memory.enabled);
    let (ticket, extras) = line.begin(&chat, &target, &resolved, session, thread, facts).await?;
    line.send(&chat, &target, &extras, Settling::open(context, ticket)).await
}

impl Line<'_> {
    /// The one hop before the provider: admits, reserves, and brings the thread's history.
    async fn begin(
        &self,
        chat: &ChatRequest<'_>,
        target: &Target,
        resolved: &Resolved<'_>,
        session: String,
        thread: Option<String>,
        facts: &mut Facts,
    ) -> Result<(Ticket, Extras)> {
        let settings = &self.caller.project.snapshot.settings;
        let estimate = estimate(chat, target, settings.system_prompt.as_deref());
        let mut ticket = self.ticket(target, estimate.input);
        let mut extras = Extras {
            prepend: Vec::new(),
            system_prompt: settings.system_prompt.clone(),
            max_output: None,
            now_s: self.inbound.arrived_ms / 1000,
        };
        if self.deployment.unmetered {
            return Ok((ticket, extras));
        }
        let thread = thread.map(|id| BeginThread { id, messages: messages(chat), window_tokens: self.window(&estimate, target) });
        let command = Begin {
            request_id: self.inbound.request_id.clone(),
            session_id: session,
            thread,
            model: chat.model.as_deref().unwrap_or(DEFAULT_MODEL).to_owned(),
            model_served: resolved.served_model().to_owned(),
            provider: target.provider.clone(),
            key_source: if target.kind == Kind::Demo { KeySource::Platform } else { KeySource::Byok },
            rates: catalog::find(target.kind.name(), &target.model).as_ref().and_then(Rates::of),
            limits: self.caller.limits(),
            estimate,
            ttl_ms: WHOLE_MS + RESERVATION_SLACK_MS,
        };
        let thread_id = command.thread.as_ref().map(|thread| thread.id.clone());
        let begun = self.admit(command, facts).await?;
        ticket.input_estimate = begun.reservation.input;
        extras.prepend = begun.prepend;
        extras.max_output = begun.reservation.max_output;
        ticket.seq = Some(begun.reservation.seq);
        ticket.turn = thread_id.zip(begun.base).map(|(id, base)| Turn { id, base, messages: messages(chat) });
        Ok((ticket, extras))
    }

    async fn admit(&self, command: Begin, facts: &mut Facts) -> Result<Begun> {
        let (outcome, rows) =
            objects::user(&self.inbound.env, self.caller.project_id(), self.caller.uid(), &Command::Begin(command)).await?;
        self.inbound.costs.object_call(rows);
        match outcome {
            Outcome::Begun(begun) => {
                facts.extend(ratelimit::headers(&begun.rate));
                Ok(begun)
            }
            Outcome::Refused(refused) => {
                facts.extend(ratelimit::headers(&refused.rate));
                Err(refused.refusal.error())
            }
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

    /// Sends the request and answers with what comes back. From here on every end is settled.
    async fn send(&self, chat: &ChatRequest<'_>, target: &Target, extras: &Extras, settling: Settling) -> Result<Answer> {
        let dialect = target.kind.dialect();
        let timeout = self.caller.project.snapshot.settings.routing.silence_ms();
        let received = async {
            let call = dialect.request(chat, target, extras)?;
            self.gone.unless(self.call(call, target, dialect, timeout, chat.stream)).await.ok_or_else(client_closed)?
        };
        let source = match received.await {
            Ok(source) => source,
            Err(error) => return self.failed(settling, error).await,
        };
        if chat.stream {
            self.stream(source, chat, target, dialect, settling, timeout).await
        } else {
            self.whole(source, target, dialect, settling).await
        }
    }

    /// The answer's body, if its status is 200.
    async fn call(&self, call: Call, target: &Target, dialect: &dyn Dialect, timeout: u64, stream: bool) -> Result<Source> {
        let mut is_document = false;
        let (status, retry_after_ms, mut source) = match call {
            Call::Demo(script) => (script.status, script.retry_after_ms, Source::demo(script)),
            Call::Http(outbound) => {
                // An answer that is not streamed begins only when it is complete.
                let deadline = if stream { timeout } else { self.patience() };
                let received = upstream::send(&outbound, self.deployment.allow_private, &self.abort, deadline).await?;
                is_document = received.is_document;
                (received.status, received.retry_after_ms, Source::upstream(received.body))
            }
        };
        if status != 200 {
            // A failure whose words do not arrive is still that failure.
            let body = read_whole(&mut source, MAX_FAILURE, timeout).await.unwrap_or_default();
            source.stop();
            return Err(dialect.failure(status, retry_after_ms, &body, target));
        }
        if stream && is_document {
            // A whole answer where a stream was asked for is most often an error in disguise, which the dialect can read.
            let body = read_whole(&mut source, MAX_FAILURE, timeout).await?;
            let not_a_stream = Error::new(Code::UpstreamError, "The provider did not stream its answer.");
            return Err(dialect.response(&body, target).err().unwrap_or(not_a_stream));
        }
        Ok(source)
    }

    /// How long an answer that is not streamed may take before it begins: what the owner set, else the whole time.
    fn patience(&self) -> u64 {
        self.caller.project.snapshot.settings.routing.timeout_ms.map_or(WHOLE_MS, Count::get)
    }

    async fn stream(
        &self,
        source: Source,
        chat: &ChatRequest<'_>,
        target: &Target,
        dialect: &dyn Dialect,
        settling: Settling,
        timeout: u64,
    ) -> Result<Answer> {
        let deadlines = Deadlines { silence_ms: timeout, whole_at_ms: self.inbound.arrived_ms + WHOLE_MS };
        let translate = dialect.stream(chat.include_usage, target);
        let mut pump = Pump::new(source, translate, deadlines, self.abort.clone(), self.gone.clone());
        match pump.first().await {
            Ok(first) => {
                pump.settle_with(settling);
                Ok(Answer::events(body::stream(pump, first, self.gone.clone())?))
            }
            Err(error) => {
                self.abort.abort();
                self.failed(settling, error).await
            }
        }
    }

    async fn whole(&self, mut source: Source, target: &Target, dialect: &dyn Dialect, settling: Settling) -> Result<Answer> {
        let left = (self.inbound.arrived_ms + WHOLE_MS).saturating_sub(clock::now_ms()).min(self.patience());
        let read = self.gone.unless(read_whole(&mut source, MAX_ANSWER, left)).await;
        let body = read.unwrap_or_else(|| Err(client_closed()));
        let first_ms = Some(clock::now_ms());
        let reply = match body.as_deref().map_err(Clone::clone).and_then(|body| dialect.response(body, target)) {
            Ok(reply) => reply,
            Err(error) => {
                self.abort.abort();
                return self.failed(settling, error).await;
            }
        };
        let ended = Ended {
            ending: Ending::Completed,
            usage: reply.usage,
            output_bytes: reply.output_bytes,
            message: reply.message,
            first_ms,
            error: None,
        };
        settling.settle(ended).await?;
        Ok(Answer::json_text(200, reply.body.into_owned()))
    }

    /// Settles a request that failed before anything was sent to the client.
    async fn failed(&self, settling: Settling, error: Error) -> Result<Answer> {
        let gone = self.gone.is_raised();
        if gone {
            self.abort.abort();
        }
        let ending = if gone { Ending::Cancelled } else { Ending::Failed };
        let ended = Ended { ending, usage: None, output_bytes: 0, message: None, first_ms: None, error: Some(error.clone()) };
        // The client learns of the provider's failure, not of ours in its wake; the log has both.
        let _ = settling.settle(ended).await;
        Err(error)
    }
}

/// A body to its end, within `ms`.
async fn read_whole(source: &mut Source, limit: usize, ms: u64) -> Result<Vec<u8>> {
    let read = clock::within(ms, source.read_to_end(limit)).await.ok_or_else(|| upstream::timed_out(ms))?;
    read.map_err(|_| Error::new(Code::UpstreamError, "The connection to the provider broke, or its answer is too large."))
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
