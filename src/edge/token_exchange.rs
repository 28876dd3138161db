//! `POST /v1/auth/token`: turns a token of an identity provider into one of ours (RFC 8693).

use crate::edge::answer::Answer;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::error::{Code, Error, Result};

/// Serves the route.
pub async fn serve(_inbound: &mut Inbound, _deployment: &Deployment) -> Result<Answer> {
    Err(Error::new(Code::NotFound, "There is no such route."))
}
