//! The dialects: what a provider is sent, and what the client gets of its answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(missing_docs)]
#![allow(clippy::explicit_write, reason = "the test harness swallows what `eprintln` says when a test passes")]

mod anthropic;
mod anthropic_paired;
mod anthropic_recorded;
mod compatibility;
mod damage;
mod demo;
mod embeddings;
mod failures;
mod fields;
mod fuzz;
mod gemini;
mod gemini_pairs;
mod gemini_recorded;
mod goldens;
mod hosts;
mod hosts_recorded;
mod matrix;
mod mutate;
mod oracle;
mod outbound;
mod play;
mod recorded;
mod schema;
mod stopped;
mod vertex;
mod workers_ai;
mod written;
