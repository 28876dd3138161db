// Requests that survive a provider's failure: tried again, with another key, at another target; and what is picked for `auto`.
// Always holds: each test has providers and targets of its own, so that no other test's failures open its breakers.
// Absent: the decisions one by one (the native tests of src/routing), and failures with nothing left to try (upstream-faults.test.ts).
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { logLine } from "../support/log.ts";
import { type Json, Project, type User } from "../support/project.ts";
import { chunk, completion, DONE, event, EVENT_STREAM, FINISH, json, reply, type Script, stream, USAGE, usageChunk, words } from "../support/script.ts";
import { readStream } from "../support/sse.ts";
import { eventually, Upstream } from "../support/upstream.ts";

const said = (message: string) => ({ error: { message, type: "t", param: null, code: "c" } });
const status = (of: number, headers: Record<string, string> = {}): Script => json(said(`status ${of}`), of, headers);
const well = (text: string) => (exchange: Json) => reply(exchange.body, text);
const ask = (model = "m", more: object = {}) => ({ model, max_tokens: 50, messages: [{ role: "user", content: "x" }], ...more });

/** Providers `a`, `b`, `c` of these upstreams. */
async function project(upstreams: Upstream[], settings: Json = {}): Promise<Project> {
  const providers = Object.fromEntries(upstreams.map((upstream, n) => ["abc"[n]!, upstream.url]));
  return Project.create({ settings: { ...settings, routing: { retries: 0, ...settings.routing } }, providers });
}

/** What the client has of a call, streamed or not. */
async function content(user: User, body: Json): Promise<{ text: string; headers: Headers; answer: string }> {
  if (!body.stream) {
    const answer = await user.chat(body);
    return { text: answer.json?.choices?.[0]?.message?.content ?? "", headers: answer.headers, answer: answer.text };
  }
  const response = await user.open(body);
  if (response.status !== 200) return { text: "", headers: response.headers, answer: await response.text() };
  const read = await readStream(response);
  return { text: read.done ? read.text : "", headers: response.headers, answer: JSON.stringify(read.events) };
}

const TRANSIENT: [string, Script, boolean[]][] = [
  ...[408, 409, 429, 500, 502, 503, 504, 529].map((of): [string, Script, boolean[]] => [String(of), status(of), [false, true]]),
  ["429 that names a short time", status(429, { "retry-after-ms": "20" }), [false, true]],
  ["a reset before the headers", { steps: [{ reset: true }] }, [false, true]],
  ["an answer that is cut short", json('{"choices":[{"index":0,"mess'), [false]],
  ["a stream without an event", { headers: EVENT_STREAM, steps: [] }, [true]],
  ["an error as the first event", stream([event(said("no capacity"))]), [true]],
  ["garbage as the first event", stream(["data: {not json\n\n", FINISH + DONE]), [true]],
  ["a reset before the first event", { headers: EVENT_STREAM, steps: [{ flush: true }, { wait: 20 }, { reset: true }] }, [true]],
];
const BOTH = TRANSIENT.flatMap(([name, script, ways]) => ways.map((streaming) => ({ name: `${name}, ${streaming ? "streamed" : "whole"}`, script, streaming })));

