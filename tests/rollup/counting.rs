//! What is counted of what is told: once each, in sums that outlive the rows.

use behest::rollup::batch::{Batch, Entry};
use behest::rollup::requests::Filter;
use behest::rollup::store::TotalRow;
use behest::rollup::usage::{By, GroupKey, UsageQuery};
use behest::rollup::{Command, Outcome, Store, retain};
use behest::user::store::{KeySource, Status};

use crate::words::{DAY, HOUR, MINUTE, NOW, Project, RETENTION, batch, entry};

fn entries(count: u64) -> Vec<Entry> {
    (0..count).map(|n| entry(NOW + n)).collect()
}

#[test]
fn a_number_counts_once() {
    let mut project = Project::default();
    let told: [(u64, u64, Result<u64, u64>, u64); 8] = [
        (1, 3, Ok(3), 3),
        (1, 3, Ok(3), 3),
        (2, 5, Ok(6), 6),
        (1, 2, Ok(6), 6),
        (7, 1, Ok(7), 7),
        (9, 1, Err(8), 7),
        (8, 1, Ok(8), 8),
        (1, 8, Ok(8), 8),
    ];
    for (first, count, answer, requests) in told {
        assert_eq!(project.apply("ann", batch(first, entries(count))), answer, "{first} {count}");
        let total = project.total();
        assert_eq!((total.requests, total.input, total.output, total.micro_usd), (requests, requests * 10, requests * 5, requests * 1_000));
        assert_eq!(project.walk(100, &Filter::default()).len() as u64, requests);
    }
    // Another user has numbers of its own.
    assert_eq!(project.apply("bob", batch(1, entries(2))), Ok(2));
    assert_eq!(project.total().requests, 10);
}

#[test]
fn numbers_whose_rows_are_gone_leave_no_gap() {
    let mut project = Project::default();
    let lost = Batch { epoch: 0, first: 1, through: 5, entries: vec![Entry { number: 4, ..entry(NOW) }] };
    assert_eq!(project.apply("ann", lost), Ok(5));
    assert_eq!(project.apply("ann", Batch { epoch: 0, first: 6, through: 7, entries: vec![] }), Ok(7));
    assert_eq!(project.apply("ann", batch(8, entries(1))), Ok(8));
    assert_eq!(project.total().requests, 2);
}

#[test]
fn a_batch_costs_few_rows() {
    let mut project = Project::default();
    project.apply("ann", batch(1, entries(100))).unwrap();
    assert_eq!(project.store.written, 3, "one of sums, one of details, one of how far it is counted");
    let spread = (0..100).map(|n| entry(NOW + n * MINUTE)).collect();
    project.apply("ann", batch(101, spread)).unwrap();
    assert_eq!(project.store.written, 3 + 2 + 7 + 1, "two hours, seven spans of a quarter, one of how far");
    for row in project.store.rows.details.values() {
        assert!(row.newest_at - row.oldest_at <= 15 * MINUTE, "{row:?}");
    }
    let written = project.store.written;
    project.apply("ann", batch(101, entries(100))).unwrap();
    assert_eq!(project.store.written, written, "a second time costs nothing");
}

