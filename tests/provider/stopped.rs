//! An answer that the gateway ends: the last words are the dialect's, with the ids of those before; and what was counted.

use behest::api::chat::ChatRequest;
use behest::api::usage::TokenUsage;
use behest::error::{Code, Error};
use behest::provider::{Extras, Kind, Translate};
use behest::sse::{Decoder, encode};
use serde_json::{Value, json};

use crate::play::target;

fn why() -> Error {
    Error::new(Code::QuotaExceeded, "spent").with_details(json!({"scope": "user_tokens_per_day", "limit": 9, "used": 8, "resets_at": 7}))
}

fn translate(wants_usage: bool, events: &[Value]) -> Box<dyn Translate> {
    translate_from(Kind::OpenAi, wants_usage, events)
}

fn translate_from(kind: Kind, wants_usage: bool, events: &[Value]) -> Box<dyn Translate> {
    let target = target(kind);
    let body = json!({"messages": [{"role": "user", "content": "x"}], "stream": true, "stream_options": {"include_usage": wants_usage}});
    let body = body.to_string();
    let chat = ChatRequest::parse(body.as_bytes()).unwrap();
    let mut translate = target.kind.dialect().stream(&chat, &target, &Extras { now_s: 17, ..Extras::default() });
    let mut decoder = Decoder::new();
    for event in events {
        decoder.feed(&encode(event.to_string().as_bytes()), |event| translate.push(event, &mut Vec::new()).map(drop)).unwrap();
    }
    translate
}

fn chunk(choices: &Value) -> Value {
    json!({"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 17, "model": "m-1", "choices": choices})
}

fn delta(index: u64, text: &str, finish: Option<&str>) -> Value {
    json!({"index": index, "delta": {"content": text}, "finish_reason": finish})
}

/// The events that `stop` adds, each less what it shares with all of them.
fn last_words(translate: &mut dyn Translate, shared: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    translate.stop(&why(), TokenUsage { input: 5, output: 6, ..TokenUsage::default() }, &mut out);
    let text = String::from_utf8(out).unwrap();
    let mut words = Vec::new();
    for event in text.split_terminator("\n\n") {
        let mut event: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        for (name, value) in shared.as_object().unwrap() {
            assert_eq!(event.as_object_mut().unwrap().remove(name).as_ref(), Some(value), "{name}");
        }
        words.push(event);
    }
    words
}

/// A choice ends; the last of them says why.
fn end(index: u64, says_why: bool) -> Value {
    let mut chunk = json!({"choices": [{"index": index, "delta": {}, "logprobs": null, "finish_reason": "length"}]});
    if says_why {
        chunk["details"] = details();
    }
    chunk
}

fn details() -> Value {
    json!({"code": "quota_exceeded", "scope": "user_tokens_per_day", "limit": 9, "used": 8, "resets_at": 7})
}

#[test]
fn open_choices_end_for_their_length() {
    let shared = json!({"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 17, "model": "m-1"});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}});
    let one = chunk(&json!([delta(0, "a", None)]));
    let two = chunk(&json!([delta(2, "b", None)]));
    let over = chunk(&json!([delta(0, "", Some("stop"))]));
    // A chunk of another kind before the first choice, as Azure sends it: its empty id is not the answer's.
    let filter = json!({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []});
    for (wants_usage, events, expected) in [
        (false, vec![one.clone()], vec![end(0, true)]),
        (true, vec![filter, one.clone()], vec![end(0, true), usage]),
        (false, vec![one.clone(), two.clone()], vec![end(0, false), end(2, true)]),
        (false, vec![one.clone(), two, over.clone()], vec![end(2, true)]),
        // Something after the end does not open it again.
        (false, vec![over, one], vec![json!({"choices": [], "details": details()})]),
    ] {
        let mut translate = translate(wants_usage, &events);
        assert_eq!(last_words(translate.as_mut(), &shared), expected, "{events:?}");
        assert!(!translate.is_done());
    }
}

#[test]
fn a_host_that_names_nothing_is_stopped_too() {
    let mut translate = translate(false, &[json!({"choices": [{"delta": {"content": "a"}}]})]);
    assert_eq!(last_words(translate.as_mut(), &json!({"object": "chat.completion.chunk"})), [end(0, true)]);
    assert_eq!(translate.message().as_deref(), Some(r#"{"role":"assistant","content":"a"}"#), "what was said stays said");
}

/// What the provider's last word on usage is about: everything up to and with the event that brought it.
#[test]
fn usage_covers_the_text_before_it() {
    let with_usage = |text: &str, output: u64| {
        let mut event = chunk(&json!([delta(0, text, None)]));
        event["usage"] = json!({"prompt_tokens": 3, "completion_tokens": output, "total_tokens": 3 + output});
        event
    };
    let plain = chunk(&json!([delta(0, "four", None)]));
    for (events, covered, bytes) in [
        (vec![plain.clone()], 0, 4),
        (vec![plain.clone(), with_usage("more", 2)], 8, 8),
        (vec![with_usage("ab", 1), plain.clone()], 2, 6),
        // The same number again is a word again.
        (vec![with_usage("ab", 1), with_usage("c", 1)], 3, 3),
    ] {
        let translate = translate(false, &events);
        assert_eq!((translate.covered_bytes(), translate.output_bytes()), (covered, bytes), "{events:?}");
    }
}

/// Dialects that are not the clients' end in the same words, and count what is covered in the same way.
#[test]
fn other_dialects_are_stopped_too() {
    let claude = [
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four"}}),
    ];
    let gemini = |tokens: u64| {
        let usage = json!({"promptTokenCount": 3, "candidatesTokenCount": tokens, "totalTokenCount": 3 + tokens});
        json!({"responseId": "r1", "modelVersion": "gemini-x", "usageMetadata": usage, "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "four"}]}}]})
    };
    let mut silent = gemini(0);
    silent.as_object_mut().unwrap().remove("usageMetadata");
    for (kind, events, model, covered, output) in [
        (Kind::Anthropic, claude.to_vec(), "claude-x", 0, Some(0)),
        (Kind::Gemini, vec![gemini(2)], "gemini-x", 4, Some(2)),
        (Kind::Gemini, vec![silent], "gemini-x", 0, None),
    ] {
        let mut translate = translate_from(kind, true, &events);
        let seen = (translate.covered_bytes(), translate.output_bytes(), translate.usage().map(|usage| usage.output));
        assert_eq!(seen, (covered, 4, output), "{kind:?}");
        let words = last_words(translate.as_mut(), &json!({"object": "chat.completion.chunk", "created": 17, "model": model}));
        let plain: Vec<Value> = words
            .into_iter()
            .map(|mut word| {
                word.as_object_mut().unwrap().remove("id").unwrap();
                word
            })
            .collect();
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}});
        assert_eq!(plain, [end(0, true), usage], "{kind:?}");
    }
}
