//! The admin routes of tiers. Contract section 9.

use serde_json::{Value, json};

use crate::api::limits;
use crate::config::limits::Named;
use crate::config::tier::{Tier, Tiers, built_in, is_built_in, names};
use crate::edge::admin::{ask, list};
use crate::edge::answer::Answer;
use crate::edge::inbound::Inbound;
use crate::error::{Code, Error, Result};
use crate::project::Command;
use crate::route::Route;

/// Serves one of the routes.
pub async fn serve(inbound: &mut Inbound, route: Route) -> Result<Answer> {
    match route {
        Route::ListTiers { id } => {
            let tiers = ask(inbound, &id, &Command::Read).await?.tiers;
            Ok(list(&names(&tiers).into_iter().map(|name| view(&tiers, name)).collect::<Result<Vec<_>>>()?))
        }
        Route::Tier { id, name } => Ok(Answer::json(200, &view(&ask(inbound, &id, &Command::Read).await?.tiers, &name)?)),
        Route::PutTier { id, name } => {
            let tier = Tier::from_value(inbound.json::<Value>().await?)?;
            let snapshot = ask(inbound, &id, &Command::PutTier { name: name.clone(), tier: Box::new(tier) }).await?;
            Ok(Answer::json(200, &view(&snapshot.tiers, &name)?))
        }
        Route::DeleteTier { id, name } => {
            ask(inbound, &id, &Command::DeleteTier { name }).await?;
            Ok(Answer::empty(204))
        }
        Route::ResolvedTier { id, name } => {
            let snapshot = ask(inbound, &id, &Command::Read).await?;
            view(&snapshot.tiers, &name)?;
            let named = Named::of(&snapshot.settings.limits, &snapshot.tiers, Some(&name));
            Ok(Answer::json(200, &limits::resolved(&named, &name)))
        }
        _ => Err(Error::server("not a tier route")),
    }
}

/// What the project says of a tier; for a built-in one that it says nothing of, what is built in.
fn view(tiers: &Tiers, name: &str) -> Result<Value> {
    let limits = tiers.get(name).map(|tier| tier.limits).or_else(|| built_in(name));
    let limits = limits.ok_or_else(|| Error::new(Code::NotFound, "There is no such tier."))?;
    Ok(json!({"object": "tier", "name": name, "built_in": is_built_in(name), "limits": limits}))
}
