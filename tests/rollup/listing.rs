//! Single requests in pages: exactly newest first, each once, whatever is counted in between.

use behest::rollup::batch::Entry;
use behest::rollup::requests::{Filter, RequestsQuery};
use behest::user::store::Status;

use crate::words::{MINUTE, NOW, Project, all, batch, entry};

/// Users that tell in turns, at random times that collide now and then; what they told, newest first.
fn told(rng: &mut fastrand::Rng, users: u64, batches: u64) -> (Project, Vec<(u64, String, u64)>) {
    let mut project = Project::default();
    let mut expected = Vec::new();
    let mut next = vec![1; usize::try_from(users).unwrap()];
    for n in 0..batches {
        tell(rng, &mut project, &mut next, NOW + n * MINUTE, &mut expected);
    }
    (project, expected)
}

/// One batch of one user, with times up to an hour before `at`.
fn tell(rng: &mut fastrand::Rng, project: &mut Project, next: &mut [u64], at: u64, expected: &mut Vec<(u64, String, u64)>) {
    let n = rng.usize(..next.len());
    let user = format!("u{n}");
    let entries: Vec<Entry> = (0..rng.u64(1..8)).map(|_| entry(at - rng.u64(..60) * MINUTE)).collect();
    let (first, count) = (next[n], entries.len() as u64);
    expected.extend((first..).zip(&entries).map(|(number, entry)| (entry.at, user.clone(), number)));
    next[n] += count;
    project.apply(&user, batch(first, entries)).unwrap();
    expected.sort_by(|a, b| b.cmp(a));
}

#[test]
fn pages_of_any_size_are_one_list() {
    for seed in 0..6 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut project, expected) = told(&mut rng, 5, 120);
        for limit in [1, 2, 7, 64, 1_000] {
            assert_eq!(project.walk(limit, &Filter::default()), expected, "seed {seed}, pages of {limit}");
        }
        let only = Filter { user: Some("u3".to_owned()), ..Filter::default() };
        let theirs: Vec<_> = expected.iter().filter(|(_, user, _)| user == "u3").cloned().collect();
        assert_eq!(project.walk(3, &only), theirs, "seed {seed}");
        let (from, to) = (NOW + 20 * MINUTE, NOW + 50 * MINUTE);
        let page = project.page(RequestsQuery { from, to, ..all(1_000, &Filter::default()) });
        let within: Vec<_> = expected.iter().filter(|(at, ..)| (from..to).contains(at)).map(|(at, ..)| *at).collect();
        assert_eq!(page.lines.iter().map(|line| line.entry.at).collect::<Vec<_>>(), within, "seed {seed}");
    }
}

/// What was there when the walk began comes exactly once; what comes meanwhile comes at most once.
#[test]
fn pages_while_rows_arrive() {
    for seed in 0..10 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut project, before) = told(&mut rng, 4, 60);
        let mut next: Vec<u64> = (0..4).map(|n| before.iter().filter(|(_, user, _)| *user == format!("u{n}")).count() as u64 + 1).collect();
        let mut walked = Vec::new();
        let mut later = Vec::new();
        let mut query = all(rng.u64(1..10), &Filter::default());
        while {
            let page = project.page(query.clone());
            walked.extend(page.lines.into_iter().map(|line| (line.entry.at, line.user, line.entry.number)));
            query.below = page.next;
            query.below.is_some()
        } {
            let at = NOW + rng.u64(..60) * MINUTE;
            tell(&mut rng, &mut project, &mut next, at, &mut later);
        }
        assert!(walked.is_sorted_by(|a, b| a > b), "seed {seed}: not newest first, or twice");
        let missing: Vec<_> = before.iter().filter(|row| !walked.contains(row)).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}");
    }
}

/// Many users at the same time: a page reads a bounded number of rows, says where to go on, and gets on.
#[test]
fn a_page_that_finds_little_ends_early() {
    let mut project = Project::default();
    for n in 0..6_000 {
        project.apply(&format!("u{n:04}"), batch(1, vec![entry(NOW + n)])).unwrap();
    }
    project.apply("wanted", batch(1, vec![entry(NOW - MINUTE)])).unwrap();
    let filter = Filter { session: Some("s".to_owned()), model: Some("fast".to_owned()), ..Filter::default() };
    assert_eq!(project.walk(1_000, &filter).len(), 6_001);
    let nothing = Filter { session: Some("nobody's".to_owned()), ..Filter::default() };
    let page = project.page(all(10, &nothing));
    assert!(page.lines.is_empty() && page.next.is_some(), "it said where to go on");
    assert!(project.walk(10, &nothing).is_empty());
    // All at the same moment: nothing is between any two, and still it ends.
    let mut project = Project::default();
    for n in 0..6_000 {
        project.apply(&format!("u{n:04}"), batch(1, vec![entry(NOW)])).unwrap();
    }
    assert_eq!(project.walk(1_000, &Filter::default()).len(), 6_000);
    assert!(project.walk(10, &nothing).is_empty());
}

#[test]
fn filters() {
    let mut project = Project::default();
    let odd = Entry {
        session_id: "t".to_owned(),
        thread_id: Some("diary".to_owned()),
        model: "slow".to_owned(),
        model_served: "n".to_owned(),
        provider: "q".to_owned(),
        status: Status::Failed,
        ..entry(NOW)
    };
    project.apply("ann", batch(1, vec![entry(NOW), odd])).unwrap();
    let some = |text: &str| Some(text.to_owned());
    let any = Filter::default();
    for (filter, numbers) in [
        (any.clone(), vec![2, 1]),
        (Filter { user: some("ann"), ..any.clone() }, vec![2, 1]),
        (Filter { user: some("bob"), ..any.clone() }, vec![]),
        (Filter { model: some("fast"), ..any.clone() }, vec![1]),
        (Filter { model: some("n"), ..any.clone() }, vec![2]),
        (Filter { provider: some("q"), ..any.clone() }, vec![2]),
        (Filter { status: some("failed"), ..any.clone() }, vec![2]),
        (Filter { session: some("s"), ..any.clone() }, vec![1]),
        (Filter { thread: some("diary"), ..any.clone() }, vec![2]),
        (Filter { thread: some("diary"), status: some("completed"), ..any.clone() }, vec![]),
    ] {
        let found: Vec<u64> = project.walk(10, &filter).into_iter().map(|(_, _, number)| number).collect();
        assert_eq!(found, numbers, "{filter:?}");
    }
}
