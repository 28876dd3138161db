// POST /v1/embeddings, by the openai package from npm and by hand: vectors to the bit, limits, budgets, the ledger, failures.
// Absent: each dialect's translation in detail (the golden cases of the Rust tests); clients that leave (disconnect.test.ts).
import OpenAI from "openai";
import { beforeAll, describe, expect, it } from "vitest";
import { settled } from "../support/tokens.ts";
import { expectCors, expectError, expectLimitHeaders } from "../support/contract.ts";
import { call, type CallOptions, type Json, Project, type User } from "../support/project.ts";
import { json } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";
import { base64Of, googleVectors, vectorOf, vectors } from "../support/vectors.ts";

const OPENAI = "text-embedding-3-small";
const KEY = "sk-canary-embeddings-1";
const openai = (upstream: Upstream) => ({ kind: "openai", api_key: KEY, base_url: upstream.url });
const embed = (user: User, body: Json, options: CallOptions = {}) => call(`${user.base}/v1/embeddings`, { token: user.token, body, ...options });
const client = async (project: Project) => new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
const bits = (numbers: ArrayLike<number>): number[] => [...new Uint32Array(Float32Array.from(numbers).buffer)];

let upstream: Upstream;
let project: Project;
beforeAll(async () => {
  upstream = await Upstream.start((exchange) => vectors(exchange));
  project = await Project.create({ providers: { openai: openai(upstream) } });
});

describe("vectors are the provider's, to the bit", () => {
  const input = ["one", "zwei 🌊", "three words here"];
  const hosts: [string, Json][] = [
    ["OpenAI", { kind: "openai", api_key: KEY }],
    ["a host that knows both forms", { kind: "openai-compatible" }],
    ["a host that gives numbers, whatever is asked", { kind: "openai-compatible", form: "float" }],
    ["a host that gives base64, whatever is asked", { kind: "openai-compatible", form: "base64" }],
    ["Gemini", { kind: "gemini", api_key: KEY }],
  ];
  it.each(hosts)("%s", async (_name, { form, ...provider }) => {
    const host = await Upstream.start((exchange) => (exchange.body.requests ? googleVectors(exchange) : vectors(exchange, form)));
    const sdk = await client(await Project.create({ providers: { host: { base_url: host.url, ...provider } } }));
    // The package asks for base64 by itself and decodes it.
    const byDefault = await sdk.embeddings.create({ model: "m", input });
    const asNumbers = await sdk.embeddings.create({ model: "m", input, encoding_format: "float" });
    const asBase64 = await sdk.embeddings.create({ model: "m", input, encoding_format: "base64" });
    input.forEach((text, index) => {
      const vector = vectorOf(text);
      expect(bits(byDefault.data[index].embedding)).toEqual(bits(vector));
      expect(bits(asNumbers.data[index].embedding)).toEqual(bits(vector));
      expect(asBase64.data[index].embedding).toBe(base64Of(vector));
      expect(byDefault.data[index]).toMatchObject({ index, object: "embedding" });
    });
    expect(byDefault.usage.prompt_tokens).toBeGreaterThan(0);
    expect(host.journal.length).toBe(3);
  });

  it("of the demo are the same each time, of length one, and near for texts that share words", async () => {
    const sdk = await client(await Project.create({ settings: { default_model: "demo-1" }, providers: { demo: { kind: "demo" } } }));
    const { data, model } = await sdk.embeddings.create({ model: "", input: ["the cat sat", "a cat sat", "shares fell"], dimensions: 512 });
    const [cat, other, shares] = data.map(({ embedding }) => embedding);
    const near = (a: number[], b: number[]) => a.reduce((sum, number, at) => sum + number * b[at], 0);
    expect([model, cat.length]).toEqual(["demo-1", 512]);
    expect(near(cat, cat)).toBeCloseTo(1, 5);
    expect(near(cat, other)).toBeGreaterThan(near(cat, shares) + 0.3);
    expect((await sdk.embeddings.create({ model: "x", input: "the cat sat", dimensions: 512 })).data[0].embedding).toEqual(cat);
  });
});

