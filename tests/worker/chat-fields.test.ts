// Fields of a chat that not every provider has, by the openai package from npm: passed on, said otherwise, or a 400 that names them.
// Absent: every field at every dialect (tests/provider/fields.rs).
import OpenAI, { BadRequestError } from "openai";
import { beforeAll, describe, expect, it } from "vitest";
import { type Json, Project } from "../support/project.ts";
import { completion, json } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let sdk: OpenAI;
beforeAll(async () => {
  upstream = await Upstream.start(({ path }) => {
    if (path.endsWith("/messages")) return json({ id: "m", type: "message", role: "assistant", model: "claude", content: [{ type: "text", text: "hi" }], stop_reason: "end_turn", usage: { input_tokens: 1, output_tokens: 1 } });
    if (path.includes(":generateContent")) return json({ candidates: [{ content: { role: "model", parts: [{ text: "hi" }] }, finishReason: "STOP" }], usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1 } });
    return completion("hi");
  });
  const at = (kind: string) => ({ kind, api_key: "sk-00000000", base_url: upstream.url });
  const project = await Project.create({ providers: { openai: at("openai"), claude: at("anthropic"), google: at("gemini"), host: at("openai-compatible") } });
  sdk = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
});

const MODELS = { openai: "openai/gpt-4o", claude: "claude/claude-sonnet-4-5", google: "google/gemini-3.5-flash", host: "host/llama" };
type Where = keyof typeof MODELS;
const ask = (where: Where, fields: Json) => sdk.chat.completions.create({ model: MODELS[where], messages: [{ role: "user", content: "x" }], ...fields });

const FIELDS: Json[] = [
  { n: 2 }, { logprobs: true, top_logprobs: 2 }, { seed: 7 }, { stop: ["END"] }, { parallel_tool_calls: false }, { reasoning_effort: "low" },
  { prediction: { type: "content", content: "x" } }, { modalities: ["text", "audio"], audio: { voice: "alloy", format: "mp3" } }, { unknown_field: { a: 1 } },
];

describe.each(["openai", "host"] as Where[])("at %s every field arrives as it was sent", (where) => {
  it.each(FIELDS)("%o", async (fields) => {
    await ask(where, fields);
    expect(upstream.last.body).toMatchObject(fields);
  });
});

const audio = { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }] }] };

describe("what a provider does not have is a 400 that names the field, and is not sent", () => {
  const refused: [Where, Json, string | RegExp][] = [
    ["claude", { n: 2 }, "n"], ["claude", { logprobs: true }, "logprobs"], ["claude", { modalities: ["text", "audio"] }, "modalities"],
    ["claude", { audio: { voice: "alloy", format: "mp3" } }, "audio"], ["claude", { stop: " " }, "stop"], ["claude", { reasoning_effort: "huge" }, "reasoning_effort"],
    ["claude", { parallel_tool_calls: "no" }, "parallel_tool_calls"], ["claude", { unknown_field: 1 }, "unknown_field"], ["claude", audio, /^messages\[0\]\.content\[0\]/],
    ["google", { modalities: ["text", "audio"] }, /^modalities/], ["google", { audio: { voice: "alloy", format: "mp3" } }, "audio"], ["google", { stop: ["a", "b", "c", "d", "e", "f"] }, "stop"],
    ["google", { seed: 1.5 }, "seed"], ["google", { reasoning_effort: "huge" }, "reasoning_effort"], ["google", { logprobs: true, top_logprobs: 21 }, "top_logprobs"], ["google", { unknown_field: 1 }, "unknown_field"],
  ];
  it.each(refused)("%s: %o", async (where, fields, param) => {
    const asked = upstream.journal.length;
    const error = await ask(where, fields).then(() => new Error("it was not refused"), (reason: unknown) => reason);
    expect(error).toBeInstanceOf(BadRequestError);
    expect([(error as BadRequestError).param, (error as BadRequestError).code]).toEqual([typeof param === "string" ? param : expect.stringMatching(param), "validation_error"]);
    expect(upstream.journal.length).toBe(asked);
  });
});

describe("what it has in other words is said in them", () => {
  const said: [Where, Json, Json][] = [
    ["claude", { stop: ["END"], seed: 7, prediction: { type: "content", content: "x" }, n: 1 }, { stop_sequences: ["END"] }],
    ["google", { stop: "END", seed: 7, n: 2, logprobs: true, top_logprobs: 2 }, { generationConfig: { stopSequences: ["END"], seed: 7, candidateCount: 2, responseLogprobs: true, logprobs: 2 } }],
    ["google", { reasoning_effort: "low", prediction: { type: "content", content: "x" } }, { generationConfig: { thinkingConfig: { thinkingLevel: "LOW" } } }],
    ["google", audio, { contents: [{ parts: [{ inlineData: { mimeType: "audio/wav", data: "AAAA" } }] }] }],
  ];
  it.each(said)("%s: %o", async (where, fields, body) => {
    await ask(where, fields);
    expect(upstream.last.body).toMatchObject(body);
    expect(upstream.last.body.prediction).toBeUndefined();
  });
});
