//! The private key of a key file: PEM around PKCS#8 around an RSA key.
//!
//! Always holds: an error says what was found instead, and nothing of the key. Absent on purpose: the key's numbers; the platform
//! reads those, and refuses them if they are none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Version 0, the algorithm `rsaEncryption`, and the tag of the key itself (RFC 5208, RFC 8017).
const RSA: [u8; 19] = [2, 1, 0, 0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0, 4];

/// The DER, or the end of a sentence that begins with the field's name.
pub(super) fn pkcs8(pem: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    // Who carries a key file through a shell or an environment variable often doubles the escapes.
    let text = Zeroizing::new(pem.replace("\\n", "\n"));
    if text.contains("BEGIN RSA PRIVATE KEY") {
        return Err("is PKCS#1; it must be PKCS#8, as in Google's key files (BEGIN PRIVATE KEY)");
    }
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return Err("is encrypted; it must be the key as it is in Google's key files");
    }
    let inner = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let inner = inner.ok_or("must be PEM: BEGIN PRIVATE KEY to END PRIVATE KEY, line breaks included")?;
    let base64: Zeroizing<String> = Zeroizing::new(inner.split_ascii_whitespace().collect());
    let der = Zeroizing::new(STANDARD.decode(base64.as_bytes()).map_err(|_| "is damaged: what is between BEGIN and END is not base64")?);
    if is_rsa(&der) { Ok(der) } else { Err("must be a whole RSA key in PKCS#8") }
}

/// One sequence that is as long as it says, with an RSA key in it.
fn is_rsa(der: &[u8]) -> bool {
    // Keys of 1,024 bits and more have lengths of two bytes.
    let [0x30, 0x82, high, low, rest @ ..] = der else { return false };
    rest.len() == usize::from(u16::from_be_bytes([*high, *low])) && rest.starts_with(&RSA)
}
