//! The thread routes: list, get, messages, rename, delete.
//!
//! Always holds: times in answers are whole epoch seconds; a message's own fields come out as they went in, ours (`id`,
//! `created_at`, `incomplete`) win over them. Absent on purpose: access control; the object is one user's.

use core::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};

use super::command::{ListMessages, ListThreads, Outcome, PatchThread, ThreadView};
use super::store::{Store, ThreadRow, Write};
use super::turn::{self, StoredMessage};
use crate::error::{Code, Error, Result};

const DEFAULT_THREADS: u64 = 20;
const MOST_THREADS: u64 = 100;
const MOST_MESSAGES: u64 = 1_000;
const MOST_TITLE_CHARS: usize = 200;

/// A page of threads.
pub(super) fn list(store: &impl Store, list: &ListThreads) -> Result<Outcome> {
    let limit = page_size(list.limit, MOST_THREADS)?.unwrap_or(DEFAULT_THREADS);
    let cursor = match &list.before {
        Some(id) => Some(store.thread(id)?.ok_or_else(|| Error::invalid("before", "before is not the id of a thread."))?),
        None => None,
    };
    let before = cursor.as_ref().map(|row| (row.last_message_at, row.id.as_str()));
    let mut rows = store.threads(before, limit + 1)?;
    let has_more = rows.len() as u64 > limit;
    if has_more {
        rows.pop();
    }
    Ok(Outcome::Threads { data: rows.into_iter().map(view).collect(), has_more })
}

/// One thread.
pub(super) fn get(store: &impl Store, id: &str) -> Result<Outcome> {
    Ok(Outcome::Thread(view(find(store, id)?)))
}

/// A page of messages.
pub(super) fn messages(store: &impl Store, list: &ListMessages) -> Result<Outcome> {
    let limit = page_size(list.limit, MOST_MESSAGES)?;
    find(store, &list.thread)?;
    let mut messages = turn::messages(store, &list.thread)?;
    if let Some(before) = &list.before {
        let place = messages.iter().position(|message| message.id == *before);
        messages.truncate(place.ok_or_else(|| Error::invalid("before", "before is not the id of a message of this thread."))?);
    }
    let size = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(messages.len());
    let skipped = messages.len().saturating_sub(size);
    let data = messages.iter().skip(skipped).map(render).collect::<Result<_>>()?;
    Ok(Outcome::Messages { data, has_more: skipped > 0 })
}

/// The writes of a rename.
pub(super) fn patch(store: &impl Store, patch: &PatchThread) -> Result<Vec<Write>> {
    let title = patch.title.trim();
    let length = title.chars().count();
    if length == 0 || length > MOST_TITLE_CHARS {
        return Err(Error::invalid("title", format!("title must have 1 to {MOST_TITLE_CHARS} characters, and not only spaces.")));
    }
    let row = find(store, &patch.id)?;
    Ok(vec![Write::PutThread(ThreadRow { title: title.to_owned(), ..row })])
}

/// The writes of a deletion.
pub(super) fn delete(store: &impl Store, id: String) -> Result<Vec<Write>> {
    find(store, &id)?;
    Ok(vec![Write::DeleteThread { thread: id }])
}

fn find(store: &impl Store, id: &str) -> Result<ThreadRow> {
    store.thread(id)?.ok_or_else(|| Error::new(Code::NotFound, "There is no thread with this id."))
}

fn page_size(limit: Option<u64>, most: u64) -> Result<Option<u64>> {
    match limit {
        Some(limit) if limit == 0 || limit > most => Err(Error::invalid("limit", format!("limit must be from 1 to {most}."))),
        limit => Ok(limit),
    }
}

fn view(row: ThreadRow) -> ThreadView {
    ThreadView {
        id: row.id,
        title: row.title,
        created_at: row.created_at / 1000,
        last_message_at: row.last_message_at / 1000,
        messages_count: row.messages,
    }
}

/// A message as clients see it. One that is no object becomes the content of a user's message.
fn render(stored: &StoredMessage) -> Result<Box<RawValue>> {
    let fields = serde_json::from_str::<Fields>(stored.message.get());
    let fields = fields.map_or_else(|_| vec![("content".to_owned(), &*stored.message)], |fields| fields.0);
    let fail = |error: serde_json::Error| Error::server(format!("user message: {error}"));
    let mut text = format!("{{\"id\":{}", serde_json::to_string(&stored.id).map_err(fail)?);
    let mut field = |name: &str, value: &str| -> Result<()> {
        text.push(',');
        text.push_str(&serde_json::to_string(name).map_err(fail)?);
        text.push(':');
        text.push_str(value);
        Ok(())
    };
    if !fields.iter().any(|(name, _)| name == "role") {
        field("role", "\"user\"")?;
    }
    for (name, value) in &fields {
        if !matches!(name.as_str(), "id" | "created_at" | "incomplete") {
            field(name, value.get())?;
        }
    }
    field("created_at", &(stored.at / 1000).to_string())?;
    if stored.incomplete {
        field("incomplete", "true")?;
    }
    text.push('}');
    RawValue::from_string(text).or_else(|_| to_raw_value(&stored.message)).map_err(fail)
}

/// The fields of an object in their order, values verbatim.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