#[test]
fn sums_by_what_is_asked() {
    let mut project = Project::default();
    let odd = Entry {
        session_id: "t".to_owned(),
        model_served: "n".to_owned(),
        provider: "q".to_owned(),
        key_source: KeySource::Platform,
        status: Status::Failed,
        estimated: true,
        priced: false,
        micro_usd: 0,
        ..entry(NOW + HOUR)
    };
    project.apply("ann", batch(1, vec![entry(NOW), odd.clone(), entry(NOW + DAY)])).unwrap();
    project.apply("bob", batch(1, vec![entry(NOW + 1), odd])).unwrap();
    let told = |rows: Vec<TotalRow>, name: fn(&TotalRow) -> String| -> Vec<(String, u64, u64, u64, u64)> {
        rows.iter().map(|row| (name(row), row.requests, row.unpriced, row.estimated, row.micro_usd)).collect()
    };
    let of = |name: &str, requests, odd, micro_usd| (name.to_owned(), requests, odd, odd, micro_usd);
    let none = By::default();
    for (by, name, expected) in [
        (none, (|_| String::new()) as fn(&TotalRow) -> String, vec![of("", 5, 2, 3_000)]),
        (By { user: true, ..none }, |row| row.user.clone(), vec![of("ann", 3, 1, 2_000), of("bob", 2, 1, 1_000)]),
        (By { session: true, ..none }, |row| row.session.clone(), vec![of("s", 3, 0, 3_000), of("t", 2, 2, 0)]),
        (By { model: true, ..none }, |row| row.model.clone(), vec![of("m", 3, 0, 3_000), of("n", 2, 2, 0)]),
        (By { provider: true, ..none }, |row| row.provider.clone(), vec![of("p", 3, 0, 3_000), of("q", 2, 2, 0)]),
        (By { key_source: true, ..none }, |row| row.key_source.clone(), vec![of("byok", 3, 0, 3_000), of("platform", 2, 2, 0)]),
        (By { status: true, ..none }, |row| row.status.clone(), vec![of("completed", 3, 0, 3_000), of("failed", 2, 2, 0)]),
        (By { hours: Some(24), ..none }, |row| row.hour.to_string(), vec![of("20000", 4, 2, 2_000), of("20001", 1, 0, 1_000)]),
        (
            By { hours: Some(1), user: true, ..none },
            |row| format!("{} {}", row.hour, row.user),
            vec![
                of("480012 ann", 1, 0, 1_000),
                of("480012 bob", 1, 0, 1_000),
                of("480013 ann", 1, 1, 0),
                of("480013 bob", 1, 1, 0),
                of("480036 ann", 1, 0, 1_000),
            ],
        ),
    ] {
        assert_eq!(told(project.groups(by), name), expected, "{by:?}");
    }
    // A window of hours, and pages that go on where the last one ended.
    let by = By { hours: Some(1), user: true, ..none };
    let mut query = UsageQuery { from: 480_012, to: 480_014, by, after: None, limit: 3 };
    let first = project.usage(query.clone());
    assert_eq!((first.groups.len(), first.has_more, first.total.requests), (3, true, 4));
    query.after = first.groups.last().map(GroupKey::of);
    let second = project.usage(query);
    assert_eq!((second.groups.len(), second.has_more, second.total.requests), (1, false, 4));
    assert_eq!((second.groups[0].hour, second.groups[0].user.as_str()), (480_013, "bob"));
}

#[test]
fn rows_go_and_sums_stay() {
    let mut project = Project::default();
    project.apply("ann", batch(1, vec![entry(NOW - 2 * DAY), entry(NOW)])).unwrap();
    assert_eq!(retain::wake_at(&project.store, RETENTION).unwrap(), Some(NOW - 2 * DAY + RETENTION + 1));
    let listed = |project: &mut Project, now| match project.ask(Command::Requests(crate::words::all(9, &Filter::default())), now) {
        Ok(Outcome::Requests(page)) => page.lines.len(),
        other => panic!("{other:?}"),
    };
    let now = NOW - 2 * DAY + RETENTION + 1;
    assert_eq!(listed(&mut project, now), 1, "what is too old is not told, whether the alarm came or not");
    project.ask(Command::Prune, now).unwrap();
    assert_eq!((project.store.rows.details.len(), project.total().requests), (1, 2));
    assert_eq!(retain::wake_at(&project.store, RETENTION).unwrap(), Some(NOW + RETENTION + 1));
    // A bounded amount at a time.
    for n in 0..1_500 {
        project.apply("bob", batch(n + 1, vec![entry(NOW + n * 20 * MINUTE)])).unwrap();
    }
    let late = NOW + 1_500 * 20 * MINUTE + RETENTION;
    project.ask(Command::Prune, late).unwrap();
    assert_eq!(project.store.rows.details.len(), 501);
    project.ask(Command::Prune, late).unwrap();
    assert_eq!((project.store.rows.details.len(), retain::wake_at(&project.store, RETENTION).unwrap()), (0, None));
    assert_eq!(project.total().requests, 1_502);
}

