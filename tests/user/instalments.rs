//! Streams without a maximum: the first instalment, the next ones, and the end of a budget.

use behest::price::Rates;
use behest::user::User;
use behest::user::command::{Begin, Begun, Command, Estimate, Extend, Finish, Limits, Outcome, Progress, Progressed, Refused};
use behest::user::refusal::{Budget, Refusal};

use crate::words::{NOW, Object, begin, estimate, finish, usage};

const DAY: u64 = 86_400_000;

fn tokens(limit: u64) -> Limits {
    Limits { tokens_per_day: Some(limit), ..Limits::default() }
}

/// Ten tokens of prompt, and a reply of a thousand at most.
fn stream(object: &mut Object, id: &str, limits: Limits, now: u64) -> Result<Begun, Box<Refused>> {
    object.begin(Begin { limits, stream: true, estimate: estimate(10, None), ..begin(id) }, now)
}

/// A report of so much output, by both counts, from a Worker that knows of so much held.
fn report(object: &mut Object, id: &str, used: u64, held: u64, limits: Limits, now: u64) -> Progressed {
    let extend = Some(Extend { used, held, limits });
    match object.apply(Command::Progress(Progress { request_id: id.to_owned(), usage: usage(10, used), extend, pass: None }), now) {
        Ok(Outcome::Progressed(progressed)) => progressed,
        other => panic!("{other:?}"),
    }
}

/// (limit, what is asked, output held at first, what it may grow to, the maximum for the provider)
#[test]
fn the_first_instalment() {
    let three = Estimate { choices: 3, ..estimate(10, None) };
    let cheap = Rates::try_from("1000000 1000000 1000000 2000000 1000000 2000000".to_owned()).unwrap();
    let usd = |limit| Limits { micro_usd_per_day: Some(limit), ..Limits::default() };
    let both = Limits { tokens_per_month: Some(3_000), ..tokens(100_000) };
    for (limits, asked, rates, expected) in [
        (Limits::default(), estimate(10, None), None, (1_000, Some(1_000), None)),
        (tokens(10_100), estimate(10, None), None, (1_000, Some(1_000), None)),
        (tokens(10_090), estimate(10, None), None, (999, Some(1_000), None)),
        (tokens(1_000), estimate(10, None), None, (90, Some(990), Some(990))),
        (tokens(300), estimate(10, None), None, (64, Some(290), Some(290))),
        (tokens(50), estimate(10, None), None, (40, Some(40), Some(40))),
        (tokens(1_000), estimate(10, Some(900)), None, (900, None, None)),
        (tokens(1_000), three, None, (90, Some(990), Some(330))),
        // A tenth of 10,000 micro-dollars is 10 for the prompt and 2 for each of 495 tokens.
        (usd(10_000), estimate(10, None), Some(cheap), (495, Some(1_000), None)),
        (usd(1_000), estimate(10, None), Some(cheap), (64, Some(495), Some(495))),
        (both, estimate(10, None), None, (290, Some(1_000), None)),
    ] {
        let mut object = Object::new();
        let begun = object.begin(Begin { limits, rates, stream: true, estimate: asked, ..begin("r") }, NOW).unwrap();
        let held = begun.reservation;
        assert_eq!((held.output(), held.grows_to, held.max_output), expected, "{limits:?} {asked:?}");
    }
    let whole = Object::new().begin(Begin { limits: tokens(1_000), estimate: estimate(10, None), ..begin("r") }, NOW).unwrap();
    assert_eq!((whole.reservation.output(), whole.reservation.grows_to), (990, None), "without a stream nobody could extend it");
}

/// A model of which we thought that it ends sooner: what it uses is held, as long as there is a budget.
#[test]
fn past_what_was_foreseen() {
    let (mut object, limits) = (Object::new(), tokens(1_500));
    stream(&mut object, "r", limits, NOW).unwrap();
    for (used, held, expected, stopped) in [
        (950, 140, 1_000, false),
        (1_000, 1_000, 1_000, false),
        (1_001, 1_000, 1_065, false),
        (1_460, 1_065, 1_490, false),
        (1_491, 1_490, 1_490, true),
    ] {
        let progressed = report(&mut object, "r", used, held, limits, NOW);
        assert_eq!((progressed.reserved_output, progressed.stop.is_some()), (expected, stopped), "{used}");
    }
}

/// A budget for ten equal requests, 64 at once: ten run, each to its end.
#[test]
fn ten_streams_share_a_budget_for_ten() {
    let (mut object, limits) = (Object::new(), tokens(10 * 310));
    let begun: Vec<_> = (0..64).map(|n| stream(&mut object, &format!("r{n}"), limits, NOW)).collect();
    assert!(begun[..10].iter().all(|begun| begun.as_ref().is_ok_and(|begun| begun.reservation.output() == 300)));
    assert!(begun[10..].iter().all(Result::is_err));
    for n in 0..10 {
        let progressed = report(&mut object, &format!("r{n}"), 300, 300, limits, NOW);
        // The tenth found just that left, and its provider was told so.
        assert_eq!((progressed.reserved_output, progressed.stop.is_some()), (300, n < 9), "there is nothing more, and nothing less");
    }
    for (n, begun) in begun[..10].iter().enumerate() {
        let seq = begun.as_ref().unwrap().reservation.seq;
        object.finish(Finish { usage: Some(usage(10, 300)), ..finish(&format!("r{n}"), seq) }, NOW);
    }
    let refused = stream(&mut object, "late", limits, NOW).unwrap_err();
    assert_eq!(behest::api::ratelimit::tokens(&refused.rate.windows).map(|window| window.remaining), Some(0));
}

