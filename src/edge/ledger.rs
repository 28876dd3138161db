//! The owner's routes over a project's ledger, and the erasure of a user, which touches it. Contract section 9.
//!
//! Always holds: what users' objects have not told yet is asked of those that told something lately, before a first page
//! is answered; that has a deadline and may fail: the answer says so in `fresh`.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::api::parameters::Parameters;
use crate::api::requests::Format;
use crate::api::{project_usage, requests as rows};
use crate::edge::admin::check_id;
use crate::edge::answer::Answer;
use crate::edge::inbound::Inbound;
use crate::edge::objects::something_else;
use crate::edge::{audit, clock, objects};
use crate::error::{Error, Result};
use crate::project::audit::Entry;
use crate::rollup::{Command, Outcome};
use crate::user;

/// Users that told something in so many ms may have more to tell.
const LATELY_MS: u64 = 600_000;
/// The most users that are asked before an answer.
const MOST_ASKED: u64 = 64;
/// How long they have, in ms.
const ASKING_MS: u64 = 2_000;
/// How often a user's object is emptied before it is erased; each time takes 2,000 requests.
const EMPTYINGS: usize = 100;

/// `GET …/usage`.
pub async fn usage(inbound: &Inbound, id: &str) -> Result<Answer> {
    check_id(id)?;
    let parameters = Parameters(&inbound.query);
    let asked = project_usage::Asked::parse(parameters, inbound.arrived_ms)?;
    let fresh = freshen(inbound, id, parameters).await?;
    let Outcome::Usage(page) = ask(inbound, id, &Command::Usage(asked.query.clone())).await? else { return Err(something_else()) };
    let (answer, next) = asked.answer(&page)?;
    Ok(linked(Answer::json(200, &with_fresh(answer, fresh)), inbound, next))
}

/// `GET …/requests`.
pub async fn requests(inbound: &Inbound, id: &str) -> Result<Answer> {
    check_id(id)?;
    let parameters = Parameters(&inbound.query);
    let asked = rows::Asked::parse(parameters, inbound.arrived_ms)?;
    let fresh = freshen(inbound, id, parameters).await?;
    let Outcome::Requests(page) = ask(inbound, id, &Command::Requests(asked.query)).await? else { return Err(something_else()) };
    let answer = match asked.format {
        Format::Json => Answer::json(200, &with_fresh(rows::list(&page)?, fresh)),
        Format::Csv => Answer::csv("requests.csv", rows::table(&page)),
    };
    Ok(linked(answer, inbound, rows::next(&page)?))
}

/// `DELETE …/users/{uid}`: what the user has used stays in the project's sums, under no name. Their tokens are void.
pub async fn erase(inbound: &Inbound, id: &str, uid: &str) -> Result<Answer> {
    check_id(id)?;
    // A project that is not there has no users; asking costs no object of a user.
    ask(inbound, id, &Command::Recent { since: inbound.arrived_ms, limit: 0 }).await?;
    ask_user(inbound, id, uid, &user::Command::Close).await?;
    let mut told = false;
    for _ in 0..EMPTYINGS {
        told = objects::pull(&inbound.env, id, uid).await?;
        if told {
            break;
        }
    }
    if !told {
        return Err(Error::server("a user that is to be erased still has something to tell"));
    }
    let user::Outcome::Erased { epoch } = ask_user(inbound, id, uid, &user::Command::Erase).await? else { return Err(something_else()) };
    let erased_s = clock::now_s();
    ask(inbound, id, &Command::Forget { user: uid.to_owned(), epoch }).await?;
    audit::record(inbound, id, Entry::new("user.erase", uid, Value::Null)).await?;
    // Tokens of that second are void too; one that is made after the answer is good.
    clock::past(erased_s).await;
    Ok(Answer::empty(204))
}

/// Asks users what they have not told yet. `None` for a page after the first; else whether all that may have something was asked.
async fn freshen(inbound: &Inbound, id: &str, parameters: Parameters<'_>) -> Result<Option<bool>> {
    if parameters.get("after").is_some() {
        return Ok(None);
    }
    let recent = Command::Recent { since: inbound.arrived_ms.saturating_sub(LATELY_MS), limit: MOST_ASKED + 1 };
    let Outcome::Recent(users) = ask(inbound, id, &recent).await? else { return Err(something_else()) };
    let most = usize::try_from(MOST_ASKED).unwrap_or(usize::MAX);
    let asking = join_all(users.iter().take(most).map(|uid| {
        inbound.costs.object_call(0);
        objects::pull(&inbound.env, id, uid)
    }));
    let told = clock::within(ASKING_MS, asking).await;
    Ok(Some(users.len() <= most && told.is_some_and(|told| told.iter().all(|told| matches!(told, Ok(true))))))
}

fn with_fresh(mut answer: Value, fresh: Option<bool>) -> Value {
    if let (Some(fields), Some(fresh)) = (answer.as_object_mut(), fresh) {
        fields.insert("fresh".to_owned(), json!(fresh));
    }
    answer
}

/// With the way to the next page in the `Link` header.
fn linked(answer: Answer, inbound: &Inbound, next: Option<String>) -> Answer {
    match next {
        Some(next) => answer.with("link", inbound.next_link("after", &next)),
        None => answer,
    }
}

async fn ask(inbound: &Inbound, id: &str, command: &Command) -> Result<Outcome> {
    let (outcome, rows) = objects::rollup(&inbound.env, id, command).await?;
    inbound.costs.object_call(rows);
    Ok(outcome)
}

async fn ask_user(inbound: &Inbound, id: &str, uid: &str, command: &user::Command) -> Result<user::Outcome> {
    let (outcome, rows) = objects::user(&inbound.env, id, uid, command).await?;
    inbound.costs.object_call(rows);
    Ok(outcome)
}
