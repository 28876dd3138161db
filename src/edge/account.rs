//! What a request that was begun asks its user's object while it runs.
//!
//! Always holds: it names the request, so that nothing of another one is touched. Absent on purpose: beginning (`admission`) and
//! settling (`settle`).

use crate::api::usage::TokenUsage;
use crate::edge::objects::something_else;
use crate::edge::own_object::OwnObject;
use crate::error::Result;
use crate::user::command::{Estimate, Extend, Limits, Progress, Progressed, Reroute, Reservation};
use crate::user::store::Served;
use crate::user::{Command, Outcome};

/// The user's account, for one request.
pub struct Account {
    /// The user's object.
    pub own: OwnObject,
    /// The request.
    pub request_id: String,
    /// The limits it was begun with.
    pub limits: Limits,
    /// Prompt tokens by our own count.
    pub input_estimate: u64,
}

impl Account {
    /// Tells what was used so far; `extend`: output tokens used and held, if more is to be held.
    ///
    /// # Errors
    /// 401 or 403 if the request's token is good for nothing any more; or the object did not answer.
    pub async fn report(&self, usage: TokenUsage, extend: Option<(u64, u64)>) -> Result<Progressed> {
        let limits = self.limits;
        let extend = extend.map(|(used, held)| Extend { used, held, limits });
        let progress = Progress { request_id: self.request_id.clone(), usage, extend, pass: None };
        match self.own.ask(&Command::Progress(progress)).await? {
            Outcome::Progressed(progressed) => Ok(progressed),
            _ => Err(something_else()),
        }
    }

    /// Moves the reservation to another target.
    ///
    /// # Errors
    /// The refusal, if a budget does not allow it; or the object did not answer.
    pub async fn reroute(&self, served: Served, estimate: Estimate) -> Result<Reservation> {
        let reroute = Reroute { request_id: self.request_id.clone(), served, estimate, limits: self.limits, pass: None };
        match self.own.ask(&Command::Reroute(reroute)).await? {
            Outcome::Rerouted(reservation) => Ok(reservation),
            Outcome::Refused(refused) => Err(refused.refusal.error()),
            _ => Err(something_else()),
        }
    }
}
