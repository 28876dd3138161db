//! What is known about models: context window, output maximum, capabilities, prices.
//!
//! Always holds: pure; nothing is parsed at start-up and a look-up allocates nothing (binary search in the text of
//! `models.tsv`). A number is the data set's or absent, never a guess; guesses are only the two defaults of `limits`.
//! Absent on purpose: which provider serves a model (`config`), and what a request costs (`price`). `models.tsv` is made
//! by `scripts/catalogue.py`: never edit it.

mod table;

/// The context window assumed of an unknown model, in tokens. Nearly every chat model served today has at least this
/// much, and it holds some twenty pages of history; a guess that is too high would make the provider refuse long threads.
pub const DEFAULT_CONTEXT_WINDOW: u64 = 32_768;

/// The output maximum assumed of an unknown model, in tokens. Even old models accept it as `max_tokens`, and it is a
/// complete answer of some six pages.
pub const DEFAULT_MAX_OUTPUT: u64 = 4_096;

/// The longest known names are `accounts/fireworks/models/…`; a name of slashes alone must not cost a search for each.
const MAX_VENDOR_PARTS: usize = 3;

/// One model at one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The id of the row: the name asked for, or what was left of it when the row was found.
    pub id: &'static str,
    /// `openai`, `anthropic`, `gemini`, `vertex`, `groq`, `mistral`, `deepseek`, `together`, `xai`, `cerebras`,
    /// `fireworks`, `workers-ai` or `demo`.
    pub provider: &'static str,
    /// The kind of request it answers.
    pub mode: Mode,
    /// What it can do, as far as the data set says.
    pub capabilities: Capabilities,
    /// The most input tokens. For some models this is the whole window, input and output; see `limits`.
    pub context_window: Option<u64>,
    /// The most output tokens. Where the provider has no separate maximum, this is the window.
    pub max_output: Option<u64>,
    /// What tokens cost.
    pub prices: Prices,
    /// What tokens cost when the input is long, where that differs.
    pub long: Option<LongContext>,
    /// The day on which the provider stops serving it, as days since 1970, where one is announced. For lists: what is asked for
    /// all the same is the provider's to refuse.
    pub retired: Option<u64>,
}

/// The kind of request a model answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Chat completions.
    Chat,
    /// Only `OpenAI`'s responses endpoint: not servable as a chat completion.
    Responses,
    /// Embeddings.
    Embedding,
    /// Moderations.
    Moderation,
}

/// Something a model can do. The data set lists what is known to work, so a missing one may be unknown rather than refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Calls tools.
    Tools,
    /// Answers in a given JSON schema.
    Schema,
    /// Reasons before it answers.
    Reasoning,
    /// Reads repeated prompts from a cache.
    PromptCache,
    /// Sees images.
    ImageInput,
    /// Reads PDF documents.
    DocumentInput,
    /// Hears audio.
    AudioInput,
    /// Sees video.
    VideoInput,
    /// Speaks.
    AudioOutput,
    /// Searches the web by itself.
    WebSearch,
}

/// A set of capabilities: the letters of the data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(&'static str);

/// Prices in pico-dollars per token; the same number is micro-dollars per million tokens. `None`: not listed.
/// Reasoning tokens cost what output costs: the script that makes the table refuses a model where they do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Input that was neither read from nor written to a cache.
    pub input: Option<u64>,
    /// Input read from the provider's cache.
    pub cached_input: Option<u64>,
    /// Input written to the provider's cache, for its shortest lifetime.
    pub cache_write: Option<u64>,
    /// The same, for an hour.
    pub cache_write_hour: Option<u64>,
    /// Output, reasoning included.
    pub output: Option<u64>,
    /// Audio in the input.
    pub audio_input: Option<u64>,
    /// Audio in the output.
    pub audio_output: Option<u64>,
}

