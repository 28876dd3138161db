//! `POST /v1/chat/completions`: the straight line of a chat request. Every decision is a call into the pure zone.
//!
//! Always holds: once `begin` has admitted a request, its ticket is settled exactly once, whatever happens.

use std::cell::Cell;

use web_sys::AbortController;
use worker::Context;

use crate::api::chat::ChatRequest;
use crate::config::model;
use crate::edge::admission::{Admission, Started};
use crate::edge::answer::{Answer, Facts};
use crate::edge::caller::{Caller, header_id};
use crate::edge::deployment::Deployment;
use crate::edge::exchange::Exchange;
use crate::edge::gone::Gone;
use crate::edge::inbound::{Inbound, MAX_BODY};
use crate::edge::settle::Settling;
use crate::error::{Error, Result};

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
    let session = header_id(inbound, "x-session-id")?.unwrap_or_else(|| caller.principal.claims.sid.clone());
    let thread = header_id(inbound, "x-thread-id")?;
    facts.push(("x-session-id", session.clone()));
    facts.extend(thread.clone().map(|id| ("x-thread-id", id)));
    let resolved = model::resolve(&caller.project.snapshot, chat.model.as_deref())?;
    let target = caller.project.target(deployment, &resolved)?;
    facts.push(("x-behest-provider", target.provider.clone()));
    facts.push(("x-behest-model", resolved.served_model().to_owned()));
    let admission = Admission { inbound, deployment, caller };
    let thread = thread.filter(|_| caller.project.snapshot.settings.memory.enabled);
    let abort = AbortController::new().map_err(|_| Error::server("no AbortController"))?;
    let Some(Started { ticket, extras, reporting }) = admission.begin(chat, &target, &resolved, session, thread, facts).await? else {
        return Ok(None);
    };
    let exchange = Exchange {
        chat,
        target: &target,
        extras: &extras,
        dialect: target.kind.dialect(),
        routing: &caller.project.snapshot.settings.routing,
        allow_private: deployment.allow_private,
        arrived_ms: inbound.arrived_ms,
        gone: Gone::of(&inbound.request),
        abort,
        reporting,
        billed: Cell::default(),
    };
    exchange.answer(Settling::open(context, ticket)).await.map(Some)
}
