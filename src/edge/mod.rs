//! The edge zone: the only module that can name the platform. It does; what decides is pure and elsewhere.
//!
//! Always holds: every answer, errors included, goes out through `answer::Answer`, with CORS headers and a request
//! id; the body stream never yields an error. Absent on purpose: decisions.

mod access;
mod access_token;
mod account;
mod address;
mod admin;
mod admission;
mod alerts;
mod answer;
mod api_keys;
mod attempts;
mod attenuate;
mod audit;
mod body;
mod caller;
mod chat;
mod clock;
mod deployment;
mod entry;
mod exchange;
mod foreign;
mod gone;
mod headers;
mod inbound;
mod isolate;
mod issuers;
mod jwks;
mod ledger;
mod log;
mod login;
mod mint;
mod models;
mod objects;
mod own_object;
mod pump;
mod question;
mod random;
mod reporting;
mod revocations;
mod rsa;
mod settle;
mod signature;
mod signing_keys;
mod snapshots;
mod source;
mod start;
mod threads;
mod tiers;
mod token_exchange;
mod upstream;
mod usage;
mod users;
mod workers_ai;
mod zones;
