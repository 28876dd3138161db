//! What a user's object is told of the token that a command came with, and whether it lets the command in.
//!
//! Always holds: a token that is revoked opens nothing from the commit of its mark on; a token that is good for one request is used
//! up in the batch that admits that request; a mark is kept as long as any token that it voids can live; marks outlast erasure.
//! Absent on purpose: what a token's budgets leave (`token_budget`), and marks of a whole project (`crate::auth::marks`).

use serde::{Deserialize, Serialize};

use super::command::{Command, Outcome};
use super::store::{Store, Write};
use super::{MAX_SAFE, User};
use crate::auth::capabilities::Allowance;
use crate::auth::marks::{self, LIFE_S};
use crate::error::{Code, Error, Result};

/// The most marks of one user.
const MAX_MARKS: usize = 1_000;

/// The token that a user's request came with, as far as the user's object goes by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The request: all its commands have the same.
    pub request_id: String,
    /// The token's id.
    pub jti: String,
    /// Its session.
    pub sid: String,
    /// The ids of the tokens that it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub par: Vec<String>,
    /// When it was made, epoch seconds.
    pub issued_at: u64,
    /// When it ends, epoch seconds.
    pub expires_at: u64,
    /// The number of the configuration by which the token was let in so far.
    pub version: u64,
    /// It is good for one request.
    #[serde(default)]
    pub one_time: bool,
    /// The command only prepares the one that the request is for: such a token is not used up by it.
    #[serde(default)]
    pub prepares: bool,
    /// Its budgets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowances: Vec<Allowance>,
}

/// A command with the token it came with. Those of the owner and of objects come without.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Pass>,
    /// The command.
    pub command: Command,
}

/// Which tokens of a user a mark voids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// All of them.
    User,
    /// Those of a session.
    Session,
    /// One, and all that were made from it.
    Token,
}

impl Kind {
    /// As it stands in the column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Token => "token",
        }
    }
}

/// Tokens that are void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which.
    pub kind: Kind,
    /// The session or the token; empty for the whole user.
    pub id: String,
    /// Those that were made up to this second (epoch). A token is void whenever it was made.
    pub issued: u64,
}

impl Mark {
    /// Whether it voids a token.
    fn voids(&self, pass: &Pass) -> bool {
        match self.kind {
            Kind::User => pass.issued_at <= self.issued,
            Kind::Session => pass.sid == self.id && pass.issued_at <= self.issued,
            Kind::Token => pass.jti == self.id || pass.par.contains(&self.id),
        }
    }

    const fn is_over(&self, now: u64) -> bool {
        self.issued.saturating_add(LIFE_S) < now / 1000
    }
}

/// A token that was good for one request, and had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The token.
    pub jti: String,
    /// Its request.
    pub request_id: String,
    /// Until when somebody may come with it again, epoch seconds.
    pub until: u64,
}

/// What is written of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenWrite {
    /// 1 row: inserts or replaces a mark.
    Mark(Mark),
    /// Removes the marks of tokens made before this second.
    ForgetMarks {
        /// Epoch seconds.
        before: u64,
    },
    /// 1 row: inserts a token that is used up; those go that nobody can come with any more.
    Used {
        /// The token.
        used: Used,
        /// Epoch seconds.
        now: u64,
    },
    /// 1 row: a request counts in a token's budgets.
    Counts {
        /// The token whose budgets they are.
        id: String,
        /// The request.
        seq: u64,
    },
}

impl User {
    /// Lets a command in: nothing if it may, `Stale` if its token was judged by an older configuration than is known here.
    ///
    /// # Errors
    /// 401 if the token is revoked or used up.
    pub(super) fn check(&self, store: &impl Store, pass: Option<&Pass>) -> Result<Option<Outcome>> {
        let Some(pass) = pass else { return Ok(None) };
        if self.marks.iter().any(|mark| mark.voids(pass)) {
            return Err(marks::revoked());
        }
        if pass.one_time && store.used_by(&pass.jti)?.is_some_and(|request| request != pass.request_id) {
            return Err(Error::new(Code::InvalidToken, "This token was good for one request and has been used."));
        }
        let version = self.holding.version;
        Ok((version > pass.version).then_some(Outcome::Stale { version }))
    }

    /// `apply`, for a command that came with a token.
    ///
    /// # Errors
    /// As [`Self::apply`], and 401 if the token opens nothing any more.
    pub fn answer(&mut self, store: &mut impl Store, pass: Option<&Pass>, command: Command, now: u64) -> Result<Outcome> {
        if self.stale {
            *self = Self::load(store)?;
        }
        if let Some(outcome) = self.check(store, pass)? {
            return Ok(outcome);
        }
        let outcome = self.apply(store, command, now)?;
        if let Some(write) = pass.and_then(|pass| use_up(pass, now)).filter(|_| pass.is_some_and(|pass| !pass.prepares)) {
            self.commit(store, &[write])?;
        }
        Ok(outcome)
    }

    /// Voids tokens. What they are counted by stays until nobody can come with them.
    pub(super) fn revoke(&mut self, store: &mut impl Store, mark: Mark, now: u64) -> Result<Outcome> {
        let mark = Mark { issued: mark.issued.min(MAX_SAFE), ..mark };
        let mut marks: Vec<Mark> = self.marks.iter().filter(|old| !old.is_over(now)).cloned().collect();
        let same = marks.iter().position(|old| (old.kind, &old.id) == (mark.kind, &mark.id));
        let issued = same.map_or(0, |at| marks.swap_remove(at).issued).max(mark.issued);
        if marks.len() >= MAX_MARKS {
            return Err(
                Error::new(Code::Conflict, "Too many tokens of this user were revoked one by one: revoke the user.").with_param("uid")
            );
        }
        let mark = Mark { issued, ..mark };
        let writes = forget(now).into_iter().chain([Write::Token(TokenWrite::Mark(mark.clone()))]).collect::<Vec<_>>();
        self.commit(store, &writes)?;
        marks.push(mark);
        self.set_marks(marks);
        Ok(Outcome::Noted)
    }

    /// The marks, in the order in which a store gives them.
    pub(super) fn set_marks(&mut self, mut marks: Vec<Mark>) {
        marks.sort_unstable_by(|a, b| (a.kind.name(), &a.id).cmp(&(b.kind.name(), &b.id)));
        self.marks = marks;
    }

    /// What an erased user leaves of its tokens: they are void. Without that, one that was revoked or spent would be good again.
    pub(super) fn void_all(now: u64) -> Mark {
        Mark { kind: Kind::User, id: String::new(), issued: now / 1000 }
    }

    /// The write that removes marks which void nothing any more; none if there are none.
    pub(super) fn outdated_marks(&self, now: u64) -> Option<Write> {
        self.marks.iter().any(|mark| mark.is_over(now)).then(|| forget(now)).flatten()
    }
}

fn forget(now: u64) -> Option<Write> {
    let before = (now / 1000).checked_sub(LIFE_S)?;
    Some(Write::Token(TokenWrite::ForgetMarks { before }))
}

/// The write that uses a token up; none if it is good for more.
pub(super) fn use_up(pass: &Pass, now: u64) -> Option<Write> {
    let until = pass.expires_at.saturating_add(LIFE_S).min(MAX_SAFE);
    let used = Used { jti: pass.jti.clone(), request_id: pass.request_id.clone(), until };
    pass.one_time.then_some(Write::Token(TokenWrite::Used { used, now: now / 1000 }))
}
