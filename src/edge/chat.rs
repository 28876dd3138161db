//! `POST /v1/chat/completions`: the straight line of a chat request. Every decision is a call into the pure zone.
//!
//! Always holds: once `begin` has admitted a request, its ticket is settled exactly once, whatever happens.

use worker::Context;

use crate::api::chat::ChatRequest;
use crate::auth::narrow;
use crate::edge::admission::Admission;
use crate::edge::answer::{Answer, Facts};
use crate::edge::attempts::Attempts;
use crate::edge::caller::{Caller, header_id, session};
use crate::edge::deployment::Deployment;
use crate::edge::gone::Gone;
use crate::edge::inbound::{Inbound, MAX_BODY};
use crate::edge::{clock, isolate};
use crate::error::{Error, Result};
use crate::routing::plan;

/// Serves the route. `facts` are headers that belong to the answer even if it is an error.
pub async fn serve(
    inbound: &mut Inbound,
    context: &Context,
    deployment: &Deployment,
    caller: &Caller,
    facts: &mut Facts,
) -> Result<Answer> {
    let bytes = inbound.body(MAX_BODY).await?;
    let chat = ChatRequest::parse(&bytes)?;
    let known = facts.len();
    if let Some(answer) = exchange(inbound, context, deployment, caller, &chat, facts).await? {
        return Ok(answer);
    }
    // The user's object knows of a newer configuration than this isolate and KV do.
    facts.truncate(known);
    let caller = caller.refreshed(inbound).await?;
    let answer = exchange(inbound, context, deployment, &caller, &chat, facts).await?;
    answer.ok_or_else(|| Error::server("the configuration changes faster than it can be read"))
}

/// One try; `None` if the configuration is too old to say.
async fn exchange(
    inbound: &Inbound,
    context: &Context,
    deployment: &Deployment,
    caller: &Caller,
    chat: &ChatRequest<'_>,
    facts: &mut Facts,
) -> Result<Option<Answer>> {
    let session = session(inbound, caller)?;
    let thread = narrow::thread(&caller.principal.claims, header_id(inbound, "x-thread-id")?)?;
    caller.capabilities().check_output(chat.max_output)?;
    facts.push(("x-session-id", session.clone()));
    facts.extend(thread.clone().map(|id| ("x-thread-id", id)));
    let snapshot = &caller.project.snapshot;
    let plan = isolate::with(|i| plan(snapshot, caller.capabilities(), chat, &i.health, clock::now_ms()))?;
    let thread = thread.filter(|_| snapshot.settings.memory.enabled);
    let admission = Admission { inbound, deployment, caller, request_id: inbound.request_id.clone(), session, thread };
    let gone = Gone::of(&inbound.request);
    Attempts::new(admission, context, chat, &plan, gone).answer(facts).await
}
