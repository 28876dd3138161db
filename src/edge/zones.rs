//! Time zones as the platform knows them: `Intl` has the rules, and keeps up with governments without a deployment of ours.
//!
//! Always holds: a zone that the platform does not know is UTC: the settings take only those it knows, and a request must
//! not fail for a name that was taken away later. Absent on purpose: what a day is (`crate::zone`).

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::calendar::DAY_MS;
use crate::config::zone::ZoneName;
use crate::edge::{clock, isolate};
use crate::zone::{Zone, offset_s};

/// How long a table is used, in ms.
const TABLE_MS: u64 = 3_600_000;
/// A table reaches to the end of any month that is running while it is used.
const AHEAD_MS: u64 = 33 * DAY_MS;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Intl)]
    type DateTimeFormat;
    /// Throws for a zone that the platform does not know.
    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locale: &str, options: &Object) -> Result<DateTimeFormat, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn format(this: &DateTimeFormat, ms: f64) -> Result<String, JsValue>;
}

/// The zone of this name, around now. Without a name it is UTC.
pub fn around_now(name: Option<&ZoneName>) -> Zone {
    let Some(name) = name else { return Zone::UTC };
    let now = clock::now_ms();
    if let Some(zone) = isolate::with(|i| i.zones.get(name.as_str(), now).copied()) {
        return zone;
    }
    let zone = table(name.as_str(), now).unwrap_or(Zone::UTC);
    isolate::with(|i| i.zones.put(name.as_str().to_owned(), zone, now + TABLE_MS));
    zone
}

/// Whether the platform has rules for this name.
pub fn knows(name: &str) -> bool {
    format(name).is_some_and(|format| offset(&format, clock::now_ms()).is_ok())
}

fn table(name: &str, now: u64) -> Option<Zone> {
    let format = format(name)?;
    // From a little before: other machines' clocks may be behind.
    Zone::sampled(now.saturating_sub(TABLE_MS), now + AHEAD_MS, DAY_MS, |ms| offset(&format, ms)).ok()
}

fn format(name: &str) -> Option<DateTimeFormat> {
    let options = Object::new();
    for (key, value) in [("timeZone", name), ("timeZoneName", "longOffset")] {
        Reflect::set(&options, &key.into(), &value.into()).ok()?;
    }
    DateTimeFormat::new("en-US", &options).ok()
}

#[allow(clippy::cast_precision_loss, reason = "a time is below 2^53")]
fn offset(format: &DateTimeFormat, ms: u64) -> Result<i64, ()> {
    format.format(ms as f64).ok().as_deref().and_then(offset_s).ok_or(())
}
