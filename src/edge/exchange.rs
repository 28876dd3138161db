//! One exchange with a provider: the request goes out, its answer comes back whole or as a stream.
//!
//! Always holds: before the first frame a failure is a value, and the provider is let go; after it the pump settles.
//! Absent on purpose: admission, what is done after a failure (`attempts`), and what an answer means (`provider`).

use std::future::Future;
use std::rc::Rc;

use web_sys::AbortController;
use worker::Env;

use crate::api::chat::ChatRequest;
use crate::edge::account::Account;
use crate::edge::answer::Answer;
use crate::edge::gone::Gone;
use crate::edge::pump::{Deadlines, Pump, client_closed};
use crate::edge::reporting::Reporting;
use crate::edge::settle::{Ended, Settling};
use crate::edge::source::{Source, Unread};
use crate::edge::upstream::{self, Received};
use crate::edge::waiting::{self, Cut};
use crate::edge::{access_token, body, clock, workers_ai};
use crate::error::{Code, Error, Result};
use crate::meter::Seen;
use crate::provider::{Call, Extras, Target, meant};
use crate::routing::{Failure, Why};
use crate::user::command::Ending;

/// The largest answer that is read whole.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// An admitted request on its way to a provider.
pub struct Exchange<'a> {
    /// What the client asked.
    pub chat: &'a ChatRequest<'a>,
    /// Who is asked.
    pub target: &'a Target,
    /// What the gateway adds.
    pub extras: &'a Extras,
    /// How long the provider may be silent, and when the answer must be over.
    pub deadlines: Deadlines,
    /// How long an answer that is not streamed may take, in ms.
    pub patience_ms: u64,
    /// Where the binding of Workers AI is, if there is one.
    pub env: &'a Env,
    /// Whether private addresses may be asked.
    pub allow_private: bool,
    /// Whether the client is still there.
    pub gone: Gone,
    /// Who knows whether the client's token is still good; nobody in an unmetered deployment.
    pub account: Option<Rc<Account>>,
    /// Lets the provider go.
    pub abort: AbortController,
}

/// An answer that has begun.
pub enum Opened {
    /// All of it.
    Whole(Vec<u8>, Ended),
    /// The first frames, and where the others come from.
    Stream(Box<Pump>, Vec<u8>),
}

/// An attempt that failed before anything was sent to the client.
pub struct Failed {
    /// What the client is told if nothing else helps.
    pub error: Error,
    /// What follows from it.
    pub failure: Failure,
    /// What the provider said it used nevertheless.
    pub seen: Seen,
}

/// What an attempt comes to.
type Attempted<T> = std::result::Result<T, Failed>;

impl Failed {
    /// The gateway's own failure.
    pub fn ours(error: Error) -> Self {
        Self { error, failure: Failure::of(Why::Status(500)), seen: Seen::default() }
    }
}

impl Opened {
    /// Hands it to the client; from here on nothing is tried again.
    ///
    /// # Errors
    /// The turn could not be stored, or the platform makes no stream.
    pub async fn deliver(self, settling: Settling, gone: Gone) -> Result<Answer> {
        match self {
            Self::Whole(body, ended) => {
                settling.settle(ended).await?;
                Ok(Answer::json_text(200, body))
            }
            Self::Stream(mut pump, first) => {
                pump.settle_with(settling);
                Ok(Answer::events(body::stream(*pump, first, gone)?))
            }
        }
    }
}

