// Budgets beyond tokens a day: dollars, months, requests a day, and requests at once. A burst never passes one.
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { logLine } from "../support/log.ts";
import { Project } from "../support/project.ts";
import { completion, json } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const BURST = 16;
/** A model with a listed price; its reply's maximum is named, so that a reservation is small and known. */
const ask = { model: "gpt-4o", max_tokens: 10, messages: [{ role: "user", content: "x" }] };
const slow = (usage: object) => ({ ...completion("hi", { usage }), steps: [{ wait: 400 }, ...completion("hi", { usage }).steps] });

async function burst(limits: object, usage: object) {
  const upstream = await Upstream.start(slow(usage));
  const user = await (await Project.create({ settings: { limits }, providers: { main: upstream.url } })).user();
  const answers = await Promise.all(Array.from({ length: BURST }, () => user.chat(ask)));
  return { upstream, user, served: answers.filter(({ status }) => status === 200), refused: answers.filter(({ status }) => status !== 200) };
}

describe("a burst against a budget for one request", () => {
  const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 };

  it.each([
    // 10 tokens of reply at 10 dollars a million are 100 micro-dollars; the prompt is a few more.
    { name: "dollars a day", limits: { user_usd_per_day: 0.000_18 }, scope: "user_usd_per_day", status: 402, code: "quota_exceeded" },
    { name: "dollars a month", limits: { user_usd_per_month: 0.000_18 }, scope: "user_usd_per_month", status: 402, code: "quota_exceeded" },
    { name: "tokens a month", limits: { user_tokens_per_month: 29 }, scope: "user_tokens_per_month", status: 402, code: "quota_exceeded" },
    { name: "requests a day", limits: { user_requests_per_day: 1 }, scope: "user_requests_per_day", status: 402, code: "quota_exceeded" },
    { name: "requests at once", limits: { user_concurrency: 1 }, scope: "concurrency", status: 429, code: "rate_limited" },
  ])("$name: one is served, the others are told why", async ({ limits, scope, status, code }) => {
    const { upstream, served, refused } = await burst(limits, usage);
    expect(served.length).toBe(1);
    expect(upstream.journal.length).toBe(1);
    for (const answer of refused) expect(expectError(answer, status, code).details).toMatchObject({ scope });
  });
});

it("a bill above the estimate is recorded whole: nothing is served on credit afterwards", async () => {
  const { user, served } = await burst({ user_usd_per_day: 0.000_18 }, { prompt_tokens: 1_000, completion_tokens: 1_000, total_tokens: 2_000 });
  expect(served.length).toBe(1);
  expect((await logLine(served[0].headers.get("x-request-id"))).micro_usd).toBe(12_500);
  const details = expectError(await user.chat(ask), 402, "quota_exceeded").details;
  expect(details).toMatchObject({ scope: "user_usd_per_day", limit: 0.000_18, used: 0.0125 });
  expect(details.resets_at * 1000).toBeGreaterThan(Date.now());
});

it("a place comes back when a request ends, however it ends", async () => {
  const upstream = await Upstream.start(json({ error: { message: "no" } }, 500));
  const user = await (await Project.create({ settings: { limits: { user_concurrency: 1 }, routing: { retries: 0 } }, providers: { main: upstream.url } })).user();
  for (let n = 0; n < 3; n++) expectError(await user.chat(ask), 502, "upstream_error");
});
