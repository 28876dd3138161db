//! What providers want back with the results of tools: given to whom, how much of it, and for how long. What crashes and late
//! messages do to it is in the schedules (`properties`).

use behest::api::estimate::text_tokens;
use behest::provider::Private;
use behest::user::command::{Begin, Begun, Command, Finish, Outcome, ThreadId};
use behest::user::private::{KEEP_MS, MAX_ANSWERS, MAX_HELD_BYTES};
use serde_json::json;

use crate::words::{NOW, Object, assistant_says, begin, finish, private, raw, to_thread, turn, user_says};

/// Asks with these calls in its messages.
fn ask(object: &mut Object, id: &str, calls: &[&str], now: u64) -> Begun {
    object.begin(Begin { calls: calls.iter().map(|id| (*id).to_owned()).collect(), ..begin(id) }, now).unwrap()
}

/// A request without a thread whose answer has this to keep.
fn answer(object: &mut Object, id: &str, kept: Vec<Private>, now: u64) {
    let seq = ask(object, id, &[], now).reservation.seq;
    assert!(object.finish(Finish { private: kept, ..finish(id, seq) }, now).settled);
}

fn ids(begun: &Begun) -> Vec<&str> {
    begun.private.iter().map(|private| private.call_id.as_str()).collect()
}

fn calling(ids: &[&str]) -> String {
    let calls: Vec<_> = ids.iter().map(|id| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}})).collect();
    json!({"role": "assistant", "content": null, "tool_calls": calls}).to_string()
}

fn result(id: &str) -> String {
    json!({"role": "tool", "tool_call_id": id, "content": "ok"}).to_string()
}

