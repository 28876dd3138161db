//! What the Worker asks of one user's object and what it answers: the JSON between the two.
//!
//! Always holds: message bodies travel as `RawValue`, so their bytes arrive as the client wrote them. That needs
//! externally tagged enums: an internal tag or `flatten` would buffer the message and lose its number forms and spaces.
//! Absent on purpose: anything about how it travels, and errors (those are `crate::error::Error`).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::alerts::AlertKey;
pub use super::expire::{Expire, Expired};
pub use super::extend::{Extend, Progress, Progressed};
pub use super::finish::{Ending, Finish, Finished, ThreadFinish};
use super::outbox::Acknowledge;
use super::overrides::Overrides;
use super::pass::{Mark, Pass};
use super::refusal::Refusal;
use super::report::{Cell, Standing, UsageQuery};
pub use super::reroute::Reroute;
use super::store::KeySource;
pub use super::thread_command::{ListMessages, ListThreads, PatchThread, ThreadId, ThreadView};
use crate::api::ratelimit::Window;
use crate::lease::{Ask, Lease, Recall, Report};
use crate::price::Rates;
use crate::provider::Private;
use crate::rollup::batch::Batch;
use crate::zone::Zone;

/// One question to a user's object. All times inside are milliseconds; `now` is an argument of `apply`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "there is one of it at a time, and most are the large one")]
pub enum Command {
    /// Admit a request and reserve its tokens; also gives the history to send. Answer: `Begun` or `Refused`.
    Begin(Begin),
    /// Remember what a running stream has used so far, for the case that nobody finishes it, and let it hold more.
    /// Answer: `Progressed`.
    Progress(Progress),
    /// Go on at another target with a request that failed at one. Answer: `Rerouted` or `Refused`.
    Reroute(Reroute),
    /// Settle a request and store its turn. Answer: `Finished`.
    Finish(Finish),
    /// The caller's limits and what is left of them. Answer: `Rate`.
    Limits(Limits),
    /// What is lost of each limit, with days and months of this zone. Answer: `Standing`.
    Standing(Zone),
    /// What is said of this user's limits. Answer: `Overrides`.
    Overrides,
    /// Say it anew, all of it. Answer: `Overrides`.
    PutOverrides(Overrides),
    /// What was used in a window. Answer: `Usage`.
    Usage(UsageQuery),
    /// A page of threads, newest first. Answer: `Threads`.
    ListThreads(ListThreads),
    /// One thread. Answer: `Thread`.
    GetThread(ThreadId),
    /// The messages of a thread, oldest first. Answer: `Messages`.
    Messages(ListMessages),
    /// Give a thread another title. Answer: `Thread`.
    PatchThread(PatchThread),
    /// Remove a thread and its messages. Answer: `Deleted`.
    DeleteThread(ThreadId),
    /// Give back what is not in use of the project's limits; for a recall, or because the limit is near. Answer: `Reported`.
    GiveBack(Option<Recall>),
    /// What to ask the project for before the lease is over. Answer: `Ask`, or `Held` if there is none to renew.
    Renew,
    /// A lease that was asked for in the background, and when, epoch ms. Answer: `Held`.
    TakeLease(Lease, u64),
    /// Void tokens. Answer: `Noted`.
    Revoke(Mark),
    /// The project has these alerts. Answer: `Noted`.
    AlertsTold(Vec<AlertKey>),
    /// A token is minted under an `Idempotency-Key`. Answer: `Minted`.
    Mint(super::minted::Minted),
    /// The alarm: settle what nobody settled, prune what is old. Answer: `Expired`.
    Expire(Expire),
    /// What the project is to be told next. Answer: `Outbox`.
    Outbox {
        /// The most requests; [`super::outbox::MOST_ENTRIES`] anyway.
        limit: u64,
    },
    /// What the project has been told. Answer: `Acknowledged`.
    Acknowledge(Acknowledge),
    /// Settle what is open at its last report: nobody is going to finish it. Answer: `Closed`.
    Close,
    /// Remove everything there is about this user. Answer: `Erased`.
    Erase,
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request may go upstream.
    Begun(Begun),
    /// The request may not go upstream; nothing was written.
    Refused(Refused),
    /// The project has to be asked first: then `begin` again, with its answer.
    Ask(Ask),
    /// The configuration that the request was read with is older than this one: read it again.
    Stale {
        /// The newest known of.
        version: u64,
    },
    /// What the user has of the project's limits, after it gave back what it could.
    Reported(Report),
    /// The lease was taken, or there was nothing to do.
    Held,
    /// What came of a report.
    Progressed(Progressed),
    /// What is held at the new target.
    Rerouted(Reservation),
    /// What a finish changed.
    Finished(Finished),
    /// The limits now.
    Rate(RateSnapshot),
    /// What is lost of each limit now.
    Standing(Standing),
    /// What is said of this user's limits.
    Overrides(Overrides),
    /// Sums by step, provider, model and key source, in this order.
    Usage(Vec<Cell>),
    /// A page of threads.
    Threads {
        /// Newest first by the last message.
        data: Vec<ThreadView>,
        /// There are older ones: ask again with `before` = the last id.
        has_more: bool,
    },
    /// One thread.
    Thread(ThreadView),
    /// A page of messages.
    Messages {
        /// Oldest first; each is the object that the client sees.
        data: Vec<Box<RawValue>>,
        /// There are older ones: ask again with `before` = the first id.
        has_more: bool,
    },
    /// The thread is gone.
    Deleted,
    /// The token that was minted first under that key.
    Minted(super::minted::Minted),
    /// It is written down.
    Noted,
    /// What the alarm did.
    Expired(Expired),
    /// What the project is to be told next.
    Outbox(Batch),
    /// It is noted.
    Acknowledged {
        /// Settled requests that the project has not acknowledged.
        waiting: u64,
    },
    /// Nothing is open.
    Closed,
    /// Everything is gone.
    Erased {
        /// How often the user has been erased.
        epoch: u64,
    },
}

