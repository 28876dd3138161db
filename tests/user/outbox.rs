//! What the project is told of settled requests, and how that decides about rows and the alarm.

use behest::user::command::{Begin, Command, Ending, Expire, Finish, Limits, Outcome};
use behest::user::outbox::{Acknowledge, MOST_ENTRIES};
use behest::user::store::Status;
use behest::user::{RETENTION_MS, Store, User};

use crate::words::{NOW, Object, ROLL_UP, begin, finish, told};

const DAY: u64 = 86_400_000;

/// So many requests, the first settled last.
fn settled(count: u64) -> Object {
    let mut object = Object::new();
    let seqs: Vec<u64> = (0..count).map(|n| object.begin(begin(&format!("r{n}")), NOW + n).unwrap().reservation.seq).collect();
    for (n, seq) in seqs.iter().enumerate().rev() {
        object.finish(finish(&format!("r{n}"), *seq), NOW + count);
    }
    object
}

fn numbers(object: &mut Object, limit: u64) -> Vec<(u64, String)> {
    object.outbox(limit).entries.into_iter().map(|entry| (entry.number, entry.request_id)).collect()
}

#[test]
fn settlements_are_told_in_their_order() {
    let mut object = settled(3);
    let named = |n: u64, id: &str| (n, id.to_owned());
    assert_eq!(numbers(&mut object, 9), [named(1, "r2"), named(2, "r1"), named(3, "r0")]);
    assert_eq!(numbers(&mut object, 2), [named(1, "r2"), named(2, "r1")]);
    assert_eq!(object.acknowledge(told(2)), 1);
    assert_eq!(numbers(&mut object, 2), [named(3, "r0")]);
    // What comes late, or of another epoch, changes nothing; what is told again writes nothing.
    let commits = object.store.commits;
    assert_eq!(object.acknowledge(told(1)), 1);
    assert_eq!(object.acknowledge(Acknowledge { epoch: 1, ..told(3) }), 1);
    assert_eq!((object.acknowledge(told(2)), object.store.commits), (1, commits));
    assert_eq!(object.acknowledge(told(3)), 0);
    assert!(object.outbox(9).is_empty());
    check_memory(&mut object);
}

#[test]
fn a_batch_is_bounded_in_requests_and_bytes() {
    let mut object = settled(MOST_ENTRIES + 20);
    assert_eq!(object.outbox(1 << 40).entries.len() as u64, MOST_ENTRIES);
    let mut object = Object::new();
    for n in 0..100 {
        let id = format!("r{n}");
        let seq = object.begin(Begin { model: "m".repeat(5_000), ..begin(&id) }, NOW).unwrap().reservation.seq;
        object.finish(finish(&id, seq), NOW);
    }
    let mut count = 0;
    while object.user.waiting() > 0 {
        let batch = object.outbox(100);
        assert_eq!(batch.entries.len() as u64, batch.through + 1 - batch.first);
        assert!(serde_json::to_string(&batch).unwrap().len() < 80_000);
        count += batch.entries.len();
        object.acknowledge(told(batch.through));
    }
    assert_eq!(count, 100);
}

#[test]
fn a_project_that_lost_something_is_told_again() {
    let mut object = settled(5);
    object.tell_all();
    assert_eq!(object.acknowledge(Acknowledge { rewind: true, ..told(2) }), 3);
    assert_eq!(numbers(&mut object, 9).iter().map(|(n, _)| *n).collect::<Vec<_>>(), [3, 4, 5]);
    // One that knows more than we do has taken those numbers.
    object.acknowledge(told(9));
    let seq = object.begin(begin("new"), NOW + 10).unwrap().reservation.seq;
    object.finish(finish("new", seq), NOW + 10);
    assert_eq!(numbers(&mut object, 9), [(10, "new".to_owned())]);
    check_memory(&mut object);
}

#[test]
fn reading_begins_where_something_waits() {
    let mut object = settled(50);
    let slow = object.begin(begin("slow"), NOW + 60).unwrap().reservation.seq;
    for n in 0..10 {
        let seq = object.begin(begin(&format!("s{n}")), NOW + 60).unwrap().reservation.seq;
        object.finish(finish(&format!("s{n}"), seq), NOW + 60);
    }
    object.tell_all();
    assert_eq!(object.store.rows.outbox.low, slow, "the lowest that is still to be told");
    object.finish(finish("slow", slow), NOW + 70);
    object.tell_all();
    assert_eq!(object.store.rows.outbox.low, slow + 11);
}

