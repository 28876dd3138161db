//! Embedding vectors in their two forms on the wire: a JSON array of numbers, and base64 of little-endian 32-bit floats.
//!
//! Always holds: a number of one form is the nearest 32-bit float, bit for bit, in the other; what is no vector of finite
//! numbers is an error, never a vector with holes. Absent on purpose: a tree of the answer; only the vector is read.

use core::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::json;

/// Bytes of one number.
const WIDTH: usize = size_of::<f32>();

/// `encoding_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// A JSON array of numbers.
    #[default]
    Float,
    /// A string: base64 of little-endian 32-bit floats.
    Base64,
}

/// The JSON value is no vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAVector;

/// A vector in the form that is wanted; `None` if it has it already.
///
/// # Errors
/// It is no vector.
pub fn converted(value: &RawValue, wanted: Encoding) -> Result<Option<String>, NotAVector> {
    match (value.get().as_bytes().first(), wanted) {
        (Some(b'"'), Encoding::Base64) | (Some(b'['), Encoding::Float) => Ok(None),
        (Some(b'['), Encoding::Base64) => base64_of(value.get()).map(Some),
        (Some(b'"'), Encoding::Float) => floats_of(&json::text(value).ok_or(NotAVector)?).map(Some),
        _ => Err(NotAVector),
    }
}

/// A vector that was made here, in the form that is wanted.
pub fn encoded(numbers: &[f32], wanted: Encoding) -> String {
    match wanted {
        Encoding::Base64 => quoted_base64(&numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()),
        Encoding::Float => array(numbers.iter().copied(), numbers.len()),
    }
}

/// An array of numbers as a JSON string. Each is read as a 32-bit float from its text: by way of 64 bits it would be rounded twice.
fn base64_of(array: &str) -> Result<String, NotAVector> {
    let inner = array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or(NotAVector)?;
    let mut bytes = Vec::with_capacity(inner.len() / 2);
    for number in inner.split(',') {
        let number: f32 = number.trim_ascii().parse().map_err(|_| NotAVector)?;
        if !number.is_finite() {
            return Err(NotAVector);
        }
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    Ok(quoted_base64(&bytes))
}

/// Base64 as a JSON array, each number in the fewest digits that are that 32-bit float and no other.
fn floats_of(text: &str) -> Result<String, NotAVector> {
    let bytes = STANDARD.decode(text).map_err(|_| NotAVector)?;
    let (numbers, []) = bytes.as_chunks::<WIDTH>() else { return Err(NotAVector) };
    let numbers = || numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
    if bytes.is_empty() || numbers().any(|number| !number.is_finite()) {
        return Err(NotAVector);
    }
    Ok(array(numbers(), bytes.len() / WIDTH))
}

fn array(numbers: impl Iterator<Item = f32>, count: usize) -> String {
    let mut out = String::with_capacity(count * 14 + 2);
    let mut before = '[';
    for number in numbers {
        // As exponents where they are shorter: a text of zeros says nothing.
        let _ = if number != 0.0 && number.abs() < 1e-5 { write!(out, "{before}{number:e}") } else { write!(out, "{before}{number}") };
        before = ',';
    }
    if before == '[' {
        out.push('[');
    }
    out.push(']');
    out
}

fn quoted_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4 + 2);
    out.push('"');
    STANDARD.encode_string(bytes, &mut out);
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn there(json: &str) -> Result<Option<String>, NotAVector> {
        converted(&raw(json), Encoding::Base64)
    }

    fn back(json: &str) -> Result<Option<String>, NotAVector> {
        converted(&raw(json), Encoding::Float)
    }

    #[test]
    fn known_vectors() {
        for (floats, base64) in [
            ("[1]", "\"AACAPw==\""),
            ("[1, -2.5 ,\n0.0]", "\"AACAPwAAIMAAAAAA\""),
            ("[-0.0]", "\"AAAAgA==\""),
            // The smallest and the largest there are.
            ("[1e-45,3.4028235e38]", "\"AQAAAP//f38=\""),
            // Less than half of the smallest is nothing.
            ("[1e-60]", "\"AAAAAA==\""),
        ] {
            assert_eq!(there(floats).unwrap().as_deref(), Some(base64), "{floats}");
            assert_eq!(back(floats), Ok(None));
            assert_eq!(there(base64), Ok(None));
        }
        assert_eq!(back("\"AACAPwAAIMAAAACA\"").unwrap().unwrap(), "[1,-2.5,-0]");
        assert_eq!(back("\"AACAP\\u0077AAIMA=\"").unwrap().unwrap(), "[1,-2.5]", "escapes are no part of the text");
    }

    /// Just above the middle of two 32-bit floats, and by 64 bits exactly in the middle, from where it would go down.
    #[test]
    fn a_number_is_rounded_once() {
        let text = "1.000000059604644775390625000001";
        #[allow(clippy::cast_possible_truncation, reason = "the mistake that is not to be made")]
        let twice = text.parse::<f64>().unwrap() as f32;
        assert_eq!(twice.to_bits(), 0x3f80_0000);
        assert_eq!(there(&format!("[{text}]")).unwrap().unwrap(), format!("\"{}\"", STANDARD.encode(0x3f80_0001_u32.to_le_bytes())));
    }

    #[test]
    fn every_float_comes_back_bit_for_bit() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let numbers: Vec<f32> =
                core::iter::repeat_with(|| f32::from_bits(random.u32(..))).filter(|number| number.is_finite()).take(97).collect();
            let base64 = encoded(&numbers, Encoding::Base64);
            let floats = encoded(&numbers, Encoding::Float);
            assert_eq!(there(&floats).unwrap().unwrap(), base64);
            assert_eq!(back(&base64).unwrap().unwrap(), floats);
            // What a client reads that takes JSON's numbers as 64 bits and keeps 32.
            #[allow(clippy::cast_possible_truncation, reason = "as clients do")]
            let read: Vec<f32> = serde_json::from_str::<Vec<f64>>(&floats).unwrap().into_iter().map(|number| number as f32).collect();
            assert!(read.iter().zip(&numbers).all(|(a, b)| a.to_bits() == b.to_bits()), "{floats}");
        }
        assert_eq!((encoded(&[], Encoding::Float), encoded(&[], Encoding::Base64)), ("[]".to_owned(), "\"\"".to_owned()));
    }

    #[test]
    fn what_is_no_vector() {
        for json in ["[]", "[null]", "[[1]]", "[\"1\"]", "[true]", "[1e39]", "{}", "null", "7"] {
            assert_eq!(there(json), Err(NotAVector), "{json}");
        }
        for json in ["\"\"", "\"AAA=\"", "\"AACAPw\"", "\"!!!!\"", "\"AADAfw==\"", "\"AACAfw==\"", "{}", "null"] {
            assert_eq!(back(json), Err(NotAVector), "{json}");
        }
    }
}
