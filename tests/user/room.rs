//! What is left of a project's limits, as its users are told: by the real pool, for two users.

use behest::api::ratelimit::Window;
use behest::lease::pool::{Answer, Terms};
use behest::lease::{Ask, Pool, Reply, Span};
use behest::user::Command;
use behest::user::command::{Begin, Limits, Outcome, ProjectTerms, RateSnapshot, Refused};
use behest::user::refusal::Refusal;

use crate::rows::LeaseRows;
use crate::words::{NOW, Object, begin, estimate, finish, usage};

const DAY_ENDS: u64 = NOW + 43_200_000;

struct Project {
    pool: Pool,
    rows: LeaseRows,
    terms: Terms,
}

impl Project {
    fn new(limits: Limits) -> Self {
        let terms = Terms {
            version: 1,
            limits,
            span: Span { day: 20_000, month: 19_997 },
            late: Span { day: 20_000, month: 19_997 },
            day_begins: NOW,
            month_begins: NOW,
            day_ends: DAY_ENDS,
            month_ends: DAY_ENDS,
        };
        Self { pool: Pool::default(), rows: LeaseRows::default(), terms }
    }

    /// The project's answer. Of those that it calls back only the asker hears.
    fn ask(&mut self, object: &mut Object, ask: &Ask, now: u64) -> Reply {
        for recalled in [false, true] {
            match self.pool.ask(&mut self.rows, &self.terms, ask, recalled, now).unwrap() {
                Answer::Reply(reply) => return reply,
                Answer::Recall(recalls) => {
                    for recall in recalls.into_iter().filter(|recall| recall.user == ask.user) {
                        let Ok(Outcome::Reported(report)) = object.apply(Command::GiveBack(Some(recall)), now) else { panic!() };
                        self.pool.reported(&mut self.rows, &self.terms, &ask.user, &report, now).unwrap();
                    }
                }
            }
        }
        panic!("recalled twice")
    }

    /// Begins a request of a user as its object does.
    fn begin(&mut self, object: &mut Object, user: &str, id: &str, now: u64) -> Result<RateSnapshot, Refused> {
        let project = ProjectTerms { id: "p".to_owned(), user: user.to_owned(), version: self.terms.version, leased: true };
        let mut begin = Begin { project, estimate: estimate(10, Some(90)), ..begin(id) };
        let mut outcome = object.user.admit(&mut object.store, &mut begin, None, now).unwrap();
        if let Outcome::Ask(ask) = &outcome {
            let reply = self.ask(object, ask, now);
            outcome = object.user.admit(&mut object.store, &mut begin, Some(&(reply, now)), now).unwrap();
        }
        match outcome {
            Outcome::Begun(admitted) => Ok(admitted.rate),
            Outcome::Refused(refused) => Err(refused),
            other => panic!("{other:?}"),
        }
    }
}

/// (policy, limit, left) of each window.
fn told(rate: &RateSnapshot) -> Vec<(&str, u64, u64)> {
    rate.windows.iter().map(|Window { policy, limit, remaining, .. }| (policy.name(), *limit, *remaining)).collect()
}

fn limits(tokens_per_day: u64) -> Limits {
    Limits { requests_per_minute: Some(100), concurrency: Some(40), tokens_per_day: Some(tokens_per_day), ..Limits::default() }
}

#[test]
fn what_the_others_hold_is_not_left_and_ones_own_is_known_to_the_moment() {
    let mut project = Project::new(limits(100_000));
    let (mut one, mut two) = (Object::new(), Object::new());
    let alone = [("project-requests-minute", 100, 99), ("project-concurrency", 40, 39), ("project-tokens-day", 100_000, 99_900)];
    assert_eq!(told(&project.begin(&mut one, "one", "a", NOW).unwrap()), alone);
    // The first user holds a slice: requests for 4, places for 4, tokens for 16 more requests.
    let beside = [("project-requests-minute", 100, 94), ("project-concurrency", 40, 34), ("project-tokens-day", 100_000, 98_200)];
    let rate = project.begin(&mut two, "two", "b", NOW + 10).unwrap();
    let left = told(&rate);
    for ((name, limit, left), (expected, of, most)) in left.iter().zip(beside) {
        assert_eq!((*name, *limit), (expected, of));
        assert!(*left <= most && *left > limit / 2, "{name}: {left} of {most}");
    }
    // Without a word to the project: one more, of its own slice, and the day's budget gets what was not used back.
    let rate_again = project.begin(&mut two, "two", "c", NOW + 20).unwrap();
    let again = told(&rate_again);
    assert_eq!(again.iter().zip(&left).map(|(now, before)| before.2 - now.2).collect::<Vec<_>>(), [1, 1, 100]);
    two.finish(finish("b", 1), NOW + 30);
    let Ok(Outcome::Rate(rate_settled)) = two.apply(Command::Limits(Limits::default()), NOW + 40) else { panic!() };
    assert_eq!(told(&rate_settled)[2].2, left[2].2 - usage(1, 1).total());
    let room = project.pool.room_for(&mut project.rows, "two", &project.terms, NOW + 40).unwrap();
    assert_eq!(room.shares.values().map(|part| part.limit - part.others).collect::<Vec<_>>(), [left[2].2 + 100]);
}

