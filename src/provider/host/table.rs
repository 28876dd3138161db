//! The table of hosts, one row each. A row's comment names where its facts are from: the host's documentation, issues of people who
//! met them, or recorded traffic ("recorded": an exchange in the test data shows it).
//!
//! Always holds: names are told apart, and so are domains; a field in `refuses` or `dislikes` is one of the table of fields.

use super::Host;
use super::Quirk::{Azure, NoDeveloper, NoNames, NoNullContent, NoStreamOptions, OneCap, Reasoning, ThinkingParts, UsageInXGroq};

/// A host as nobody is: what rows leave unsaid. Both names of the cap pass; ours is the one that compatible hosts have known longest.
const PLAIN: Host = Host {
    name: "",
    domains: &[],
    base_url: None,
    needs_key: true,
    catalog: &["openai-compatible"],
    output_cap: "max_tokens",
    refuses: &[],
    dislikes: &[],
    renames: &[],
    finishes: &[],
    quirks: &[],
};

/// What a local server takes: no key, and the chat template of its model decides about roles, which few know `developer`.
const LOCAL: Host = Host { needs_key: false, quirks: &[NoDeveloper], ..PLAIN };

/// Every host, by name.
pub const HOSTS: [Host; 20] = [
    // help.aliyun.com/model-studio: compatible mode, `max_tokens`; reasoning_content recorded.
    Host {
        name: "alibaba",
        domains: &["dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com"],
        base_url: Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        quirks: &[OneCap, NoDeveloper],
        ..PLAIN
    },
    // learn.microsoft.com/azure/ai-foundry/openai: the v1 API and deployment paths; the filter's members recorded. A deployment that is
    // named as its model has OpenAI's prices.
    Host {
        name: "azure",
        domains: &[".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"],
        catalog: &["openai"],
        output_cap: "max_completion_tokens",
        quirks: &[Azure],
        ..PLAIN
    },
    // inference-docs.cerebras.ai/resources/openai: no developer role. `reasoning` recorded; `reasoning_content` in the history is a 400
    // (QwenLM/qwen-code#11045), and so are fields it does not know. The penalties and `logit_bias` were refused of old
    // (hexdocs.pm/req_llm) and are in its client library now.
    Host {
        name: "cerebras",
        domains: &["api.cerebras.ai"],
        base_url: Some("https://api.cerebras.ai/v1"),
        catalog: &["cerebras"],
        output_cap: "max_completion_tokens",
        refuses: &["metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "verbosity"],
        dislikes: &["frequency_penalty", "logit_bias", "parallel_tool_calls", "presence_penalty", "service_tier"],
        quirks: &[NoDeveloper, Reasoning],
        ..PLAIN
    },
    // docs.deepinfra.com: OpenAI's dialect under /v1/openai, `max_tokens`.
    Host {
        name: "deepinfra",
        domains: &["api.deepinfra.com"],
        base_url: Some("https://api.deepinfra.com/v1/openai"),
        quirks: &[OneCap, NoDeveloper],
        ..PLAIN
    },
    // api-docs.deepseek.com: `max_tokens` is its only cap, others are ignored. Developer role: earendil-works/pi#1048.
    Host {
        name: "deepseek",
        domains: &["api.deepseek.com"],
        base_url: Some("https://api.deepseek.com/v1"),
        catalog: &["deepseek"],
        quirks: &[OneCap, NoDeveloper],
        ..PLAIN
    },
    // docs.fireworks.ai/tools-sdks/openai-compatibility: usage in the last chunk of every stream, `reasoning_content`.
    Host {
        name: "fireworks",
        domains: &["api.fireworks.ai", ".api.fireworks.ai"],
        base_url: Some("https://api.fireworks.ai/inference/v1"),
        catalog: &["fireworks"],
        quirks: &[NoDeveloper],
        ..PLAIN
    },
    // console.groq.com/docs/openai names logprobs, logit_bias, top_logprobs, messages[].name and n > 1 as 400s; other fields it does not
    // know are 400s too ("property 'store' is unsupported", fanenr/chatbot#21). `reasoning` and `x_groq.usage` recorded;
    // `reasoning_content` in the history is a 400 (tashfeenahmed/freellmapi#1070).
    Host {
        name: "groq",
        domains: &["api.groq.com"],
        base_url: Some("https://api.groq.com/openai/v1"),
        catalog: &["groq"],
        output_cap: "max_completion_tokens",
        refuses: &[
            "audio",
            "logit_bias",
            "logprobs",
            "metadata",
            "modalities",
            "n",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
            "store",
            "top_logprobs",
            "verbosity",
            "web_search_options",
        ],
        quirks: &[NoNames, Reasoning, UsageInXGroq],
        ..PLAIN
    },
    // huggingface.co/docs/inference-providers: a relay to other hosts; answers of them recorded.
    Host {
        name: "huggingface",
        domains: &["router.huggingface.co"],
        base_url: Some("https://router.huggingface.co/v1"),
        quirks: &[NoDeveloper, Reasoning],
        ..PLAIN
    },
    // The server of llama.cpp (tools/server/README.md): `max_tokens`, `reasoning_content`.
    Host { name: "llama.cpp", quirks: &[OneCap, NoDeveloper], ..LOCAL },
    // docs.mistral.ai/api: the request's schema forbids what it does not name (422 extra_forbidden: editor-code-assistant/eca#231, on
    // `max_completion_tokens`; mistralai/platform-docs-public#7, on a penalty of 0; charmbracelet/crush#1590, on `reasoning_content`).
    // Thinking parts, usage unasked, `prompt_cache_key` recorded. `random_seed`, `model_length`: the same schema.
    Host {
        name: "mistral",
        domains: &["api.mistral.ai"],
        base_url: Some("https://api.mistral.ai/v1"),
        catalog: &["mistral"],
        refuses: &[
            "audio",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "modalities",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "top_logprobs",
            "user",
            "verbosity",
            "web_search_options",
        ],
        dislikes: &["frequency_penalty", "presence_penalty"],
        renames: &[("seed", "random_seed")],
        finishes: &[("model_length", "length")],
        quirks: &[OneCap, NoDeveloper, NoStreamOptions, ThinkingParts],
        ..PLAIN
    },
    // platform.moonshot.ai/docs/api/chat: roles system, user, assistant, tool; `reasoning_content` recorded.
    Host {
        name: "moonshot",
        domains: &["api.moonshot.ai", "api.moonshot.cn"],
        base_url: Some("https://api.moonshot.ai/v1"),
        quirks: &[NoDeveloper],
        ..PLAIN
    },
    // docs.api.nvidia.com/nim: `max_tokens`.
    Host {
        name: "nvidia",
        domains: &["integrate.api.nvidia.com"],
        base_url: Some("https://integrate.api.nvidia.com/v1"),
        quirks: &[OneCap, NoDeveloper],
        ..PLAIN
    },
    // docs.ollama.com/api/openai-compatibility: the fields it takes; it ignores others. `reasoning` recorded. Its cloud wants a key.
    Host {
        name: "ollama",
        domains: &["ollama.com"],
        base_url: Some("http://localhost:11434/v1"),
        refuses: &["logit_bias", "n"],
        quirks: &[OneCap, NoDeveloper, Reasoning],
        ..LOCAL
    },
    // openrouter.ai/docs: a relay to makers at their prices; both caps, the developer role and `reasoning` recorded.
    Host { name: "openrouter", domains: &["openrouter.ai"], base_url: Some("https://openrouter.ai/api/v1"), quirks: &[Reasoning], ..PLAIN },
    // docs.perplexity.ai: no /v1, `max_tokens`.
    Host {
        name: "perplexity",
        domains: &["api.perplexity.ai"],
        base_url: Some("https://api.perplexity.ai"),
        quirks: &[OneCap, NoDeveloper],
        ..PLAIN
    },
    // docs.together.ai: `max_tokens`, `reasoning`; the finish reason `eos` recorded.
    Host {
        name: "together",
        domains: &["api.together.xyz", "api.together.ai"],
        base_url: Some("https://api.together.xyz/v1"),
        catalog: &["together"],
        finishes: &[("eos", "stop")],
        quirks: &[OneCap, NoDeveloper, Reasoning],
        ..PLAIN
    },
    // docs.vllm.ai: both caps; `reasoning` since 0.12, `reasoning_content` before.
    Host { name: "vllm", quirks: &[NoDeveloper, Reasoning], ..LOCAL },
    // developers.cloudflare.com/workers-ai: OpenAI's endpoint of an account is …/accounts/{id}/ai/v1. Content must not be null, and older
    // models know `max_tokens` alone; `reasoning` of newer ones (workers-ai-provider on npm, by Cloudflare).
    Host {
        name: "workers-ai",
        domains: &["api.cloudflare.com"],
        catalog: &["workers-ai"],
        quirks: &[OneCap, NoDeveloper, NoNullContent, Reasoning],
        ..PLAIN
    },
    // docs.x.ai/docs/guides/reasoning: models that reason refuse both penalties and `stop`, even where they ask for nothing.
    Host {
        name: "xai",
        domains: &["api.x.ai"],
        base_url: Some("https://api.x.ai/v1"),
        catalog: &["xai"],
        output_cap: "max_completion_tokens",
        dislikes: &["frequency_penalty", "presence_penalty", "stop"],
        quirks: &[NoDeveloper],
        ..PLAIN
    },
    // docs.z.ai: /api/paas/v4, `max_tokens`; `reasoning_content` recorded.
    Host {
        name: "zai",
        domains: &["api.z.ai", "open.bigmodel.cn"],
        base_url: Some("https://api.z.ai/api/paas/v4"),
        quirks: &[OneCap, NoDeveloper],
        ..PLAIN
    },
];
