//! A value that is valid for a JSON schema, made from the schema and the user's words.
//!
//! Always holds: deterministic; ends soon, whatever the schema. Honoured: `type`, `const`, `enum`, `$ref` within the document, `allOf`,
//! `anyOf`, `oneOf`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `minItems`, `maxItems`, `uniqueItems`,
//! `minLength`, `maxLength`, the common `format`s, minimum and maximum (inclusive or not), `multipleOf`.
//! Absent on purpose: `pattern`, `not`, `if`, `dependent…`, `contains`: a demo need not solve puzzles.

use core::cell::Cell;

use serde_json::{Map, Value, json};

/// Below this depth only what is required is filled in, and `null` is chosen where it may be: recursive schemas end here.
const DEEP: usize = 5;
/// Below this depth nothing is filled in: a schema that requires itself has no value anyway.
const BOTTOM: usize = 24;
/// No example has more values than this: schemas that refer to themselves many times would grow without end.
const MAX_VALUES: u32 = 2_000;
/// Merging copies a schema, so it counts as many values.
const MERGE_COST: u32 = 50;
/// Items in an array that does not say.
const USUAL_ITEMS: u64 = 2;
/// A schema may ask for a million items; the demo does not.
const MAX_ITEMS: u64 = 100;

/// An example. `said` is what the user wrote, from which texts are taken.
pub(super) fn example(schema: &Value, said: &str) -> Value {
    Maker { root: schema, said, left: Cell::new(MAX_VALUES) }.value(schema, "", 0, 0)
}

struct Maker<'s> {
    root: &'s Value,
    said: &'s str,
    /// How many more values may be made.
    left: Cell<u32>,
}

