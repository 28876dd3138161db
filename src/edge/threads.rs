//! The thread routes: a user's stored conversations. Contract section 5.
//!
//! Always holds: the object that is asked is the caller's own, so another user's thread is not there: 404.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::edge::answer::Answer;
use crate::edge::caller::Caller;
use crate::edge::inbound::Inbound;
use crate::edge::objects::something_else;
use crate::edge::own_object::OwnObject;
use crate::error::{Code, Error, Result};
use crate::route::Route;
use crate::user::command::{ListMessages, ListThreads, PatchThread, ThreadId};
use crate::user::{Command, Outcome};

/// Serves a thread route.
pub async fn serve(inbound: &mut Inbound, caller: &Caller, route: Route) -> Result<Answer> {
    let own = caller.capabilities().thread.as_ref();
    let route = match (route, own) {
        // A token of one thread sees that one.
        (Route::Threads, Some(own)) => return only(inbound, caller, own).await,
        (route, Some(own)) if thread_of(&route) != Some(own) => return Err(Error::new(Code::NotFound, "There is no thread with this id.")),
        (route, _) => route,
    };
    let command = command(inbound, route).await?;
    match OwnObject::of(inbound, caller).ask(&command).await? {
        Outcome::Threads { data, has_more } => {
            let last = data.last().filter(|_| has_more).map(|thread| thread.id.clone());
            Ok(page(inbound, &json(&data)?, last))
        }
        Outcome::Thread(thread) => Ok(Answer::json_text(200, json(&thread)?)),
        Outcome::Messages { data, has_more } => {
            let first = data.first().filter(|_| has_more).and_then(|message| message_id(message));
            Ok(page(inbound, &json(&data)?, first))
        }
        Outcome::Deleted => Ok(Answer::empty(204)),
        _ => Err(something_else()),
    }
}

/// The list of a token that is for one thread.
async fn only(inbound: &Inbound, caller: &Caller, id: &str) -> Result<Answer> {
    let command = Command::GetThread(ThreadId { id: id.to_owned() });
    match OwnObject::of(inbound, caller).ask(&command).await {
        Ok(Outcome::Thread(thread)) => Ok(Answer::json_text(200, json(&[thread])?)),
        Err(error) if error.code() == Code::NotFound => Ok(Answer::json_text(200, "[]")),
        Ok(_) => Err(something_else()),
        Err(error) => Err(error),
    }
}

/// The thread that a route names.
fn thread_of(route: &Route) -> Option<&String> {
    match route {
        Route::Thread { id } | Route::Messages { id } | Route::PatchThread { id } | Route::DeleteThread { id } => Some(id),
        _ => None,
    }
}

async fn command(inbound: &mut Inbound, route: Route) -> Result<Command> {
    let limit = limit(inbound)?;
    let before = inbound.parameter("before").map(str::to_owned);
    Ok(match route {
        Route::Threads => Command::ListThreads(ListThreads { limit, before }),
        Route::Thread { id } => Command::GetThread(ThreadId { id }),
        Route::Messages { id } => Command::Messages(ListMessages { thread: id, limit, before }),
        Route::DeleteThread { id } => Command::DeleteThread(ThreadId { id }),
        Route::PatchThread { id } => {
            let body = inbound.json::<Value>().await?;
            let title = body.get("title").and_then(Value::as_str).ok_or_else(|| Error::invalid("title", "title must be a string."))?;
            Command::PatchThread(PatchThread { id, title: title.to_owned() })
        }
        _ => return Err(Error::server("not a thread route")),
    })
}

fn limit(inbound: &Inbound) -> Result<Option<u64>> {
    match inbound.parameter("limit").map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(limit)) => Ok(Some(limit)),
        Some(Err(_)) => Err(Error::invalid("limit", "limit must be a whole number.")),
    }
}

/// A bare array; the way to the next page is in the `Link` header.
fn page(inbound: &Inbound, body: &str, next: Option<String>) -> Answer {
    let answer = Answer::json_text(200, body);
    match next {
        Some(next) => answer.with("link", inbound.next_link("before", &next)),
        None => answer,
    }
}

fn message_id(message: &RawValue) -> Option<String> {
    serde_json::from_str::<Value>(message.get()).ok()?.get("id")?.as_str().map(str::to_owned)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::server(e.to_string()))
}
