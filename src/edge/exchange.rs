//! One exchange with a provider: the request goes out, its answer comes back whole or as a stream.
//!
//! Always holds: every end is settled once: here before a status is committed, by the pump after it. A failure before
//! the first frame is a real status. Absent on purpose: admission (`chat`), and what an answer means (`provider`).

use std::cell::Cell;

use web_sys::AbortController;

use crate::api::chat::ChatRequest;
use crate::api::usage::TokenUsage;
use crate::config::number::Count;
use crate::config::settings::Routing;
use crate::edge::answer::Answer;
use crate::edge::gone::Gone;
use crate::edge::pump::{Deadlines, Pump, WHOLE_MS};
use crate::edge::reporting::Reporting;
use crate::edge::settle::{Ended, Settling};
use crate::edge::source::{Source, Unread};
use crate::edge::{body, clock, upstream};
use crate::error::{Code, Error, Result};
use crate::meter::Seen;
use crate::provider::{Call, Dialect, Extras, Outbound, Reply, Target};
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
    /// The target's dialect.
    pub dialect: &'a dyn Dialect,
    /// How long the provider may take.
    pub routing: &'a Routing,
    /// Whether private addresses may be asked.
    pub allow_private: bool,
    /// When the request arrived, epoch ms.
    pub arrived_ms: u64,
    /// Whether the client is still there.
    pub gone: Gone,
    /// Lets the provider go.
    pub abort: AbortController,
    /// Set if the answer is streamed and metered.
    pub reporting: Option<Reporting>,
    /// What the provider says of tokens in an answer that cannot be passed on.
    pub billed: Cell<Option<TokenUsage>>,
}

impl Exchange<'_> {
    /// Sends the request and answers with what comes back.
    ///
    /// # Errors
    /// What went wrong before anything was sent to the client.
    pub async fn answer(self, settling: Settling) -> Result<Answer> {
        if self.chat.stream { self.stream(settling).await } else { self.whole(settling).await }
    }

    async fn stream(mut self, settling: Settling) -> Result<Answer> {
        let silence_ms = self.routing.silence_ms();
        let source = match self.gone.in_time(silence_ms, self.open()).await {
            Ok(source) => source,
            Err(error) => return self.failed(settling, error).await,
        };
        let deadlines = Deadlines { silence_ms, whole_at_ms: self.arrived_ms + WHOLE_MS };
        let translate = self.dialect.stream(self.chat, self.target, self.extras);
        let mut pump = Pump::new(source, translate, deadlines, self.abort.clone(), self.gone.clone(), self.reporting.take());
        match pump.first().await {
            Ok(first) => {
                pump.settle_with(settling);
                Ok(Answer::events(body::stream(pump, first, self.gone.clone())?))
            }
            Err(error) => self.failed(settling, error).await,
        }
    }

    /// An answer that is not streamed begins only when it is complete: it may take the whole time unless the owner set one.
    async fn whole(self, settling: Settling) -> Result<Answer> {
        let patience = self.routing.timeout_ms.map_or(WHOLE_MS, Count::get);
        let body = self.gone.in_time(patience, async { self.open().await?.read_to_end(MAX_ANSWER).await.map_err(unread) }).await;
        let first_ms = Some(clock::now_ms());
        let reply = match body.as_deref().map_err(Clone::clone).and_then(|body| self.read(body)) {
            Ok(reply) => reply,
            Err(error) => return self.failed(settling, error).await,
        };
        let ended = Ended {
            ending: Ending::Completed,
            seen: Seen::whole(reply.output_bytes, reply.usage),
            message: reply.message,
            private: reply.private,
            first_ms,
            error: None,
        };
        settling.settle(ended).await?;
        Ok(Answer::json_text(200, reply.body.into_owned()))
    }

    /// The answer's body, if its status is 200.
    async fn open(&self) -> Result<Source> {
        match self.dialect.request(self.chat, self.target, self.extras)? {
            Call::Http(outbound) => self.open_http(&outbound).await,
            Call::Demo(script) if script.status == 200 => Ok(Source::demo(script)),
            Call::Demo(script) => Err(self.dialect.failure(script.status, script.retry_after_ms, &script.body(), self.target)),
        }
    }

    async fn open_http(&self, outbound: &Outbound) -> Result<Source> {
        let received = upstream::send(outbound, self.allow_private, &self.abort).await?;
        let status = received.status();
        if status != 200 {
            let retry_after_ms = received.retry_after_ms();
            let words = received.words(self.routing.silence_ms()).await;
            return Err(self.dialect.failure(status, retry_after_ms, &words, self.target));
        }
        if self.chat.stream && received.is_document() {
            // A whole answer where a stream was asked for is most often an error in disguise, which the dialect can read.
            let body = received.into_source().read_to_end(upstream::MAX_FAILURE).await.map_err(unread)?;
            let not_a_stream = Error::new(Code::UpstreamError, "The provider did not stream its answer.");
            self.billed.set(self.dialect.billed(&body));
            return Err(self.dialect.response(&body, self.chat, self.target, self.extras).err().unwrap_or(not_a_stream));
        }
        Ok(received.into_source())
    }

    /// Reads a whole answer. What is none may have been billed.
    fn read<'b>(&self, body: &'b [u8]) -> Result<Reply<'b>> {
        let reply = self.dialect.response(body, self.chat, self.target, self.extras);
        if reply.is_err() {
            self.billed.set(self.dialect.billed(body));
        }
        reply
    }

    /// Settles a request that failed before anything was sent to the client, and lets the provider go.
    async fn failed(&self, settling: Settling, error: Error) -> Result<Answer> {
        self.abort.abort();
        let ending = if self.gone.is_raised() { Ending::Cancelled } else { Ending::Failed };
        let seen = Seen::whole(0, self.billed.get());
        let ended = Ended { ending, seen, message: None, private: Vec::new(), first_ms: None, error: Some(error.clone()) };
        // The client learns of the provider's failure, not of ours in its wake; the log has both.
        let _ = settling.settle(ended).await;
        Err(error)
    }
}

/// What a client is told of an answer that could not be read.
pub fn unread(end: Unread) -> Error {
    match end {
        Unread::Broken => Error::new(Code::UpstreamError, "The connection to the provider broke."),
        Unread::TooLarge => Error::new(Code::UpstreamError, "The provider's answer is too large."),
    }
}
