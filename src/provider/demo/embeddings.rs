//! The demo's vectors: texts that share words are near each other, so that a search over them finds something.
//!
//! Always holds: the same text gives the same vector, of length one, on every machine; a text's length sets its cost.
//! Absent on purpose: meaning. A synonym is as far away as any other word.

use super::script::Script;
use super::trigger::Trigger;
use super::{Demo, MODEL, OPENAI};
use crate::api::embeddings::{EmbeddingsRequest, Input};
use crate::api::vector;
use crate::error::{Error, Result};
use crate::json;
use crate::provider::document::{Document, Embeddings, VectorList};
use crate::provider::{Call, Target};

/// How long a vector is when nobody says.
const DIMENSIONS: u64 = 256;
/// The longest: that of the largest model in common use.
const MOST: u64 = 3_072;
/// In how many places of the vector a word shows: few, so that words rarely meet.
const PLACES: u64 = 4;

impl Embeddings for Demo {
    fn ask(&self, asked: &EmbeddingsRequest<'_>, _target: &Target) -> Result<Call> {
        let length = asked.dimensions.unwrap_or(DIMENSIONS);
        if length > MOST {
            return Err(Error::invalid("dimensions", format!("The demo gives at most {MOST} dimensions.")));
        }
        let mut list = VectorList::new();
        for item in asked.input.items() {
            let vector = match &asked.input {
                Input::Tokens(_) => vector(item.get().trim_matches(['[', ']']).split(',').map(str::trim_ascii), length),
                Input::Texts(_) => {
                    let text = json::text(item).unwrap_or_default();
                    if let Some(Trigger::Error(status)) = Trigger::read(&text) {
                        return Ok(Call::Demo(Script::failure(status, &text)));
                    }
                    let lower = text.to_lowercase();
                    vector(words(&lower), length)
                }
            };
            list.push_encoded(&vector::encoded(&vector, asked.encoding));
        }
        Ok(Call::Demo(Script::document(list.finish(MODEL, asked.tokens_estimate()))))
    }

    fn read(&self, body: Vec<u8>, asked: &EmbeddingsRequest<'_>, target: &Target) -> Result<Document> {
        OPENAI.read(body, asked, target)
    }
}

/// The words of a text; one without any is a word itself.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).peekable();
    let whole = words.peek().is_none().then_some(text);
    words.chain(whole)
}

fn vector<'w>(words: impl Iterator<Item = &'w str>, length: u64) -> Vec<f32> {
    let mut counts = vec![0_i32; usize::try_from(length).unwrap_or_default()];
    for word in words {
        for place in 0..PLACES {
            let hash = hash(word, place);
            let at = usize::try_from((hash >> 1) % length).unwrap_or_default();
            if let Some(count) = counts.get_mut(at) {
                *count = count.saturating_add(if hash & 1 == 0 { 1 } else { -1 });
            }
        }
    }
    // Words that meet with opposite signs leave nothing: such a text points somewhere nonetheless.
    if let (true, Some(first)) = (counts.iter().all(|count| *count == 0), counts.first_mut()) {
        *first = 1;
    }
    let norm = counts.iter().map(|count| f64::from(*count).powi(2)).sum::<f64>().sqrt();
    #[allow(clippy::cast_possible_truncation, reason = "32 bits is what a vector has")]
    counts.iter().map(|count| (f64::from(*count) / norm) as f32).collect()
}

/// FNV-1a over the word and the place, then mixed, so that its low bits are as good as its high ones.
fn hash(word: &str, place: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = word.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, length: u64) -> Vec<f32> {
        vector(words(text), length)
    }

    fn nearness(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn shared_words_are_near() {
        let [cat, kitten, market] = ["a cat sat on the mat", "the cat is on a mat", "shares fell sharply today"].map(|text| of(text, 256));
        assert!(nearness(&cat, &kitten) > 0.6, "{}", nearness(&cat, &kitten));
        assert!(nearness(&cat, &market).abs() < 0.3, "{}", nearness(&cat, &market));
    }

    #[test]
    fn every_vector_has_length_one() {
        for length in [1, 2, 3, 256, 3_072] {
            for text in ["a", "?!", " ", "héllo wörld 你好", "one two three four five six seven"] {
                let vector = of(text, length);
                assert_eq!(vector.len() as u64, length);
                assert!((nearness(&vector, &vector) - 1.0).abs() < 1e-5, "{text} {length}");
            }
        }
    }
}