describe("a request", () => {
  it("goes out as it came, with the model's name at the provider, and says who served it", async () => {
    const user = await project.user();
    const sent = `{"model":"openai/${OPENAI}", "input":["caf\\u00e9", [1] ],"input":[[1,2],[3]],"dimensions":2,"user":"u","unknown":1.0}`;
    const answer = await embed(user, sent, { headers: { "x-session-id": "s-1" } });
    expect(answer.status, answer.text).toBe(200);
    expect(upstream.last.raw.toString()).toBe(`{"model":"${OPENAI}","input":[[1,2],[3]],"dimensions":2,"user":"u","unknown":1.0}`);
    expect([upstream.last.path, upstream.last.headers.authorization]).toEqual(["/v1/embeddings", `Bearer ${KEY}`]);
    expect(["x-behest-model", "x-behest-provider", "x-session-id", "content-type"].map((name) => answer.headers.get(name))).toEqual([OPENAI, "openai", "s-1", "application/json"]);
    expectLimitHeaders(answer.headers);
  });

  it("may have a doubled path, an alias and a default that embeds", async () => {
    const one = await Project.create({ settings: { default_model: OPENAI, routing: { aliases: { vec: OPENAI } } }, providers: { openai: openai(upstream) } });
    const user = await one.user();
    for (const [path, model] of [["/v1/v1/embeddings", "vec"], ["/v1/embeddings", "default"], ["/v1/embeddings/", undefined]]) {
      const answer = await call(`${one.base}${path}`, { token: user.token, body: { model, input: "x" } });
      expect([answer.status, answer.headers.get("x-behest-model")], answer.text).toEqual([200, OPENAI]);
    }
  });

  const claude = { kind: "anthropic", api_key: "sk-ant-00000000" };
  const bad: [string, Json, Json, number, string, string | null][] = [
    ["without input", {}, { model: OPENAI }, 400, "validation_error", "input"],
    ["with an empty input", {}, { model: OPENAI, input: "" }, 400, "validation_error", "input"],
    ["with too many inputs", {}, { model: OPENAI, input: Array(2_049).fill("a") }, 400, "validation_error", "input"],
    ["with a form nobody knows", {}, { model: OPENAI, input: "a", encoding_format: "hex" }, 400, "validation_error", "encoding_format"],
    ["that is no JSON", {}, "{", 400, "validation_error", null],
    ["for Claude", { claude }, { model: "claude/claude-haiku-4-5", input: "a" }, 400, "validation_error", "model"],
    ["whose default chats", { settings: { default_model: "gpt-4o" } }, { input: "a" }, 400, "validation_error", "model"],
    ["with tokens for Gemini", { g: { kind: "gemini", api_key: KEY } }, { model: "g/gemini-embedding-001", input: [1, 2] }, 400, "validation_error", "input"],
    ["for a model that is not allowed", { settings: { allowed_models: ["other"] } }, { model: OPENAI, input: "a" }, 403, "forbidden", "model"],
  ];
  it.each(bad)("%s is refused, and nothing is asked upstream", async (_name, { settings, ...providers }, body, status, code, param) => {
    const one = await Project.create({ settings, providers: { openai: openai(upstream), ...providers } });
    const asked = upstream.journal.length;
    const answer = await embed(await one.user(), body, { headers: { origin: "https://a.example" } });
    expectError(answer, status, code, param);
    expectCors(answer.headers, "https://a.example");
    expect(upstream.journal.length).toBe(asked);
  });

  it("needs a user's token", async () => {
    expectError(await call(`${project.base}/v1/embeddings`, { body: { input: "a" } }), 401, "invalid_token");
    expectError(await call(`${project.base}/v1/embeddings`, { token: project.key, body: { input: "a" } }), 401, "api_key_not_allowed");
    expectError(await call(`${project.base}/v1/embeddings`, { token: await project.token() }), 405, "method_not_allowed");
  });
});

