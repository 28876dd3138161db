//! What a JSON string says, read where it lies.
//!
//! Always holds: what has no escape is borrowed; half a surrogate pair, which JSON allows and Rust does not, is U+FFFD and no error.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The characters between the quotes, still escaped; `None` when the value is not a string.
pub fn quoted(value: &RawValue) -> Option<&str> {
    value.get().strip_prefix('"')?.strip_suffix('"')
}

/// A string's text; `None` when the value is not a string. Half a surrogate pair, which JSON allows and Rust does not, becomes U+FFFD.
pub fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let raw = quoted(value)?;
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(raw));
    }
    Some(Cow::Owned(serde_json::from_str(value.get()).unwrap_or_else(|_| lossy(raw))))
}

/// Decodes escape by escape, for strings that `serde_json` refuses.
fn lossy(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let pair = escape.get(..12).and_then(decode);
        let (length, decoded) = match (pair, escape.as_bytes().get(1)) {
            (Some(c), Some(b'u')) => (12, c),
            (_, Some(b'u')) => (6, escape.get(..6).and_then(decode).unwrap_or(char::REPLACEMENT_CHARACTER)),
            _ => (2, escape.get(..2).and_then(decode).unwrap_or(char::REPLACEMENT_CHARACTER)),
        };
        out.push(decoded);
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// One escaped character, if `escape` is exactly that.
fn decode(escape: &str) -> Option<char> {
    serde_json::from_str(&format!("\"{escape}\"")).ok()
}

/// How many bytes of UTF-8 an escaped string stands for, without decoding it.
pub fn text_len(raw: &str) -> usize {
    let bytes = raw.as_bytes();
    let mut length = bytes.len();
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let start = from + at;
        let (written, meant) = match raw.get(start + 1..start + 2) {
            Some("u") => (6, raw.get(start + 2..start + 6).and_then(|hex| u16::from_str_radix(hex, 16).ok()).map_or(3, utf8_len)),
            _ => (2, 1),
        };
        length = (length + meant).saturating_sub(written);
        from = start + written;
    }
    length
}

/// UTF-8 bytes of one UTF-16 unit; each half of a surrogate pair counts as half of the four.
const fn utf8_len(unit: u16) -> usize {
    match unit {
        0..0x80 => 1,
        0x80..0x800 | 0xD800..0xE000 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_and_measured() {
        for (raw, expected) in [
            (r#""a\nb""#, "a\nb"),
            (r#""\u00e9\ud83d\ude00\u4e2d""#, "é😀中"),
            (r#""\ud83d x \ude00\t""#, "\u{fffd} x \u{fffd}\t"),
            (r#""\\u0041""#, "\\u0041"),
        ] {
            let value: &RawValue = serde_json::from_str(raw).unwrap();
            assert_eq!(text(value).unwrap(), expected, "{raw}");
            if !expected.contains('\u{fffd}') {
                assert_eq!(text_len(quoted(value).unwrap()), expected.len(), "{raw}");
            }
        }
    }
}
