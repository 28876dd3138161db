//! A request that goes on at another target: what it holds there, what it may cost, and whose prices it is charged.

use behest::price::Rates;
use behest::user::Store;
use behest::user::command::{Begin, Command, Ending, Estimate, Finish, Limits, Outcome, Progress, Reroute, Reservation};
use behest::user::refusal::{Budget, Refusal};
use behest::user::store::{KeySource, Served};

use crate::words::{NOW, Object, begin, estimate, finish, usage};

/// So many micro-dollars for each token.
fn rates(each: u64) -> Option<Rates> {
    let pico = each * 1_000_000;
    Rates::try_from([pico; 6].map(|price| price.to_string()).join(" ")).ok()
}

fn served(each: u64) -> Served {
    Served { provider: "q".to_owned(), model_served: "m-2".to_owned(), key_source: KeySource::Byok, rates: rates(each) }
}

fn usd(limit: u64) -> Limits {
    Limits { micro_usd_per_day: Some(limit), ..Limits::default() }
}

fn reroute(object: &mut Object, id: &str, each: u64, estimate: Estimate, limits: Limits) -> Result<Reservation, Refusal> {
    match object.apply(Command::Reroute(Reroute { request_id: id.to_owned(), served: served(each), estimate, limits, pass: None }), NOW) {
        Ok(Outcome::Rerouted(reservation)) => Ok(reservation),
        Ok(Outcome::Refused(refused)) => Err(refused.refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_charged_the_prices_of_who_served() {
    let mut object = Object::new();
    let begun = object.begin(Begin { rates: rates(1), limits: usd(1_000), ..begin("r") }, NOW).unwrap();
    assert_eq!(begun.reservation.reserved_micro_usd, 20);
    let moved = reroute(&mut object, "r", 5, estimate(10, Some(10)), usd(1_000)).unwrap();
    let expected = Reservation { reserved_micro_usd: 100, ..begun.reservation };
    assert_eq!(moved, expected);
    let row = object.store.request(1).unwrap().unwrap();
    assert_eq!((row.provider.as_str(), row.model_served.as_str(), row.rates, row.model.as_str()), ("q", "m-2", rates(5), "m"));
    let finished = object.finish(Finish { usage: Some(usage(10, 7)), ..finish("r", 1) }, NOW);
    assert_eq!(finished.micro_usd, Some(85));
}

/// Nobody finishes it: what is charged is what it held, at the prices of who was asked last.
#[test]
fn the_alarm_charges_them_too() {
    let mut object = Object::new();
    object.begin(Begin { rates: rates(1), ..begin("r") }, NOW).unwrap();
    reroute(&mut object, "r", 5, estimate(10, Some(10)), Limits::default()).unwrap();
    object.expire(NOW + 700_000);
    let row = object.store.request(1).unwrap().unwrap();
    assert_eq!((row.micro_usd, row.provider.as_str()), (100, "q"));
}

/// (what is asked, is it streamed, the limit in micro-dollars, what comes of it: output held, its maximum, how far it may grow)
#[test]
fn a_budget_is_kept_to_the_micro_dollar() {
    let named = estimate(10, Some(90));
    let open = estimate(10, None);
    let two = Estimate { choices: 2, ..open };
    // At first a token costs one micro-dollar, then five.
    for (asked, stream, limit, expected) in [
        (named, false, 500, Ok((90, None, None))),
        (named, false, 499, Err(())),
        (named, true, 500, Ok((90, None, None))),
        (open, false, 5_050, Ok((1_000, None, None))),
        (open, false, 5_049, Ok((999, Some(999), None))),
        (two, false, 5_049, Ok((998, Some(499), None))),
        (open, false, 1_010, Ok((192, Some(192), None))),
        (open, true, 10_100, Ok((1_000, None, Some(1_000)))),
        (open, true, 2_000, Ok((190, Some(390), Some(390)))),
        (open, false, 54, Err(())),
    ] {
        let mut object = Object::new();
        object.begin(Begin { rates: rates(1), limits: usd(limit), estimate: asked, stream, ..begin("r") }, NOW).unwrap();
        let moved = reroute(&mut object, "r", 5, asked, usd(limit));
        let shown = moved.as_ref().map(|held| (held.output(), held.max_output, held.grows_to)).map_err(|_| ());
        assert_eq!(shown, expected, "{asked:?} {stream} {limit}");
        match moved {
            Ok(held) => assert!(held.reserved_micro_usd <= limit, "{limit}: {held:?}"),
            Err(Refusal::Quota { scope, .. }) => assert_eq!(scope, Budget::UserUsdPerDay),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// A model that may say less is held to that; one that may say more is told what was reserved.
#[test]
fn it_holds_no_more_tokens_than_it_did() {
    let open = |output_default| Estimate { output_default, ..estimate(10, None) };
    for (first, second, expected) in [(1_000, 400, (400, None)), (400, 1_000, (400, Some(400))), (500, 500, (500, None))] {
        let mut object = Object::new();
        let limits = Limits { tokens_per_day: Some(10_000), ..Limits::default() };
        object.begin(Begin { limits, estimate: open(first), ..begin("r") }, NOW).unwrap();
        let moved = reroute(&mut object, "r", 1, open(second), limits).unwrap();
        assert_eq!((moved.output(), moved.max_output), expected, "{first} {second}");
    }
}

#[test]
fn what_has_reported_or_ended_does_not_move() {
    let mut object = Object::new();
    let refused = |object: &mut Object, id: &str| {
        let command = Command::Reroute(Reroute {
            request_id: id.to_owned(),
            served: served(1),
            estimate: estimate(10, None),
            limits: usd(9),
            pass: None,
        });
        assert!(object.apply(command, NOW).is_err(), "{id}");
    };
    refused(&mut object, "none");
    object.begin(begin("a"), NOW).unwrap();
    object.apply(Command::Progress(Progress { request_id: "a".to_owned(), usage: usage(10, 1), extend: None, pass: None }), NOW).unwrap();
    refused(&mut object, "a");
    let seq = object.begin(begin("b"), NOW).unwrap().reservation.seq;
    object.finish(Finish { status: Ending::Failed, usage: None, ..finish("b", seq) }, NOW);
    refused(&mut object, "b");
}

/// Requests that begin, move, and end in any order: what is spent and held never passes the limit, and every charge is its usage at
/// the prices of who served last.
#[test]
fn budgets_hold_whatever_moves() {
    const LIMIT: u64 = 5_000;
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut object, mut open, mut spent) = (Object::new(), Vec::<(String, u64, u64, Reservation)>::new(), 0);
        for n in 0..60 {
            match rng.u8(..4) {
                0 | 1 => {
                    let (each, asked) = (rng.u64(1..6), estimate(rng.u64(..50), rng.bool().then(|| rng.u64(1..200))));
                    let id = format!("r{n}");
                    let command = Begin { rates: rates(each), limits: usd(LIMIT), estimate: asked, stream: rng.bool(), ..begin(&id) };
                    if let Ok(begun) = object.begin(command, NOW) {
                        open.push((id, each, begun.reservation.seq, begun.reservation));
                    }
                }
                2 if !open.is_empty() => {
                    let at = rng.usize(..open.len());
                    let (each, output) = (rng.u64(1..20), open[at].3.output());
                    let asked = if rng.bool() { estimate(10, Some(output)) } else { estimate(10, None) };
                    if let Ok(moved) = reroute(&mut object, &open[at].0.clone(), each, asked, usd(LIMIT)) {
                        assert!(moved.reserved <= open[at].3.reserved, "seed {seed}");
                        (open[at].1, open[at].3) = (each, moved);
                    }
                }
                3 if !open.is_empty() => {
                    let (id, each, seq, held) = open.swap_remove(rng.usize(..open.len()));
                    let (input, output) = (rng.u64(..=held.input), rng.u64(..=held.output()));
                    let finished = object.finish(Finish { usage: Some(usage(input, output)), ..finish(&id, seq) }, NOW);
                    assert_eq!(finished.micro_usd, Some((input + output) * each), "seed {seed}");
                    spent += (input + output) * each;
                }
                _ => {}
            }
            let held: u64 = open.iter().map(|(_, _, _, held)| held.reserved_micro_usd).sum();
            assert!(spent + held <= LIMIT, "seed {seed}: {spent} + {held}");
        }
    }
}
