//! How long detail rows and the memory of erasures are kept. Sums are kept for good.
//!
//! Always holds: each run does a bounded amount of work; a row goes when its newest request is older than the retention.

use super::HOUR_MS;
use super::store::{Store, StoreError, Write};

/// Detail rows removed per run.
const PRUNE_ROWS: u64 = 1_000;
/// How long an erased user's id is remembered, so that a batch that was on its way does not bring it back.
const ERASURE_MS: u64 = HOUR_MS;

/// The writes that remove what is too old.
pub(super) fn prune(retention_ms: u64, now: u64) -> [Write; 2] {
    [
        Write::PruneDetails { before: now.saturating_sub(retention_ms), limit: PRUNE_ROWS },
        Write::PruneErasures { before: now.saturating_sub(ERASURE_MS) },
    ]
}

/// When there is something to remove, epoch ms.
///
/// # Errors
/// The store failed.
pub fn wake_at(store: &impl Store, retention_ms: u64) -> Result<Option<u64>, StoreError> {
    let detail = store.oldest_detail()?.map(|at| at.saturating_add(retention_ms) + 1);
    let erasure = store.oldest_erasure()?.map(|at| at + ERASURE_MS + 1);
    Ok(detail.into_iter().chain(erasure).min())
}
