//! Waiting for a provider before there is anything to send: what may end it besides the provider's answer.
//!
//! Always holds: what the wait was for is dropped when it ends otherwise; letting the provider go is the caller's.
//! Absent on purpose: what a running stream waits for (`pump`), and what the client is told of its own leaving.

use std::future::Future;

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

/// The work's result, unless it takes longer than `ms`, or the client is gone or not allowed any more. `own` knows the latter;
/// nobody does in an unmetered deployment.
///
/// # Errors
/// What ended it.
pub async fn wait<T>(gone: &Gone, own: Option<&OwnObject>, ms: u64, work: impl Future<Output = T>) -> Result<T, Cut> {
    let work = clock::within(ms, work);
    let waited = gone.unless(async {
        match own {
            Some(own) => own.while_good(work).await,
            None => Ok(work.await),
        }
    });
    match waited.await {
        None => Err(Cut::Gone),
        Some(Err(error)) => Err(Cut::Revoked(error)),
        Some(Ok(None)) => Err(Cut::Late),
        Some(Ok(Some(result))) => Ok(result),
    }
}
