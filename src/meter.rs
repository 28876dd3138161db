//! What a running answer has come to, when its user's object is to be told, and when it must wait or stop.
//!
//! Always holds: text is counted twice: from above, for what may still come (a third of its bytes, or an event each,
//! whichever is more), and as it is billed (what the provider says, and a quarter of the bytes since). One report at a
//! time. Only a stream that named no maximum is ever made to wait: a named one is its provider's to keep.
//! A stream whose token is void, or whose project is suspended, ends with the next look after the object has said so.
//! Absent on purpose: sending (`edge::reporting`), and whether there is more to hold (`user`).

use crate::api::estimate::text_tokens;
use crate::api::usage::TokenUsage;
use crate::auth::standing;
use crate::error::Error;
use crate::user::command::{Progressed, Reservation};

/// Bytes of English text per token, by OpenAI's rule of thumb: what is billed where the provider does not say.
const BYTES_PER_TOKEN: u64 = 4;
/// A report at the latest after so much text, in bytes.
const EVERY_BYTES: u64 = 2_048;
/// And after so long, in ms, if there is anything new.
pub const EVERY_MS: u64 = 1_000;
/// And after so long, in ms, even if there is nothing new: the object may know that the stream is to end.
pub const ALIVE_MS: u64 = 5_000;

/// An answer as far as it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of text, in all choices.
    pub bytes: u64,
    /// Events that brought some of them.
    pub events: u64,
    /// What the provider last said.
    pub usage: Option<TokenUsage>,
    /// How many of the bytes that covers.
    pub covered: u64,
}

impl Seen {
    /// A whole answer, or one of which nothing came: what the provider said is all there is to say.
    pub const fn whole(bytes: u64, usage: Option<TokenUsage>) -> Self {
        Self { bytes, events: 0, usage, covered: bytes }
    }

    /// What is billed, and whether some of it is our own count. `input`: the prompt by our estimate.
    pub fn bill(&self, input: u64) -> (TokenUsage, bool) {
        let output = self.billed_output();
        match self.usage {
            Some(usage) => (TokenUsage { output, ..usage }, self.bytes > self.covered),
            None => (TokenUsage { input, output, ..TokenUsage::default() }, true),
        }
    }

    fn billed_output(&self) -> u64 {
        self.with_the_rest(|bytes| bytes.div_ceil(BYTES_PER_TOKEN))
    }

    /// Output tokens, from above.
    fn most_output(&self) -> u64 {
        let said_of_all = self.usage.is_some() && self.covered == self.bytes;
        let counted = self.with_the_rest(|bytes| text_tokens(usize::try_from(bytes).unwrap_or(usize::MAX)));
        if said_of_all { counted } else { counted.max(self.events) }
    }

    /// What the provider said, and the bytes since, counted.
    fn with_the_rest(&self, count: impl Fn(u64) -> u64) -> u64 {
        match self.usage {
            Some(usage) => usage.output.saturating_add(count(self.bytes.saturating_sub(self.covered))),
            None => count(self.bytes),
        }
    }
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// Go on.
    Nothing,
    /// Go on, and report; with a wish for more, if set.
    Report(Option<Wish>),
    /// Let nothing more come before the report under way is answered.
    Wait,
    /// The answer ends here.
    Stop(Error),
}

/// That more be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Output tokens used so far.
    pub used: u64,
    /// Output tokens held.
    pub held: u64,
}

/// The state of one stream's reservation, as its Worker knows it.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Output tokens held.
    held: u64,
    /// Set if that may grow: the most that can be foreseen.
    grows_to: Option<u64>,
    /// The last instalment.
    instalment: u64,
    /// When the last report was made, epoch ms; before the first, when the first text came.
    reported_ms: Option<u64>,
    /// Of what.
    reported_bytes: u64,
    reported_output: u64,
    /// A report is under way.
    reporting: bool,
    /// The last report had a wish.
    wished: bool,
    /// Nothing was left when the last report was made.
    urgent: bool,
    /// Why the last report brought no more.
    denied: Option<Error>,
    /// When it was last looked whether a report is due for being alive, or made, epoch ms.
    alive_ms: Option<u64>,
    /// Why the answer may not go on: its token is void, or its project is suspended.
    over: Option<Error>,
}

