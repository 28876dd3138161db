//! `POST /v1/auth/attenuate`: makes a weaker token of a token.

use crate::edge::answer::Answer;
use crate::edge::caller::Caller;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::error::{Code, Error, Result};

/// Serves the route.
pub async fn serve(_inbound: &mut Inbound, _deployment: &Deployment, _caller: &Caller) -> Result<Answer> {
    Err(Error::new(Code::NotFound, "There is no such route."))
}
