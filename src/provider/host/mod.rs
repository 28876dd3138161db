//! The hosts that speak OpenAI's dialect with an accent: who they are, and what is particular to each.
//!
//! Always holds: a host is a row of [`table::HOSTS`] and nothing else; what it does differently are named quirks, which the OpenAI
//! dialect asks for and nobody else. A host without a row is spoken to as OpenAI's dialect stands.
//! Absent on purpose: what single models of a host take; the host's own 400 says that better.

mod azure;
mod outbound;
mod table;

pub(super) use azure::{locate, refused_content};
pub(super) use outbound::adapt;
pub use table::HOSTS;

use url::Url;

use super::{Kind, Target};
use crate::catalog::{self, Model};
use crate::error::{Error, Result};

/// Something that a host does otherwise than OpenAI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// Only the host's own spelling of the output cap counts; the other one becomes it.
    OneCap,
    /// No role `developer`: such messages become `system`.
    NoDeveloper,
    /// Messages must not have a `name`.
    NoNames,
    /// Content must not be `null`: it is sent as empty text.
    NoNullContent,
    /// No `stream_options`: the host reports usage unasked.
    NoStreamOptions,
    /// Reasoning is the member `reasoning`, in answers and in the history.
    Reasoning,
    /// Reasoning is parts of the content, of type `thinking`; the history must not have any.
    ThinkingParts,
    /// Usage of a stream may be in `x_groq` alone.
    UsageInXGroq,
    /// Azure's URLs, its `api-key` header and its content filter.
    Azure,
}

impl Quirk {
    /// Every quirk.
    pub const ALL: [Self; 9] = [
        Self::OneCap,
        Self::NoDeveloper,
        Self::NoNames,
        Self::NoNullContent,
        Self::NoStreamOptions,
        Self::Reasoning,
        Self::ThinkingParts,
        Self::UsageInXGroq,
        Self::Azure,
    ];

    /// For people: what becomes of a request or an answer.
    pub const fn note(self) -> &'static str {
        match self {
            Self::OneCap => "has one name for the output cap: the other name becomes it",
            Self::NoDeveloper => "`developer` messages are sent as `system`",
            Self::NoNames => "a `name` of a speaker is not sent",
            Self::NoNullContent => "`content: null` is sent as `\"\"`",
            Self::NoStreamOptions => "`stream_options` is not sent: usage comes unasked",
            Self::Reasoning => "`reasoning` comes as `reasoning_content` too, and goes back as `reasoning`",
            Self::ThinkingParts => "`thinking` parts of the content come as `reasoning_content`, and are not sent back",
            Self::UsageInXGroq => "`x_groq.usage` counts too",
            Self::Azure => "Azure's URLs and `api-key`; `prompt_filter_results` come with the first choice",
        }
    }
}

/// A host that speaks OpenAI's dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// What an owner writes as `preset`.
    pub name: &'static str,
    /// Host names by which a base URL is recognised; one that begins with a dot stands for all below it.
    pub domains: &'static [&'static str],
    /// Where it is when the project does not say; `None`: the project must say.
    pub base_url: Option<&'static str>,
    /// Whether it wants a key.
    pub needs_key: bool,
    /// Under which names its models are in the catalogue, the first that has one counts.
    pub catalog: &'static [&'static str],
    /// The field that caps the output.
    pub output_cap: &'static str,
    /// Fields of OpenAI's that it refuses whatever their value. What changes nothing a client reads is left out; else it is a 400.
    pub refuses: &'static [&'static str],
    /// Fields that some of its models refuse: a value that asks for nothing is left out, any other is passed on.
    pub dislikes: &'static [&'static str],
    /// Fields that it calls otherwise: OpenAI's name, its own.
    pub renames: &'static [(&'static str, &'static str)],
    /// Finish reasons of its own, and which of OpenAI's they are.
    pub finishes: &'static [(&'static str, &'static str)],
    /// What else it does otherwise.
    pub quirks: &'static [Quirk],
}

impl Host {
    /// The host with this `preset`, or a 400 that names the field.
    pub fn preset(name: &str) -> Result<&'static Self> {
        HOSTS.iter().find(|host| host.name == name).ok_or_else(|| {
            let known = HOSTS.iter().map(|host| host.name).collect::<Vec<_>>().join(", ");
            Error::invalid("preset", format!("preset must be one of {known}."))
        })
    }

    /// The host that a provider is: by its preset, else by the host name of its base URL.
    pub fn of(kind: Kind, preset: Option<&str>, base_url: Option<&str>) -> Option<&'static Self> {
        let preset = match kind {
            Kind::OpenAi | Kind::OpenAiCompatible => preset,
            Kind::WorkersAi => Some(kind.name()),
            Kind::Anthropic | Kind::Gemini | Kind::Vertex | Kind::Demo => return None,
        };
        if let Some(preset) = preset {
            return HOSTS.iter().find(|host| host.name == preset);
        }
        let url = Url::parse(base_url?).ok()?;
        let domain = url.host_str()?;
        HOSTS.iter().find(|host| host.domains.iter().any(|known| domain == *known || (known.starts_with('.') && domain.ends_with(known))))
    }

    /// Whether it does this.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }
}

impl Target {
    /// Whether its host does this.
    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.host.is_some_and(|host| host.has(quirk))
    }

    /// What to plan a request with, in tokens: (context window, most output). Of a model that its host's rows do not have, what
    /// anybody else's say: the limits are the model's, whoever serves it.
    pub fn limits(&self) -> (u64, u64) {
        let Some(host) = self.host else { return catalog::limits(self.kind.name(), &self.model) };
        let own = host.catalog.iter().find(|name| catalog::find(name, &self.model).is_some());
        catalog::limits(own.copied().unwrap_or(Kind::OpenAiCompatible.name()), &self.model)
    }
}

/// The model in the catalogue, with the prices of whoever serves it.
pub fn listed(kind: Kind, host: Option<&'static Host>, model: &str) -> Option<Model> {
    match host {
        Some(host) => host.catalog.iter().find_map(|name| catalog::find(name, model)),
        None => catalog::find(kind.name(), model),
    }
}
