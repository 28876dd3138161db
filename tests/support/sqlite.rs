//! Statements for a real SQLite, and what it is to answer.
//!
//! Always holds: numbers are bound as the platform binds them; without Python the test says so, and fails where CI is set.

use std::io::Write as _;
use std::process::{Command, Stdio};

use behest::user::schema::{Bind, Statement};
use serde_json::{Value, json};

/// Statements and what SQLite is to answer to each; `None` is not looked at.
#[derive(Default)]
pub struct Script(Vec<(Value, Option<Value>)>);

impl Script {
    /// A statement; its answer is looked at if one is expected.
    pub fn push(&mut self, (sql, binds): &Statement, expected: Option<Value>) {
        let values: Vec<Value> = binds
            .iter()
            .map(|bind| match bind {
                Bind::Int(n) => json!(n),
                Bind::Text(text) => json!(text),
                Bind::Null => Value::Null,
            })
            .collect();
        self.0.push((json!([sql, values]), expected));
    }

    /// SQLite answers what it is to answer.
    pub fn run(&self) {
        let Some(answers) = self.answers() else { return };
        assert_eq!(answers.len(), self.0.len());
        for ((statement, expected), answer) in self.0.iter().zip(answers) {
            if let Some(expected) = expected {
                assert_eq!(&answer, expected, "{statement}");
            }
        }
    }

    /// `None` if there is no Python here.
    fn answers(&self) -> Option<Vec<Value>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/sqlite.py");
        let child = Command::new("python3").arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            assert!(!in_ci(), "python3 is needed for the tests of the SQL");
            eprintln!("NOT TESTED: SQL, for there is no python3 here");
            return None;
        };
        let lines: Vec<String> = self.0.iter().map(|(statement, _)| statement.to_string()).collect();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all((lines.join("\n") + "\n").as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "sqlite.py failed");
        Some(String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

#[allow(clippy::disallowed_methods, reason = "a test on the host: there is an environment here")]
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}
