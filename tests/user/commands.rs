//! Commands and outcomes on their way: bytes of messages arrive as they were written.

use behest::user::command::{
    Base, Begin, Begun, Command, Expire, Finish, Limits, ListMessages, ListThreads, Outcome, PatchThread, Progress, RateSnapshot, Reroute,
    Reservation, ThreadId,
};
use behest::user::overrides::{Bound, Overrides};
use behest::user::report::UsageQuery;
use behest::user::store::{KeySource, Served};
use behest::zone::Zone;

use crate::minted::minted;
use crate::words::{begin, estimate, finish, private, raw, to_thread, told, turn, usage};

/// Spaces, number forms, escapes, key order and nesting that a detour through a value would change.
const ODD: &str = "{ \"content\" : \"caf\\u00e9 \\ud83e\\udd80 \\/\",\n\t\"role\":\"user\", \"x\":[1.0, 1e3, -0.0, 12345678901234567890123, 1.10], \"a\":{ } ,\"a\":null}";
const BASE: Base = Base { born: Some(3), version: 4, new_from: 5, keep: Some(6) };

fn id() -> String {
    "t".to_owned()
}

#[test]
fn every_command_arrives_as_it_was_sent() {
    let messages = vec![raw(ODD), raw(ODD)];
    let thread_finish = turn("t", BASE, &messages, Some(ODD));
    let commands: Vec<(Command, usize)> = vec![
        (Command::Begin(Begin { thread: Some(to_thread("t", &messages)), ..begin("r") }), 2),
        (Command::Begin(begin("r")), 0),
        (Command::Begin(Begin { calls: vec![id()], ..begin("r") }), 0),
        (Command::Progress(Progress { request_id: "r".to_owned(), usage: usage(1, 2), extend: None, pass: None }), 0),
        (
            Command::Reroute(Reroute {
                request_id: "r".to_owned(),
                served: Served { provider: "p".to_owned(), model_served: "m".to_owned(), key_source: KeySource::Byok, rates: None },
                estimate: estimate(1, None),
                limits: Limits::default(),
                pass: None,
            }),
            0,
        ),
        (Command::Finish(Finish { thread: Some(thread_finish), ..finish("r", 1) }), 3),
        (Command::Finish(finish("r", 1)), 0),
        (Command::Finish(Finish { private: vec![private("c", ODD)], ..finish("r", 1) }), 1),
        (
            Command::Limits(Limits {
                requests_per_minute: Some(1),
                micro_usd_per_month: Some(2),
                zone: Zone::fixed(20_700),
                ..Limits::default()
            }),
            0,
        ),
        (Command::Standing(Zone::fixed(-34_200).then(9, 3_600)), 0),
        (Command::Overrides, 0),
        (
            Command::PutOverrides(Overrides {
                concurrency: Some(Bound::AtMost(3)),
                tokens_per_day: Some(Bound::Unlimited),
                ..Overrides::default()
            }),
            0,
        ),
        (Command::Usage(UsageQuery { from: 1, to: 2, step: Some(3) }), 0),
        (Command::ListThreads(ListThreads { limit: Some(2), before: Some(id()) }), 0),
        (Command::GetThread(ThreadId { id: id() }), 0),
        (Command::Messages(ListMessages { thread: id(), limit: Some(1), before: None }), 0),
        (Command::PatchThread(PatchThread { id: id(), title: "T".to_owned() }), 0),
        (Command::Mint(minted("a", "j", 1, 2)), 0),
        (Command::Expire(Expire { retention_ms: Some(1), roll_up_ms: 2 }), 0),
        (Command::Outbox { limit: 1 }, 0),
        (Command::Acknowledge(told(7)), 0),
        (Command::Close, 0),
        (Command::Erase, 0),
    ];
    for (command, odd) in commands {
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(text.matches(ODD).count(), odd, "{text}");
        let back: Command = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert_eq!(format!("{back:?}"), format!("{command:?}"));
    }
}

#[test]
fn outcomes_with_messages_arrive_as_they_were_sent() {
    let reservation = Reservation { seq: 1, reserved: 20, reserved_micro_usd: 3, input: 10, max_output: Some(1), grows_to: Some(9) };
    let plain = Begun { reservation, prepend: Vec::new(), private: Vec::new(), base: Some(BASE), rate: RateSnapshot::default() };
    let begun = Begun { prepend: vec![raw(ODD)], ..plain.clone() };
    let kept = Begun { private: vec![private("c", ODD)], ..plain };
    for outcome in [Outcome::Begun(begun), Outcome::Begun(kept), Outcome::Messages { data: vec![raw(ODD)], has_more: true }] {
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(text.matches(ODD).count(), 1, "{text}");
        let back: Outcome = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
}
