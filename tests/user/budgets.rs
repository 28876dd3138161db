//! Dollars, months, requests of a day and concurrency at their edges; which window the headers tell of.

use behest::api::ratelimit;
use behest::price::Rates;
use behest::user::command::{Begin, Command, Ending, Finish, Limits, Outcome, Progress};
use behest::user::refusal::{Budget, Refusal};
use behest::user::store::{KeySource, Status};
use behest::user::{Store, User};

use crate::words::{NOW, Object, begin, estimate, finish, usage};

const DAY: u64 = 86_400_000;

/// One dollar per million input tokens, two per million output tokens: 1 and 2 micro-dollars each.
fn rates() -> Rates {
    Rates::try_from("1000000 1000000 1000000 2000000 1000000 2000000".to_owned()).unwrap()
}

fn usd(limit: u64) -> Limits {
    Limits { micro_usd_per_day: Some(limit), ..Limits::default() }
}

/// (limit, estimate, what comes of it: micro-dollars held and tokens granted per reply, or a refusal). The prompt has 10 tokens.
#[test]
fn what_dollars_allow() {
    let three = |default| behest::user::command::Estimate { choices: 3, output_default: default, ..estimate(10, None) };
    for (limit, rates, estimate, expected) in [
        (30, Some(rates()), estimate(10, Some(10)), Some((30, None))),
        (29, Some(rates()), estimate(10, Some(10)), None),
        (2_010, Some(rates()), estimate(10, None), Some((2_010, None))),
        (30, Some(rates()), estimate(10, None), Some((30, Some(10)))),
        (31, Some(rates()), estimate(10, None), Some((30, Some(10)))),
        (12, Some(rates()), estimate(10, None), Some((12, Some(1)))),
        (11, Some(rates()), estimate(10, None), None),
        (9, Some(rates()), estimate(10, None), None),
        (35, Some(rates()), three(300), Some((34, Some(4)))),
        (15, Some(rates()), three(300), None),
        (1, None, estimate(10, None), Some((0, None))),
    ] {
        let mut object = Object::new();
        let answer = object.begin(Begin { limits: usd(limit), rates, estimate, ..begin("r") }, NOW);
        let got = answer.as_ref().ok().map(|begun| (begun.reservation.reserved_micro_usd, begun.reservation.max_output));
        assert_eq!(got, expected, "limit {limit}, {estimate:?}");
    }
}

#[test]
fn the_tightest_budget_lowers_the_maximum() {
    let limits = Limits {
        tokens_per_day: Some(110),
        tokens_per_month: Some(90),
        micro_usd_per_day: Some(100),
        micro_usd_per_month: Some(120),
        ..Limits::default()
    };
    for (limits, expected) in [
        (limits, 45),
        (Limits { micro_usd_per_day: None, ..limits }, 55),
        (Limits { micro_usd_per_day: None, micro_usd_per_month: None, ..limits }, 80),
        (Limits { tokens_per_day: Some(11), ..limits }, 1),
    ] {
        let answer = Object::new().begin(Begin { limits, rates: Some(rates()), estimate: estimate(10, None), ..begin("r") }, NOW).unwrap();
        assert_eq!(answer.reservation.max_output, Some(expected), "{limits:?}");
    }
}

#[test]
fn a_refusal_names_the_budget_in_dollars_and_its_end() {
    let mut object = Object::new();
    let limits = Limits { micro_usd_per_month: Some(1_000_000), ..Limits::default() };
    let seq = object.begin(Begin { limits, rates: Some(rates()), ..begin("a") }, NOW).unwrap().reservation.seq;
    object.finish(Finish { usage: Some(usage(750_000, 0)), ..finish("a", seq) }, NOW);
    let refused =
        object.begin(Begin { limits, rates: Some(rates()), estimate: estimate(250_001, Some(0)), ..begin("b") }, NOW).unwrap_err();
    let error = refused.refusal.error();
    assert_eq!((error.status(), error.name()), (402, "quota_exceeded"));
    // 2024-11-01.
    let details = r#"{"limit":1.0,"resets_at":1730419200,"scope":"user_usd_per_month","used":0.75}"#;
    assert_eq!(error.details().unwrap().to_string(), details);
    assert!(error.message().contains("0.75 of 1.0 US dollars"), "{}", error.message());
    assert!(error.headers().contains(&("x-should-retry", "false".to_owned())));
    // What costs nothing is not the dollar budget's affair, and the month after is a new one.
    object.begin(Begin { limits, rates: None, estimate: estimate(250_001, Some(0)), ..begin("c") }, NOW).unwrap();
    object.begin(Begin { limits, rates: Some(rates()), estimate: estimate(1_000_000, Some(0)), ..begin("d") }, 20_028 * DAY).unwrap();
}

#[test]
fn days_add_up_to_months() {
    let mut object = Object::new();
    let limits = Limits { tokens_per_day: Some(100), tokens_per_month: Some(250), ..Limits::default() };
    let ask = |object: &mut Object, id: &str, at| object.begin(Begin { limits, estimate: estimate(60, Some(40)), ..begin(id) }, at);
    for n in 0..2 {
        let id = format!("r{n}");
        let seq = ask(&mut object, &id, NOW + n * DAY).unwrap().reservation.seq;
        object.finish(Finish { usage: Some(usage(60, 40)), ..finish(&id, seq) }, NOW + n * DAY);
        // Also when memory is made anew.
        object.user = User::load(&object.store).unwrap();
    }
    let refused = ask(&mut object, "r2", NOW + 2 * DAY).unwrap_err();
    assert!(matches!(refused.refusal, Refusal::Quota { scope: Budget::UserTokensPerMonth, used: 200, limit: 250, .. }), "{refused:?}");
    let tightest = ratelimit::tokens(&refused.rate.windows).unwrap();
    assert_eq!((tightest.limit, tightest.remaining), (250, 50), "the month is the tighter window");
}

