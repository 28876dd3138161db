//! Rate and budget at their edges, what is billed for a request, and what the alarm does.

use behest::api::ratelimit;
use behest::error::Code;
use behest::user::command::{Begin, Command, Ending, Finish, Limits, Outcome, Progress, Refused, Reservation};
use behest::user::refusal::{Budget, Refusal};
use behest::user::store::OutboxRow;
use behest::user::store::Status;
use behest::user::{RETENTION_MS, Store, Write};

use crate::words::{NOW, Object, ROLL_UP, assistant_says, begin, estimate, finish, raw, to_thread, turn, usage, user_says};

const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

fn per_minute(limit: u64) -> Limits {
    Limits { requests_per_minute: Some(limit), ..Limits::default() }
}

fn per_day(limit: u64) -> Limits {
    Limits { tokens_per_day: Some(limit), ..Limits::default() }
}

fn retry_after(refused: &Refused) -> u64 {
    match refused.refusal {
        Refusal::Rate { retry_after_ms, .. } => retry_after_ms,
        _ => panic!("{refused:?}"),
    }
}

#[test]
fn a_request_counts_for_a_minute_to_the_millisecond() {
    let mut object = Object::new();
    let limits = per_minute(2);
    for (id, at) in [("a", NOW), ("b", NOW + 10)] {
        object.begin(Begin { limits, ..begin(id) }, at).unwrap();
    }
    for (at, wait) in [(NOW + 10, MINUTE - 9), (NOW + MINUTE, 1)] {
        assert_eq!(retry_after(&object.begin(Begin { limits, ..begin("c") }, at).unwrap_err()), wait);
    }
    object.begin(Begin { limits, ..begin("c") }, NOW + MINUTE + 1).unwrap();
    // Now `b` and `c` are in the way; with a limit of one, both have to leave.
    assert_eq!(retry_after(&object.begin(Begin { limits, ..begin("d") }, NOW + MINUTE + 1).unwrap_err()), 10);
    assert_eq!(retry_after(&object.begin(Begin { limits: per_minute(1), ..begin("d") }, NOW + MINUTE + 1).unwrap_err()), MINUTE + 1);
    assert_eq!(retry_after(&object.begin(Begin { limits: per_minute(0), ..begin("d") }, NOW + MINUTE + 1).unwrap_err()), MINUTE + 1);
}

#[test]
fn a_limit_of_a_billion_keeps_only_the_last_minute() {
    let mut object = Object::new();
    let limits = per_minute(1_000_000_000);
    for n in 0..500 {
        let answer = object.begin(Begin { limits, ..begin(&format!("r{n}")) }, NOW + n * 1_000).unwrap();
        let counted = (n + 1).min(61);
        assert_eq!(ratelimit::requests(&answer.rate.windows).unwrap().remaining, 1_000_000_000 - counted);
    }
}

/// (policy, limit, left, span in s, ms until more, ms until all) of every limit that is set, and of none that is not.
#[test]
fn every_window_tells_what_is_left() {
    let mut object = Object::new();
    let two = Limits { requests_per_minute: Some(3), tokens_per_day: Some(1_000), ..Limits::default() };
    object.begin(Begin { limits: two, ..begin("a") }, NOW).unwrap();
    object.begin(Begin { limits: two, ..begin("b") }, NOW + 20_000).unwrap();
    let all = Limits {
        requests_per_day: Some(9),
        concurrency: Some(2),
        tokens_per_month: Some(30),
        micro_usd_per_day: Some(5),
        micro_usd_per_month: Some(6),
        ..two
    };
    let (day, month) = (DAY / 2 - 20_000, 28 * DAY - DAY / 2 - 20_000);
    let budget = |name, limit, left, days: u64, ends| (name, limit, left, Some(days * 86_400), Some(ends), Some(ends));
    let (minute, tokens) = (("requests-minute", 3, 1, Some(60), Some(40_001), Some(MINUTE + 1)), budget("tokens-day", 1_000, 960, 1, day));
    let cases = [
        (two, vec![minute, tokens]),
        (
            all,
            vec![
                minute,
                ("concurrency", 2, 0, None, None, None),
                budget("requests-day", 9, 7, 1, day),
                tokens,
                budget("tokens-month", 30, 0, 31, month),
                budget("usd-day", 5, 5, 1, day),
                budget("usd-month", 6, 6, 31, month),
            ],
        ),
        (
            Limits { requests_per_minute: Some(1), ..Limits::default() },
            vec![("requests-minute", 1, 0, Some(60), Some(MINUTE + 1), Some(MINUTE + 1))],
        ),
        (
            Limits { requests_per_minute: Some(0), ..Limits::default() },
            vec![("requests-minute", 0, 0, Some(60), Some(MINUTE + 1), Some(MINUTE + 1))],
        ),
        (Limits::default(), vec![]),
    ];
    for (limits, expected) in cases {
        let Ok(Outcome::Rate(rate)) = object.apply(Command::Limits(limits), NOW + 20_000) else { panic!() };
        let windows: Vec<_> =
            rate.windows.iter().map(|w| (w.policy.name(), w.limit, w.remaining, w.span_s, w.frees_ms, w.reset_ms)).collect();
        assert_eq!(windows, expected);
    }
}