impl Maker<'_> {
    /// `name` is the property's, `nth` tells items of one array apart.
    fn value(&self, schema: &Value, name: &str, nth: u64, depth: usize) -> Value {
        if !self.spend(1) || depth > BOTTOM {
            return Value::Null;
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return self.one_of(values, nth);
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, name, nth, depth + 1));
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return if self.spend(MERGE_COST) { self.value(&self.merged(schema, parts), name, nth, depth + 1) } else { Value::Null };
        }
        let variants = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        if let Some(variant) = variants.and_then(|variants| variant(variants, depth)) {
            return self.value(variant, name, nth, depth + 1);
        }
        match type_of(schema, depth) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => integer(schema, nth),
            "number" => number(schema, nth),
            "boolean" => Value::Bool(nth.is_multiple_of(2)),
            "null" => Value::Null,
            _ => self.string(schema, name, nth),
        }
    }

    fn spend(&self, cost: u32) -> bool {
        let left = self.left.get().checked_sub(cost);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }

    /// The value that the user mentions, else the first; the items of an array take turns.
    fn one_of(&self, values: &[Value], nth: u64) -> Value {
        let mentioned = |value: &&Value| value.as_str().is_some_and(|word| !word.is_empty() && self.said.contains(word));
        let turn = usize::try_from(nth).unwrap_or(0) % values.len().max(1);
        let chosen = if nth == 0 { values.iter().find(mentioned) } else { None };
        chosen.or_else(|| values.get(turn)).cloned().unwrap_or_default()
    }

    /// A schema and the parts of its `allOf` as one; references in the parts are followed once.
    fn merged(&self, schema: &Value, parts: &[Value]) -> Value {
        let mut all = schema.as_object().cloned().unwrap_or_default();
        all.remove("allOf");
        for part in parts {
            let target = part.get("$ref").and_then(Value::as_str).and_then(|target| self.root.pointer(target.strip_prefix('#')?));
            for (key, value) in target.unwrap_or(part).as_object().into_iter().flatten() {
                match (all.get_mut(key), value) {
                    (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
                    (Some(Value::Array(known)), Value::Array(more)) if key == "required" => known.extend(more.iter().cloned()),
                    _ => {
                        all.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        Value::Object(all)
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = Map::new();
        let wanted = |name: &str| self.left.get() > 0 && (depth < DEEP || required.contains(&name));
        for (name, property) in properties {
            if wanted(name) {
                object.insert(name.clone(), self.value(property, name, 0, depth + 1));
            }
        }
        let fallback = json!({"type": "string"});
        let other = schema.get("additionalProperties").filter(|other| other.is_object()).unwrap_or(&fallback);
        for name in required.iter().filter(|name| !properties.contains_key(**name)) {
            object.insert((*name).to_owned(), self.value(other, name, 0, depth + 1));
        }
        let least = whole(schema, "minProperties").unwrap_or(0).min(MAX_ITEMS);
        for n in object.len() as u64..least {
            object.insert(format!("key{n}"), self.value(other, "", n, depth + 1));
        }
        Value::Object(object)
    }

    fn array(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let leading = schema.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let usual = if depth < DEEP { USUAL_ITEMS } else { 0 };
        let most = whole(schema, "maxItems").unwrap_or(u64::MAX);
        let least = whole(schema, "minItems").unwrap_or(0).min(MAX_ITEMS);
        let count = usual.max(leading.len() as u64).min(most).max(least);
        let text = json!({"type": "string"});
        let rest = schema.get("items").unwrap_or(&text);
        let wanted = if *rest == Value::Bool(false) { leading.len() as u64 } else { count };
        // When nothing is left to spend, what is still wanted stays out: a hostile schema has no claim to validity.
        let item = |nth: u64| {
            let own = usize::try_from(nth).ok().and_then(|nth| leading.get(nth));
            self.value(own.unwrap_or(rest), name, nth, depth + 1)
        };
        let mut items: Vec<Value> = (0..wanted).take_while(|_| self.left.get() > 0).map(item).collect();
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut seen: Vec<Value> = Vec::new();
            items.retain(|item| {
                !seen.contains(item) && {
                    seen.push(item.clone());
                    true
                }
            });
        }
        Value::Array(items)
    }

    fn string(&self, schema: &Value, name: &str, nth: u64) -> Value {
        let mut text = match schema.get("format").and_then(Value::as_str).and_then(formatted) {
            Some(formatted) => return Value::String(formatted.to_owned()),
            None => self.word_for(name),
        };
        if nth > 0 {
            text = format!("{text} {}", nth + 1);
        }
        let length = |key: &str| whole(schema, key).and_then(|n| usize::try_from(n).ok());
        let least = length("minLength").unwrap_or(0).min(10_000);
        while text.chars().count() < least {
            text.push_str(" demo");
        }
        if let Some(most) = length("maxLength") {
            // Keep the end when items are told apart by it.
            text = if nth > 0 {
                text.chars().rev().take(most).collect::<Vec<_>>().into_iter().rev().collect()
            } else {
                text.chars().take(most).collect()
            };
        }
        Value::String(text)
    }

    /// Something that fits a property's name.
    fn word_for(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&["city", "location", "place", "town"]) {
            return self.place().unwrap_or("Paris").to_owned();
        }
        if has(&["query", "question", "text", "prompt", "message", "content", "input", "summary"]) && !self.said.is_empty() {
            return self.said.chars().take(80).collect();
        }
        let fixed = [
            ("country", "France"),
            ("email", "demo@example.com"),
            ("url", "https://example.com/"),
            ("date", "2026-01-31"),
            ("title", "A demo title"),
            ("name", "Ada Lovelace"),
            ("lang", "en"),
            ("unit", "celsius"),
        ];
        fixed.iter().find(|(word, _)| name.contains(word)).map_or("demo", |(_, text)| text).to_owned()
    }

    /// The first capitalised word after an "in" or a "for".
    fn place(&self) -> Option<&str> {
        let words = self.said.split_whitespace();
        let next = words.clone().skip(1).map(|word| word.trim_matches(|c: char| !c.is_alphabetic()));
        let mut pairs = words.zip(next);
        pairs.find(|(word, next)| matches!(*word, "in" | "for") && next.starts_with(char::is_uppercase)).map(|(_, next)| next)
    }
}

/// The variant to fill in: one that is not `null`, unless it is time to end.
fn variant(variants: &[Value], depth: usize) -> Option<&Value> {
    let is_null = |variant: &&Value| variant.get("type").and_then(Value::as_str) == Some("null");
    let null = variants.iter().find(is_null).filter(|_| depth >= DEEP);
    // Deep down, a variant that refers to nothing ends sooner than one that does.
    let flat = variants.iter().find(|variant| variant.get("$ref").is_none() && !is_null(variant)).filter(|_| depth >= DEEP);
    null.or(flat).or_else(|| variants.iter().find(|variant| !is_null(variant))).or_else(|| variants.first())
}

fn type_of(schema: &Value, depth: usize) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str);
            let nullable = names.clone().any(|name| name == "null");
            if nullable && depth >= DEEP { "null" } else { names.find(|name| *name != "null").unwrap_or("null") }
        }
        _ if schema.get("properties").is_some() || schema.get("required").is_some() => "object",
        _ if schema.get("items").is_some() || schema.get("prefixItems").is_some() => "array",
        _ if schema.get("minimum").is_some() || schema.get("maximum").is_some() => "number",
        _ => "string",
    }
}

