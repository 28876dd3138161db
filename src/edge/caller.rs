//! The user behind a request: token, project, origin. What every user route begins with.

use std::rc::Rc;

use worker::Context;

use crate::api::ratelimit::{self, Window};
use crate::auth::bearer::Credential;
use crate::auth::capabilities::{Capabilities, Scope};
use crate::auth::mint::is_header_id;
use crate::auth::token::{self, Principal};
use crate::auth::{server_key, standing};
use crate::config::limits::Named;
use crate::cors;
use crate::edge::answer::Facts;
use crate::edge::api_keys::{self, Opened};
use crate::edge::clock;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::{Inbound, MAX_BODY};
use crate::edge::snapshots::{self, Ready};
use crate::edge::{address, foreign, isolate, login, zones};
use crate::error::{Code, Error, Result};
use crate::user::alerts::Watch;
use crate::user::command::{Limits, ProjectTerms, RateSnapshot};
use crate::zone::Zone;

/// A verified user and their project.
pub struct Caller {
    /// Who.
    pub principal: Rc<Principal>,
    /// Where.
    pub project: Rc<Ready>,
    /// What is left for their address, if the project limits it.
    address: Option<Window>,
}

impl Caller {
    /// Verifies the token, finds its project and counts the address there.
    ///
    /// # Errors
    /// 401 for the token, 403 for the project or the origin, 429 for the address.
    pub async fn of(inbound: &Inbound, deployment: &Deployment, scope: Scope, facts: &mut Facts) -> Result<Self> {
        let header = inbound.header("authorization");
        let named = inbound.header(login::PROJECT);
        let token = Credential::parse(header.as_deref()).user_token()?;
        Self::with_token(inbound, deployment, token, named.as_deref(), scope, facts).await
    }

