//! What a Claude model takes, by the version in its name (`claude-3-7-sonnet-…`, `claude-sonnet-4-5-20250929`, `claude-opus-5`).
//!
//! Source: Anthropic's documentation of thinking, effort, structured outputs, and its migration guides, as of November 2026. A Claude
//! without a version is taken for a new one; another maker's model behind this dialect for one of Claude's first with thinking.
//! Absent on purpose: numbers that the catalogue has (windows, prices).

use crate::api::parameter::Effort;
use crate::provider::{Kind, Target};

/// How a model thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// Not at all.
    None,
    /// Within a budget of tokens, when asked.
    Budget,
    /// As much as it likes, guided by an effort.
    Adaptive {
        /// Without being asked.
        by_default: bool,
        /// It can be told not to.
        can_stop: bool,
        /// Its thoughts are shown only when that is asked.
        hidden: bool,
    },
}

/// What a model does with a thought that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThoughtsBack {
    /// It takes its own.
    Taken,
    /// It refuses the request if the instructions, the tools or a message before the thought were changed meanwhile, unless it is
    /// told to drop the thought then (platform.claude.com/docs/en/build-with-claude/preserved-thinking).
    Checked,
    /// A name without a version: it may do either.
    Unknown,
}

/// One model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model<'m> {
    family: &'m str,
    /// Major and minor; `None`: the name has none.
    version: Option<(u32, u32)>,
    is_claude: bool,
    /// Whoever serves it lets it be held to schemas.
    host_has_schemas: bool,
}

impl<'m> Model<'m> {
    /// The model of a target. Vertex refuses schemas unless the owner's organisation has allowed `structured_outputs` by a policy
    /// (docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/structured_outputs), so there none are sent.
    pub(super) fn of(target: &'m Target) -> Self {
        Self { host_has_schemas: target.kind != Kind::Vertex, ..Self::named(&target.model) }
    }

    /// Reads a name; a vendor before it does not matter.
    pub(super) fn named(name: &'m str) -> Self {
        let Some((_, rest)) = name.rsplit('/').next().unwrap_or(name).split_once("claude-") else {
            return Self { family: "", version: None, is_claude: false, host_has_schemas: true };
        };
        let words = || rest.split(['-', '.', '@', ':']);
        // Longer numbers are dates.
        let mut numbers = words().filter(|word| word.len() <= 2).filter_map(|word| word.parse::<u32>().ok());
        let version = numbers.next().map(|major| (major, numbers.next().unwrap_or(0)));
        let family = words().find(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic())).unwrap_or_default();
        Self { family, version, is_claude: true, host_has_schemas: true }
    }

    fn is_at_least(self, major: u32, minor: u32) -> bool {
        self.is_claude && self.version.is_none_or(|version| version >= (major, minor))
    }

    /// How it thinks.
    pub(super) fn thinking(self) -> Thinking {
        if !self.is_claude {
            return Thinking::Budget;
        }
        if !self.is_at_least(3, 7) {
            return Thinking::None;
        }
        if !self.is_at_least(4, 6) {
            return Thinking::Budget;
        }
        let by_default = self.is_at_least(5, 0);
        let can_stop = !by_default || matches!((self.family, self.version), ("opus" | "sonnet", Some((5, 0))) | ("haiku", Some((5, _))));
        Thinking::Adaptive { by_default, can_stop, hidden: self.is_at_least(4, 7) }
    }

    /// The effort that comes nearest to the one wanted without being more.
    pub(super) fn effort(self, wanted: Effort) -> &'static str {
        match wanted {
            Effort::None | Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::XHigh if self.is_at_least(4, 7) => "xhigh",
            Effort::High | Effort::XHigh => "high",
            Effort::Max => "max",
        }
    }

    /// Whether it takes `temperature`, `top_p` and `top_k`. Newer ones choose for themselves and refuse them.
    pub(super) fn samples(self) -> bool {
        !self.is_at_least(4, 7)
    }

    /// Whether a call can be demanded. Models that always think refuse that.
    pub(super) fn can_be_forced(self) -> bool {
        !matches!(self.thinking(), Thinking::Adaptive { can_stop: false, .. })
    }

    /// What it does with thoughts that are given back.
    pub(super) fn thoughts_back(self) -> ThoughtsBack {
        match self.version {
            _ if !self.is_at_least(5, 1) || self.family == "mythos" => ThoughtsBack::Taken,
            Some(_) => ThoughtsBack::Checked,
            None => ThoughtsBack::Unknown,
        }
    }

    /// Whether it answers in a schema, and calls tools by theirs.
    pub(super) fn has_schemas(self) -> bool {
        self.host_has_schemas && self.is_at_least(4, 5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN_BY_DEFAULT: Thinking = Thinking::Adaptive { by_default: true, can_stop: false, hidden: true };
    const CAN_STOP: Thinking = Thinking::Adaptive { by_default: true, can_stop: true, hidden: true };
    const ON_REQUEST: Thinking = Thinking::Adaptive { by_default: false, can_stop: true, hidden: false };

    #[test]
    fn names_tell_what_a_model_takes() {
        for (name, thinking, samples, schemas) in [
            ("claude-2.1", Thinking::None, true, false),
            ("claude-instant-1.2", Thinking::None, true, false),
            ("claude-3-haiku-20240307", Thinking::None, true, false),
            ("claude-3-5-sonnet-latest", Thinking::None, true, false),
            ("claude-3-7-sonnet-20250219", Thinking::Budget, true, false),
            ("claude-sonnet-4-20250514", Thinking::Budget, true, false),
            ("claude-opus-4-1-20250805", Thinking::Budget, true, false),
            ("claude-sonnet-4-5", Thinking::Budget, true, true),
            ("anthropic/claude-haiku-4-5-20251001", Thinking::Budget, true, true),
            ("claude-haiku-4-5@20251001", Thinking::Budget, true, true),
            ("claude-opus-4-6", ON_REQUEST, true, true),
            ("claude-opus-4-7-20260416", Thinking::Adaptive { by_default: false, can_stop: true, hidden: true }, false, true),
            ("claude-opus-5", CAN_STOP, false, true),
            ("claude-haiku-5-5", CAN_STOP, false, true),
            ("claude-opus-5-5", HIDDEN_BY_DEFAULT, false, true),
            ("claude-fable-5-1", HIDDEN_BY_DEFAULT, false, true),
            ("claude-mythos-preview", HIDDEN_BY_DEFAULT, false, true),
            ("kimi-k2", Thinking::Budget, true, false),
        ] {
            let model = Model::named(name);
            assert_eq!((model.thinking(), model.samples(), model.has_schemas()), (thinking, samples, schemas), "{name}");
        }
    }

    #[test]
    fn names_tell_what_becomes_of_thoughts() {
        for (name, back) in [
            ("claude-sonnet-4-5", ThoughtsBack::Taken),
            ("claude-opus-5", ThoughtsBack::Taken),
            ("claude-fable-5-1", ThoughtsBack::Checked),
            ("claude-opus-5-5-20261001", ThoughtsBack::Checked),
            ("claude-mythos-5-1", ThoughtsBack::Taken),
            ("claude-fable-latest", ThoughtsBack::Unknown),
            ("kimi-k2", ThoughtsBack::Taken),
        ] {
            assert_eq!(Model::named(name).thoughts_back(), back, "{name}");
        }
    }
}
