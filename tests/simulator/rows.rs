//! The rows of a project's leases in memory, whose commit can fail without or after persisting.
//!
//! Always holds: what is read has been JSON, as in the object's own rows.

use std::collections::BTreeMap;

use behest::lease::holder::Holder;
use behest::lease::pool::Base;
use behest::lease::spent::Spent;
use behest::lease::store::{Store, StoreError, Write};

use crate::memory::Fault;

#[derive(Clone, Debug, Default)]
pub struct LeaseRows {
    holders: BTreeMap<String, Holder>,
    base: Base,
    /// The project's ledger: requests, tokens and micro-dollars by hour and user.
    pub ledger: BTreeMap<(u64, String), [u64; 3]>,
    pub fault: Fault,
}

impl Store for LeaseRows {
    fn holders(&self) -> Result<Vec<(String, Holder)>, StoreError> {
        let read = |holder: &Holder| serde_json::from_str(&serde_json::to_string(holder).unwrap()).unwrap();
        Ok(self.holders.iter().map(|(user, holder)| (user.clone(), read(holder))).collect())
    }

    fn base(&self) -> Result<Base, StoreError> {
        Ok(serde_json::from_str(&serde_json::to_string(&self.base).unwrap()).unwrap())
    }

    fn spent(&self, user: Option<&str>, (from, to): (u64, u64)) -> Result<Vec<Spent>, StoreError> {
        let mut all: BTreeMap<&str, Spent> = BTreeMap::new();
        for ((hour, name), [requests, tokens, micro_usd]) in &self.ledger {
            if (from..to).contains(hour) && user.is_none_or(|user| user == name) {
                let spent = all.entry(name).or_insert_with(|| Spent { user: name.clone(), ..Spent::default() });
                spent.requests += requests;
                spent.tokens += tokens;
                spent.micro_usd += micro_usd;
            }
        }
        Ok(all.into_values().collect())
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let fault = std::mem::take(&mut self.fault);
        if fault == Fault::Before {
            return Err(StoreError("fault before".to_owned()));
        }
        for write in writes {
            match write {
                Write::PutHolder(user, holder) => drop(self.holders.insert(user.clone(), (**holder).clone())),
                Write::DeleteHolder(user) => drop(self.holders.remove(user)),
                Write::PutBase(base) => self.base.clone_from(base),
            }
        }
        if fault == Fault::After { Err(StoreError("fault after".to_owned())) } else { Ok(()) }
    }
}
