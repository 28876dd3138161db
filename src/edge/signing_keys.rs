//! The signing keys of a project: registers, makes, lists and removes them.

use crate::edge::answer::Answer;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::error::{Code, Error, Result};
use crate::route::Route;

/// Serves the routes.
pub async fn serve(_inbound: &mut Inbound, _deployment: &Deployment, _route: Route) -> Result<Answer> {
    Err(Error::new(Code::NotFound, "There is no such route."))
}
