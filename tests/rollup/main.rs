//! Tests of a project's ledger: what is counted, how it is told to its owner, and both sides together under failures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod counting;
mod listing;
mod memory;
mod properties;
#[path = "../support/sqlite.rs"]
mod script;
mod sqlite;
#[path = "../user/memory.rs"]
#[allow(dead_code, reason = "the tests of the user's state use more of it")]
mod user_memory;
mod words;
mod world;
