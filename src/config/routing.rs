//! How a project's models find providers: aliases, what is tried when a provider fails, how long each may take, and what
//! the gateway picks by itself.
//!
//! Always holds: lists are short and every name in them is a model's name; what is wrong is refused with its path.
//! Absent on purpose: following any of it (`crate::routing`).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::number::Count;
use crate::config::settings::is_model_name;
use crate::error::{Error, Result};

/// How long a provider may be silent, before and within its answer, when the settings name no time.
pub const TIMEOUT_MS: u64 = 60_000;
/// The entry of `fallbacks` for every model without one of its own.
pub const EVERY_MODEL: &str = "*";
/// How often a request is tried again at the same target, unless the settings say. The `OpenAI` SDKs try twice more
/// themselves: six attempts together are enough.
const RETRIES: u64 = 1;
const MAX_RETRIES: u64 = 5;
/// A client waits for all of them, one after the other.
const MAX_FALLBACKS: usize = 5;
/// The snapshot is read on cold starts and must stay small.
const MAX_ENTRIES: usize = 100;
/// All of them are looked at for each request that leaves the choice to the gateway.
const MAX_CANDIDATES: usize = 32;

/// How models find providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    /// Names users may use → the models they stand for.
    pub aliases: BTreeMap<String, String>,
    /// A model, or `*` → the models that are tried in its place when it fails, in order.
    #[serde(deserialize_with = "fallbacks")]
    pub fallbacks: BTreeMap<String, Vec<String>>,
    /// How long a provider may be silent, before and within its answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<Count>,
    /// The same for one provider, or one model as `provider/model`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub timeouts: BTreeMap<String, Count>,
    /// How often a request is tried again at the same target.
    pub retries: u64,
    /// What is picked for a request that leaves the choice to the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<Auto>,
}

impl Default for Routing {
    fn default() -> Self {
        let (aliases, fallbacks, timeouts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { aliases, fallbacks, timeout_ms: None, timeouts, retries: RETRIES, auto: None }
    }
}

/// What the gateway picks, and among what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auto {
    /// What makes one model better than another.
    pub policy: Policy,
    /// The candidates, the best first; empty: the models that the project's providers list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

/// What makes one model better than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The lowest price of this request.
    Cheapest,
    /// The shortest time to the first token, as measured.
    Fastest,
    /// The owner's order.
    Quality,
}

impl Routing {
    /// What the owner says of the time of this target, in milliseconds.
    pub fn timeout_ms(&self, provider: &str, model: &str) -> Option<u64> {
        let own = || self.timeouts.get(&format!("{provider}/{model}")).or_else(|| self.timeouts.get(provider)).copied();
        if self.timeouts.is_empty() { self.timeout_ms } else { own().or(self.timeout_ms) }.map(Count::get)
    }

    /// The models to try when a model fails: by the name the client used, by the model's own, by `provider/model`, or those for
    /// every model.
    pub fn fallbacks_of(&self, asked: &str, provider: &str, model: &str) -> &[String] {
        if self.fallbacks.is_empty() {
            return &[];
        }
        let full = format!("{provider}/{model}");
        [asked, model, &full, EVERY_MODEL].into_iter().find_map(|name| self.fallbacks.get(name)).map_or(&[], Vec::as_slice)
    }

    /// Refuses what cannot be followed.
    ///
    /// # Errors
    /// 400 with the path.
    pub(super) fn check(&self) -> Result<()> {
        let time = |ms: Count| (100..=600_000).contains(&ms.get());
        if self.timeout_ms.is_some_and(|ms| !time(ms)) {
            return refuse("routing.timeout_ms", "expected 100 to 600000 milliseconds");
        }
        if let Some((name, _)) = self.timeouts.iter().find(|(name, ms)| !time(**ms) || !is_model_name(name)) {
            return refuse(&format!("routing.timeouts.{name}"), "expected a provider or provider/model, and 100 to 600000 milliseconds");
        }
        if self.timeouts.len() > MAX_ENTRIES {
            return refuse("routing.timeouts", "at most 100 entries");
        }
        if self.retries > MAX_RETRIES {
            return refuse("routing.retries", "expected 0 to 5");
        }
        if self.aliases.iter().any(|(from, to)| !is_model_name(from) || !is_model_name(to)) {
            return refuse("routing.aliases", NOT_A_NAME);
        }
        self.check_fallbacks()?;
        self.auto.as_ref().map_or(Ok(()), Auto::check)
    }

    fn check_fallbacks(&self) -> Result<()> {
        if self.fallbacks.len() > MAX_ENTRIES {
            return refuse("routing.fallbacks", "at most 100 entries");
        }
        for (name, models) in &self.fallbacks {
            let path = format!("routing.fallbacks.{name}");
            if !is_model_name(name) {
                return refuse(&path, NOT_A_NAME);
            }
            if models.len() > MAX_FALLBACKS {
                return refuse(&path, "at most 5 models");
            }
            check_models(&path, models)?;
        }
        Ok(())
    }
}