#[test]
fn an_erased_user_is_nobody_and_their_sums_stay() {
    let mut project = Project::default();
    project.apply("ann", batch(1, entries(3))).unwrap();
    project.apply("bob", batch(1, entries(2))).unwrap();
    let before = project.total();
    let forget = |project: &mut Project, epoch| project.ask(Command::Forget { user: "ann".to_owned(), epoch }, NOW).unwrap();
    forget(&mut project, 1);
    forget(&mut project, 2);
    assert_eq!(project.total(), before);
    assert!(!format!("{:?}", (&project.store.rows.totals, &project.store.rows.details, &project.store.rows.applied)).contains("ann"));
    let users: Vec<_> =
        project.groups(By { user: true, session: true, ..By::default() }).into_iter().map(|row| (row.user, row.session)).collect();
    assert_eq!(users, [(String::new(), String::new()), ("bob".to_owned(), "s".to_owned())]);
    assert_eq!(project.walk(9, &Filter::default()).len(), 2);
    // What was on its way then comes too late; what they do now counts.
    assert_eq!(project.apply("ann", batch(1, entries(3))), Ok(3));
    assert_eq!(project.apply("ann", Batch { epoch: 1, ..batch(1, entries(3)) }), Ok(3));
    assert_eq!(project.total(), before);
    assert_eq!(project.apply("ann", Batch { epoch: 2, ..batch(1, entries(1)) }), Ok(1));
    assert_eq!(project.total().requests, 6);
    // Their name is remembered for an hour.
    assert_eq!(retain::wake_at(&project.store, RETENTION).unwrap(), Some(NOW + HOUR + 1));
    project.ask(Command::Prune, NOW + HOUR + 1).unwrap();
    assert!(project.store.rows.erased.is_empty());
}

#[test]
fn an_erasure_that_was_cut_short_loses_nothing() {
    let mut project = Project::default();
    project.apply("ann", batch(1, entries(3))).unwrap();
    // The user's object is erased, the project was not told of it: numbers begin again in a new epoch.
    assert_eq!(project.apply("ann", Batch { epoch: 1, ..batch(1, entries(2)) }), Ok(2));
    assert_eq!(project.apply("ann", Batch { epoch: 0, ..batch(1, entries(3)) }), Ok(3));
    assert_eq!((project.total().requests, project.walk(9, &Filter::default()).len()), (5, 2));
    assert_eq!(project.groups(By { user: true, ..By::default() })[0].user, "");
    assert_eq!(project.store.applied("ann").unwrap().map(|applied| (applied.epoch, applied.through)), Some((1, 2)));
}

#[test]
fn recent_users_and_nothing_left_after_a_wipe() {
    let mut project = Project::default();
    for (n, user) in ["ann", "bob", "cleo"].into_iter().enumerate() {
        let apply = Command::Apply { user: user.to_owned(), batch: batch(1, entries(1)) };
        project.ask(apply, NOW + n as u64).unwrap();
    }
    let recent = |project: &mut Project, since, limit| match project.ask(Command::Recent { since, limit }, NOW) {
        Ok(Outcome::Recent(users)) => users.join(" "),
        other => panic!("{other:?}"),
    };
    assert_eq!(recent(&mut project, NOW + 1, 9), "cleo bob");
    assert_eq!(recent(&mut project, 0, 1), "cleo");
    project.ask(Command::Wipe, NOW).unwrap();
    assert_eq!(project.store.rows, crate::memory::Rows::default());
}

#[test]
fn questions_and_answers_arrive_as_they_were_sent() {
    let commands = [
        Command::Apply {
            user: "a".to_owned(),
            batch: batch(1, vec![Entry { thread_id: Some("t".to_owned()), ttft_ms: None, ..entry(1) }]),
        },
        Command::Usage(UsageQuery { after: Some(GroupKey(1, [""; 6].map(str::to_owned))), ..UsageQuery::default() }),
        Command::Requests(crate::words::all(1, &Filter { thread: Some("t".to_owned()), ..Filter::default() })),
        Command::Forget { user: "a".to_owned(), epoch: 1 },
        Command::Prune,
    ];
    for command in commands {
        let text = serde_json::to_string(&command).unwrap();
        let back: Command = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{back:?}"), format!("{command:?}"));
    }
}
