// Hosts of OpenAI's dialect by their preset, through the gateway, by the openai package from npm: fakes on loopback take what the real
// hosts take and answer as they do.
// Always holds: where the key goes is the host's business; what a client reads is OpenAI's.
// Absent: the table of hosts and its quirks one by one (the golden cases of the Rust tests).
import OpenAI from "openai";
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { type Json, Project } from "../support/project.ts";
import { chunk, completion, DONE, event, FINISH, json, type Script, stream, USAGE, usageChunk, words } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const KEY = "host-key-0001";
const hello = { model: "a-model", messages: [{ role: "user" as const, content: "hello" }] };
let upstream: Upstream;
beforeAll(async () => void (upstream = await Upstream.start()));

async function connect(provider: Json): Promise<OpenAI> {
  const project = await Project.create({ providers: { main: { kind: "openai-compatible", api_key: KEY, ...provider } } });
  return new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
}

/** Refuses what it does not know, as the hosts that check their schema do. */
const strict = (known: string[], answer: Script) => ({ body }: { body: Json }): Script => {
  const extra = Object.keys(body).find((field) => !known.includes(field));
  return extra ? json({ object: "error", message: { detail: [{ type: "extra_forbidden", loc: ["body", extra], msg: "Extra inputs are not permitted" }] } }, 422) : answer;
};

describe("azure", () => {
  const FILTERED = [{ prompt_index: 0, content_filter_results: { hate: { filtered: false, severity: "safe" } } }];
  const places: [string, Json, string][] = [
    ["the v1 API of a resource", { base_url: "" }, "/openai/v1/chat/completions"],
    ["a deployment of a resource with a version", { base_url: "/openai", api_version: "2024-10-21" }, "/openai/deployments/a-model/chat/completions?api-version=2024-10-21"],
    ["one deployment", { base_url: "/openai/deployments/mine" }, "/openai/deployments/mine/chat/completions?api-version=2024-10-21"],
  ];
  it.each(places)("is asked at %s, with its own header", async (_name, { base_url, ...more }, path) => {
    upstream.answer(completion("Hi from Azure", { prompt_filter_results: FILTERED }));
    const client = await connect({ preset: "azure", base_url: `${upstream.origin}${base_url}`, ...more });
    const answer = await client.chat.completions.create(hello);
    expect(answer.choices[0].message.content).toBe("Hi from Azure");
    expect((answer as Json).prompt_filter_results).toEqual(FILTERED);
    const { headers } = upstream.last;
    expect([upstream.last.path, headers["api-key"], headers.authorization]).toEqual([path, KEY, undefined]);
  });

  it("streams: every chunk has a choice, the first with what the filter found", async () => {
    const first = event({ choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: FILTERED });
    upstream.answer(stream([first, ...words("one two"), FINISH, DONE]));
    const chunks: Json[] = [];
    const client = await connect({ preset: "azure", base_url: upstream.origin });
    for await (const part of await client.chat.completions.create({ ...hello, stream: true })) chunks.push(part);
    expect(chunks.map((part) => part.choices.length)).toEqual(chunks.map(() => 1));
    expect([chunks[0].prompt_filter_results, chunks[0].choices[0].delta.role]).toEqual([FILTERED, "assistant"]);
    expect(chunks.map((part) => part.choices[0].delta.content ?? "").join("")).toBe("one two");
  });

  it("says what its filter refused, and sends no name that is no deployment's", async () => {
    const error = { message: "The response was filtered.", type: null, param: "prompt", code: "content_filter", status: 400, innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: { hate: { filtered: true, severity: "high" }, sexual: { filtered: false } } } };
    upstream.answer(json({ error }, 400));
    const client = await connect({ preset: "azure", base_url: upstream.origin, api_version: "2024-10-21" });
    const refused = await client.chat.completions.create(hello).then(() => undefined, (failure) => failure);
    expect([refused.status, refused.param, refused.error.details]).toEqual([400, "messages", { scope: "content_filter", filtered: ["hate"] }]);
    const before = upstream.journal.length;
    const elsewhere = await client.chat.completions.create({ ...hello, model: "../../secret" }).then(() => undefined, (failure) => failure);
    expect([elsewhere.status, upstream.journal.length]).toEqual([404, before]);
  });
});

