//! The fetch event: every request comes in here and every answer goes out here.
//!
//! Always holds: an answer has a request id and CORS headers, whatever happened; errors are rendered in one place.

#![allow(clippy::disallowed_methods, reason = "the event macro's own text names Response::error; nothing here does")]

use web_sys::{Request, Response};
use worker::{Context, Env, event};

use crate::auth::standing;
use crate::cors;
use crate::edge::answer::{Answer, Body, Facts};
use crate::edge::caller::Caller;
use crate::edge::deployment::{self, Deployment};
use crate::edge::inbound::Inbound;
use crate::edge::objects::something_else;
use crate::edge::own_object::OwnObject;
use crate::edge::{access, address, admin, attenuate, chat, clock, log, mint, models, question, random, threads, token_exchange, usage};
use crate::error::{Code, Error, Result};
use crate::route::{self, Door, Match, Route};
use crate::user::{Command, Outcome};

/// How long others may keep the JWKS, in seconds: short enough that a new key is known before it is used.
const JWKS_MAX_AGE_S: u32 = 300;

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let arrived_ms = clock::now_ms();
    let request_id = random::id("req_").unwrap_or_else(|_| format!("req_{arrived_ms:024x}"));
    let mut inbound = Inbound::new(request, env, request_id, arrived_ms);
    if inbound.method == "OPTIONS" {
        return preflight(&inbound);
    }
    let mut facts: Facts = vec![("x-request-id", inbound.request_id.clone()), ("x-trace-id", inbound.request_id.clone())];
    let matched = route::parse(&inbound.method, &inbound.path);
    let pattern = matched.as_ref().map_or("", |found| found.pattern);
    let result = match matched {
        Ok(found) => serve(&mut inbound, &context, found, &mut facts).await,
        Err(error) => Err(error),
    };
    if !inbound.costs.logged_when_settled.get() {
        write_line(&inbound, pattern, &result);
    }
    let mut answer = result.unwrap_or_else(|error| Answer::from(&error));
    answer.headers.extend(facts);
    if inbound.method == "HEAD" {
        answer.body = Body::Empty;
    }
    answer.into_response(inbound.origin.as_deref())
}

async fn serve(inbound: &mut Inbound, context: &Context, found: Match, facts: &mut Facts) -> Result<Answer> {
    let deployment = deployment::get(&inbound.env)?;
    if found.door != Door::Public {
        address::admit(inbound, &deployment).await?;
    }
    match found.door {
        Door::Public => public(inbound, &deployment, &found.route),
        Door::ApiKey => mint::mint(inbound, &deployment, context).await,
        Door::Admin => {
            inbound.actor = access::admit(inbound, &deployment).await?;
            admin::serve(inbound, &deployment, found.route).await
        }
        Door::Subject => token_exchange::serve(inbound, &deployment, facts).await,
        Door::User(scope) => {
            let caller = Caller::of(inbound, &deployment, scope, facts).await?;
            user(inbound, context, &deployment, &caller, found.route, facts).await
        }
        Door::UserOrKey(scope) => {
            let caller = Caller::of_any(inbound, &deployment, context, scope, facts).await?;
            user(inbound, context, &deployment, &caller, found.route, facts).await
        }
    }
}

async fn user(
    inbound: &mut Inbound,
    context: &Context,
    deployment: &Deployment,
    caller: &Caller,
    route: Route,
    facts: &mut Facts,
) -> Result<Answer> {
    let result = match route {
        Route::Chat => chat::serve(inbound, context, deployment, caller, facts).await,
        Route::Embeddings => question::embeddings(inbound, context, deployment, caller, facts).await,
        Route::Moderations => question::moderations(inbound, context, deployment, caller, facts).await,
        route if deployment.unmetered => uncounted(inbound, deployment, caller, route).await,
        route => {
            let prepares = !matches!(route, Route::Models | Route::Model { .. } | Route::Attenuate);
            let (newer, left) = let_in(inbound, caller, prepares).await?;
            facts.extend(left);
            return uncounted(inbound, deployment, newer.as_ref().unwrap_or(caller), route).await;
        }
    };
    let refused = result.as_ref().is_err_and(|error| error.code() == Code::InvalidToken);
    if deployment.unmetered || refused || facts.iter().any(|(name, _)| *name == "ratelimit") {
        return result;
    }
    // Most likely it was refused before the user's object heard of it, which may know that the token is good for nothing.
    match (let_in(inbound, caller, true).await, result) {
        (Ok((_, left)), result) => {
            facts.extend(left);
            result
        }
        (Err(refused), Err(_)) if standing::is_over(&refused) => Err(refused),
        // The answer itself does not depend on it.
        (Err(_), result) => result,
    }
}

