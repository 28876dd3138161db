//! Tests of one user's state: commands one by one, threads against clients, properties under failures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod alerts;
mod budgets;
mod commands;
mod instalments;
mod limits;
mod memory;
mod minted;
mod model;
mod outbox;
mod overrides;
mod private;
mod properties;
mod reroute;
mod room;
mod routes;
#[path = "../simulator/rows.rs"]
mod rows;
#[path = "../support/sqlite.rs"]
mod script;
mod sqlite;
mod threads;
mod tokens;
mod words;
mod zones;
