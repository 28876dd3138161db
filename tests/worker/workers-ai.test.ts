// Workers AI through its binding, by the openai package from npm. There is no account here: a fake binding (fake-ai.mjs) hands what it was
// given to a script on loopback.
// Always holds: the binding is asked for the raw answer, which a client sees in OpenAI's form; without a binding the error says what to add.
// Absent: the translation in detail (the golden cases of the Rust tests), and what the real binding does.
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { type Json, Project } from "../support/project.ts";
import { completion, DONE, event, json, stream } from "../support/script.ts";
import { eventually, Upstream } from "../support/upstream.ts";

const MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
const COUNTED = { prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 };
const hello = { model: MODEL, messages: [{ role: "user" as const, content: "hello" }] };
let upstream: Upstream;
let gateway: Gateway;
let client: OpenAI;

beforeAll(async () => {
  upstream = await Upstream.start();
  gateway = await Gateway.start({ direct: true, ai: upstream.url });
  const project = await Project.create({ base: gateway.url, providers: { cloudflare: { kind: "workers-ai" } } });
  client = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
}, 60_000);
afterAll(() => gateway?.stop());

describe("a model by the binding", () => {
  it("answers as OpenAI", async () => {
    upstream.answer(json({ response: "Hi 🌊", usage: COUNTED }));
    const answer = await client.chat.completions.create({ ...hello, max_completion_tokens: 100 });
    expect(answer).toMatchObject({ object: "chat.completion", model: MODEL, usage: COUNTED, choices: [{ finish_reason: "stop", message: { content: "Hi 🌊" } }] });
    expect(upstream.last.body).toEqual({ model: MODEL, inputs: { messages: hello.messages, max_tokens: 100 }, options: { returnRawResponse: true } });
  });

  it("streams", async () => {
    upstream.answer(stream([...[{ response: "One ", p: "ab" }, { response: "two", p: "a" }, { response: "", usage: COUNTED }].map(event), DONE]));
    const answer = await client.chat.completions.stream({ ...hello, stream_options: { include_usage: true } }).finalChatCompletion();
    expect(answer.choices[0]).toMatchObject({ finish_reason: "stop", message: { role: "assistant", content: "One two" } });
    expect(answer.usage?.total_tokens).toBe(42);
    expect(upstream.last.body.inputs.stream).toBe(true);
  });

  it("calls tools and takes their results", async () => {
    upstream.answer(json({ response: null, tool_calls: [{ name: "weather", arguments: { city: "Rome" } }], usage: COUNTED }));
    const tools = [{ type: "function" as const, function: { name: "weather", parameters: { type: "object" } } }];
    const { message, finish_reason } = (await client.chat.completions.create({ ...hello, tools })).choices[0];
    const [call] = message.tool_calls as Json[];
    expect([finish_reason, call.function.name, JSON.parse(call.function.arguments)]).toEqual(["tool_calls", "weather", { city: "Rome" }]);
    upstream.answer(json({ response: "Warm." }));
    const answer = await client.chat.completions.create({ ...hello, tools, messages: [...hello.messages, message, { role: "tool", tool_call_id: call.id, content: "30" }] });
    expect(answer.choices[0].message.content).toBe("Warm.");
    expect(upstream.last.body.inputs.messages[1]).toMatchObject({ role: "assistant", content: "", tool_calls: [{ id: call.id }] });
  });

  it("embeds", async () => {
    const data = [[0.25, -0.5], [1, 0.125]];
    upstream.answer(json({ shape: [2, 2], data, pooling: "mean" }));
    const model = "@cf/baai/bge-base-en-v1.5";
    const answer = await client.embeddings.create({ model, input: ["one", "two"] });
    expect(answer.data.map(({ embedding }) => embedding)).toEqual(data);
    expect(answer).toMatchObject({ object: "list", model });
    expect(answer.usage.prompt_tokens).toBeGreaterThan(0);
    expect(upstream.last.body).toEqual({ model, inputs: { text: ["one", "two"] }, options: { returnRawResponse: true } });
    const refused = await client.embeddings.create({ model, input: "one", dimensions: 2 }).catch((error) => error);
    expect(refused).toMatchObject({ status: 400, param: "dimensions" });
  });

  it("of newer kind passes", async () => {
    upstream.answer(completion("As OpenAI has it"));
    expect((await client.chat.completions.create(hello)).choices[0].message.content).toBe("As OpenAI has it");
  });

  it("that fails is OpenAI's error", async () => {
    const failed = async (code: number, status: number, model = MODEL) => {
      upstream.answer(json({ errors: [{ message: `AiError: ${code}`, code }], success: false, result: {} }, status));
      return client.chat.completions.create({ ...hello, model }).then(() => undefined, (error) => error.status);
    };
    expect([await failed(5006, 400), await failed(5007, 400), await failed(3040, 429), await failed(1, 500), await failed(1, 200, "gpt-5")]).toEqual([400, 404, 429, 502, 404]);
  });

  it("is let go when the client leaves", async () => {
    // What crosses the binding is noticed at the next write, so the model goes on talking.
    const talk = Array.from({ length: 80 }, () => [{ send: event({ response: "one " }) }, { wait: 50 }]).flat();
    upstream.answer({ headers: { "content-type": "text/event-stream" }, steps: [...talk, { hang: true }] });
    for await (const part of await client.chat.completions.create({ ...hello, stream: true })) if (part.choices[0].delta.content) break;
    await eventually("the binding's answer is let go", () => upstream.last.hungUpAt !== undefined);
  });
});

describe("without the binding", () => {
  it("the error says what to add", async () => {
    const project = await Project.create({ providers: { cloudflare: { kind: "workers-ai" } } });
    const error = expectError(await (await project.user()).chat(hello), 503, "provider_not_configured");
    expect(error.message).toContain('binding = "AI"');
  });

  it("an account's endpoint is asked with its key", async () => {
    upstream.answer(completion("By REST"));
    const project = await Project.create({ providers: { cloudflare: { kind: "workers-ai", api_key: "cf-token-0001", base_url: upstream.url } } });
    expect((await (await project.user()).chat(hello)).json.choices[0].message.content).toBe("By REST");
    expect([upstream.last.path, upstream.last.headers.authorization, upstream.last.body.model]).toEqual(["/v1/chat/completions", "Bearer cf-token-0001", MODEL]);
  });

  it("a key without an address, or an address without a key, is refused", async () => {
    const project = await Project.create();
    const put = (body: Json) => project.admin("/providers/x", { method: "PUT", body: { kind: "workers-ai", ...body } });
    expectError(await put({ api_key: "cf-token-0001" }), 400, "validation_error", "base_url");
    expectError(await put({ base_url: "https://api.cloudflare.com/client/v4/accounts/a/ai/v1" }), 400, "validation_error", "api_key");
  });
});