/// Routes that use no provider.
async fn uncounted(inbound: &mut Inbound, deployment: &Deployment, caller: &Caller, route: Route) -> Result<Answer> {
    match route {
        Route::Attenuate => attenuate::serve(inbound, deployment, caller).await,
        Route::Models => Ok(models::list(caller)),
        Route::Model { id } => models::one(caller, &id),
        Route::Usage | Route::Billing | Route::Limits => usage::serve(inbound, caller, &route).await,
        route => threads::serve(inbound, caller, route).await,
    }
}

/// Has the user's object say that the token is good, and what is left of the limits: every answer to a user tells that. Gives the
/// caller by the newest configuration if the object knows of a newer one. `prepares`: the request is for another command.
async fn let_in(inbound: &Inbound, caller: &Caller, prepares: bool) -> Result<(Option<Caller>, Facts)> {
    let first = limits(inbound, caller, prepares).await?;
    if let Some(left) = first {
        return Ok((None, left));
    }
    let newer = caller.refreshed(inbound).await?;
    let left = limits(inbound, &newer, prepares).await?;
    let left = left.ok_or_else(|| Error::server("the configuration changes faster than it can be read"))?;
    Ok((Some(newer), left))
}

/// The limit headers; `None` if the configuration is too old to say.
async fn limits(inbound: &Inbound, caller: &Caller, prepares: bool) -> Result<Option<Facts>> {
    match OwnObject::of(inbound, caller).once(&Command::Limits(caller.limits()), prepares).await? {
        Outcome::Rate(rate) => Ok(Some(caller.limit_headers(rate))),
        Outcome::Stale { .. } => Ok(None),
        _ => Err(something_else()),
    }
}

fn public(inbound: &Inbound, deployment: &Deployment, route: &Route) -> Result<Answer> {
    match route {
        Route::Health => Ok(Answer::json_text(200, r#"{"status":"ok"}"#)),
        Route::Jwks => Ok(jwks(inbound, deployment)),
        _ => Err(Error::server("not a public route")),
    }
}

/// Public, cacheable, with a validator.
fn jwks(inbound: &Inbound, deployment: &Deployment) -> Answer {
    let etag = deployment.jwks_etag.clone();
    let cached = inbound.header("if-none-match").is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag));
    let mut answer = if cached { Answer::empty(304) } else { Answer::json_text(200, deployment.jwks.as_str()) };
    answer.headers.retain(|(name, _)| *name != "cache-control");
    answer.with("cache-control", format!("public, max-age={JWKS_MAX_AGE_S}")).with("etag", etag)
}

/// Answered before anything is known or counted: it carries no token.
fn preflight(inbound: &Inbound) -> worker::Result<Response> {
    let requested = inbound.header("access-control-request-headers");
    let mut answer = Answer::empty(204).with("x-request-id", inbound.request_id.clone()).with("x-trace-id", inbound.request_id.clone());
    answer.headers.extend(cors::preflight(inbound.origin.as_deref(), requested.as_deref()));
    answer.into_response(inbound.origin.as_deref())
}

fn write_line(inbound: &Inbound, pattern: &str, result: &Result<Answer>) {
    let error = result.as_ref().err();
    log::Line {
        request_id: &inbound.request_id,
        method: &inbound.method,
        route: pattern,
        status: result.as_ref().map_or_else(Error::status, |answer| answer.status),
        ms: clock::now_ms().saturating_sub(inbound.arrived_ms),
        ..log::Line::default()
    }
    .with_error(error)
    .with_costs(&inbound.costs)
    .write();
}
