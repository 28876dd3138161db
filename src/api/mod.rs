//! The wire contract: what clients send and receive. Typed where we read; what we do not read passes through.

pub mod chat;
pub mod csv;
pub mod embeddings;
pub mod estimate;
pub mod limits;
pub mod message;
pub mod models;
pub mod moderations;
pub mod parameter;
pub mod parameters;
pub mod project_usage;
pub mod ratelimit;
pub mod report;
pub mod requests;
pub mod tool;
pub mod usage;
pub mod vector;
pub mod window;
