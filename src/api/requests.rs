//! `GET /v1/projects/{id}/requests`: single requests of a project's ledger, as JSON or as CSV.
//!
//! Always holds: both forms have the same columns; dollars are exact. Absent on purpose: prompts and replies.

use serde_json::{Map, Value, json};

use super::csv;
use super::parameters::{Parameters, cursor};
use super::window::Window;
use crate::error::{Error, Result};
use crate::price::dollars;
use crate::rollup::requests::{Filter, Line, Page, Place, RequestsQuery};
use crate::user::store::Status;

/// Requests of a page if none are said.
const DEFAULT_LIMIT: u64 = 100;
/// How a request may have ended.
const STATUSES: [Status; 5] = [Status::Completed, Status::Cancelled, Status::Failed, Status::Stopped, Status::Expired];

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A list object.
    Json,
    /// RFC 4180, with a header line.
    Csv,
}

/// A question as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// For the ledger.
    pub query: RequestsQuery,
    /// The form of the answer.
    pub format: Format,
}

impl Asked {
    /// Reads `from`, `to`, `limit`, `after`, `format` and the filters. Without `from` it is all that is kept.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn parse(parameters: Parameters, now: u64) -> Result<Self> {
        let format = match parameters.get("format") {
            None | Some("json") => Format::Json,
            Some("csv") => Format::Csv,
            Some(_) => return Err(Error::invalid("format", "format must be json or csv.")),
        };
        let window = Window::parse(parameters.get("from").or(Some("0")), parameters.get("to"), now)?;
        let status = parameters.text("status");
        if status.as_ref().is_some_and(|status| !STATUSES.iter().any(|known| known.name() == status)) {
            return Err(Error::invalid("status", format!("status must be one of {}.", STATUSES.map(Status::name).join(", "))));
        }
        let filter = Filter {
            user: parameters.text("user"),
            model: parameters.text("model"),
            provider: parameters.text("provider"),
            status,
            session: parameters.text("session"),
            thread: parameters.text("thread"),
        };
        let below = parameters.after::<Place>()?;
        Ok(Self {
            query: RequestsQuery { from: window.from, to: window.to, below, limit: parameters.limit(DEFAULT_LIMIT)?, filter },
            format,
        })
    }
}

/// The cursor of the page after.
///
/// # Errors
/// None that can happen.
pub fn next(page: &Page) -> Result<Option<String>> {
    page.next.as_ref().map(cursor).transpose()
}

/// The list object, without `fresh`.
///
/// # Errors
/// None that can happen.
pub fn list(page: &Page) -> Result<Value> {
    let data: Vec<Map<String, Value>> = page.lines.iter().map(object).collect();
    Ok(json!({"object": "list", "data": data, "has_more": page.next.is_some(), "next": next(page)?}))
}

