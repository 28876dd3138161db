//! What the counters must say, counted by hand: every request ever admitted and what it was charged.
//!
//! Slow and plain on purpose: each question walks over all requests. Absent on purpose: anything of `behest::user` but its
//! row types.

use std::collections::BTreeMap;

use behest::api::usage::TokenUsage;
use behest::price::Rates;
use behest::user::command::{Begin, Ending, Extend, Finish, Limits};
use behest::user::store::{RequestRow, Status};

use super::local::Local;
use super::money::{cost, most_that_fits, worst};
use super::totals::{Account, Totals};

pub const DAY: u64 = 86_400_000;

#[derive(Clone, Debug)]
pub struct Request {
    pub seq: u64,
    pub at: u64,
    /// The local day of its admission.
    pub day: u64,
    pub deadline: u64,
    pub input: u64,
    pub output: u64,
    pub account: Account,
    pub rates: Option<Rates>,
    pub max_output: Option<u64>,
    pub grows_to: Option<u64>,
    pub progress: Option<TokenUsage>,
    pub charge: Option<TokenUsage>,
    pub expired: bool,
    pub stored: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub requests: BTreeMap<String, Request>,
}

/// What a begin must come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admitted { at: u64, day: u64, input: u64, output: u64, max_output: Option<u64>, grows_to: Option<u64> },
    TooFast { retry_after_ms: u64 },
    TooMany,
    OverBudget { scope: &'static str, used: u64, resets_at: u64 },
}

