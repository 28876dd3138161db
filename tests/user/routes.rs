//! What the thread routes answer: lists, pages, titles, messages, and what a thread does at its limits.

use behest::error::{Code, Error};
use behest::user::command::{
    Begin, Command, Ending, Finish, ListMessages, ListThreads, Outcome, PatchThread, ThreadFinish, ThreadId, ThreadView,
};
use behest::user::store::Extent;
use behest::user::turn::{MAX_PIECE_BYTES, messages};
use behest::user::{MAX_THREAD_BYTES, Store, Write};

use crate::words::{NOW, Object, assistant_says, begin, finish, raw, to_thread, turn, user_says};

fn list(object: &mut Object, limit: Option<u64>, before: Option<&str>) -> Result<(Vec<String>, bool), Error> {
    let list = ListThreads { limit, before: before.map(str::to_owned) };
    match object.apply(Command::ListThreads(list), NOW)? {
        Outcome::Threads { data, has_more } => Ok((data.into_iter().map(|thread| thread.id).collect(), has_more)),
        other => panic!("{other:?}"),
    }
}

fn get(object: &mut Object, id: &str) -> Result<ThreadView, Error> {
    match object.apply(Command::GetThread(ThreadId { id: id.to_owned() }), NOW)? {
        Outcome::Thread(thread) => Ok(thread),
        other => panic!("{other:?}"),
    }
}

#[test]
fn threads_are_listed_newest_first_in_pages() {
    let mut object = Object::new();
    for n in 0..25_u64 {
        // Two of each share a millisecond: the id decides, so that no page leaves one out.
        object.say(&format!("r{n}"), &format!("t{n:02}"), &user_says("Hi"), &assistant_says("Hello!"), NOW + n / 2);
    }
    let newest: Vec<String> = (0..25).rev().map(|n| format!("t{n:02}")).collect();
    assert_eq!(list(&mut object, None, None).unwrap(), (newest[..20].to_vec(), true));
    let mut pages = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let (page, has_more) = list(&mut object, Some(7), before.as_deref()).unwrap();
        before = page.last().cloned();
        pages.extend(page);
        if !has_more {
            break;
        }
    }
    assert_eq!(pages, newest);
    // A new message moves a thread to the front.
    object.say("again", "t00", &user_says("Hi again"), &assistant_says("Hello!"), NOW + 100);
    assert_eq!(list(&mut object, Some(1), None).unwrap(), (vec!["t00".to_owned()], true));
}

/// The turns of builds up to November 2026 do not say what their thread has come to: it stood in the thread's own row.
#[test]
fn a_thread_of_an_older_build_goes_on() {
    let mut object = Object::new();
    for (n, thread) in (0..).zip(["old", "other"]) {
        object.say(thread, thread, &user_says("Hi"), &assistant_says("Hello!"), NOW + n * 1_000);
    }
    for piece in object.store.rows.turns.values_mut() {
        piece.extent = None;
    }
    assert_eq!(list(&mut object, None, None).unwrap().0, ["other", "old"]);
    object.say("again", "old", &user_says("More"), &assistant_says("Yes."), NOW + 5_000);
    assert_eq!(list(&mut object, None, None).unwrap().0, ["old", "other"]);
    let old = get(&mut object, "old").unwrap();
    assert_eq!((old.messages_count, old.last_message_at, old.created_at), (4, (NOW + 5_000) / 1000, NOW / 1000));
    let row = object.store.thread("old").unwrap().unwrap();
    let bytes: usize = messages(&object.store, "old").unwrap().iter().map(|stored| stored.message.get().len()).sum();
    assert_eq!((row.version, row.bytes), (2, bytes as u64));
}