#[test]
fn rows_wait_for_the_project_longer_than_their_retention() {
    let mut object = settled(3);
    object.acknowledge(told(1));
    let late = NOW + RETENTION_MS + DAY;
    object.expire(late);
    assert_eq!(object.store.rows.requests.len(), 3, "r0 and r1 come before r2, and are not told");
    object.acknowledge(told(3));
    object.expire(late);
    assert_eq!(object.store.rows.requests.len(), 0);
    // Only what could not be told for 400 days goes untold; its numbers are not given again.
    let mut object = settled(3);
    object.expire(NOW + 401 * DAY);
    assert_eq!(object.store.rows.requests.len(), 0);
    let seq = object.begin(begin("new"), NOW + 402 * DAY).unwrap().reservation.seq;
    object.finish(finish("new", seq), NOW + 402 * DAY);
    let batch = object.outbox(100);
    assert_eq!((batch.first, batch.through, batch.entries.len(), batch.entries[0].number), (1, 4, 1, 4));
    check_memory(&mut object);
}

#[test]
fn the_project_says_how_long_rows_are_kept() {
    let mut object = settled(3);
    object.acknowledge(Acknowledge { retention_ms: Some(3 * DAY), ..told(3) });
    let expire = |object: &mut Object, now| object.apply(Command::Expire(Expire { retention_ms: None, roll_up_ms: ROLL_UP }), now).unwrap();
    expire(&mut object, NOW + 2 * DAY);
    assert_eq!(object.store.rows.requests.len(), 3);
    expire(&mut object, NOW + 3 * DAY + 10);
    assert_eq!(object.store.rows.requests.len(), 0);
}

#[test]
fn the_alarm_tells_soon_and_then_ever_more_seldom() {
    let mut object = Object::new();
    let seq = object.begin(begin("a"), NOW).unwrap().reservation.seq;
    assert_eq!(object.store.rows.alarm, Some(NOW + ROLL_UP));
    assert_eq!(object.expire(NOW + ROLL_UP), Some(NOW + 2 * ROLL_UP), "it still runs");
    let done = NOW + ROLL_UP + 1_000;
    object.finish(finish("a", seq), done);
    let mut now = done;
    let mut waits = Vec::new();
    for _ in 0..9 {
        let next = object.expire(now).unwrap();
        waits.push((next - now) / ROLL_UP);
        now = next;
    }
    assert_eq!(waits, [1, 1, 2, 4, 8, 16, 32, 64, 72], "nobody can be told");
    object.tell_all();
    assert_eq!(object.expire(now), Some(NOW + RETENTION_MS + 1));
}

#[test]
fn closing_settles_what_runs_and_erasing_begins_anew() {
    let mut object = settled(2);
    object.begin(begin("runs"), NOW + 9).unwrap();
    object.apply(Command::Close, NOW + 10).unwrap();
    let batch = object.outbox(9);
    let last = batch.entries.last().unwrap();
    assert_eq!((last.request_id.as_str(), last.status, last.estimated, last.number), ("runs", Status::Expired, true, 3));
    let row = object.store.request(3).unwrap().unwrap();
    assert_eq!(row.settled_at, Some(NOW + 10));
    assert!(matches!(object.apply(Command::Erase, NOW), Ok(Outcome::Erased { epoch: 1 })));
    let late = Finish { status: Ending::Completed, ..finish("runs", 3) };
    assert!(!object.finish(late, NOW).settled);
    let seq = object.begin(begin("new"), NOW).unwrap().reservation.seq;
    object.finish(finish("new", seq), NOW);
    let batch = object.outbox(9);
    assert_eq!((batch.epoch, batch.first, batch.through), (1, 1, 1));
    // What was told of the user before says nothing about the user now.
    assert_eq!(object.acknowledge(told(1)), 1);
    check_memory(&mut object);
}

/// Memory is what the rows say, but for the zone that the last command named.
fn check_memory(object: &mut Object) {
    let mut memory = object.user.clone();
    let mut loaded = User::load(&object.store).unwrap();
    for user in [&mut memory, &mut loaded] {
        user.apply(&mut object.store, Command::Limits(Limits::default()), 0).unwrap();
    }
    assert_eq!(memory, loaded);
}
