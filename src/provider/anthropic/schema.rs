//! A JSON schema as Anthropic's structured outputs take it.
//!
//! Always holds: what fits the result fits the original, except for constraints that the API cannot enforce, which are
//! told to the model in the description (as Anthropic's own SDKs do); properties keep their order.
//! Absent on purpose: schemas that lose their meaning so: open dictionaries, recursion, references to elsewhere. They are `None`.

use core::fmt::Write as _;
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::json::{self, RawObject, each_item, each_member};

/// A larger schema is not looked into: each level of it is read again for the level above. The API takes none of this size.
const MAX_BYTES: usize = 256 * 1024;

/// Formats of strings that are enforced.
const FORMATS: [&str; 10] = ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The schema as the API takes it; `None`: it cannot express it.
pub(super) fn native(schema: &RawValue) -> Option<Box<RawValue>> {
    if schema.get().len() > MAX_BYTES || is_recursive(schema) {
        return None;
    }
    let mut out = String::with_capacity(schema.get().len() + 64);
    write(schema, &mut out)?;
    RawValue::from_string(out).ok()
}

/// Writes one schema.
fn write(schema: &RawValue, out: &mut String) -> Option<()> {
    let object = RawObject::parse(schema.get()).ok()?;
    if let Some(reference) = object.get("$ref") {
        // The API takes nothing beside a reference.
        let _ = write!(out, r#"{{"$ref":{}}}"#, reference.get());
        return Some(());
    }
    let mut members = Members::begin(out);
    let mut notes = Vec::new();
    for (name, value) in object.iter() {
        match name {
            "type" | "const" | "enum" | "required" | "title" | "default" => members.copy(name, value),
            "format" if json::text(value).is_some_and(|format| FORMATS.contains(&&*format)) => members.copy(name, value),
            "minItems" if matches!(value.get(), "0" | "1") => members.copy(name, value),
            "properties" | "$defs" | "definitions" => write_map(value, members.name(name))?,
            "items" => write(value, members.name(name))?,
            "anyOf" | "allOf" => write_list(value, members.name(name))?,
            "oneOf" if object.get("anyOf").is_none() => write_list(value, members.name("anyOf"))?,
            "description" | "additionalProperties" | "$schema" | "$id" | "$comment" => {}
            _ => notes.push(format!("{name}: {}", value.get())),
        }
    }
    if is_object(&object) {
        if is_open(&object) {
            return None;
        }
        members.name("additionalProperties").push_str("false");
    }
    let said = object.get("description").and_then(json::text);
    if let Some(text) = description(said, &notes) {
        members.name("description").push_str(json::string(&text).get());
    }
    out.push('}');
    Some(())
}

fn is_object(schema: &RawObject<'_>) -> bool {
    let says = |kind: &RawValue| kind.get().contains("\"object\"");
    let has = |name| schema.get(name).is_some();
    has("properties") || has("additionalProperties") || has("patternProperties") || schema.get("type").is_some_and(says)
}

/// Whether its point are members that it does not name.
fn is_open(schema: &RawObject<'_>) -> bool {
    let named = schema.get("properties").is_some_and(|properties| properties.get().contains('"'));
    match schema.get("additionalProperties").map(RawValue::get) {
        Some("false") => schema.get("patternProperties").is_some(),
        // Not to use a permission keeps the meaning, if there is something else to say.
        None | Some("true") => !named || schema.get("patternProperties").is_some(),
        Some(_) => true,
    }
}

/// What was said, and what cannot be enforced.
fn description(said: Option<Cow<'_, str>>, notes: &[String]) -> Option<String> {
    let notes = (!notes.is_empty()).then(|| format!("{{{}}}", notes.join(", ")));
    match (said, notes) {
        (said, None) => said.map(Cow::into_owned),
        (None, notes) => notes,
        (Some(said), Some(notes)) => Some(format!("{said}\n\n{notes}")),
    }
}

/// An object whose members are schemas.
fn write_map(map: &RawValue, out: &mut String) -> Option<()> {
    let object = RawObject::parse(map.get()).ok()?;
    let mut members = Members::begin(out);
    for (name, schema) in object.iter() {
        write(schema, members.name(name))?;
    }
    out.push('}');
    Some(())
}

/// An array of schemas.
fn write_list(list: &RawValue, out: &mut String) -> Option<()> {
    let mut items = Vec::new();
    each_item(list.get(), |item| items.push(item)).ok()?;
    out.push('[');
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(item, out)?;
    }
    out.push(']');
    Some(())
}

