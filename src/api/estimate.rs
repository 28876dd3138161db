//! How many tokens a text or a message will cost at most, roughly: for reservations and for the history window.
//!
//! Three bytes of text per token and four tokens per message: above what tokenizers need for prose in any script (English
//! takes four bytes or more, CJK three), below it only for dense noise such as base64 in text; the settlement is by the
//! provider's own count. Always holds: linear time, no allocation of the content. Absent on purpose: a tokenizer.

use serde_json::value::RawValue;

use crate::json;

/// An image, whatever its size and however it is sent: `OpenAI`'s most for one at high detail is about this.
pub const IMAGE_TOKENS: u64 = 1_600;
/// Role and separators.
const MESSAGE_TOKENS: u64 = 4;
/// Bytes of text per token.
const BYTES_PER_TOKEN: u64 = 3;
/// Base64 of audio per token: the densest codec in use is 4 kB/s, at about ten tokens per second.
const AUDIO_BYTES_PER_TOKEN: u64 = 100;
/// Base64 of a document per token: a page is some 50 kB and some 3,000 tokens.
const FILE_BYTES_PER_TOKEN: u64 = 8;

/// Tokens of so many bytes that a model wrote, where it did not say: by OpenAI's rule of thumb, four bytes of English each.
pub const fn output_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// Tokens of a text of so many bytes.
pub const fn text_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// Tokens of one message, given as its JSON. What is no message is counted by its length.
pub fn message_tokens(message: &str) -> u64 {
    let mut sum = Sum::default();
    let read = json::each_member(message, |key, value| match key.get() {
        "\"role\"" => {}
        "\"content\"" => sum.content(value),
        _ => sum.bytes += value.get().len(),
    });
    if read.is_err() {
        sum = Sum { bytes: message.len(), media: 0 };
    }
    sum.media.saturating_add(text_tokens(sum.bytes)).saturating_add(MESSAGE_TOKENS)
}

/// Bytes of text, and tokens of what is no text.
#[derive(Default)]
struct Sum {
    bytes: usize,
    media: u64,
}

impl Sum {
    fn content(&mut self, value: &RawValue) {
        if let Some(text) = json::quoted(value) {
            self.bytes += json::text_len(text);
        } else if json::each_item(value.get(), |part| self.part(part)).is_err() {
            self.bytes += value.get().len();
        }
    }

    fn part(&mut self, part: &RawValue) {
        let size = part.get().len();
        let [kind, text] = json::pick(part.get(), ["type", "text"]).unwrap_or_default();
        match kind.map_or("", RawValue::get) {
            "\"image_url\"" | "\"image\"" | "\"input_image\"" => self.add_media(IMAGE_TOKENS),
            "\"input_audio\"" => self.add_media((size as u64).div_ceil(AUDIO_BYTES_PER_TOKEN)),
            "\"file\"" | "\"input_file\"" => self.add_media((size as u64).div_ceil(FILE_BYTES_PER_TOKEN)),
            _ => self.bytes += text.map_or(size, |text| json::quoted(text).map_or(text.get().len(), json::text_len)),
        }
    }

    fn add_media(&mut self, tokens: u64) {
        self.media = self.media.saturating_add(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_by_length_and_media_by_kind() {
        let big = "A".repeat(3_000_000);
        let with = |part: &str| format!(r#"{{"role":"user","content":[{{"type":"text","text":"abc"}},{part}]}}"#);
        for (message, expected) in [
            (r#"{"role":"user","content":"abcdef"}"#.to_owned(), 2 + 4),
            (r#"{"role":"user","content":"\u4e2d\u6587"}"#.to_owned(), 2 + 4),
            (r#"{"role":"assistant","content":null,"tool_calls":[]}"#.to_owned(), 1 + 2 + 3),
            (r#"{"role":"user"}"#.to_owned(), 4),
            (r#"{"role":"user","content":[]}"#.to_owned(), 4),
            (with(&format!(r#"{{"type":"image_url","image_url":{{"url":"{big}"}}}}"#)), 1 + 4 + 1_600),
            (with(r#"{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}"#), 1 + 4 + 1_600),
            (with(&format!(r#"{{"type":"input_audio","input_audio":{{"data":"{big}"}}}}"#)), 1 + 4 + 30_001),
            (with(&format!(r#"{{"type":"file","file":{{"file_data":"{big}"}}}}"#)), 1 + 4 + 375_005),
            ("not json!".to_owned(), 3 + 4),
            (String::new(), 4),
        ] {
            assert_eq!(message_tokens(&message), expected, "{}", message.get(..80).unwrap_or(&message));
        }
    }
}