describe("a failure that passes", () => {
  it.concurrent.each(BOTH)("$name: is tried again at the same target", async ({ script, streaming }) => {
    const upstream = await Upstream.start((exchange, nth) => (nth === 1 ? script : reply(exchange.body, "second")));
    const user = await (await project([upstream], { routing: { retries: 1 } })).user();
    const { text, answer } = await content(user, ask("m", { stream: streaming }));
    expect(text, answer).toBe("second");
    expect(upstream.journal.length).toBe(2);
    expect(upstream.journal[1]!.raw.equals(upstream.journal[0]!.raw), "the same body").toBe(true);
  });

  it.concurrent.each(BOTH)("$name: goes to the next target when no retry is left", async ({ script, streaming }) => {
    const [first, second] = [await Upstream.start(script), await Upstream.start(well("other"))];
    const user = await (await project([first, second], { routing: { fallbacks: { "a/m": ["b/n"] } } })).user();
    const { text, headers, answer } = await content(user, ask("a/m", { stream: streaming }));
    expect(text, answer).toBe("other");
    expect([headers.get("x-behest-provider"), headers.get("x-behest-model")]).toEqual(["b", "n"]);
    expect([first.journal.length, second.journal.length, second.last.body.model]).toEqual([1, 1, "n"]);
    const line = await logLine(headers.get("x-request-id"));
    expect([line.provider, line.model, line.attempts, line.status]).toEqual(["b", "n", 2, 200]);
    expect(line.failed).toMatch(/^a\/m /);
  });

  it("is not waited out for long: the client is told when to come back", async () => {
    const upstream = await Upstream.start(status(429, { "retry-after": "60" }));
    const answer = await (await (await project([upstream], { routing: { retries: 3 } })).user()).chat(ask());
    expectError(answer, 429, "rate_limited");
    expect([answer.headers.get("retry-after"), upstream.journal.length]).toEqual(["60", 1]);
  });

  it("of every target: the client hears what the one it asked for said", async () => {
    const upstreams = [await Upstream.start(status(429, { "retry-after": "60" })), await Upstream.start(status(500)), await Upstream.start(status(503))];
    const user = await (await project(upstreams, { routing: { retries: 1, fallbacks: { "*": ["b/m", "c/m"] } } })).user();
    const answer = await user.chat(ask("a/m"));
    expectError(answer, 429, "rate_limited");
    expect(answer.headers.get("x-behest-provider")).toBe("a");
    expect(upstreams.map(({ journal }) => journal.length)).toEqual([1, 2, 2]);
    expect((await user.get("/v1/usage")).json.totals).toMatchObject({ tokens: 0, cost_usd: 0 });
  });

  it("is one good answer to the OpenAI SDK", async () => {
    const [first, second] = [await Upstream.start(status(503)), await Upstream.start(well("good"))];
    const one = await project([first, second], { routing: { retries: 1, fallbacks: { "*": ["b/m"] } } });
    const client = new OpenAI({ apiKey: await one.token(), baseURL: `${one.base}/v1`, maxRetries: 0 });
    const whole = await client.chat.completions.create({ model: "a/m", messages: [{ role: "user", content: "x" }] });
    expect(whole.choices[0]!.message.content).toBe("good");
    let text = "";
    for await (const part of await client.chat.completions.create({ model: "a/m", stream: true, messages: [{ role: "user", content: "x" }] })) text += part.choices[0]?.delta.content ?? "";
    expect(text).toBe("good");
  });
});

describe("a failure that stays", () => {
  it.concurrent.each([[400, 400], [404, 404], [413, 413], [422, 422]])("%i is the client's: neither retry nor fallback", async (theirs, ours) => {
    const [first, second] = [await Upstream.start(status(theirs)), await Upstream.start(well("other"))];
    const user = await (await project([first, second], { routing: { retries: 2, fallbacks: { "*": ["b/m"] } } })).user();
    expect((await user.chat(ask("a/m"))).status).toBe(ours);
    expect([first.journal.length, second.journal.length]).toEqual([1, 0]);
  });

  it.concurrent.each([301, 401, 402, 403, 405])("%i is the owner's: no retry, but the next target", async (theirs) => {
    const [first, second] = [await Upstream.start(status(theirs)), await Upstream.start(well("other"))];
    const user = await (await project([first, second], { routing: { retries: 2, fallbacks: { "*": ["b/m"] } } })).user();
    const { text, headers } = await content(user, ask("a/m"));
    expect(text).toBe("other");
    expect([first.journal.length, second.journal.length]).toEqual([1, 1]);
    const line = await logLine(headers.get("x-request-id"));
    expect(line.failed).toBe(theirs > 400 && theirs < 404 ? `a/m ${theirs} (key …0001)` : `a/m ${theirs}`);
  });

  it("silence: the next target has a time of its own", async () => {
    const [first, second] = [await Upstream.start({ steps: [{ hang: true }] }), await Upstream.start(well("other"))];
    const user = await (await project([first, second], { routing: { retries: 2, timeouts: { a: 300 }, fallbacks: { "*": ["b/m"] } } })).user();
    for (const streaming of [false, true]) expect((await content(user, ask("a/m", { stream: streaming }))).text).toBe("other");
    expect([first.journal.length, second.journal.length]).toEqual([2, 2]);
  });

  it("a target that cannot say what is asked is passed over, and so is one that refuses it", async () => {
    const upstreams = [await Upstream.start(status(500)), await Upstream.start(well("never")), await Upstream.start(well("other"))];
    const one = await project(upstreams, { routing: { fallbacks: { "a/m": ["claude/claude-haiku-4-5", "b/n", "c/m"] } } });
    await one.admin("/providers/claude", { method: "PUT", body: { kind: "anthropic", api_key: "sk-upstream-0002", base_url: upstreams[1]!.url } });
    upstreams[1]!.answer(status(400));
    const { text, answer } = await content(await one.user(), ask("a/m", { logprobs: true }));
    expect(text, answer).toBe("other");
    expect(upstreams.map(({ journal }) => journal.map(({ path }) => path))).toEqual([["/v1/chat/completions"], ["/v1/chat/completions"], ["/v1/chat/completions"]]);
  });

  it("after the first byte: one error event, and nothing is tried", async () => {
    const first = await Upstream.start({ headers: EVENT_STREAM, steps: [{ send: words("some text")[0]! + event(chunk({ content: "some" })) }, { wait: 20 }, { reset: true }] });
    const second = await Upstream.start(well("other"));
    const user = await (await project([first, second], { routing: { retries: 2, fallbacks: { "*": ["b/m"] } } })).user();
    const read = await readStream(await user.open(ask("a/m", { stream: true })));
    expect([read.done, read.text, read.error.code]).toEqual([false, "some", "upstream_error"]);
    expect([first.journal.length, second.journal.length]).toEqual([1, 0]);
  });
});

