//! What is true: every request that was admitted, what it holds or has cost, and what that adds up to.
//!
//! Always holds: the books see rows appear and rows settled, and what was sent; they ask the code nothing. An admission that
//! passes a limit fails the schedule at once. Times are true ones, but for the day and the month: those are of the user's
//! clock, as in its rows.

use std::collections::BTreeMap;

use behest::api::usage::TokenUsage;
use behest::calendar::{day_of, month_of};
use behest::lease::{Share, Span};
use behest::user::command::Limits;

const WINDOW_MS: u64 = 60_000;
/// A deployed isolate believes a configuration for half a minute, and KV has a delay of its own, ms; the Workers here may keep
/// one for ever.
const BELIEVED_MS: u64 = 120_000;

/// Tokens and micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub tokens: u64,
    pub micro_usd: u64,
}

impl Amount {
    /// What a usage costs at the prices of `chance::rates`, or without a price.
    pub fn of(usage: TokenUsage, priced: bool) -> Self {
        Self { tokens: usage.input + usage.output, micro_usd: if priced { usage.input + 2 * usage.output } else { 0 } }
    }

    fn counts_as(self, share: Share) -> u64 {
        match share {
            Share::RequestsPerDay => 1,
            Share::TokensPerDay | Share::TokensPerMonth => self.tokens,
            Share::UsdPerDay | Share::UsdPerMonth => self.micro_usd,
        }
    }
}

/// An admitted request.
#[derive(Clone, Debug)]
pub struct Entry {
    pub user: usize,
    /// Which of its user's lives between erasures.
    pub born: u64,
    pub seq: u64,
    pub request: usize,
    /// The configuration by which it was admitted.
    pub version: u64,
    /// True time.
    pub admitted: u64,
    /// By the user's clock.
    pub at: u64,
    /// It is in the project's ledger.
    pub told: bool,
    /// By the user's clock.
    pub deadline: u64,
    /// How long it may run, ms.
    pub ttl: u64,
    pub span: Span,
    pub reserved: TokenUsage,
    pub priced: bool,
    pub progress: Option<TokenUsage>,
    /// What it counts now.
    pub counted: Amount,
    /// Its time was over when its user last looked.
    pub due: bool,
    pub settled: bool,
    /// It does not run any more.
    pub ended: bool,
}

impl Entry {
    /// What it takes of the budgets: what it holds, or what it has cost so far if that is more; when its time is over, only that.
    fn takes(&self) -> Amount {
        let (held, cost) = (Amount::of(self.reserved, self.priced), Amount::of(self.presumed(), self.priced));
        if self.due {
            return cost;
        }
        Amount { tokens: held.tokens.max(cost.tokens), micro_usd: held.micro_usd.max(cost.micro_usd) }
    }

    /// What is charged if nobody says what it used.
    pub fn presumed(&self) -> TokenUsage {
        match self.progress {
            None => self.reserved,
            Some(usage) if usage.input == 0 => TokenUsage { input: self.reserved.input, ..usage },
            Some(usage) => usage,
        }
    }
}

/// One budget of one day or month.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub committed: u64,
    /// Billed beyond what was held for it.
    pub overdrawn: u64,
    /// Admitted by configurations without this limit, and not in the ledger when it was switched on.
    pub unlimited: u64,
    /// The same, wherever it is.
    pub ever_unlimited: u64,
}

#[derive(Debug, Default)]
pub struct Books {
    pub entries: Vec<Entry>,
    /// Those that are neither settled nor ended.
    open: Vec<usize>,
    /// Those of the last minute.
    recent: Vec<usize>,
    sums: BTreeMap<(Share, u64), Sum>,
    /// When each budget was switched on last, true time.
    switched_on: BTreeMap<Share, u64>,
}

/// What a limit is by a configuration and by all that came after it, at most; `None`: unlimited.
fn most(settings: &[Limits], version: u64, limit: impl Fn(&Limits) -> Option<u64>) -> Option<u64> {
    settings.iter().skip(place(version)).map(limit).try_fold(0, |most, limit| limit.map(|limit| most.max(limit)))
}

/// Where a configuration is in the list of all.
pub fn place(version: u64) -> usize {
    usize::try_from(version).unwrap() - 1
}

