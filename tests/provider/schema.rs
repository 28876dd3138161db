//! A plain JSON schema check, for as much of the language as the demo promises to honour.

use serde_json::Value;

/// What is wrong with `value`, if anything.
pub fn fault(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let sub = |schema: &Value, value: &Value| fault(root, schema, value);
    let list = |key: &str| schema.get(key).and_then(Value::as_array);
    if *schema == Value::Bool(false) {
        return Some("nothing is allowed".into());
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return sub(root.pointer(target.trim_start_matches('#')).unwrap(), value);
    }
    let checks = [
        schema.get("const").is_some_and(|constant| constant != value).then(|| "const".to_owned()),
        list("enum").is_some_and(|values| !values.contains(value)).then(|| "enum".to_owned()),
        list("allOf").and_then(|parts| parts.iter().find_map(|part| sub(part, value))),
        list("anyOf")
            .or(list("oneOf"))
            .is_some_and(|parts| parts.iter().all(|part| sub(part, value).is_some()))
            .then(|| "anyOf".to_owned()),
        schema.get("type").is_some_and(|names| !is_any(names, value)).then(|| format!("type of {value}")),
        number(schema, value),
        value.as_str().and_then(|text| text_fault(schema, text)),
        value.as_array().and_then(|items| array(root, schema, items)),
        value.as_object().and_then(|object| members(root, schema, object)),
    ];
    checks.into_iter().flatten().next()
}

fn is_any(names: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("unknown type {other}"),
    };
    names.as_array().map_or_else(|| is(names), |names| names.iter().any(is))
}

fn number(schema: &Value, value: &Value) -> Option<String> {
    let number = value.as_f64()?;
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let wrong = bound("minimum").is_some_and(|bound| number < bound)
        || bound("maximum").is_some_and(|bound| number > bound)
        || bound("exclusiveMinimum").is_some_and(|bound| number <= bound)
        || bound("exclusiveMaximum").is_some_and(|bound| number >= bound)
        || bound("multipleOf").is_some_and(|step| ((number / step).round() - number / step).abs() > 1e-9);
    wrong.then(|| format!("number {number}"))
}

fn text_fault(schema: &Value, text: &str) -> Option<String> {
    let length = text.chars().count() as u64;
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
    let wrong = bound("minLength").is_some_and(|least| length < least) || bound("maxLength").is_some_and(|most| length > most);
    let shaped = match schema.get("format").and_then(Value::as_str) {
        Some("date") => text.len() == 10 && text.matches('-').count() == 2,
        Some("date-time") => text.contains('T') && text.ends_with('Z'),
        Some("email") => text.contains('@'),
        Some("uuid") => text.len() == 36,
        Some("uri") => text.contains("://"),
        _ => true,
    };
    (wrong || !shaped).then(|| format!("string {text}"))
}

fn array(root: &Value, schema: &Value, items: &[Value]) -> Option<String> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
    let length = items.len() as u64;
    if bound("minItems").is_some_and(|least| length < least) || bound("maxItems").is_some_and(|most| length > most) {
        return Some(format!("{length} items"));
    }
    if schema["uniqueItems"] == true && items.iter().enumerate().any(|(place, item)| items[..place].contains(item)) {
        return Some("items are not unique".into());
    }
    let leading = schema.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().enumerate().find_map(|(place, item)| fault(root, leading.get(place).or(schema.get("items"))?, item))
}

fn members(root: &Value, schema: &Value, object: &serde_json::Map<String, Value>) -> Option<String> {
    let mut required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.find(|name| !object.contains_key(*name)) {
        return Some(format!("{missing} is missing"));
    }
    if (object.len() as u64) < schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0) {
        return Some("too few members".into());
    }
    object.iter().find_map(|(name, value)| match schema.get("properties").and_then(|known| known.get(name)) {
        Some(property) => fault(root, property, value).map(|fault| format!("{name}: {fault}")),
        None => fault(root, schema.get("additionalProperties")?, value).map(|fault| format!("{name}: {fault}")),
    })
}
