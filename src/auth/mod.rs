//! Who is calling: credentials, API keys, tokens. Bytes and time come in, a `Principal` or an error goes out.
//!
//! Always holds: identity comes from a verified token alone; an algorithm is fixed by the key, never by a header.

pub mod access;
pub mod address;
pub mod address_window;
pub mod api_key;
pub mod bearer;
pub mod capabilities;
pub mod exchange;
pub mod host;
pub mod idempotency;
pub mod identity;
pub mod ip_limit;
pub mod jwk;
pub mod jwks;
pub mod jws;
pub mod marks;
pub mod mint;
pub mod narrow;
pub mod server_key;
pub mod standing;
pub mod strict;
pub mod tenant;
pub mod token;
