//! Threads meet clients: every folder of `fixtures/threads` is a thread, what a client sent, and what must come of it.
//!
//! In `expect.json`, `s2` is the stored message 2, `c0` the client's message 0, `r` the reply: what the model is sent and what
//! the thread holds afterwards. Add a folder, not a function. Absent on purpose: failures and crashes (`properties`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use behest::user::command::{Begin, BeginThread, Begun, Finish};
use behest::user::reconcile::leading_instructions;
use behest::user::store::ThreadRow;
use behest::user::turn::{StoredMessage, messages};
use behest::user::{Store, Write};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::memory::Memory;
use crate::words::{NOW, Object, finish, raw, to_thread, turn};

const REPLY: &str = r#"{"role":"assistant","content":"(the reply)"}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    #[expect(dead_code, reason = "for the reader")]
    why: String,
    #[serde(default = "all")]
    window_tokens: u64,
    upstream: Vec<String>,
    thread: Vec<String>,
}

fn all() -> u64 {
    1_000_000
}

#[test]
fn every_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/threads");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 50, "{} cases", cases.len());
    let failed: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn check(case: &Path) -> Result<(), String> {
    let (stored, sent): (Vec<Box<RawValue>>, Vec<Box<RawValue>>) = (read(case, "stored"), read(case, "sent"));
    let expect: Expect = read(case, "expect");
    let mut object = Object::new();
    put_thread(&mut object.store, &stored);
    let ids_before = ids(&object.store);

    let begun = ask(&mut object, "r1", &sent, expect.window_tokens);
    same(case, "upstream", &resolve(&expect.upstream, &stored, &sent), &upstream(&begun, &sent))?;
    answer(&mut object, "r1", &begun, &sent);
    let held = messages(&object.store, "t").unwrap();
    let bodies: Vec<String> = held.iter().map(|message| message.message.get().to_owned()).collect();
    same(case, "thread", &resolve(&expect.thread, &stored, &sent), &bodies)?;
    consistent(case, &object.store, &held, &ids_before)?;
    resend(case, &mut object, &bodies)
}

/// A client that sends the whole thread and one more message is recognised.
fn resend(case: &Path, object: &mut Object, bodies: &[String]) -> Result<(), String> {
    let mut whole: Vec<Box<RawValue>> = bodies.iter().map(|body| raw(body)).collect();
    whole.push(raw(r#"{"role":"user","content":"(one more)"}"#));
    let again = ask(object, "r2", &whole, 1_000_000);
    answer(object, "r2", &again, &whole);
    let now = messages(&object.store, "t").unwrap().len();
    let right = again.prepend.is_empty() && now == bodies.len() + 2;
    if right { Ok(()) } else { Err(format!("{}: the thread sent back makes {now} messages of {}", case.display(), bodies.len())) }
}

fn ask(object: &mut Object, id: &str, sent: &[Box<RawValue>], window_tokens: u64) -> Begun {
    let thread = BeginThread { window_tokens, ..to_thread("t", sent) };
    object.begin(Begin { thread: Some(thread), ..crate::words::begin(id) }, NOW).unwrap()
}

fn answer(object: &mut Object, id: &str, begun: &Begun, sent: &[Box<RawValue>]) {
    let turn = turn("t", begun.base.unwrap(), sent, Some(REPLY));
    object.finish(Finish { thread: Some(turn), ..finish(id, begun.reservation.seq) }, NOW);
}

/// The thread's row counts what is there, ids are unique, and a message that stayed kept its id.
fn consistent(case: &Path, store: &Memory, held: &[StoredMessage], before: &[(String, String)]) -> Result<(), String> {
    let row = store.thread("t").unwrap().unwrap();
    let bytes: usize = held.iter().map(|message| message.message.get().len()).sum();
    let unique: BTreeSet<&str> = held.iter().map(|message| message.id.as_str()).collect();
    let kept = held.iter().zip(before).take_while(|(now, (_, body))| now.message.get() == body);
    let moved = kept.filter(|(now, (id, _))| now.id != *id).count();
    let right = (row.messages, row.bytes) == (held.len() as u64, bytes as u64) && unique.len() == held.len() && moved == 0;
    if right { Ok(()) } else { Err(format!("{}: inconsistent: {row:?} {held:?}", case.display())) }
}

fn same(case: &Path, what: &str, want: &[String], got: &[String]) -> Result<(), String> {
    if want == got {
        return Ok(());
    }
    Err(format!("{}: {what}\n  want {}\n  got  {}", case.display(), want.join("\n       "), got.join("\n       ")))
}

fn resolve(names: &[String], stored: &[Box<RawValue>], sent: &[Box<RawValue>]) -> Vec<String> {
    let one = |name: &String| match name.split_at(1) {
        ("s", index) => stored[index.parse::<usize>().unwrap()].get().to_owned(),
        ("c", index) => sent[index.parse::<usize>().unwrap()].get().to_owned(),
        ("r", "") => REPLY.to_owned(),
        _ => panic!("{name}?"),
    };
    names.iter().map(one).collect()
}

/// What the Worker sends: the stored history behind the client's leading instructions.
fn upstream(begun: &Begun, sent: &[Box<RawValue>]) -> Vec<String> {
    let (leading, rest) = sent.split_at(leading_instructions(sent));
    leading.iter().chain(&begun.prepend).chain(rest).map(|message| message.get().to_owned()).collect()
}

/// Stores the messages as earlier requests would have: a turn ends with a reply.
fn put_thread(store: &mut Memory, stored: &[Box<RawValue>]) {
    if stored.is_empty() {
        return;
    }
    let messages: Vec<StoredMessage> = (0..).zip(stored).map(|(n, body)| message(n, body)).collect();
    let turns: Vec<&[StoredMessage]> = messages.split_inclusive(|message| message.message.get().contains("\"assistant\"")).collect();
    let row = ThreadRow {
        id: "t".to_owned(),
        title: "T".to_owned(),
        created_at: NOW,
        last_message_at: NOW,
        messages: stored.len() as u64,
        bytes: stored.iter().map(|body| body.get().len() as u64).sum(),
        version: turns.len() as u64,
        born: 0,
    };
    let put = |(turn, messages): (u64, &&[StoredMessage])| Write::PutTurn {
        thread: "t".to_owned(),
        turn,
        extent: row.extent(),
        pieces: vec![serde_json::to_string(messages).unwrap()],
    };
    let mut writes: Vec<Write> = (1..).zip(&turns).map(put).collect();
    writes.push(Write::PutThread(row));
    store.commit(&writes).unwrap();
}

fn message(n: u64, body: &RawValue) -> StoredMessage {
    StoredMessage { id: format!("msg_stored{n}"), at: NOW, incomplete: false, message: body.to_owned() }
}

fn ids(store: &Memory) -> Vec<(String, String)> {
    messages(store, "t").unwrap().into_iter().map(|message| (message.id, message.message.get().to_owned())).collect()
}

fn read<T: for<'de> Deserialize<'de>>(case: &Path, name: &str) -> T {
    let path = case.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
