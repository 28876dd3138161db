//! `GET /v1/projects/{id}/audit`, and what else is written into a project's audit log from here.
//!
//! Always holds: nothing here changes or removes an entry. Absent on purpose: what is told of a change (`project::audit`).

use serde_json::{Value, json};

use crate::api::parameters::Parameters;
use crate::edge::admin::check_id;
use crate::edge::answer::{Answer, Body};
use crate::edge::inbound::Inbound;
use crate::edge::objects::{self, something_else};
use crate::error::{Error, Result};
use crate::project::audit::{By, Command, Entry, KeyUse, Outcome, Query};
use crate::route::Route;

/// Serves the route.
pub async fn serve(inbound: &Inbound, route: Route) -> Result<Answer> {
    let Route::Audit { id } = route else { return Err(Error::server("not a route of the audit log")) };
    check_id(&id)?;
    let parameters = Parameters(&inbound.query);
    let query = Query::parse(parameters)?;
    let lines = match parameters.get("format") {
        None | Some("json") => false,
        Some("ndjson") => true,
        Some(_) => return Err(Error::invalid("format", "format must be json or ndjson.")),
    };
    let Outcome::Page { rows, has_more } = objects::audit(&inbound.env, &id, &Command::List(query)).await? else {
        return Err(something_else());
    };
    let data: Vec<Value> = rows.iter().map(crate::project::audit::Row::view).collect();
    let answer = if lines { ndjson(&data) } else { Answer::json(200, &json!({"object": "list", "data": data, "has_more": has_more})) };
    Ok(match rows.last().filter(|_| has_more) {
        Some(last) => answer.with("link", inbound.next_link("before", &last.seq.to_string())),
        None => answer,
    })
}

fn ndjson(data: &[Value]) -> Answer {
    let text: String = data.iter().flat_map(|entry| [entry.to_string(), "\n".to_owned()]).collect();
    let headers = vec![
        ("content-type", "application/x-ndjson".to_owned()),
        ("content-disposition", "attachment; filename=\"audit.ndjson\"".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ];
    Answer { status: 200, headers, body: Body::Bytes(text.into_bytes()) }
}

/// Whoever sent this request, as the log names them.
pub fn by(inbound: &Inbound, who: String) -> By {
    By { who, address: inbound.header("cf-connecting-ip"), agent: inbound.header("user-agent"), request_id: inbound.request_id.clone() }
        .cut()
}

/// Writes down what an admin request did in another object than the project's.
///
/// # Errors
/// The project's object did not answer: it is done, but not in the log.
pub async fn record(inbound: &Inbound, project_id: &str, entry: Entry) -> Result<()> {
    objects::audit(&inbound.env, project_id, &Command::Record(entry, by(inbound, inbound.actor.clone()))).await?;
    Ok(())
}

/// When the keys of a project were last used.
///
/// # Errors
/// The project's object did not answer.
pub async fn key_uses(inbound: &Inbound, project_id: &str) -> Result<Vec<KeyUse>> {
    match objects::audit(&inbound.env, project_id, &Command::KeyUses).await? {
        Outcome::KeyUses(uses) => Ok(uses),
        _ => Err(something_else()),
    }
}
