//! The identity providers of a project. Contract section 9.
//!
//! Always holds: the directory knows of a project's trust before and after the project does; it forgets last. A crash between leaves
//! it knowing too much, which decides nothing. Absent on purpose: what a configuration must say (`config::issuer`).

use serde_json::Value;

use crate::config::issuer::Issuer;
use crate::config::provider::Sealing;
use crate::config::{Project, Snapshot};
use crate::directory;
use crate::edge::admin::{ask, list};
use crate::edge::answer::Answer;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::{clock, login, objects, random};
use crate::error::{Code, Error, Result};
use crate::project::Command;
use crate::route::Route;

/// Serves the routes.
pub async fn serve(inbound: &mut Inbound, deployment: &Deployment, route: Route) -> Result<Answer> {
    match route {
        Route::ListIssuers { id } => {
            let issuers = ask(inbound, &id, &Command::Read).await?.issuers;
            Ok(list(&issuers.iter().map(|(name, issuer)| issuer.view(name)).collect::<Vec<Value>>()))
        }
        Route::Issuer { id, name } => {
            let issuers = ask(inbound, &id, &Command::Read).await?.issuers;
            let issuer = issuers.get(&name).ok_or_else(not_found)?;
            Ok(Answer::json(200, &issuer.view(&name)))
        }
        Route::PutIssuer { id, name } => put(inbound, deployment, &id, name).await,
        Route::DeleteIssuer { id, name } => {
            let before = ask(inbound, &id, &Command::Read).await?;
            let gone = before.issuers.get(&name).ok_or_else(not_found)?.issuer.clone();
            let after = ask(inbound, &id, &Command::DeleteIssuer { name }).await?;
            forget(inbound, &after, &gone).await?;
            Ok(Answer::empty(204))
        }
        _ => Err(Error::server("not a route of issuers")),
    }
}

async fn put(inbound: &mut Inbound, deployment: &Deployment, id: &str, name: String) -> Result<Answer> {
    let body = inbound.body(MAX_SMALL_BODY).await?;
    let sealing =
        Sealing { masters: &deployment.masters, nonce: random::bytes()?, allow_private: deployment.allow_private, now_s: clock::now_s() };
    let issuer = Issuer::parse(&body, id, &name, &sealing)?;
    let before = ask(inbound, id, &Command::Read).await?;
    trust(inbound, &before.project, &issuer.issuer).await?;
    let command = Command::PutIssuer { name: name.clone(), issuer: Box::new(issuer.clone()) };
    let after = ask(inbound, id, &command).await?;
    // Should the last that had this issuer have been taken away in between, the directory has been told to forget it.
    trust(inbound, &after.project, &issuer.issuer).await?;
    if let Some(former) = before.issuers.get(&name).filter(|former| former.issuer != issuer.issuer) {
        forget(inbound, &after, &former.issuer).await?;
    }
    Ok(Answer::json(200, &issuer.view(&name)))
}

async fn trust(inbound: &Inbound, project: &Project, iss: &str) -> Result<()> {
    let command = directory::Command::Trust { id: project.id.clone(), issuer: iss.to_owned() };
    objects::directory(&inbound.env, &command).await?;
    login::forget(iss);
    Ok(())
}

/// Tells the directory, unless another configuration of the project has the same issuer.
async fn forget(inbound: &Inbound, after: &Snapshot, iss: &str) -> Result<()> {
    if after.issuers.values().any(|issuer| issuer.issuer == iss) {
        return Ok(());
    }
    let command = directory::Command::Distrust { id: after.project.id.clone(), issuer: iss.to_owned() };
    objects::directory(&inbound.env, &command).await?;
    login::forget(iss);
    Ok(())
}

fn not_found() -> Error {
    Error::new(Code::NotFound, "There is no such issuer.")
}
