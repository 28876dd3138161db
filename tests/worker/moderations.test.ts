// POST /v1/moderations: OpenAI's where the project has its key, else a 501 that says how to enable it.
import OpenAI, { APIError } from "openai";
import { beforeAll, describe, expect, it } from "vitest";
import { settled } from "../support/tokens.ts";
import { expectError, expectLimitHeaders } from "../support/contract.ts";
import { call, Project, type User } from "../support/project.ts";
import { Upstream } from "../support/upstream.ts";
import { vectors } from "../support/vectors.ts";

const KEY = "sk-canary-moderations-1";
let upstream: Upstream;
let provider: object;
beforeAll(async () => {
  upstream = await Upstream.start((exchange) => vectors(exchange));
  provider = { kind: "openai", api_key: KEY, base_url: upstream.url };
});
const moderate = (user: User, body: unknown) => call(`${user.base}/v1/moderations`, { token: user.token, body });

describe("with a provider of OpenAI's", () => {
  it("the package gets its answer, for a text, texts and parts", async () => {
    const project = await Project.create({ settings: { default_model: "gpt-4o", allowed_models: ["gpt-4o"] }, providers: { openai: provider } });
    const sdk = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
    const parts = [{ type: "text" as const, text: "a bad thing" }, { type: "image_url" as const, image_url: { url: "data:image/png;base64,AA==" } }];
    for (const [input, flagged] of [["fine", false], [["fine", "bad"], true], [parts, true]] as const) {
      const answer = await sdk.moderations.create({ input: input as never });
      expect([answer.results[0].flagged, answer.model]).toEqual([flagged, "omni-moderation-latest"]);
      expect(upstream.last.body).toEqual({ input, model: "omni-moderation-latest" });
      expect([upstream.last.path, upstream.last.headers.authorization]).toEqual(["/v1/moderations", `Bearer ${KEY}`]);
    }
  });

  it("it is free and counts as a request: even for a user whose tokens are spent", async () => {
    const project = await Project.create({ settings: { limits: { user_tokens_per_day: 1, user_rpm: 3 }, allowed_models: ["omni-*", "text-*"] }, providers: { openai: provider } });
    const user = await project.user();
    expect((await call(`${user.base}/v1/embeddings`, { token: user.token, body: { model: "text-embedding-3-small", input: [1] } })).status).toBe(200);
    expect(await settled(user, 1)).toMatchObject({ tokens: 7 });
    const answer = await moderate(user, { model: "omni-moderation-2024-09-26", input: "x".repeat(1_000) });
    expect([answer.status, answer.headers.get("x-behest-model"), answer.headers.get("x-behest-provider")], answer.text).toEqual([200, "omni-moderation-2024-09-26", "openai"]);
    expect(expectLimitHeaders(answer.headers).remaining).toEqual({ requests: 1, tokens: 0 });
    expect(await settled(user, 2)).toMatchObject({ requests: 2, tokens: 7 });
    expect((await moderate(user, { input: "y" })).status).toBe(200);
    expectError(await moderate(user, { input: "z" }), 429, "rate_limited");
  });

  it("a model that is named must be allowed, and the input must be there", async () => {
    const user = await (await Project.create({ settings: { allowed_models: ["gpt-4o"] }, providers: { openai: provider } })).user();
    expectError(await moderate(user, { model: "omni-moderation-latest", input: "a" }), 403, "forbidden", "model");
    for (const body of [{}, { input: [] }, { input: 7 }]) expectError(await moderate(user, body), 400, "validation_error", "input");
    expectError(await call(`${user.base}/v1/moderations`, { body: { input: "a" } }), 401, "invalid_token");
  });
});

describe("without one", () => {
  it.each([["the demo", { demo: { kind: "demo" } }, undefined], ["Claude", { claude: { kind: "anthropic", api_key: "sk-ant-00000000" } }, "claude-haiku-4-5"], ["nothing", {}, undefined]])("but with %s it is a 501 that says how to enable it, and the package does not try again", async (_name, providers, model) => {
    const project = await Project.create({ providers });
    const error = expectError(await moderate(await project.user(), { model, input: "a" }), 501, "not_supported");
    expect(error.message).toMatch(/kind openai.*PUT \/v1\/projects/);
    let sent = 0;
    const counting = (url: RequestInfo | URL, init?: RequestInit) => { sent++; return fetch(url, init); };
    const sdk = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 2, timeout: 20_000, fetch: counting });
    const thrown = await sdk.moderations.create({ model, input: "a" }).catch((reason: unknown) => reason);
    expect(thrown).toBeInstanceOf(APIError);
    expect([(thrown as APIError).status, (thrown as APIError).code, sent]).toEqual([501, "not_supported", 1]);
  });
});
