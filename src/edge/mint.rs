//! `POST /v1/auth/mint`: opens the API key, signs a token. What it says is `crate::auth::mint`'s.

use worker::Context;

use crate::auth::bearer::Credential;
use crate::auth::mint::{self, Terms};
use crate::cors;
use crate::edge::answer::Answer;
use crate::edge::api_keys::{self, Opened};
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::{clock, isolate, random};
use crate::error::Result;

/// Serves the route.
pub async fn mint(inbound: &mut Inbound, deployment: &Deployment, context: &Context) -> Result<Answer> {
    let header = inbound.header("authorization");
    let key = Credential::parse(header.as_deref()).api_key()?;
    let Opened { project, info } = api_keys::open(inbound, deployment, context, key).await?;
    let snapshot = &project.snapshot;
    deployment.check_host(&inbound.host, &snapshot.project.slug)?;
    mint::check_capability(&info.capabilities)?;
    let mint_rpm = snapshot.settings.token.mint_rpm();
    isolate::with(|i| i.mints.admit_key(&info.id, mint_rpm, clock::now_ms()))?;
    cors::check(snapshot.settings.allowed_origins.as_ref(), inbound.origin.as_deref())?;
    let body = inbound.body(MAX_SMALL_BODY).await?;
    let terms = Terms {
        tenant_id: &snapshot.project.tenant_id,
        project_id: &snapshot.project.id,
        key_id: &info.id,
        issuer: deployment.tokens.issuer(),
        default_ttl: snapshot.settings.token.default_ttl,
        max_ttl: snapshot.settings.token.max_ttl,
        may_mint_admin: info.capabilities.iter().any(|c| c == mint::MINT_ADMIN),
    };
    let (session, token_id) = (random::uuid()?, random::uuid()?);
    let mut ids = [session, token_id].into_iter();
    let mint = mint::parse(&body, &terms, || ids.next().unwrap_or_default())?;
    let now = clock::now_s();
    let token = deployment.tokens.sign(mint.claims.clone(), now, now + mint.ttl)?;
    Ok(Answer::json(200, &mint::answer(&mint, &token, now)))
}