    /// The same for a token from elsewhere than the header; `named` is the project that the client says it is for.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn with_token(
        inbound: &Inbound,
        deployment: &Deployment,
        token: &str,
        named: Option<&str>,
        scope: Scope,
        facts: &mut Facts,
    ) -> Result<Self> {
        let mut principal = verified(inbound, deployment, token, named).await?;
        let project = snapshots::active(inbound, &principal.claims.pid).await?;
        if principal.trust > 0 && standing::check(&project.snapshot, &principal).is_err() {
            // Verified here by a configuration that has been changed since: the new one may trust it, too.
            isolate::with(|i| i.tokens.remove(&cache_key(token, named)));
            principal = verified(inbound, deployment, token, named).await?;
        }
        standing::check(&project.snapshot, &principal)?;
        deployment.check_host(&inbound.host, &project.snapshot.project.slug)?;
        cors::check(project.snapshot.settings.allowed_origins.as_ref(), inbound.origin.as_deref())?;
        principal.claims.capabilities.check_place(inbound.origin.as_deref(), inbound.ip.as_deref())?;
        scope.check(&principal.claims.scp)?;
        let address = address::admit_in_project(inbound, deployment, &project.snapshot, facts).await?;
        Ok(Self { principal, project, address })
    }

    /// The same where a server may be the caller too: with an API key that has the capability.
    ///
    /// # Errors
    /// As [`Self::of`]; 403 for an API key that a browser sent; 400 for a user who may not be named.
    pub async fn of_any(
        inbound: &mut Inbound,
        deployment: &Deployment,
        context: &Context,
        scope: Scope,
        facts: &mut Facts,
    ) -> Result<Self> {
        let header = inbound.header("authorization");
        let Credential::ApiKey(key) = Credential::parse(header.as_deref()) else {
            return Self::of(inbound, deployment, scope, facts).await;
        };
        let Opened { project, info } = api_keys::open(inbound, deployment, context, key).await?;
        deployment.check_host(&inbound.host, &project.snapshot.project.slug)?;
        server_key::check(&info, inbound.origin.as_deref(), Credential::no_key_here)?;
        let header = inbound.header(server_key::HEADER);
        let body: &[u8] = if header.is_none() && inbound.method == "POST" { inbound.peek(MAX_BODY).await? } else { &[] };
        let uid = server_key::end_user(header.as_deref(), body, &info.id)?;
        let principal = server_key::principal(&project.snapshot, &info, uid, deployment.tokens.issuer(), clock::now_s());
        standing::check(&project.snapshot, &principal)?;
        scope.check(&principal.claims.scp)?;
        let address = address::admit_in_project(inbound, deployment, &project.snapshot, facts).await?;
        Ok(Self { principal: Rc::new(principal), project, address })
    }

    /// The same with the project read from its object: what the isolate and KV have is too old.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn refreshed(&self, inbound: &Inbound) -> Result<Self> {
        let project = snapshots::newest(inbound, self.project_id()).await?;
        standing::check_under_way(&project.snapshot, &self.principal)?;
        cors::check(project.snapshot.settings.allowed_origins.as_ref(), inbound.origin.as_deref())?;
        Ok(Self { principal: Rc::clone(&self.principal), project, address: self.address })
    }

    /// The project's id.
    pub fn project_id(&self) -> &str {
        &self.principal.claims.pid
    }

    /// The limits of tier and project for this user now, and who set them. The user's object knows the user's own.
    pub fn named_limits(&self) -> Named<'_> {
        let snapshot = &self.project.snapshot;
        Named::of(&snapshot.settings.limits, &snapshot.tiers, self.tier())
    }

    /// The same, as the user's object takes them.
    pub fn limits(&self) -> Limits {
        self.named_limits().limits(self.zone())
    }

    /// Where the days and months of the project begin.
    pub fn zone(&self) -> Zone {
        zones::around_now(self.project.snapshot.settings.time_zone.as_ref())
    }

    /// What a request brings of its project.
    pub fn terms(&self) -> ProjectTerms {
        let snapshot = &self.project.snapshot;
        // Also without limits of the project's: whoever has a lease is told of every change at once.
        ProjectTerms { id: snapshot.project.id.clone(), user: self.uid().to_owned(), version: snapshot.version, leased: true }
    }

    /// The thresholds of the project's alerts, per cent; none if it wants none.
    pub fn thresholds(&self) -> &[u8] {
        self.project.snapshot.alerts.as_ref().map_or(&[], |alerts| &alerts.thresholds)
    }

    /// What the end of a request may raise an alert of.
    pub fn watch(&self) -> Option<Watch> {
        let thresholds = self.thresholds().to_vec();
        (!thresholds.is_empty()).then(|| Watch { limits: self.limits(), thresholds })
    }

    /// The headers that tell what is left, for their address and for them.
    pub fn limit_headers(&self, rate: RateSnapshot) -> Facts {
        ratelimit::headers(&self.address.into_iter().chain(rate.windows).collect::<Vec<_>>())
    }

    /// What the token may do less than its user.
    pub fn capabilities(&self) -> &Capabilities {
        &self.principal.claims.capabilities
    }

    /// The tier that the token names.
    pub fn tier(&self) -> Option<&str> {
        self.principal.claims.tier.as_deref()
    }

    /// The user's id.
    pub fn uid(&self) -> &str {
        &self.principal.claims.uid
    }
}

/// The same token may be for several projects: what was found for one must not answer for another.
fn cache_key(text: &str, named: Option<&str>) -> [u8; 32] {
    // No header has a line break: this is nobody's token.
    named.map_or_else(|| token::cache_key(text), |named| token::cache_key(&format!("{named}\n{text}")))
}

async fn verified(inbound: &Inbound, deployment: &Deployment, text: &str, named: Option<&str>) -> Result<Rc<Principal>> {
    let (key, now) = (cache_key(text, named), clock::now_s());
    if let Some(principal) = isolate::with(|i| i.tokens.get(&key, now * 1000).cloned()) {
        return Ok(principal);
    }
    let principal = Rc::new(match deployment.tokens.verify(text, now) {
        None => foreign::verify(inbound, deployment, text, named).await?,
        Some(own) => own?,
    });
    isolate::with(|i| i.tokens.put(key, Rc::clone(&principal), principal.expires_at.saturating_mul(1000)));
    Ok(principal)
}

/// The session of a request.
///
/// # Errors
/// 400 for a malformed header, 403 for a session that the token is not for.
pub fn session(inbound: &Inbound, caller: &Caller) -> Result<String> {
    caller.capabilities().session(header_id(inbound, "x-session-id")?, &caller.principal.claims.sid)
}

/// A session or thread id from a header.
///
/// # Errors
/// 400 that names the header.
pub fn header_id(inbound: &Inbound, name: &str) -> Result<Option<String>> {
    match inbound.header(name) {
        None => Ok(None),
        Some(id) if is_header_id(&id) => Ok(Some(id)),
        Some(_) => Err(Error::new(Code::Validation, format!("{name} must be 1 to 128 visible ASCII characters.")).with_param(name)),
    }
}
