//! `POST /v1/auth/token`: turns a token of an identity provider into one of ours (RFC 8693).
//!
//! Always holds: the subject is admitted like any caller, by its user's object too: a token that was revoked cannot become another.
//! Absent on purpose: what the new token may do (`auth::exchange`).

use crate::auth::bearer::Credential;
use crate::auth::capabilities::Scope;
use crate::auth::exchange::{Exchange, Terms};
use crate::auth::mint;
use crate::edge::answer::{Answer, Facts};
use crate::edge::caller::Caller;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::objects::something_else;
use crate::edge::own_object::OwnObject;
use crate::edge::{login, random};
use crate::error::Result;
use crate::user::{Command, Outcome};

/// Serves the route.
pub async fn serve(inbound: &mut Inbound, deployment: &Deployment, facts: &mut Facts) -> Result<Answer> {
    let body = inbound.body(MAX_SMALL_BODY).await?;
    let exchange = Exchange::parse(inbound.header("content-type").as_deref(), &body)?;
    let named = exchange.project.clone().or_else(|| inbound.header(login::PROJECT));
    let header = format!("Bearer {}", exchange.subject);
    let subject = Credential::parse(Some(&header)).user_token()?;
    let caller = Caller::with_token(inbound, deployment, subject, named.as_deref(), Scope::Any, facts).await?;
    if !deployment.unmetered {
        admit(inbound, &caller, facts).await?;
    }
    let token_terms = &caller.project.snapshot.settings.token;
    // Issued when the request came in: whatever is revoked after that second covers it.
    let now = inbound.arrived_ms / 1000;
    let terms = Terms {
        issuer: deployment.tokens.issuer(),
        default_ttl: token_terms.default_ttl,
        max_ttl: token_terms.max_ttl,
        token_id: random::uuid()?,
        now,
    };
    let mint = exchange.mint(&caller.principal, terms)?;
    let token = deployment.tokens.sign(mint.claims.clone(), now, now + mint.ttl)?;
    Ok(Answer::json(200, &exchange.complete(mint::answer(&mint, &token, now), &mint)))
}

async fn admit(inbound: &Inbound, caller: &Caller, facts: &mut Facts) -> Result<()> {
    match OwnObject::of(inbound, caller).ask(&Command::Limits(caller.limits())).await? {
        Outcome::Rate(rate) => facts.extend(caller.limit_headers(rate)),
        _ => return Err(something_else()),
    }
    Ok(())
}