fn formatted(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T12:00:00Z",
        "time" => "12:00:00Z",
        "duration" => "PT1H",
        "email" => "demo@example.com",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "url" | "uri-reference" => "https://example.com/",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => return None,
    })
}

/// The smallest whole number allowed (or the largest, or 1), and the next ones for further items.
fn integer(schema: &Value, nth: u64) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let low = bound("minimum").map(f64::ceil).max_of(bound("exclusiveMinimum").map(|low| low.floor() + 1.0));
    let high = bound("maximum").map(f64::floor).min_of(bound("exclusiveMaximum").map(|high| high.ceil() - 1.0));
    whole_value(stepped(low, high, bound("multipleOf").filter(|step| step.fract() == 0.0).unwrap_or(1.0), nth))
}

fn number(schema: &Value, nth: u64) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let (low, high) = (bound("minimum"), bound("maximum"));
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    if let Some(step) = bound("multipleOf") {
        let nudge = |strict: Option<f64>| strict.map(|bound| bound + step / 2.0);
        return fraction(stepped(low.max_of(nudge(above)), high.min_of(below.map(|bound| bound - step / 2.0)), step, nth));
    }
    let (least, most) = (low.max_of(above), high.min_of(below));
    fraction(match (least, most) {
        (Some(least), Some(most)) => f64::midpoint(least, most),
        (Some(least), None) => least + 1.0,
        (None, Some(most)) => most - 1.0,
        (None, None) => 1.5,
    })
}

/// The `nth` multiple of `step` from the lowest allowed on; the highest one when that is passed.
fn stepped(low: Option<f64>, high: Option<f64>, step: f64, nth: u64) -> f64 {
    let step = if step > 0.0 { step } else { 1.0 };
    let last = high.map(|high| (high / step).floor());
    let first = match (low, last) {
        (Some(low), _) => (low / step).ceil(),
        (None, Some(last)) if last < 1.0 => last,
        _ => 1.0,
    };
    #[allow(clippy::cast_precision_loss, reason = "at most the number of items of an array")]
    let multiple = first + nth as f64;
    last.map_or(multiple, |last| multiple.min(last.max(first))) * step
}

fn whole_value(number: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "`as` saturates, and a schema with bounds beyond i64 is no one's")]
    Value::from(number as i64)
}

fn fraction(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn whole(schema: &Value, key: &str) -> Option<u64> {
    schema.get(key)?.as_u64()
}

/// Bounds that may be absent.
trait Bound {
    fn max_of(self, other: Self) -> Self;
    fn min_of(self, other: Self) -> Self;
}

impl Bound for Option<f64> {
    fn max_of(self, other: Self) -> Self {
        self.zip(other).map(|(a, b)| a.max(b)).or(self).or(other)
    }

    fn min_of(self, other: Self) -> Self {
        self.zip(other).map(|(a, b)| a.min(b)).or(self).or(other)
    }
}
