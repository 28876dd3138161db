//! Budgets that belong to tokens: ceilings for the sum over the requests that came with them, beside the user's and the project's.
//!
//! Always holds: as for every budget, spent + reserved ≤ limit at admission and at every extension; a request is in the sums of all
//! budgets that its token carried from the commit that admits it on. A request without such a budget reads and writes nothing here.
//! Absent on purpose: how a ceiling holds (`budget`).

use super::User;
use super::budget::{Amount, Ceiling, Whose};
use super::pass::{Pass, TokenWrite};
use super::store::{Store, StoreError, Write};
use crate::config::number::Count;

impl User {
    /// The ceilings of the budgets that a token carries. What is overdue at `due` counts as spent: whoever relies on it settles it.
    pub(super) fn token_ceilings(&self, store: &impl Store, pass: Option<&Pass>, due: u64) -> Result<Vec<Ceiling>, StoreError> {
        let mut ceilings = Vec::new();
        for allowance in pass.iter().flat_map(|pass| &pass.allowances) {
            let (tokens, micro_usd) = store.spent_under(&allowance.id)?;
            let running = store.open_under(&allowance.id)?;
            let nothing = (Amount { tokens, micro_usd }, Amount::default());
            let here = self.open.values().filter(|open| running.contains(&open.seq));
            let (spent, held) =
                here.fold(
                    nothing,
                    |(spent, held), open| {
                        if open.due(due) { (spent.plus(open.bill()), held) } else { (spent, held.plus(open.holds())) }
                    },
                );
            let limits = [(false, allowance.tokens_max.map(Count::get)), (true, allowance.usd_max.map(|max| max.0))];
            for (usd, limit) in limits {
                ceilings.extend(limit.map(|limit| Ceiling::of(Whose::Token { usd }, limit, spent, held)));
            }
        }
        Ok(ceilings)
    }
}

/// What a request that is admitted writes of its token.
pub(super) fn counted(pass: Option<&Pass>, seq: u64) -> impl Iterator<Item = Write> {
    let allowances = pass.into_iter().flat_map(|pass| &pass.allowances);
    allowances.map(move |allowance| Write::Token(TokenWrite::Counts { id: allowance.id.clone(), seq }))
}
