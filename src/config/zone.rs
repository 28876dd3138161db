//! The name of a time zone in the settings.
//!
//! Always holds: it looks like a name of the IANA's database (`Europe/Berlin`, `UTC`, `Etc/GMT+5`). Absent on purpose:
//! which names there are, and what their offsets are: the platform knows, and keeps up with governments.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// The longest name there is has 32 characters.
const MAX_LENGTH: usize = 64;

/// A name such as `America/Argentina/Buenos_Aires`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(String);

impl ZoneName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ZoneName {
    type Error = &'static str;

    fn try_from(name: String) -> core::result::Result<Self, &'static str> {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'));
        let named = name.len() <= MAX_LENGTH && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.split('/').all(part);
        if named { Ok(Self(name)) } else { Err("must be the name of a time zone, such as Europe/Berlin") }
    }
}

impl From<ZoneName> for String {
    fn from(name: ZoneName) -> Self {
        name.0
    }
}

/// Refuses a change of the settings to a zone that nobody knows, by asking whoever does.
///
/// # Errors
/// 400 that names `time_zone`.
pub fn check(patch: &Value, is_known: impl Fn(&str) -> bool) -> Result<()> {
    let Some(name) = patch.get("time_zone").and_then(Value::as_str) else { return Ok(()) };
    let fits = ZoneName::try_from(name.to_owned()).is_ok_and(|name| is_known(name.as_str()));
    if fits { Ok(()) } else { Err(Error::invalid("time_zone", "time_zone: must be the name of a time zone, such as Europe/Berlin.")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_look_like_the_database_of_time_zones() {
        for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince", "EST5EDT"] {
            assert_eq!(ZoneName::try_from(name.to_owned()).unwrap().as_str(), name);
        }
        for name in ["", "+02:00", "Europe/", "/Berlin", "Europe//Berlin", "../../etc", "Europe/Berlin\n", "5", " UTC", &"a".repeat(65)] {
            assert!(ZoneName::try_from(name.to_owned()).is_err(), "{name:?}");
        }
    }

    #[test]
    fn only_known_zones_are_set() {
        use serde_json::json;
        for (patch, known) in [
            (json!({"time_zone": "Europe/Berlin"}), true),
            (json!({"time_zone": "Europe/Berlim"}), false),
            (json!({"time_zone": "+02:00"}), false),
            (json!({"time_zone": null}), true),
            (json!({}), true),
        ] {
            assert_eq!(check(&patch, |name| name == "Europe/Berlin" || name == "+02:00").is_ok(), known, "{patch}");
        }
    }
}
