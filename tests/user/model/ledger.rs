//! What the counters must say, counted by hand: every request ever admitted and what it was charged.
//!
//! Slow and plain on purpose: each question walks over all requests. Absent on purpose: anything of `behest::user` but its
//! row types, and of `behest::price` but the text that prices travel as.

use std::collections::BTreeMap;

use behest::api::usage::TokenUsage;
use behest::price::Rates;
use behest::user::command::{Begin, Ending, Finish, Limits};
use behest::user::store::{KeySource, RequestRow, Status};

pub const DAY: u64 = 86_400_000;

/// A provider, a model and a key source on a day.
pub type Account = (u64, String, String, KeySource);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: u64,
    pub unpriced: u64,
    pub usage: TokenUsage,
    pub micro_usd: u64,
}

impl Totals {
    pub fn plus(self, more: Self) -> Self {
        let (a, b) = (self.usage, more.usage);
        let usage = TokenUsage {
            input: a.input + b.input,
            output: a.output + b.output,
            cached_input: a.cached_input + b.cached_input,
            cache_write: a.cache_write + b.cache_write,
            reasoning: a.reasoning + b.reasoning,
            audio_input: a.audio_input + b.audio_input,
            audio_output: a.audio_output + b.audio_output,
        };
        Self {
            requests: self.requests + more.requests,
            unpriced: self.unpriced + more.unpriced,
            usage,
            micro_usd: self.micro_usd + more.micro_usd,
        }
    }
}

/// Six prices in pico-dollars: input, cached, written, output, audio in, audio out.
type Six = [u64; 6];

/// The prices for so much input; all nothing if nobody knows them.
fn six(rates: Option<Rates>, input: u64) -> Six {
    let Some(rates) = rates else { return [0; 6] };
    let numbers: Vec<u64> = String::from(rates).split(' ').map(|number| number.parse().unwrap()).collect();
    let long = numbers.len() > 6 && input > numbers[6];
    if long { numbers[7..].try_into().unwrap() } else { numbers[..6].try_into().unwrap() }
}

/// Micro-dollars of a usage: pico-dollars token by token, rounded by the fraction's distance to both neighbours.
pub fn cost(rates: Option<Rates>, usage: TokenUsage) -> u64 {
    let six = six(rates, usage.input);
    let mut left = usage.input;
    let mut pico = 0_u64;
    for (tokens, price) in [(usage.cached_input, six[1]), (usage.cache_write, six[2]), (usage.audio_input, six[4]), (u64::MAX, six[0])] {
        pico += tokens.min(left) * price;
        left -= tokens.min(left);
    }
    let spoken = usage.audio_output.min(usage.output);
    pico += spoken * six[5] + (usage.output - spoken) * six[3];
    let below = pico / 1_000_000;
    match (pico - below * 1_000_000).cmp(&((below + 1) * 1_000_000 - pico)) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Equal => below + below % 2,
        std::cmp::Ordering::Greater => below + 1,
    }
}

/// Micro-dollars that so many tokens can cost at most.
fn worst(rates: Option<Rates>, input: u64, output: u64) -> u64 {
    let [plain, cached, written, out, heard, spoken] = six(rates, input);
    let pico = input * plain.max(cached).max(written).max(heard) + output * out.max(spoken);
    pico.div_ceil(1_000_000)
}

#[derive(Clone, Debug)]
pub struct Request {
    pub seq: u64,
    pub at: u64,
    pub deadline: u64,
    pub input: u64,
    pub output: u64,
    pub account: Account,
    pub rates: Option<Rates>,
    pub max_output: Option<u64>,
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
    Admitted { at: u64, input: u64, output: u64, max_output: Option<u64> },
    TooFast { retry_after_ms: u64 },
    TooMany,
    OverBudget { scope: &'static str, used: u64, resets_at: u64 },
}

/// A budget.
pub struct Row {
    scope: &'static str,
    month: bool,
    usd: bool,
    limit: u64,
}

/// The budgets there are, in the order in which they refuse.
fn rows(limits: Limits) -> impl Iterator<Item = Row> {
    let rows = [
        ("user_tokens_per_day", false, false, limits.tokens_per_day),
        ("user_tokens_per_month", true, false, limits.tokens_per_month),
        ("user_usd_per_day", false, true, limits.micro_usd_per_day),
        ("user_usd_per_month", true, true, limits.micro_usd_per_month),
    ];
    rows.into_iter().filter_map(|(scope, month, usd, limit)| Some(Row { scope, month, usd, limit: limit? }))
}

impl Request {
    pub fn held(&self) -> u64 {
        self.input + self.output
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
            None if usd => self.held_micro_usd(),
            None => self.held(),
        }
    }
}

/// First days of months, from 2024-10 on.
const MONTHS: [u64; 10] = [19_997, 20_028, 20_058, 20_089, 20_120, 20_148, 20_179, 20_209, 20_240, 20_270];

