//! What a user has used and may use: `GET /v1/usage`, `/v1/billing/usage` and `/v1/limits`. Contract section 5.
//!
//! Always holds: the object that is asked is the caller's own, whatever the query says of users.

use futures::future::try_join;
use serde_json::Value;

use crate::api::window::{Granularity, Window};
use crate::api::{limits, report};
use crate::edge::answer::Answer;
use crate::edge::caller::Caller;
use crate::edge::inbound::Inbound;
use crate::edge::objects::{self, something_else};
use crate::edge::own_object::OwnObject;
use crate::error::Result;
use crate::route::Route;
use crate::user::report::{Cell, UsageQuery};
use crate::user::{Command, Outcome};

/// Serves one of the routes.
pub async fn serve(inbound: &Inbound, caller: &Caller, route: &Route) -> Result<Answer> {
    let value = match route {
        Route::Usage => {
            let (window, granularity) = (window(inbound)?, Granularity::parse(inbound.parameter("granularity"))?);
            window.check_steps(granularity)?;
            report::usage(window, granularity, &cells(inbound, caller, window, Some(granularity.ms())).await?)
        }
        Route::Billing => {
            let window = window(inbound)?;
            report::billing(caller.project_id(), window, &cells(inbound, caller, window, None).await?)
        }
        _ => standing(inbound, caller).await?,
    };
    Ok(Answer::json(200, &value))
}

/// The user's object knows what the user has, the project's what all others have.
async fn standing(inbound: &Inbound, caller: &Caller) -> Result<Value> {
    let standing = Command::Standing(caller.zone());
    let room = objects::room(&inbound.env, caller.project_id(), caller.uid());
    match try_join(ask(inbound, caller, &standing), room).await? {
        (Outcome::Standing(standing), room) => {
            inbound.costs.object_call(0);
            Ok(limits::view(&caller.named_limits().of_user(standing.overrides), caller.tier(), &standing, &room, inbound.arrived_ms))
        }
        _ => Err(something_else()),
    }
}

fn window(inbound: &Inbound) -> Result<Window> {
    Window::parse(inbound.parameter("from"), inbound.parameter("to"), inbound.arrived_ms)
}

async fn cells(inbound: &Inbound, caller: &Caller, window: Window, step: Option<u64>) -> Result<Vec<Cell>> {
    let query = UsageQuery { from: window.from, to: window.to, step };
    match ask(inbound, caller, &Command::Usage(query)).await? {
        Outcome::Usage(cells) => Ok(cells),
        _ => Err(something_else()),
    }
}

async fn ask(inbound: &Inbound, caller: &Caller, command: &Command) -> Result<Outcome> {
    OwnObject::of(inbound, caller).ask(command).await
}