#[test]
fn bad_fields_are_named() {
    let mut object = Object::new();
    object.say("r", "t", &user_says("Hi"), &assistant_says("Hello!"), NOW);
    let messages =
        |limit, before: Option<&str>| Command::Messages(ListMessages { thread: "t".to_owned(), limit, before: before.map(str::to_owned) });
    let title = |title: &str| Command::PatchThread(PatchThread { id: "t".to_owned(), title: title.to_owned() });
    let threads = |limit, before: Option<&str>| Command::ListThreads(ListThreads { limit, before: before.map(str::to_owned) });
    let cases = [
        (threads(Some(0), None), "limit"),
        (threads(Some(101), None), "limit"),
        (threads(None, Some("no")), "before"),
        (messages(Some(0), None), "limit"),
        (messages(Some(1_001), None), "limit"),
        (messages(None, Some("no")), "before"),
        (title(""), "title"),
        (title(" \n "), "title"),
        (title(&"é".repeat(201)), "title"),
    ];
    for (command, param) in cases {
        let said = format!("{command:?}");
        let error = object.apply(command, NOW).unwrap_err();
        assert_eq!(error.code(), Code::Validation, "{said}");
        assert!(error.body().contains(&format!("\"param\":\"{param}\"")), "{said}: {}", error.body());
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut object = Object::new();
    object.say("r", "t", &user_says("Hi"), &assistant_says("Hello!"), NOW);
    let id = || "other".to_owned();
    let commands = [
        Command::GetThread(ThreadId { id: id() }),
        Command::DeleteThread(ThreadId { id: id() }),
        Command::PatchThread(PatchThread { id: id(), title: "T".to_owned() }),
        Command::Messages(ListMessages { thread: id(), limit: None, before: None }),
    ];
    for command in commands {
        assert_eq!(object.apply(command, NOW).unwrap_err().code(), Code::NotFound);
    }
    assert!(matches!(object.apply(Command::DeleteThread(ThreadId { id: "t".to_owned() }), NOW), Ok(Outcome::Deleted)));
    assert_eq!(get(&mut object, "t").unwrap_err().code(), Code::NotFound);
    assert!(object.store.rows.turns.is_empty());
}

#[test]
fn titles() {
    let parts = r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"What is this?"}]}"#;
    let image = r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}"#;
    let cases = [
        (user_says("Plan a trip"), "Plan a trip".to_owned()),
        (user_says("\n  First line  \nsecond"), "First line".to_owned()),
        (user_says(&"漢".repeat(100)), "漢".repeat(80)),
        (parts.to_owned(), "What is this?".to_owned()),
        (image.to_owned(), "New thread".to_owned()),
        (user_says("   "), "New thread".to_owned()),
        (r#"{"role":"user"}"#.to_owned(), "New thread".to_owned()),
    ];
    for (message, title) in cases {
        let mut object = Object::new();
        object.say("r", "t", &message, &assistant_says("Hello!"), NOW);
        assert_eq!(get(&mut object, "t").unwrap().title, title, "{message}");
    }
}

#[test]
fn a_title_set_by_hand_stays() {
    let mut object = Object::new();
    object.say("a", "t", &user_says("Hi"), &assistant_says("Hello!"), NOW);
    let patch = PatchThread { id: "t".to_owned(), title: format!(" {} ", "é".repeat(200)) };
    let Ok(Outcome::Thread(patched)) = object.apply(Command::PatchThread(patch), NOW) else { panic!() };
    object.say("b", "t", &user_says("More"), &assistant_says("Yes."), NOW + 2_500);
    let seconds = NOW / 1000;
    let expected =
        ThreadView { id: "t".to_owned(), title: "é".repeat(200), created_at: seconds, last_message_at: seconds + 2, messages_count: 4 };
    assert_eq!((patched.title.as_str(), get(&mut object, "t").unwrap()), (expected.title.as_str(), expected.clone()));
}