/// The days that a budget is for: from, and up to but without.
fn span(month: bool, at: u64) -> (u64, u64) {
    let day = at / DAY;
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
        self.requests.values().filter(move |request| (from..to).contains(&(request.at / DAY)))
    }

    pub fn used(&self, budget: &Row, now: u64) -> u64 {
        self.within(span(budget.month, now)).map(|request| request.counts(budget.usd, now)).sum()
    }

    fn today(&self, now: u64) -> u64 {
        self.within(span(false, now)).count() as u64
    }

    fn running(&self, now: u64) -> u64 {
        self.requests.values().filter(|request| request.charge.is_none() && request.deadline >= now).count() as u64
    }

    pub fn verdict(&self, begin: &Begin, history_tokens: u64, now: u64) -> Verdict {
        let (at, limits) = (now.max(self.newest_at()), begin.limits);
        if let Some(limit) = limits.requests_per_minute
            && self.in_window(at) >= limit
        {
            // The first moment at which there is room, found by trying; with a limit of 0, as if one request were in the way now.
            let mut moments = self.requests.values().map(|request| request.at + 60_001).filter(|moment| *moment > at).collect::<Vec<_>>();
            moments.sort_unstable();
            let room = moments.into_iter().find(|moment| self.in_window(*moment) < limit).unwrap_or(at + 60_001);
            return Verdict::TooFast { retry_after_ms: room - at };
        }
        if limits.concurrency.is_some_and(|limit| self.running(at) >= limit) {
            return Verdict::TooMany;
        }
        let over = |scope, month, used| Verdict::OverBudget { scope, used, resets_at: span(month, at).1 * 86_400 };
        if limits.requests_per_day.is_some_and(|limit| self.today(at) >= limit) {
            return over("user_requests_per_day", false, self.today(at));
        }
        let input = begin.estimate.input + history_tokens;
        let (wanted, choices) = (begin.estimate.output.unwrap_or(begin.estimate.output_default), begin.estimate.choices);
        let mut max_output = None;
        for budget in rows(limits) {
            let used = self.used(&budget, at);
            let fits = |output: u64| {
                let new = if budget.usd { worst(begin.rates, input, output) } else { input + output };
                new == 0 && budget.usd || used + new <= budget.limit
            };
            if fits(wanted) {
                continue;
            }
            // The most tokens per reply that fit, found by halving.
            let (mut fit, mut too_many) = (0, wanted / choices + 1);
            while too_many - fit > 1 {
                let middle = u64::midpoint(fit, too_many);
                *if fits(middle * choices) { &mut fit } else { &mut too_many } = middle;
            }
            if begin.estimate.output.is_some() || fit == 0 {
                return over(budget.scope, budget.month, used);
            }
            max_output = Some(max_output.map_or(fit, |lowest: u64| lowest.min(fit)));
        }
        Verdict::Admitted { at, input, output: max_output.map_or(wanted, |each| each * choices), max_output }
    }

    /// Takes an admitted request in; says how many were overdue and are settled with it.
    pub fn admit(&mut self, begin: &Begin, verdict: &Verdict) -> u64 {
        let Verdict::Admitted { at, input, output, max_output } = *verdict else { panic!("not admitted: {verdict:?}") };
        for budget in rows(begin.limits) {
            let (used, limit) = (self.used(&budget, at), budget.limit);
            let new = if budget.usd { worst(begin.rates, input, output) } else { input + output };
            let free = budget.usd && new == 0;
            assert!(free || used + new <= limit, "admitted over {}: {used} + {new} > {limit}", budget.scope);
        }
        let expired = self.expire(at);
        let request = Request {
            seq: self.newest_seq() + 1,
            at,
            deadline: at + begin.ttl_ms,
            input,
            output,
            account: (at / DAY, begin.provider.clone(), begin.model_served.clone(), begin.key_source),
            rates: begin.rates,
            max_output,
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
        assert!(begin.limits.requests_per_day.is_none_or(|limit| self.today(at) <= limit), "{} today", self.today(at));
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

    pub fn remaining(&self, limits: Limits, now: u64) -> (Option<u64>, Option<u64>) {
        let now = now.max(self.newest_at());
        let minute = limits.requests_per_minute.map(|limit| limit.saturating_sub(self.in_window(now)));
        let day = limits.requests_per_day.map(|limit| limit.saturating_sub(self.today(now)));
        let tokens = rows(limits).filter(|budget| !budget.usd).map(|budget| budget.limit.saturating_sub(self.used(&budget, now))).min();
        (minute.into_iter().chain(day).min(), tokens)
    }

    /// The rows say the same; rows up to `pruned` are gone.
    pub fn check_rows(&self, rows: &BTreeMap<u64, RequestRow>, pruned: u64) {
        let expected = self.requests.values().filter(|request| request.seq > pruned).count();
        assert_eq!(rows.len(), expected, "rows");
        for (id, request) in self.requests.iter().filter(|(_, request)| request.seq > pruned) {
            let row = &rows[&request.seq];
            assert_eq!((&row.request_id, row.at, row.deadline), (id, request.at, request.deadline));
            assert_eq!(row.status == Status::Open, request.charge.is_none(), "{row:?}");
            assert_eq!(row.status == Status::Expired, request.expired, "{row:?}");
            assert_eq!(row.usage(), request.charge.or(request.progress), "{row:?}");
            assert_eq!(row.stored, request.stored, "{row:?}");
            assert_eq!((row.rates, row.reserved_micro_usd), (request.rates, request.held_micro_usd()), "{row:?}");
            assert_eq!(row.micro_usd, request.charge.map_or(0, |usage| cost(request.rates, usage)), "{row:?}");
        }
    }

    /// What was charged per day and account.
    pub fn days(&self) -> BTreeMap<Account, Totals> {
        let mut days: BTreeMap<Account, Totals> = BTreeMap::new();
        for request in self.requests.values() {
            if let Some(usage) = request.charge {
                let day = days.entry(request.account.clone()).or_default();
                let (unpriced, micro_usd) = (u64::from(request.rates.is_none()), cost(request.rates, usage));
                *day = day.plus(Totals { requests: 1, unpriced, usage, micro_usd });
            }
        }
        days
    }
}
