//! Who is calling: credentials, API keys, tokens. Bytes and time come in, a `Principal` or an error goes out.
//!
//! Always holds: identity comes from a verified token alone; an algorithm is fixed by the key, never by a header.

pub mod address;
pub mod address_window;
pub mod api_key;
pub mod bearer;
pub mod capabilities;
pub mod idempotency;
pub mod ip_limit;
pub mod marks;
pub mod mint;
pub mod server_key;
pub mod standing;
pub mod token;
