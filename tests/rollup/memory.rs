//! A ledger's `Store` in memory whose commit can fail without or after persisting.
//!
//! Always holds: a failed batch changes nothing or everything; it counts rows written the way the platform bills them; a
//! statement that has another number of values than places is refused, and a number that is not exact as a float.

use std::collections::BTreeMap;

use behest::rollup::schema;
use behest::rollup::store::{Applied, DetailRow, Scan, TotalRow};
use behest::rollup::usage::{GroupKey, UsageQuery};
use behest::rollup::{Store, Write};
use behest::user::StoreError;
use behest::user::schema::{Bind, Statement};

use crate::user_memory::Fault;

type TotalKey = (u64, [String; 6]);

/// All rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub applied: BTreeMap<String, (Applied, u64)>,
    pub erased: BTreeMap<String, (u64, u64)>,
    pub details: BTreeMap<(u64, String, u64), DetailRow>,
    pub totals: BTreeMap<TotalKey, TotalRow>,
}

#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub rows: Rows,
    pub fault: Fault,
    /// Rows inserted or updated.
    pub written: u64,
    pub commits: u64,
}

impl Store for Memory {
    fn applied(&self, user: &str) -> Result<Option<Applied>, StoreError> {
        Ok(self.rows.applied.get(user).map(|(applied, _)| *applied))
    }

    fn erased(&self, user: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.rows.erased.get(user).map(|(epoch, _)| *epoch))
    }

    fn recent(&self, since: u64, limit: u64) -> Result<Vec<String>, StoreError> {
        let mut users: Vec<_> = self.rows.applied.iter().filter(|(_, (_, at))| *at >= since).collect();
        users.sort_by_key(|(user, (_, at))| (std::cmp::Reverse(*at), (*user).clone()));
        Ok(users.into_iter().take(size(limit)).map(|(user, _)| user.clone()).collect())
    }

    fn details(&self, scan: &Scan) -> Result<Vec<DetailRow>, StoreError> {
        fits(&schema::details(scan)).map_err(StoreError)?;
        let rows = self.rows.details.range(..scan.below.clone()).rev().map(|(_, row)| row);
        let asked = |row: &&DetailRow| {
            row.newest_at >= scan.from && row.oldest_at <= scan.to && scan.user.as_ref().is_none_or(|user| *user == row.user)
        };
        Ok(rows.filter(asked).take(size(scan.limit)).cloned().collect())
    }

    fn oldest_detail(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.rows.details.keys().next().map(|(newest_at, ..)| *newest_at))
    }

    fn oldest_erasure(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.rows.erased.values().map(|(_, at)| *at).min())
    }

    fn sums(&self, query: &UsageQuery) -> Result<Vec<TotalRow>, StoreError> {
        fits(&schema::sums(query)).map_err(StoreError)?;
        let mut groups: BTreeMap<TotalKey, TotalRow> = BTreeMap::new();
        for row in self.rows.totals.values().filter(|row| (query.from..query.to).contains(&row.hour)) {
            let group = grouped(row, query);
            groups.entry(key(&group)).and_modify(|sum| sum.add(&group)).or_insert(group);
        }
        let behind = |row: &TotalRow| query.after.as_ref().is_none_or(|GroupKey(hour, texts)| key(row) > (*hour, texts.clone()));
        Ok(groups.into_values().filter(behind).take(size(query.limit)).collect())
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let fault = std::mem::take(&mut self.fault);
        if fault == Fault::Before {
            return Err(StoreError("fault before".to_owned()));
        }
        for statement in writes.iter().flat_map(schema::statements) {
            fits(&statement).map_err(StoreError)?;
        }
        for write in writes {
            self.written += self.rows.write(write);
        }
        self.commits += 1;
        if fault == Fault::After { Err(StoreError("fault after".to_owned())) } else { Ok(()) }
    }
}

impl Rows {
    fn write(&mut self, write: &Write) -> u64 {
        match write {
            Write::PutApplied { user, applied, at } => drop(self.applied.insert(user.clone(), (*applied, *at))),
            Write::PutDetail(row) => drop(self.details.insert((row.newest_at, row.user.clone(), row.through), row.clone())),
            Write::AddTotal(row) => self.add(row.clone()),
            Write::PruneDetails { before, limit } => {
                let old: Vec<_> = self.details.keys().filter(|(newest_at, ..)| newest_at < before).take(size(*limit)).cloned().collect();
                for key in old {
                    self.details.remove(&key);
                }
                return 0;
            }
            Write::PruneErasures { before } => {
                self.erased.retain(|_, (_, at)| *at >= *before);
                return 0;
            }
            Write::Forget { user, epoch, at } => self.forget(user, *epoch, *at),
            Write::Wipe => *self = Self::default(),
        }
        1
    }

    fn add(&mut self, row: TotalRow) {
        self.totals.entry(key(&row)).and_modify(|sum| sum.add(&row)).or_insert(row);
    }

    fn forget(&mut self, user: &str, epoch: u64, at: u64) {
        let (theirs, others) = std::mem::take(&mut self.totals).into_iter().partition(|(_, row)| row.user == user);
        self.totals = others;
        let theirs: BTreeMap<TotalKey, TotalRow> = theirs;
        for row in theirs.into_values() {
            self.add(TotalRow { user: String::new(), session: String::new(), ..row });
        }
        self.details.retain(|_, row| row.user != user);
        self.applied.remove(user);
        self.erased.insert(user.to_owned(), (epoch, at));
    }
}

fn grouped(row: &TotalRow, query: &UsageQuery) -> TotalRow {
    let (by, kept) = (query.by, |kept: bool, text: &String| if kept { text.clone() } else { String::new() });
    TotalRow {
        hour: by.hours.map_or(0, |hours| row.hour / hours),
        user: kept(by.user, &row.user),
        session: kept(by.session, &row.session),
        model: kept(by.model, &row.model),
        provider: kept(by.provider, &row.provider),
        key_source: kept(by.key_source, &row.key_source),
        status: kept(by.status, &row.status),
        ..row.clone()
    }
}

fn key(row: &TotalRow) -> TotalKey {
    let (hour, texts) = row.key();
    (hour, texts.map(str::to_owned))
}

fn fits((sql, binds): &Statement) -> Result<(), String> {
    if sql.matches('?').count() != binds.len() {
        return Err(format!("{sql}: {} values", binds.len()));
    }
    match binds.iter().find(|bind| matches!(bind, Bind::Int(n) if *n >= 1 << 53)) {
        Some(bind) => Err(format!("{sql}: {bind:?} is not exact as a float")),
        None => Ok(()),
    }
}

fn size(limit: u64) -> usize {
    usize::try_from(limit).expect("a limit fits")
}
