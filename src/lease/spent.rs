//! A budget that is switched on within its day or month: what was spent by then is in the project's ledger.
//!
//! Always holds: of each user the larger counts of what it has told itself and what the ledger has of it; of users that were
//! erased, the ledger's. So nothing counts twice, and what is rolled up later counts from then on. The ledger is asked
//! only in the span in which counting began, and in the next one if that begins so soon that an isolate may not know of the
//! budget yet: from then on every user has told all of its own. It counts by whole hours, so an hour across a midnight that is not on the hour is counted whole. Absent on purpose: SQL (`schema`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::holder::{Held, Holder};
use super::pool::{Pool, Terms};
use super::store::{Store, StoreError, Write};
use super::{Share, Span};
use crate::rollup::HOUR_MS;

/// Whose the ledger's sums of erased users are.
const ERASED: &str = "";

/// What the ledger has of a user between two hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The user; empty: of those that were erased.
    pub user: String,
    /// Settled requests.
    pub requests: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Their micro-dollars.
    pub micro_usd: u64,
}

impl Spent {
    const fn of(&self, share: Share) -> u64 {
        match share {
            Share::RequestsPerDay => self.requests,
            Share::TokensPerDay | Share::TokensPerMonth => self.tokens,
            Share::UsdPerDay | Share::UsdPerMonth => self.micro_usd,
        }
    }
}

/// For which budgets of which span the ledger counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counting {
    span: Span,
    shares: Vec<Share>,
}

/// What a user has in the ledger, by budget.
pub type Amounts = BTreeMap<Share, u64>;

impl Pool {
    /// Notes which budgets are counted from when on, and reads the ledger where it has to be read.
    pub(super) fn begin_counting(&mut self, store: &mut impl Store, terms: &Terms) -> Result<(), StoreError> {
        let (base, late) = (&self.base, terms.late);
        // A configuration that nobody looked at may have been without a limit.
        let missed = terms.version > base.version + 1;
        let before = |share: Share| base.began.get(&share).copied().filter(|_| !missed);
        let limited = Share::ALL.into_iter().filter(|share| share.limit(&terms.limits).is_some());
        let began: BTreeMap<Share, u64> = limited.map(|share| (share, before(share).unwrap_or(late.of(share)))).collect();
        if began != base.began || terms.version > base.version {
            let mut base = base.clone();
            (base.began, base.version) = (began, terms.version.max(base.version));
            store.commit(&[Write::PutBase(base.clone())]).inspect_err(|_| self.stale = true)?;
            self.base = base;
        }
        let within = self.base.began.iter().filter(|(share, began)| **began >= terms.span.of(**share));
        let counting = Counting { span: terms.span, shares: within.map(|(share, _)| *share).collect() };
        if self.counting.as_ref() != Some(&counting) {
            self.counting = None;
            self.read_ledger(store, terms, &counting)?;
            self.counting = Some(counting);
        }
        Ok(())
    }

    fn read_ledger(&mut self, store: &impl Store, terms: &Terms, counting: &Counting) -> Result<(), StoreError> {
        for held in self.holders.values_mut().flat_map(|holder| holder.shares.values_mut()) {
            held.ledger = 0;
        }
        self.holders.retain(|_, holder| !holder.is_unheard() || holder.shares.values().any(|held| held.amount() > 0));
        for (shares, hours) in counting.reads(terms) {
            for spent in store.spent(None, hours)? {
                let holder = self.holders.entry(spent.user.clone()).or_default();
                for share in &shares {
                    holder.set_ledger(*share, terms.span, spent.of(*share));
                }
            }
        }
        self.summed = false;
        Ok(())
    }

