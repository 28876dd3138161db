//! Counting a batch: its requests go into the sums of their hours, and packed into detail rows.
//!
//! Always holds: what is counted and how far it is counted are one commit, so a batch that comes twice changes nothing the
//! second time; a batch that leaves a gap is refused; one of before an erasure is not counted, and the first of after one
//! completes it, if it was cut short. A detail row spans at most
//! `SPAN_MS`. Rows written are what the platform bills: a batch costs as many as it has hours, sessions and models, and two.

use std::collections::BTreeMap;

use super::HOUR_MS;
use super::Outcome;
use super::batch::{Batch, Entry};
use super::store::{Applied, DetailRow, Store, TotalRow, Write};
use crate::error::{Error, Result};

/// The longest time between the oldest and the newest request of a detail row, in ms.
pub const SPAN_MS: u64 = 15 * 60_000;

/// Counts what is new in a batch.
pub(super) fn apply(store: &mut impl Store, user: &str, batch: Batch, retention_ms: u64, now: u64) -> Result<Outcome> {
    let told = |through| Ok(Outcome::Told { through, retention_ms });
    let known = match store.applied(user)? {
        Some(known) => known,
        None => Applied { epoch: store.erased(user)?.unwrap_or(0), through: 0 },
    };
    if batch.epoch < known.epoch {
        // Of a user that was erased since: nobody waits for the answer.
        return told(batch.through);
    }
    let applied = if batch.epoch == known.epoch { known.through } else { 0 };
    if batch.first > applied + 1 {
        return Ok(Outcome::Expected { number: applied + 1 });
    }
    if batch.through <= applied {
        return told(applied);
    }
    let (epoch, through) = (batch.epoch, batch.through);
    let fresh: Vec<Entry> = batch.entries.into_iter().filter(|entry| entry.number > applied && entry.number <= through).collect();
    let mut writes = Vec::new();
    if epoch > known.epoch && known.through > 0 {
        // The user was erased and nobody came to say so here.
        writes.push(Write::Forget { user: user.to_owned(), epoch, at: now });
    }
    writes.extend(totals(user, &fresh).into_iter().map(Write::AddTotal));
    writes.extend(details(user, fresh)?.into_iter().map(Write::PutDetail));
    writes.push(Write::PutApplied { user: user.to_owned(), applied: Applied { epoch, through }, at: now });
    store.commit(&writes)?;
    told(through)
}

/// The sums of a batch, so that it costs as few rows as it has keys.
fn totals(user: &str, entries: &[Entry]) -> Vec<TotalRow> {
    let mut totals: BTreeMap<_, TotalRow> = BTreeMap::new();
    for entry in entries {
        let row = total(user, entry);
        let key = (
            row.hour,
            entry.session_id.as_str(),
            entry.model_served.as_str(),
            entry.provider.as_str(),
            entry.key_source,
            entry.status.name(),
        );
        totals.entry(key).and_modify(|sum| sum.add(&row)).or_insert(row);
    }
    totals.into_values().collect()
}

fn total(user: &str, entry: &Entry) -> TotalRow {
    let usage = entry.usage;
    TotalRow {
        hour: entry.at / HOUR_MS,
        user: user.to_owned(),
        session: entry.session_id.clone(),
        model: entry.model_served.clone(),
        provider: entry.provider.clone(),
        key_source: entry.key_source.name().to_owned(),
        status: entry.status.name().to_owned(),
        requests: 1,
        unpriced: u64::from(!entry.priced),
        estimated: u64::from(entry.estimated),
        input: usage.input,
        output: usage.output,
        cached_input: usage.cached_input,
        cache_write: usage.cache_write,
        reasoning: usage.reasoning,
        audio_input: usage.audio_input,
        audio_output: usage.audio_output,
        micro_usd: entry.micro_usd,
    }
}

/// The entries in detail rows, oldest first in each.
fn details(user: &str, mut entries: Vec<Entry>) -> Result<Vec<DetailRow>> {
    entries.sort_unstable_by_key(|entry| (entry.at, entry.number));
    let mut packs: Vec<Vec<Entry>> = Vec::new();
    for entry in entries {
        match packs.last_mut() {
            Some(pack) if pack.first().is_some_and(|first| entry.at - first.at <= SPAN_MS) => pack.push(entry),
            _ => packs.push(vec![entry]),
        }
    }
    packs.iter().map(|pack| detail(user, pack)).collect()
}

fn detail(user: &str, pack: &[Entry]) -> Result<DetailRow> {
    let body = serde_json::to_string(pack).map_err(|error| Error::server(format!("rollup detail: {error}")))?;
    Ok(DetailRow {
        newest_at: pack.last().map_or(0, |entry| entry.at),
        user: user.to_owned(),
        through: pack.iter().map(|entry| entry.number).max().unwrap_or(0),
        oldest_at: pack.first().map_or(0, |entry| entry.at),
        body,
    })
}
