//! What a user's object goes by of tokens: marks, budgets of a token's own, and tokens that are good for one request.

use behest::auth::capabilities::Allowance;
use behest::auth::marks::LIFE_S;
use behest::config::number::Usd;
use behest::user::command::{Begin, Command, Extend, Finish, Limits, Outcome, Progress};
use behest::user::pass::{Kind, Mark, Pass};
use behest::user::refusal::Refusal;
use behest::user::{Store, User};

use crate::words::{NOW, Object, begin, estimate, finish, told, usage};

const NOW_S: u64 = NOW / 1000;

fn pass(request: &str) -> Pass {
    Pass {
        request_id: request.to_owned(),
        jti: "t".to_owned(),
        sid: "s".to_owned(),
        issued_at: NOW_S,
        expires_at: NOW_S + 900,
        ..Pass::default()
    }
}

fn with(id: &str, pass: Pass) -> Begin {
    Begin { pass: Some(pass), ..begin(id) }
}

fn mark(kind: Kind, id: &str, issued: u64) -> Mark {
    Mark { kind, id: id.to_owned(), issued }
}

/// Whether a token opens a read, an admission, and a report, all of which must agree.
fn opens(object: &mut Object, pass: &Pass) -> bool {
    let id = format!("r{}", object.store.commits);
    let read = object.user.answer(&mut object.store, Some(pass), Command::Limits(Limits::default()), NOW).is_ok();
    let begun = object.apply(Command::Begin(with(&id, pass.clone())), NOW).is_ok();
    let report = Progress { request_id: id, usage: usage(1, 1), extend: None, pass: Some(pass.clone()) };
    assert_eq!([read, begun, object.apply(Command::Progress(report), NOW).is_ok()], [read; 3], "{pass:?}");
    read
}

/// (mark, token, void)
#[test]
fn a_mark_voids_what_it_names() {
    let other = |jti: &str, sid: &str, par: &[&str], issued_at| Pass {
        jti: jti.to_owned(),
        sid: sid.to_owned(),
        par: par.iter().map(ToString::to_string).collect(),
        issued_at,
        ..pass("r")
    };
    for (mark, token, void) in [
        (mark(Kind::User, "", NOW_S), other("t", "s", &[], NOW_S), true),
        (mark(Kind::User, "", NOW_S), other("t", "s", &[], 0), true),
        (mark(Kind::User, "", NOW_S), other("t", "s", &[], NOW_S + 1), false),
        (mark(Kind::Session, "s", NOW_S), other("t", "s", &[], NOW_S), true),
        (mark(Kind::Session, "s", NOW_S), other("t", "s", &[], NOW_S + 1), false),
        (mark(Kind::Session, "s", NOW_S), other("s", "t", &["s"], NOW_S), false),
        (mark(Kind::Token, "t", NOW_S), other("t", "s", &[], NOW_S + 1), true),
        (mark(Kind::Token, "t", NOW_S), other("u", "s", &["v", "t"], NOW_S + 1), true),
        (mark(Kind::Token, "t", NOW_S), other("u", "t", &["v"], NOW_S), false),
    ] {
        let mut object = Object::new();
        assert!(opens(&mut object, &token));
        object.apply(Command::Revoke(mark.clone()), NOW).unwrap();
        assert_eq!(opens(&mut object, &token), !void, "{mark:?} {token:?}");
        // And after a crash.
        object.user = User::load(&object.store).unwrap();
        assert_eq!(opens(&mut object, &token), !void, "{mark:?} {token:?}");
    }
}

#[test]
fn a_mark_lives_as_long_as_the_tokens_it_voids() {
    let mut object = Object::new();
    object.apply(Command::Revoke(mark(Kind::Token, "t", NOW_S)), NOW).unwrap();
    object.expire(NOW + LIFE_S * 1000);
    assert_eq!(object.store.rows.marks.len(), 1);
    object.expire(NOW + (LIFE_S + 1) * 1000);
    assert_eq!((object.store.rows.marks.len(), opens(&mut object, &pass("r"))), (0, true));
    // An older mark of the same name takes nothing back.
    object.apply(Command::Revoke(mark(Kind::User, "", NOW_S)), NOW).unwrap();
    object.apply(Command::Revoke(mark(Kind::User, "", 1)), NOW).unwrap();
    assert!(!opens(&mut object, &pass("r")));
}

#[test]
fn an_erased_users_tokens_are_void() {
    let mut object = Object::new();
    let one_time = Pass { one_time: true, ..pass("a") };
    object.begin(with("a", one_time.clone()), NOW).unwrap();
    object.apply(Command::Close, NOW).unwrap();
    object.apply(Command::Acknowledge(told(1)), NOW).unwrap();
    object.apply(Command::Erase, NOW).unwrap();
    assert!(!opens(&mut object, &one_time) && !opens(&mut object, &pass("b")));
    object.user = User::load(&object.store).unwrap();
    assert!(!opens(&mut object, &pass("b")) && opens(&mut object, &Pass { issued_at: NOW_S + 1, ..pass("c") }));
}

