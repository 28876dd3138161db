//! The admin routes of users: their own limits. (Erasing them is `ledger`'s: what they used is told first.) Contract section 9.
//!
//! Always holds: what is said of a user is kept in that user's object alone, so it is in force at once, and goes with it.

use serde_json::Value;

use crate::auth::mint::check_any_user_id;
use crate::config::overrides;
use crate::edge::admin::ask;
use crate::edge::answer::Answer;
use crate::edge::inbound::Inbound;
use crate::edge::objects::something_else;
use crate::edge::{audit, objects};
use crate::error::{Error, Result};
use crate::project::{self, audit::Entry};
use crate::route::Route;
use crate::user::overrides::Overrides;
use crate::user::{Command, Outcome};

/// Serves one of the routes.
pub async fn serve(inbound: &mut Inbound, route: Route) -> Result<Answer> {
    match route {
        Route::UserLimits { id, uid } => limits(inbound, &id, &uid, &Command::Overrides).await,
        Route::PutUserLimits { id, uid } => {
            let overrides = overrides::parse(inbound.json::<Value>().await?)?;
            limits(inbound, &id, &uid, &Command::PutOverrides(overrides)).await
        }
        Route::DeleteUserLimits { id, uid } => {
            limits(inbound, &id, &uid, &Command::PutOverrides(Overrides::default())).await?;
            Ok(Answer::empty(204))
        }
        _ => Err(Error::server("not a route of users")),
    }
}

/// Asks the user's object, if there may be such a user in such a project.
async fn limits(inbound: &Inbound, id: &str, uid: &str, command: &Command) -> Result<Answer> {
    check_any_user_id(uid)?;
    ask(inbound, id, &project::Command::Read).await?;
    let (outcome, rows) = objects::user(&inbound.env, id, uid, command).await?;
    inbound.costs.object_call(rows);
    if matches!(command, Command::PutOverrides(_)) {
        audit::record(inbound, id, Entry::new("user.limits", uid, Value::Null)).await?;
    }
    match outcome {
        Outcome::Overrides(overrides) => Ok(Answer::json(200, &overrides::view(uid, overrides))),
        _ => Err(something_else()),
    }
}
