//! Single requests, newest first, in pages.
//!
//! Always holds: the order is (time of admission, user, settle number), exactly; a page goes on behind the last request of
//! the page before, so that nothing is told twice or left out, whatever is counted in between. A page that would read too
//! much ends early and says where to go on. Absent on purpose: how it looks (`api::ledger`).

use serde::{Deserialize, Serialize};

use super::apply::SPAN_MS;
use super::batch::Entry;
use super::store::{DetailRow, Scan, Store};
use crate::error::{Error, Result};

/// Detail rows per read.
const CHUNK: u64 = 64;
/// Detail rows of a page, if they suffice to get on at all.
const MOST_ROWS: u64 = 2_048;

/// Which requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestsQuery {
    /// The first moment, epoch ms.
    pub from: u64,
    /// The first moment after, epoch ms.
    pub to: u64,
    /// Only requests before this place in the order.
    pub below: Option<Place>,
    /// How many at most.
    pub limit: u64,
    /// What they have.
    pub filter: Filter,
}

/// A place in the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(pub u64, pub String, pub u64);

/// What requests have; `None` is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the route's")]
pub struct Filter {
    pub user: Option<String>,
    /// Asked for or served.
    pub model: Option<String>,
    pub provider: Option<String>,
    pub status: Option<String>,
    pub session: Option<String>,
    pub thread: Option<String>,
}

/// A request and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The user.
    pub user: String,
    /// The request.
    pub entry: Entry,
}

impl Line {
    fn place(&self) -> Place {
        Place(self.entry.at, self.user.clone(), self.entry.number)
    }
}

/// Some requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Newest first.
    pub lines: Vec<Line>,
    /// Where to go on; `None` if there is nothing more.
    pub next: Option<Place>,
}

/// A page of requests, of those that are not older than `kept`.
pub(super) fn requests(store: &impl Store, query: RequestsQuery, kept: u64) -> Result<Page> {
    let query = RequestsQuery { from: query.from.max(kept), ..query };
    let newest = query.below.as_ref().map_or(u64::MAX, |place| place.0).min(query.to.saturating_sub(1));
    let mut below = (newest.saturating_add(SPAN_MS + 1).min((1 << 53) - 1), String::new(), 0);
    let (mut found, mut read) = (Vec::new(), 0);
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    loop {
        let scan = Scan { below: below.clone(), from: query.from, to: newest, user: query.filter.user.clone(), limit: CHUNK };
        let rows = store.details(&scan)?;
        for row in &rows {
            found.extend(lines(row)?.into_iter().filter(|line| query.has(line)));
        }
        let Some(last) = rows.last().filter(|_| rows.len() as u64 == CHUNK) else {
            return Ok(page(found, limit, None));
        };
        // Of what is later than the newest request of the last row that was read, nothing can come any more.
        below = (last.newest_at, last.user.clone(), last.through);
        read += CHUNK;
        let sealed = found.iter().filter(|line: &&Line| line.entry.at > last.newest_at).count();
        let place = Place(last.newest_at + 1, String::new(), 0);
        let gets_on = query.below.as_ref().is_none_or(|below| place < *below);
        if sealed > limit || (read >= MOST_ROWS && gets_on) {
            found.retain(|line| line.entry.at > last.newest_at);
            return Ok(page(found, limit, Some(place)));
        }
    }
}

impl RequestsQuery {
    fn has(&self, line: &Line) -> bool {
        let (filter, entry) = (&self.filter, &line.entry);
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
        (self.from..self.to).contains(&entry.at)
            && self.below.as_ref().is_none_or(|below| line.place() < *below)
            && is(&filter.user, &line.user)
            && (is(&filter.model, &entry.model) || is(&filter.model, &entry.model_served))
            && is(&filter.provider, &entry.provider)
            && is(&filter.status, entry.status.name())
            && is(&filter.session, &entry.session_id)
            && is(&filter.thread, entry.thread_id.as_deref().unwrap_or_default())
    }
}

/// At most `limit` of what was found; if it is less, `next` is where to go on.
fn page(mut found: Vec<Line>, limit: usize, next: Option<Place>) -> Page {
    found.sort_unstable_by_key(|line| core::cmp::Reverse(line.place()));
    let more = found.len() > limit;
    found.truncate(limit);
    let next = if more { found.last().map(Line::place) } else { next };
    Page { lines: found, next }
}

fn lines(row: &DetailRow) -> Result<Vec<Line>> {
    let entries: Vec<Entry> = serde_json::from_str(&row.body).map_err(|error| Error::server(format!("rollup detail: {error}")))?;
    Ok(entries.into_iter().map(|entry| Line { user: row.user.clone(), entry }).collect())
}
