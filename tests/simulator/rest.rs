//! What holds when all is quiet: nothing is reserved, everything is counted once, and nothing has leaked.
//!
//! Always holds: the books say what is left of each limit; one user must get all of it, and not one unit more.

use behest::calendar::{DAY_MS, next_month};
use behest::lease::{Share, Span};
use behest::user::command::{Command, Ending, Estimate, Limits, Outcome};
use behest::user::refusal::{Budget, Refusal};

use crate::workers::State;
use crate::world::World;

const MINUTE_MS: u64 = 60_000;
/// Within this time messages arrive when nothing goes wrong, ms.
const ANSWER_MS: u64 = 200;
/// Within this time a request is answered, ms: it may be that a user who is gone is waited for.
const ANSWERED_MS: u64 = 2_000;
/// The longest that a request runs under a lease, ms.
const RUN_MS: u64 = 660_000;
/// Requests made to use up what is left.
const MOST: usize = 40;

/// Of what all must be there again.
#[derive(Clone, Copy)]
struct Whole {
    places: bool,
    budgets: bool,
}

impl World {
    pub fn come_to_rest(&mut self) {
        self.say(|| "rest".to_owned());
        self.calm = true;
        self.run_out();
        for request in 0..self.requests.len() {
            self.finish_as_reserved(request);
        }
        self.wait(ANSWER_MS);
        self.users.iter_mut().for_each(|object| object.check_memory(self.now));
        self.let_reservations_expire();
        (0..self.users.len()).for_each(|user| self.roll_up(user, true));
        self.check_users();
        // Clocks that were set back see everything later.
        let slack = self.project.set_back + self.users.iter().map(|object| object.set_back).sum::<u64>() + 10_000;
        let (lost, erased) = (self.users.iter().any(|object| object.lost), self.users.iter().any(|object| object.born > 0));
        self.wait(MINUTE_MS + slack);
        if lost || erased {
            let leases_end = self.users.iter().map(super::user_object::UserObject::leases_end).max().unwrap_or(0);
            self.run_until((leases_end + MINUTE_MS + slack).max(self.now));
            self.use_whole(Whole { places: false, budgets: false });
            self.wait(RUN_MS + slack);
            self.use_whole(Whole { places: true, budgets: false });
            self.seen.used_whole_after_loss += u64::from(lost);
            self.seen.used_whole_after_erasure += u64::from(erased);
        } else {
            self.use_whole(Whole { places: true, budgets: true });
        }
        if lost || erased || self.rng.u8(..8) == 0 {
            self.wait((next_month(self.now / DAY_MS)) * DAY_MS - self.now + DAY_MS / 2);
            self.use_whole(Whole { places: true, budgets: true });
        }
    }

    fn wait(&mut self, ms: u64) {
        self.run_until(self.now + ms);
    }

    /// Until nothing is under way.
    fn run_out(&mut self) {
        let (from, mut rounds) = (self.now, 0);
        while let Some(end) = self.wire.end() {
            self.run_until(end);
            rounds += 1;
            assert!(rounds < 2_000, "messages without end since {from}");
        }
    }

    fn finish_as_reserved(&mut self, request: usize) {
        if matches!(self.requests[request].state, State::Begun(_)) {
            self.finish(request, Some(self.reserved(request)), Ending::Completed);
        }
    }

    /// What nobody finishes is over by its time, and by the alarm.
    fn let_reservations_expire(&mut self) {
        let reachable: Vec<usize> = (0..self.users.len()).filter(|user| !self.users[*user].lost).collect();
        let open = self.books.entries.iter().filter(|entry| !entry.settled && reachable.contains(&entry.user));
        let last = open.map(|entry| entry.admitted + entry.ttl).max();
        if let Some(last) = last {
            let set_back = self.users.iter().map(|object| object.set_back).max().unwrap_or(0);
            self.run_until((last + set_back + 10_000).max(self.now));
        }
        for user in reachable {
            self.alarm(user);
        }
        self.wait(ANSWER_MS);
    }

