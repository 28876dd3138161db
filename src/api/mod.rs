//! The wire contract: what clients send and receive. Typed where we read; what we do not read passes through.

pub mod chat;
pub mod estimate;
pub mod limits;
pub mod message;
pub mod models;
pub mod parameter;
pub mod ratelimit;
pub mod report;
pub mod tool;
pub mod usage;
pub mod window;
