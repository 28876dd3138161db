//! The end of a request to a provider: its tokens are settled, its turn is stored, its line is logged. Once.
//!
//! Always holds: the work runs in `waitUntil`, so it outlives the client; whoever needs to know that the turn is
//! stored waits for its result.

use std::cell::RefCell;
use std::rc::Rc;

use futures::channel::oneshot;
use serde_json::value::RawValue;
use worker::{Context, Env};

use crate::api::usage::TokenUsage;
use crate::edge::inbound::Costs;
use crate::edge::objects::something_else;
use crate::edge::{clock, log, objects};
use crate::error::{Error, Result};
use crate::meter::Seen;
use crate::provider::Private;
use crate::user::alerts::Watch;
use crate::user::command::{Base, Ending, Finish, ThreadFinish};
use crate::user::{Command, Outcome};

/// How an answer ended.
pub struct Ended {
    /// In the ledger's words.
    pub ending: Ending,
    /// What was seen of it.
    pub seen: Seen,
    /// The assistant's message, as far as it got.
    pub message: Option<String>,
    /// What the provider wants back with the results of its calls.
    pub private: Vec<Private>,
    /// When the first frame was ready, epoch ms.
    pub first_ms: Option<u64>,
    /// What the client was told.
    pub error: Option<Error>,
}

impl Ended {
    /// Without a message of an assistant's.
    pub const fn unspoken(ending: Ending, seen: Seen, error: Option<Error>) -> Self {
        Self { ending, seen, message: None, private: Vec::new(), first_ms: None, error }
    }
}

/// The thread's part of a request.
pub struct Turn {
    /// The thread.
    pub id: String,
    /// What `begin` gave.
    pub base: Base,
    /// The client's messages.
    pub messages: Vec<Box<RawValue>>,
}

/// A request that was begun.
pub struct Ticket {
    /// The platform's bindings.
    pub env: Env,
    /// Project.
    pub project_id: String,
    /// User.
    pub uid: String,
    /// The request.
    pub request_id: String,
    /// The route's path in the table, for the log.
    pub route: &'static str,
    /// Who serves it.
    pub trail: Rc<RefCell<Trail>>,
    /// Its reservation; `None` in an unmetered deployment.
    pub seq: Option<u64>,
    /// Prompt tokens by our own count.
    pub input_estimate: u64,
    /// What its end may raise an alert of.
    pub watch: Option<Watch>,
    /// The thread, if there is one.
    pub turn: Option<Turn>,
    /// When the request arrived, epoch ms.
    pub arrived_ms: u64,
    /// What it has cost so far.
    pub costs: Rc<Costs>,
}

/// Who serves a request, and what was tried before: for its log line.
#[derive(Default)]
pub struct Trail {
    /// The provider's name.
    pub provider: String,
    /// The model asked.
    pub model: String,
    /// How often a provider was asked.
    pub attempts: u64,
    /// The attempts that failed: whom, and why. No words of a provider's.
    pub failed: Vec<String>,
}

type Result1 = oneshot::Sender<Result<()>>;

/// The way to settle a request: send how it ended.
pub struct Settling {
    tell: oneshot::Sender<(Ended, Result1)>,
    has_thread: bool,
}

impl Settling {
    /// Opens the way. The ticket is settled in `waitUntil` when somebody tells how the request ended, and as cancelled
    /// if everybody has gone without a word.
    pub fn open(context: &Context, ticket: Ticket) -> Self {
        let (tell, told) = oneshot::channel::<(Ended, Result1)>();
        let has_thread = ticket.turn.is_some();
        ticket.costs.logged_when_settled.set(true);
        context.wait_until(async move {
            let (ended, answer) = match told.await {
                Ok((ended, answer)) => (ended, Some(answer)),
                Err(_) => (lost(), None),
            };
            let result = ticket.settle(ended).await;
            if let Some(answer) = answer {
                // Without a thread nobody waits.
                let _ = answer.send(result);
            }
        });
        Self { tell, has_thread }
    }

