//! Moves a streamed answer from its source through the translation to the client.
//!
//! Always holds: bytes go out as soon as their event is complete; `[DONE]` only after the dialect's own end mark (or the
//! words of an answer that a budget stopped), and for a thread only after its turn is stored; any other end is one error
//! event and a clean close; 15 s of silence are a comment. Absent on purpose: what an event means (`provider`), when a
//! stream is reported or stopped (`reporting`), and the platform's stream (`body`).

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use web_sys::AbortController;

use crate::edge::clock::{self, Timer};
use crate::edge::gone::Gone;
use crate::edge::reporting::{Go, Reporting};
use crate::edge::settle::{Ended, Settling};
use crate::edge::source::{Broken, Next, Source};
use crate::edge::upstream;
use crate::error::{Code, Error, Result};
use crate::meter::{EVERY_MS, Seen};
use crate::provider::{Pushed, Translate};
use crate::sse::{self, Decoder};
use crate::user::command::Ending;

/// Silence after which the client gets a comment (contract section 4).
const KEEP_ALIVE_MS: u64 = 15_000;
/// How long what the provider had sent before the client left is looked for: it is there, or it is not.
const LAST_LOOK_MS: u64 = 5;
/// The longest a whole answer may take.
pub const WHOLE_MS: u64 = 600_000;

/// How long things may take.
#[derive(Clone, Copy)]
pub struct Deadlines {
    /// Silence of the provider, in ms.
    pub silence_ms: u64,
    /// When the whole answer must be over, epoch ms.
    pub whole_at_ms: u64,
}

/// What to give the client next.
pub enum Step {
    /// These bytes.
    More(Vec<u8>),
    /// These bytes, and the end.
    Last(Vec<u8>),
}

/// How an answer is over.
enum Over {
    /// The dialect's end mark was seen.
    Done,
    /// It failed.
    Failed(Error),
    /// The gateway ended it: there is no budget left, or nobody knows.
    Stopped(Error),
    /// The client is gone.
    Gone,
}

enum Wake {
    Reported,
    Source(Next),
    Tick,
    Gone,
}

/// One answer on its way.
pub struct Pump {
    source: Source,
    decoder: Decoder,
    translate: Box<dyn Translate>,
    deadlines: Deadlines,
    abort: AbortController,
    gone: Gone,
    settling: Option<Settling>,
    reporting: Option<Reporting>,
    /// Nothing is read before the report under way is answered.
    waiting: bool,
    /// Events that brought text.
    events: u64,
    timer: Timer,
    /// When the provider was last heard, epoch ms, less the time in which nobody listened.
    heard_ms: u64,
    /// When the last step ended, epoch ms: from then to the next step nobody listens.
    rested_ms: u64,
    /// When the client was last sent something; `None` until a status is committed.
    sent_ms: Option<u64>,
    /// When the first frame was ready, epoch ms.
    first_ms: Option<u64>,
    over: Option<Over>,
}

impl Pump {
    /// A pump that has moved nothing yet.
    pub fn new(
        source: Source,
        translate: Box<dyn Translate>,
        deadlines: Deadlines,
        abort: AbortController,
        gone: Gone,
        reporting: Option<Reporting>,
    ) -> Self {
        let first_look = if reporting.is_some() { EVERY_MS } else { KEEP_ALIVE_MS };
        Self {
            source,
            decoder: Decoder::new(),
            translate,
            deadlines,
            abort,
            gone,
            settling: None,
            reporting,
            waiting: false,
            events: 0,
            timer: clock::sleep(deadlines.silence_ms.min(first_look)),
            heard_ms: clock::now_ms(),
            rested_ms: clock::now_ms(),
            sent_ms: None,
            first_ms: None,
            over: None,
        }
    }

    /// Waits for the first frame, before a status is committed.
    ///
    /// # Errors
    /// What went wrong before there was anything to send: a real status for the client.
    pub async fn first(&mut self) -> Result<Vec<u8>> {
        let out = self.advance().await;
        if out.is_empty() {
            match self.over.take() {
                Some(Over::Failed(error)) => return Err(error),
                Some(Over::Gone) => return Err(client_closed()),
                over => self.over = over,
            }
        }
        self.sent_ms = Some(clock::now_ms());
        Ok(out)
    }