#[test]
fn messages_come_out_as_they_went_in() {
    let mut object = Object::new();
    let asked = r#"{"role":"user","content": "caf\u00e9" , "name":"ann","id":"mine","created_at":1,"incomplete":true,"x":1.0}"#;
    let replied =
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{ }"}}]}"#;
    object.say("a", "t", asked, replied, NOW);
    let at = NOW / 1000;
    let expected = [
        format!(r#"{{"id":"msg_00000000010000","role":"user","content":"caf\u00e9","name":"ann","x":1.0,"created_at":{at}}}"#),
        format!(
            r#"{{"id":"msg_00000000010001","role":"assistant","content":null,"tool_calls":[{{"id":"call_1","type":"function","function":{{"name":"f","arguments":"{{ }}"}}}}],"created_at":{at}}}"#
        ),
    ];
    assert_eq!(object.messages("t"), expected);
}

#[test]
fn messages_in_pages() {
    let mut object = Object::new();
    for n in 0..3 {
        object.say(&format!("r{n}"), "t", &user_says(&format!("q{n}")), &assistant_says(&format!("a{n}")), NOW);
    }
    let page = |object: &mut Object, limit, before: Option<String>| match object
        .apply(Command::Messages(ListMessages { thread: "t".to_owned(), limit, before }), NOW)
    {
        Ok(Outcome::Messages { data, has_more }) => {
            let fields = data.iter().map(|message| serde_json::from_str::<serde_json::Value>(message.get()).unwrap());
            let pairs = fields.map(|message| (message["id"].as_str().unwrap().to_owned(), message["content"].as_str().unwrap().to_owned()));
            (pairs.unzip::<String, String, Vec<_>, Vec<_>>(), has_more)
        }
        other => panic!("{other:?}"),
    };
    let ((ids, texts), more) = page(&mut object, Some(4), None);
    assert_eq!((texts, more), (["q1", "a1", "q2", "a2"].map(str::to_owned).to_vec(), true));
    let ((_, texts), more) = page(&mut object, Some(4), Some(ids[0].clone()));
    assert_eq!((texts, more), (["q0", "a0"].map(str::to_owned).to_vec(), false));
}

/// (ending, reply, complete) → stored messages, and whether the last is marked.
#[test]
fn what_is_stored_of_a_reply() {
    use Ending::{Cancelled, Completed, Failed};
    let (half, empty, call) =
        (assistant_says("Hel"), assistant_says(""), r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]}"#);
    let cases = [
        (Completed, Some(half.as_str()), true, 2, false),
        (Cancelled, Some(half.as_str()), false, 2, true),
        (Failed, Some(half.as_str()), false, 2, true),
        (Cancelled, Some(call), false, 2, true),
        // A complete answer may be empty; a cut one that is empty is none.
        (Completed, Some(empty.as_str()), true, 2, false),
        (Cancelled, Some(empty.as_str()), false, 0, false),
        (Failed, None, false, 0, false),
    ];
    for (status, reply, complete, count, marked) in cases {
        let mut object = Object::new();
        let messages = vec![raw(&user_says("Hi"))];
        let answer = object.begin(Begin { thread: Some(to_thread("t", &messages)), ..begin("r") }, NOW).unwrap();
        let thread = Some(ThreadFinish { complete, ..turn("t", answer.base.unwrap(), &messages, reply) });
        object.finish(Finish { status, thread, ..finish("r", answer.reservation.seq) }, NOW);
        let held = if count > 0 { object.messages("t") } else { Vec::new() };
        let is_marked = held.last().is_some_and(|message| message.ends_with(r#","incomplete":true}"#));
        assert_eq!((held.len(), is_marked), (count, marked), "{status:?} {reply:?}");
        assert_eq!(get(&mut object, "t").is_ok(), count > 0);
    }
}

#[test]
fn a_failed_question_is_not_there_twice_after_a_retry() {
    let mut object = Object::new();
    let messages = vec![raw(&user_says("Hi"))];
    let failed = object.begin(Begin { thread: Some(to_thread("t", &messages)), ..begin("a") }, NOW).unwrap();
    let thread = Some(turn("t", failed.base.unwrap(), &messages, None));
    let finished = object.finish(Finish { status: Ending::Failed, thread, ..finish("a", failed.reservation.seq) }, NOW);
    assert_eq!((finished.settled, finished.stored), (true, false));
    object.say("b", "t", &user_says("Hi"), &assistant_says("Hello!"), NOW);
    assert_eq!(object.messages("t").len(), 2);
}

#[test]
fn a_thread_deleted_while_it_is_answered_stays_deleted() {
    let mut object = Object::new();
    object.say("a", "t", &user_says("Hi"), &assistant_says("Hello!"), NOW);
    let messages = vec![raw(&user_says("More"))];
    let running = object.begin(Begin { thread: Some(to_thread("t", &messages)), ..begin("b") }, NOW).unwrap();
    object.apply(Command::DeleteThread(ThreadId { id: "t".to_owned() }), NOW).unwrap();
    let thread = Some(turn("t", running.base.unwrap(), &messages, Some(&assistant_says("Yes."))));
    let finished = object.finish(Finish { thread, ..finish("b", running.reservation.seq) }, NOW);
    assert_eq!((finished.settled, finished.stored), (true, false));
    assert_eq!(get(&mut object, "t").unwrap_err().code(), Code::NotFound);
}

#[test]
fn a_long_message_is_split_and_put_together_again() {
    let mut object = Object::new();
    let long = user_says(&"ß漢🦀".repeat(300_000));
    object.say("a", "t", &long, &assistant_says("Long."), NOW);
    let pieces: Vec<usize> = object.store.rows.turns.values().map(|piece| piece.body.len()).collect();
    assert!(pieces.len() == 3 && pieces.iter().all(|length| *length <= MAX_PIECE_BYTES), "{pieces:?}");
    let thread = Some(to_thread("t", &[raw(&user_says("And?"))]));
    let answer = object.begin(Begin { thread, ..begin("b") }, NOW).unwrap();
    assert!(answer.prepend[0].get() == long, "the message changed");
}

#[test]
fn a_thread_that_is_too_large_says_so() {
    let mut object = Object::new();
    object.say("a", "t", &user_says("Hi"), &assistant_says("Hello!"), NOW);
    let row = object.store.thread("t").unwrap().unwrap();
    for (turn, bytes, fits) in [(2, MAX_THREAD_BYTES, true), (3, MAX_THREAD_BYTES + 1, false)] {
        let extent = Extent { bytes, ..row.extent() };
        object.store.commit(&[Write::PutTurn { thread: "t".to_owned(), turn, extent, pieces: vec!["[]".to_owned()] }]).unwrap();
        let thread = Some(to_thread("t", &[raw(&user_says("And?"))]));
        let answer = object.apply(Command::Begin(Begin { thread, ..begin(&format!("r{bytes}")) }), NOW);
        assert_eq!(answer.is_ok(), fits, "{bytes}");
        if let Err(error) = answer {
            assert_eq!((error.code(), error.status()), (Code::PayloadTooLarge, 413));
            assert!(error.message().contains("Thread t holds"), "{}", error.message());
        }
    }
}
