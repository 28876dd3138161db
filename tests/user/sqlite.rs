//! The SQL of threads against the store in memory that the other tests trust, on tables as they are made today, and on those of
//! an older build with threads in them.
//!
//! Absent on purpose: every other table, and the platform (tests/worker).

use behest::user::schema::{SCHEMA, THREAD, THREADS, THREADS_BEFORE, TURNS, UPGRADES, statements};
use behest::user::store::{Extent, ThreadRow};
use behest::user::{Store, Write};
use serde_json::{Value, json};

use crate::memory::{Memory, Piece};
use crate::script::Script;

/// As builds up to November 2026 made it.
const OLD_TURNS: &str = "CREATE TABLE turns (thread TEXT NOT NULL, turn INTEGER NOT NULL, piece INTEGER NOT NULL, body TEXT NOT NULL, \
     PRIMARY KEY (thread, turn, piece)) WITHOUT ROWID";
const THREAD_IDS: [&str; 5] = ["a", "a/b", "b", "ß", "100"];

fn thread(row: &ThreadRow) -> Value {
    json!([row.id, row.title, row.created_at, row.last_message_at, row.messages, row.bytes, row.version, row.born])
}

fn write(script: &mut Script, store: &mut Memory, write: Write) {
    for statement in statements(&write) {
        script.push(&statement, None);
    }
    store.commit(&[write]).unwrap();
}

/// What the store in memory answers, SQLite must answer.
fn ask(script: &mut Script, store: &Memory, rng: &mut fastrand::Rng) {
    for id in THREAD_IDS {
        script.push(&(THREAD, vec![id.into()]), Some(store.thread(id).unwrap().iter().map(thread).collect()));
        let turns = store.turns(id).unwrap();
        script.push(&(TURNS, vec![id.into()]), Some(turns.iter().map(|row| json!([row.turn, row.piece, row.body])).collect()));
    }
    let limit = rng.u64(1..6);
    let all = store.threads(None, limit).unwrap();
    script.push(&(THREADS, vec![limit.into()]), Some(all.iter().map(thread).collect()));
    if let Some(last) = all.last() {
        let binds = vec![last.last_message_at.into(), last.id.as_str().into(), limit.into()];
        let rest = store.threads(Some((last.last_message_at, &last.id)), limit).unwrap();
        script.push(&(THREADS_BEFORE, binds), Some(rest.iter().map(thread).collect()));
    }
}

fn any(rng: &mut fastrand::Rng, store: &Memory) -> Write {
    let id = (*rng.choice(&THREAD_IDS).unwrap()).to_owned();
    let Some(row) = store.thread(&id).unwrap() else {
        let (created_at, last_message_at) = (rng.u64(..9), rng.u64(..20));
        return Write::PutThread(ThreadRow {
            id,
            title: "New".to_owned(),
            created_at,
            last_message_at,
            messages: 0,
            bytes: 0,
            version: 0,
            born: rng.u64(..9),
        });
    };
    match rng.u8(..10) {
        0 => Write::DeleteThread { thread: id },
        1 => Write::PutThread(ThreadRow { title: format!("Renamed {}", rng.u8(..9)), ..row }),
        2 => Write::TruncateTurns { thread: id, from: rng.u64(..=row.version) },
        _ => {
            let extent = Extent { last_message_at: rng.u64(..20), messages: rng.u64(..9), bytes: rng.u64(..99) };
            let pieces = (0..rng.u8(1..4)).map(|piece| format!("[{piece}]")).collect();
            Write::PutTurn { thread: id, turn: row.version + 1, extent, pieces }
        }
    }
}

/// Threads as an older build stored them: the thread's own row says everything, and goes with each turn.
fn old_threads(script: &mut Script, store: &mut Memory) {
    script.push(&(OLD_TURNS, vec![]), None);
    let requests = SCHEMA[0].replace(", cache_write_hour INTEGER NOT NULL DEFAULT 0", "");
    assert_ne!(requests, SCHEMA[0]);
    // Statements are constants.
    script.push(&(requests.leak(), vec![]), None);
    for (n, id) in (1..).zip(THREAD_IDS) {
        let row = ThreadRow {
            id: id.to_owned(),
            title: "Old".to_owned(),
            created_at: n,
            last_message_at: n + 5,
            messages: 2 * n,
            bytes: 9,
            version: n,
            born: n,
        };
        for turn in 1..=n {
            script.push(&("INSERT INTO turns VALUES (?, ?, ?, ?)", vec![id.into(), turn.into(), 0.into(), "[]".into()]), None);
            store.rows.turns.insert((id.to_owned(), turn, 0), Piece { extent: None, body: "[]".to_owned() });
        }
        store.rows.threads.insert(id.to_owned(), row);
    }
}

fn check(old: bool, seed: u64) {
    let (mut store, mut script, mut rng) = (Memory::default(), Script::default(), fastrand::Rng::with_seed(seed));
    if old {
        old_threads(&mut script, &mut store);
    }
    for statement in SCHEMA {
        script.push(&(statement, vec![]), None);
    }
    for (question, upgrade) in UPGRADES {
        script.push(&(question, vec![]), Some(json!([[u8::from(!old)]])));
        for statement in upgrade.iter().filter(|_| old) {
            script.push(&(statement, vec![]), None);
        }
        script.push(&(question, vec![]), Some(json!([[1]])));
    }
    for row in store.rows.threads.values() {
        for statement in statements(&Write::PutThread(row.clone())) {
            script.push(&statement, None);
        }
    }
    for _ in 0..500 {
        ask(&mut script, &store, &mut rng);
        let next = any(&mut rng, &store);
        write(&mut script, &mut store, next);
    }
    script.run();
}

#[test]
fn sqlite_does_what_the_store_in_memory_does() {
    for seed in 0..4 {
        check(seed % 2 == 1, seed);
    }
}