#[test]
fn whoever_sends_a_call_back_gets_what_is_kept_of_it() {
    let mut object = Object::new();
    answer(&mut object, "r1", vec![private("a", r#"{"of":1}"#), private("b", r#"{"of":1.0}"#)], NOW);
    answer(&mut object, "r2", vec![private("c", r#"{"of":2}"#)], NOW + 1);
    assert_eq!(ids(&ask(&mut object, "r3", &["c", "b", "x"], NOW + 2)), ["c", "b"]);
    assert_eq!(ask(&mut object, "r3", &["b"], NOW + 2).private[0].state.get(), r#"{"of":1.0}"#, "bytes as they were, for a repeat too");
    assert_eq!(ids(&ask(&mut object, "r4", &["x"], NOW + 2)), [""; 0]);
}

#[test]
fn of_a_call_that_comes_again_the_newest_counts() {
    let mut object = Object::new();
    for number in 0..5 {
        answer(&mut object, &format!("r{number}"), vec![private("call_0", &number.to_string()), private("own", "1")], NOW + number);
    }
    let begun = ask(&mut object, "r9", &["call_0"], NOW + 9);
    assert_eq!(begun.private.iter().map(|private| private.state.get()).collect::<Vec<_>>(), ["4"]);
}

/// Only what the model that is asked made itself is a part of its prompt.
#[test]
fn it_is_reserved_as_prompt() {
    let mut object = Object::new();
    let own = private("a", &format!("\"{}\"", "x".repeat(4_000)));
    let mut other = private("b", &format!("\"{}\"", "y".repeat(4_000)));
    other.maker.model = "m-2".to_owned();
    let expected = text_tokens(own.bytes());
    answer(&mut object, "r1", vec![own, other], NOW);
    let plain = ask(&mut object, "r2", &[], NOW).reservation.input;
    assert_eq!(ask(&mut object, "r3", &["a", "b"], NOW).reservation.input, plain + expected);
}

/// A thread is continued by a client that sends only what is new, and by one that sends everything.
#[test]
fn a_thread_knows_the_calls_of_its_history() {
    for whole in [false, true] {
        let mut object = Object::new();
        let first = vec![raw(&user_says("weather?"))];
        let begun = object.begin(Begin { thread: Some(to_thread("t", &first)), ..begin("r1") }, NOW).unwrap();
        let thread = turn("t", begun.base.unwrap(), &first, Some(&calling(&["a", "b"])));
        let kept = vec![private("a", "1")];
        object.finish(Finish { thread: Some(thread), private: kept.clone(), ..finish("r1", begun.reservation.seq) }, NOW);
        let mut sent: Vec<_> = [result("a"), result("b")].iter().map(|text| raw(text)).collect();
        let mut calls = Vec::new();
        if whole {
            sent.splice(0..0, [raw(&user_says("weather?")), raw(&calling(&["a", "b"]))]);
            calls = vec!["a".to_owned(), "b".to_owned()];
        }
        let again = object.begin(Begin { thread: Some(to_thread("t", &sent)), calls, ..begin("r2") }, NOW + 1).unwrap();
        assert_eq!((again.private, again.prepend.len()), (kept, if whole { 0 } else { 2 }));
    }
}

#[test]
fn it_costs_a_row_where_there_is_some_and_no_reading_where_no_call_is() {
    let mut object = Object::new();
    let mut rows = |kept: Vec<Private>, id: &str| {
        let written = object.store.written;
        answer(&mut object, id, kept, NOW);
        object.store.written - written
    };
    assert_eq!((rows(Vec::new(), "r1"), rows(vec![private("a", "1"), private("b", "2")], "r2")), (2, 3));
    assert_eq!(object.store.asked_private.get(), 0);
    ask(&mut object, "r3", &["a"], NOW);
    assert_eq!(object.store.asked_private.get(), 1);
}

#[test]
fn the_oldest_answers_go_first() {
    let mut object = Object::new();
    for number in 0..MAX_ANSWERS + 44 {
        answer(&mut object, &format!("r{number}"), vec![private(&format!("c{number}"), "1")], NOW + number * 1_000);
    }
    let held: Vec<u64> = object.store.rows.private.keys().copied().collect();
    assert_eq!((held.len() as u64, held[0]), (MAX_ANSWERS, 45));
    let large = format!("\"{}\"", "x".repeat(250_000));
    for number in 0..40 {
        answer(&mut object, &format!("large{number}"), vec![private(&format!("l{number}"), &large)], NOW + 1_000_000);
        let bytes: u64 = object.store.rows.private.values().map(|row| row.body.len() as u64).sum();
        assert!(bytes <= MAX_HELD_BYTES, "{bytes}");
    }
    assert_eq!(ids(&ask(&mut object, "r", &["c299", "l0", "l39", "l24"], NOW + 1_000_000)), ["l39", "l24"]);
}

/// After a day it is not given out; what rings anyway removes it, and nothing rings for it alone.
#[test]
fn it_goes_after_a_day() {
    let wakes = [Vec::new(), vec![private("a", "1")]].map(|kept| {
        let mut object = Object::new();
        answer(&mut object, "r1", kept, NOW);
        object.tell_all();
        object.expire(NOW + 400_000)
    });
    assert_eq!(wakes[0], wakes[1]);
    let mut object = Object::new();
    answer(&mut object, "r1", vec![private("a", "1")], NOW);
    assert_eq!(ids(&ask(&mut object, "r2", &["a"], NOW + KEEP_MS - 1)), ["a"]);
    assert_eq!(ids(&ask(&mut object, "r3", &["a"], NOW + KEEP_MS)), [""; 0]);
    assert_eq!(object.store.rows.private.len(), 1);
    object.expire(NOW + KEEP_MS);
    assert_eq!(object.store.rows.private.len(), 0);
    answer(&mut object, "r4", vec![private("a", "2")], NOW + KEEP_MS);
    answer(&mut object, "r5", vec![private("b", "3")], NOW + 3 * KEEP_MS);
    assert_eq!(object.store.rows.private.len(), 1, "the next that comes removes it too");
}

#[test]
fn it_goes_with_its_thread_and_with_its_user() {
    let mut object = Object::new();
    for thread in ["t", "u"] {
        let asked = vec![raw(&user_says("?"))];
        let begun = object.begin(Begin { thread: Some(to_thread(thread, &asked)), ..begin(thread) }, NOW).unwrap();
        let stored = turn(thread, begun.base.unwrap(), &asked, Some(&calling(&[thread])));
        let kept = vec![private(thread, "1")];
        object.finish(Finish { thread: Some(stored), private: kept, ..finish(thread, begun.reservation.seq) }, NOW);
    }
    object.apply(Command::DeleteThread(ThreadId { id: "t".to_owned() }), NOW).unwrap();
    assert_eq!(ids(&ask(&mut object, "r1", &["t", "u"], NOW)), ["u"]);
    assert!(matches!(object.apply(Command::Erase, NOW), Ok(Outcome::Erased { .. })));
    assert_eq!((object.store.rows.private.len(), ids(&ask(&mut object, "r2", &["t", "u"], NOW)).len()), (0, 0));
}

/// A thread that was deleted meanwhile does not come back by what its last answer would have kept.
#[test]
fn a_deleted_thread_keeps_nothing() {
    let mut object = Object::new();
    object.say("r1", "t", &user_says("hi"), &assistant_says("ho"), NOW);
    let asked = vec![raw(&user_says("?"))];
    let begun = object.begin(Begin { thread: Some(to_thread("t", &asked)), ..begin("r2") }, NOW).unwrap();
    object.apply(Command::DeleteThread(ThreadId { id: "t".to_owned() }), NOW).unwrap();
    let late = turn("t", begun.base.unwrap(), &asked, Some(&calling(&["a"])));
    let done = object.finish(Finish { thread: Some(late), private: vec![private("a", "1")], ..finish("r2", begun.reservation.seq) }, NOW);
    assert_eq!((done.settled, done.stored, object.store.rows.private.len()), (true, false, 0));
}

/// It is nobody's business but the model's: no text that could reach a log has it.
#[test]
fn it_is_in_no_debug_text() {
    let mut object = Object::new();
    let kept = vec![private("a", "\"canary\"")];
    let command = Command::Finish(Finish { private: kept.clone(), ..finish("r0", 1) });
    answer(&mut object, "r1", kept, NOW);
    let begun = ask(&mut object, "r2", &["a"], NOW);
    assert_eq!(begun.private.len(), 1);
    for text in [format!("{command:?}"), format!("{:?}", Outcome::Begun(begun)), format!("{:?}", object.user)] {
        assert!(!text.contains("canary"), "{text}");
    }
}
