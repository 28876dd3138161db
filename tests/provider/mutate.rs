//! Seeded changes to streams: of bytes, of frames, and of the JSON in them.
//!
//! Always holds: the same seed makes the same change.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::written::Written;

/// A stream with some changes, taken from one of `all` and sometimes from another of them.
pub fn mutated(random: &mut Rng, written: &Written, all: &[Written]) -> Vec<u8> {
    let mut frames = frames(&written.stream);
    for _ in 0..random.usize(1..6) {
        if frames.is_empty() {
            frames.push(b"data: {}\n\n".to_vec());
        }
        change(random, &mut frames, all);
    }
    let mut stream = frames.concat();
    match random.u8(..12) {
        0 => bytes(random, &mut stream),
        1 => stream.truncate(random.usize(..=stream.len())),
        2 => stream = String::from_utf8_lossy(&stream).replace('\n', "\r\n").into_bytes(),
        3 => stream.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b'\r'),
        _ => {}
    }
    stream
}

fn frames(stream: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(stream);
    text.split_inclusive("\n\n").map(|frame| frame.as_bytes().to_vec()).collect()
}

fn change(random: &mut Rng, frames: &mut Vec<Vec<u8>>, all: &[Written]) {
    let (one, other) = (random.usize(..frames.len()), random.usize(..frames.len()));
    match random.u8(..10) {
        0 => frames.swap(one, other),
        1 => frames.insert(other, frames[one].clone()),
        2 => drop(frames.remove(one)),
        3 => bytes(random, &mut frames[one]),
        4 => {
            let again = vec![frames[one].clone(); random.usize(2..150)];
            drop(frames.splice(one..one, again));
        }
        5 | 6 => {
            let another = frames_of(random, all);
            let from = random.usize(..another.len());
            let to = random.usize(from..=another.len());
            drop(frames.splice(one..one, another[from..to].iter().cloned()));
        }
        _ => meaning(random, &mut frames[one]),
    }
}

fn frames_of(random: &mut Rng, all: &[Written]) -> Vec<Vec<u8>> {
    let frames = frames(&all[random.usize(..all.len())].stream);
    if frames.is_empty() { vec![b"\n\n".to_vec()] } else { frames }
}

/// A byte is changed, lost, or put in.
fn bytes(random: &mut Rng, bytes: &mut Vec<u8>) {
    let place = random.usize(..=bytes.len());
    let byte = if random.bool() { *random.choice(b"\n\r:{}[]\",\\ 0du").unwrap() } else { random.u8(..) };
    match (random.u8(..3), place < bytes.len()) {
        (0, true) => bytes[place] = byte,
        (1, true) => drop(bytes.remove(place)),
        _ => bytes.insert(place, byte),
    }
}

/// The JSON of a frame says something else.
fn meaning(random: &mut Rng, frame: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(frame).into_owned();
    let Some((before, data)) = text.split_once("data: ") else { return };
    let Ok(mut value) = serde_json::from_str::<Value>(data.trim_end()) else { return };
    let count = nodes(&value);
    let donor = nth(&mut value.clone(), &mut random.usize(..count)).map(Value::take).unwrap_or_default();
    if let Some(node) = nth(&mut value, &mut random.usize(..count)) {
        alter(random, node, donor);
    }
    *frame = format!("{before}data: {value}\n\n").into_bytes();
}

fn alter(random: &mut Rng, node: &mut Value, donor: Value) {
    match (random.u8(..6), node) {
        (0, Value::Object(members)) if !members.is_empty() => {
            let name = members.keys().nth(random.usize(..members.len())).cloned().unwrap();
            members.remove(&name);
        }
        (1, Value::Object(members)) if !members.is_empty() => {
            let name = members.keys().nth(random.usize(..members.len())).cloned().unwrap();
            members.insert(name, donor);
        }
        (2, Value::Array(items)) if !items.is_empty() => {
            let item = items[random.usize(..items.len())].clone();
            items.extend(vec![item; random.usize(1..4)]);
        }
        (3, Value::Number(number)) => *number = random.u64(..300).into(),
        (4, node) => *node = donor,
        (_, node) => *node = strange(random),
    }
}

fn strange(random: &mut Rng) -> Value {
    // Several of these in one another must not be deeper than serde_json reads, which is 128.
    let deep = || (0..15).fold(json!(1), |inner, _| json!([inner]));
    match random.u8(..14) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1.5),
        4 => json!(1e300),
        5 => json!(u64::MAX),
        6 => json!(""),
        7 => json!("[DONE]"),
        8 => json!("\u{0}\n\r\n\u{2028}é🎏\"\\"),
        9 => json!([]),
        10 => json!({}),
        11 => deep(),
        12 => json!(random.u64(..4)),
        _ => json!("x".repeat(random.usize(..2_000))),
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(members) => members.values().map(nodes).sum(),
        _ => 0,
    }
}

/// The node with this number, counted from the root.
fn nth<'v>(value: &'v mut Value, number: &mut usize) -> Option<&'v mut Value> {
    if *number == 0 {
        return Some(value);
    }
    *number -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, number)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, number)),
        _ => None,
    }
}
