//! Tokens that were minted under an `Idempotency-Key`: what it takes to sign the very same again.
//!
//! Always holds: no token is kept, only what was chosen or timed for it; of the same key the first is the one, for as long as its
//! token lives. Absent on purpose: signing, and which request a key was for (the fingerprint says whether it is the same).

use serde::{Deserialize, Serialize};

use super::schema::{Bind, Statement};
use super::store::{Store, Write};
use super::{Outcome, User};
use crate::error::Result;

/// The table, run when the object starts.
pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS minted (\
     name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, jti TEXT NOT NULL, sid TEXT NOT NULL, issued_at INTEGER NOT NULL, \
     expires_at INTEGER NOT NULL) WITHOUT ROWID";
/// `Store::minted`: name → a `Minted` or none.
pub const FIND: &str = "SELECT * FROM minted WHERE name = ?";
/// Part of an erasure.
pub const ERASE: &str = "DELETE FROM minted";
const PUT: &str = "INSERT OR REPLACE INTO minted (name, fingerprint, jti, sid, issued_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)";
const PRUNE: &str = "DELETE FROM minted WHERE expires_at <= ?";

/// One token. Field names are column names; times in epoch seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// A digest of the API key's id and the idempotency key.
    pub name: String,
    /// A digest of the request.
    pub fingerprint: String,
    /// The token's id.
    pub jti: String,
    /// Its session.
    pub sid: String,
    /// When it was issued.
    pub issued_at: u64,
    /// When it ends.
    pub expires_at: u64,
}

impl User {
    /// The token that was minted first under that name, or this one, if that is over or never was.
    pub(super) fn mint(&mut self, store: &mut impl Store, minted: Minted) -> Result<Outcome> {
        if let Some(first) = store.minted(&minted.name)?.filter(|first| first.expires_at > minted.issued_at) {
            return Ok(Outcome::Minted(first));
        }
        self.commit(store, &[Write::PutMinted(minted.clone())])?;
        Ok(Outcome::Minted(minted))
    }
}

/// The statements that keep one and forget those whose time is over.
pub fn statements(minted: &Minted) -> Vec<Statement<'_>> {
    let texts = [&minted.name, &minted.fingerprint, &minted.jti, &minted.sid].map(|text| Bind::from(text.as_str()));
    let times = [minted.issued_at, minted.expires_at].map(Bind::Int);
    vec![(PRUNE, vec![minted.issued_at.into()]), (PUT, texts.into_iter().chain(times).collect())]
}