#[test]
fn a_lone_stream_grows_to_all_there_is() {
    let (mut object, limits) = (Object::new(), tokens(1_000));
    let mut held = stream(&mut object, "r", limits, NOW).unwrap().reservation.output();
    let mut steps = vec![held];
    while held < 990 {
        let progressed = report(&mut object, "r", held, held, limits, NOW);
        assert_eq!(progressed.stop, None);
        held = progressed.reserved_output;
        steps.push(held);
    }
    assert_eq!(steps, [90, 190, 290, 390, 490, 590, 690, 790, 890, 990]);
    assert_eq!(report(&mut object, "r", 990, 990, limits, NOW).stop, None, "all of it is held: the provider was told so");
    assert!(report(&mut object, "r", 991, 990, limits, NOW).stop.is_some(), "but it does not keep to it");
}

#[test]
fn a_report_far_ahead_gets_what_it_needs_at_once() {
    let (mut object, limits) = (Object::new(), tokens(1_000));
    stream(&mut object, "r", limits, NOW).unwrap();
    assert_eq!(report(&mut object, "r", 500, 90, limits, NOW).reserved_output, 564);
}

/// The refusal of a running stream is the 402 that another request gets.
#[test]
fn the_budget_in_the_way_is_named() {
    let (mut object, limits) = (Object::new(), tokens(300));
    let output = stream(&mut object, "r", limits, NOW).unwrap().reservation.output();
    object.begin(Begin { limits, estimate: estimate(26, Some(200)), ..begin("other") }, NOW).unwrap();
    let refused = object.begin(Begin { limits, ..begin("third") }, NOW).unwrap_err().refusal;
    let expected = Refusal::Quota { scope: Budget::UserTokensPerDay, limit: 300, used: 300, resets_at: (NOW / DAY + 1) * 86_400 };
    assert_eq!(refused, expected);
    let written = object.store.written;
    let stopped = report(&mut object, "r", output, output, limits, NOW);
    assert_eq!(stopped, Progressed { counted: true, reserved_output: output, stop: Some(expected) });
    assert_eq!(object.store.written - written, 1, "the report itself is kept");
    // Room that others give back is taken up again.
    object.finish(Finish { usage: Some(usage(20, 0)), ..finish("other", 2) }, NOW);
    assert_eq!(report(&mut object, "r", output, output, limits, NOW).reserved_output, output + 64);
}

/// An answer that was lost, a report that comes twice or too late: what is held and what is known stay as they are.
#[test]
fn reports_again_and_out_of_order() {
    let (mut object, limits) = (Object::new(), tokens(1_000));
    stream(&mut object, "r", limits, NOW).unwrap();
    for _ in 0..3 {
        assert_eq!(report(&mut object, "r", 80, 90, limits, NOW).reserved_output, 190);
    }
    assert_eq!(report(&mut object, "r", 150, 190, limits, NOW).reserved_output, 290);
    assert_eq!(report(&mut object, "r", 80, 90, limits, NOW).reserved_output, 290);
    object.user = User::load(&object.store).unwrap();
    assert_eq!(report(&mut object, "r", 150, 190, limits, NOW).reserved_output, 290, "also when memory is made anew");
    object.expire(NOW + 600_001);
    assert_eq!(object.store.rows.requests[&1].output, Some(150), "the last progress is what is charged");
    let gone = report(&mut object, "r", 200, 290, limits, NOW);
    assert_eq!(gone, Progressed { counted: false, reserved_output: 0, stop: None });
}

#[test]
fn what_named_a_maximum_never_grows() {
    let (mut object, limits) = (Object::new(), tokens(1_000));
    object.begin(Begin { limits, stream: true, estimate: estimate(10, Some(20)), ..begin("r") }, NOW).unwrap();
    let progressed = report(&mut object, "r", 20, 20, limits, NOW);
    assert_eq!(progressed, Progressed { counted: true, reserved_output: 20, stop: None });
}

/// What a provider has billed beyond a reservation stands in the way of others while the stream still runs.
#[test]
fn a_bill_beyond_the_reservation_counts_at_once() {
    let (mut object, limits) = (Object::new(), tokens(1_000));
    object.begin(Begin { limits, ..begin("r") }, NOW).unwrap();
    report(&mut object, "r", 900, 10, limits, NOW);
    let refused = object.begin(Begin { limits, estimate: estimate(50, Some(50)), ..begin("s") }, NOW).unwrap_err().refusal;
    assert!(matches!(refused, Refusal::Quota { used: 910, .. }), "{refused:?}");
}

/// A stream that goes on after midnight grows within the day of its begin, also when that day is only known to the store.
#[test]
fn the_day_of_the_begin_is_the_one_that_counts() {
    let (mut object, limits) = (Object::new(), tokens(1_000));
    let midnight = (NOW / DAY + 1) * DAY;
    let seq = object.begin(Begin { limits, ..begin("before") }, midnight - 2).unwrap().reservation.seq;
    object.finish(Finish { usage: Some(usage(700, 0)), ..finish("before", seq) }, midnight - 2);
    let output = stream(&mut object, "r", limits, midnight - 1).unwrap().reservation.output();
    assert_eq!(output, 64);
    // A new day with a request of its own.
    object.begin(Begin { limits, estimate: estimate(500, Some(400)), ..begin("after") }, midnight).unwrap();
    for (used, expected, stopped) in [(64, 128, false), (128, 192, false), (192, 256, false), (256, 290, false), (291, 290, true)] {
        let held = object.store.rows.requests[&2].reserved_output;
        let progressed = report(&mut object, "r", used, held, limits, midnight);
        assert_eq!((progressed.reserved_output, progressed.stop.is_some()), (expected, stopped), "{used}");
    }
    let less = report(&mut object, "r", 290, 290, tokens(900), midnight);
    assert_eq!(less.reserved_output, 290, "a lowered limit takes nothing back");
}
