//! Server-sent events: bytes to events, data to bytes (the WHATWG event-stream format).
//!
//! Always holds: however the bytes are cut, the events are the same; each byte is looked at once; an event that lies whole
//! in what was fed is not copied; an event larger than the limit is an error, so memory is bounded.
//! Absent on purpose: `id` and `retry` (nobody reconnects to a model), and any knowledge of what the data means.

use memchr::memchr2;

use crate::error::{Code, Error, Result};

/// The last thing a client sees of a reply that is complete.
pub const DONE: &[u8] = b"data: [DONE]\n\n";
/// A comment, safe for every client, that keeps idle connections open.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";
/// The largest event accepted, in bytes.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// One event. Bytes as they came, without line ends; several `data` lines are joined by LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'e> {
    /// The `event` field; empty when there was none.
    pub name: &'e [u8],
    /// The `data` field.
    pub data: &'e [u8],
}

/// The decoder of one stream.
#[derive(Debug)]
pub struct Decoder {
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// The data lines so far of an event whose blank line has not come yet; only meaningful when `has_data`.
    data: Vec<u8>,
    has_data: bool,
    name: Vec<u8>,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// How many bytes of a leading byte order mark were seen; 3 once past the beginning.
    bom: usize,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder with the usual limit.
    pub fn new() -> Self {
        Self::with_limit(MAX_EVENT)
    }

    /// A decoder that refuses events (and lines) larger than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { line: Vec::new(), data: Vec::new(), has_data: false, name: Vec::new(), after_cr: false, bom: 0, limit }
    }

    /// Takes the next bytes and calls back with each event they complete. Stops at the first error, its own or the callback's.
    pub fn feed(&mut self, bytes: &[u8], mut on_event: impl FnMut(Event<'_>) -> Result<()>) -> Result<()> {
        let mut rest = self.past_bom(bytes);
        // The first data line of an event, as long as it can stay where it is.
        let mut held: Option<&[u8]> = None;
        loop {
            if self.after_cr && !rest.is_empty() {
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
                self.after_cr = false;
            }
            let Some((line, after)) = memchr2(b'\n', b'\r', rest).and_then(|at| rest.split_at_checked(at)) else { break };
            self.after_cr = after.first() == Some(&b'\r');
            rest = after.get(1..).unwrap_or_default();
            if !self.line.is_empty() {
                self.room_for(self.line.len() + line.len())?;
                self.line.extend_from_slice(line);
                self.take_carried_line()?;
            } else if line.is_empty() {
                self.dispatch(held.take(), &mut on_event)?;
            } else {
                self.take_line(line, &mut held)?;
            }
        }
        if let Some(held) = held {
            self.append(held)?;
        }
        self.room_for(self.line.len() + rest.len())?;
        self.line.extend_from_slice(rest);
        Ok(())
    }

    /// The stream is over: what was left without its blank line. The format says to drop it; a dialect may still recognise its end mark.
    pub fn end(&mut self) -> Option<Event<'_>> {
        if !self.line.is_empty() {
            self.take_carried_line().ok()?;
        }
        self.has_data.then_some(Event { name: &self.name, data: &self.data })
    }

    /// Drops a byte order mark at the very beginning, which may come in pieces.
    fn past_bom<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let mut rest = bytes;
        while let Some(expected) = BOM.get(self.bom) {
            match rest.split_first() {
                None => break,
                Some((byte, after)) if byte == expected => {
                    self.bom += 1;
                    rest = after;
                }
                Some(_) => {
                    self.line.extend_from_slice(BOM.get(..self.bom).unwrap_or_default());
                    self.bom = BOM.len();
                }
            }
        }
        rest
    }

    /// A line that lies whole in the bytes fed.
    fn take_line<'b>(&mut self, line: &'b [u8], held: &mut Option<&'b [u8]>) -> Result<()> {
        match field(line) {
            Field::Data(value) => {
                if let Some(first) = held.take() {
                    self.append(first)?;
                }
                if self.has_data {
                    self.append(value)?;
                } else {
                    self.room_for(value.len())?;
                    *held = Some(value);
                }
            }
            Field::Name(value) => value.clone_into(&mut self.name),
            Field::Ignored => {}
        }
        Ok(())
    }

    /// A line that came in pieces and lies in `self.line`.
    fn take_carried_line(&mut self) -> Result<()> {
        let mut line = core::mem::take(&mut self.line);
        match field(&line) {
            Field::Data(value) if self.has_data => self.append(value)?,
            Field::Data(value) => {
                // A line of megabytes becomes the data where it is, not by another copy.
                let prefix = line.len() - value.len();
                line.drain(..prefix);
                core::mem::swap(&mut self.data, &mut line);
                self.has_data = true;
            }
            Field::Name(value) => value.clone_into(&mut self.name),
            Field::Ignored => {}
        }
        line.clear();
        self.line = line;
        Ok(())
    }

    fn append(&mut self, value: &[u8]) -> Result<()> {
        self.room_for(self.data.len() + value.len())?;
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
        Ok(())
    }

    fn dispatch(&mut self, held: Option<&[u8]>, on_event: &mut impl FnMut(Event<'_>) -> Result<()>) -> Result<()> {
        let outcome = match held {
            Some(data) => on_event(Event { name: &self.name, data }),
            None if self.has_data => on_event(Event { name: &self.name, data: &self.data }),
            None => Ok(()),
        };
        self.data.clear();
        self.name.clear();
        self.has_data = false;
        outcome
    }

    fn room_for(&self, size: usize) -> Result<()> {
        if size <= self.limit {
            return Ok(());
        }
        Err(Error::new(Code::UpstreamError, format!("The provider sent an event larger than {} bytes.", self.limit)))
    }
}

enum Field<'l> {
    Data(&'l [u8]),
    Name(&'l [u8]),
    Ignored,
}

fn field(line: &[u8]) -> Field<'_> {
    let (name, value) = match memchr::memchr(b':', line.get(..6).unwrap_or(line)).and_then(|at| line.split_at_checked(at)) {
        Some((name, value)) => (name, value.get(1..).unwrap_or_default()),
        None => (line, b"".as_slice()),
    };
    let value = value.strip_prefix(b" ").unwrap_or(value);
    match name {
        b"data" => Field::Data(value),
        b"event" => Field::Name(value),
        _ => Field::Ignored,
    }
}

/// Appends one event to `out`. `data` must be JSON: its line breaks can only be whitespace between tokens, so they become spaces.
pub fn encode_into(data: &[u8], out: &mut Vec<u8>) {
    out.reserve(data.len() + 8);
    out.extend_from_slice(b"data: ");
    let start = out.len();
    out.extend_from_slice(data);
    join_lines(out.get_mut(start..).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
}

/// Makes JSON one line.
pub(crate) fn join_lines(json: &mut [u8]) {
    if memchr2(b'\n', b'\r', json).is_some() {
        json.iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
}

/// One event as bytes; see [`encode_into`].
pub fn encode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(data, &mut out);
    out
}
