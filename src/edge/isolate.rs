//! What this isolate remembers between requests: bounded, short-lived, values only.

use std::cell::RefCell;
use std::rc::Rc;

use web_sys::CryptoKey;

use crate::auth::api_key::StoredKey;
use crate::auth::ip_limit::IpLimit;
use crate::auth::jwks::Jwks;
use crate::auth::token::Principal;
use crate::cache::Cache;
use crate::edge::snapshots::Ready;
use crate::provider::vertex::Account;
use crate::routing::Health;
use crate::zone::Zone;

/// How long a snapshot is believed, in ms: a change is everywhere within KV's own delay and this.
pub const SNAPSHOT_MS: u64 = 30_000;
/// How long a verified API key that is not used is remembered, in ms. Each use also asks the snapshot whether the key is still there.
pub const API_KEY_MS: u64 = 3_600_000;
/// How often a project is told that a key is in use, in ms.
pub const KEY_USE_MS: u64 = 3_600_000;
/// How long a service account that is no longer used is remembered with its token, in ms.
pub const ACCOUNT_MS: u64 = 3_600_000;

/// How long the keys of an identity provider that is no longer asked for are remembered, in ms.
pub const ISSUER_MS: u64 = 86_400_000;
/// How long it is believed which projects trust an issuer, and that none does, in ms.
pub const TRUSTING_MS: u64 = 60_000;
pub const STRANGER_MS: u64 = 10_000;
/// How long it is believed that a project does not exist, in ms.
pub const NO_PROJECT_MS: u64 = 10_000;
/// How often a project's object is asked for what its configuration here does not have, in ms.
pub const ASK_NEWEST_MS: u64 = 2_000;

/// The memory of one isolate.
pub struct Isolate {
    /// Verified tokens by the SHA-256 of the whole token.
    pub tokens: Cache<[u8; 32], Rc<Principal>>,
    /// Verified API keys by their HMAC.
    pub api_keys: Cache<[u8; 32], Rc<StoredKey>>,
    /// Keys whose projects know that they are in use, by id.
    pub key_uses: Cache<String, ()>,
    /// Projects by id.
    pub snapshots: Cache<String, Rc<Ready>>,
    /// Ids of projects that do not exist.
    pub no_projects: Cache<String, ()>,
    /// Projects whose objects were lately asked for something that the configuration here does not have; true while one is being asked.
    pub asked_newest: Cache<String, bool>,
    /// Time zones by name.
    pub zones: Cache<String, Zone>,
    /// Service accounts in use, with their tokens, by fingerprint.
    pub accounts: Cache<[u8; 32], Rc<Account>>,
    /// Public keys of others, imported, by digest.
    pub public_keys: Cache<[u8; 32], CryptoKey>,
    /// Published keys of identity providers, by where they are.
    pub jwks: Cache<String, Rc<RefCell<Jwks>>>,
    /// Ids of the projects that trust an issuer.
    pub trusting: Cache<String, Rc<Vec<String>>>,
    /// Issuers that no project trusts.
    pub strangers: Cache<String, ()>,
    /// Requests per address.
    pub addresses: IpLimit,
    /// API keys that were none, per address.
    pub guesses: IpLimit,
    /// Projects that were none, per address.
    pub made_up: IpLimit,
    /// Mints per API key.
    pub mints: IpLimit,
    /// How the targets are that it sends to.
    pub health: Health,
}

thread_local! {
    static ISOLATE: RefCell<Isolate> = RefCell::new(Isolate {
        tokens: Cache::new(5_000),
        api_keys: Cache::new(500),
        key_uses: Cache::new(500),
        snapshots: Cache::new(500),
        no_projects: Cache::new(1_000),
        asked_newest: Cache::new(500),
        zones: Cache::new(100),
        accounts: Cache::new(500),
        public_keys: Cache::new(500),
        jwks: Cache::new(200),
        trusting: Cache::new(500),
        strangers: Cache::new(1_000),
        addresses: IpLimit::default(),
        guesses: IpLimit::default(),
        made_up: IpLimit::default(),
        mints: IpLimit::default(),
        health: Health::default(),
    });
}

/// Looks at or changes the isolate's memory. Never held across an await.
pub fn with<R>(f: impl FnOnce(&mut Isolate) -> R) -> R {
    ISOLATE.with_borrow_mut(f)
}