/// A header line and a line per request.
pub fn table(page: &Page) -> String {
    let mut text = csv::line(COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    for line in &page.lines {
        text.push_str(&csv::line(COLUMNS.iter().map(|(_, of)| of(line).in_csv())));
    }
    text
}

fn object(line: &Line) -> Map<String, Value> {
    let fields = COLUMNS.iter().map(|(name, of)| ((*name).to_owned(), of(line).in_json()));
    core::iter::once(("object".to_owned(), "request".into())).chain(fields).collect()
}

/// A value of a column.
enum Cell<'a> {
    Text(&'a str),
    Number(Option<u64>),
    Dollars(u64),
    Flag(bool),
}

impl Cell<'_> {
    fn in_json(self) -> Value {
        match self {
            Self::Text("") => Value::Null,
            Self::Text(text) => text.into(),
            Self::Number(number) => number.into(),
            Self::Dollars(micro) => dollars(micro).into(),
            Self::Flag(flag) => flag.into(),
        }
    }

    fn in_csv(self) -> String {
        match self {
            Self::Text(text) => csv::harmless(text),
            Self::Number(number) => number.map(|number| number.to_string()).unwrap_or_default(),
            Self::Dollars(micro) => format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

type Column = (&'static str, for<'a> fn(&'a Line) -> Cell<'a>);

/// In the order of the CSV.
const COLUMNS: [Column; 24] = [
    ("id", |line| Cell::Text(&line.entry.request_id)),
    ("created_at", |line| Cell::Number(Some(line.entry.at / 1_000))),
    ("created_at_ms", |line| Cell::Number(Some(line.entry.at))),
    ("user", |line| Cell::Text(&line.user)),
    ("session_id", |line| Cell::Text(&line.entry.session_id)),
    ("thread_id", |line| Cell::Text(line.entry.thread_id.as_deref().unwrap_or_default())),
    ("model", |line| Cell::Text(&line.entry.model)),
    ("model_served", |line| Cell::Text(&line.entry.model_served)),
    ("provider", |line| Cell::Text(&line.entry.provider)),
    ("key_source", |line| Cell::Text(line.entry.key_source.name())),
    ("status", |line| Cell::Text(line.entry.status.name())),
    ("estimated", |line| Cell::Flag(line.entry.estimated)),
    ("priced", |line| Cell::Flag(line.entry.priced)),
    ("input_tokens", |line| Cell::Number(Some(line.entry.usage.input))),
    ("output_tokens", |line| Cell::Number(Some(line.entry.usage.output))),
    ("cached_tokens", |line| Cell::Number(Some(line.entry.usage.cached_input))),
    ("cache_write_tokens", |line| Cell::Number(Some(line.entry.usage.cache_write))),
    ("reasoning_tokens", |line| Cell::Number(Some(line.entry.usage.reasoning))),
    ("audio_input_tokens", |line| Cell::Number(Some(line.entry.usage.audio_input))),
    ("audio_output_tokens", |line| Cell::Number(Some(line.entry.usage.audio_output))),
    ("cache_write_hour_tokens", |line| Cell::Number(Some(line.entry.usage.cache_write_hour))),
    ("cost_usd", |line| Cell::Dollars(line.entry.micro_usd)),
    ("ttft_ms", |line| Cell::Number(line.entry.ttft_ms)),
    ("duration_ms", |line| Cell::Number(line.entry.duration_ms)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::usage::TokenUsage;
    use crate::rollup::batch::Entry;
    use crate::user::store::KeySource;

    fn line(user: &str, model: &str) -> Line {
        let entry = Entry {
            number: 3,
            request_id: "req_1".into(),
            session_id: "s-1".into(),
            thread_id: None,
            model: model.into(),
            model_served: "gpt-4o".into(),
            provider: "main".into(),
            key_source: KeySource::Byok,
            status: Status::Completed,
            estimated: false,
            priced: true,
            at: 1_728_043_200_123,
            usage: TokenUsage { input: 10, output: 5, cached_input: 2, ..TokenUsage::default() },
            micro_usd: 1_000_043,
            ttft_ms: Some(12),
            duration_ms: None,
        };
        Line { user: user.into(), entry }
    }

    #[test]
    fn both_forms_tell_the_same() {
        let page = Page { lines: vec![line("=1+1", "a,\"b\"\nc")], next: Some(Place(1, "u".into(), 2)) };
        let expected = "id,created_at,created_at_ms,user,session_id,thread_id,model,model_served,provider,key_source,status,estimated,priced,\
             input_tokens,output_tokens,cached_tokens,cache_write_tokens,reasoning_tokens,audio_input_tokens,audio_output_tokens,\
             cache_write_hour_tokens,cost_usd,ttft_ms,duration_ms\r\nreq_1,1728043200,1728043200123,'=1+1,s-1,,\"a,\"\"b\"\"\nc\",gpt-4o,main,byok,completed,false,true,10,5,2,\
             0,0,0,0,0,1.000043,12,\r\n";
        assert_eq!(table(&page), expected);
        let answer = list(&page).unwrap();
        let told = &answer["data"][0];
        assert_eq!(told.as_object().unwrap().len(), COLUMNS.len() + 1);
        assert_eq!((&told["user"], &told["thread_id"], &told["cost_usd"]), (&json!("=1+1"), &Value::Null, &json!(1.000_043)));
        assert_eq!((&answer["has_more"], &told["model"], &told["duration_ms"]), (&json!(true), &json!("a,\"b\"\nc"), &Value::Null));
    }

    #[test]
    fn questions_are_read_and_what_is_wrong_is_named() {
        let asked = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Asked::parse(Parameters(&pairs), 1_728_043_200_000)
        };
        let whole = asked(&[("user", ""), ("status", "failed"), ("format", "csv")]).unwrap();
        assert_eq!((whole.query.from, whole.query.limit, whole.format), (0, 100, Format::Csv));
        assert_eq!(whole.query.filter, Filter { status: Some("failed".into()), ..Filter::default() });
        let page = Page { lines: vec![], next: Some(Place(9, "ü/x".into(), 4)) };
        let below = asked(&[("after", &next(&page).unwrap().unwrap())]).unwrap().query.below;
        assert_eq!(below, page.next);
        for (name, value) in [("format", "xml"), ("status", "open"), ("limit", "-1"), ("after", "AAAA"), ("to", "x")] {
            let error = asked(&[(name, value)]).unwrap_err();
            assert!(error.body().contains(&format!(r#""param":"{name}""#)), "{}", error.body());
        }
    }
}
