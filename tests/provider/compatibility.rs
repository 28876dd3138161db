//! docs/compatibility.md says what the tables of fields and of hosts say. `BLESS=1 cargo test` writes it.

use std::fmt::Write as _;
use std::fs;
use std::sync::Mutex;

use behest::provider::field::{FIELDS, Field, Rule};
use behest::provider::host::HOSTS;

const PATH: &str = "docs/compatibility.md";
const BEGIN: &str = "from src/provider/field.rs -->\n";
const END: &str = "<!-- end of fields -->";

fn rule(field: &Field, rule: Rule) -> String {
    let values = field.neutral.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    match rule {
        Rule::Used => "used".to_owned(),
        Rule::Ignored => "ignored".to_owned(),
        Rule::Refused if values.is_empty() => "400".to_owned(),
        Rule::Refused => format!("400, except {values}"),
    }
}

#[test]
fn the_table_of_fields_is_in_the_document() {
    let mut table = "\n| field | `anthropic` | `gemini` | |\n|---|---|---|---|\n".to_owned();
    for field in &FIELDS {
        writeln!(table, "| `{}` | {} | {} | {} |", field.name, rule(field, field.anthropic), rule(field, field.gemini), field.note)
            .unwrap();
    }
    table.push('\n');
    generated(BEGIN, END, &table);
}

/// What stands between two marks of the document is this.
fn generated(begin: &str, end: &str, table: &str) {
    // Both tables are in one file, which tests may write at the same time.
    static DOCUMENT: Mutex<()> = Mutex::new(());
    let _writing = DOCUMENT.lock();
    let document = fs::read_to_string(PATH).unwrap();
    let (before, rest) = document.split_once(begin).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    if std::env::var_os("BLESS").is_some() {
        fs::write(PATH, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(found, table, "{PATH} is not what the code says");
    }
}

/// Host by host: what the row says, in words.
fn hosts() -> String {
    let names = |fields: &[&str]| fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    let mut table = "\n| `preset` | base URL | recognised by | output cap | not taken | left out unless asked for | else |\n|---|---|---|---|---|---|---|\n".to_owned();
    for host in &HOSTS {
        let renames = host.renames.iter().map(|(openai, own)| format!("`{openai}` is sent as `{own}`"));
        let finishes = host.finishes.iter().map(|(own, openai)| format!("the finish reason `{own}` is `{openai}`"));
        let quirks = host.quirks.iter().map(|quirk| quirk.note().to_owned());
        let rest = quirks.chain(renames).chain(finishes).collect::<Vec<_>>().join("; ");
        let url = host.base_url.map_or_else(|| "your own".to_owned(), |url| format!("`{url}`"));
        let (domains, refuses, dislikes) = (names(host.domains), names(host.refuses), names(host.dislikes));
        writeln!(table, "| `{}` | {url} | {domains} | `{}` | {refuses} | {dislikes} | {rest} |", host.name, host.output_cap).unwrap();
    }
    table.push('\n');
    table
}

#[test]
fn the_table_of_hosts_is_in_the_document() {
    generated("from src/provider/host/table.rs -->\n", "<!-- end of hosts -->", &hosts());
}

#[test]
fn fields_are_in_order_and_there_once() {
    assert!(FIELDS.is_sorted_by(|a, b| a.name < b.name));
}
