//! `POST /v1/projects/{id}/revocations`: voids tokens, of a user in the user's object, of others in the project's.
//!
//! Always holds: once it is answered, a token that is made anew is good: `iat` has whole seconds, so that what is void by its time is
//! void to the end of this one, and the answer waits for that. Absent on purpose: what may be named (`crate::auth::marks`).

use serde_json::Value;

use crate::auth::marks::Revocation;
use crate::edge::answer::Answer;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::objects::something_else;
use crate::edge::{admin, audit, clock, objects};
use crate::error::{Error, Result};
use crate::project::audit::Entry;
use crate::project::{Command, Void};
use crate::route::Route;
use crate::user;
use crate::{json, user::Outcome};

/// Serves the route.
pub async fn serve(inbound: &mut Inbound, _deployment: &Deployment, route: Route) -> Result<Answer> {
    let Route::Revoke { id } = route else { return Err(Error::server("not a route of revocations")) };
    let body = json::object(&inbound.body(MAX_SMALL_BODY).await?)?;
    let now = clock::now_s();
    let revocation = Revocation::parse(&body, now)?;
    let waits = revocation.is_by_time();
    match revocation {
        Revocation::OfProject(target) => {
            admin::ask(inbound, &id, &Command::Revoke { target, void: Void { issued: now, now } }).await?;
        }
        Revocation::OfUser { uid, mark } => {
            // A project that is not there has no users; asking costs no object of a user.
            admin::ask(inbound, &id, &Command::Read).await?;
            let (outcome, rows) = objects::user(&inbound.env, &id, &uid, &user::Command::Revoke(mark)).await?;
            inbound.costs.object_call(rows);
            if !matches!(outcome, Outcome::Noted) {
                return Err(something_else());
            }
            audit::record(inbound, &id, Entry::new("revocation.create", uid, Value::Null)).await?;
        }
    }
    if waits {
        clock::past(now).await;
    }
    Ok(Answer::empty(204))
}