#[test]
fn a_lowered_limit_leaves_nothing_and_never_less() {
    let mut project = Project::new(limits(100_000));
    let mut one = Object::new();
    project.begin(&mut one, "one", "a", NOW).unwrap();
    (project.terms.version, project.terms.limits) = (2, limits(50));
    let refused = project.begin(&mut one, "one", "b", NOW + 10).unwrap_err();
    let refusal = refused.refusal.error();
    assert_eq!(refusal.status(), 402, "{refusal:?}");
    assert_eq!(told(&refused.rate)[2], ("project-tokens-day", 50, 0));
}

#[test]
fn of_a_lease_that_is_over_nothing_is_told() {
    let mut project = Project::new(limits(100_000));
    let mut one = Object::new();
    project.begin(&mut one, "one", "a", NOW).unwrap();
    for (at, windows) in [(NOW + 900_000, 3), (NOW + 900_001, 0)] {
        let Ok(Outcome::Rate(rate)) = one.apply(Command::Limits(Limits::default()), at) else { panic!() };
        assert_eq!(rate.windows.len(), windows, "{rate:?}");
    }
}

/// What the refusal says of waiting is what the window says.
#[test]
fn a_refusal_of_the_minute_says_when_it_frees() {
    let mut project = Project::new(Limits { requests_per_minute: Some(1), ..Limits::default() });
    let (mut one, mut two) = (Object::new(), Object::new());
    assert_eq!(told(&project.begin(&mut one, "one", "a", NOW).unwrap()), [("project-requests-minute", 1, 0)]);
    let refused = project.begin(&mut two, "two", "b", NOW + 10).unwrap_err();
    assert_eq!(refused.refusal.error().status(), 429);
    let [window] = refused.rate.windows[..] else { panic!("{refused:?}") };
    assert_eq!(window.remaining, 0);
    let Refusal::Rate { retry_after_ms, .. } = refused.refusal else { panic!("{refused:?}") };
    assert_eq!(window.frees_ms, Some(retry_after_ms));
}

/// Once it is another date for the user, what the lease says of the day's budget is of yesterday.
#[test]
fn of_another_day_no_budget_is_told() {
    let mut project = Project::new(limits(100_000));
    let mut one = Object::new();
    project.begin(&mut one, "one", "a", NOW).unwrap();
    let elsewhere = Limits { zone: behest::zone::Zone::fixed(50_400), ..Limits::default() };
    let Ok(Outcome::Rate(rate)) = one.apply(Command::Limits(elsewhere), NOW + 1) else { panic!() };
    assert_eq!(told(&rate), [("project-requests-minute", 100, 99), ("project-concurrency", 40, 39)]);
}

/// How many requests of 100 tokens are admitted, and what the refusal says was used.
fn until_refused(project: &mut Project, object: &mut Object, user: &str, from: u64) -> (usize, u64) {
    let mut admitted = 0;
    loop {
        match project.begin(object, user, &format!("{user}-{from}-{admitted}"), NOW + from) {
            Ok(_) => admitted += 1,
            Err(Refused { refusal: Refusal::Quota { used, .. }, .. }) => return (admitted, used),
            Err(refused) => panic!("{refused:?}"),
        }
    }
}

fn tokens_only(tokens_per_day: u64) -> Limits {
    Limits { tokens_per_day: Some(tokens_per_day), ..Limits::default() }
}