/// A JSON object on its way into a string.
struct Members<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> Members<'o> {
    fn begin(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Writes a name; the value comes next.
    fn name(&mut self, name: &str) -> &mut String {
        if !core::mem::take(&mut self.first) {
            self.out.push(',');
        }
        self.out.push_str(json::string(name).get());
        self.out.push(':');
        self.out
    }

    fn copy(&mut self, name: &str, value: &RawValue) {
        self.name(name).push_str(value.get());
    }
}

/// Whether a definition leads back to itself, or a reference to anything but a definition.
fn is_recursive(schema: &RawValue) -> bool {
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let Ok(root) = RawObject::parse(schema.get()) else { return true };
    let mut from_root = Vec::new();
    references(schema.get(), &mut from_root);
    for place in ["$defs", "definitions"] {
        let Some(definitions) = root.get(place) else { continue };
        let _ = each_member(definitions.get(), |key, value| {
            let mut found = Vec::new();
            references(value.get(), &mut found);
            uses.insert(format!("#/{place}/{}", json::text(key).unwrap_or_default()), found);
        });
    }
    if from_root.iter().any(|reference| !uses.contains_key(reference)) {
        return true;
    }
    has_cycle(&uses)
}

/// Takes away, again and again, what uses nothing that is left: a cycle stays.
fn has_cycle(uses: &BTreeMap<String, Vec<String>>) -> bool {
    let mut left: Vec<&String> = uses.keys().collect();
    loop {
        let before = left.len();
        let still = left.clone();
        left.retain(|name| uses.get(*name).is_some_and(|used| used.iter().any(|other| still.contains(&other))));
        if left.len() == before {
            return !left.is_empty();
        }
    }
}

/// Every `"$ref":"…"` in a text of JSON, wherever it stands.
fn references(json: &str, found: &mut Vec<String>) {
    for (at, name) in json.match_indices("\"$ref\"") {
        let rest = json.get(at + name.len()..).unwrap_or_default().trim_start();
        let value = rest.strip_prefix(':').map(str::trim_start).and_then(|rest| rest.strip_prefix('"'));
        found.extend(value.and_then(|value| value.split('"').next()).map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, expected: Option<&str>) {
        let raw: Box<RawValue> = RawValue::from_string(schema.to_owned()).unwrap();
        assert_eq!(native(&raw).as_deref().map(RawValue::get), expected, "{schema}");
    }

    #[test]
    fn what_is_enforced_stays_in_order() {
        check(
            r#"{"type":"object","properties":{"z":{"type":"string","format":"date"},"a":{"type":["integer","null"]}},"required":["z","a"],"additionalProperties":false}"#,
            Some(
                r#"{"type":"object","properties":{"z":{"type":"string","format":"date"},"a":{"type":["integer","null"]}},"required":["z","a"],"additionalProperties":false}"#,
            ),
        );
        check(
            r##"{"$schema":"x","type":"object","properties":{"a":{"$ref":"#/$defs/a","description":"b"}},"$defs":{"a":{"enum":["x"]}}}"##,
            Some(
                r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"enum":["x"]}},"additionalProperties":false}"##,
            ),
        );
    }

    #[test]
    fn what_is_not_enforced_is_told() {
        check(
            r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":5,"description":"Stars."},"l":{"type":"array","minItems":2,"items":{"type":"string","maxLength":3}}}}"#,
            Some(
                r#"{"type":"object","properties":{"n":{"type":"integer","description":"Stars.\n\n{minimum: 1, maximum: 5}"},"l":{"type":"array","items":{"type":"string","description":"{maxLength: 3}"},"description":"{minItems: 2}"}},"additionalProperties":false}"#,
            ),
        );
        check(r#"{"oneOf":[{"type":"null"},{"type":"string"}]}"#, Some(r#"{"anyOf":[{"type":"null"},{"type":"string"}]}"#));
    }

    #[test]
    fn what_would_lose_its_meaning_is_refused() {
        for schema in [
            "true",
            "{\"items\":true}",
            r#"{"type":"object"}"#,
            r#"{"type":"object","properties":{}}"#,
            r#"{"additionalProperties":{"type":"number"}}"#,
            r#"{"type":"object","additionalProperties":{"type":"number"}}"#,
            r#"{"type":"object","properties":{"a":{"type":"object","additionalProperties":true}}}"#,
            r#"{"type":"object","properties":{"a":{}},"patternProperties":{"x":{}},"additionalProperties":false}"#,
            r##"{"type":"object","properties":{"a":{"$ref":"#"}}}"##,
            r#"{"type":"object","properties":{"a":{"$ref":"https://x.example"}}}"#,
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"items":{"$ref":"#/$defs/a"}}}}"##,
        ] {
            check(schema, None);
        }
    }
}
