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
fn cost(rates: Option<Rates>, usage: TokenUsage) -> u64 {
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
    OverBudget { used: u64 },
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

    fn counts(&self, now: u64) -> u64 {
        match self.charge {
            Some(usage) => usage.input + usage.output,
            None if self.deadline < now => self.presumed().total(),
            None => self.held(),
        }
    }
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

    pub fn used(&self, now: u64) -> u64 {
        self.requests.values().filter(|request| request.at / DAY == now / DAY).map(|request| request.counts(now)).sum()
    }

    pub fn verdict(&self, begin: &Begin, history_tokens: u64, now: u64) -> Verdict {
        let at = now.max(self.newest_at());
        if let Some(limit) = begin.limits.requests_per_minute
            && self.in_window(at) >= limit
        {
            // The first moment at which there is room, found by trying; with a limit of 0, as if one request were in the way now.
            let mut moments = self.requests.values().map(|request| request.at + 60_001).filter(|moment| *moment > at).collect::<Vec<_>>();
            moments.sort_unstable();
            let room = moments.into_iter().find(|moment| self.in_window(*moment) < limit).unwrap_or(at + 60_001);
            return Verdict::TooFast { retry_after_ms: room - at };
        }
        let input = begin.estimate.input + history_tokens;
        let wanted = begin.estimate.output.unwrap_or(begin.estimate.output_default);
        let whole = Verdict::Admitted { at, input, output: wanted, max_output: None };
        let Some(limit) = begin.limits.tokens_per_day else { return whole };
        let used = self.used(at);
        if used + input + wanted <= limit {
            return whole;
        }
        let each = limit.saturating_sub(used + input) / begin.estimate.choices;
        if begin.estimate.output.is_none() && each >= 1 {
            return Verdict::Admitted { at, input, output: each * begin.estimate.choices, max_output: Some(each) };
        }
        Verdict::OverBudget { used }
    }

    /// Takes an admitted request in; says how many were overdue and are settled with it.
    pub fn admit(&mut self, begin: &Begin, verdict: &Verdict) -> u64 {
        let Verdict::Admitted { at, input, output, max_output } = *verdict else { panic!("not admitted: {verdict:?}") };
        if let Some(limit) = begin.limits.tokens_per_day {
            let used = self.used(at);
            assert!(used + input + output <= limit, "admitted over the budget: {used} + {input} + {output} > {limit}");
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
        let requests = limits.requests_per_minute.map(|limit| limit.saturating_sub(self.in_window(now)));
        (requests, limits.tokens_per_day.map(|limit| limit.saturating_sub(self.used(now))))
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
