//! A request in Anthropic's words, as it is written.
//!
//! Always holds: texts and media are borrowed; what a client sent as JSON goes out byte for byte.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

/// The body.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    /// Left out where the URL names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<&'a str>,
    /// The version of the API, where no header names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) anthropic_version: Option<&'static str>,
    pub(super) max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) system: Vec<Block<'a>>,
    pub(super) messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<Thinking<'a>>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    pub(super) output_config: OutputConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub(super) stream: bool,
}

impl Body<'_> {
    /// It says what becomes of thoughts before which something was changed.
    pub(super) const fn says_binding(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Adaptive { block_binding: Some(_), .. }))
    }
}

/// One turn; roles alternate.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    pub(super) role: Speaker,
    pub(super) content: Vec<Block<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Speaker {
    User,
    Assistant,
}

/// One piece of content.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Block<'a> {
    /// What the conversation says.
    Said {
        #[serde(flatten)]
        kind: Kind<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
    /// A thought, as the provider wrote it.
    Private(&'a RawValue),
}

/// What a block is.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Kind<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<&'a RawValue>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
    },
}

/// Where the bytes of an image or a document are.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: String, data: Cow<'a, str> },
    Text { media_type: &'static str, data: String },
    Url { url: Cow<'a, str> },
}

#[derive(Debug, Serialize)]
pub(super) struct Tool<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<Cow<'a, str>>,
    pub(super) input_schema: Cow<'a, RawValue>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub(super) strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
pub(super) struct ToolChoice<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub(super) disable_parallel_tool_use: bool,
}

/// Whether to think.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Thinking<'a> {
    Enabled {
        budget_tokens: u64,
    },
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        block_binding: Option<BlockBinding>,
    },
    Disabled,
    /// The client's own words.
    #[serde(untagged)]
    Own(&'a RawValue),
}

/// What becomes of thoughts before which something was changed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct BlockBinding {
    pub(super) prefix_mismatch_behavior: &'static str,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Format>,
}

/// The schema of the answer.
#[derive(Debug, Serialize)]
pub(super) struct Format {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) schema: Box<RawValue>,
}

impl OutputConfig {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

impl<'a> Block<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Kind::Text { text: text.into() }.with(None)
    }

    /// Marks the end of what is to be cached; thoughts cannot be marked.
    pub(super) fn mark(&mut self, control: Option<&'a RawValue>) {
        if let Self::Said { cache_control, .. } = self {
            *cache_control = control.or(*cache_control);
        }
    }
}

impl<'a> Kind<'a> {
    pub(super) fn with(self, cache_control: Option<&'a RawValue>) -> Block<'a> {
        Block::Said { kind: self, cache_control }
    }
}