describe("what it costs", () => {
  it("is the provider's count at the model's price, in the ledger", async () => {
    const one = await Project.create({ settings: { prices: { [OPENAI]: { input: 1_000 } } }, providers: { openai: openai(upstream) } });
    const user = await one.user();
    expect((await embed(user, { model: OPENAI, input: ["a", "b"] })).status).toBe(200);
    expect(await settled(user, 1)).toMatchObject({ requests: 1, tokens: 14, cost_usd: 0.014 });
    expect((await one.user("somebody-else")).token).not.toBe(user.token);
  });

  it("is estimated where the provider does not say", async () => {
    const google = await Upstream.start(googleVectors);
    const one = await Project.create({ settings: { prices: { "*": { input: 1_000 } } }, providers: { g: { kind: "gemini", api_key: KEY, base_url: google.url } } });
    const user = await one.user();
    const answer = await embed(user, { model: "gemini-embedding-001", input: ["abcdef", "abc"] });
    expect(answer.json.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
    expect(await settled(user, 1)).toMatchObject({ tokens: 3, cost_usd: 0.003 });
  });

  it("is reserved before, and nothing is sent that does not fit", async () => {
    const one = await Project.create({ settings: { limits: { user_tokens_per_day: 20 } }, providers: { openai: openai(upstream) } });
    const user = await one.user();
    const asked = upstream.journal.length;
    const error = expectError(await embed(user, { model: OPENAI, input: "x".repeat(61) }), 402, "quota_exceeded");
    expect(error.details).toMatchObject({ scope: "user_tokens_per_day", limit: 20, used: 0 });
    expect(upstream.journal.length).toBe(asked);
    const fits = await embed(user, { model: OPENAI, input: "x".repeat(60) });
    expect(fits.status, fits.text).toBe(200);
    expect(expectLimitHeaders(fits.headers).remaining.tokens).toBe(0);
    await settled(user, 1);
    expect((await embed(user, { model: OPENAI, input: [1, 2, 3, 4, 5, 6, 7] })).status).toBe(200);
  });

  it("counts as a request", async () => {
    const user = await (await Project.create({ settings: { limits: { user_rpm: 1 } }, providers: { openai: openai(upstream) } })).user();
    expect((await embed(user, { model: OPENAI, input: "a" })).status).toBe(200);
    expectError(await embed(user, { model: OPENAI, input: "a" }), 429, "rate_limited");
  });
});

describe("a provider that fails", () => {
  it.each([[400, 400, "validation_error"], [401, 502, "upstream_error"], [404, 404, "model_not_found"], [429, 429, "rate_limited"], [500, 502, "upstream_error"], [503, 503, "upstream_error"]])("with %i is %i %s, and costs nothing", async (status, shown, code) => {
    const user = await project.user(`fails-${status}`);
    const answer = await embed(user, { model: OPENAI, input: `fail ${status}` });
    expectError(answer, shown, code);
    expect(await settled(user, 1)).toMatchObject({ requests: 1, tokens: 0, cost_usd: 0 });
  });

  it("with what is no answer is 502", async () => {
    const silly = await Upstream.start(json({ choices: [] }));
    const user = await (await Project.create({ providers: { openai: openai(silly) } })).user();
    for (const answer of [json({ choices: [] }), json("<html>"), json({ data: [] }), { steps: [{ reset: true as const }] }]) {
      silly.answer(answer);
      expectError(await embed(user, { model: OPENAI, input: "a" }), 502, "upstream_error");
    }
  });

  it("by silence is 504", async () => {
    const silent = await Upstream.start({ steps: [{ hang: true }] });
    const user = await (await Project.create({ settings: { routing: { timeout_ms: 1_000 } }, providers: { openai: openai(silent) } })).user();
    expectError(await embed(user, { model: OPENAI, input: "a" }), 504, "upstream_timeout");
  });
});

it("a large batch comes back whole: 300 vectors of 3,072 numbers, both ways", async () => {
  const input = Array.from({ length: 300 }, (_, n) => `text ${n}`);
  const user = await project.user("large");
  for (const encoding_format of ["float", "base64"]) {
    const { status, json: body } = await embed(user, { model: OPENAI, input, dimensions: 3_072, encoding_format });
    expect([status, body.data.length]).toEqual([200, 300]);
    const last = body.data.at(-1).embedding;
    expect(encoding_format === "base64" ? last : base64Of(Float32Array.from(last))).toBe(base64Of(vectorOf("text 299", 3_072)));
  }
});
