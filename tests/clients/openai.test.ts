// The openai package from npm, unmodified, pointed at the gateway with a user's token for a key: everything its users do.
import OpenAI, { APIError, APIUserAbortError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError, PermissionDeniedError, RateLimitError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { CITY, model, VERDICT } from "../support/model.ts";
import { type Json, Project } from "../support/project.ts";
import { eventually, Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let project: Project;
let client: OpenAI;
const connect = (apiKey: string, more: object = {}) => new OpenAI({ apiKey, baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000, ...more });
const user = (content: string) => ({ model: "gpt-4o-mini", messages: [{ role: "user" as const, content }] });
const projectWith = async (settings: object, provider: Json = upstream.url) => Project.create({ settings, providers: { main: provider } });

beforeAll(async () => {
  upstream = await Upstream.start(model);
  project = await projectWith({});
  client = connect(await project.token());
});

describe("chat.completions", () => {
  it("creates", async () => {
    const call = client.chat.completions.create(user("hello"));
    const answer = await call;
    const { response, request_id } = await call.withResponse();
    expect(answer.choices[0].message.content).toBe("You said: hello");
    expect(answer.usage?.total_tokens).toBe(18);
    expect(answer._request_id).toMatch(/./);
    expect([request_id, response.headers.get("x-request-id")]).toEqual([answer._request_id, answer._request_id]);
  });

  it("streams", async () => {
    const pieces: string[] = [];
    let finish: string | null = null;
    for await (const part of await client.chat.completions.create({ ...user("one two three"), stream: true })) {
      expect(part.choices.length).toBe(1);
      pieces.push(part.choices[0].delta.content ?? "");
      finish = part.choices[0].finish_reason ?? finish;
    }
    expect({ text: pieces.join(""), finish }).toEqual({ text: "You said: one two three", finish: "stop" });
    expect(pieces.filter(Boolean).length).toBeGreaterThan(3);
  });

  it("streams usage when asked", async () => {
    let usage: unknown;
    for await (const part of await client.chat.completions.create({ ...user("x"), stream: true, stream_options: { include_usage: true } })) usage = part.usage ?? usage;
    expect(usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7 });
  });

  it("sees a stream that a budget stopped as one that ended for its length", async () => {
    const poor = connect(await (await projectWith({ limits: { user_tokens_per_day: 200 } })).token());
    const parts = [];
    for await (const part of await poor.chat.completions.create({ ...user("pour it out"), stream: true })) parts.push(part);
    expect(parts.every(({ choices }) => choices[0].delta)).toBe(true);
    expect(parts.at(-1)).toMatchObject({ choices: [{ finish_reason: "length" }], details: { code: "quota_exceeded", scope: "user_tokens_per_day", limit: 200 } });
    const again = connect(await (await projectWith({ limits: { user_tokens_per_day: 200 } })).token());
    const whole = await again.chat.completions.stream({ ...user("pour it out"), stream_options: { include_usage: true } }).finalChatCompletion();
    expect(whole.choices[0]).toMatchObject({ finish_reason: "length", message: { content: expect.stringMatching(/^(more )+$/) } });
    expect(whole.usage!.total_tokens).toBeGreaterThan(150);
  });

  const tools = [{ type: "function" as const, function: { name: "weather", description: "The weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } }];
  it("calls tools and takes their results", async () => {
    const first = await client.chat.completions.create({ ...user("weather?"), tools });
    const [call] = first.choices[0].message.tool_calls!;
    expect(first.choices[0].finish_reason).toBe("tool_calls");
    expect(call).toMatchObject({ id: "call_1", function: { name: "weather" } });
    const second = await client.chat.completions.create({ model: "m", tools, messages: [{ role: "user", content: "weather?" }, first.choices[0].message, { role: "tool", tool_call_id: call.id, content: "3 °C" }] });
    expect(second.choices[0].message.content).toBe("The tool said 3 °C");
  });

  it("runs tools by itself (runTools, streamed)", async () => {
    const asked: unknown[] = [];
    const runner = client.chat.completions.runTools({
      ...user("weather?"), stream: true,
      tools: [{ type: "function", function: { name: "weather", description: "x", parameters: { type: "object", properties: {} }, parse: JSON.parse, function: (args: unknown) => { asked.push(args); return "sunny"; } } }],
    });
    expect(await runner.finalContent()).toBe("The tool said sunny");
    expect(asked).toEqual([CITY]);
  });

  it("parses a JSON schema made with zod", async () => {
    const schema = z.object({ answer: z.string(), count: z.number().int() });
    const parsed = await client.chat.completions.parse({ ...user("?"), response_format: zodResponseFormat(schema, "verdict") });
    expect(parsed.choices[0].message.parsed).toEqual(VERDICT);
    expect(upstream.last.body.response_format).toMatchObject({ type: "json_schema", json_schema: { name: "verdict", strict: true } });
  });

  it("sends images", async () => {
    const content = [{ type: "text" as const, text: "what is it?" }, { type: "image_url" as const, image_url: { url: `data:image/png;base64,${"iVBO".repeat(5_000)}` } }];
    const answer = await client.chat.completions.create({ model: "m", messages: [{ role: "user", content }] });
    expect(answer.choices[0].message.content).toBe("I see 1 image");
    expect(upstream.last.body.messages[0].content).toEqual(content);
  });

  it("is aborted by its controller; leaving the loop lets the upstream go", async () => {
    const silent = await Upstream.start({ steps: [{ hang: true }] });
    const waiting = await Project.create({ providers: { main: silent.url } });
    const controller = new AbortController();
    const failing = expect(connect(await waiting.token()).chat.completions.create(user("x"), { signal: controller.signal })).rejects.toBeInstanceOf(APIUserAbortError);
    await eventually("the upstream is asked", () => silent.journal[0]);
    controller.abort();
    await failing;

    const streaming = await client.chat.completions.create({ ...user("go on for ever"), stream: true });
    for await (const part of streaming) if (part.choices[0].delta.content) break;
    const exchange = upstream.last;
    await eventually("the upstream is let go", () => exchange.hungUpAt, 3_000);
  });

  it("works with a base URL that already ends in /v1/v1, and lists models", async () => {
    const doubled = connect(await project.token(), { baseURL: `${project.base}/v1/v1` });
    expect((await doubled.chat.completions.create(user("x"))).choices[0].message.content).toBe("You said: x");
    const listed = await projectWith({}, { kind: "openai-compatible", api_key: "sk-00000000", base_url: upstream.url, models: ["m-1"] });
    const ids: string[] = [];
    for await (const one of connect(await listed.token()).models.list()) ids.push(one.id);
    expect(ids.some((id) => id.endsWith("m-1"))).toBe(true);
  });
});

describe("errors are the package's own classes", () => {
  const thrown = async (promise: Promise<unknown>): Promise<APIError> => {
    const error = await promise.then(() => new Error("it did not fail"), (reason: unknown) => reason);
    expect(error).toBeInstanceOf(APIError);
    return error as APIError;
  };

  const cases: [string, { prototype: APIError }, number, string, () => Promise<unknown>][] = [
    ["an API key where a token belongs", AuthenticationError, 401, "api_key_not_allowed", () => connect(project.key).chat.completions.create(user("x"))],
    ["a broken token", AuthenticationError, 401, "invalid_token", () => connect("a.b.c").chat.completions.create(user("x"))],
    ["messages that are text", BadRequestError, 400, "validation_error", () => client.chat.completions.create({ model: "m", messages: "x" as never })],
    ["a model that is not allowed", PermissionDeniedError, 403, "forbidden", async () => connect(await (await projectWith({ allowed_models: ["other"] })).token()).chat.completions.create(user("x"))],
    ["a model that no one serves", NotFoundError, 404, "model_not_found", async () => connect(await (await projectWith({}, { kind: "openai-compatible", api_key: "sk-00000000", base_url: upstream.url, models: ["m"] })).token()).chat.completions.create(user("x"))],
    ["a provider that fails", InternalServerError, 502, "upstream_error", () => client.chat.completions.create(user("fail 500"))],
    ["a provider that refuses our key", InternalServerError, 502, "upstream_error", () => client.chat.completions.create(user("fail 401"))],
    ["a provider that is busy", RateLimitError, 429, "rate_limited", () => client.chat.completions.create(user("fail 429"))],
    ["a provider that finds the request bad", BadRequestError, 400, "validation_error", () => client.chat.completions.create(user("fail 400"))],
  ];
  it.each(cases)("%s", async (_name, kind, status, code, act) => {
    const error = await thrown(act());
    expect(error).toBeInstanceOf(kind as never);
    expect(error).toMatchObject({ status, code });
    expect(error.requestID).toBeTruthy();
    expect(error.message).toContain(String(status));
    expect(error.message).not.toContain("[object Object]");
  });

  it("too many requests: RateLimitError with the time to wait", async () => {
    const tight = connect(await (await projectWith({ limits: { user_rpm: 1 } })).token());
    await tight.chat.completions.create(user("x"));
    const error = await thrown(tight.chat.completions.create(user("x")));
    expect(error).toBeInstanceOf(RateLimitError);
    expect((error as RateLimitError).headers?.get("retry-after")).toMatch(/^[1-9]\d*$/);
  });

  it("a spent budget: 402, and the package does not try again", async () => {
    let sent = 0;
    const counting = (url: RequestInfo | URL, init?: RequestInit) => { sent++; return fetch(url, init); };
    const poor = connect(await (await projectWith({ limits: { user_tokens_per_day: 1 } })).token(), { maxRetries: 2, fetch: counting });
    expect(await thrown(poor.chat.completions.create(user("x")))).toMatchObject({ status: 402, code: "quota_exceeded" });
    expect(sent).toBe(1);
  });

  it("too many at once: the package tries again when it is told to, and is served", async () => {
    const slow = await Upstream.start(async (exchange) => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      return model(exchange);
    });
    const sent: number[] = [];
    const counting = (url: RequestInfo | URL, init?: RequestInit) => { sent.push(Date.now()); return fetch(url, init); };
    const one = await projectWith({ limits: { user_concurrency: 1 } }, slow.url);
    const [first, second] = [connect(await one.token()), connect(await one.token(), { maxRetries: 1, fetch: counting })];
    const running = first.chat.completions.create(user("x"));
    await eventually("the first is with the provider", () => slow.journal[0]);
    expect((await second.chat.completions.create(user("y"))).choices[0].message.content).toBe("You said: y");
    expect(sent.length).toBe(2);
    expect(sent[1] - sent[0]).toBeGreaterThanOrEqual(1_000);
    await running;
  });

  it("a stream that breaks off throws in the loop, after the text so far", async () => {
    const pieces: string[] = [];
    const reading = (async () => {
      for await (const part of await client.chat.completions.create({ ...user("break off"), stream: true })) pieces.push(part.choices[0].delta.content ?? "");
    })();
    const error = await thrown(reading);
    expect(error.code).toBe("upstream_error");
    expect(pieces.join("")).toBe("so far");
  });
});
