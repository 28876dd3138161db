//! Whether the model thinks, and how much: from `reasoning_effort`, or from Anthropic's own `thinking`.
//!
//! Always holds: without either the model does as it likes; of older models thinking is not asked where the API would refuse it: with
//! a forced tool, with a maximum too small for it, and in the middle of a tool loop whose thoughts are lost.

use super::model::{Model, Thinking, ThoughtsBack};
use super::wire;
use crate::api::chat::ChatRequest;
use crate::api::parameter::{self, Effort};
use crate::error::{Error, Result};
use crate::json;

/// The API's smallest budget, in tokens.
const MIN_BUDGET: u64 = 1_024;

/// What the rest of the request has to say about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// The most output tokens, thoughts included.
    pub(super) max_tokens: u64,
    /// A tool must be called.
    pub(super) forced: bool,
    /// The conversation stands in a tool loop that began without a thought that we know.
    pub(super) thoughts_lost: bool,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) thinking: Option<wire::Thinking<'a>>,
    pub(super) effort: Option<&'static str>,
    /// The model will think or may, so it wants its earlier thoughts back.
    pub(super) on: bool,
}

/// The beta that lets a request say what becomes of thoughts before which something was changed.
pub(super) const BINDING_BETA: &str = "thinking-binding-controls-2026-08-01";

impl Plan<'_> {
    /// Whether the model is given its earlier thoughts. `can_say`: the request can have the beta's header.
    pub(super) fn gives_back(&self, model: Model<'_>, can_say: bool) -> bool {
        self.on
            && match model.thoughts_back() {
                ThoughtsBack::Taken => true,
                ThoughtsBack::Checked => can_say && !matches!(self.thinking, Some(wire::Thinking::Own(_))),
                ThoughtsBack::Unknown => false,
            }
    }

    /// Earlier thoughts are among the messages: those that the model would refuse it is to drop, for a client may have changed its
    /// instructions or tools without knowing of them.
    pub(super) fn drop_refused(&mut self, model: Model<'_>) {
        if model.thoughts_back() == ThoughtsBack::Checked {
            let display = match self.thinking {
                Some(wire::Thinking::Adaptive { display, .. }) => display,
                _ => None,
            };
            let block_binding = Some(wire::BlockBinding { prefix_mismatch_behavior: "drop_block" });
            self.thinking = Some(wire::Thinking::Adaptive { display, block_binding });
        }
    }
}

/// Decides.
///
/// # Errors
/// 400 that names the field.
pub(super) fn plan<'a>(chat: &'a ChatRequest<'_>, model: Model<'_>, now: Situation) -> Result<Plan<'a>> {
    let effort = parameter::effort(chat)?;
    if let Some(own) = chat.member("thinking") {
        let [kind] = json::pick(own.get(), ["type"]).map_err(|_| Error::invalid("thinking", "thinking must be an object."))?;
        let (disabled, budget) =
            (kind.is_some_and(|kind| kind.get() == "\"disabled\""), kind.is_some_and(|kind| kind.get() == "\"enabled\""));
        let adaptive = matches!(model.thinking(), Thinking::Adaptive { .. });
        let effort = effort.filter(|_| adaptive).map(|effort| model.effort(effort));
        if budget && (now.forced || now.thoughts_lost) {
            return Ok(Plan { thinking: None, effort, on: false });
        }
        return Ok(Plan { thinking: Some(wire::Thinking::Own(own)), effort, on: !disabled });
    }
    Ok(match model.thinking() {
        Thinking::None => Plan { thinking: None, effort: None, on: false },
        Thinking::Budget => {
            let budget = effort.and_then(|effort| budget(effort, now.max_tokens)).filter(|_| !now.forced && !now.thoughts_lost);
            let thinking = budget.map(|budget_tokens| wire::Thinking::Enabled { budget_tokens });
            Plan { on: thinking.is_some(), thinking, effort: None }
        }
        Thinking::Adaptive { by_default, can_stop, hidden } => match effort {
            None => Plan { thinking: None, effort: None, on: by_default },
            Some(Effort::None) if can_stop => {
                let thinking = by_default.then_some(wire::Thinking::Disabled);
                Plan { thinking, effort: None, on: false }
            }
            Some(effort) => {
                let thinking = wire::Thinking::Adaptive { display: hidden.then_some("summarized"), block_binding: None };
                Plan { thinking: Some(thinking), effort: Some(model.effort(effort)), on: true }
            }
        },
    })
}

/// Tokens for thoughts, at most half of all; `None` when that is too few to think.
fn budget(effort: Effort, max_tokens: u64) -> Option<u64> {
    let wanted = match effort {
        Effort::None => return None,
        Effort::Minimal | Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 24_576,
        Effort::XHigh | Effort::Max => 32_000,
    };
    Some(wanted.min(max_tokens / 2)).filter(|budget| *budget >= MIN_BUDGET)
}