#[test]
fn one_request_means_one() {
    let mut object = Object::new();
    let once = |request: &str| Pass { one_time: true, ..pass(request) };
    let limits = Limits { tokens_per_day: Some(1), ..Limits::default() };
    // A refused request, and one that only prepares, do not use it up.
    object.begin(Begin { limits, ..with("refused", once("refused")) }, NOW).unwrap_err();
    let read = |object: &mut Object, pass: &Pass| object.user.answer(&mut object.store, Some(pass), Command::Limits(limits), NOW).is_ok();
    assert!(read(&mut object, &Pass { prepares: true, ..once("look") }));
    object.begin(with("a", once("a")), NOW).unwrap();
    // The same request may come again, and have another attempt.
    object.begin(with("a", once("a")), NOW).unwrap();
    object.begin(with("a.2", once("a")), NOW).unwrap();
    for other in ["b", "look"] {
        assert!(object.apply(Command::Begin(with(other, once(other))), NOW).is_err());
        assert!(!read(&mut object, &once(other)));
    }
    object.user = User::load(&object.store).unwrap();
    assert!(!read(&mut object, &once("c")));
    let other = Pass { jti: "u".to_owned(), ..once("d") };
    assert!(read(&mut object, &other) && !read(&mut object, &Pass { request_id: "e".to_owned(), ..other }));
}

fn allowance(id: &str, tokens_max: Option<u64>, usd_max: Option<u64>) -> Allowance {
    let count = |max: u64| serde_json::from_value(max.into()).unwrap();
    Allowance { id: id.to_owned(), tokens_max: tokens_max.map(count), usd_max: usd_max.map(Usd) }
}

fn refused(object: &mut Object, id: &str, pass: &Pass) -> Refusal {
    object.begin(with(id, Pass { request_id: id.to_owned(), ..pass.clone() }), NOW).unwrap_err().refusal
}

/// Each request holds 20 tokens.
#[test]
fn a_tokens_budget_is_the_sum_over_its_requests() {
    let mut object = Object::new();
    let parent = Pass { allowances: vec![allowance("p", Some(65), None)], ..pass("a") };
    let child = Pass { allowances: vec![allowance("c", Some(25), None), allowance("p", Some(65), None)], ..pass("b") };
    let seq = object.begin(with("a", parent.clone()), NOW).unwrap().reservation.seq;
    object.begin(with("b", child.clone()), NOW).unwrap();
    assert_eq!(refused(&mut object, "c", &child), Refusal::Token { usd: false, limit: 25, used: 20 });
    // What was held and not used is free again, also after a crash.
    object.finish(Finish { usage: Some(usage(2, 3)), ..finish("a", seq) }, NOW);
    object.user = User::load(&object.store).unwrap();
    object.begin(with("d", parent.clone()), NOW).unwrap();
    object.begin(with("e", parent.clone()), NOW).unwrap();
    assert_eq!(refused(&mut object, "f", &parent), Refusal::Token { usd: false, limit: 65, used: 65 });
    // What nobody finishes is spent as it was held.
    object.expire(NOW + 700_000);
    assert_eq!(refused(&mut object, "g", &parent), Refusal::Token { usd: false, limit: 65, used: 65 });
    assert_eq!(object.store.spent_under("p").unwrap().0, 65);
    // Who has no such budget is not concerned.
    object.begin(with("h", pass("h")), NOW).unwrap();
}

#[test]
fn instalments_stay_within_a_tokens_budget() {
    let mut object = Object::new();
    let pass = Pass { allowances: vec![allowance("t", Some(300), None)], ..pass("a") };
    let stream = Begin { stream: true, estimate: estimate(10, None), ..with("a", pass.clone()) };
    let reservation = object.begin(stream, NOW).unwrap().reservation;
    assert!(reservation.reserved < 300, "{reservation:?}");
    let mut held = reservation.output();
    let stop = loop {
        let extend = Some(Extend { used: held + 1, held, limits: Limits::default() });
        let report = Progress { request_id: "a".to_owned(), usage: usage(10, held), extend, pass: Some(pass.clone()) };
        let Ok(Outcome::Progressed(progressed)) = object.apply(Command::Progress(report), NOW) else { panic!("not recorded") };
        match progressed.stop {
            Some(stop) => break stop,
            None => held = progressed.reserved_output,
        }
    };
    assert_eq!((held, stop), (290, Refusal::Token { usd: false, limit: 300, used: 300 }));
}

/// Seeded: whatever is begun, finished, lost or expired, with crashes in between, the sum is never above the limit.
#[test]
fn a_tokens_budget_is_never_overspent() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut object, mut open, mut now) = (Object::new(), Vec::new(), NOW);
        let pass = Pass { allowances: vec![allowance("t", Some(200), None)], ..pass("") };
        for step in 0..40 {
            let id = format!("r{step}");
            match rng.u8(..6) {
                0..3 => {
                    let begin = Begin { estimate: estimate(rng.u64(1..20), Some(rng.u64(1..40))), ..with(&id, pass.clone()) };
                    if let Ok(begun) = object.begin(begin, now) {
                        open.push((id, begun.reservation));
                    }
                }
                3 if !open.is_empty() => {
                    let (id, reservation) = open.swap_remove(rng.usize(..open.len()));
                    let billed = usage(reservation.input, rng.u64(..=reservation.output()));
                    object.finish(Finish { usage: Some(billed), ..finish(&id, reservation.seq) }, now);
                }
                4 => object.user = User::load(&object.store).unwrap(),
                _ => {
                    now += rng.u64(..300_000);
                    object.expire(now);
                }
            }
            let held = object
                .store
                .rows
                .requests
                .values()
                .filter(|row| row.status.name() == "open")
                .map(|row| row.reserved_input + row.reserved_output);
            let lost = object.store.spent_under("t").unwrap().0 + held.sum::<u64>();
            assert!(lost <= 200, "seed {seed}, step {step}: {lost}");
        }
    }
}