impl Books {
    pub fn sum(&self, share: Share, span: Span) -> Sum {
        self.sums.get(&(share, span.of(share))).copied().unwrap_or_default()
    }

    /// The open requests of a user since it was last erased.
    pub fn open_of(&self, user: usize, born: u64) -> Vec<usize> {
        let of = |entry: &Entry| entry.user == user && entry.born == born && !entry.settled;
        self.open.iter().copied().filter(|index| of(&self.entries[*index])).collect()
    }

    /// Takes in a request that was admitted at `now`. `set_back`: by how much each user's clock ever was.
    pub fn admit(&mut self, entry: Entry, settings: &[Limits], set_back: &[u64], now: u64) {
        let index = self.entries.len();
        for share in Share::ALL {
            self.commit(share, entry.counted.counts_as(share), &entry, settings);
        }
        self.entries.push(entry);
        self.open.push(index);
        self.recent.push(index);
        self.check_rate(settings, set_back, now);
        self.check_places(settings, set_back, now);
    }

    /// A request may take so much more of a budget.
    fn commit(&mut self, share: Share, amount: u64, entry: &Entry, settings: &[Limits]) {
        let sum = self.sums.entry((share, entry.span.of(share))).or_default();
        sum.committed += amount;
        match most(settings, entry.version, |limits| share.limit(limits)) {
            _ if amount == 0 => {}
            None => {
                sum.unlimited += amount;
                sum.ever_unlimited += amount;
            }
            Some(limit) => assert!(
                sum.committed <= limit + sum.overdrawn + sum.unlimited,
                "{share:?} is overspent: {sum:?}, limit {limit}, by {entry:?}"
            ),
        }
    }

    /// In the minute that ends now there are not more than the highest of the limits by which they were admitted. A request
    /// of a user whose clock was set back counts shorter by that: its lease was longer by that.
    fn check_rate(&mut self, settings: &[Limits], set_back: &[u64], now: u64) {
        let entries = &self.entries;
        self.recent.retain(|index| entries[*index].admitted + WINDOW_MS >= now);
        let counts = |entry: &&Entry| entry.admitted + WINDOW_MS >= now + set_back[entry.user];
        let counted: Vec<&Entry> = self.recent.iter().map(|index| &entries[*index]).filter(counts).collect();
        let limit = highest(&counted, settings, |limits| limits.requests_per_minute);
        assert!(limit.is_none_or(|limit| counted.len() as u64 <= limit), "more than {limit:?} a minute: {counted:#?}");
    }

    /// No more run than the highest of the limits by which they were admitted.
    fn check_places(&mut self, settings: &[Limits], set_back: &[u64], now: u64) {
        let entries = &self.entries;
        self.open.retain(|index| !entries[*index].settled || !entries[*index].ended);
        let runs = |entry: &&Entry| !entry.ended && !entry.due && entry.admitted + entry.ttl >= now + set_back[entry.user];
        let running: Vec<&Entry> = self.open.iter().map(|index| &entries[*index]).filter(runs).collect();
        let limit = highest(&running, settings, |limits| limits.concurrency);
        assert!(limit.is_none_or(|limit| running.len() as u64 <= limit), "more than {limit:?} at once: {running:#?}");
    }

    /// A user has looked at its clock.
    pub fn pass(&mut self, user: usize, born: u64, clock: u64) {
        for index in self.open_of(user, born) {
            if self.entries[index].deadline < clock && !self.entries[index].due {
                self.entries[index].due = true;
                self.count(index, self.entries[index].takes());
            }
        }
    }

    /// A user has heard how far a request is, and lets it hold so many output tokens.
    pub fn hear(&mut self, index: usize, usage: TokenUsage, output: u64, settings: &[Limits]) {
        self.entries[index].progress = Some(usage);
        self.count(index, self.entries[index].takes());
        let mut entry = self.entries[index].clone();
        if output > entry.reserved.output {
            assert!(!entry.due, "what is over grows: {entry:?}");
            entry.reserved.output = output;
            for share in Share::ALL {
                self.commit(share, entry.takes().counts_as(share) - entry.counted.counts_as(share), &entry, settings);
            }
            entry.counted = entry.takes();
            self.entries[index] = entry;
        }
    }

