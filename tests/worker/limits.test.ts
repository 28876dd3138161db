// What a user may use: requests a minute, tokens a day, and the headers that say so on every answer.
// Absent: floods (limit-under-load.test.ts), the sliding of the window (over-time.test.ts), the limit per address (ip-limit.test.ts).
import { describe, expect, it } from "vitest";
import { expectError, expectLimitHeaders, expectRateLimit } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { completion, reply, streamed } from "../support/script.ts";
import { readStream } from "../support/sse.ts";
import { Upstream } from "../support/upstream.ts";

const project = async (limits: object, upstream?: Upstream) =>
  Project.create({ settings: { limits }, providers: { main: (upstream ?? (await Upstream.start((exchange) => reply(exchange.body, "hi")))).url } });

describe("requests a minute", () => {
  it("count down in the headers, then 429 with a time to wait", async () => {
    const upstream = await Upstream.start(completion("hi"));
    const user = await (await project({ user_rpm: 3 }, upstream)).user();
    const left: number[] = [];
    for (let n = 0; n < 3; n++) {
      const answer = await user.chat();
      expect(answer.status, answer.text).toBe(200);
      const limits = expectLimitHeaders(answer.headers);
      expect(limits.limit.requests).toBe(3);
      left.push(limits.remaining.requests);
    }
    expect(left).toEqual([2, 1, 0]);
    const refused = await user.chat();
    const error = expectError(refused, 429, "rate_limited");
    expect(error.details).toMatchObject({ scope: "user" });
    expect(expectLimitHeaders(refused.headers).remaining.requests).toBe(0);
    const seconds = refused.headers.get("retry-after")!;
    expect(seconds).toMatch(/^\d+$/);
    expect(Number(seconds)).toBeGreaterThanOrEqual(1);
    expect(Number(seconds)).toBeLessThanOrEqual(60);
    const ms = Number(refused.headers.get("retry-after-ms"));
    expect(Math.ceil(ms / 1000)).toBe(Number(seconds));
    expect(upstream.journal.length).toBe(3);
  });

  it("are each user's own", async () => {
    const one = await project({ user_rpm: 1 });
    const [ann, bob] = [await one.user("ann"), await one.user("bob")];
    expect((await ann.chat()).status).toBe(200);
    expect((await ann.chat()).status).toBe(429);
    expect((await bob.chat()).status).toBe(200);
    expect((await (await one.user("ann")).chat()).status, "a new token is the same user").toBe(429);
  });

  it("hold a streamed call the same", async () => {
    const user = await (await project({ user_rpm: 1 })).user();
    const body = { model: "m", stream: true, messages: [{ role: "user", content: "x" }] };
    const first = await readStream(await user.open(body));
    expect(first.done).toBe(true);
    expect(expectLimitHeaders(first.response.headers).remaining.requests).toBe(0);
    const refused = await user.chat(body);
    expectError(refused, 429, "rate_limited");
    expect(refused.headers.get("content-type")).toMatch(/json/);
  });
});

describe("tokens a day", () => {
  it("are settled with what the provider reports", async () => {
    const upstream = await Upstream.start(completion("hi", { usage: { prompt_tokens: 100, completion_tokens: 23, total_tokens: 123 } }));
    const user = await (await project({ user_tokens_per_day: 100_000 }, upstream)).user();
    const ask = { model: "m", max_tokens: 50, messages: [{ role: "user", content: "x" }] };
    const [first, second, third] = [await user.chat(ask), await user.chat(ask), await user.chat(ask)].map(({ headers }) => expectLimitHeaders(headers));
    expect(first.limit.tokens).toBe(100_000);
    expect(first.remaining.tokens - second.remaining.tokens).toBe(123);
    expect(second.remaining.tokens - third.remaining.tokens).toBe(123);
  });

  it("are settled for a stream too", async () => {
    const user = await (await project({ user_tokens_per_day: 100_000 }, await Upstream.start(streamed("hi")))).user();
    const ask = { model: "m", stream: true, max_tokens: 50, messages: [{ role: "user", content: "x" }] };
    const left: number[] = [];
    for (let n = 0; n < 3; n++) {
      const { response } = await readStream(await user.open(ask));
      left.push(expectLimitHeaders(response.headers).remaining.tokens);
    }
    expect([left[0] - left[1], left[1] - left[2]]).toEqual([18, 18]);
  });

  it("when spent are a 402 that says which, how much and until when, and is not worth retrying", async () => {
    const upstream = await Upstream.start(completion("hi", { usage: { prompt_tokens: 900, completion_tokens: 100, total_tokens: 1_000 } }));
    const user = await (await project({ user_tokens_per_day: 1_500 }, upstream)).user();
    const ask = { model: "m", max_tokens: 200, messages: [{ role: "user", content: "x" }] };
    expect((await user.chat(ask)).status).toBe(200);
    let refused = await user.chat(ask);
    if (refused.status === 200) refused = await user.chat(ask);
    const error = expectError(refused, 402, "quota_exceeded");
    expect(error.details).toMatchObject({ limit: 1_500, scope: expect.stringMatching(/user/) });
    expect(error.details.used).toBeGreaterThanOrEqual(1_000);
    expect(error.details.resets_at).toBeTruthy();
    const resets = typeof error.details.resets_at === "number" ? error.details.resets_at * 1_000 : Date.parse(error.details.resets_at);
    expect(resets).toBeGreaterThan(Date.now());
    expect(resets).toBeLessThanOrEqual(Date.now() + 86_400_000);
    expect(refused.headers.get("x-should-retry")).toBe("false");
    expectLimitHeaders(refused.headers);
    expect(upstream.journal.length).toBeLessThanOrEqual(2);
  });

  it("are not passed by many at once: what is reserved counts", async () => {
    const upstream = await Upstream.start(completion("hi", { usage: { prompt_tokens: 10, completion_tokens: 990, total_tokens: 1_000 } }));
    upstream.answer(async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return completion("hi", { usage: { prompt_tokens: 10, completion_tokens: 990, total_tokens: 1_000 } });
    });
    const user = await (await project({ user_tokens_per_day: 5_500 }, upstream)).user();
    const ask = { model: "m", max_tokens: 1_000, messages: [{ role: "user", content: "x" }] };
    const statuses = (await Promise.all(Array.from({ length: 20 }, () => user.chat(ask)))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBe(5);
    expect(statuses.filter((status) => status === 402).length).toBe(15);
  });
});