impl Meter {
    /// The meter of a stream that was begun with this.
    pub const fn new(reservation: &Reservation) -> Self {
        let held = reservation.output();
        Self {
            held,
            grows_to: reservation.grows_to,
            instalment: held,
            reported_ms: None,
            reported_bytes: 0,
            reported_output: 0,
            reporting: false,
            wished: false,
            urgent: false,
            denied: None,
            alive_ms: None,
            over: None,
        }
    }

    /// The same of a request that has waited for its stream: when it is to be asked next whether it may go on, epoch ms.
    #[must_use]
    pub const fn alive_from(mut self, due_ms: u64) -> Self {
        self.alive_ms = Some(due_ms.saturating_sub(ALIVE_MS));
        self
    }

    /// What is due at `now` (epoch ms). After `Report` a report is under way until `answered` is called.
    pub fn look(&mut self, seen: &Seen, now: u64) -> Due {
        if let Some(error) = self.over.take() {
            return Due::Stop(error);
        }
        let wish = self.wish(seen);
        let short = wish.is_some_and(|wish| wish.used > wish.held);
        if self.reporting {
            return if short { Due::Wait } else { Due::Nothing };
        }
        if core::mem::take(&mut self.urgent)
            && short
            && let Some(error) = self.denied.take()
        {
            return Due::Stop(error);
        }
        // Who was denied more asks again with the next report, or when nothing is left.
        let near = wish.is_some() && self.denied.is_none();
        if !(short || near || self.is_time(seen, now) || self.is_silent(now)) {
            return Due::Nothing;
        }
        self.alive_ms = Some(now);
        (self.reporting, self.wished, self.urgent) = (true, wish.is_some(), short);
        (self.reported_ms, self.reported_bytes, self.reported_output) = (Some(now), seen.bytes, seen.billed_output());
        Due::Report(wish)
    }

    /// The report under way was answered, or failed.
    pub fn answered(&mut self, answer: Result<Progressed, Error>) {
        self.reporting = false;
        self.denied = match answer {
            Ok(Progressed { counted: true, reserved_output, stop }) => {
                let grown = reserved_output.saturating_sub(self.held);
                self.held = reserved_output;
                if grown > 0 {
                    self.instalment = grown;
                }
                let no_more = || Error::server("a reservation did not grow and nobody knows why");
                stop.map(|refusal| refusal.error()).or_else(|| (self.wished && grown == 0).then(no_more))
            }
            Ok(Progressed { counted: false, .. }) => {
                self.held = 0;
                Some(Error::server("the reservation of a running stream is gone"))
            }
            Err(error) => Some(error),
        };
        self.over = self.denied.take_if(|error| standing::is_over(error));
    }

    /// When a report is due even if nothing comes, epoch ms.
    pub fn alive_at(&self, now: u64) -> u64 {
        // While a report is under way there is nothing to do sooner.
        self.alive_ms.unwrap_or(now).saturating_add(ALIVE_MS).max(now.saturating_add(EVERY_MS))
    }

    /// Set if half of the last instalment is used up and there may be another, or if more is used than is held.
    fn wish(&self, seen: &Seen) -> Option<Wish> {
        let (foreseen, held) = (self.grows_to?, self.held);
        if held < foreseen {
            let used = seen.most_output().min(foreseen);
            return (used > held - self.instalment.min(held) / 2).then_some(Wish { used, held });
        }
        // All that was foreseen is held: that much the provider was told, or that is where its model ends. A count from above
        // would stop it too early.
        let used = seen.billed_output();
        (used > held).then_some(Wish { used, held })
    }

    /// Nothing was reported for long.
    fn is_silent(&mut self, now: u64) -> bool {
        now.saturating_sub(*self.alive_ms.get_or_insert(now)) >= ALIVE_MS
    }

