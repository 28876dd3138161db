//! A user's own limits: they hold with the next command, before what the Worker brings, and are durable.

use behest::user::User;
use behest::user::command::{Begin, Command, Limits, Outcome};
use behest::user::overrides::{Bound, Overrides};
use behest::user::refusal::{Budget, Refusal};
use behest::zone::Zone;

use crate::memory::Fault;
use crate::words::{NOW, Object, begin, estimate};

fn put(object: &mut Object, overrides: Overrides) {
    assert!(matches!(object.apply(Command::PutOverrides(overrides), NOW), Ok(Outcome::Overrides(kept)) if kept == overrides));
}

fn said(object: &mut Object) -> Overrides {
    match object.apply(Command::Overrides, NOW) {
        Ok(Outcome::Overrides(overrides)) => overrides,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_comes_before_the_limit_it_is_about_and_no_other() {
    let bounds = [Some(Bound::AtMost(7)), Some(Bound::Unlimited), None];
    let given = Limits {
        requests_per_minute: Some(1),
        requests_per_day: Some(2),
        concurrency: Some(3),
        tokens_per_day: Some(4),
        tokens_per_month: Some(5),
        micro_usd_per_day: Some(6),
        micro_usd_per_month: Some(8),
        zone: Zone::fixed(3_600),
    };
    let numbers = |limits: Limits| {
        [
            limits.requests_per_minute,
            limits.requests_per_day,
            limits.concurrency,
            limits.tokens_per_day,
            limits.tokens_per_month,
            limits.micro_usd_per_day,
            limits.micro_usd_per_month,
        ]
    };
    for turn in 0..3 {
        let bound = |n: usize| bounds[(n + turn) % 3];
        let overrides = Overrides {
            requests_per_minute: bound(0),
            requests_per_day: bound(1),
            concurrency: bound(2),
            tokens_per_day: bound(3),
            tokens_per_month: bound(4),
            micro_usd_per_day: bound(5),
            micro_usd_per_month: bound(6),
        };
        let expected: Vec<_> = (0..7)
            .map(|n| match bound(n) {
                Some(Bound::AtMost(most)) => Some(most),
                Some(Bound::Unlimited) => None,
                None => numbers(given)[n],
            })
            .collect();
        let over = overrides.over(given);
        assert_eq!((numbers(over).to_vec(), over.zone), (expected, given.zone));
        assert_eq!(overrides.over(Limits::default()).requests_per_minute, if turn == 0 { Some(7) } else { None });
    }
}

#[test]
fn they_hold_at_once_and_after_a_restart() {
    let mut object = Object::new();
    let limits = Limits { requests_per_minute: Some(1), tokens_per_day: Some(10), ..Limits::default() };
    let ask = |object: &mut Object, id: &str| object.begin(Begin { limits, estimate: estimate(10, Some(10)), ..begin(id) }, NOW);
    let refused = ask(&mut object, "a").unwrap_err();
    assert!(matches!(refused.refusal, Refusal::Quota { scope: Budget::UserTokensPerDay, limit: 10, .. }), "{refused:?}");
    put(
        &mut object,
        Overrides { tokens_per_day: Some(Bound::Unlimited), requests_per_minute: Some(Bound::AtMost(2)), ..Overrides::default() },
    );
    let begun = ask(&mut object, "a").unwrap();
    let windows = &begun.rate.windows;
    let requests = behest::api::ratelimit::requests(windows).map(|window| (window.limit, window.remaining));
    assert_eq!((requests, behest::api::ratelimit::tokens(windows)), (Some((2, 1)), None));
    object.user = User::load(&object.store).unwrap();
    ask(&mut object, "b").unwrap();
    let refused = ask(&mut object, "c").unwrap_err();
    assert!(matches!(refused.refusal, Refusal::Rate { limit: 2, .. }), "{refused:?}");
    let Ok(Outcome::Rate(rate)) = object.apply(Command::Limits(limits), NOW) else { panic!() };
    assert_eq!(rate, refused.rate);
    put(&mut object, Overrides::default());
    assert!(matches!(ask(&mut object, "c").unwrap_err().refusal, Refusal::Rate { limit: 1, .. }));
}

#[test]
fn they_are_one_row_and_saying_the_same_again_is_none() {
    let mut object = Object::new();
    let some = Overrides { concurrency: Some(Bound::AtMost(3)), ..Overrides::default() };
    put(&mut object, Overrides::default());
    assert_eq!(object.store.written, 0);
    put(&mut object, some);
    put(&mut object, some);
    assert_eq!((object.store.written, said(&mut object)), (1, some));
    for (fault, kept) in [(Fault::Before, some), (Fault::After, Overrides::default())] {
        object.store.fault = fault;
        object.apply(Command::PutOverrides(Overrides::default()), NOW).unwrap_err();
        assert_eq!(said(&mut object), kept, "{fault:?}");
    }
}

#[test]
fn they_go_with_the_user() {
    let mut object = Object::new();
    put(&mut object, Overrides { requests_per_day: Some(Bound::AtMost(1)), ..Overrides::default() });
    object.apply(Command::Erase, NOW).unwrap();
    assert_eq!(said(&mut object), Overrides::default());
    object.user = User::load(&object.store).unwrap();
    assert_eq!(said(&mut object), Overrides::default());
}
