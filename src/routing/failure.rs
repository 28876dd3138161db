//! Why an attempt failed before anything was sent to the client, and what follows from that: the one table.
//!
//! Always holds: what is the client's own fault is final; who refuses a key is not asked again with it.
//! Absent on purpose: what the client is told (`provider::failure`), and counting (`course`).

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub why: Why,
    /// When the provider wants to be asked again, in ms from now.
    pub retry_after_ms: Option<u64>,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The provider's own status, or that of the error it sent instead of its first event.
    Status(u16),
    /// There was no connection.
    Unreachable,
    /// The provider was silent for as long as it may be.
    Silent,
    /// The answer broke off, or was no answer, before anything of it could be sent.
    Unreadable,
    /// The target's dialect cannot say what the client wants.
    Inexpressible,
    /// The client left.
    Gone,
    /// The client's token came to be void, or its project was suspended.
    Revoked,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be better next time: the same target again, then others.
    Again,
    /// It will be the same next time: only others.
    Elsewhere,
    /// The client has to know.
    Final,
}

impl Failure {
    /// Without a hint when to ask again.
    pub const fn of(why: Why) -> Self {
        Self { why, retry_after_ms: None }
    }

    /// What follows. `asked_for`: the client named this target, or its model; else the gateway chose it, and another may do.
    pub const fn verdict(&self, asked_for: bool) -> Verdict {
        match self.why {
            Why::Gone | Why::Revoked => Verdict::Final,
            Why::Status(400 | 404 | 413 | 422) | Why::Inexpressible if asked_for => Verdict::Final,
            Why::Unreachable | Why::Unreadable | Why::Status(408 | 409 | 425 | 429 | 500 | 502..=504 | 520..=524 | 529) => Verdict::Again,
            // Silence has cost all the time that the target has. The rest is a key, an account or an address that stays what it is.
            Why::Silent | Why::Inexpressible | Why::Status(_) => Verdict::Elsewhere,
        }
    }

    /// Whether it lies in the key: another one may do.
    pub const fn is_of_key(&self) -> bool {
        matches!(self.why, Why::Status(401 | 402 | 403 | 429))
    }

    /// What it says of the target: that it is well, that it is not, or nothing. A client's bad request says that it is well.
    pub const fn is_well(&self) -> Option<bool> {
        match self.why {
            Why::Unreachable | Why::Silent | Why::Unreadable | Why::Status(408 | 500..) => Some(false),
            Why::Status(400 | 404 | 413 | 422) => Some(true),
            Why::Status(_) | Why::Inexpressible | Why::Gone | Why::Revoked => None,
        }
    }

    /// For the log.
    pub fn name(&self) -> String {
        match self.why {
            Why::Status(status) => status.to_string(),
            Why::Unreachable => "unreachable".to_owned(),
            Why::Silent => "silent".to_owned(),
            Why::Unreadable => "unreadable".to_owned(),
            Why::Inexpressible => "inexpressible".to_owned(),
            Why::Gone => "client left".to_owned(),
            Why::Revoked => "revoked".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (why, what follows if the client asked for it, and if not; is the key to blame; is the target well)
    const TABLE: [(Why, Verdict, Verdict, bool, Option<bool>); 27] = {
        use Verdict::{Again, Elsewhere, Final};
        [
            (Why::Gone, Final, Final, false, None),
            (Why::Revoked, Final, Final, false, None),
            (Why::Inexpressible, Final, Elsewhere, false, None),
            (Why::Silent, Elsewhere, Elsewhere, false, Some(false)),
            (Why::Unreachable, Again, Again, false, Some(false)),
            (Why::Unreadable, Again, Again, false, Some(false)),
            (Why::Status(301), Elsewhere, Elsewhere, false, None),
            (Why::Status(400), Final, Elsewhere, false, Some(true)),
            (Why::Status(401), Elsewhere, Elsewhere, true, None),
            (Why::Status(402), Elsewhere, Elsewhere, true, None),
            (Why::Status(403), Elsewhere, Elsewhere, true, None),
            (Why::Status(404), Final, Elsewhere, false, Some(true)),
            (Why::Status(405), Elsewhere, Elsewhere, false, None),
            (Why::Status(408), Again, Again, false, Some(false)),
            (Why::Status(409), Again, Again, false, None),
            (Why::Status(413), Final, Elsewhere, false, Some(true)),
            (Why::Status(422), Final, Elsewhere, false, Some(true)),
            (Why::Status(429), Again, Again, true, None),
            (Why::Status(499), Elsewhere, Elsewhere, false, None),
            (Why::Status(500), Again, Again, false, Some(false)),
            (Why::Status(501), Elsewhere, Elsewhere, false, Some(false)),
            (Why::Status(502), Again, Again, false, Some(false)),
            (Why::Status(503), Again, Again, false, Some(false)),
            (Why::Status(504), Again, Again, false, Some(false)),
            (Why::Status(522), Again, Again, false, Some(false)),
            (Why::Status(529), Again, Again, false, Some(false)),
            (Why::Status(530), Elsewhere, Elsewhere, false, Some(false)),
        ]
    };

    #[test]
    fn every_kind() {
        for (why, asked_for, picked, of_key, well) in TABLE {
            let failure = Failure::of(why);
            let found = (failure.verdict(true), failure.verdict(false), failure.is_of_key(), failure.is_well());
            assert_eq!(found, (asked_for, picked, of_key, well), "{why:?}");
        }
    }
}
