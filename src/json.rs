//! JSON read where it lies: members and items as slices of the text, never rebuilt.
//!
//! Always holds: a value that is not set anew is written out byte for byte (`1.0`, `1e400`, `\u00e9`, inner whitespace);
//! of duplicate members the last one wins, as in `JSON.parse`; no function here recurses, whatever the nesting.
//! Absent on purpose: a tree (`serde_json::Value`), which costs two to three times as much and loses the bytes; only the
//! small bodies of admin and mint requests become one (`object`). What a string says is in `strings`.

mod strings;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
pub use strings::{quoted, text, text_len};

/// How deep a body may nest. The same as `serde_json`'s own limit for typed parsing, so nothing that passes here can fail there.
pub const MAX_DEPTH: usize = 127;

/// Above this many members duplicates are found with a map: a body of a million members must not take a million squared.
const FEW_MEMBERS: usize = 24;

/// A small body that must be a JSON object. Arrays are refused by name: serde would read them into a struct, field by field.
///
/// # Errors
/// 400 that says where the JSON breaks, or that it is no object.
pub fn object(body: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>> {
    match serde_json::from_slice(body).map_err(|e| Error::json("The body", &e))? {
        serde_json::Value::Object(fields) => Ok(fields),
        _ => Err(Error::new(Code::Validation, "The body must be a JSON object.")),
    }
}

/// A JSON object as its members in order, borrowed from the text it was read from.
#[derive(Clone, Debug)]
pub struct RawObject<'a> {
    members: Vec<Member<'a>>,
}

#[derive(Clone, Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    /// The name as it was written, escapes and all; `None` for a member that was set here.
    key: Option<&'a RawValue>,
    value: Cow<'a, RawValue>,
}

impl<'a> RawObject<'a> {
    /// Reads one object and nothing after it.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        let mut members = Vec::with_capacity(12);
        each_member(text, |key, value| members.push(Member { name: name_of(key), key: Some(key), value: Cow::Borrowed(value) }))?;
        Ok(Self { members: without_duplicates(members) })
    }

    /// The value of a member. `null` is a value here.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.members.iter().find(|member| member.name == name).map(|member| &*member.value)
    }

    /// The value of a member as a slice of the original text; `None` when there is none, or it was set anew.
    pub fn get_borrowed(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|member| member.name == name).and_then(|member| match member.value {
            Cow::Borrowed(value) => Some(value),
            Cow::Owned(_) => None,
        })
    }

    /// Replaces the value in place, or adds the member at the end.
    pub fn set(&mut self, name: &'a str, value: Cow<'a, RawValue>) {
        match self.members.iter_mut().find(|member| member.name == name) {
            Some(member) => member.value = value,
            None => self.members.push(Member { name: Cow::Borrowed(name), key: None, value }),
        }
    }

    /// Removes a member; tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.members.len();
        self.members.retain(|member| member.name != name);
        self.members.len() != before
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.members.iter().map(|member| (&*member.name, &*member.value))
    }

    /// The object as JSON: values as they were read, no whitespace between members.
    pub fn to_bytes(&self) -> Vec<u8> {
        let size = self.members.iter().map(|member| member.name.len() + member.value.get().len() + 4).sum::<usize>();
        let mut out = Vec::with_capacity(size + 2);
        out.push(b'{');
        for (position, member) in self.members.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            match member.key {
                Some(key) => out.extend_from_slice(key.get().as_bytes()),
                None => out.extend_from_slice(string(&member.name).get().as_bytes()),
            }
            out.push(b':');
            out.extend_from_slice(member.value.get().as_bytes());
        }
        out.push(b'}');
        out
    }
}

/// The last of each name, at the place of the first.
fn without_duplicates(members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    let mut kept: Vec<Member<'_>> = Vec::with_capacity(members.len());
    let mut places: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
    let many = members.len() > FEW_MEMBERS;
    for member in members {
        let place = if many { places.get(&member.name).copied() } else { kept.iter().position(|other| other.name == member.name) };
        if let Some(first) = place.and_then(|place| kept.get_mut(place)) {
            first.value = member.value;
        } else {
            if many {
                places.insert(member.name.clone(), kept.len());
            }
            kept.push(member);
        }
    }
    kept
}

/// The members named, in the order of `names`; absent and `null` are both `None`.
pub fn pick<'a, const N: usize>(text: &'a str, names: [&str; N]) -> serde_json::Result<[Option<&'a RawValue>; N]> {
    let mut picked = [None; N];
    each_member(text, |key, value| {
        let name = name_of(key);
        if let Some((slot, _)) = picked.iter_mut().zip(names).find(|(_, wanted)| *wanted == name) {
            *slot = (value.get() != "null").then_some(value);
        }
    })?;
    Ok(picked)
}

/// Calls back with each member's key (quotes and escapes included) and value.
pub fn each_member<'a>(text: &'a str, f: impl FnMut(&'a RawValue, &'a RawValue)) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Members(f))?;
    deserializer.end()
}

