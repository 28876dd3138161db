//! Which targets a request is sent to, in which order, and what is done when one of them fails.
//!
//! Always holds: pure; time and chance are arguments. Nothing is tried again after the client was sent a byte, nothing that is
//! the client's own fault is tried again at all, and an open breaker changes the order, never whether a request is served.
//! Absent on purpose: sending (`edge::attempts`), what a name means (`config::model`), and what a project may set (`config::routing`).

pub mod breaker;
pub mod course;
pub mod failure;
pub mod health;
pub mod keys;
pub mod latency;
pub mod needs;
pub mod plan;
pub mod policy;
pub mod retry;

pub use course::{Course, Next};
pub use failure::{Failure, Why};
pub use health::Health;
pub use plan::{Plan, plan};