describe("money", () => {
  const totals = (user: User, requests: number) => eventually(`${requests} requests are settled`, async () => {
    const { totals } = (await user.get("/v1/usage")).json;
    return totals.requests >= requests ? totals : undefined;
  });
  const prices = { "a/m": { input: 1, output: 10 }, "b/m": { input: 100, output: 1000 } };
  const failing = { prices, routing: { fallbacks: { "a/m": ["b/m"] } } };

  it.each([false, true])("a fallback is charged its own prices, streamed: %s", async (streaming) => {
    const upstreams = [await Upstream.start(status(500)), await Upstream.start(well("dear"))];
    const user = await (await project(upstreams, { ...failing, limits: { user_usd_per_day: 1 } })).user();
    expect((await content(user, ask("a/m", { stream: streaming }))).text).toBe("dear");
    // 11 × 100 and 7 × 1000 micro-dollars a thousand.
    expect(await totals(user, 1)).toMatchObject({ requests: 1, tokens: 18, cost_usd: 0.0081 });
    const { platform, byok } = (await user.get("/v1/billing/usage")).json;
    expect([...platform.by_model, ...byok.by_model].map(({ model, provider }: Json) => [provider, model])).toEqual([["b", "m"]]);
  });

  it("a fallback that the budget cannot hold is not asked", async () => {
    const upstreams = [await Upstream.start(status(500)), await Upstream.start(well("dear"))];
    // At `a` 50 tokens are held with 0.0005 dollars and the prompt's; at `b` with a hundred times as much.
    const user = await (await project(upstreams, { ...failing, limits: { user_usd_per_day: 0.01 } })).user();
    expectError(await user.chat(ask("a/m")), 502, "upstream_error");
    expect(upstreams.map(({ journal }) => journal.length)).toEqual([1, 0]);
    expect((await totals(user, 1)).cost_usd).toBe(0);
  });

  it("a fallback of a project with a budget of its own gets its part of it", async () => {
    const upstreams = [await Upstream.start(status(500)), await Upstream.start(well("dear"))];
    const user = await (await project(upstreams, { ...failing, limits: { project_usd_per_day: 1 } })).user();
    expect((await content(user, ask("a/m"))).text).toBe("dear");
    expect(await totals(user, 1)).toMatchObject({ requests: 1, cost_usd: 0.0081 });
  });

  it("tokens that were counted for a failed attempt are recorded beside those of the answer", async () => {
    const unreadable = json({ id: "x", object: "chat.completion", choices: null, usage: USAGE });
    const upstreams = [await Upstream.start(unreadable), await Upstream.start(well("dear"))];
    const one = await project(upstreams, failing);
    const user = await one.user();
    expect((await content(user, ask("a/m"))).text).toBe("dear");
    // 11 × 1 + 7 × 10 at `a`, a hundred times that at `b`.
    const sums = await totals(user, 2);
    expect([sums.requests, sums.tokens]).toEqual([2, 36]);
    expect(sums.cost_usd).toBeCloseTo(0.000_081 + 0.0081, 9);
  });

  it("a stream that counts before it fails is recorded too", async () => {
    const counted: Script = { headers: EVENT_STREAM, steps: [{ send: event(usageChunk()) }, { send: event(said("broken")) }] };
    const upstreams = [await Upstream.start(counted), await Upstream.start(well("dear"))];
    const user = await (await project(upstreams, failing)).user();
    expect((await content(user, ask("a/m", { stream: true }))).text).toBe("dear");
    expect((await totals(user, 2)).cost_usd).toBeCloseTo(0.000_081 + 0.0081, 9);
  });
});

