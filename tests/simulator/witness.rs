//! What becomes of a user's rows is seen here, checked against what was asked, and entered in the books.
//!
//! Always holds: every command of a user goes this way; whatever is written is entered when it is written, whoever hears of
//! it. Absent on purpose: what follows for the project (`books`).

use behest::api::usage::TokenUsage;
use behest::calendar::{day_of, month_of};
use behest::error::{Code, Result};
use behest::lease::holder::RUN_MS;
use behest::lease::{Recall, Span};
use behest::user::User;
use behest::user::command::{Begin, Ending, Finish, Limits, Outcome, Progress};
use behest::user::store::{RequestRow, Status};

use crate::books::{Amount, Entry};
use crate::memory::{Fault, Memory};
use crate::world::World;

/// Why a row may change.
pub enum Cause<'a> {
    Begin(&'a Begin),
    Finish(&'a Finish),
    Progress(&'a Progress),
    Recall(&'a Recall),
    Erase,
    Other,
}

impl World {
    /// The one way to a user's state. Gives its answer; an error is a commit that was made to fail, or a conflict.
    pub fn with(
        &mut self,
        user: usize,
        cause: &Cause,
        work: impl FnOnce(&mut User, &mut Memory, u64) -> Result<Outcome>,
    ) -> Result<Outcome> {
        let fault = self.fault();
        let object = &mut self.users[user];
        let clock = object.clock(self.now);
        if !matches!(cause, Cause::Finish(_) | Cause::Progress(_)) {
            self.books.pass(user, object.born, clock.max(object.newest.1));
        }
        object.store.fault = fault;
        let commits = object.store.commits;
        let answer = work(&mut object.user, &mut object.store, clock);
        let struck = fault != Fault::None && std::mem::take(&mut object.store.fault) == Fault::None;
        let wrote = object.store.commits > commits;
        match &answer {
            Ok(outcome) => assert!(!struck, "a failed commit was answered with {outcome:?}"),
            Err(error) if struck => assert_eq!(error.code(), Code::ServerError),
            Err(error) => assert_eq!(error.code(), Code::Conflict, "{error:?}"),
        }
        object.failed = struck;
        self.seen.fail(struck.then_some(fault));
        if wrote {
            self.enter(user, cause);
        }
        answer
    }

    /// Enters in the books what has become of a user's rows.
    fn enter(&mut self, user: usize, cause: &Cause) {
        let born = self.users[user].born;
        match cause {
            Cause::Erase => {
                self.books.erase(user, born);
                let object = &mut self.users[user];
                (object.born, object.told, object.newest) = (born + 1, 0, (0, 0));
                return;
            }
            Cause::Recall(recall) if self.users[user].store.rows.holding.as_ref().is_some_and(|holding| holding.epoch > 0) => {
                self.users[user].told = self.users[user].told.max(recall.version);
            }
            Cause::Progress(progress) => self.enter_report(user, progress),
            _ => {}
        }
        for index in self.books.open_of(user, born) {
            let row = self.users[user].store.rows.requests.get(&self.books.entries[index].seq).cloned().expect("an open row was pruned");
            if row.status != Status::Open {
                self.enter_end(index, &row, cause);
            }
        }
        let (newest, _) = self.users[user].newest;
        let rows: Vec<RequestRow> = self.users[user].store.rows.requests.range(newest + 1..).map(|(_, row)| row.clone()).collect();
        for row in rows {
            let Cause::Begin(begin) = cause else { panic!("a row without a request: {row:?}") };
            self.enter_admission(user, &row, begin);
        }
    }

    fn enter_report(&mut self, user: usize, progress: &Progress) {
        let open = self.books.open_of(user, self.users[user].born);
        let index = open.into_iter().find(|index| self.is(*index, &progress.request_id)).expect("a report of what is not open");
        let entry = &self.books.entries[index];
        let row = &self.users[user].store.rows.requests[&entry.seq];
        let (usage, output) = (row.usage(), row.reserved_output);
        if (usage, output) == (entry.progress, entry.reserved.output) {
            // Only a lease was written.
            return;
        }
        let newest = entry.progress.filter(|known| known.output > progress.usage.output).unwrap_or(progress.usage);
        assert_eq!(
            (usage, row.reserved_micro_usd),
            (Some(newest), Amount::of(TokenUsage { output, ..entry.reserved }, entry.priced).micro_usd)
        );
        let held = progress.extend.map(|extend| extend.held);
        assert!(output == entry.reserved.output || (output > entry.reserved.output && held == Some(entry.reserved.output)), "{row:?}");
        self.seen.extended += u64::from(output > entry.reserved.output);
        self.books.hear(index, newest, output, &self.settings);
    }

    fn is(&self, index: usize, request_id: &str) -> bool {
        self.requests[self.books.entries[index].request].begin.request_id == request_id
    }

    fn enter_end(&mut self, index: usize, row: &RequestRow, cause: &Cause) {
        let entry = &self.books.entries[index];
        let charge = match cause {
            Cause::Finish(finish) if finish.request_id == row.request_id => match finish.usage {
                Some(usage) => usage,
                None if finish.status == Ending::Failed && entry.progress.is_none() => TokenUsage::default(),
                None => entry.presumed(),
            },
            _ => {
                assert!(row.status == Status::Expired && entry.due, "ended by nobody: {row:?}");
                self.seen.expired += 1;
                entry.presumed()
            }
        };
        assert_eq!((row.usage(), row.micro_usd), (Some(charge), Amount::of(charge, entry.priced).micro_usd), "{entry:?}");
        self.books.settle(index, charge);
        self.seen.settled += 1;
    }

    fn enter_admission(&mut self, user: usize, row: &RequestRow, begin: &Begin) {
        let (estimate, version) = (begin.estimate, begin.project.version);
        let whole = estimate.output.unwrap_or(estimate.output_default);
        assert_eq!(row.request_id, begin.request_id);
        assert_eq!(row.reserved_input, estimate.input);
        assert!(row.reserved_output == whole || (estimate.output.is_none() && row.reserved_output < whole), "{row:?}");
        assert!(row.at >= self.users[user].newest.1 && row.deadline - row.at <= RUN_MS.max(begin.ttl_ms));
        let reserved = TokenUsage { input: row.reserved_input, output: row.reserved_output, ..TokenUsage::default() };
        let counted = Amount::of(reserved, begin.rates.is_some());
        assert_eq!(row.reserved_micro_usd, counted.micro_usd);
        self.seen.granted_less += u64::from(row.max_output.is_some() && begin.limits == Limits::default());
        self.seen.in_instalments += u64::from(row.grows_to.is_some_and(|most| most > row.reserved_output));
        let day = day_of(row.at);
        let entry = Entry {
            user,
            born: self.users[user].born,
            seq: row.seq,
            request: begin.request_id[1..].parse().unwrap(),
            version,
            admitted: self.now,
            at: row.at,
            told: false,
            deadline: row.deadline,
            ttl: row.deadline - row.at,
            span: Span { day, month: month_of(day) },
            reserved,
            priced: begin.rates.is_some(),
            progress: None,
            counted,
            due: false,
            settled: false,
            ended: false,
        };
        self.say(|| format!("  admitted by {version}: {counted:?} on {day}"));
        self.check_lease(user, begin);
        let set_back: Vec<u64> = self.users.iter().map(|object| object.set_back).collect();
        self.books.admit(entry, &self.settings, &set_back, self.now);
        self.users[user].newest = (row.seq, row.at);
        self.seen.came_back += u64::from(self.users[user].born > 0);
    }

    /// What is admitted by a limit is admitted within the life of a lease, by no older configuration than was told of, and
    /// by none at all that the project says is gone.
    fn check_lease(&self, user: usize, begin: &Begin) {
        let (object, version) = (&self.users[user], begin.project.version);
        assert!(version >= object.told, "admitted by {version} after {} was told", object.told);
        if begin.project.leased {
            let until = object.leases.get(&version).copied().unwrap_or(0);
            assert!(self.now <= until + object.set_back, "admitted {} ms after its lease", self.now - until);
            let told = self.project.all_told;
            assert!(version >= told || object.set_back > 0, "admitted by {version} after everyone was told of {told}");
        }
    }
}
