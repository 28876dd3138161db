//! Days and months of a zone: their edges, their lengths, and moves from one zone to another.

use behest::user::User;
use behest::user::command::{Begin, Command, Finish, Limits, Outcome};
use behest::user::refusal::Refusal;
use behest::user::report::Standing;
use behest::zone::Zone;

use crate::words::{NOW, Object, begin, finish, usage};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// 2024-10-27, when Berlin goes from +2 to +1 at 01:00 UTC; 2025-03-30, when it goes back.
const AUTUMN: u64 = 20_023 * DAY;
const SPRING: u64 = 20_177 * DAY;
/// 2024-12-31.
const SYLVESTER: u64 = 20_088 * DAY;

fn berlin() -> Zone {
    Zone::fixed(7_200).then(AUTUMN + HOUR, 3_600).then(SPRING + HOUR, 7_200)
}

fn standing(object: &mut Object, zone: Zone, now: u64) -> Standing {
    match object.apply(Command::Standing(zone), now) {
        Ok(Outcome::Standing(standing)) => standing,
        other => panic!("{other:?}"),
    }
}

fn one_a_day(zone: Zone) -> Limits {
    Limits { requests_per_day: Some(1), zone, ..Limits::default() }
}

/// One request at the first and one at the last moment of a day: the second is refused until the moment after.
#[test]
fn days_are_those_of_the_zone() {
    for (name, zone, begins, ends) in [
        ("UTC", Zone::UTC, AUTUMN, AUTUMN + DAY),
        ("Berlin, 24 hours", berlin(), AUTUMN - 26 * HOUR, AUTUMN - 2 * HOUR),
        ("Berlin, 25 hours", berlin(), AUTUMN - 2 * HOUR, AUTUMN + 23 * HOUR),
        ("Berlin, 23 hours", berlin(), SPRING - HOUR, SPRING + 22 * HOUR),
        ("Kathmandu", Zone::fixed(20_700), AUTUMN - 20_700_000, AUTUMN + DAY - 20_700_000),
        ("Newfoundland", Zone::fixed(-12_600), AUTUMN + 12_600_000, AUTUMN + DAY + 12_600_000),
        ("Kiritimati", Zone::fixed(50_400), AUTUMN - 14 * HOUR, AUTUMN + 10 * HOUR),
        ("Kathmandu's new year", Zone::fixed(20_700), SYLVESTER - 20_700_000, SYLVESTER + DAY - 20_700_000),
    ] {
        let limits = one_a_day(zone);
        let mut object = Object::new();
        object.begin(Begin { limits, ..begin("before") }, begins - 1).unwrap();
        let begun = object.begin(Begin { limits, ..begin("first") }, begins).unwrap();
        let requests = behest::api::ratelimit::requests(&begun.rate.windows).unwrap();
        assert_eq!(requests.reset_ms, Some(ends - begins), "{name}");
        object.user = User::load(&object.store).unwrap();
        let refused = object.begin(Begin { limits, ..begin("last") }, ends - 1).unwrap_err();
        let Refusal::Quota { resets_at, used, .. } = refused.refusal else { panic!("{name}: {refused:?}") };
        assert_eq!((resets_at, used), (ends / 1000, 1), "{name}");
        object.begin(Begin { limits, ..begin("after") }, ends).unwrap();
    }
}