    /// A request was settled.
    pub fn settle(&mut self, index: usize, usage: TokenUsage) {
        assert!(!self.entries[index].settled, "settled twice");
        self.count(index, Amount::of(usage, self.entries[index].priced));
        (self.entries[index].settled, self.entries[index].ended) = (true, true);
    }

    /// Requests of a user since it was last erased that are settled and not in the project's ledger.
    pub fn untold(&self, user: usize, born: u64) -> Vec<usize> {
        let of = |entry: &Entry| entry.user == user && entry.born == born && entry.settled && !entry.told;
        (0..self.entries.len()).filter(|index| of(&self.entries[*index])).collect()
    }

    /// A request is in the project's ledger now: what it counts there.
    pub fn tell(&mut self, index: usize) -> [u64; 3] {
        self.entries[index].told = true;
        let entry = &self.entries[index];
        [1, entry.counted.tokens, entry.counted.micro_usd]
    }

    /// A budget will be limited: what is in the ledger by now is no excuse any more.
    pub fn switch_on(&mut self, share: Share, settings: &[Limits], now: u64) {
        self.switched_on.insert(share, now);
        let spans: Vec<u64> = self.sums.keys().filter(|(of, _)| *of == share).map(|(_, span)| *span).collect();
        for span in spans {
            let unlimited = self.unlimited(share, span, settings);
            if let Some(sum) = self.sums.get_mut(&(share, span)) {
                sum.unlimited = unlimited;
            }
        }
    }

    /// What was admitted by configurations without this limit and is not in the ledger; or is, but nobody looks there any more:
    /// of a later day or month than that in which the limit was set, by a configuration that no isolate believes so long.
    pub fn unlimited(&self, share: Share, span: u64, settings: &[Limits]) -> u64 {
        let of = |entry: &&Entry| {
            let free = || most(settings, entry.version, |limits| share.limit(limits)).is_none();
            (!entry.told || self.is_too_late(share, entry)) && entry.span.of(share) == span && free()
        };
        self.entries.iter().filter(of).map(|entry| entry.counted.counts_as(share)).sum()
    }

    fn is_too_late(&self, share: Share, entry: &Entry) -> bool {
        self.switched_on.get(&share).is_some_and(|at| {
            let day = day_of(*at);
            let later = entry.span.of(share) > Span { day, month: month_of(day) }.of(share);
            later && entry.admitted > at + BELIEVED_MS
        })
    }

    /// A user was erased: what its requests held is spent, and those that run go on.
    pub fn erase(&mut self, user: usize, born: u64) {
        for index in self.open_of(user, born) {
            self.entries[index].settled = true;
        }
    }

    fn count(&mut self, index: usize, now: Amount) {
        let entry = &mut self.entries[index];
        for share in Share::ALL {
            let (before, after) = (entry.counted.counts_as(share), now.counts_as(share));
            let sum = self.sums.entry((share, entry.span.of(share))).or_default();
            sum.committed = sum.committed - before + after;
            sum.overdrawn += after.saturating_sub(before);
        }
        entry.counted = now;
    }

    /// What a user has committed since it was last erased.
    pub fn sum_of(&self, user: usize, born: u64, share: Share, span: Span) -> u64 {
        let of = |entry: &&Entry| entry.user == user && entry.born == born && entry.span.of(share) == span.of(share);
        self.entries.iter().filter(of).map(|entry| entry.counted.counts_as(share)).sum()
    }

    /// Requests of the last minute at `now`.
    pub fn counted(&self, now: u64) -> u64 {
        self.recent.iter().filter(|index| self.entries[**index].admitted + WINDOW_MS >= now).count() as u64
    }

    /// Requests that run at `now`.
    pub fn running(&self, now: u64) -> u64 {
        let runs = |entry: &Entry| !entry.ended && !entry.due && entry.admitted + entry.ttl >= now;
        self.open.iter().filter(|index| runs(&self.entries[**index])).count() as u64
    }
}

/// The highest of the limits by which they were admitted; `None`: one of them by none.
fn highest(entries: &[&Entry], settings: &[Limits], limit: impl Fn(&Limits) -> Option<u64>) -> Option<u64> {
    entries.iter().map(|entry| limit(&settings[place(entry.version)])).try_fold(0, |most, limit| limit.map(|limit| most.max(limit)))
}