impl Auto {
    fn check(&self) -> Result<()> {
        if self.models.len() > MAX_CANDIDATES {
            return refuse("routing.auto.models", "at most 32 models");
        }
        if self.policy == Policy::Quality && self.models.is_empty() {
            return refuse("routing.auto.models", "the policy `quality` needs the models, the best first");
        }
        check_models("routing.auto.models", &self.models)
    }
}

const NOT_A_NAME: &str = "a model's name has 1 to 256 characters and no control characters";

fn check_models(path: &str, models: &[String]) -> Result<()> {
    let fault = |name: &String| {
        if !is_model_name(name) {
            Some(NOT_A_NAME)
        } else if matches!(name.as_str(), EVERY_MODEL | "auto" | "default") {
            Some("expected the name of one model")
        } else {
            None
        }
    };
    let found = models.iter().enumerate().find_map(|(position, name)| Some((position, fault(name)?)));
    found.map_or(Ok(()), |(position, why)| refuse(&format!("{path}[{position}]"), why))
}

fn refuse(path: &str, why: &str) -> Result<()> {
    Err(Error::invalid(path, format!("{path}: {why}.")))
}

/// By model; settings that were stored before there were fallbacks have an empty list.
fn fallbacks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    struct Shapes;
    impl<'de> Visitor<'de> for Shapes {
        type Value = BTreeMap<String, Vec<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("lists of models by model")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            match list.next_element::<IgnoredAny>()? {
                None => Ok(BTreeMap::new()),
                Some(_) => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Deserialize::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(Shapes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use serde_json::{Value, json};

    fn routing(value: &Value) -> Result<Routing> {
        Settings::from_value(json!({"routing": value})).map(|settings| settings.routing)
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many: Vec<String> = (0..33).map(|n| format!("m{n}")).collect();
        for (path, value) in [
            ("routing.retries", json!({"retries": 6})),
            ("routing.retries", json!({"retries": -1})),
            ("routing.timeout_ms", json!({"timeout_ms": 99})),
            ("routing.timeouts.slow", json!({"timeouts": {"slow": 600_001}})),
            ("routing.timeouts.slow", json!({"timeouts": {"slow": 0}})),
            ("routing.fallbacks", json!({"fallbacks": "gpt-5"})),
            ("routing.fallbacks.gpt-5", json!({"fallbacks": {"gpt-5": "gpt-4"}})),
            ("routing.fallbacks.gpt-5[1]", json!({"fallbacks": {"gpt-5": ["a", ""]}})),
            ("routing.fallbacks.gpt-5[0]", json!({"fallbacks": {"gpt-5": ["*"]}})),
            ("routing.fallbacks.gpt-5[0]", json!({"fallbacks": {"gpt-5": [7]}})),
            ("routing.fallbacks", json!({"fallbacks": ["gpt-4"]})),
            ("routing.fallbacks.*[0]", json!({"fallbacks": {"*": ["auto"]}})),
            ("routing.fallbacks.*", json!({"fallbacks": {"*": ["1", "2", "3", "4", "5", "6"]}})),
            ("routing.auto.policy", json!({"auto": {"policy": "best"}})),
            ("routing.auto", json!({"auto": {}})),
            ("routing.auto.models", json!({"auto": {"policy": "quality"}})),
            ("routing.auto.models", json!({"auto": {"policy": "fastest", "models": many}})),
            ("routing.auto.models[0]", json!({"auto": {"policy": "fastest", "models": ["default"]}})),
            ("routing.auto.more", json!({"auto": {"policy": "fastest", "more": 1}})),
        ] {
            let error = routing(&value).unwrap_err();
            let body: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((error.status(), body["error"]["param"].as_str()), (400, Some(path)), "{value} → {body}");
        }
    }

    #[test]
    fn settings_of_before_there_were_fallbacks_are_read() {
        assert_eq!(routing(&json!({"fallbacks": []})).unwrap(), Routing::default());
        let kept = serde_json::to_value(Routing::default()).unwrap();
        assert_eq!(serde_json::from_value::<Routing>(kept).unwrap(), Routing::default());
    }

    #[test]
    fn the_name_that_says_the_most_is_followed() {
        let routing =
            routing(&json!({"fallbacks": {"fast": ["1"], "gpt-5": ["2"], "openai/gpt-5": ["3"], "*": ["4"], "alone": []}})).unwrap();
        for (asked, provider, model, expected) in [
            ("fast", "openai", "gpt-5", Some("1")),
            ("openai/gpt-5", "openai", "gpt-5", Some("3")),
            ("gpt-5", "openai", "gpt-5", Some("2")),
            ("x", "openai", "gpt-5", Some("2")),
            ("x", "openai", "x", Some("4")),
            ("alone", "openai", "alone", None),
        ] {
            assert_eq!(routing.fallbacks_of(asked, provider, model).first().map(String::as_str), expected, "{asked}");
        }
    }

    #[test]
    fn times_of_one_target_come_first() {
        let routing = routing(&json!({"timeout_ms": 1000, "timeouts": {"slow": 2000, "slow/o3": 3000}})).unwrap();
        let of = |provider, model| routing.timeout_ms(provider, model);
        assert_eq!([of("slow", "o3"), of("slow", "o4"), of("other", "o3")], [Some(3000), Some(2000), Some(1000)]);
        assert_eq!(Routing::default().timeout_ms("a", "b"), None);
    }
}
