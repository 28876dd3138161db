//! Schedules of requests, answers and failures: who fetches, who waits, who goes on with what there is.

use serde_json::json;

use super::*;

/// The public key of RFC 8037, appendix A.2.
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn set(kids: &[&str]) -> KeySet {
    let keys: Vec<Value> = kids.iter().map(|kid| json!({"kty": "OKP", "crv": "Ed25519", "x": X, "kid": kid})).collect();
    KeySet::read(&json!({ "keys": keys })).unwrap()
}

#[allow(clippy::unnecessary_wraps, reason = "what a fetch gives")]
fn good(kids: &[&str]) -> Result<Fetched> {
    Ok(Fetched { keys: set(kids), cache_control: None })
}

fn bad() -> Result<Fetched> {
    Err(Error::server("no"))
}

/// What happens, and what is to be seen: `use`, `fetch n`, `wait n`, `fail`.
enum Step {
    Ask(&'static str, Option<u64>),
    Land(u64, Result<Fetched>),
    Abandon(u64),
}
use Step::{Abandon, Ask, Land};

fn shown(next: &Next) -> String {
    match next {
        Next::Use(_) => "use".into(),
        Next::Fetch(n) => format!("fetch {n}"),
        Next::Wait(n) => format!("wait {n}"),
        Next::Fail(_) => "fail".into(),
    }
}

fn check(name: &str, steps: Vec<(u64, Step, &str)>) {
    let mut jwks = Jwks::default();
    for (number, (at_ms, step, expected)) in steps.into_iter().enumerate() {
        let seen = match step {
            Ask(kid, waited) => shown(&jwks.next(Some(kid), waited, at_ms)),
            Land(flight, fetched) => jwks.landed(flight, fetched, at_ms).map_or_else(|e| e.status().to_string(), |_| "use".into()),
            Abandon(flight) => {
                jwks.abandoned(flight);
                String::new()
            }
        };
        assert_eq!(seen, expected, "{name}, step {number} at {at_ms} ms");
    }
}

#[test]
fn schedules() {
    check(
        "one flight, others wait, then all use it until it is due",
        vec![
            (0, Ask("a", None), "fetch 1"),
            (1, Ask("a", None), "wait 1"),
            (2, Ask("b", Some(1)), "wait 1"),
            (10, Land(1, good(&["a"])), "use"),
            (11, Ask("a", Some(1)), "use"),
            (600_009, Ask("a", None), "use"),
            (600_010, Ask("a", None), "fetch 2"),
            (600_011, Ask("a", None), "use"),
        ],
    );
    check(
        "an unknown kid is looked for once in 30 s, the same one later",
        vec![
            (0, Ask("a", None), "fetch 1"),
            (1, Land(1, good(&["a"])), "use"),
            (1_000, Ask("x", None), "fetch 2"),
            (1_001, Ask("y", None), "wait 2"),
            (1_001, Ask("a", None), "use"),
            (1_010, Land(2, good(&["a"])), "use"),
            (1_011, Ask("y", Some(2)), "use"),
            (1_012, Ask("x", None), "use"),
            (30_999, Ask("y", None), "use"),
            (31_000, Ask("x", None), "use"),
            (31_000, Ask("y", None), "fetch 3"),
            (31_010, Land(3, good(&["a", "y"])), "use"),
            (121_000, Ask("x", None), "fetch 4"),
        ],
    );
}

#[test]
fn schedules_of_failures() {
    check(
        "without any keys failure is told to those who waited, with a growing pause",
        vec![
            (0, Ask("a", None), "fetch 1"),
            (1, Ask("a", None), "wait 1"),
            (10, Land(1, bad()), "503"),
            (11, Ask("a", Some(1)), "fail"),
            (5_009, Ask("a", None), "fail"),
            (5_010, Ask("a", None), "fetch 2"),
            (5_020, Land(2, bad()), "503"),
            (15_019, Ask("a", None), "fail"),
            (15_020, Ask("a", None), "fetch 3"),
            (15_030, Land(3, good(&["a"])), "use"),
            (15_031, Ask("a", None), "use"),
        ],
    );
    check(
        "an outage is bridged for an hour after the keys were last fresh",
        vec![
            (0, Ask("a", None), "fetch 1"),
            (0, Land(1, good(&["a"])), "use"),
            (600_000, Ask("a", None), "fetch 2"),
            (600_100, Land(2, bad()), "use"),
            (600_101, Ask("a", None), "use"),
            (605_100, Ask("a", None), "fetch 3"),
            (605_200, Land(3, bad()), "use"),
            (4_199_999, Ask("a", None), "fetch 4"),
            (4_199_999, Land(4, bad()), "use"),
            (4_200_000, Ask("a", None), "fail"),
        ],
    );
    check(
        "a flight that was lost with its request is not waited for",
        vec![
            (0, Ask("a", None), "fetch 1"),
            (3_999, Ask("a", None), "wait 1"),
            (4_000, Ask("a", None), "fetch 2"),
            (4_001, Land(1, bad()), "503"),
        ],
    );
    check(
        "a flight that was given up is taken over at once",
        vec![(0, Ask("a", None), "fetch 1"), (1, Abandon(1), ""), (2, Ask("a", Some(1)), "fetch 2")],
    );
}

#[test]
fn freshness_is_the_providers_within_bounds() {
    for (header, seconds) in [
        (None, 600),
        (Some("public"), 600),
        (Some("public, max-age=3600, must-revalidate"), 3_600),
        (Some("Max-Age=\"120\""), 120),
        (Some("max-age=0"), 60),
        (Some("max-age=99999999999999999"), 86_400),
        (Some("max-age=99999999999999999999999"), 600),
        (Some("max-age=-1"), 600),
        (Some("no-store, max-age=3600"), 60),
    ] {
        assert_eq!(life_ms(header), seconds * 1_000, "{header:?}");
    }
}

#[test]
fn the_memory_of_missing_kids_is_bounded() {
    let mut jwks = Jwks::default();
    let Next::Fetch(flight) = jwks.next(None, None, 0) else { panic!("no fetch") };
    jwks.landed(flight, good(&["a"]), 0).unwrap();
    for n in 0..1_000 {
        jwks.look_for(&format!("k{n}"), n);
    }
    assert_eq!(jwks.missing.len(), MAX_MISSING);
}

#[test]
fn keys_of_other_kinds_are_passed_over_and_garbage_is_no_set() {
    let mixed = json!({"keys": [
        {"kty": "new"}, 7, {"kty": "OKP", "crv": "Ed25519", "x": X, "use": "enc"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "good"},
    ]});
    assert_eq!(KeySet::read(&mixed).unwrap().0.len(), 1);
    for garbage in [
        json!([]),
        json!({}),
        json!({"keys": {}}),
        json!({"keys": []}),
        json!({"keys": [{"kty": "new"}]}),
        json!({"keys": vec![json!({}); 101]}),
    ] {
        assert!(KeySet::read(&garbage).is_err(), "{garbage}");
    }
    assert!(KeySet::check_inline(&json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": X, "d": "canary"}]})).is_err());
}