    /// Settles. For a thread this waits until the turn is stored, so that who reads the thread next finds it; for an answer that
    /// has something kept of its calls likewise, so that it is there when their results come.
    ///
    /// # Errors
    /// The turn could not be stored.
    pub async fn settle(self, ended: Ended) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let is_waited_for = self.has_thread || !ended.private.is_empty();
        if self.tell.send((ended, answer)).is_err() {
            return Err(Error::server("nobody settles"));
        }
        if !is_waited_for {
            return Ok(());
        }
        let settled = answered.await.unwrap_or_else(|_| Err(Error::server("settling was lost")));
        // An answer without a thread is whole without what is kept of it.
        if self.has_thread { settled } else { Ok(()) }
    }
}

fn lost() -> Ended {
    Ended::unspoken(Ending::Cancelled, Seen::default(), None)
}

impl Ticket {
    async fn settle(self, ended: Ended) -> Result<()> {
        let (usage, estimated) = self.charge(&ended);
        let now = clock::now_ms();
        let result = match self.seq {
            Some(seq) => self.finish(seq, &ended, usage, estimated, now).await,
            None => Ok(None),
        };
        let trail = self.trail.take();
        let failed = trail.failed.join(", ");
        let failure = ended.error.as_ref().or(result.as_ref().err());
        log::Line {
            request_id: &self.request_id,
            method: "POST",
            route: self.route,
            status: ended.error.as_ref().map_or(200, Error::status),
            project: Some(&self.project_id),
            provider: Some(&trail.provider),
            model: Some(&trail.model),
            attempts: Some(trail.attempts).filter(|attempts| *attempts > 1),
            failed: Some(failed.as_str()).filter(|failed| !failed.is_empty()),
            ending: Some(ending_name(ended.ending)),
            usage,
            micro_usd: result.as_ref().ok().copied().flatten(),
            ttft_ms: ended.first_ms.map(|at| at.saturating_sub(self.arrived_ms)),
            ms: now.saturating_sub(self.arrived_ms),
            ..log::Line::default()
        }
        .with_error(failure)
        .with_costs(&self.costs)
        .write();
        result.map(drop)
    }

    /// What is charged, and whether it is our own count. Nothing for a request that failed before any text came.
    fn charge(&self, ended: &Ended) -> (Option<TokenUsage>, bool) {
        if ended.ending == Ending::Failed && ended.seen == Seen::default() {
            return (None, false);
        }
        let (usage, estimated) = ended.seen.bill(self.input_estimate);
        (Some(usage), estimated)
    }

    /// Settles; gives what it was charged, in micro-dollars.
    async fn finish(&self, seq: u64, ended: &Ended, usage: Option<TokenUsage>, estimated: bool, now: u64) -> Result<Option<u64>> {
        let reply = ended.message.clone().map(RawValue::from_string).transpose().map_err(|e| Error::server(format!("the reply: {e}")))?;
        let thread = self.turn.as_ref().map(|turn| ThreadFinish {
            id: turn.id.clone(),
            base: turn.base,
            messages: turn.messages.clone(),
            reply,
            complete: ended.ending == Ending::Completed,
        });
        let finish = Finish {
            request_id: self.request_id.clone(),
            seq,
            usage,
            estimated,
            status: ended.ending,
            ttft_ms: ended.first_ms.map(|at| at.saturating_sub(self.arrived_ms)),
            duration_ms: Some(now.saturating_sub(self.arrived_ms)),
            thread,
            private: ended.private.clone(),
            watch: self.watch.clone(),
        };
        let (outcome, rows) = objects::user(&self.env, &self.project_id, &self.uid, &Command::Finish(finish)).await?;
        self.costs.object_call(rows);
        match outcome {
            Outcome::Finished(finished) => Ok(finished.micro_usd),
            _ => Err(something_else()),
        }
    }
}

const fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "completed",
        Ending::Cancelled => "cancelled",
        Ending::Failed => "failed",
        Ending::Stopped => "stopped",
    }
}