/// A budget that is in the way: its name, what it has lost, when it is over.
pub type InTheWay = (&'static str, u64, u64);

/// A budget.
#[derive(Clone, Copy)]
pub struct Row {
    window: &'static str,
    scope: &'static str,
    month: bool,
    usd: bool,
    limit: u64,
}

/// The budgets there are, in the order in which they refuse.
fn rows(limits: Limits) -> impl Iterator<Item = Row> {
    let rows = [
        ("user_tokens_per_day", "tokens-day", false, false, limits.tokens_per_day),
        ("user_tokens_per_month", "tokens-month", true, false, limits.tokens_per_month),
        ("user_usd_per_day", "usd-day", false, true, limits.micro_usd_per_day),
        ("user_usd_per_month", "usd-month", true, true, limits.micro_usd_per_month),
    ];
    rows.into_iter().filter_map(|(scope, window, month, usd, limit)| Some(Row { scope, window, month, usd, limit: limit? }))
}

impl Row {
    /// Whether it has room for a request's worst case beside what others have of it.
    fn has_room(&self, others: u64, rates: Option<Rates>, input: u64, output: u64) -> bool {
        let new = if self.usd { worst(rates, input, output) } else { input + output };
        new == 0 && self.usd || others + new <= self.limit
    }
}

impl Request {
    pub fn held(&self) -> u64 {
        self.input + self.output
    }

    /// The last report after one more came, perhaps late.
    fn after(&self, usage: TokenUsage) -> TokenUsage {
        self.progress.filter(|known| known.output > usage.output).unwrap_or(usage)
    }

    pub fn presumed(&self) -> TokenUsage {
        let mut usage = self.progress.unwrap_or(TokenUsage { input: self.input, output: self.output, ..TokenUsage::default() });
        if usage.input == 0 {
            usage.input = self.input;
        }
        usage
    }

    pub fn held_micro_usd(&self) -> u64 {
        worst(self.rates, self.input, self.output)
    }

    /// What of a budget it takes: tokens, or micro-dollars.
    fn counts(&self, usd: bool, now: u64) -> u64 {
        let amount = |usage: TokenUsage| if usd { cost(self.rates, usage) } else { usage.input + usage.output };
        match self.charge {
            Some(usage) => amount(usage),
            None if self.deadline < now => amount(self.presumed()),
            // A bill that is known counts, even if it is more than what is held.
            None => self.reserved(usd).max(amount(self.presumed())),
        }
    }

    fn reserved(&self, usd: bool) -> u64 {
        if usd { self.held_micro_usd() } else { self.held() }
    }

    /// What it has of a budget without anything that was billed beyond its reservation.
    fn within_reservation(&self, usd: bool, now: u64) -> u64 {
        self.counts(usd, now).min(self.reserved(usd))
    }
}

/// First days of months, from 2024-10 on.
const MONTHS: [u64; 10] = [19_997, 20_028, 20_058, 20_089, 20_120, 20_148, 20_179, 20_209, 20_240, 20_270];

/// The days that a budget is for: from, and up to but without.
fn span(month: bool, day: u64) -> (u64, u64) {
    if !month {
        return (day, day + 1);
    }
    let next = MONTHS.iter().position(|first| *first > day).unwrap();
    (MONTHS[next - 1], MONTHS[next])
}

impl Ledger {
    pub fn newest_at(&self) -> u64 {
        self.requests.values().map(|request| request.at).max().unwrap_or(0)
    }

    fn newest_seq(&self) -> u64 {
        self.requests.values().map(|request| request.seq).max().unwrap_or(0)
    }

    /// Requests in the closed interval of 60 s that ends at `now`.
    pub fn in_window(&self, now: u64) -> u64 {
        self.requests.values().filter(|request| request.at + 60_000 >= now && request.at <= now).count() as u64
    }

    fn within(&self, (from, to): (u64, u64)) -> impl Iterator<Item = &Request> {
        self.requests.values().filter(move |request| (from..to).contains(&request.day))
    }

    /// What a local day or its month has lost at `now`.
    pub fn used(&self, budget: &Row, day: u64, now: u64) -> u64 {
        self.within(span(budget.month, day)).map(|request| request.counts(budget.usd, now)).sum()
    }

    /// What is settled of a budget, or overdue, which is the same.
    fn spent(&self, budget: &Row, day: u64, now: u64) -> u64 {
        let over = self.within(span(budget.month, day)).filter(|request| request.charge.is_some() || request.deadline < now);
        over.map(|request| request.counts(budget.usd, now)).sum()
    }

    /// Spent plus reserved passes no budget, of today and of yesterday. What a provider billed beyond a reservation is not in it.
    pub fn check_budgets(&self, limits: Limits, local: &Local, now: u64) {
        let now = now.max(self.newest_at());
        let today = local.day(now);
        for (budget, day) in rows(limits).flat_map(|budget| [(budget, today), (budget, today - 1)]) {
            let sum: u64 = self.within(span(budget.month, day)).map(|request| request.within_reservation(budget.usd, now)).sum();
            assert!(sum <= budget.limit, "{}: {sum} of {}", budget.scope, budget.limit);
        }
    }

    fn today(&self, day: u64) -> u64 {
        self.within(span(false, day)).count() as u64
    }

    fn running(&self, now: u64) -> u64 {
        self.requests.values().filter(|request| request.charge.is_none() && request.deadline >= now).count() as u64
    }

    pub fn verdict(&self, begin: &Begin, local: &Local, history_tokens: u64, now: u64) -> Verdict {
        let (at, limits) = (now.max(self.newest_at()), begin.limits);
        let day = local.day(at);
        if let Some(limit) = limits.requests_per_minute
            && self.in_window(at) >= limit
        {
            return Verdict::TooFast { retry_after_ms: self.more_at(limit, at) - at };
        }
        if limits.concurrency.is_some_and(|limit| self.running(at) >= limit) {
            return Verdict::TooMany;
        }
        let over = |scope, month, used| Verdict::OverBudget { scope, used, resets_at: local.begins(span(month, day).1, at) / 1_000 };
        if limits.requests_per_day.is_some_and(|limit| self.today(day) >= limit) {
            return over("user_requests_per_day", false, self.today(day));
        }
        let input = begin.estimate.input + history_tokens;
        let (wanted, choices) = (begin.estimate.output.unwrap_or(begin.estimate.output_default), begin.estimate.choices);
        let (mut max_output, mut instalment) = (None, wanted);
        for budget in rows(limits) {
            let used = self.used(&budget, day, at);
            let room = |output| budget.has_room(used, begin.rates, input, output);
            if !room(wanted) {
                let fit = most_that_fits(wanted / choices, |each| room(each * choices)).unwrap_or(0);
                if begin.estimate.output.is_some() || fit == 0 {
                    return over(budget.scope, budget.month, used);
                }
                max_output = Some(max_output.map_or(fit, |lowest: u64| lowest.min(fit)));
            }
            // A tenth of what is not spent, with the input in it, but 64 at least.
            let tenth = Row { limit: (budget.limit.max(self.spent(&budget, day, at)) - self.spent(&budget, day, at)) / 10, ..budget };
            let part = most_that_fits(wanted, |output| tenth.has_room(0, begin.rates, input, output)).unwrap_or(0);
            instalment = instalment.min(part.max(64));
        }
        let most = max_output.map_or(wanted, |each| each * choices);
        let grows = begin.stream && begin.estimate.output.is_none();
        let (output, grows_to) = if grows { (instalment.min(most), Some(most)) } else { (most, None) };
        Verdict::Admitted { at, day, input, output, max_output, grows_to }
    }

    /// What a report must come to: the output held afterwards, and what is in the way if there is no more.
    pub fn extension(&self, id: &str, usage: TokenUsage, extend: Option<Extend>, local: &Local, now: u64) -> (u64, Option<InTheWay>) {
        let now = now.max(self.newest_at());
        let request = &self.requests[id];
        let held = request.output;
        let (Some(extend), Some(foreseen)) = (extend, request.grows_to) else { return (held, None) };
        // Past what was foreseen, only what is used already is a reason for more.
        let most = if extend.used > foreseen { held.max(extend.used) + 64 } else { foreseen };
        if extend.held != held || held >= most || request.deadline < now {
            return (held, None);
        }
        let mut output = most;
        let resets = |budget: &Row| {
            let next = span(budget.month, request.day).1;
            // In the zone that the project has moved to it may have been another day already.
            let at = if local.day(request.at) >= next { request.at + 1 } else { local.begins(next, request.at) };
            at.div_ceil(1_000)
        };
        for budget in rows(extend.limits) {
            // What is overdue still holds what it holds: a report settles nothing.
            let used = self.used(&budget, request.day, 0);
            let others = used - request.counts(budget.usd, 0);
            let input = request.input.max(request.after(usage).input);
            let fit = most_that_fits(most, |output| budget.has_room(others, request.rates, input, output)).unwrap_or(0);
            if fit <= held {
                return (held, Some((budget.scope, used, resets(&budget))));
            }
            let spent = self.spent(&budget, request.day, 0);
            let tenth = Row { limit: request.reserved(budget.usd) + (budget.limit.max(spent) - spent) / 10, ..budget };
            let part = most_that_fits(most, |output| tenth.has_room(0, request.rates, request.input, output)).unwrap_or(0);
            output = output.min(fit).min(part.max(held.max(extend.used) + 64));
        }
        (output, None)
    }

    /// Takes a report in.
    pub fn progress(&mut self, id: &str, usage: TokenUsage, output: u64) {
        let Some(request) = self.requests.get_mut(id).filter(|request| request.charge.is_none()) else { return };
        // A report of nothing that changes nothing tells of nothing.
        if usage != TokenUsage::default() || request.progress.is_some() || output != request.output {
            (request.output, request.progress) = (output, Some(request.after(usage)));
        }
    }

    /// Takes an admitted request in; says how many were overdue and are settled with it.
    pub fn admit(&mut self, begin: &Begin, verdict: &Verdict) -> u64 {
        let Verdict::Admitted { at, day, input, output, max_output, grows_to } = *verdict else { panic!("not admitted: {verdict:?}") };
        for budget in rows(begin.limits) {
            let (used, limit) = (self.used(&budget, day, at), budget.limit);
            let new = if budget.usd { worst(begin.rates, input, output) } else { input + output };
            let free = budget.usd && new == 0;
            assert!(free || used + new <= limit, "admitted over {}: {used} + {new} > {limit}", budget.scope);
        }
        let expired = self.expire(at);
        let request = Request {
            seq: self.newest_seq() + 1,
            at,
            day,
            deadline: at + begin.ttl_ms,
            input,
            output,
            account: (day, begin.provider.clone(), begin.model_served.clone(), begin.key_source),
            rates: begin.rates,
            max_output,
            grows_to,
            progress: None,
            charge: None,
            expired: false,
            stored: false,
        };
        self.requests.insert(begin.request_id.clone(), request);
        if let Some(limit) = begin.limits.requests_per_minute {
            assert!(self.in_window(at) <= limit, "{} requests in 60 s, limit {limit}", self.in_window(at));
        }
        assert!(begin.limits.concurrency.is_none_or(|limit| self.running(at) <= limit), "{} at once", self.running(at));
        assert!(begin.limits.requests_per_day.is_none_or(|limit| self.today(day) <= limit), "{} today", self.today(day));
        expired
    }

    pub fn expire(&mut self, now: u64) -> u64 {
        let due = self.requests.values_mut().filter(|request| request.charge.is_none() && request.deadline < now);
        due.map(|request| {
            request.charge = Some(request.presumed());
            request.expired = true;
        })
        .count() as u64
    }

    /// Settles, if it is still open.
    pub fn finish(&mut self, finish: &Finish) {
        let Some(request) = self.requests.get_mut(&finish.request_id).filter(|request| request.charge.is_none()) else { return };
        request.charge = Some(match finish.usage {
            Some(usage) => usage,
            None if finish.status == Ending::Failed && request.progress.is_none() => TokenUsage::default(),
            None => request.presumed(),
        });
    }

    /// Each limit that is set, what is left of it, and the ms until more is.
    pub fn windows(&self, limits: Limits, local: &Local, now: u64) -> Vec<(&'static str, u64, u64, Option<u64>)> {
        let at = now.max(self.newest_at());
        let today = local.day(at);
        let ends = |month| Some(local.begins(span(month, today).1, at) - now);
        let left = |limit: u64, used| limit.saturating_sub(used);
        let minute = limits
            .requests_per_minute
            .map(|limit| ("requests-minute", limit, left(limit, self.in_window(at)), Some(self.more_at(limit, at) - now)));
        let running = limits.concurrency.map(|limit| ("concurrency", limit, left(limit, self.running(at)), None));
        let day = limits.requests_per_day.map(|limit| ("requests-day", limit, left(limit, self.today(today)), ends(false)));
        let rows = rows(limits).map(|row| (row.window, row.limit, left(row.limit, self.used(&row, today, at)), ends(row.month)));
        minute.into_iter().chain(running).chain(day).chain(rows).collect()
    }

    /// The first moment at which more requests would be admitted, found by trying; if there is none, as if one were made now.
    fn more_at(&self, limit: u64, at: u64) -> u64 {
        let room = |moment| limit.saturating_sub(self.in_window(moment));
        let mut moments = self.requests.values().map(|request| request.at + 60_001).filter(|moment| *moment > at).collect::<Vec<_>>();
        moments.sort_unstable();
        moments.into_iter().find(|moment| room(*moment) > room(at)).unwrap_or(at + 60_001)
    }

    /// The rows say the same; rows up to `pruned` are gone.
    pub fn check_rows(&self, rows: &BTreeMap<u64, RequestRow>, pruned: u64) {
        let expected = self.requests.values().filter(|request| request.seq > pruned).count();
        assert_eq!(rows.len(), expected, "rows");
        for (id, request) in self.requests.iter().filter(|(_, request)| request.seq > pruned) {
            let row = &rows[&request.seq];
            assert_eq!((&row.request_id, row.at, row.day, row.deadline), (id, request.at, request.day, request.deadline));
            assert_eq!(row.status == Status::Open, request.charge.is_none(), "{row:?}");
            assert_eq!(row.status == Status::Expired, request.expired, "{row:?}");
            assert_eq!(row.usage(), request.charge.or(request.progress), "{row:?}");
            assert_eq!(row.stored, request.stored, "{row:?}");
            assert_eq!((row.rates, row.reserved_micro_usd), (request.rates, request.held_micro_usd()), "{row:?}");
            assert_eq!(
                (row.reserved_input, row.reserved_output, row.grows_to),
                (request.input, request.output, request.grows_to),
                "{row:?}"
            );
            assert_eq!(row.micro_usd, request.charge.map_or(0, |usage| cost(request.rates, usage)), "{row:?}");
        }
    }

    /// What was charged per day and account, by the day that is asked for.
    pub fn days(&self, day: impl Fn(&Request) -> u64) -> BTreeMap<Account, Totals> {
        let mut days: BTreeMap<Account, Totals> = BTreeMap::new();
        for request in self.requests.values() {
            if let Some(usage) = request.charge {
                let (_, provider, model, key_source) = request.account.clone();
                let day = days.entry((day(request), provider, model, key_source)).or_default();
                let (unpriced, micro_usd) = (u64::from(request.rates.is_none()), cost(request.rates, usage));
                *day = day.plus(Totals { requests: 1, unpriced, usage, micro_usd });
            }
        }
        days
    }
}