describe("several keys of a provider", () => {
  const KEYS = ["sk-upstream-key-1", "sk-upstream-key-2", "sk-upstream-key-3"];
  async function keyed(upstream: Upstream, routing: Json = { retries: 0 }): Promise<Project> {
    const one = await Project.create({ settings: { routing } });
    const put = await one.admin("/providers/a", { method: "PUT", body: { kind: "openai-compatible", base_url: upstream.url, api_keys: KEYS } });
    expect([put.status, put.json.last4, put.json.keys]).toEqual([200, "ey-1", ["ey-1", "ey-2", "ey-3"]]);
    expect(put.text).not.toContain("upstream-key");
    return one;
  }
  const used = (upstream: Upstream) => upstream.journal.map(({ headers }) => KEYS.indexOf(headers.authorization!.slice("Bearer ".length)) + 1);

  it("take turns", async () => {
    const upstream = await Upstream.start(well("hi"));
    const user = await (await keyed(upstream)).user();
    for (let n = 0; n < 6; n++) expect((await user.chat(ask())).status).toBe(200);
    expect(used(upstream)).toEqual([1, 2, 3, 1, 2, 3]);
  });

  it.each([401, 403, 429])("one that gets %i is passed over, and the client does not notice", async (refusal) => {
    const upstream = await Upstream.start((exchange) => (exchange.headers.authorization!.endsWith("2") ? status(refusal) : reply(exchange.body, "hi")));
    const user = await (await keyed(upstream)).user();
    for (let n = 0; n < 5; n++) expect((await content(user, ask("m", { stream: n % 2 === 0 }))).text).toBe("hi");
    expect(used(upstream)).toEqual([1, 2, 3, 1, 3, 1]);
  });

  it("if all are refused, each was tried once", async () => {
    const upstream = await Upstream.start(status(401));
    const answer = await (await (await keyed(upstream)).user()).chat(ask());
    expectError(answer, 502, "upstream_error");
    expect(used(upstream)).toEqual([1, 2, 3]);
    expect(JSON.stringify(await logLine(answer.headers.get("x-request-id")))).not.toContain("upstream-key");
  });
});

describe("the breaker of a target", () => {
  it("opens after five failures, and closes after a probe that went well", async () => {
    const [first, second] = [await Upstream.start(status(500)), await Upstream.start(well("other"))];
    const user = await (await project([first, second], { routing: { fallbacks: { "*": ["b/m"] } } })).user();
    const send = async () => (await content(user, ask("a/m"))).text;
    for (let n = 0; n < 8; n++) expect(await send()).toBe("other");
    expect([first.journal.length, second.journal.length]).toEqual([5, 8]);
    first.answer(well("well again"));
    await eventually("a probe finds it well", async () => (await send()) === "well again", 20_000);
    expect(first.journal.length).toBe(6);
    expect(await send()).toBe("well again");
  });

  it("does not keep the only target from being asked", async () => {
    const upstream = await Upstream.start(status(500));
    const user = await (await project([upstream], { routing: { retries: 1 } })).user();
    for (let n = 0; n < 8; n++) expect((await user.chat(ask())).status).toBe(502);
    // Three retries are all a target has to begin with, and none while its breaker is open.
    expect(upstream.journal.length).toBeLessThanOrEqual(8 + 4);
    upstream.answer(well("well again"));
    expect((await content(user, ask())).text).toBe("well again");
  });
});

