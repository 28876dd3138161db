//! Waiting for a provider before there is anything to send: what may end it besides the provider's answer.
//!
//! Always holds: what the wait was for is dropped when it ends otherwise; letting the provider go is the caller's; one timer at a time.
//! Absent on purpose: what a running stream waits for (`pump`), and what the client is told of its own leaving.

use std::future::Future;

use futures::future::{Either, select};
use futures::pin_mut;

use crate::edge::clock;
use crate::edge::gone::Gone;
use crate::edge::own_object::OwnObject;
use crate::error::Error;

/// What ended a wait.
pub enum Cut {
    /// The client is gone.
    Gone,
    /// Its token came to be good for nothing: with what a new request of it would be told.
    Revoked(Error),
    /// It took too long.
    Late,
}

/// The work's result, unless it takes longer than `ms`, or the client is gone or not allowed any more. `own` is asked for the latter,
/// every few seconds; nobody is in an unmetered deployment.
///
/// # Errors
/// What ended it.
pub async fn wait<T>(gone: &Gone, own: Option<&OwnObject>, ms: u64, work: impl Future<Output = T>) -> Result<T, Cut> {
    pin_mut!(work);
    let until = clock::now_ms().saturating_add(ms);
    loop {
        let now = clock::now_ms();
        let left = until.saturating_sub(now);
        let pause = own.map_or(left, |own| left.min(own.due_ms().saturating_sub(now)));
        match gone.unless(select(work.as_mut(), clock::sleep(pause))).await {
            None => return Err(Cut::Gone),
            Some(Either::Left((result, _))) => return Ok(result),
            Some(Either::Right(_)) => {}
        }
        let Some(own) = own.filter(|_| pause < left) else { return Err(Cut::Late) };
        let asking = own.refusal();
        pin_mut!(asking);
        match gone.unless(select(work.as_mut(), asking)).await {
            None => return Err(Cut::Gone),
            Some(Either::Left((result, _))) => return Ok(result),
            Some(Either::Right((Some(error), _))) => return Err(Cut::Revoked(error)),
            Some(Either::Right((None, _))) => {}
        }
    }
}
