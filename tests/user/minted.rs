//! Tokens under an `Idempotency-Key`: which one a name stands for, through restarts, in memory and in SQL.

use behest::user::minted::{FIND, Minted, TABLE, statements};
use behest::user::{Command, Outcome, Store, Write};
use serde_json::json;

use crate::memory::Memory;
use crate::script::Script;
use crate::words::Object;

pub fn minted(name: &str, jti: &str, issued_at: u64, expires_at: u64) -> Minted {
    Minted { name: name.into(), fingerprint: "f".into(), jti: jti.into(), sid: "s".into(), issued_at, expires_at }
}

fn ask(object: &mut Object, minted: Minted) -> String {
    let now = minted.issued_at * 1000;
    match object.apply(Command::Mint(minted), now) {
        Ok(Outcome::Minted(first)) => first.jti,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_one_stands_until_its_time_is_over() {
    let mut object = Object::new();
    for (name, jti, at, expected) in [
        ("a", "one", 100, "one"),
        ("a", "two", 101, "one"),
        ("b", "three", 102, "three"),
        ("a", "four", 199, "one"),
        ("a", "five", 200, "five"),
        ("a", "six", 201, "five"),
    ] {
        assert_eq!(ask(&mut object, minted(name, jti, at, at + 100)), expected, "{name} at {at}");
    }
    object.apply(Command::Erase, 202_000).unwrap();
    assert_eq!(ask(&mut object, minted("a", "seven", 203, 303)), "seven");
}

#[test]
fn sqlite_does_what_the_store_in_memory_does() {
    let (mut store, mut script, mut rng) = (Memory::default(), Script::default(), fastrand::Rng::with_seed(7));
    script.push(&(TABLE, vec![]), None);
    for n in 0..200 {
        let name = rng.choice(["a", "b", "c"]).unwrap();
        let row = minted(name, &n.to_string(), n, n + rng.u64(1..5));
        for statement in statements(&row) {
            script.push(&statement, None);
        }
        store.commit(&[Write::PutMinted(row)]).unwrap();
        for name in ["a", "b", "c"] {
            let found = store.minted(name).unwrap();
            let row = |row: &Minted| json!([row.name, row.fingerprint, row.jti, row.sid, row.issued_at, row.expires_at]);
            script.push(&(FIND, vec![name.into()]), Some(found.iter().map(row).collect()));
        }
    }
    script.run();
}
