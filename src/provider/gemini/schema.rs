//! JSON schema, as OpenAI's clients write it, in the words that Gemini knows (`parametersJsonSchema`, `responseJsonSchema`).
//!
//! Gemini takes JSON schema, but only some keywords, references only in places, enums of strings and numbers, and one type
//! beside `null`. Always holds: references are written out, recursive ones a bounded number of times and then as their bare
//! type; the order of properties stays; a constraint that Gemini has no word for goes into the description, where the model
//! reads it; size and depth of the result are bounded, whatever comes in.
//! Absent on purpose: checking that a schema makes sense; Gemini's own 400 says so better.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::schema_words::{Word, enumerable, has_format, hint, types, word};
use crate::error::{Error, Result};
use crate::json::{self, each_item, each_member, text};

/// How often one reference may occur within itself.
const MAX_UNROLL: usize = 3;
/// How many schemas may be nested in each other, references written out.
const MAX_LEVELS: usize = 48;
/// How many schemas the written-out whole may have; some five times what Gemini accepts.
const MAX_SCHEMAS: usize = 5_000;
/// What it costs to look for a place in the schema, as bytes that count as one schema.
const BYTES_PER_SCHEMA: usize = 4_096;

/// The schema in Gemini's words. `param` names it in an error.
pub(super) fn translate(root: &RawValue, param: &str) -> Result<Box<RawValue>> {
    let definitions = definitions(root);
    let mut translation = Translation { root, definitions, param, entered: Vec::new(), level: 0, schemas: 0, out: String::new() };
    translation.schema(root)?;
    Ok(json::owned(translation.out))
}

struct Translation<'a> {
    root: &'a RawValue,
    definitions: BTreeMap<String, &'a RawValue>,
    param: &'a str,
    /// The references that the schema being written lies in.
    entered: Vec<Cow<'a, str>>,
    level: usize,
    schemas: usize,
    out: String,
}

/// One schema with what it refers to and all of `allOf` laid over each other. Of most words the last counts.
#[derive(Default)]
pub(super) struct View<'a> {
    members: Vec<(Cow<'a, str>, Vec<&'a RawValue>)>,
    /// Only the type was taken over, because a bound was reached.
    bare: bool,
}

impl<'a> View<'a> {
    fn lay(&mut self, name: Cow<'a, str>, value: &'a RawValue) {
        if value.get() == "null" && name != "const" {
            return;
        }
        let gathered = matches!(&*name, "properties" | "required");
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) if gathered => values.push(value),
            Some((_, values)) => *values = vec![value],
            None => self.members.push((name, vec![value])),
        }
    }

    /// The value that counts.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.all(name).last().copied()
    }

    fn all(&self, name: &str) -> &[&'a RawValue] {
        self.members.iter().find(|(known, _)| known == name).map_or(&[], |(_, values)| values)
    }

    /// Words and the values that count, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().filter_map(|(name, values)| Some((&**name, *values.last()?)))
    }
}

impl<'a> Translation<'a> {
    fn schema(&mut self, raw: &'a RawValue) -> Result<()> {
        self.schemas += 1;
        match raw.get() {
            // Everything, and nothing: Gemini has no word for nothing.
            "true" | "false" => self.out.push_str("{}"),
            object if object.starts_with('{') => {
                let before = self.entered.len();
                self.level += 1;
                let mut view = View::default();
                self.flatten(raw, &mut view)?;
                self.write(&view)?;
                self.level -= 1;
                self.entered.truncate(before);
            }
            _ => return Err(self.invalid("a schema must be an object or a boolean")),
        }
        Ok(())
    }

    /// Lays a schema over the view: first what it refers to, then `allOf`, then its own words.
    fn flatten(&mut self, raw: &'a RawValue, view: &mut View<'a>) -> Result<()> {
        let mut members = Vec::new();
        let not_object = |_| Error::invalid(self.param, format!("{}: a schema must be an object or a boolean.", self.param));
        each_member(raw.get(), |key, value| members.push((text(key).unwrap_or_default(), value))).map_err(not_object)?;
        let bare = self.level > MAX_LEVELS || self.schemas > MAX_SCHEMAS;
        view.bare |= bare;
        self.level += 1;
        for (name, value) in members.iter().filter(|_| !bare) {
            match &**name {
                "$ref" => self.refer(value, view)?,
                "allOf" => {
                    let parts = self.items(name, value)?;
                    parts.into_iter().filter(|part| part.get().starts_with('{')).try_for_each(|part| self.flatten(part, view))?;
                }
                _ => {}
            }
        }
        self.level -= 1;
        for (name, value) in members {
            if !matches!(&*name, "$ref" | "allOf") && (!bare || matches!(&*name, "type" | "description")) {
                view.lay(name, value);
            }
        }
        Ok(())
    }

