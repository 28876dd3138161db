//! Verifies tokens that we did not sign: a tenant's, an identity provider's.
//!
//! Absent on purpose: deciding what a token must look like (`crate::auth`).

use crate::auth::jws::Jws;
use crate::auth::tenant::{self, Terms};
use crate::auth::token::{Principal, invalid};
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::edge::{clock, login, signature, snapshots};
use crate::error::Result;

/// Verifies a token whose `kid` is none of ours; `project` is the one that the client says it is for.
///
/// # Errors
/// 401 if nobody whom its project trusts has signed it.
pub async fn verify(inbound: &Inbound, deployment: &Deployment, token: &str, project: Option<&str>) -> Result<Principal> {
    let jws = Jws::parse(token)?;
    match tenant::project_id(&jws.unverified) {
        Some(id) => by_tenant(inbound, deployment, &jws, id).await,
        // Tokens of identity providers name no project of ours.
        None => login::verify(inbound, deployment, &jws, project).await,
    }
}

async fn by_tenant(inbound: &Inbound, deployment: &Deployment, jws: &Jws<'_>, id: &str) -> Result<Principal> {
    let ready = snapshots::having(inbound, id, |snapshot| tenant::key(snapshot, jws).is_ok()).await?;
    let snapshot = &ready.snapshot;
    let key = tenant::key(snapshot, jws)?;
    if !signature::verify(&tenant::public_key(key)?, jws).await? {
        return Err(invalid("its signature is not valid"));
    }
    let (project, max_ttl) = (&snapshot.project, snapshot.settings.token.max_ttl);
    tenant::principal(jws, &Terms { project, key, issuer: deployment.tokens.issuer(), max_ttl }, clock::now_s())
}
