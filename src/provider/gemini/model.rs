//! What follows from a Gemini model's name: its place in a URL, its generation, and how it is told how much to think.
//!
//! Always holds: nothing of a name enters a URL but letters, digits, `.`, `_` and `-`, and never `.` or `..` alone.
//! Absent on purpose: a list of models; an unknown one of a known family is treated as its family.

use super::wire::ThinkingConfig;
use crate::api::parameter::Effort;
use crate::error::{Code, Error, Result};

/// The collections a model's name may begin with; without one it is `models`.
const COLLECTIONS: [&str; 2] = ["models", "tunedModels"];

/// Google's own OpenAI door gives these budgets to low, medium and high (ai.google.dev/gemini-api/docs/openai).
const BUDGETS: [i32; 3] = [1_024, 8_192, 24_576];
/// Gemini 2.5 Pro cannot be told not to think (ai.google.dev/gemini-api/docs/thinking).
const LEAST_OF_PRO: i32 = 128;

/// `models/gemini-2.5-flash`, as it stands in the URL; a 404 for what is no model's name.
pub(super) fn path(model: &str) -> Result<String> {
    let (collection, id) = model.split_once('/').unwrap_or(("models", model));
    if COLLECTIONS.contains(&collection) {
        return Ok(format!("{collection}/{}", id_in_url(id)?));
    }
    Err(unknown(model))
}

/// A model's id that may stand in a URL, or a 404.
pub(in crate::provider) fn id_in_url(id: &str) -> Result<&str> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !id.is_empty() && id.bytes().all(harmless) && id.bytes().any(|byte| byte != b'.') { Ok(id) } else { Err(unknown(id)) }
}

fn unknown(model: &str) -> Error {
    Error::new(Code::ModelNotFound, format!("`{model}` is not the name of a Gemini model.")).with_param("model")
}

/// Which generation of Gemini a model is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// Does not think, or is no Gemini at all.
    Early,
    /// 2.5: thinks within a budget of tokens.
    Budget,
    /// 3 and later: thinks at a level, and wants the signatures of its calls back.
    Level,
}

impl Generation {
    /// By the name, as far as it says: `gemini-2.5-flash`, `gemini-3-pro-preview`, `gemini-flash-latest`.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let Some(rest) = name.strip_prefix("gemini-") else { return Self::Early };
        if rest.ends_with("-latest") && rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Self::Level;
        }
        let version = rest.split('-').next().unwrap_or_default();
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        match (major.parse::<u32>(), minor.parse::<u32>()) {
            (Ok(3..), _) => Self::Level,
            (Ok(2), Ok(5..)) => Self::Budget,
            _ => Self::Early,
        }
    }
}

/// How much to think, in the model's words; `None`: as it likes, or it does not think at all. Thoughts are shown when an effort
/// is asked for. Where thinking cannot be turned off, none is as little as there is.
pub(super) fn thinking(model: &str, effort: Option<Effort>) -> Option<ThinkingConfig> {
    let effort = effort?;
    let pro = model.contains("-pro");
    let [low, medium, high] = BUDGETS;
    Some(match (Generation::of(model), effort) {
        (Generation::Early, _) => return None,
        (Generation::Budget, Effort::None) => ThinkingConfig { include_thoughts: false, ..budget(if pro { LEAST_OF_PRO } else { 0 }) },
        (Generation::Budget, Effort::Minimal | Effort::Low) => budget(low),
        (Generation::Budget, Effort::Medium) => budget(medium),
        (Generation::Budget, Effort::High | Effort::XHigh | Effort::Max) => budget(high),
        // Google: the minimal level matches no thinking for most requests. The pro models do not have it.
        (Generation::Level, Effort::None | Effort::Minimal) => level(if pro { "LOW" } else { "MINIMAL" }, effort != Effort::None),
        (Generation::Level, Effort::Low) => level("LOW", true),
        // The first pro of the third generation had two levels only.
        (Generation::Level, Effort::Medium) => level(if model.contains("gemini-3-pro") { "HIGH" } else { "MEDIUM" }, true),
        (Generation::Level, Effort::High | Effort::XHigh | Effort::Max) => level("HIGH", true),
    })
}