describe("mistral", () => {
  const KNOWN = ["model", "messages", "temperature", "max_tokens", "stream", "random_seed", "tools", "tool_choice"];
  const THINKING = [{ type: "thinking", thinking: [{ type: "text", text: "Let me see. " }] }];

  it("gets no field that it would refuse, and its thoughts are reasoning_content", async () => {
    const answer = { role: "assistant", content: [...THINKING, { type: "text", text: "4" }] };
    upstream.answer(strict(KNOWN, completion("", { choices: [{ index: 0, message: answer, finish_reason: "stop" }] })));
    const client = await connect({ preset: "mistral", base_url: upstream.url });
    const more = { max_completion_tokens: 50, seed: 7, user: "me", store: false, logprobs: false, n: undefined, metadata: undefined };
    const history = [{ role: "developer" as const, content: "Be brief." }, ...hello.messages];
    const { message } = (await client.chat.completions.create({ ...hello, ...more, messages: history })).choices[0];
    expect([message.content, (message as Json).reasoning_content]).toEqual(["4", "Let me see. "]);
    expect(upstream.last.body).toEqual({ model: "a-model", max_tokens: 50, random_seed: 7, messages: [{ role: "system", content: "Be brief." }, ...hello.messages] });

    const next = [...history, message, { role: "user" as const, content: "And now?" }];
    await client.chat.completions.create({ ...hello, messages: next as Json });
    expect(upstream.last.body.messages[2]).not.toHaveProperty("reasoning_content");
  });

  it("streams its thoughts, and usage that nobody could ask for", async () => {
    const frames = [chunk({ role: "assistant", content: "" }), chunk({ content: THINKING }), chunk({ content: "4" }), { ...chunk({}, "stop"), usage: USAGE }];
    upstream.answer(strict(KNOWN, stream([...frames.map(event), DONE])));
    const client = await connect({ preset: "mistral", base_url: upstream.url });
    const running = client.chat.completions.stream({ ...hello, stream_options: { include_usage: true } });
    const thoughts: string[] = [];
    running.on("chunk", (part: Json) => thoughts.push(part.choices[0].delta.reasoning_content ?? ""));
    const answer = await running.finalChatCompletion();
    expect([answer.choices[0].message.content, thoughts.join(""), answer.usage?.total_tokens]).toEqual(["4", "Let me see. ", 18]);
  });

  it("names what it cannot do", async () => {
    const before = upstream.journal.length;
    const client = await connect({ preset: "mistral", base_url: upstream.url });
    const error = await client.chat.completions.create({ ...hello, logit_bias: { 1: 5 } }).then(() => undefined, (failure) => failure);
    expect([error.status, error.param, error.message, upstream.journal.length]).toEqual([400, "logit_bias", "400 logit_bias is not supported by mistral.", before]);
  });
});

describe("groq", () => {
  it("streams reasoning under the name that clients know, and takes it back under its own", async () => {
    upstream.answer(stream([...[chunk({ role: "assistant", content: "" }), chunk({ reasoning: "2+2" }), chunk({ content: "4" }), chunk({}, "stop"), usageChunk()].map(event), DONE]));
    const client = await connect({ preset: "groq", base_url: upstream.url });
    let thought = "";
    for await (const part of await client.chat.completions.create({ ...hello, stream: true })) thought += (part.choices[0].delta as Json).reasoning_content ?? "";
    expect(thought).toBe("2+2");
    upstream.answer(completion("8"));
    const said: Json = { role: "assistant", content: "4", reasoning_content: thought };
    await client.chat.completions.create({ ...hello, messages: [...hello.messages, said, { role: "user", content: "Twice?" }] });
    expect(upstream.last.body.messages[1]).toEqual({ role: "assistant", content: "4", reasoning: "2+2" });
  });
});

describe("a preset", () => {
  it("is shown, and is known by the base URL too", async () => {
    const project = await Project.create();
    const put = async (body: Json) => (await project.admin("/providers/main", { method: "PUT", body: { kind: "openai-compatible", api_key: KEY, ...body } })).json;
    expect(await put({ preset: "groq" })).toMatchObject({ preset: "groq", base_url: null, last4: "0001" });
    expect(await put({ base_url: "https://api.mistral.ai/v1" })).toMatchObject({ preset: "mistral" });
    expect(await put({ base_url: "https://models.example.com/v1" })).toMatchObject({ preset: null });
    expect(await put({ preset: "azure", base_url: "https://r.openai.azure.com", api_version: "2024-10-21" })).toMatchObject({ preset: "azure", api_version: "2024-10-21" });
  });

  const bad: [string, Json, string][] = [
    ["that nobody knows", { preset: "oracle" }, "preset"],
    ["of another kind", { kind: "openai", preset: "groq" }, "preset"],
    ["without the key that its host wants", { preset: "groq", api_key: undefined }, "api_key"],
    ["whose address only its owner knows", { preset: "azure" }, "base_url"],
    ["with a version that is none", { preset: "azure", base_url: "https://r.openai.azure.com", api_version: "1&x=y" }, "api_version"],
    ["that has no versions", { preset: "groq", api_version: "2024-10-21" }, "api_version"],
  ];
  it.each(bad)("%s is refused", async (_name, body, param) => {
    const project = await Project.create();
    expectError(await project.admin("/providers/main", { method: "PUT", body: { kind: "openai-compatible", api_key: KEY, ...body } }), 400, "validation_error", param);
  });
});
