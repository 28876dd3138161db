//! Carries what a user's object has to tell to its project's object, and brings back how far that got.
//!
//! Always holds: what is lost on the way is told again, by whoever carries next; the project counts it once. Absent on
//! purpose: when to carry (the user's alarm and its shell, the owner's routes), how the user's object is asked.

use worker::Env;

use super::something_else;
use crate::error::{Code, Result};
use crate::user::outbox::{Acknowledge, MOST_ENTRIES};
use crate::user::{Command, Outcome};
use crate::{rollup, user};

/// The most batches at a time.
const MOST_BATCHES: usize = 20;

/// Carries until nothing waits. Answers false if something still does.
///
/// # Errors
/// One of the two did not answer.
pub async fn carry(env: &Env, project_id: &str, uid: &str, ask: impl AsyncFn(Command) -> Result<Outcome>) -> Result<bool> {
    for _ in 0..MOST_BATCHES {
        let Outcome::Outbox(batch) = ask(Command::Outbox { limit: MOST_ENTRIES }).await? else { return Err(something_else()) };
        if batch.is_empty() {
            return Ok(true);
        }
        let (epoch, through) = (batch.epoch, batch.through);
        let apply = rollup::Command::Apply { user: uid.to_owned(), batch };
        let told = |through, retention_ms| Acknowledge { epoch, through, rewind: false, retention_ms };
        let acknowledge = match super::rollup(env, project_id, &apply).await {
            Ok((rollup::Outcome::Told { through, retention_ms }, _)) => told(through, Some(retention_ms)),
            Ok((rollup::Outcome::Expected { number }, _)) => Acknowledge { rewind: true, ..told(number.saturating_sub(1), None) },
            Ok(_) => return Err(something_else()),
            // The project is deleted: nobody is left to be told.
            Err(error) if error.code() == Code::NotFound => told(through, None),
            Err(error) => return Err(error),
        };
        ask(Command::Acknowledge(acknowledge)).await?;
    }
    Ok(false)
}

/// Carries for a user's object from outside.
///
/// # Errors
/// As `carry`.
pub async fn pull(env: &Env, project_id: &str, uid: &str) -> Result<bool> {
    carry(env, project_id, uid, async |command: user::Command| Ok(super::user(env, project_id, uid, &command).await?.0)).await
}