    /// From here on the pump settles the request when its answer is over.
    pub fn settle_with(&mut self, settling: Settling) {
        self.settling = Some(settling);
    }

    /// What the client gets next.
    pub async fn step(&mut self) -> Step {
        let out = if self.over.is_some() { Vec::new() } else { self.advance().await };
        match self.over.take() {
            None => {
                self.sent_ms = self.sent_ms.max(Some(self.heard_ms));
                Step::More(out)
            }
            Some(over) => Step::Last(self.conclude(over, out).await),
        }
    }

    /// The client is gone and no step is under way: settles with what there is.
    pub async fn abandon(mut self) {
        self.conclude(Over::Gone, Vec::new()).await;
    }

    /// Moves until there are bytes for the client or the answer is over.
    async fn advance(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        // A client that reads slowly is not a silent provider.
        self.heard_ms += clock::now_ms().saturating_sub(self.rested_ms);
        while out.is_empty() && self.over.is_none() {
            match self.wake().await {
                Wake::Gone => self.over = Some(Over::Gone),
                Wake::Tick => self.tick(&mut out),
                Wake::Reported => self.look(),
                Wake::Source(Ok(Some(bytes))) => {
                    self.heard_ms = clock::now_ms();
                    self.over = self.feed(&bytes, &mut out).unwrap_or_else(|error| Some(Over::Failed(error)));
                    if !out.is_empty() && self.first_ms.is_none() {
                        self.first_ms = Some(self.heard_ms);
                    }
                    self.look();
                }
                Wake::Source(Ok(None)) => {
                    let ended = self.translate.end(self.decoder.end(), &mut out);
                    self.over = Some(ended.map_or_else(Over::Failed, |()| Over::Done));
                }
                Wake::Source(Err(Broken)) => {
                    self.over = Some(Over::Failed(Error::new(Code::UpstreamError, "The connection to the provider broke.")));
                }
            }
        }
        self.rested_ms = clock::now_ms();
        out
    }

    async fn wake(&mut self) -> Wake {
        std::future::poll_fn(|cx| {
            if self.gone.poll(cx).is_ready() {
                return Poll::Ready(Wake::Gone);
            }
            if self.reporting.as_mut().is_some_and(|reporting| reporting.poll(cx).is_ready()) {
                return Poll::Ready(Wake::Reported);
            }
            if !self.waiting
                && let Poll::Ready(next) = self.source.poll_next(cx)
            {
                return Poll::Ready(Wake::Source(next));
            }
            Pin::new(&mut self.timer).poll(cx).map(|()| Wake::Tick)
        })
        .await
    }

    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Over>> {
        let mut done = false;
        let (translate, events) = (&mut self.translate, &mut self.events);
        self.decoder.feed(bytes, |event| {
            let before = translate.output_bytes();
            done |= translate.push(event, out)? == Pushed::Done;
            *events += u64::from(translate.output_bytes() > before);
            Ok(())
        })?;
        if !done {
            return Ok(None);
        }
        self.translate.end(None, out)?;
        Ok(Some(Over::Done))
    }

    /// Reports what was seen if it is time to, and goes by what the budgets say.
    fn look(&mut self) {
        let seen = self.seen();
        let Some(reporting) = self.reporting.as_mut().filter(|_| self.over.is_none()) else { return };
        match reporting.look(&seen) {
            Go::On if self.waiting => (self.waiting, self.heard_ms) = (false, clock::now_ms()),
            Go::On => {}
            Go::Wait => self.waiting = true,
            Go::Stop(error) => self.over = Some(Over::Stopped(error)),
        }
    }

    /// The answer as far as it was seen.
    pub fn seen(&self) -> Seen {
        let translate = &self.translate;
        Seen { bytes: translate.output_bytes(), events: self.events, usage: translate.usage(), covered: translate.covered_bytes() }
    }

