//! How many tokens a message will cost at most, roughly: for reservations and for the history window.
//!
//! Three bytes of JSON per token and four tokens per message: above what tokenizers need for prose in any script (English
//! takes four bytes or more, CJK three), below it only for dense noise such as base64 in text; the settlement is by the
//! provider's own count. Always holds: linear time, no allocation of the content. Absent on purpose: a tokenizer.

use serde::Deserialize;
use serde_json::value::RawValue;

/// An image, whatever its size and however it is sent: `OpenAI`'s most for one at high detail is about this.
pub const IMAGE_TOKENS: u64 = 1_600;
/// Bytes of JSON text per token.
const BYTES_PER_TOKEN: u64 = 3;
/// Role and separators.
const MESSAGE_TOKENS: u64 = 4;
/// Base64 of audio per token: the densest codec in use is 4 kB/s, at about ten tokens per second.
const AUDIO_BYTES_PER_TOKEN: u64 = 100;
/// Base64 of a document per token: a page is some 50 kB and some 3,000 tokens.
const FILE_BYTES_PER_TOKEN: u64 = 8;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part {
    r#type: String,
}

/// Tokens of one message, given as its JSON. What is not a message is counted by its length.
pub fn estimate_tokens(message: &str) -> u64 {
    let content = serde_json::from_str::<Message>(message).ok().and_then(|message| message.content).map(RawValue::get);
    let parts = content.filter(|content| content.starts_with('[')).and_then(|content| serde_json::from_str::<Vec<&RawValue>>(content).ok());
    let Some(parts) = parts else { return MESSAGE_TOKENS + text(message.len() as u64) };
    let parts_bytes: usize = parts.iter().map(|part| part.get().len()).sum();
    let around = message.len().saturating_sub(parts_bytes) as u64;
    parts.iter().map(|part| part_tokens(part.get())).fold(MESSAGE_TOKENS + text(around), u64::saturating_add)
}

fn part_tokens(part: &str) -> u64 {
    let bytes = part.len() as u64;
    let kind = serde_json::from_str::<Part>(part).map_or_else(|_| String::new(), |part| part.r#type);
    match kind.as_str() {
        "image_url" | "input_image" | "image" => IMAGE_TOKENS,
        "input_audio" => MESSAGE_TOKENS + bytes.div_ceil(AUDIO_BYTES_PER_TOKEN),
        "file" | "input_file" => MESSAGE_TOKENS + bytes.div_ceil(FILE_BYTES_PER_TOKEN),
        _ => text(bytes),
    }
}

const fn text(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_third_of_its_bytes_and_four() {
        let message = r#"{"role":"user","content":"hello there"}"#;
        assert_eq!(estimate_tokens(message), 4 + (message.len() as u64).div_ceil(3));
    }

    #[test]
    fn an_image_is_flat_however_long_its_data() {
        let with = |url: &str| format!(r#"{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}"#);
        let (short, long) = (estimate_tokens(&with("data:,x")), estimate_tokens(&with(&"A".repeat(3_000_000))));
        assert_eq!(short, long);
        assert!((IMAGE_TOKENS..IMAGE_TOKENS + 40).contains(&short), "{short}");
    }

    #[test]
    fn every_part_counts() {
        let one = estimate_tokens(r#"{"role":"user","content":[{"type":"text","text":"abc"}]}"#);
        let two =
            estimate_tokens(r#"{"role":"user","content":[{"type":"text","text":"abc"},{"type":"image_url","image_url":{"url":"x"}}]}"#);
        assert!((1_600..=1_602).contains(&(two - one)), "{one} {two}");
    }

    #[test]
    fn what_is_no_message_is_counted_by_length() {
        assert_eq!(estimate_tokens("not json!"), 4 + 3);
        assert_eq!(estimate_tokens(""), 4);
    }
}