/// Other prices for a whole request, all its tokens, whose input is longer than a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongContext {
    /// The threshold in input tokens, cached ones included; a request of exactly this many is not yet long.
    pub above: u64,
    /// The prices then. `None`: not listed separately, the ordinary price stays.
    pub prices: Prices,
}

impl Prices {
    /// These, and where one is not listed, the other's.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            input: self.input.or(other.input),
            cached_input: self.cached_input.or(other.cached_input),
            cache_write: self.cache_write.or(other.cache_write),
            cache_write_hour: self.cache_write_hour.or(other.cache_write_hour),
            output: self.output.or(other.output),
            audio_input: self.audio_input.or(other.audio_input),
            audio_output: self.audio_output.or(other.audio_output),
        }
    }
}

impl Capability {
    const fn letter(self) -> char {
        match self {
            Self::Tools => 't',
            Self::Schema => 's',
            Self::Reasoning => 'r',
            Self::PromptCache => 'k',
            Self::ImageInput => 'i',
            Self::DocumentInput => 'd',
            Self::AudioInput => 'a',
            Self::VideoInput => 'v',
            Self::AudioOutput => 'A',
            Self::WebSearch => 'w',
        }
    }
}

impl Capabilities {
    /// Whether the set has this one.
    pub fn has(self, capability: Capability) -> bool {
        self.0.contains(capability.letter())
    }
}

/// Looks a model up: by its exact name, then without a date or version at the end, then the same without `vendor/` parts
/// at the front. `provider_kind` is a kind of provider or a provider's name in `Model::provider`; only its models are
/// searched, except that `openai-compatible` means any provider (of several, the first by name: the maker of a model comes
/// before Vertex). The demo answers to every name, so for it every name is `demo-1`.
pub fn find(provider_kind: &str, model: &str) -> Option<Model> {
    let provider = (provider_kind != "openai-compatible").then_some(provider_kind);
    let mut name = if provider_kind == "demo" { "demo-1" } else { model };
    for _ in 0..=MAX_VENDOR_PARTS {
        if let Some(found) = spellings(name).find_map(|spelling| table::find(spelling, provider)) {
            return Some(found);
        }
        name = name.split_once('/')?.1;
    }
    None
}

/// All models of a provider, by id.
pub fn all(provider: &str) -> impl Iterator<Item = Model> {
    table::of(provider)
}

/// What to plan a request with: (context window, most output), in tokens, never 0. What is unknown has the defaults above.
/// At most half of the window is output: where a provider has no separate maximum, the table repeats the window, and
/// planning with that would leave no room for a prompt. `find` has the numbers as they are.
pub fn limits(provider_kind: &str, model: &str) -> (u64, u64) {
    let found = find(provider_kind, model);
    let window = found.and_then(|model| model.context_window).unwrap_or(DEFAULT_CONTEXT_WINDOW);
    let output = found.and_then(|model| model.max_output).unwrap_or(DEFAULT_MAX_OUTPUT);
    (window, output.min(window / 2))
}

/// The name; a fine-tuned model's base (`ft:gpt-4o-mini-2024-07-18:acme::id`); the name without date or version.
fn spellings(name: &str) -> impl Iterator<Item = &str> {
    let base = name.strip_prefix("ft:").and_then(|rest| rest.find(':')).and_then(|colon| name.get(..colon + "ft:".len()));
    [Some(name), base, undated(name)].into_iter().flatten()
}

/// Without `-2024-08-06`, `-20240806` or `@version`; `None` if there is none of these.
fn undated(name: &str) -> Option<&str> {
    let cut = |shape: &[u8]| {
        let (front, end) = name.split_at_checked(name.len().checked_sub(shape.len())?)?;
        let fits = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
        (!front.is_empty() && end.bytes().zip(shape).all(fits)).then_some(front)
    };
    let version = || name.rsplit_once('@').map(|(front, _)| front).filter(|front| !front.is_empty());
    cut(b"-0000-00-00").or_else(|| cut(b"-00000000")).or_else(version)
}

#[cfg(test)]
mod tests;