#[test]
fn a_budget_that_is_switched_on_counts_what_is_in_the_ledger() {
    let hour = NOW / 3_600_000;
    let mut project = Project::new(tokens_only(1_000));
    // Somebody who left, and yesterday, which does not count.
    project.rows.ledger.insert((hour, "gone".to_owned()), [3, 650, 0]);
    project.rows.ledger.insert((hour - 13, "gone".to_owned()), [9, 9_000, 0]);
    let mut one = Object::new();
    assert_eq!(until_refused(&mut project, &mut one, "one", 0), (3, 950));
    // What it has used itself comes into the ledger: it is counted already. What others have used comes too: it was not.
    project.rows.ledger.insert((hour, "one".to_owned()), [3, 300, 0]);
    project.pool.told(&mut project.rows, &project.terms, "one").unwrap();
    assert_eq!(until_refused(&mut project, &mut one, "one", 10), (0, 950));
    project.rows.ledger.insert((hour, "late".to_owned()), [1, 40, 0]);
    project.pool.told(&mut project.rows, &project.terms, "late").unwrap();
    assert_eq!(until_refused(&mut project, &mut one, "one", 20), (0, 990));
    // The same when the object has been away.
    project.pool = Pool::load(&project.rows).unwrap();
    assert_eq!(until_refused(&mut project, &mut one, "one", 30), (0, 990));
}

#[test]
fn an_erased_user_counts_once_and_a_new_one_of_its_name_beside_it() {
    let hour = NOW / 3_600_000;
    let mut project = Project::new(tokens_only(1_000));
    let (mut one, mut two) = (Object::new(), Object::new());
    assert_eq!(until_refused(&mut project, &mut one, "one", 0), (10, 1_000));
    project.rows.ledger.insert((hour, "one".to_owned()), [6, 600, 0]);
    project.pool.told(&mut project.rows, &project.terms, "one").unwrap();
    let spent = project.pool.spent_of(&project.rows, &project.terms, "one").unwrap();
    let moved = project.rows.ledger.remove(&(hour, "one".to_owned())).unwrap();
    project.rows.ledger.insert((hour, String::new()), moved);
    project.pool.forgot(&mut project.rows, &project.terms, "one", &spent).unwrap();
    assert_eq!(until_refused(&mut project, &mut two, "two", 10), (0, 1_000));
    project.terms.limits = tokens_only(1_200);
    let mut again = Object::new();
    assert_eq!(until_refused(&mut project, &mut again, "one", 20), (2, 1_200));
    project.pool = Pool::load(&project.rows).unwrap();
    assert_eq!(until_refused(&mut project, &mut two, "two", 30), (0, 1_200));
}

/// From the next day on every user has told all of its own; the ledger is not asked any more, until a limit may have been off.
#[test]
fn the_ledger_counts_only_where_counting_began() {
    let (mut project, mut one) = next_day(20_000);
    assert_eq!(until_refused(&mut project, &mut one, "one", 46_800_000), (10, 1_000));
    for (version, used) in [(2, 1_000), (4, 1_500)] {
        project.terms.version = version;
        assert_eq!(until_refused(&mut project, &mut one, "one", 46_800_000 + version), (0, used), "{version}");
    }
}

/// An isolate may admit on the next day by the configuration before.
#[test]
fn the_ledger_counts_on_the_next_day_if_the_budget_was_set_just_before() {
    let (mut project, mut one) = next_day(20_001);
    assert_eq!(until_refused(&mut project, &mut one, "one", 46_800_000), (5, 1_000));
}

/// The day after a budget was set, when older configurations might be in use until `late`: one user was refused on the first day;
/// another, which the project does not hear of, has spent half of it on the next.
fn next_day(late: u64) -> (Project, Object) {
    let (mut project, mut one) = (Project::new(tokens_only(1_000)), Object::new());
    project.terms.late.day = late;
    assert_eq!(until_refused(&mut project, &mut one, "one", 0), (10, 1_000));
    let span = Span { day: 20_001, ..project.terms.span };
    project.terms = Terms { span, late: span, day_begins: DAY_ENDS, day_ends: DAY_ENDS + 86_400_000, ..project.terms };
    project.rows.ledger.insert((NOW / 3_600_000 + 13, "gone".to_owned()), [1, 500, 0]);
    (project, one)
}