    /// Lays what a reference points to over the view; only its type when the reference lies too often in itself.
    fn refer(&mut self, reference: &'a RawValue, view: &mut View<'a>) -> Result<()> {
        let name = text(reference).ok_or_else(|| self.invalid("$ref must be a string"))?;
        let target = self.resolve(&name).ok_or_else(|| self.invalid(&format!("the reference {name:?} leads nowhere")))?;
        let within = self.entered.iter().filter(|entered| **entered == name).count();
        if within < MAX_UNROLL && self.entered.len() < MAX_LEVELS && self.schemas <= MAX_SCHEMAS {
            self.entered.push(name);
            return if target.get().starts_with('{') { self.flatten(target, view) } else { Ok(()) };
        }
        view.bare = true;
        let [kind, description] = json::pick(target.get(), ["type", "description"]).unwrap_or_default();
        for (name, value) in [("type", kind), ("description", description)] {
            if let Some(value) = value {
                view.lay(name.into(), value);
            }
        }
        Ok(())
    }

    /// A reference within the schema: `#`, or a JSON pointer behind it.
    fn resolve(&mut self, reference: &str) -> Option<&'a RawValue> {
        let pointer = percent_encoding::percent_decode_str(reference.strip_prefix('#')?).decode_utf8().ok()?;
        if pointer.is_empty() {
            return Some(self.root);
        }
        if let Some(definition) = self.definitions.get(&*pointer) {
            return Some(definition);
        }
        // Other places are looked for anew each time, which must not take for ever.
        self.schemas += self.root.get().len() / BYTES_PER_SCHEMA;
        pointer.strip_prefix('/')?.split('/').map(unescaped).try_fold(self.root, |at, step| child(at, &step))
    }

    /// Writes a flat schema; one of several types becomes a choice of schemas with one type each.
    fn write(&mut self, view: &View<'a>) -> Result<()> {
        let types = types(view);
        if types.names.len() < 2 {
            return self.object(view, types.names.first().copied(), types.nullable, true);
        }
        self.out.push('{');
        if view.get("description").is_some() {
            self.member("description", &description(view, Vec::new()));
        }
        self.member("anyOf", "[");
        for (position, name) in types.names.iter().enumerate() {
            self.out.push_str(if position > 0 { "," } else { "" });
            self.object(view, Some(name), false, false)?;
        }
        self.out.push_str(if types.nullable { r#",{"type":"null"}]}"# } else { "]}" });
        Ok(())
    }

    fn object(&mut self, view: &View<'a>, kind: Option<&str>, nullable: bool, described: bool) -> Result<()> {
        self.out.push('{');
        match kind {
            Some(kind) if nullable && kind != "null" => self.member("type", &format!(r#"["{kind}","null"]"#)),
            Some(kind) => self.member("type", &format!("\"{kind}\"")),
            None => {}
        }
        let mut hints = Vec::new();
        for (name, value) in view.iter() {
            match word(name, kind) {
                Word::Kept => self.member(name, &json::compact(value.get())),
                Word::Schemas => self.schemas_of(name, value, view)?,
                Word::Format if has_format(kind, value) => self.member(name, value.get()),
                Word::Enum if name == "enum" && view.get("const").is_some() => {}
                Word::Enum => match enumerable(name, value, kind) {
                    Some(values) => self.member("enum", &values),
                    None => hints.push(hint(name, value)),
                },
                Word::Format | Word::Hint => hints.push(hint(name, value)),
                Word::Dropped => {}
            }
        }
        if described && (view.get("description").is_some() || hints.iter().any(Option::is_some)) {
            self.member("description", &description(view, hints));
        }
        self.out.push('}');
        Ok(())
    }

    /// The words that hold further schemas.
    fn schemas_of(&mut self, name: &str, value: &'a RawValue, view: &View<'a>) -> Result<()> {
        if view.bare {
            return Ok(());
        }
        match name {
            "properties" => self.properties(view),
            "required" => {
                let names = required(view);
                if !names.is_empty() {
                    self.member("required", &format!("[{}]", names.join(",")));
                }
                Ok(())
            }
            "items" if value.get().starts_with('[') => self.list("prefixItems", value),
            "anyOf" | "prefixItems" => self.list(name, value),
            // Gemini reads it as `anyOf`; only where there is one too must it keep its name.
            "oneOf" => self.list(if view.get("anyOf").is_some() { "oneOf" } else { "anyOf" }, value),
            _ if matches!(value.get(), "true" | "false") => {
                if name == "additionalProperties" {
                    self.member(name, value.get());
                }
                Ok(())
            }
            _ => {
                self.member(name, "");
                self.schema(value)
            }
        }
    }

    fn properties(&mut self, view: &View<'a>) -> Result<()> {
        let mut all: Vec<(&'a RawValue, &'a RawValue)> = Vec::new();
        let mut places = BTreeMap::new();
        for properties in view.all("properties") {
            each_member(properties.get(), |key, value| {
                if let Some(known) = places.get(key.get()).and_then(|place: &usize| all.get_mut(*place)) {
                    known.1 = value;
                } else {
                    places.insert(key.get(), all.len());
                    all.push((key, value));
                }
            })
            .map_err(|_| self.invalid("properties must be an object"))?;
        }
        self.member("properties", "{");
        for (position, (key, value)) in all.into_iter().enumerate() {
            self.out.push_str(if position > 0 { "," } else { "" });
            self.out.push_str(key.get());
            self.out.push(':');
            self.schema(value)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn list(&mut self, name: &str, value: &'a RawValue) -> Result<()> {
        let items = self.items(name, value)?;
        self.member(name, "[");
        for (position, item) in items.into_iter().enumerate() {
            self.out.push_str(if position > 0 { "," } else { "" });
            self.schema(item)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn items(&self, name: &str, value: &'a RawValue) -> Result<Vec<&'a RawValue>> {
        let mut items = Vec::new();
        each_item(value.get(), |item| items.push(item)).map_err(|_| self.invalid(&format!("{name} must be an array")))?;
        Ok(items)
    }

    fn member(&mut self, name: &str, value: &str) {
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out.push_str(value);
    }

    fn invalid(&self, why: &str) -> Error {
        Error::invalid(self.param, format!("{}: {why}.", self.param))
    }
}

/// What is below `$defs` and `definitions`, by pointer.
fn definitions(root: &RawValue) -> BTreeMap<String, &RawValue> {
    let mut all = BTreeMap::new();
    let places = json::pick(root.get(), ["$defs", "definitions"]).unwrap_or_default();
    for (place, definitions) in ["$defs", "definitions"].into_iter().zip(places) {
        let _ = each_member(definitions.map_or("{}", RawValue::get), |key, value| {
            let name = text(key).unwrap_or_default().replace('~', "~0").replace('/', "~1");
            all.insert(format!("/{place}/{name}"), value);
        });
    }
    all
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// The member or item that one step of a pointer names.
fn child<'a>(at: &'a RawValue, step: &str) -> Option<&'a RawValue> {
    let mut found = None;
    if at.get().starts_with('[') {
        let (wanted, mut index) = (step.parse::<usize>().ok()?, 0);
        each_item(at.get(), |item| {
            found = if index == wanted { Some(item) } else { found };
            index += 1;
        })
        .ok()?;
    } else {
        each_member(at.get(), |key, value| found = if text(key).is_some_and(|key| key == step) { Some(value) } else { found }).ok()?;
    }
    found
}

/// The description with what else the model should know, as JSON.
fn description(view: &View<'_>, hints: Vec<Option<String>>) -> String {
    let hints: Vec<String> = hints.into_iter().flatten().collect();
    let own = view.get("description");
    if let (Some(own), true) = (own, hints.is_empty()) {
        return own.get().to_owned();
    }
    let own = own.and_then(text).unwrap_or_default();
    let space = if own.is_empty() { "" } else { " " };
    json::string(&format!("{own}{space}({})", hints.join(", "))).get().to_owned()
}

/// The names required that are defined, as JSON: Gemini refuses others.
fn required<'a>(view: &View<'a>) -> Vec<&'a str> {
    let (mut defined, mut names) = (BTreeSet::new(), Vec::new());
    for properties in view.all("properties") {
        let _ = each_member(properties.get(), |key, _| {
            defined.insert(text(key).unwrap_or_default());
        });
    }
    for list in view.all("required") {
        let _ = each_item(list.get(), |name| {
            if text(name).is_some_and(|name| defined.remove(&name)) {
                names.push(name.get());
            }
        });
    }
    names
}
