//! Streams that report what they have used, and want to hold more.

use behest::user::command::{Command, Extend, Limits, Outcome, Progress, Progressed};

use super::{World, chance};

impl World {
    /// A schedule for streams that run on, some of them past midnight, and whose budgets are the only limits.
    pub fn streaming(seed: u64) -> Self {
        let mut world = Self { streaming: true, slow: true, ..Self::new(seed) };
        world.limits = Limits { requests_per_minute: None, requests_per_day: None, concurrency: None, ..world.limits };
        world.now = world.local.begins(world.local.day(world.now) + 1, world.now) - world.rng.u64(..30_000);
        if world.limits == (Limits { zone: world.limits.zone, ..Limits::default() }) {
            world.limits.tokens_per_day = Some(1_000);
        }
        world
    }

    pub(super) fn progress(&mut self) {
        let Some(place) = self.some_flight() else { return };
        let request_id = self.flights[place].begin.request_id.clone();
        let usage = chance::usage(&mut self.rng, 50, 200);
        let Some(request) = self.ledger.requests.get(&request_id).filter(|request| request.charge.is_none()) else {
            return self.progress_of_none(Progress { request_id, usage, extend: None, pass: None });
        };
        // Mostly as the Worker knows it; sometimes its knowledge is old.
        let held = if self.rng.u8(..8) == 0 { request.output / 2 } else { request.output };
        let extend = Extend { used: self.rng.u64(..300), held, limits: self.limits };
        let extend = Some(extend).filter(|_| self.rng.u8(..4) > 0);
        let (before, day, foreseen) = (request.output, request.day, request.grows_to);
        let (output, in_the_way) = self.ledger.extension(&request_id, usage, extend, &self.local, self.now);
        let (commits, written) = (self.store.commits, self.store.written);
        match self.apply(Command::Progress(Progress { request_id: request_id.clone(), usage, extend, pass: None })) {
            Ok(Outcome::Progressed(progressed)) => {
                assert_eq!((progressed.counted, progressed.reserved_output), (true, output));
                self.check_stop(&progressed, in_the_way);
                assert!(self.store.written - written <= 1, "a report is one row");
            }
            Err(None) if self.persisted(commits) => {}
            Err(None) => return,
            other => panic!("progress: {other:?}"),
        }
        self.ledger.progress(&request_id, usage, output);
        self.seen.progressed += 1;
        self.seen.extended += u64::from(output > before);
        self.seen.extended_beyond += u64::from(foreseen.is_some_and(|foreseen| output > before && output > foreseen));
        self.seen.extended_after_midnight += u64::from(output > before && day < self.local.day(self.ledger.newest_at()));
    }

    /// A report on what is over, or never was.
    fn progress_of_none(&mut self, progress: Progress) {
        let commits = self.store.commits;
        match self.apply(Command::Progress(progress)) {
            Ok(Outcome::Progressed(told)) => assert_eq!(told, Progressed { counted: false, reserved_output: 0, stop: None }),
            other => panic!("progress: {other:?}"),
        }
        assert_eq!(self.store.commits, commits, "a report on nothing wrote");
    }
}