/// Admit one request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// Unique per request; a second `Begin` with the same id gets the first one's reservation.
    pub request_id: String,
    /// For attribution.
    pub session_id: String,
    /// Set if the request belongs to a thread.
    pub thread: Option<BeginThread>,
    /// The calls of tools in the client's messages ([`super::private::calls`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
    /// The model that the client asked for.
    pub model: String,
    /// The model that the provider will be asked for.
    pub model_served: String,
    /// The provider that serves it.
    pub provider: String,
    /// Whose credential it is served with.
    pub key_source: KeySource,
    /// What the model costs, if that is known. The request is settled with these prices.
    pub rates: Option<Rates>,
    /// The limits of the project and the tier for this caller now. The user's own come before them.
    pub limits: Limits,
    /// What the request may cost at most.
    pub estimate: Estimate,
    /// What concerns the whole project.
    pub project: ProjectTerms,
    /// Its answer is streamed: without a maximum of its own it may hold its output in instalments.
    #[serde(default)]
    pub stream: bool,
    /// The thresholds of the project's alerts, per cent; none if it wants none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<u8>,
    /// How long the reservation lives without a finish, in ms; at most a day.
    pub ttl_ms: u64,
    /// How long a settled request may wait until the project is told, in ms: the alarm is set so far ahead.
    pub roll_up_ms: u64,
    /// The token that it came with; it travels beside ([`super::pass::Asked`]).
    #[serde(skip)]
    pub pass: Option<Pass>,
}

/// What a request brings of its project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectTerms {
    /// The project's id.
    pub id: String,
    /// The user's id in it.
    pub user: String,
    /// The number of the configuration that the request was read with.
    pub version: u64,
    /// The project has limits of its own: nothing is admitted without a lease.
    pub leased: bool,
}

/// The thread of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BeginThread {
    /// Chosen by the client.
    pub id: String,
    /// The client's messages, verbatim and all of them.
    pub messages: Vec<Box<RawValue>>,
    /// How many tokens of history fit beside them.
    pub window_tokens: u64,
}

/// Limits of one user; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Requests in any 60 seconds.
    pub requests_per_minute: Option<u64>,
    /// Requests per day.
    pub requests_per_day: Option<u64>,
    /// Requests that run at the same time.
    pub concurrency: Option<u64>,
    /// Input plus output tokens per day.
    pub tokens_per_day: Option<u64>,
    /// Input plus output tokens per month.
    pub tokens_per_month: Option<u64>,
    /// Micro-dollars per day.
    pub micro_usd_per_day: Option<u64>,
    /// Micro-dollars per month.
    pub micro_usd_per_month: Option<u64>,
    /// Where days and months begin.
    pub zone: Zone,
}

/// What a request may use at most, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// The prompt as the client sent it, without history from the thread.
    pub input: u64,
    /// What the client named as its maximum, times the number of choices; `None` if it named none.
    pub output: Option<u64>,
    /// What is reserved if it named none: the model's own maximum, times the number of choices.
    pub output_default: u64,
    /// How many replies are asked for (`n`); a granted maximum is per reply. 0 counts as 1.
    #[serde(default)]
    pub choices: u64,
}

/// Admitted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// What was reserved.
    pub reservation: Reservation,
    /// History to put after the client's leading system and developer messages ([`super::reconcile::leading_instructions`]).
    pub prepend: Vec<Box<RawValue>>,
    /// What is kept of the calls in `prepend` and in the client's messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<Private>,
    /// Give this back in [`ThreadFinish`]; set if the request has a thread.
    pub base: Option<Base>,
    /// The limits after this request was counted.
    pub rate: RateSnapshot,
}

/// A reservation, by which the finish finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Give this back in [`Finish`].
    pub seq: u64,
    /// Input plus output tokens that are held.
    pub reserved: u64,
    /// Micro-dollars that are held.
    pub reserved_micro_usd: u64,
    /// Of them the input: the estimate given, and the history's tokens.
    pub input: u64,
    /// Set if less than the model's maximum was left: the most output tokens *per reply* to ask the provider for.
    pub max_output: Option<u64>,
    /// Set if what is held may grow: the most output that can be foreseen, in all replies. None: a maximum was named, or the
    /// answer is not streamed.
    #[serde(default)]
    pub grows_to: Option<u64>,
}

impl Reservation {
    /// Output tokens that are held, in all replies.
    pub const fn output(&self) -> u64 {
        self.reserved.saturating_sub(self.input)
    }
}

/// The state of the thread that a request was begun on, and what its finish will do to it. Opaque to the Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Which thread of that id: the number of the request that made it; `None` if there was none.
    pub born: Option<u64>,
    /// The version that was read.
    pub version: u64,
    /// The first of the client's messages that is new.
    pub new_from: usize,
    /// Set if the thread is to be rewound to this many messages first.
    pub keep: Option<usize>,
}

/// Not admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why, and when to try again.
    pub refusal: Refusal,
    /// The limits now.
    pub rate: RateSnapshot,
}

/// What is left of each limit that holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateSnapshot {
    /// One for each limit that is set.
    pub windows: Vec<Window>,
}
