// What a user has used and may use: /v1/usage, /v1/billing/usage, /v1/limits; and that money is held and spent to the micro-dollar.
// Absent: the sums over months and pruned rows (the native tests of the user's state).
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Project, type User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const usage = { prompt_tokens: 100, completion_tokens: 23, total_tokens: 123, prompt_tokens_details: { cached_tokens: 40 } };
const ask = { model: "gpt-4o", max_tokens: 50, messages: [{ role: "user", content: "x" }] };
// 60 plain, 40 cached and 23 output tokens at 2.50, 1.25 and 10 dollars per million.
const COST = 0.00043;

const project = async (limits: object) => Project.create({ settings: { limits }, providers: { main: (await Upstream.start(completion("hi", { usage }))).url } });

/** A request is settled after its answer, so this waits for so many. */
async function used(user: User, path: string, requests: number) {
  for (let n = 0; n < 50; n++) {
    const { json } = await user.get(path);
    if (json.totals.requests === requests) return json;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${path} never told of ${requests} requests`);
}

describe("usage", () => {
  it("tells tokens and dollars, and only one's own", async () => {
    const one = await project({});
    const user = await one.user("ann");
    for (let n = 0; n < 2; n++) expect((await user.chat(ask)).status).toBe(200);
    const told = await used(user, "/v1/usage?granularity=minute", 2);
    expect(told.totals).toMatchObject({ tokens: 246, input_tokens: 200, output_tokens: 46, cached_tokens: 80, unpriced_requests: 0 });
    expect(told.totals.cost_usd).toBeCloseTo(2 * COST, 9);
    expect(told.breakdown.reduce((sum: number, step: { tokens: number }) => sum + step.tokens, 0)).toBe(246);
    expect(Date.parse(told.breakdown[0].timestamp) % 60_000).toBe(0);
    expect((await (await one.user("bob")).get("/v1/usage?user_id=ann")).json.totals.requests).toBe(0);
    const { json: billing } = await user.get("/v1/billing/usage");
    expect(billing).toMatchObject({ project_id: one.id, platform: { requests: 0, by_model: [] }, byok: { requests: 2, input_tokens: 200, output_tokens: 46 } });
    expect(billing.byok.by_model).toMatchObject([{ model: "gpt-4o", provider: "main", requests: 2, priced: true }]);
  });

  it.each(["from=soon", "to=1728043200000", "granularity=week", "from=2024-10-05&to=2024-10-04"])("names what is wrong in ?%s", async (query) => {
    const answer = await (await project({})).user().then((user) => user.get(`/v1/usage?${query}`));
    expect(expectError(answer, 400, "validation_error").param).toBe(query.split("=")[0]);
  });
});

describe("limits", () => {
  it("are told with what is left and who set them", async () => {
    const user = await (await project({ user_rpm: 9, user_usd_per_day: 0.5 })).user();
    expect((await user.chat(ask)).status).toBe(200);
    await used(user, "/v1/usage", 1);
    const { json } = await user.get("/v1/limits");
    const limit = (name: string) => json.limits.find((each: { name: string }) => each.name === name);
    expect(limit("user_rpm")).toMatchObject({ limit: 9, used: 1, remaining: 8, source: "project" });
    expect(limit("user_usd_per_day")).toMatchObject({ limit: 0.5, used: COST, source: "project" });
    expect(limit("user_concurrency").used).toBe(0);
  });

  it("hold dollars before they are spent, and say so in dollars", async () => {
    // One request may cost 50 × 10 dollars per million and a little for its prompt.
    const user = await (await project({ user_usd_per_month: 0.0009 })).user();
    expect((await user.chat(ask)).status).toBe(200);
    await used(user, "/v1/usage", 1);
    const error = expectError(await user.chat(ask), 402, "quota_exceeded");
    expect(error.details).toMatchObject({ scope: "user_usd_per_month", limit: 0.0009, used: COST });
    expect(error.details.resets_at * 1000).toBeGreaterThan(Date.now());
  });

  it("let only so many run at once", async () => {
    const upstream = await Upstream.start(async () => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      return completion("hi", { usage });
    });
    const user = await (await Project.create({ settings: { limits: { user_concurrency: 2 } }, providers: { main: upstream.url } })).user();
    const answers = await Promise.all(Array.from({ length: 5 }, () => user.chat(ask)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(expectError(refused, 429, "rate_limited").details).toMatchObject({ scope: "concurrency", limit: 2 });
  });
});