describe("auto", () => {
  const models = ["a/gpt-4o", "b/gpt-4o-mini", "c/gpt-3.5-turbo"];
  async function three(auto: Json, more: Json = {}) {
    const upstreams = await Promise.all(["first", "second", "third"].map((text) => Upstream.start(well(text))));
    return { upstreams, one: await project(upstreams, { default_model: null, ...more, routing: { ...more.routing, auto } }) };
  }
  const picked = async (one: Project, body: Json = {}) => {
    const { headers, answer } = await content(await one.user(), ask("auto", body));
    expect(headers.get("x-behest-model"), answer).not.toBeNull();
    return `${headers.get("x-behest-provider")}/${headers.get("x-behest-model")}`;
  };

  it("picks the cheapest that can do it, and says so", async () => {
    const { one, upstreams } = await three({ policy: "cheapest", models });
    expect(await picked(one)).toBe("b/gpt-4o-mini");
    expect(upstreams[1]!.last.body.model).toBe("gpt-4o-mini");
    expect(await picked(one, { model: undefined })).toBe("b/gpt-4o-mini");
    const dear = await one.admin("/settings", { method: "PUT", body: { prices: { "gpt-4o-mini": { input: 900, output: 900 } } } });
    expect(dear.status, dear.text).toBe(200);
    expect(await picked(one)).toBe("c/gpt-3.5-turbo");
    expect(await picked(one, { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }] }] })).toBe("a/gpt-4o");
  });

  it("picks the best by the owner's order, and the next one when that fails", async () => {
    const { one, upstreams } = await three({ policy: "quality", models });
    expect(await picked(one)).toBe("a/gpt-4o");
    upstreams[0]!.answer(status(404));
    expect(await picked(one)).toBe("b/gpt-4o-mini");
    expect((await content(await one.user(), ask("a/gpt-4o"))).answer).toContain("model_not_found");
  });

  it("picks the fastest, once each was measured", async () => {
    const { one, upstreams } = await three({ policy: "fastest", models });
    upstreams.forEach((upstream, n) => upstream.answer((exchange) => ({ ...reply(exchange.body, "hi"), steps: [{ wait: [1_000, 10, 1_200][n]! }, ...reply(exchange.body, "hi").steps] })));
    const seen = [await picked(one, { stream: true }), await picked(one, { stream: true }), await picked(one, { stream: true })];
    expect(seen).toEqual(models);
    for (let n = 0; n < 3; n++) expect(await picked(one, { stream: true })).toBe("b/gpt-4o-mini");
  });

  it("without a policy is the default, which also comes before the policy for a request that names none", async () => {
    const { one } = await three(null, { default_model: "c/gpt-3.5-turbo" });
    expect(await picked(one)).toBe("c/gpt-3.5-turbo");
    await one.admin("/settings", { method: "PUT", body: { routing: { auto: { policy: "quality", models } } } });
    expect([await picked(one), await picked(one, { model: "" })]).toEqual(["a/gpt-4o", "c/gpt-3.5-turbo"]);
  });

  it("that nobody can serve is a 400", async () => {
    const { one } = await three({ policy: "cheapest", models: ["c/gpt-3.5-turbo"] });
    const image = [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }] }];
    expectError(await (await one.user()).chat(ask("auto", { messages: image })), 400, "validation_error", "model");
  });
});

describe("threads", () => {
  it("keep one turn of a request that was tried twice, also if the first attempt was counted", async () => {
    const unreadable = json({ id: "x", object: "chat.completion", choices: null, usage: USAGE });
    for (const script of [status(500), unreadable]) {
      const upstreams = [await Upstream.start(script), await Upstream.start(completion("kept"))];
      const user = await (await project(upstreams, { routing: { fallbacks: { "*": ["b/m"] } } })).user();
      expect((await user.chat(ask("a/m"), { headers: { "x-thread-id": "t" } })).status).toBe(200);
      const messages = (await user.get("/v1/threads/t/messages")).json.map(({ role, content }: Json) => `${role}: ${content}`);
      expect(messages).toEqual(["user: x", "assistant: kept"]);
    }
  });
});