#[test]
fn months_and_years_end_with_the_zone() {
    for (zone, ends) in
        [(Zone::UTC, SYLVESTER + DAY), (berlin(), SYLVESTER + 23 * HOUR), (Zone::fixed(-12_600), SYLVESTER + DAY + 12_600_000)]
    {
        let limits = Limits { tokens_per_month: Some(30), zone, ..Limits::default() };
        let mut object = Object::new();
        let seq = object.begin(Begin { limits, ..begin("a") }, SYLVESTER).unwrap().reservation.seq;
        object.finish(Finish { usage: Some(usage(10, 10)), ..finish("a", seq) }, SYLVESTER);
        let refused = object.begin(Begin { limits, ..begin("b") }, ends - 1).unwrap_err();
        assert!(matches!(refused.refusal, Refusal::Quota { resets_at, used: 20, .. } if resets_at == ends / 1000), "{refused:?}");
        assert_eq!(standing(&mut object, zone, ends - 1).month_ends, ends);
        object.begin(Begin { limits, ..begin("b") }, ends).unwrap();
        assert_eq!(standing(&mut object, zone, ends).tokens_month, 20);
    }
}

/// At noon UTC it is the same date in Berlin, the next one in Kiritimati: what was used on a date is used on that date.
#[test]
fn a_move_in_mid_day_gives_a_day_back_only_with_its_own_requests() {
    let (here, there) = (one_a_day(berlin()), one_a_day(Zone::fixed(50_400)));
    let mut object = Object::new();
    let mut ask = |id: &str, limits, now| {
        let answer = object.begin(Begin { limits, ..begin(id) }, now).is_ok();
        object.user = User::load(&object.store).unwrap();
        answer
    };
    assert!(ask("a", here, NOW));
    assert!(!ask("b", one_a_day(Zone::UTC), NOW + 1), "the same date elsewhere");
    assert!(ask("b", there, NOW + 2), "another date");
    assert!(!ask("c", there, NOW + 3));
    assert!(!ask("c", here, NOW + 4), "back on the date before");
    assert!(!ask("c", here, NOW + 12 * HOUR), "the next date was used already, over there");
    assert!(ask("c", here, NOW + 34 * HOUR));
}

/// A reservation is of the day it began on, also when it is settled on another and in another zone.
#[test]
fn what_runs_over_midnight_is_charged_to_the_day_before() {
    let zone = berlin();
    let midnight = AUTUMN - 2 * HOUR;
    let mut object = Object::new();
    let seq = object.begin(begin_in(zone, "late"), midnight - 1).unwrap().reservation.seq;
    object.begin(begin_in(zone, "early"), midnight).unwrap();
    assert_eq!(standing(&mut object, zone, midnight).tokens_day, 20);
    object.finish(Finish { usage: Some(usage(500, 500)), ..finish("late", seq) }, midnight + 1);
    for zone in [zone, Zone::fixed(50_400), zone] {
        let now = standing(&mut object, zone, midnight + 2);
        assert_eq!((now.tokens_day, now.tokens_month), (20, 1_020), "{zone:?}");
    }
    let before = standing(&mut object, Zone::fixed(-39_600), midnight + 2);
    assert_eq!((before.tokens_day, before.requests_day), (1_000, 1));
}

fn begin_in(zone: Zone, id: &str) -> Begin {
    Begin { limits: Limits { zone, ..Limits::default() }, ..begin(id) }
}

/// Day totals are written on a date, and then, after a move, on the one before: none of them is read twice or not at all.
#[test]
fn totals_outlive_moves() {
    let (east, west) = (Zone::fixed(50_400), Zone::fixed(-39_600));
    let mut object = Object::new();
    let mut number = 0;
    for (zone, requests) in [(east, 450), (west, 450), (east, 10)] {
        for _ in 0..requests {
            number += 1;
            let id = format!("r{number}");
            let seq = object.begin(begin_in(zone, &id), NOW + number).unwrap().reservation.seq;
            object.finish(finish(&id, seq), NOW + number);
        }
    }
    assert_eq!(object.store.rows.days.len(), 2);
    object.user = User::load(&object.store).unwrap();
    for (zone, requests) in [(east, 460), (west, 450), (Zone::UTC, 450)] {
        let now = standing(&mut object, zone, NOW + number);
        assert_eq!((now.requests_day, now.tokens_day, now.tokens_month), (requests, 2 * requests, 1_820), "{zone:?}");
    }
}
