//! Behest: an OpenAI-compatible gateway between browsers and language models, on the edge.
//!
//! A chat request is a straight line (brackets: effects, done by `edge`; the rest are pure functions):
//!
//! ```text
//! Request ─ route::parse ─ auth ─ ChatRequest::parse ─ config → Target
//!   ─ [User object] begin{admit, thread} → Reservation + history      the one hop on the critical path
//!   ─ dialect.request → Outbound ─ [fetch upstream]
//!   ─ sse::Decoder.feed ─ Translate.push ─ sse::encode ─ [client]; Translate.end
//!   ─ [User object] finish{settle, append}
//! ```
//!
//! Architecture invariant: only `edge` can name the platform crate. On the host it does not exist, so a pure module
//! that reaches for it does not compile.

pub mod alert;
pub mod api;
pub mod auth;
pub mod cache;
pub mod calendar;
pub mod catalog;
pub mod config;
pub mod cors;
pub mod directory;
#[cfg(target_arch = "wasm32")]
mod edge;
pub mod egress;
pub mod error;
pub mod json;
pub mod lease;
pub mod meter;
pub mod price;
pub mod project;
pub mod provider;
pub mod question;
pub mod rollup;
pub mod route;
pub mod routing;
pub mod secrets;
pub mod sse;
pub mod user;
pub mod zone;
