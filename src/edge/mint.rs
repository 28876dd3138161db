//! `POST /v1/auth/mint`: opens the API key, signs a token. What it says is `crate::auth::mint`'s.

use worker::Context;

use crate::auth::bearer::Credential;
use crate::auth::idempotency;
use crate::auth::mint::{self, Mint, Terms};
use crate::cors;
use crate::edge::answer::Answer;
use crate::edge::api_keys::{self, Opened};
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::objects::something_else;
use crate::edge::{clock, isolate, objects, random};
use crate::error::Result;
use crate::user::minted::Minted;
use crate::user::{Command, Outcome};

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
    let Some(name) = inbound.header("idempotency-key") else {
        return answer(deployment, &mint, now);
    };
    let minted = remembered(inbound, idempotency::minted(&name, &body, &mint, &info.id, now)?, &mint).await?;
    let (mint, issued_at) = idempotency::again(mint, minted);
    answer(deployment, &mint, issued_at)
}

fn answer(deployment: &Deployment, mint: &Mint, issued_at: u64) -> Result<Answer> {
    let token = deployment.tokens.sign(mint.claims.clone(), issued_at, issued_at + mint.ttl)?;
    Ok(Answer::json(200, &mint::answer(mint, &token, issued_at)))
}

/// What the user's object has under the idempotency key: this, or what was first.
async fn remembered(inbound: &Inbound, minted: Minted, mint: &Mint) -> Result<Minted> {
    let (pid, uid, fingerprint) = (&mint.claims.pid, &mint.claims.uid, minted.fingerprint.clone());
    let (outcome, rows) = objects::user(&inbound.env, pid, uid, &Command::Mint(minted)).await?;
    inbound.costs.object_call(rows);
    match outcome {
        Outcome::Minted(first) => idempotency::same(first, &fingerprint),
        _ => Err(something_else()),
    }
}