#[test]
fn refusals_as_errors() {
    let rate = Refusal::Rate { scope: "user".to_owned(), limit: 3, retry_after_ms: 1_500 }.error();
    assert_eq!((rate.code(), rate.status()), (Code::RateLimited, 429));
    assert!(rate.headers().contains(&("retry-after", "2".to_owned())), "{:?}", rate.headers());
    let quota = Refusal::Quota { scope: Budget::UserTokensPerDay, limit: 10, used: 8, resets_at: 1_728_086_400 }.error();
    assert_eq!((quota.code(), quota.status()), (Code::QuotaExceeded, 402));
    let body = quota.body();
    assert!(body.contains(r#""details":{"limit":10,"resets_at":1728086400,"scope":"user_tokens_per_day","used":8}"#), "{body}");
}

/// (limit, already held, estimate, what comes of it: held and granted, or what is used)
#[test]
fn what_a_budget_allows() {
    type Case = (u64, u64, behest::user::command::Estimate, Result<(u64, Option<u64>), u64>);
    let three = |input, default| behest::user::command::Estimate { choices: 3, output_default: default, ..estimate(input, None) };
    let cases: [Case; 12] = [
        (100, 0, estimate(50, Some(50)), Ok((100, None))),
        (100, 0, estimate(50, Some(51)), Err(0)),
        (100, 40, estimate(50, Some(10)), Ok((60, None))),
        (100, 41, estimate(50, Some(10)), Err(41)),
        (2_000, 0, estimate(50, None), Ok((1_050, None))),
        (100, 0, estimate(50, None), Ok((100, Some(50)))),
        (100, 49, estimate(50, None), Ok((51, Some(1)))),
        (100, 50, estimate(50, None), Err(50)),
        (100, 0, three(50, 3_000), Ok((98, Some(16)))),
        (52, 0, three(50, 3_000), Err(0)),
        (0, 0, estimate(0, None), Err(0)),
        (u64::MAX, 0, estimate(u64::MAX, Some(u64::MAX)), Ok((1 << 33, None))),
    ];
    for (limit, held, estimate, expected) in cases {
        let mut object = Object::new();
        if held > 0 {
            object.begin(Begin { estimate: crate::words::estimate(held, Some(0)), ..begin("before") }, NOW).unwrap();
        }
        let answer = object.begin(Begin { limits: per_day(limit), estimate, ..begin("r") }, NOW);
        let got = answer.map(|begun| (begun.reservation.reserved, begun.reservation.max_output)).map_err(|refused| match refused.refusal {
            Refusal::Quota { used, resets_at, .. } => {
                assert_eq!(resets_at, (NOW / DAY + 1) * DAY / 1000);
                used
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(got, expected, "limit {limit}, held {held}, {estimate:?}");
    }
}

#[test]
fn what_the_provider_bills_beyond_the_reservation_is_recorded_and_blocks() {
    let mut object = Object::new();
    let limits = per_day(100);
    let seq = object.begin(Begin { limits, ..begin("a") }, NOW).unwrap().reservation.seq;
    object.finish(Finish { usage: Some(usage(90, 60)), ..finish("a", seq) }, NOW);
    let refused = object.begin(Begin { limits, ..begin("b") }, NOW).unwrap_err();
    assert!(matches!(refused.refusal, Refusal::Quota { used: 150, .. }), "{refused:?}");
    assert_eq!(ratelimit::tokens(&refused.rate.windows).unwrap().remaining, 0);
    // The next UTC day begins with nothing spent.
    let midnight = (NOW / DAY + 1) * DAY;
    object.begin(Begin { limits, ..begin("c") }, midnight - 1).unwrap_err();
    object.begin(Begin { limits, ..begin("c") }, midnight).unwrap();
}

#[test]
fn history_is_part_of_the_prompt() {
    let mut object = Object::new();
    object.say("a", "t", &user_says("Hi"), &assistant_says("Hello!"), NOW);
    let thread = Some(to_thread("t", &[raw(&user_says("And?"))]));
    let reservation = object.begin(Begin { thread, ..begin("b") }, NOW).unwrap().reservation;
    let history =
        behest::api::estimate::message_tokens(&user_says("Hi")) + behest::api::estimate::message_tokens(&assistant_says("Hello!"));
    assert_eq!(
        reservation,
        Reservation { seq: 2, reserved: 20 + history, reserved_micro_usd: 0, input: 10 + history, max_output: None, grows_to: None }
    );
}

/// (ending, usage, progress) → charge, and whether it is a guess. Reserved are 10 and 10.
#[test]
fn what_an_end_costs() {
    use Ending::{Cancelled, Completed, Failed, Stopped};
    let cases = [
        (Completed, Some(usage(7, 3)), None, usage(7, 3), false),
        (Failed, Some(usage(7, 0)), None, usage(7, 0), false),
        (Failed, None, None, usage(0, 0), false),
        (Failed, None, Some(usage(7, 4)), usage(7, 4), true),
        (Cancelled, None, Some(usage(0, 4)), usage(10, 4), true),
        (Cancelled, None, None, usage(10, 10), true),
        (Stopped, None, None, usage(10, 10), true),
        (Completed, Some(usage(u64::MAX, u64::MAX)), None, usage(1 << 32, 1 << 32), false),
    ];
    for (status, reported, progress, charge, estimated) in cases {
        let mut object = Object::new();
        let seq = object.begin(begin("a"), NOW).unwrap().reservation.seq;
        if let Some(usage) = progress {
            object.apply(Command::Progress(Progress { request_id: "a".to_owned(), usage, extend: None, pass: None }), NOW).unwrap();
        }
        object.finish(Finish { usage: reported, status, ..finish("a", seq) }, NOW);
        let row = object.store.request(seq).unwrap().unwrap();
        assert_eq!((row.usage(), row.estimated), (Some(charge), estimated), "{status:?} {reported:?} {progress:?}");
    }
}

#[test]
fn rows_written() {
    let mut object = Object::new();
    // The first request in five minutes also sets the alarm, which counts apart.
    for n in 0..20 {
        let before = object.store.written;
        let seq = object.begin(begin(&format!("r{n}")), NOW + n).unwrap().reservation.seq;
        object.finish(finish(&format!("r{n}"), seq), NOW + n);
        assert_eq!(object.store.written - before, 2, "request {n}");
        assert_eq!(object.store.rows.alarm, Some(NOW + ROLL_UP), "the alarm is set once");
    }
    for n in 0..20 {
        let before = object.store.written;
        object.say(&format!("t{n}"), "t", &user_says("Hi"), &assistant_says("Hello!"), NOW + n);
        assert_eq!(object.store.written - before, if n == 0 { 4 } else { 3 }, "request {n} of a thread, the first of which makes it");
    }
    let (written, commits) = (object.store.written, object.store.commits);
    object.begin(Begin { limits: per_minute(1), ..begin("no") }, NOW + 20).unwrap_err();
    assert_eq!((object.store.written, object.store.commits), (written, commits), "a refusal costs nothing");
}

#[test]
fn day_totals_are_written_now_and_then() {
    let mut object = Object::new();
    for n in 0..1_000 {
        let seq = object.begin(begin(&format!("r{n}")), NOW + n).unwrap().reservation.seq;
        object.finish(finish(&format!("r{n}"), seq), NOW + n);
    }
    let extra = object.store.written - 2_000;
    assert!((3..=5).contains(&extra), "{extra} rows of totals for 1,000 requests");
    let [day] = object.store.days(0, 1 << 40).unwrap().try_into().unwrap();
    assert_eq!((day.requests, day.input, day.output), (day.through_seq, day.through_seq, day.through_seq));
}

#[test]
fn the_alarm_settles_prunes_and_goes_to_sleep() {
    let mut object = Object::new();
    for n in 0..1_500 {
        let seq = object.begin(begin(&format!("r{n}")), NOW).unwrap().reservation.seq;
        object.finish(finish(&format!("r{n}"), seq), NOW);
    }
    let seq = object.begin(Begin { ttl_ms: 5_000, ..begin("lost") }, NOW).unwrap().reservation.seq;
    object.tell_all();
    assert_eq!(object.expire(NOW + 5_000), Some(NOW + 5_000 + MINUTE), "early: the deadline itself is in time");
    assert_eq!(object.store.request(seq).unwrap().unwrap().status, Status::Open);
    assert_eq!(object.expire(NOW + 5_001), Some(NOW + 5_001 + ROLL_UP), "the project has to be told of that");
    object.tell_all();
    assert_eq!(object.expire(NOW + 5_002), Some(NOW + RETENTION_MS + 1), "then it sleeps until the first row is old");
    let row = object.store.request(seq).unwrap().unwrap();
    assert_eq!((row.status, row.estimated, row.usage()), (Status::Expired, true, Some(usage(10, 10))));
    // A bounded number of rows per run, then again soon, then never.
    let old = NOW + RETENTION_MS + 1;
    assert_eq!(object.expire(old), Some(old + MINUTE));
    assert_eq!(object.store.rows.requests.len(), 501);
    assert_eq!(object.expire(old + MINUTE), None);
    assert_eq!((object.store.rows.requests.len(), object.store.rows.alarm), (0, None));
    let [day] = object.store.days(0, 1 << 40).unwrap().try_into().unwrap();
    assert_eq!((day.requests, day.input, day.output), (1_501, 1_510, 1_510), "totals outlive the rows");
    // Numbers go on behind those that are gone.
    assert_eq!(object.begin(begin("new"), old + MINUTE).unwrap().reservation.seq, 1_502);
}

#[test]
fn an_alarm_that_was_lost_is_set_again() {
    let mut object = Object::new();
    object.begin(begin("a"), NOW).unwrap();
    object.begin(begin("b"), NOW + 2 * DAY).unwrap();
    assert_eq!(object.store.rows.alarm, Some(NOW + 2 * DAY + ROLL_UP));
}

#[test]
fn a_late_finish_stores_its_turn_and_counts_nothing() {
    let mut object = Object::new();
    let messages = vec![raw(&user_says("Hi"))];
    let answer = object.begin(Begin { thread: Some(to_thread("t", &messages)), ..begin("a") }, NOW).unwrap();
    object.expire(NOW + DAY);
    let thread = Some(turn("t", answer.base.unwrap(), &messages, Some(&assistant_says("Hello!"))));
    let late = Finish { thread, ..finish("a", answer.reservation.seq) };
    let first = object.finish(late.clone(), NOW + DAY);
    let second = object.finish(late, NOW + DAY);
    assert_eq!([(first.settled, first.stored), (second.settled, second.stored)], [(false, true), (false, false)]);
    assert_eq!(object.store.request(1).unwrap().unwrap().usage(), Some(usage(10, 10)));
    assert_eq!(object.messages("t").len(), 2);
}

#[test]
fn erasing_leaves_nothing_but_that_tokens_are_void() {
    let mut object = Object::new();
    object.say("a", "t", &user_says("Hi"), &assistant_says("Hello!"), NOW);
    let running = object.begin(begin("b"), NOW).unwrap().reservation.seq;
    assert!(matches!(object.apply(Command::Erase, NOW), Ok(Outcome::Erased { epoch: 1 })));
    let outbox = OutboxRow { epoch: 1, ..OutboxRow::default() };
    let marks = std::mem::take(&mut object.store.rows.marks);
    assert_eq!(marks.keys().map(|(kind, of)| (*kind, of.as_str())).collect::<Vec<_>>(), [("user", "")]);
    assert_eq!(object.store.rows, crate::memory::Rows { outbox, ..crate::memory::Rows::default() });
    object.store.rows.marks = marks;
    // A request that ran meanwhile ends in nothing, even if another has its number now.
    object.begin(begin("c"), NOW).unwrap();
    object.begin(begin("d"), NOW).unwrap();
    let late = object.finish(finish("b", running), NOW);
    assert_eq!((late.settled, late.stored), (false, false));
}

#[test]
fn writes_are_refused_like_sqlite_refuses_them() {
    let mut object = Object::new();
    object.begin(begin("a"), NOW).unwrap();
    let row = object.store.request(1).unwrap().unwrap();
    object.store.commit(&[Write::InsertRequest(Box::new(row))]).unwrap_err();
    object.store.commit(&[Write::SetAlarm(Some(1 << 53))]).unwrap_err();
}
