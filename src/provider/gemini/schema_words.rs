//! What becomes of each word of JSON schema on its way to Gemini, and which types a schema allows.
//!
//! The words Gemini knows are those its reference lists for `responseJsonSchema`. Always holds: a word of ours is in one
//! place of the table; a word that is not in it constrains, so it is told in the description.

use serde_json::value::RawValue;

use super::schema::View;
use crate::json::{self, each_item, quoted};

/// What becomes of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Gemini knows it.
    Kept,
    /// It holds schemas (or follows from them).
    Schemas,
    /// `format`: Gemini knows some.
    Format,
    /// `enum` and `const`.
    Enum,
    /// Gemini has no word for it; the model is told in the description.
    Hint,
    /// It constrains nothing, belongs to another type, or is written elsewhere.
    Dropped,
}

/// Formats that Gemini knows, of strings and of numbers.
const FORMATS: [&str; 8] = ["date-time", "date", "time", "duration", "int32", "int64", "float", "double"];
/// A longer hint is no help.
const MAX_HINT: usize = 200;

/// The table. `kind` is the type that the schema being written has, if it has one.
pub(super) fn word(name: &str, kind: Option<&str>) -> Word {
    let of = |kinds: &[&str], word| if kind.is_none_or(|kind| kinds.contains(&kind)) { word } else { Word::Dropped };
    match name {
        "title" | "propertyOrdering" => Word::Kept,
        "minimum" | "maximum" => of(&["number", "integer"], Word::Kept),
        "minItems" | "maxItems" => of(&["array"], Word::Kept),
        "items" | "prefixItems" => of(&["array"], Word::Schemas),
        "properties" | "required" | "additionalProperties" => of(&["object"], Word::Schemas),
        "anyOf" | "oneOf" => Word::Schemas,
        "format" => of(&["string", "number", "integer"], Word::Format),
        "enum" | "const" => Word::Enum,
        "pattern" | "minLength" | "maxLength" => of(&["string"], Word::Hint),
        "multipleOf" | "exclusiveMinimum" | "exclusiveMaximum" => of(&["number", "integer"], Word::Hint),
        "type" | "nullable" | "description" | "allOf" | "definitions" | "discriminator" | "readOnly" | "writeOnly" | "deprecated"
        | "xml" | "externalDocs" | "strict" | "example" => Word::Dropped,
        name if name.starts_with('$') || name.starts_with("x-") => Word::Dropped,
        _ => Word::Hint,
    }
}

/// A word that Gemini does not know, for the description.
pub(super) fn hint(name: &str, value: &RawValue) -> Option<String> {
    let value = json::compact(value.get());
    (value.len() <= MAX_HINT).then(|| format!("{name}: {value}"))
}

/// The types that a schema allows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Types {
    /// Without `null`, unless that is the only one; empty when nothing is said.
    pub(super) names: Vec<&'static str>,
    /// `null` beside them.
    pub(super) nullable: bool,
}

const NAMES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

impl Types {
    fn add(&mut self, name: &str) {
        // OpenAPI's and Gemini's own spelling is upper case.
        let known = NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        self.names.extend(known.filter(|known| !self.names.contains(known)));
    }
}

/// Whether Gemini knows this format of this type.
pub(super) fn has_format(kind: Option<&str>, format: &RawValue) -> bool {
    kind.is_some() && quoted(format).is_some_and(|format| FORMATS.contains(&format))
}

/// The values of `enum` or `const` that are of this type, as a JSON array; `None` when Gemini has no enum of such values.
pub(super) fn enumerable(name: &str, values: &RawValue, kind: Option<&str>) -> Option<String> {
    if !matches!(kind, None | Some("string" | "number" | "integer")) {
        return None;
    }
    let fits = |value: &&RawValue| match type_of(value) {
        "string" => kind.is_none_or(|kind| kind == "string"),
        "integer" => kind.is_none_or(|kind| kind != "string"),
        "number" => kind.is_none_or(|kind| kind == "number"),
        _ => false,
    };
    let fitting: Vec<&str> = listed(name, values).into_iter().filter(fits).map(RawValue::get).collect();
    (!fitting.is_empty()).then(|| format!("[{}]", fitting.join(",")))
}

/// The items of `enum` or `type`; what is no array, and the one value of `const`, counts as one item.
fn listed<'a>(name: &str, values: &'a RawValue) -> Vec<&'a RawValue> {
    let mut items = Vec::new();
    if name == "const" || each_item(values.get(), |item| items.push(item)).is_err() {
        items = vec![values];
    }
    items
}

fn type_of(value: &RawValue) -> &'static str {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'[') => "array",
        Some(b'{') => "object",
        Some(b'n') => "null",
        _ if raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => "number",
        _ => "integer",
    }
}

/// The types that a schema says, or those that follow from its other words.
pub(super) fn types(view: &View<'_>) -> Types {
    let mut types = Types::default();
    let values = |name: &str| view.get(name).map(|values| listed(name, values)).unwrap_or_default();
    for kind in values("type") {
        types.add(quoted(kind).unwrap_or_default());
    }
    if types.names.is_empty() {
        let given = if view.get("const").is_some() { "const" } else { "enum" };
        for value in values(given) {
            types.add(type_of(value));
        }
        if types.names.contains(&"number") {
            types.names.retain(|name| *name != "integer");
        }
    }
    if types.names.is_empty() {
        let says = |words: &[&str]| words.iter().any(|word| view.get(word).is_some());
        if says(&["properties", "additionalProperties"]) {
            types.add("object");
        } else if says(&["items", "prefixItems"]) {
            types.add("array");
        }
    }
    let null = types.names.contains(&"null");
    types.nullable = null || view.get("nullable").is_some_and(|nullable| nullable.get() == "true");
    if null && types.names.len() > 1 {
        types.names.retain(|name| *name != "null");
    }
    types
}
