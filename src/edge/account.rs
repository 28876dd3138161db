//! What a request that was begun asks its user's object while it runs.
//!
//! Always holds: it names the request, so that nothing of another one is touched. Absent on purpose: beginning (`admission`) and
//! settling (`settle`).

use std::rc::Rc;

use worker::Env;

use crate::api::usage::TokenUsage;
use crate::edge::inbound::Costs;
use crate::edge::objects;
use crate::error::{Error, Result};
use crate::user::command::{Estimate, Extend, Limits, Progress, Progressed, Reroute, Reservation};
use crate::user::store::Served;
use crate::user::{Command, Outcome};

/// The user's account, for one request.
pub struct Account {
    /// The platform's bindings.
    pub env: Env,
    /// Project.
    pub project_id: String,
    /// User.
    pub uid: String,
    /// The request.
    pub request_id: String,
    /// The limits it was begun with.
    pub limits: Limits,
    /// Prompt tokens by our own count.
    pub input_estimate: u64,
    /// What it has cost so far.
    pub costs: Rc<Costs>,
}

impl Account {
    /// Tells what was used so far; `extend`: output tokens used and held, if more is to be held.
    ///
    /// # Errors
    /// The object did not answer.
    pub async fn report(&self, usage: TokenUsage, extend: Option<(u64, u64)>) -> Result<Progressed> {
        let limits = self.limits;
        let extend = extend.map(|(used, held)| Extend { used, held, limits });
        let progress = Progress { request_id: self.request_id.clone(), usage, extend };
        match self.ask(&Command::Progress(progress)).await? {
            Outcome::Progressed(progressed) => Ok(progressed),
            _ => Err(something_else()),
        }
    }

    /// Moves the reservation to another target.
    ///
    /// # Errors
    /// The refusal, if a budget does not allow it; or the object did not answer.
    pub async fn reroute(&self, served: Served, estimate: Estimate) -> Result<Reservation> {
        let reroute = Reroute { request_id: self.request_id.clone(), served, estimate, limits: self.limits };
        match self.ask(&Command::Reroute(reroute)).await? {
            Outcome::Rerouted(reservation) => Ok(reservation),
            Outcome::Refused(refused) => Err(refused.refusal.error()),
            _ => Err(something_else()),
        }
    }

    async fn ask(&self, command: &Command) -> Result<Outcome> {
        let (outcome, rows) = objects::user(&self.env, &self.project_id, &self.uid, command).await?;
        self.costs.object_call(rows);
        Ok(outcome)
    }
}

fn something_else() -> Error {
    Error::server("the user object answered something else")
}
