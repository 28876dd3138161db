//! Admits an admin by what Cloudflare Access says of them. Absent on purpose: who is one (`auth::access`).

use crate::auth::access::{HEADER, check_page};
use crate::auth::bearer::Credential;
use crate::auth::jws::Jws;
use crate::auth::token::invalid;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::edge::{clock, login};
use crate::error::Result;

/// Checks the credential of an admin request: the admin token or, if none is sent, Access's assertion. Gives who it is.
///
/// # Errors
/// 401 for a credential that is not good, 403 for somebody or a page that is not admitted.
pub async fn admit(inbound: &Inbound, deployment: &Deployment) -> Result<String> {
    let header = inbound.header("authorization");
    let credential = Credential::parse(header.as_deref());
    let assertion = inbound.header(HEADER).filter(|_| credential == Credential::None);
    let (Some(access), Some(assertion)) = (&deployment.access, assertion) else {
        return credential.admin(&deployment.admin_tokens).map(|()| "admin".to_owned());
    };
    check_page(inbound.origin.as_deref(), inbound.header("sec-fetch-site").as_deref(), &inbound.request.url())?;
    let jws = Jws::parse(&assertion)?;
    if !access.issuer.takes(jws.alg.name()) || !login::is_signed(&access.issuer, &jws, deployment.allow_private).await? {
        return Err(invalid("its signature is not valid"));
    }
    access.admin(&jws.unverified, clock::now_s()).map(|who| format!("access:{who}"))
}
