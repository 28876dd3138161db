//! `/v1/projects/{id}/alerts`: where a project's alerts go, and what became of the latest.
//!
//! Always holds: the secret is in the answer that makes it and in no other. Absent on purpose: sending (`objects::deliveries`).

use serde_json::{Value, json};

use crate::alert::settings::AlertSettings;
use crate::alert::{self, delivery::Delivery};
use crate::config::provider::Sealing;
use crate::edge::admin::ask;
use crate::edge::answer::Answer;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_SMALL_BODY};
use crate::edge::{clock, objects, random};
use crate::error::{Code, Error, Result};
use crate::project::Command;
use crate::route::Route;

/// Serves one of the routes.
pub async fn serve(inbound: &mut Inbound, deployment: &Deployment, route: Route) -> Result<Answer> {
    match route {
        Route::Alerts { id } => {
            let settings = ask(inbound, &id, &Command::Read).await?.alerts.ok_or_else(none)?;
            let deliveries = objects::alerts(&inbound.env, &id, &alert::Command::Deliveries).await?;
            Ok(Answer::json(200, &with(settings.view(), "deliveries", deliveries.iter().map(Delivery::view).collect())))
        }
        Route::PutAlerts { id } => put(inbound, deployment, &id).await,
        Route::DeleteAlerts { id } => {
            ask(inbound, &id, &Command::DeleteAlerts).await?;
            Ok(Answer::empty(204))
        }
        _ => Err(Error::server("not a route of alerts")),
    }
}

async fn put(inbound: &mut Inbound, deployment: &Deployment, id: &str) -> Result<Answer> {
    let body = inbound.body(MAX_SMALL_BODY).await?;
    let before = ask(inbound, id, &Command::Read).await?.alerts;
    let sealing =
        Sealing { masters: &deployment.masters, nonce: random::bytes()?, allow_private: deployment.allow_private, now_s: clock::now_s() };
    let (settings, secret) = AlertSettings::parse(&body, id, before.as_ref(), &random::bytes()?, &sealing)?;
    let view = settings.view();
    ask(inbound, id, &Command::PutAlerts { settings: Box::new(settings) }).await?;
    let view = match secret {
        Some(secret) => with(view, "secret", json!(secret)),
        None => view,
    };
    Ok(Answer::json(200, &view))
}

fn with(mut view: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = view.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    view
}

fn none() -> Error {
    Error::new(Code::NotFound, "The project has no alerts.")
}
