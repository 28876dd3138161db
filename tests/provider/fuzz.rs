//! Chance against the decoder and each translation: seeded changes to written streams (`mutate`), and what a client may rely on
//! (`oracle`). The corpus is the golden cases; what was found and mended is one of them, named after the fault.
//!
//! Always holds: round N of a target is the same on every machine: `BEHEST_FUZZ_ROUND=N` plays it alone. `BEHEST_FUZZ_SECONDS=N` goes on
//! for so long. Absent on purpose: guidance by coverage, which needs tools and minutes of compiling of its own (docs/adr).
#![allow(clippy::disallowed_methods, reason = "a fuzzer may look at the clock and the environment")]

use std::time::{Duration, Instant};

use behest::error::{Code, Error};
use behest::sse::Decoder;
use fastrand::Rng;
use serde_json::value::RawValue;

use crate::mutate::mutated;
use crate::oracle::{check, check_stopped, json};
use crate::play::{play_each_cut, random_cuts};
use crate::written::{Written, written};

/// Rounds without a flag: about ten seconds of each target on a laptop.
const ROUNDS: u64 = 40_000;

/// Plays rounds, and says which one it was that failed.
fn rounds(target: &str, mut round: impl FnMut(&mut Rng)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let mut play = |nth: u64| {
        let failed = Said { target, nth };
        round(&mut Rng::with_seed(nth));
        core::mem::forget(failed);
    };
    if let Some(one) = number("BEHEST_FUZZ_ROUND") {
        return play(one);
    }
    let until = Instant::now() + Duration::from_secs(number("BEHEST_FUZZ_SECONDS").unwrap_or_default());
    let mut nth = 0;
    while nth < ROUNDS || Instant::now() < until {
        play(nth);
        nth += 1;
    }
}

/// Dropped only by a panic.
struct Said<'t> {
    target: &'t str,
    nth: u64,
}

impl Drop for Said<'_> {
    fn drop(&mut self) {
        eprintln!("{}: it was round {}; play it alone with BEHEST_FUZZ_ROUND={}", self.target, self.nth, self.nth);
    }
}

fn translation(dialect: &str) {
    let all = written(dialect);
    rounds(dialect, |random| {
        let written = &all[random.usize(..all.len())];
        let stream = mutated(random, written, &all);
        let cuts = random_cuts(stream.len(), 1);
        let played = play_each_cut(&written.name, &stream, &cuts, || written.translate());
        check(written, &stream, &played);
        if random.u8(..4) == 0 {
            stopped(random, written, &stream);
        }
        if random.u8(..4) == 0 {
            whole(written, &stream);
        }
    });
}

/// The gateway may end an answer after any event.
fn stopped(random: &mut Rng, written: &Written, stream: &[u8]) {
    let (mut translate, mut client, mut left) = (written.translate(), Vec::new(), random.u32(..60));
    let fed = Decoder::new().feed(stream, |event| {
        left = left.checked_sub(1).ok_or_else(|| Error::new(Code::QuotaExceeded, "enough"))?;
        translate.push(event, &mut client).map(|_| ())
    });
    if fed.is_err_and(|error| error.code() != Code::QuotaExceeded) {
        return;
    }
    let before = client.len();
    translate.stop(&Error::new(Code::QuotaExceeded, "A budget is spent."), translate.usage().unwrap_or_default(), &mut client);
    let said = core::str::from_utf8(&client[before..]).unwrap();
    assert!(said.split_terminator("\n\n").all(|frame| frame.strip_prefix("data: ").is_some_and(|data| json(data).is_some())), "{said}");
    if !written.name.starts_with("openai/") {
        check_stopped(written, &client);
    }
}

/// The same bytes where a whole answer was asked for: an answer with choices, or an error.
fn whole(written: &Written, stream: &[u8]) {
    let text = String::from_utf8_lossy(stream);
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&text);
    if let Ok(reply) = written.target.kind.dialect().response(data.as_bytes(), &written.chat(), &written.target, &written.extras) {
        let body = core::str::from_utf8(&reply.body).unwrap();
        assert!(serde_json::from_str::<&RawValue>(body).is_ok(), "no JSON: {body}");
        // A number that is too large for a tree is JSON all the same.
        assert!(json(body).is_none_or(|answer| answer["choices"].is_array()), "no choices: {body}");
    }
    assert!((400..600).contains(&written.target.kind.dialect().failure(500, None, stream, &written.target).status()));
}

#[test]
fn openai() {
    translation("openai");
}

#[test]
fn anthropic() {
    translation("anthropic");
}

#[test]
fn gemini() {
    translation("gemini");
}

/// The event-stream format in its plainest words, on bytes that are all here: name and data of each event that a blank line ends.
fn plainly(stream: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let (mut lines, mut line, mut bytes) = (Vec::new(), Vec::new(), stream.iter().copied().peekable());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                lines.push(core::mem::take(&mut line));
            }
            b'\n' => lines.push(core::mem::take(&mut line)),
            byte => line.push(byte),
        }
    }
    let (mut events, mut name, mut data) = (Vec::new(), Vec::new(), None::<Vec<u8>>);
    for line in lines {
        if line.is_empty() {
            events.extend(data.take().map(|data| (core::mem::take(&mut name), data)));
            name.clear();
            continue;
        }
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (field, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => match &mut data {
                Some(data) => data.extend([b"\n", value].concat()),
                None => data = Some(value.to_vec()),
            },
            b"event" => name = value.to_vec(),
            _ => {}
        }
    }
    events
}

#[test]
fn decoder() {
    let all: Vec<Written> = ["openai", "anthropic", "gemini"].into_iter().flat_map(written).collect();
    rounds("decoder", |random| {
        let written = &all[random.usize(..all.len())];
        let mut stream = mutated(random, written, &all);
        if random.u8(..8) == 0 {
            stream.splice(0..0, *b"\xEF\xBB\xBF");
        }
        let expected = plainly(&stream);
        for size in [stream.len().max(1), random.usize(1..9)] {
            let (mut events, mut decoder) = (Vec::new(), Decoder::new());
            for part in stream.chunks(size) {
                decoder
                    .feed(part, |event| {
                        events.push((event.name.to_vec(), event.data.to_vec()));
                        Ok(())
                    })
                    .unwrap();
            }
            assert!(events == expected, "in pieces of {size}: {}", String::from_utf8_lossy(&stream));
        }
    });
}
