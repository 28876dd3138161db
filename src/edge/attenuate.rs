//! `POST /v1/auth/attenuate`: makes a weaker token of a token, for an iframe or a shared page.

use crate::auth::narrow;
use crate::edge::answer::Answer;
use crate::edge::caller::Caller;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::random;
use crate::error::Result;

/// Serves the route.
pub async fn serve(inbound: &mut Inbound, deployment: &Deployment, caller: &Caller) -> Result<Answer> {
    let body = inbound.body(MAX_SMALL_BODY).await?;
    // Issued when the request came in: whatever is revoked after that second covers it.
    let now = inbound.arrived_ms / 1000;
    let child = narrow::child(&body, &caller.principal, deployment.tokens.issuer(), random::uuid()?, now)?;
    let token = deployment.tokens.sign(child.claims.clone(), now, child.expires_at)?;
    Ok(Answer::json(200, &narrow::answer(&child, &token, now)))
}