#[test]
fn requests_of_a_day() {
    let mut object = Object::new();
    let limits = Limits { requests_per_minute: Some(2), requests_per_day: Some(3), ..Limits::default() };
    for n in 0..3 {
        let begun = object.begin(Begin { limits, ..begin(&format!("r{n}")) }, NOW + n * 90_000).unwrap();
        // First the minute is the tighter window, then the day.
        let expected = [(2, 1), (3, 1), (3, 0)][usize::try_from(n).unwrap()];
        let tightest = ratelimit::requests(&begun.rate.windows).unwrap();
        assert_eq!((tightest.limit, tightest.remaining), expected, "{n}");
    }
    object.user = User::load(&object.store).unwrap();
    let refused = object.begin(Begin { limits, ..begin("r3") }, NOW + 300_000).unwrap_err();
    assert!(matches!(refused.refusal, Refusal::Quota { scope: Budget::UserRequestsPerDay, used: 3, .. }), "{refused:?}");
    assert_eq!(ratelimit::requests(&refused.rate.windows).unwrap().reset_ms, Some(DAY / 2 - 300_000));
    object.begin(Begin { limits, ..begin("r3") }, NOW + DAY / 2).unwrap();
}

#[test]
fn places_come_back_with_a_finish_or_when_their_time_is_over() {
    let mut object = Object::new();
    let limits = Limits { concurrency: Some(2), ..Limits::default() };
    let seq = object.begin(Begin { limits, ttl_ms: 5_000, ..begin("a") }, NOW).unwrap().reservation.seq;
    object.begin(Begin { limits, ttl_ms: 5_000, ..begin("b") }, NOW).unwrap();
    let refused = object.begin(Begin { limits, ..begin("c") }, NOW).unwrap_err();
    let error = refused.refusal.error();
    assert_eq!(
        (error.status(), error.details().unwrap().to_string()),
        (429, r#"{"limit":2,"scope":"concurrency","whose":"user"}"#.to_owned())
    );
    assert!(error.headers().contains(&("retry-after", "1".to_owned())));
    object.finish(finish("a", seq), NOW);
    object.begin(Begin { limits, ..begin("c") }, NOW).unwrap();
    object.begin(Begin { limits, ..begin("d") }, NOW + 5_000).unwrap_err();
    object.begin(Begin { limits, ..begin("d") }, NOW + 5_001).unwrap();
}

/// However a request ends, its row's dollars are its tokens at the prices of its begin.
#[test]
fn the_dollars_of_every_end() {
    let mut object = Object::new();
    let reported = |object: &mut Object, id: &str, tokens| {
        object.apply(Command::Progress(Progress { request_id: id.to_owned(), usage: tokens, extend: None, pass: None }), NOW).unwrap();
    };
    for id in ["done", "failed", "gone", "lost", "silent"] {
        object.begin(Begin { rates: Some(rates()), ttl_ms: 5_000, ..begin(id) }, NOW).unwrap();
    }
    object.finish(Finish { usage: Some(usage(100, 50)), ..finish("done", 1) }, NOW);
    object.finish(Finish { usage: None, status: Ending::Failed, ..finish("failed", 2) }, NOW);
    reported(&mut object, "gone", usage(0, 3));
    object.finish(Finish { usage: None, status: Ending::Cancelled, ..finish("gone", 3) }, NOW);
    reported(&mut object, "lost", usage(7, 4));
    object.expire(NOW + 5_001);
    let rows = (1..=5).map(|seq| object.store.request(seq).unwrap().unwrap());
    let got: Vec<_> = rows.map(|row| (row.status, row.micro_usd, row.estimated)).collect();
    let expected = [
        (Status::Completed, 200, false),
        (Status::Failed, 0, false),
        (Status::Cancelled, 16, true),
        (Status::Expired, 15, true),
        (Status::Expired, 30, true),
    ];
    assert_eq!(got, expected);
}

#[test]
fn totals_are_kept_apart_by_provider_model_and_key() {
    let mut object = Object::new();
    for n in 0..200_u64 {
        let (id, odd) = (format!("r{n}"), n % 2 == 1);
        let key_source = if odd { KeySource::Platform } else { KeySource::Byok };
        let rates = if odd { None } else { Some(rates()) };
        let seq = object.begin(Begin { key_source, rates, ..begin(&id) }, NOW + n).unwrap().reservation.seq;
        object.finish(finish(&id, seq), NOW + n);
    }
    object.tell_all();
    object.expire(NOW + 40 * DAY);
    assert!(object.store.rows.requests.is_empty());
    let days = object.store.days(0, 1 << 40).unwrap();
    let got: Vec<_> = days.iter().map(|row| (row.key_source, row.requests, row.unpriced, row.micro_usd)).collect();
    assert_eq!(got, [(KeySource::Byok, 100, 0, 300), (KeySource::Platform, 100, 100, 0)]);
    let Ok(Outcome::Rate(_)) = object.apply(Command::Limits(Limits::default()), NOW) else { panic!() };
}