fn budget(tokens: i32) -> ThinkingConfig {
    ThinkingConfig { thinking_budget: Some(tokens), include_thoughts: tokens > 0, ..ThinkingConfig::default() }
}

fn level(level: &'static str, include_thoughts: bool) -> ThinkingConfig {
    ThinkingConfig { thinking_level: Some(level), include_thoughts, ..ThinkingConfig::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_models_enter_a_url() {
        for (model, expected) in [
            ("gemini-2.5-flash", "models/gemini-2.5-flash"),
            ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
            ("tunedModels/my_own-1", "tunedModels/my_own-1"),
            ("a..b", "models/a..b"),
        ] {
            assert_eq!(path(model).unwrap(), expected);
        }
        for model in [
            "",
            ".",
            "..",
            "...",
            "models/",
            "models/..",
            "models/a/b",
            "../files/x",
            "a?key=1",
            "a#b",
            "a%2fb",
            "a b",
            "a:generateContent",
            "é",
            "other/x",
            "/x",
            "a\\b",
            "a@1",
            "a;b",
        ] {
            let error = path(model).unwrap_err();
            assert_eq!((error.status(), error.code()), (404, Code::ModelNotFound), "{model}");
        }
    }

    #[test]
    fn generations() {
        for (model, expected) in [
            ("gemini-1.5-flash", Generation::Early),
            ("gemini-2.0-flash-001", Generation::Early),
            ("gemini-2.5-pro", Generation::Budget),
            ("models/gemini-2.5-flash-lite", Generation::Budget),
            ("gemini-3-pro-preview", Generation::Level),
            ("gemini-3.1-flash-lite", Generation::Level),
            ("gemini-4-argon", Generation::Level),
            ("gemini-10-x", Generation::Level),
            ("gemini-flash-latest", Generation::Level),
            ("gemini-embedding-001", Generation::Early),
            ("gemma-3-27b-it", Generation::Early),
            ("tunedModels/x", Generation::Early),
        ] {
            assert_eq!(Generation::of(model), expected, "{model}");
        }
    }

    /// (model, effort, level, budget, thoughts shown)
    #[test]
    fn efforts() {
        use Effort::{High, Low, Max, Medium, Minimal};
        for (model, effort, level, budget, shown) in [
            ("gemini-2.5-flash", Effort::None, None, Some(0), false),
            ("gemini-2.5-flash", Minimal, None, Some(1_024), true),
            ("gemini-2.5-pro", Effort::None, None, Some(128), false),
            ("gemini-2.5-pro", Low, None, Some(1_024), true),
            ("gemini-2.5-pro", Medium, None, Some(8_192), true),
            ("gemini-2.5-flash-lite", High, None, Some(24_576), true),
            ("gemini-3-flash-preview", Effort::None, Some("MINIMAL"), None, false),
            ("gemini-3-flash-preview", Minimal, Some("MINIMAL"), None, true),
            ("gemini-3-pro-preview", Effort::None, Some("LOW"), None, false),
            ("gemini-3-pro-preview", Minimal, Some("LOW"), None, true),
            ("gemini-3-pro-preview", Medium, Some("HIGH"), None, true),
            ("gemini-3.1-pro-preview", Medium, Some("MEDIUM"), None, true),
            ("gemini-3.5-flash", Max, Some("HIGH"), None, true),
        ] {
            let expected = ThinkingConfig { thinking_level: level, thinking_budget: budget, include_thoughts: shown };
            assert_eq!(thinking(model, Some(effort)), Some(expected), "{model} {effort:?}");
        }
        assert_eq!(thinking("gemini-2.0-flash", Some(Low)), None);
        assert_eq!(thinking("gemini-3-flash", None), None);
    }
}
