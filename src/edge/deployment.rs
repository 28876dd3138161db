//! What the operator configured: secrets and variables, read once per isolate. The one place that reads them.

use std::cell::RefCell;
use std::rc::Rc;

use worker::Env;
use zeroize::Zeroizing;

use crate::alert::delivery::FIRST_PAUSE_MS;
use crate::auth::access::Access;
use crate::auth::bearer;
use crate::auth::host::ProjectHosts;
use crate::auth::token::{self, TokenKeys};
use crate::error::{Error, Result};
use crate::secrets::{Key, MasterKeys, Purpose, hex};

/// The KV namespace with snapshots and key records.
pub const CONFIG_KV: &str = "CONFIG";
/// The platform's limiter of requests per address.
pub const IP_LIMIT: &str = "IP_LIMIT";
/// Requests per minute of one address when `IP_RPM` is not set (contract section 7).
const IP_RPM: u64 = 120;
/// How long a settled request may wait until its project is told, when `ROLL_UP_SECONDS` is not set: five minutes.
const ROLL_UP_S: u64 = 300;

/// The deployment as this isolate knows it.
pub struct Deployment {
    /// Master keys.
    pub masters: MasterKeys,
    /// Keys that sign and verify users' tokens.
    pub tokens: TokenKeys,
    /// The JWKS document.
    pub jwks: String,
    /// Its validator: it changes exactly when the document does.
    pub jwks_etag: String,
    /// Each of them opens the admin routes.
    pub admin_tokens: Vec<Zeroizing<String>>,
    /// Lets admins in by Cloudflare Access, if the operator uses it.
    pub access: Option<Access>,
    /// Requests per minute of one address; 0 = off.
    pub ip_rpm: u64,
    /// Whether the platform's limiter is asked too. It has a limit of its own, which must not be the lower one.
    pub asks_limiter: bool,
    /// Names the objects that count addresses.
    pub address_key: Key,
    /// The projects' own hosts, if they have some.
    pub hosts: Option<ProjectHosts>,
    /// Whether base URLs on private addresses are allowed.
    pub allow_private: bool,
    /// How long a settled request may wait until its project is told, in ms.
    pub roll_up_ms: u64,
    /// How long after a first attempt that failed an alert is sent again, in ms; the later pauses are longer in proportion.
    pub alert_pause_ms: u64,
    /// No limits, usage or threads: for measuring what they cost.
    pub unmetered: bool,
}

thread_local! {
    static DEPLOYMENT: RefCell<Option<Rc<Deployment>>> = const { RefCell::new(None) };
}

/// The deployment.
///
/// # Errors
/// A server error whose cause tells the operator what is missing or malformed.
pub fn get(env: &Env) -> Result<Rc<Deployment>> {
    if let Some(deployment) = DEPLOYMENT.with_borrow(Clone::clone) {
        return Ok(deployment);
    }
    let deployment = Rc::new(read(env)?);
    DEPLOYMENT.set(Some(Rc::clone(&deployment)));
    Ok(deployment)
}

impl Deployment {
    /// Whether a request to this host may use the project of this slug.
    ///
    /// # Errors
    /// 403 for a host of another project.
    pub fn check_host(&self, host: &str, slug: &str) -> Result<()> {
        self.hosts.as_ref().map_or(Ok(()), |hosts| hosts.check(host, slug))
    }
}

/// How long a settled request may wait until its project is told, in ms: 1 second to 1 hour.
pub fn roll_up_ms(env: &Env) -> u64 {
    let set = env.var("ROLL_UP_SECONDS").ok().and_then(|v| v.to_string().parse::<u64>().ok());
    set.map_or(ROLL_UP_S, |seconds| seconds.clamp(1, 3_600)) * 1_000
}

fn read(env: &Env) -> Result<Deployment> {
    let text = |name: &str| env.var(name).map(|v| v.to_string()).ok().filter(|v| !v.is_empty());
    let needed = |name: &str| text(name).ok_or_else(|| Error::server(format!("{name} is not set: run `npm start`, or `npm run deploy`")));
    let flag = |name: &str| text(name).is_some_and(|v| matches!(v.as_str(), "1" | "true" | "on" | "yes"));
    let masters = MasterKeys::parse(&needed("BEHEST_MASTER_KEY")?).map_err(Error::server)?;
    let admin_tokens = bearer::admin_tokens(&needed("BEHEST_ADMIN_TOKEN")?).map_err(Error::server)?;
    let number = |name: &str| {
        let number = text(name).map(|number| number.parse::<u64>());
        number.transpose().map_err(|_| Error::server(format!("{name} must be a whole number")))
    };
    let ip_rpm = number("IP_RPM")?.unwrap_or(IP_RPM);
    let asks_limiter = ip_rpm > 0 && number("IP_LIMIT_RPM")?.is_some_and(|limit| ip_rpm <= limit);
    let address_key = masters.derive(Purpose::Addresses, masters.current_id()).ok_or_else(|| Error::server("no master key"))?;
    let tokens = TokenKeys::derive(&masters, &text("BEHEST_ISSUER").unwrap_or_else(|| "behest".to_owned()));
    let jwks = tokens.jwks().to_string();
    let allow_private = flag("ALLOW_PRIVATE_UPSTREAMS");
    let [team, audience, emails] = ["ACCESS_TEAM_DOMAIN", "ACCESS_AUD", "ACCESS_EMAILS"].map(text);
    let access = Access::read(team.as_deref(), audience.as_deref(), emails.as_deref(), allow_private).map_err(Error::server)?;
    Ok(Deployment {
        access,
        jwks_etag: format!("\"{}\"", hex(&token::cache_key(&jwks)).get(..16).unwrap_or_default()),
        jwks,
        tokens,
        masters,
        admin_tokens,
        ip_rpm,
        asks_limiter,
        address_key,
        hosts: text("PROJECT_HOSTS").map(|hosts| ProjectHosts::parse(&hosts)).transpose().map_err(Error::server)?,
        allow_private,
        roll_up_ms: roll_up_ms(env),
        alert_pause_ms: number("ALERT_RETRY_MS")?.unwrap_or(FIRST_PAUSE_MS).clamp(10, FIRST_PAUSE_MS),
        unmetered: flag("BEHEST_UNMETERED"),
    })
}
