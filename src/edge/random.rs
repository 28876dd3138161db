//! Fresh random bytes and the ids made of them.

use crate::error::{Error, Result};
use crate::secrets::hex;

/// `N` random bytes from the platform's cryptographic generator.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::getrandom(&mut bytes).map_err(|e| Error::server(format!("no randomness: {e}")))?;
    Ok(bytes)
}

/// Any number, for what must not happen to all at the same time.
pub fn dice() -> u64 {
    // Without randomness it is as good as any other number.
    bytes().map(u64::from_le_bytes).unwrap_or_default()
}

/// `<prefix>` and 24 hex digits, such as `proj_…`.
pub fn id(prefix: &str) -> Result<String> {
    Ok(format!("{prefix}{}", hex(&bytes::<12>()?)))
}

/// A UUID, version 4.
pub fn uuid() -> Result<String> {
    let mut b = bytes::<16>()?;
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let text = hex(&b);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}
