//! Where the bytes of an answer come from: a provider's body, or the demo's script.
//!
//! Always holds: `poll_next` may be polled by one task and later by another, and loses nothing in between: a read that
//! has begun stays begun.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader, ReadableStreamReadResult, Response};

use crate::edge::clock::{self, Timer};
use crate::provider::demo::{Piece, Script};

/// The body of an answer, piece by piece.
pub enum Source {
    /// A provider's answer of known length, of which nothing has been read: it can be read at one go.
    Unopened {
        /// The answer.
        response: Response,
        /// Its length in bytes.
        length: usize,
    },
    /// A provider's.
    Upstream {
        /// Reads the body.
        reader: ReadableStreamDefaultReader,
        /// A read that has begun.
        pending: Option<JsFuture>,
    },
    /// The demo's.
    Demo {
        /// What is still to come.
        pieces: VecDeque<Piece>,
        /// The pause before the first of them.
        pause: Option<Timer>,
    },
}

/// The connection broke.
pub struct Broken;

/// Why a body was not read to its end.
#[derive(Clone, Copy)]
pub enum Unread {
    /// The connection broke.
    Broken,
    /// It is larger than allowed.
    TooLarge,
}

/// The next bytes; `None` = the end.
pub type Next = Result<Option<Vec<u8>>, Broken>;

impl Source {
    /// Reads a provider's body; a missing body is an empty one.
    pub fn upstream(body: Option<ReadableStream>) -> Self {
        match body {
            Some(stream) => Self::Upstream { reader: stream.get_reader().unchecked_into(), pending: None },
            None => Self::Demo { pieces: VecDeque::new(), pause: None },
        }
    }

    /// Reads a provider's answer, of known length or not.
    pub fn answer(response: Response, length: Option<usize>) -> Self {
        match length {
            Some(length) => Self::Unopened { response, length },
            None => Self::upstream(response.body()),
        }
    }

    /// Plays a script.
    pub fn demo(script: Script) -> Self {
        Self::Demo { pieces: script.pieces.into(), pause: None }
    }

    /// The next bytes.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if let Self::Unopened { response, .. } = self {
            *self = Self::upstream(response.body());
        }
        match self {
            Self::Unopened { .. } => Poll::Ready(Err(Broken)),
            Self::Upstream { reader, pending } => {
                let read = pending.get_or_insert_with(|| JsFuture::from(reader.read()));
                let result = std::task::ready!(Pin::new(read).poll(cx));
                *pending = None;
                Poll::Ready(result.map_err(|_| Broken).map(|value| chunk(&value)))
            }
            Self::Demo { pieces, pause } => {
                let Some(delay) = pieces.front().map(|piece| piece.delay_ms) else { return Poll::Ready(Ok(None)) };
                if delay > 0 {
                    let timer = pause.get_or_insert_with(|| clock::sleep(delay));
                    std::task::ready!(Pin::new(timer).poll(cx));
                    *pause = None;
                }
                Poll::Ready(Ok(pieces.pop_front().map(|piece| piece.bytes)))
            }
        }
    }

    /// All of it, if it is not larger than `limit`.
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Vec<u8>, Unread> {
        if let Self::Unopened { response, length } = self {
            if *length > limit {
                return Err(Unread::TooLarge);
            }
            // One promise instead of three.
            let read = response.array_buffer().map_err(|_| Unread::Broken)?;
            let buffer = JsFuture::from(read).await.map_err(|_| Unread::Broken)?;
            return Ok(Uint8Array::new(&buffer).to_vec());
        }
        let mut all = Vec::new();
        while let Some(bytes) = std::future::poll_fn(|cx| self.poll_next(cx)).await.map_err(|_| Unread::Broken)? {
            all.extend_from_slice(&bytes);
            if all.len() > limit {
                return Err(Unread::TooLarge);
            }
        }
        Ok(all)
    }

    /// Nothing more is wanted.
    pub fn stop(&mut self) {
        match self {
            // Nobody has begun to read it: aborting the fetch lets it go.
            Self::Unopened { .. } => {}
            // The promise is of no interest: the connection is released either way.
            Self::Upstream { reader, .. } => drop(reader.cancel()),
            Self::Demo { pieces, pause } => {
                pieces.clear();
                *pause = None;
            }
        }
    }
}

fn chunk(value: &JsValue) -> Option<Vec<u8>> {
    let result: &ReadableStreamReadResult = value.unchecked_ref();
    if result.get_done().unwrap_or(false) {
        return None;
    }
    Some(result.get_value().dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default())
}