    /// Nothing is reserved, and what each user says it has used is what the books say.
    fn check_users(&mut self) {
        for user in (0..self.users.len()).filter(|user| !self.users[*user].lost).collect::<Vec<_>>() {
            let born = self.users[user].born;
            assert!(self.books.open_of(user, born).is_empty(), "still open: {:?}", self.books.open_of(user, born));
            let now = self.users[user].clock(self.now);
            let object = &mut self.users[user];
            let Ok(Outcome::Standing(standing)) = object.user.apply(&mut object.store, Command::Standing(behest::zone::Zone::UTC), now)
            else {
                panic!("standing")
            };
            let day = standing.day_ends / DAY_MS - 1;
            let month = behest::calendar::month_of(day);
            let sums = |share| self.books.sum_of(user, born, share, Span { day, month });
            assert_eq!(
                [
                    standing.running,
                    standing.requests_day,
                    standing.tokens_day,
                    standing.tokens_month,
                    standing.micro_usd_day,
                    standing.micro_usd_month
                ],
                [
                    0,
                    sums(Share::RequestsPerDay),
                    sums(Share::TokensPerDay),
                    sums(Share::TokensPerMonth),
                    sums(Share::UsdPerDay),
                    sums(Share::UsdPerMonth)
                ],
                "{user}"
            );
        }
    }

    /// One user takes all that is left of every limit: many small requests, then one as large as can be, then one too many.
    fn use_whole(&mut self, whole: Whole) {
        if *self.limits(self.newest()) == Limits::default() {
            return;
        }
        let to_midnight = DAY_MS - self.now % DAY_MS;
        if !(10 * MINUTE_MS..=DAY_MS - 2 * MINUTE_MS).contains(&to_midnight) {
            self.wait(15 * MINUTE_MS);
        }
        let users: Vec<usize> = (0..self.users.len()).filter(|user| !self.users[*user].lost).collect();
        let user = self.rng.choice(users).unwrap();
        self.say(|| format!("{user} uses all that is left"));
        let small = Estimate { input: 1, output: Some(1), output_default: 1, choices: 1 };
        let mut taken = Vec::new();
        while taken.len() < MOST
            && let Some(request) = self.take(user, small, whole)
        {
            taken.push(request);
        }
        for request in taken {
            self.finish_as_reserved(request);
        }
        self.wait(MINUTE_MS + ANSWER_MS + 12_000);
        let Some(large) = self.largest() else { return };
        if let Some(request) = self.take(user, large, whole) {
            self.finish_as_reserved(request);
            self.wait(ANSWER_MS);
            if self.take(user, small, whole).is_none() && whole.budgets {
                self.check_held();
            }
        }
    }

    /// Asks for one request; it must be refused if the books say so, and for that reason, and else admitted.
    fn take(&mut self, user: usize, estimate: Estimate, whole: Whole) -> Option<usize> {
        let mut begin = self.plain(user);
        begin.estimate = estimate;
        let (expected, start) = (self.verdict(estimate), self.now);
        let request = self.ask(user, begin);
        while self.requests[request].state == State::Asked {
            self.wait(5);
            assert!(self.now < start + ANSWERED_MS, "no answer");
        }
        match (&self.requests[request].state, expected) {
            (State::Begun(_), None) => Some(request),
            (State::Refused(Refusal::Rate { scope, .. }), Some(Limit::Rate)) if scope == "project" => {
                self.seen.used_whole_rate += 1;
                None
            }
            (State::Refused(Refusal::Concurrency { whose, .. }), Some(Limit::Places)) if whose == "project" => {
                self.seen.used_whole_places += 1;
                None
            }
            (State::Refused(Refusal::Quota { scope, used, .. }), Some(Limit::Budget(first)))
                if self.may_refuse(*scope, first, estimate) =>
            {
                let share = Share::ALL.into_iter().find(|share| share.of_project() == *scope).unwrap();
                let (truly, unknown) = (self.books.sum(share, self.span()).committed, self.unknown(share));
                assert!((truly.saturating_sub(unknown)..=truly).contains(used) || !whole.budgets, "{share:?}: {used} used, truly {truly}");
                let before = self.books.sum(share, self.span()).ever_unlimited;
                self.seen.used_whole_budget += u64::from(unknown == 0);
                self.seen.used_whole_switched_on += u64::from(unknown == 0 && before > 0);
                None
            }
            (State::Begun(_), Some(Limit::Budget(share))) if self.unknown(share) > 0 => Some(request),
            (State::Refused(Refusal::Concurrency { .. }), _) if !whole.places => None,
            (State::Refused(Refusal::Quota { .. }), _) if !whole.budgets => None,
            (state, expected) => self.give_up(format_args!("{estimate:?} of {user} is {state:?}, expected to be refused for {expected:?}")),
        }
    }