    /// The timer rang: a deadline is over, the client needs a sign of life, a report is due, or nothing. One timer serves
    /// all and is set anew only here, not for every event.
    fn tick(&mut self, out: &mut Vec<u8>) {
        let now = clock::now_ms();
        if self.waiting {
            // It is not the provider that is silent.
            self.heard_ms = now;
        }
        self.look();
        let silent_at = self.heard_ms + self.deadlines.silence_ms;
        if now >= silent_at {
            self.over = Some(Over::Failed(upstream::timed_out(self.deadlines.silence_ms)));
            return;
        }
        if now >= self.deadlines.whole_at_ms {
            self.over = Some(Over::Failed(Error::new(Code::UpstreamTimeout, "The answer took longer than the gateway allows.")));
            return;
        }
        let keep_alive_at = self.sent_ms.map_or(u64::MAX, |sent| sent + KEEP_ALIVE_MS);
        if now >= keep_alive_at {
            out.extend_from_slice(sse::KEEP_ALIVE);
            self.sent_ms = Some(now);
        }
        let next_sign = self.sent_ms.map_or(u64::MAX, |sent| sent + KEEP_ALIVE_MS);
        // A stream that was heard since the last look may have something new to report at the next.
        let streaming = self.reporting.is_some() && now.saturating_sub(self.heard_ms) <= EVERY_MS;
        let next_report = if streaming { now + EVERY_MS } else { u64::MAX };
        let next_word = self.reporting.as_ref().map_or(u64::MAX, |reporting| reporting.alive_at(now));
        let next = silent_at.min(self.deadlines.whole_at_ms).min(next_sign).min(next_report).min(next_word);
        self.timer = clock::sleep(next.saturating_sub(now).max(1));
    }

    /// Settles, lets the provider go, and says the last word.
    async fn conclude(&mut self, over: Over, mut out: Vec<u8>) -> Vec<u8> {
        if matches!(over, Over::Gone) {
            self.last_look().await;
        }
        self.source.stop();
        self.abort.abort();
        let (ending, error) = match over {
            Over::Done => (Ending::Completed, None),
            Over::Failed(error) => (Ending::Failed, Some(error)),
            Over::Stopped(error) if error.code() == Code::QuotaExceeded => {
                let (usage, _) = self.seen().bill(self.reporting.as_ref().map_or(0, Reporting::input_estimate));
                self.translate.stop(&error, usage, &mut out);
                (Ending::Stopped, None)
            }
            Over::Stopped(error) => (Ending::Stopped, Some(error)),
            Over::Gone => (Ending::Cancelled, None),
        };
        let gone = ending == Ending::Cancelled;
        let settled = self.settle(ending, error.clone()).await;
        // What could not be stored must not look as if it was.
        match error.or(settled.err()) {
            _ if gone => out.clear(),
            Some(error) => sse::encode_into(error.body().as_bytes(), &mut out),
            None => out.extend_from_slice(sse::DONE),
        }
        out
    }

    /// What the provider had sent before the client left was generated, and will be billed.
    async fn last_look(&mut self) {
        let mut unwanted = Vec::new();
        let reading = async {
            while let Ok(Some(bytes)) = std::future::poll_fn(|cx| self.source.poll_next(cx)).await {
                if !matches!(self.feed(&bytes, &mut unwanted), Ok(None)) {
                    return;
                }
                unwanted.clear();
            }
        };
        // There is no more to it than its side effect.
        let _ = clock::within(LAST_LOOK_MS, reading).await;
    }

    async fn settle(&mut self, ending: Ending, error: Option<Error>) -> Result<()> {
        let Some(settling) = self.settling.take() else { return Ok(()) };
        // Also of an answer that was cut: its client may have read the calls and go on from them.
        let (message, private) = (self.translate.message(), self.translate.private());
        let ended = Ended { ending, seen: self.seen(), message, private, first_ms: self.first_ms, error };
        settling.settle(ended).await
    }
}

/// For our log: nobody reads it. nginx's status for this.
pub fn client_closed() -> Error {
    Error::new(Code::UpstreamError, "The client closed the request.").with_status(499)
}
