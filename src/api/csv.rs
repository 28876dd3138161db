//! Comma-separated values, as RFC 4180 has them.
//!
//! Always holds: a line ends with CR LF; a cell with a comma, a quote or a line break is quoted.

/// One line.
pub fn line(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().map(quoted).collect();
    cells.join(",") + "\r\n"
}

/// Text that somebody chose, such that no spreadsheet takes it for a formula: one that begins like a formula gets an
/// apostrophe first (the advice of OWASP on CSV injection).
pub fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn quoted(cell: String) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_harmless() {
        for (text, cell) in [
            ("plain", "plain"),
            ("", ""),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=SUM(A1,A2)", "\"'=SUM(A1,A2)\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(line([harmless(text), "end".to_owned()]), format!("{cell},end\r\n"), "{text:?}");
        }
    }
}