/// Calls back with each item of an array.
pub fn each_item<'a>(text: &'a str, f: impl FnMut(&'a RawValue)) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_seq(Items(f))?;
    deserializer.end()
}

struct Members<F>(F);

impl<'de, F: FnMut(&'de RawValue, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry()? {
            (self.0)(key, value);
        }
        Ok(())
    }
}

struct Items<F>(F);

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

/// What a raw key says. One that cannot be decoded (half a surrogate pair) is no name we know, so its raw form will do.
fn name_of(key: &RawValue) -> Cow<'_, str> {
    let raw = quoted(key).unwrap_or_default();
    if raw.contains('\\') { serde_json::from_str(key.get()).map_or(Cow::Borrowed(raw), Cow::Owned) } else { Cow::Borrowed(raw) }
}

/// A Rust string as a JSON value.
pub fn string(text: &str) -> Box<RawValue> {
    // Serialising a string cannot fail; the fallback keeps this free of a panic.
    serde_json::value::to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A text that is known to be JSON, as a value.
pub(crate) fn owned(json: impl Into<String>) -> Box<RawValue> {
    // The fallback keeps this free of a panic.
    RawValue::from_string(json.into()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// JSON without the whitespace between its tokens; everything else as it was written.
pub fn compact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut from = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at),
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.push_str(text.get(from..at - 1).unwrap_or_default());
                from = at;
            }
            _ => {}
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// Fails when the text nests deeper than [`MAX_DEPTH`]. Looks at brackets only, so it may run before anything is parsed.
pub fn check_depth(text: &str) -> Result<()> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Error::new(Code::Validation, format!("The body nests deeper than {MAX_DEPTH} levels (at byte {at}).")));
        }
    }
    Ok(())
}

/// The place after the quote that closes the string whose content starts at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        match bytes.get(at - 1) {
            Some(b'\\') => at += 1,
            _ => return at,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> RawObject<'_> {
        RawObject::parse(text).unwrap()
    }

    fn written(object: &RawObject<'_>) -> String {
        String::from_utf8(object.to_bytes()).unwrap()
    }

    #[test]
    fn what_is_not_set_keeps_its_bytes() {
        for text in [
            "{}",
            r#"{"a":1.0,"b":1e400,"c":-0,"d":12345678901234567890123}"#,
            r#"{"caf\u00e9":"\u00e9\/\ud83d","x":[1, 2 ,  3],"y":{ "z" : null }}"#,
            r#"{"lone \ud800 key":1}"#,
        ] {
            assert_eq!(written(&object(text)), text);
        }
    }

    #[test]
    fn the_last_duplicate_wins_at_the_first_place() {
        let text = r#"{"a":1,"b":2,"\u0061":3}"#;
        assert_eq!(written(&object(text)), r#"{"a":3,"b":2}"#);
        let members: Vec<String> = (0..100).map(|n| format!("\"k{}\":{n}", n % 50)).collect();
        let many = format!("{{{}}}", members.join(","));
        assert_eq!(object(&many).iter().count(), 50);
        assert_eq!(object(&many).get("k7").unwrap().get(), "57");
        assert_eq!(pick(text, ["a"]).unwrap()[0].unwrap().get(), "3");
    }

    #[test]
    fn set_replaces_in_place_or_appends_and_remove_removes() {
        let text = r#"{"model":"x","n":1}"#;
        let mut object = object(text);
        object.set("model", Cow::Owned(string("a\"b")));
        object.set("new", Cow::Borrowed(RawValue::TRUE));
        assert!(object.remove("n"));
        assert!(!object.remove("n"));
        assert_eq!(written(&object), r#"{"model":"a\"b","new":true}"#);
    }

    #[test]
    fn many_members_take_linear_time() {
        let members: Vec<String> = (0..200_000).map(|n| format!("\"{n}\":0")).collect();
        let text = format!("{{{}}}", members.join(","));
        assert_eq!(object(&text).iter().count(), 200_000);
    }

    #[test]
    fn nesting_is_an_error_and_never_a_crash() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(check_depth(&deep).unwrap_err().message().contains("127"));
        assert!(RawObject::parse(&deep).is_ok(), "raw scanning does not recurse");
        let fits = format!("{}1{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        check_depth(&fits).unwrap();
        serde_json::from_str::<serde_json::Value>(&fits).unwrap();
        check_depth(r#"{"brackets in a string":"[[[[\"[[["}"#).unwrap();
        check_depth(&format!("\"{}\"", "[\\\"".repeat(500))).unwrap();
    }

    #[test]
    fn compact_json_loses_nothing_but_whitespace() {
        for (text, expected) in [
            ("{ \"a b\" : [ 1.0 ,\n\t2e400 ],\r\n \"c\":\" \\\" \" }", r#"{"a b":[1.0,2e400],"c":" \" "}"#),
            ("[]", "[]"),
            (" 7 ", "7"),
            (r#""a  b""#, r#""a  b""#),
        ] {
            assert_eq!(compact(text), expected);
        }
    }
}
