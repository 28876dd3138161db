//! The wire contract: what clients send and receive. Typed where we read; what we do not read passes through.

pub mod chat;
pub mod estimate;
pub mod limits;
pub mod models;
pub mod ratelimit;
pub mod report;
pub mod usage;
pub mod window;
