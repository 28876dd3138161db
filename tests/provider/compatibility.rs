//! docs/compatibility.md says what the table of fields says. `BLESS=1 cargo test` writes it.

use std::fmt::Write as _;
use std::fs;

use behest::provider::field::{FIELDS, Field, Rule};

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
    let document = fs::read_to_string(PATH).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("BLESS").is_some() {
        fs::write(PATH, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(found, table, "{PATH} is not what the table of fields says");
    }
}

#[test]
fn fields_are_in_order_and_there_once() {
    assert!(FIELDS.is_sorted_by(|a, b| a.name < b.name));
}