describe("the IETF's two headers", () => {
  const seconds = (until: number) => expect.toSatisfy((t: number) => t > 0 && t <= until, `1 to ${until}`);

  it("name every window, on a good answer and on both refusals", async () => {
    const limits = { user_rpm: 3, user_requests_per_day: 50, user_concurrency: 4, user_tokens_per_day: 5_000, user_tokens_per_month: 9_000_000, user_usd_per_day: 1.5, user_usd_per_month: 30 };
    const upstream = await Upstream.start(completion("hi", { usage: { prompt_tokens: 10, completion_tokens: 90, total_tokens: 100 } }));
    const user = await (await project(limits, upstream)).user();
    const ask = (max_tokens: number) => user.chat({ model: "m", max_tokens, messages: [{ role: "user", content: "x" }] });
    const month = expect.toSatisfy((w: number) => [28, 29, 30, 31].includes(w / 86_400), "a month");
    const first = expectRateLimit((await ask(90)).headers);
    expect(first).toEqual({
      "requests-minute": { q: 3, w: 60, r: 2, t: seconds(60) },
      "requests-day": { q: 50, w: 86_400, r: 49, t: seconds(86_400) },
      concurrency: { q: 4, qu: "concurrent-requests", r: 3 },
      "tokens-day": { q: 5_000, qu: "tokens", w: 86_400, r: expect.any(Number), t: seconds(86_400) },
      "tokens-month": { q: 9_000_000, qu: "tokens", w: month, r: expect.any(Number), t: seconds(31 * 86_400) },
      "usd-day": { q: 1_500_000, qu: "micro-usd", w: 86_400, r: 1_500_000, t: seconds(86_400) },
      "usd-month": { q: 30_000_000, qu: "micro-usd", w: month, r: 30_000_000, t: seconds(31 * 86_400) },
      "project-requests-minute": { q: 1_000_000, w: 60, r: 999_999, t: seconds(60) },
    });
    const poor = await ask(1_000_000);
    expectError(poor, 402, "quota_exceeded");
    expect(expectRateLimit(poor.headers)).toMatchObject({ "requests-minute": { r: 2 }, "tokens-day": { q: 5_000, r: 4_900 } });
    for (let n = 0; n < 2; n++) expect((await ask(90)).status).toBe(200);
    const fast = await ask(90);
    expectError(fast, 429, "rate_limited");
    const { "requests-minute": minute } = expectRateLimit(fast.headers);
    expect(minute.r).toBe(0);
    // Who waits as long as either header says is served: neither ends before the other but by the second that rounding costs.
    expect(Number(fast.headers.get("retry-after")) - minute.t!).toSatisfy((more: number) => more === 0 || more === 1);
  });

  it("are on answers that count nothing, and leave out what is not limited", async () => {
    const user = await (await project({ user_concurrency: null, user_rpm: 7 })).user();
    const answer = await user.get("/v1/threads");
    expect(Object.keys(expectRateLimit(answer.headers))).toEqual(["requests-minute", "tokens-day"]);
    expect(expectRateLimit(answer.headers)["requests-minute"]).toEqual({ q: 7, w: 60, r: 7, t: 60 });
  });
});

describe("the six headers", () => {
  const answers: [string, object, unknown, number][] = [
    ["a good call", {}, { messages: [{ role: "user", content: "x" }] }, 200],
    ["a refused model", { allowed_models: ["test-model"] }, { model: "other", messages: [{ role: "user", content: "x" }] }, 403],
    ["a body that is wrong", {}, { messages: 1 }, 400],
    ["a body that is no JSON", {}, "{nope", 400],
    ["no provider", {}, { messages: [{ role: "user", content: "x" }] }, 503],
  ];
  it.each(answers)("are on the answer to %s", async (name, settings, body, status) => {
    const upstream = await Upstream.start(completion("hi"));
    const one = await Project.create({ settings, providers: name === "no provider" ? {} : { main: upstream.url } });
    const answer = await (await one.user()).chat(body);
    expect(answer.status, answer.text).toBe(status);
    expectLimitHeaders(answer.headers);
  });
});
