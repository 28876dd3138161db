//! Thoughts with their signatures: taken out of an answer, kept per call, put back into the history.
//!
//! Always holds: a thought goes back exactly as it came, to the place in its message where it stood; too much is not kept at all.
//! Absent on purpose: thoughts of answers without calls, which the API does not want back.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::provider::private::{self, MAX_BYTES, Maker, Private};

/// What is kept of one call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Bytes of the message's text before the call.
    text: u64,
    /// Blocks since the call before, each with the bytes of text before it.
    blocks: Vec<(u64, Box<RawValue>)>,
}

/// Collects the thoughts of one answer.
#[derive(Debug)]
pub(super) struct Collector {
    maker: Maker,
    /// Thoughts that no call has followed yet.
    pending: Vec<(u64, Box<RawValue>)>,
    kept: Vec<Private>,
    bytes: usize,
}

impl Collector {
    /// Of an answer of this model.
    pub(super) const fn of(maker: Maker) -> Self {
        Self { maker, pending: Vec::new(), kept: Vec::new(), bytes: 0 }
    }

    /// A block that the client cannot carry, after so many bytes of text.
    pub(super) fn thought(&mut self, text: u64, block: Box<RawValue>) {
        self.bytes = self.bytes.saturating_add(block.get().len());
        if self.bytes > MAX_BYTES {
            self.pending.clear();
            self.kept.clear();
        } else {
            self.pending.push((text, block));
        }
    }

    /// A call, after so many bytes of text: what was thought since the last one belongs to it.
    pub(super) fn call(&mut self, call_id: &str, text: u64) {
        if self.pending.is_empty() {
            return;
        }
        let kept = Kept { text, blocks: core::mem::take(&mut self.pending) };
        let Ok(state) = serde_json::value::to_raw_value(&kept) else { return };
        self.kept.push(Private { call_id: call_id.to_owned(), maker: self.maker.clone(), state });
    }

    /// What is to be kept.
    pub(super) fn private(&self) -> Vec<Private> {
        private::bounded(self.kept.clone())
    }
}

/// What was kept of a call; `None` when nothing was, or it cannot be read.
pub(super) fn find<'p>(kept: private::Kept<'p>, call_id: &str) -> Option<Thoughts<'p>> {
    let state = kept.find(call_id)?;
    serde_json::from_str(state.get()).ok()
}

/// What was kept of one call, borrowed.
#[derive(Debug, Deserialize)]
pub(super) struct Thoughts<'p> {
    /// Bytes of the message's text before the call.
    pub(super) text: usize,
    /// Blocks before the call, each with the bytes of text before it.
    #[serde(borrow)]
    pub(super) blocks: Vec<(usize, &'p RawValue)>,
}
