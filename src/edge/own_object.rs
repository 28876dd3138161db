//! A user's own object, as one request of that user's asks it: with what the object has to know of the token.
//!
//! Always holds: an answer other than `Stale` means that the token was good by all that the object knew. Absent on purpose: which
//! token is good (`crate::user::pass`, `crate::auth::standing`), and commands of the owner and of objects (`objects::user`).

use std::cell::Cell;
use std::rc::Rc;

use worker::Env;

use crate::api::usage::TokenUsage;
use crate::auth::standing;
use crate::auth::token::Principal;
use crate::edge::caller::Caller;
use crate::edge::inbound::{Costs, Inbound};
use crate::edge::{clock, objects, snapshots};
use crate::error::{Error, Result};
use crate::meter::ALIVE_MS;
use crate::user::command::Progress;
use crate::user::pass::Pass;
use crate::user::{Command, Outcome};

/// The way to it, for one request.
pub struct OwnObject {
    env: Env,
    principal: Rc<Principal>,
    request_id: String,
    /// The configuration that the token was judged by.
    version: Cell<u64>,
    /// What the request has cost so far.
    costs: Rc<Costs>,
    /// When it was last asked whether the token is good, epoch ms.
    asked_ms: Cell<u64>,
}

impl OwnObject {
    /// For this request.
    pub fn of(inbound: &Inbound, caller: &Caller) -> Self {
        Self {
            env: inbound.env.clone(),
            principal: Rc::clone(&caller.principal),
            request_id: inbound.request_id.clone(),
            version: Cell::new(caller.project.snapshot.version),
            costs: Rc::clone(&inbound.costs),
            asked_ms: Cell::new(clock::now_ms()),
        }
    }

    /// When it is to be asked again, epoch ms: whatever the request goes through, its token is looked at every few seconds.
    pub fn due_ms(&self) -> u64 {
        self.asked_ms.get().saturating_add(ALIVE_MS)
    }

    /// Asks; reads the configuration again if the object knows of a newer one.
    ///
    /// # Errors
    /// The object's; 401 or 403 if the token is good for nothing any more.
    pub async fn ask(&self, command: &Command) -> Result<Outcome> {
        let outcome = self.once(command, false).await?;
        if !matches!(outcome, Outcome::Stale { .. }) {
            return Ok(outcome);
        }
        let newest = snapshots::newest_of(&self.env, &self.costs, &self.principal.claims.pid).await?;
        standing::check_under_way(&newest.snapshot, &self.principal)?;
        self.version.set(newest.snapshot.version);
        match self.once(command, false).await? {
            Outcome::Stale { .. } => Err(Error::server("the configuration changes faster than it can be read")),
            outcome => Ok(outcome),
        }
    }

    /// Asks once; `Stale` is the caller's to deal with. `prepares`: the request is for another command.
    ///
    /// # Errors
    /// The object's.
    pub async fn once(&self, command: &Command, prepares: bool) -> Result<Outcome> {
        let claims = &self.principal.claims;
        let pass = Pass { prepares, ..self.pass() };
        // Also if it does not answer: it is not asked without a pause.
        self.asked_ms.set(clock::now_ms());
        let (outcome, rows) = objects::user_with(&self.env, &claims.pid, &claims.uid, Some(&pass), command).await?;
        self.costs.object_call(rows);
        Ok(outcome)
    }

    /// What the user is told if the token has come to be good for nothing; nothing if it has not, or if nobody knows. Asks with a report
    /// of nothing.
    pub async fn refusal(&self) -> Option<Error> {
        let report = Progress { request_id: self.request_id.clone(), usage: TokenUsage::default(), extend: None, pass: None };
        self.ask(&Command::Progress(report)).await.err().filter(standing::is_over)
    }

    fn pass(&self) -> Pass {
        let claims = &self.principal.claims;
        Pass {
            request_id: self.request_id.clone(),
            jti: claims.jti.clone(),
            sid: claims.sid.clone(),
            par: claims.par.clone(),
            issued_at: self.principal.issued_at,
            expires_at: self.principal.expires_at,
            version: self.version.get(),
            one_time: claims.capabilities.one_time,
            prepares: false,
            allowances: claims.capabilities.allowances(&claims.jti),
        }
    }
}