    /// The ledger has counted something of a user.
    ///
    /// # Errors
    /// The store's.
    pub fn told(&mut self, store: &mut impl Store, terms: &Terms, user: &str) -> Result<(), StoreError> {
        self.read_again(store)?;
        self.begin_counting(store, terms)?;
        let counting = self.counting.clone().unwrap_or_default();
        if counting.shares.is_empty() {
            return Ok(());
        }
        let sums = sums(store, terms, &counting, user).inspect_err(|_| self.counting = None)?;
        let holder = self.holders.entry(user.to_owned()).or_default();
        if self.summed {
            self.others.remove(holder);
        }
        for (share, sum) in &sums {
            holder.set_ledger(*share, terms.span, *sum);
        }
        if self.summed {
            self.others.add(holder);
        }
        Ok(())
    }

    /// What the ledger has of a user that is about to be erased, of every budget of now.
    ///
    /// # Errors
    /// The store's.
    pub fn spent_of(&self, store: &impl Store, terms: &Terms, user: &str) -> Result<Amounts, StoreError> {
        sums(store, terms, &Counting { span: terms.span, shares: Share::ALL.to_vec() }, user)
    }

    /// The ledger has made so much of a user that of nobody. What its slice had beyond that stays spent.
    ///
    /// # Errors
    /// The store's; memory is then read again.
    pub fn forgot(&mut self, store: &mut impl Store, terms: &Terms, user: &str, spent: &Amounts) -> Result<(), StoreError> {
        self.told(store, terms, ERASED)?;
        let alone = |share: &Share| self.base.began.get(share).is_some_and(|began| *began < terms.span.of(*share));
        let moved: Vec<(Share, u64)> = spent.iter().filter(|(share, _)| !alone(share)).map(|(share, sum)| (*share, *sum)).collect();
        let Some(holder) = self.holders.get_mut(user) else { return Ok(()) };
        if self.summed {
            self.others.remove(holder);
        }
        for (share, sum) in moved {
            if let Some(held) = holder.shares.get_mut(&share).filter(|held| held.span == terms.span.of(share)) {
                let rest = Held { ledger: 0, ..*held }.amount().saturating_sub(sum);
                *held = Held { span: held.span, granted: rest, committed: rest.min(held.committed), ..Held::default() };
            }
        }
        // What it wrote before it was erased, and comes late, says nothing any more.
        holder.epoch += u64::from(holder.epoch > 0);
        if self.summed {
            self.others.add(holder);
        }
        if holder.is_unheard() {
            return Ok(());
        }
        let write = Write::PutHolder(user.to_owned(), Box::new(holder.clone()));
        store.commit(&[write]).inspect_err(|_| self.stale = true)
    }
}

impl Counting {
    /// The budgets that are read together, and the hours of their span.
    fn reads(&self, terms: &Terms) -> impl Iterator<Item = (Vec<Share>, (u64, u64))> {
        let of = |of_month: bool| -> Vec<Share> { self.shares.iter().copied().filter(|share| share.is_of_month() == of_month).collect() };
        let day = (terms.day_begins / HOUR_MS, terms.day_ends.div_ceil(HOUR_MS));
        let month = (terms.month_begins / HOUR_MS, terms.month_ends.div_ceil(HOUR_MS));
        [(of(false), day), (of(true), month)].into_iter().filter(|(shares, _)| !shares.is_empty())
    }
}

fn sums(store: &impl Store, terms: &Terms, counting: &Counting, user: &str) -> Result<Amounts, StoreError> {
    let mut sums = Amounts::new();
    for (shares, hours) in counting.reads(terms) {
        let spent = store.spent(Some(user), hours)?.pop().unwrap_or_default();
        sums.extend(shares.into_iter().map(|share| (share, spent.of(share))));
    }
    Ok(sums)
}

impl Holder {
    /// Nobody has written: it stands for what the ledger knows of a user, and has no row.
    pub(super) const fn is_unheard(&self) -> bool {
        self.epoch == 0 && self.heard == 0
    }

    fn set_ledger(&mut self, share: Share, span: Span, spent: u64) {
        let span = span.of(share);
        let held = self.shares.entry(share).or_default();
        if held.span != span {
            *held = Held { span, ..Held::default() };
        }
        held.ledger = spent;
    }
}
