//! The probabilities of tokens, in OpenAI's form.
//!
//! Always holds: one entry for each token chosen; its bytes are those of its text. Absent on purpose: token numbers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Theirs {
    chosen_candidates: Option<Vec<Token>>,
    top_candidates: Option<Vec<Top>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    candidates: Option<Vec<Token>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Token {
    token: Option<String>,
    log_probability: Option<f64>,
}

#[derive(Serialize)]
struct Ours<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<Vec<Ours<'a>>>,
}

/// Reads `logprobsResult`: one JSON object for each token. What cannot be read has none.
pub(super) fn read(raw: &RawValue) -> Vec<String> {
    let theirs: Theirs = serde_json::from_str(raw.get()).unwrap_or_default();
    let tops = theirs.top_candidates.unwrap_or_default();
    let chosen = theirs.chosen_candidates.unwrap_or_default();
    let entry = |(position, token): (usize, &Token)| {
        let others = tops.get(position).and_then(|top| top.candidates.as_deref()).unwrap_or_default();
        let top_logprobs = others.iter().map(|other| ours(other, None)).collect();
        serde_json::to_string(&ours(token, Some(top_logprobs))).ok()
    };
    chosen.iter().enumerate().filter_map(entry).collect()
}

fn ours<'a>(token: &'a Token, top_logprobs: Option<Vec<Ours<'a>>>) -> Ours<'a> {
    let text = token.token.as_deref().unwrap_or_default();
    Ours { token: text, logprob: token.log_probability.unwrap_or(0.0), bytes: text.as_bytes(), top_logprobs }
}