    /// Enough that is new was not reported for long enough.
    fn is_time(&mut self, seen: &Seen, now: u64) -> bool {
        if seen.bytes == 0 && seen.usage.is_none() {
            return false;
        }
        let since = *self.reported_ms.get_or_insert(now);
        let more = seen.bytes.saturating_sub(self.reported_bytes);
        more >= EVERY_BYTES || (now.saturating_sub(since) >= EVERY_MS && (more > 0 || seen.billed_output() > self.reported_output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::user::refusal::{Budget, Refusal};

    fn meter(held: u64, grows_to: Option<u64>) -> Meter {
        Meter::new(&Reservation { seq: 1, reserved: 10 + held, reserved_micro_usd: 0, input: 10, max_output: None, grows_to })
    }

    fn text(bytes: u64) -> Seen {
        Seen { bytes, events: 1, ..Seen::default() }
    }

    fn held(reserved_output: u64) -> Progressed {
        Progressed { counted: true, reserved_output, stop: None }
    }

    fn refusal() -> Refusal {
        Refusal::Quota { scope: Budget::UserTokensPerDay, limit: 100, used: 100, resets_at: 9 }
    }

    fn denied(reserved_output: u64) -> Progressed {
        Progressed { stop: Some(refusal()), ..held(reserved_output) }
    }

    /// (seen, billed output, is it our own count, output from above)
    #[test]
    fn two_counts() {
        let said = |output, covered, bytes| Seen {
            bytes,
            events: 9,
            usage: Some(TokenUsage { input: 7, output, cached_input: 2, ..TokenUsage::default() }),
            covered,
        };
        for (seen, billed, estimated, most) in [
            (Seen::default(), 0, true, 0),
            (text(400), 100, true, 134),
            (text(401), 101, true, 134),
            (Seen { events: 50, ..text(100) }, 25, true, 50),
            (said(5, 100, 100), 5, false, 5),
            (said(5, 100, 112), 8, true, 9),
            (said(5, 100, 160), 20, true, 25),
            (said(1, 0, 400), 101, true, 135),
            (Seen::whole(400, said(5, 0, 0).usage), 5, false, 5),
        ] {
            let (bill, own) = seen.bill(10);
            assert_eq!((bill.output, own, seen.most_output()), (billed, estimated, most), "{seen:?}");
            assert_eq!((bill.input, bill.cached_input), seen.usage.map_or((10, 0), |usage| (usage.input, 2)), "{seen:?}");
        }
    }

    #[test]
    fn a_report_every_second_or_two_kilobytes() {
        let mut meter = meter(1_000, None);
        assert_eq!(meter.look(&Seen::default(), 4_000), Due::Nothing);
        for (bytes, now, due) in [
            (10, 5_000, false),
            (2_047, 5_999, false),
            (2_048, 5_999, true),
            (2_048, 9_000, false),
            (2_049, 9_000, true),
            (4_000, 9_999, false),
            (4_000, 10_000, true),
            (90_000, 10_000, true),
        ] {
            let expected = if due { Due::Report(None) } else { Due::Nothing };
            assert_eq!(meter.look(&text(bytes), now), expected, "{bytes} at {now}");
            if due {
                // Never two at a time, and a failure is no reason to stop.
                assert_eq!(meter.look(&text(bytes + 9_000), now + 5_000), Due::Nothing);
                meter.answered(Err(Error::server("no")));
            }
        }
        assert_eq!(meter.look(&text(900_000), 10_001), Due::Report(None));
        meter.answered(Ok(Progressed { counted: false, reserved_output: 0, stop: None }));
        assert_eq!(meter.look(&text(900_000), 10_002), Due::Nothing, "a named maximum stops nothing, whatever is counted");
    }

    #[test]
    fn hidden_reasoning_is_reported_too() {
        let mut meter = meter(1_000, None);
        let thought = |output| Seen { usage: Some(TokenUsage { input: 7, output, ..TokenUsage::default() }), ..Seen::default() };
        assert_eq!(meter.look(&thought(1), 0), Due::Nothing);
        assert_eq!(meter.look(&thought(90), 1_000), Due::Report(None));
    }

    /// 100 tokens are held: at 51 more is wanted, and at 101 nothing comes before the answer.
    #[test]
    fn more_is_asked_for_in_time() {
        let mut meter = meter(100, Some(1_000));
        assert_eq!(meter.look(&text(150), 0), Due::Nothing);
        assert_eq!(meter.look(&text(153), 0), Due::Report(Some(Wish { used: 51, held: 100 })));
        assert_eq!(meter.look(&text(300), 0), Due::Nothing);
        assert_eq!(meter.look(&text(301), 0), Due::Wait);
        meter.answered(Ok(held(300)));
        assert_eq!(meter.look(&text(301), 0), Due::Nothing);
        assert_eq!(meter.look(&text(603), 0), Due::Report(Some(Wish { used: 201, held: 300 })));
        meter.answered(Ok(held(1_000)));
        // All that was foreseen: only the bill counts now.
        assert_eq!(meter.look(&text(4_000), 0), Due::Report(None));
        meter.answered(Ok(held(1_000)));
        assert_eq!(meter.look(&text(4_001), 0), Due::Report(Some(Wish { used: 1_001, held: 1_000 })));
        meter.answered(Ok(held(1_065)));
        assert_eq!(meter.look(&text(4_001), 0), Due::Nothing);
    }

    #[test]
    fn nothing_left_stops_it() {
        let mut meter = meter(100, Some(1_000));
        assert_eq!(meter.look(&text(200), 0), Due::Report(Some(Wish { used: 67, held: 100 })));
        meter.answered(Ok(denied(100)));
        assert_eq!(meter.look(&text(210), 500), Due::Nothing, "it is not asked again at once");
        assert_eq!(meter.look(&text(210), 1_000), Due::Report(Some(Wish { used: 70, held: 100 })));
        meter.answered(Ok(denied(100)));
        // Somebody may have given something back since.
        assert_eq!(meter.look(&text(330), 1_000), Due::Report(Some(Wish { used: 110, held: 100 })));
        assert_eq!(meter.look(&text(330), 1_000), Due::Wait);
        meter.answered(Ok(held(105)));
        assert_eq!(meter.look(&text(330), 1_000), Due::Report(Some(Wish { used: 110, held: 105 })), "some came, not enough");
        meter.answered(Ok(denied(105)));
        assert_eq!(meter.look(&text(330), 1_000), Due::Stop(refusal().error()));
    }

    #[test]
    fn a_stream_that_was_waited_for_is_looked_at_no_later() {
        let mut meter = meter(100, None).alive_from(8_000);
        assert_eq!(meter.look(&Seen::default(), 7_999), Due::Nothing);
        assert_eq!(meter.alive_at(6_000), 8_000);
        assert_eq!(meter.look(&Seen::default(), 8_000), Due::Report(None));
    }

    /// Whatever its maximum, and whether the provider says anything or not.
    #[test]
    fn a_void_token_ends_it() {
        for (grows_to, seen) in [(None, Seen::default()), (None, text(9)), (Some(1_000), Seen::default())] {
            let mut meter = meter(1_000, grows_to);
            assert_eq!(meter.look(&seen, 1_000), Due::Nothing);
            assert_eq!(meter.look(&seen, 999 + ALIVE_MS + u64::from(seen.bytes == 0)), Due::Report(None), "{seen:?}");
            assert_eq!(meter.look(&seen, 2_000 + ALIVE_MS), Due::Nothing);
            for code in [Code::ServerError, Code::InvalidToken] {
                meter.answered(Err(Error::new(code, "a reason")));
                let due = meter.look(&seen, 3_000 + ALIVE_MS);
                assert_eq!(matches!(due, Due::Stop(error) if error.code() == code), code == Code::InvalidToken);
            }
        }
    }

    #[test]
    fn an_object_that_does_not_answer_stops_it_when_nothing_is_left() {
        for lost in [Err(Error::server("no answer")), Ok(Progressed { counted: false, reserved_output: 0, stop: None }), Ok(held(100))] {
            let mut meter = meter(100, Some(1_000));
            assert!(matches!(meter.look(&text(200), 0), Due::Report(Some(_))));
            meter.answered(lost.clone());
            assert!(matches!(meter.look(&text(330), 1), Due::Report(Some(_))));
            meter.answered(lost);
            assert!(matches!(meter.look(&text(330), 2), Due::Stop(error) if error.code() == Code::ServerError));
        }
    }
}
