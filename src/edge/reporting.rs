//! Tells a user's object what a running stream has used, beside the stream.
//!
//! Always holds: one report at a time; it is on its way as soon as it is made, and what it waits for never delays the
//! client's bytes (unless there is nothing left to give). Absent on purpose: when to report and when to stop (`crate::meter`).

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::future::LocalBoxFuture;
use futures::task::noop_waker_ref;

use crate::api::usage::TokenUsage;
use crate::edge::account::Account;
use crate::edge::clock;
use crate::error::{Error, Result};
use crate::meter::{Due, Meter, Seen, Wish};
use crate::user::command::{Progressed, Reservation};

/// Whether the stream may go on.
pub enum Go {
    /// It may.
    On,
    /// Not before the report under way is answered.
    Wait,
    /// It may not.
    Stop(Error),
}

/// The reports of one stream.
pub struct Reporting {
    meter: Meter,
    account: Rc<Account>,
    under_way: Option<LocalBoxFuture<'static, Result<Progressed>>>,
}

impl Reporting {
    /// Of a request that holds this.
    pub fn of(account: &Rc<Account>, reservation: &Reservation) -> Self {
        let meter = Meter::new(reservation).alive_from(account.own.due_ms());
        Self { meter, account: Rc::clone(account), under_way: None }
    }

    /// Prompt tokens by our own count.
    pub fn input_estimate(&self) -> u64 {
        self.account.input_estimate
    }

    /// Ready once the report under way is answered; never if there is none.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(report) = &mut self.under_way else { return Poll::Pending };
        let answer = std::task::ready!(report.as_mut().poll(cx));
        self.under_way = None;
        self.meter.answered(answer);
        Poll::Ready(())
    }

    /// When a report is due even if nothing comes, epoch ms.
    pub fn alive_at(&self, now: u64) -> u64 {
        self.meter.alive_at(now)
    }

    /// Reports if it is time to.
    pub fn look(&mut self, seen: &Seen) -> Go {
        match self.meter.look(seen, clock::now_ms()) {
            Due::Nothing => Go::On,
            Due::Wait => Go::Wait,
            Due::Stop(error) => Go::Stop(error),
            Due::Report(wish) => {
                self.report(seen, wish);
                // The meter says whether this one has to be waited for.
                if matches!(self.meter.look(seen, clock::now_ms()), Due::Wait) { Go::Wait } else { Go::On }
            }
        }
    }

    fn report(&mut self, seen: &Seen, wish: Option<Wish>) {
        // Of what was not seen nothing is told: it may yet go elsewhere.
        let nothing = seen.bytes == 0 && seen.usage.is_none();
        let usage = if nothing { TokenUsage::default() } else { seen.bill(self.account.input_estimate).0 };
        let extend = wish.map(|Wish { used, held }| (used, held));
        let account = Rc::clone(&self.account);
        let mut report: Pin<Box<dyn Future<Output = Result<Progressed>>>> = Box::pin(async move { account.report(usage, extend).await });
        // The first poll sends it, also if the client does not ask for more for a while. It is polled again by whoever waits.
        if let Poll::Ready(answer) = report.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
            self.meter.answered(answer);
        } else {
            self.under_way = Some(report);
        }
    }
}