    /// How much of a budget may be spent without the project's knowing of it: what was billed beyond a reservation, if the
    /// message that told of it may be lost, and what users spent before there was a limit and is not rolled up.
    fn unknown(&self, share: Share) -> u64 {
        let (sum, trouble) = (self.books.sum(share, self.span()), self.trouble);
        let share_span = self.span().of(share);
        let certain = !(trouble.messages || trouble.delays || trouble.commits || trouble.crashes);
        self.books.unlimited(share, share_span, &self.settings) + if certain { 0 } else { sum.overdrawn }
    }

    fn give_up(&self, why: std::fmt::Arguments) -> ! {
        self.say(|| format!("{:#?}", self.project.pool));
        panic!("{why}");
    }

    /// The first limit that does not allow a request.
    fn verdict(&self, estimate: Estimate) -> Option<Limit> {
        let limits = self.limits(self.newest());
        if limits.requests_per_minute.is_some_and(|limit| self.books.counted(self.now) >= limit) {
            return Some(Limit::Rate);
        }
        if limits.concurrency.is_some_and(|limit| self.books.running(self.now) >= limit) {
            return Some(Limit::Places);
        }
        Share::ALL.into_iter().find(|share| self.is_tight(*share, estimate)).map(Limit::Budget)
    }

    /// Whether a budget does not allow a request.
    fn is_tight(&self, share: Share, estimate: Estimate) -> bool {
        let output = estimate.output.unwrap();
        let needed = match share {
            Share::RequestsPerDay => 1,
            Share::TokensPerDay | Share::TokensPerMonth => estimate.input + output,
            Share::UsdPerDay | Share::UsdPerMonth => estimate.input + 2 * output,
        };
        let limit = share.limit(self.limits(self.newest()));
        limit.is_some_and(|limit| self.books.sum(share, self.span()).committed + needed > limit)
    }

    /// Whether a budget may be what refuses a request, if `first` is the first that does not allow it: the project may not know
    /// all of that.
    fn may_refuse(&self, scope: Budget, first: Share, estimate: Estimate) -> bool {
        let tight = |share: &Share| share.of_project() == scope && self.is_tight(*share, estimate);
        scope == first.of_project() || (self.unknown(first) > 0 && Share::ALL.iter().any(tight))
    }

    /// The largest request that the budgets allow; `None` if they allow none, or any.
    fn largest(&self) -> Option<Estimate> {
        let limits = self.limits(self.newest());
        let left = |share: Share| Some(share.limit(limits)?.saturating_sub(self.books.sum(share, self.span()).committed));
        let tokens = [left(Share::TokensPerDay), left(Share::TokensPerMonth)].into_iter().flatten().map(|left| left.saturating_sub(1));
        let dollars = [left(Share::UsdPerDay), left(Share::UsdPerMonth)].into_iter().flatten().map(|left| left.saturating_sub(1) / 2);
        let output = tokens.chain(dollars).min().filter(|output| *output > 0)?;
        Some(Estimate { input: 1, output: Some(output), output_default: 1, choices: 1 })
    }

    /// After everyone was asked: the pool knows what is truly committed of each budget.
    fn check_held(&mut self) {
        let (span, limits) = (self.span(), *self.limits(self.newest()));
        for share in Share::ALL.into_iter().filter(|share| share.limit(&limits).is_some()) {
            let held = self.project.pool.as_ref().unwrap().held(share, span);
            let truly = self.books.sum(share, span).committed;
            assert!((truly.saturating_sub(self.unknown(share))..=truly).contains(&held), "{share:?}: {held} held, truly {truly}");
        }
    }

    fn span(&self) -> Span {
        let day = self.now / DAY_MS;
        Span { day, month: behest::calendar::month_of(day) }
    }
}

/// What refuses a request.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Rate,
    Places,
    Budget(Share),
}
