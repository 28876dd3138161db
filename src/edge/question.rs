//! `POST /v1/embeddings`, `POST /v1/moderations`: the straight line of a question that one document answers.
//!
//! Always holds: once `begin` has admitted a question, its ticket is settled exactly once, whatever happens; the provider has a
//! deadline, and is let go when the client is gone. Absent on purpose: what the question and its answer mean (`crate::question`).

use web_sys::AbortController;
use worker::{Context, Env};

use crate::api::embeddings::EmbeddingsRequest;
use crate::api::moderations::ModerationsRequest;
use crate::edge::admission::Admission;
use crate::edge::answer::{Answer, Facts};
use crate::edge::caller::{Caller, session};
use crate::edge::deployment::Deployment;
use crate::edge::exchange::unread;
use crate::edge::gone::Gone;
use crate::edge::inbound::{Inbound, MAX_BODY};
use crate::edge::own_object::OwnObject;
use crate::edge::pump::{WHOLE_MS, client_closed};
use crate::edge::settle::{Ended, Settling};
use crate::edge::source::Source;
use crate::edge::waiting::{self, Cut};
use crate::edge::{access_token, clock, upstream, workers_ai};
use crate::error::{Error, Result};
use crate::meter::Seen;
use crate::provider::{Call, Document, Target};
use crate::question::Question;
use crate::user::command::Ending;

/// The largest answer: 2,048 vectors of 3,072 numbers in base64 are 32 MB. It is held up to three times, and an isolate has 128 MB.
const MAX_ANSWER: usize = 36 * 1024 * 1024;

/// Serves `/v1/embeddings`.
pub async fn embeddings(inbound: &mut Inbound, context: &Context, to: &Deployment, caller: &Caller, facts: &mut Facts) -> Result<Answer> {
    let bytes = inbound.body(MAX_BODY).await?;
    Asked { inbound, context, deployment: to, question: &EmbeddingsRequest::parse(&bytes)? }.answer(caller, facts).await
}

/// Serves `/v1/moderations`.
pub async fn moderations(inbound: &mut Inbound, context: &Context, to: &Deployment, caller: &Caller, facts: &mut Facts) -> Result<Answer> {
    let bytes = inbound.body(MAX_BODY).await?;
    Asked { inbound, context, deployment: to, question: &ModerationsRequest::parse(&bytes)? }.answer(caller, facts).await
}

/// A question where it arrived.
struct Asked<'a> {
    inbound: &'a Inbound,
    context: &'a Context,
    deployment: &'a Deployment,
    question: &'a dyn Question,
}

impl Asked<'_> {
    async fn answer(&self, caller: &Caller, facts: &mut Facts) -> Result<Answer> {
        let known = facts.len();
        if let Some(answer) = self.exchange(caller, facts).await? {
            return Ok(answer);
        }
        // The user's object knows of a newer configuration than this isolate and KV do.
        facts.truncate(known);
        let caller = caller.refreshed(self.inbound).await?;
        let answer = self.exchange(&caller, facts).await?;
        answer.ok_or_else(|| Error::server("the configuration changes faster than it can be read"))
    }

    /// One try; `None` if the configuration is too old to say.
    async fn exchange(&self, caller: &Caller, facts: &mut Facts) -> Result<Option<Answer>> {
        let Self { inbound, context, deployment, question } = *self;
        let session = session(inbound, caller)?;
        facts.push(("x-session-id", session.clone()));
        let resolved = question.resolve(&caller.project.snapshot)?;
        caller.capabilities().check_model(question.model().unwrap_or(&resolved.model))?;
        let target = caller.project.target(deployment, &resolved)?;
        facts.push(("x-behest-provider", target.provider.clone()));
        facts.push(("x-behest-model", resolved.served_model().to_owned()));
        let abort = AbortController::new().map_err(|_| Error::server("no AbortController"))?;
        let request_id = inbound.request_id.clone();
        let admission = Admission { inbound, deployment, caller, request_id, session, thread: None };
        let Some(ticket) = admission.begin_question(question, &target, &resolved, facts).await? else { return Ok(None) };
        let routing = &caller.project.snapshot.settings.routing;
        let patience_ms = routing.timeout_ms(resolved.provider, &resolved.model).unwrap_or(WHOLE_MS);
        let own = Some(OwnObject::of(inbound, caller)).filter(|_| !deployment.unmetered);
        let asking =
            Asking { question, target: &target, env: &inbound.env, allow_private: deployment.allow_private, own, patience_ms, abort };
        asking.answer(Gone::of(&inbound.request), Settling::open(context, ticket)).await.map(Some)
    }
}

/// An admitted question on its way to a provider.
struct Asking<'a> {
    question: &'a dyn Question,
    target: &'a Target,
    env: &'a Env,
    allow_private: bool,
    /// Who knows whether the client's token is still good.
    own: Option<OwnObject>,
    patience_ms: u64,
    abort: AbortController,
}

impl Asking<'_> {
    async fn answer(self, gone: Gone, settling: Settling) -> Result<Answer> {
        let read = async { self.question.read(self.body().await?, self.target) };
        let (ending, error) = match waiting::wait(&gone, self.own.as_ref(), self.patience_ms, read).await {
            Ok(Ok(Document { body, usage })) => {
                let (seen, first_ms) = (Seen::whole(0, usage), Some(clock::now_ms()));
                settling.settle(Ended { first_ms, ..Ended::unspoken(Ending::Completed, seen, None) }).await?;
                return Ok(Answer::json_text(200, body));
            }
            Ok(Err(error)) => (Ending::Failed, error),
            Err(Cut::Gone) => (Ending::Cancelled, client_closed()),
            Err(Cut::Revoked(error)) => (Ending::Stopped, error),
            Err(Cut::Late) => (Ending::Failed, upstream::timed_out(self.patience_ms)),
        };
        self.abort.abort();
        let ended = Ended::unspoken(ending, Seen::default(), Some(error.clone()));
        // The client learns of the provider's failure, not of ours in its wake; the log has both.
        let _ = settling.settle(ended).await;
        Err(error)
    }

    /// The body of an answer with status 200.
    async fn body(&self) -> Result<Vec<u8>> {
        let dialect = self.target.kind.dialect();
        let received = match self.question.ask(self.target)? {
            Call::Demo(script) if script.status == 200 => return Source::demo(script).read_to_end(MAX_ANSWER).await.map_err(unread),
            Call::Demo(script) => return Err(dialect.failure(script.status, script.retry_after_ms, &script.body(), self.target)),
            Call::WorkersAi(run) => workers_ai::run(self.env, &run).await?,
            Call::Http(outbound) => access_token::send(self.target, &outbound, self.allow_private, &self.abort).await?,
        };
        let (status, retry_after_ms) = (received.status(), received.retry_after_ms());
        if status != 200 {
            let words = received.words(self.patience_ms).await;
            return Err(dialect.failure(status, retry_after_ms, &words, self.target));
        }
        received.into_source().read_to_end(MAX_ANSWER).await.map_err(unread)
    }
}