impl Exchange<'_> {
    /// Sends the request, and waits for what can be sent to the client. `reporting`: set if a stream is metered.
    ///
    /// # Errors
    /// What went wrong before there was anything to send; the provider has been let go.
    pub async fn run(&self, reporting: Option<Reporting>) -> Attempted<Opened> {
        let result = if self.chat.stream { self.stream(reporting).await } else { self.whole().await };
        if result.is_err() {
            self.abort.abort();
        }
        result
    }

    async fn stream(&self, reporting: Option<Reporting>) -> Attempted<Opened> {
        let source = self.in_time(self.deadlines.silence_ms, self.open()).await?;
        let translate = self.target.kind.dialect().stream(self.chat, self.target, self.extras);
        let mut pump = Pump::new(source, translate, self.deadlines, self.abort.clone(), self.gone.clone(), reporting);
        match pump.first().await {
            Ok(first) => Ok(Opened::Stream(Box::new(pump), first)),
            Err(error) => {
                let why = if self.gone.is_raised() { Why::Gone } else { why(&error) };
                Err(Failed { failure: Failure::of(why), seen: pump.seen(), error })
            }
        }
    }

    /// An answer that is not streamed begins only when it is complete: it may take the whole time unless the owner set one.
    async fn whole(&self) -> Attempted<Opened> {
        let read = async { self.open().await?.read_to_end(MAX_ANSWER).await.map_err(|end| broken(unread(end))) };
        let body = self.in_time(self.patience_ms, read).await?;
        let first_ms = Some(clock::now_ms());
        let dialect = self.target.kind.dialect();
        let reply = dialect.response(&body, self.chat, self.target, self.extras).map_err(|error| {
            let seen = Seen { usage: dialect.billed(&body), ..Seen::default() };
            Failed { failure: Failure::of(why(&error)), seen, error }
        })?;
        let ended = Ended {
            ending: Ending::Completed,
            seen: Seen::whole(reply.output_bytes, reply.usage),
            message: reply.message,
            private: reply.private,
            first_ms,
            error: None,
        };
        Ok(Opened::Whole(reply.body.into_owned(), ended))
    }

    /// The work's result, unless it takes longer than `ms`, the client is gone, or its token is void.
    async fn in_time<T>(&self, ms: u64, work: impl Future<Output = Attempted<T>>) -> Attempted<T> {
        let left = self.deadlines.whole_at_ms.saturating_sub(clock::now_ms());
        let own = self.account.as_ref().map(|account| &account.own);
        match waiting::wait(&self.gone, own, ms.min(left), work).await {
            Ok(result) => result,
            Err(Cut::Gone) => Err(failed(client_closed(), Why::Gone, None)),
            Err(Cut::Revoked(error)) => Err(failed(error, Why::Revoked, None)),
            Err(Cut::Late) => Err(failed(upstream::timed_out(ms), Why::Silent, None)),
        }
    }

    /// The answer's body, if its status is 200.
    async fn open(&self) -> Attempted<Source> {
        let dialect = self.target.kind.dialect();
        match dialect.request(self.chat, self.target, self.extras).map_err(|error| failed(error, Why::Inexpressible, None))? {
            Call::Http(outbound) => self.opened(access_token::send(self.target, &outbound, self.allow_private, &self.abort).await).await,
            Call::WorkersAi(run) => self.opened(workers_ai::run(self.env, &run).await).await,
            Call::Demo(script) if script.status == 200 => Ok(Source::demo(script)),
            Call::Demo(script) => {
                let error = dialect.failure(script.status, script.retry_after_ms, &script.body(), self.target);
                Err(failed(error, Why::Status(script.status), script.retry_after_ms))
            }
        }
    }

    async fn opened(&self, sent: Result<Received>) -> Attempted<Source> {
        let received = sent.map_err(|error| failed(error, Why::Unreachable, None))?;
        let (status, dialect) = (received.status(), self.target.kind.dialect());
        if status != 200 {
            let retry_after_ms = received.retry_after_ms();
            let words = received.words(self.deadlines.silence_ms).await;
            return Err(failed(
                dialect.failure(status, retry_after_ms, &words, self.target),
                Why::Status(meant(status, &words)),
                retry_after_ms,
            ));
        }
        if self.chat.stream && received.is_document() {
            // A whole answer where a stream was asked for is most often an error in disguise, which the dialect can read.
            let body = received.into_source().read_to_end(upstream::MAX_FAILURE).await.map_err(|end| broken(unread(end)))?;
            let not_a_stream = Error::new(Code::UpstreamError, "The provider did not stream its answer.");
            let error = dialect.response(&body, self.chat, self.target, self.extras).err().unwrap_or(not_a_stream);
            let seen = Seen { usage: dialect.billed(&body), ..Seen::default() };
            return Err(Failed { failure: Failure::of(why(&error)), seen, error });
        }
        Ok(received.into_source())
    }
}

/// Why an answer with status 200 is none: an error sent in its place is as good as its status.
fn why(error: &Error) -> Why {
    match (error.code(), error.status()) {
        (Code::UpstreamTimeout, _) => Why::Silent,
        (Code::UpstreamError, 502) => Why::Unreadable,
        (_, status) => Why::Status(status),
    }
}

fn failed(error: Error, why: Why, retry_after_ms: Option<u64>) -> Failed {
    Failed { error, failure: Failure { why, retry_after_ms }, seen: Seen::default() }
}

fn broken(error: Error) -> Failed {
    failed(error, Why::Unreadable, None)
}

/// What a client is told of an answer that could not be read.
pub fn unread(end: Unread) -> Error {
    match end {
        Unread::Broken => Error::new(Code::UpstreamError, "The connection to the provider broke."),
        Unread::TooLarge => Error::new(Code::UpstreamError, "The provider's answer is too large."),
    }
}
