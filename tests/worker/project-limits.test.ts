// The limits of a whole project: what all its users together may do. Exact, whoever asks, however many at once.
// Always holds: the upstream's journal is the count that matters; what a limit lets through is all used, by whoever needs it.
import { describe, expect, it, onTestFinished } from "vitest";
import { expectError } from "../support/contract.ts";
import { type Answer, Project, type User } from "../support/project.ts";
import { Gateway } from "../support/gateway.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

/** Nine tokens of prompt by the estimate, ten of reply at most: 19 are reserved, 19 are billed. */
const EACH = 19;
const ask = { model: "gpt-4o", max_tokens: 10, messages: [{ role: "user", content: "x" }] };
const usage = { prompt_tokens: 9, completion_tokens: 10, total_tokens: EACH };
const reply = completion("hi", { usage });

async function open(limits: object, users: number, wait = 0, base?: string) {
  const upstream = await Upstream.start({ ...reply, steps: [...(wait ? [{ wait }] : []), ...reply.steps] });
  const project = await Project.create({ base, settings: { limits }, providers: { main: upstream.url } });
  return { upstream, project, users: await Promise.all(Array.from({ length: users }, (_, n) => project.user(`user-${n}`))) };
}

const served = (answers: Answer[]) => answers.filter(({ status }) => status === 200).length;
const each = (users: User[], times: number) => Promise.all(users.flatMap((user) => Array.from({ length: times }, () => user.chat(ask))));

describe("eight users at once, four requests each", () => {
  it.each([
    { name: "requests a minute", limits: { project_rpm: 10 }, served: 10, status: 429, code: "rate_limited", scope: "project" },
    { name: "requests at once", limits: { project_concurrency: 3 }, wait: 2_500, served: 3, status: 429, code: "rate_limited", scope: "concurrency" },
    { name: "requests a day", limits: { project_requests_per_day: 7 }, served: 7, status: 402, code: "quota_exceeded", scope: "project_requests_per_day" },
    { name: "tokens a day", limits: { project_tokens_per_day: 6 * EACH - 1 }, served: 5, status: 402, code: "quota_exceeded", scope: "project_tokens_per_day" },
    { name: "tokens a month", limits: { project_tokens_per_month: EACH }, served: 1, status: 402, code: "quota_exceeded", scope: "project_tokens_per_month" },
    // 2.50 and 10 dollars a million: 122.5 micro-dollars each, 123 reserved.
    { name: "dollars a day", limits: { project_usd_per_day: 0.000_492 }, served: 4, status: 402, code: "quota_exceeded", scope: "project_usd_per_day" },
    { name: "dollars a month", limits: { project_usd_per_month: 0.000_123 }, served: 1, status: 402, code: "quota_exceeded", scope: "project_usd_per_month" },
  ])("$name: exactly as many as fit", async ({ limits, wait, served: expected, status, code, scope }) => {
    const { upstream, users } = await open(limits, 8, wait);
    const answers = await each(users, 4);
    const refused = answers.filter((answer) => answer.status !== 200);
    expect({ served: served(answers), upstream: upstream.journal.length }).toEqual({ served: expected, upstream: expected });
    const scopes = new Set(refused.map((answer) => `${answer.status} ${answer.json.error.code} ${answer.json.error.details.scope}`));
    // Two requests may meet while slices change hands: that is a 429 of the project's, to be tried again.
    scopes.delete("429 rate_limited project");
    expect([...scopes]).toEqual(scope === "project" ? [] : [`${status} ${code} ${scope}`]);
    for (const answer of refused) expectError(answer, answer.status, answer.status === 402 ? "quota_exceeded" : "rate_limited");
  });
});

it("the last unit is for whoever needs it: slices that others do not use come back at once", async () => {
  const { upstream, users } = await open({ project_rpm: 12, project_tokens_per_day: 12 * EACH }, 12);
  for (const user of users) expect((await user.chat(ask)).status).toBe(200);
  const late = await users[0]!.chat(ask);
  expectError(late, late.status, late.status === 402 ? "quota_exceeded" : "rate_limited");
  expect(upstream.journal.length).toBe(12);
});

it("one user may take all of it", async () => {
  const { users } = await open({ project_rpm: 20 }, 2);
  const [first, second] = [users[0]!, users[1]!];
  expect((await second.chat(ask)).status).toBe(200);
  expect(served(await Promise.all(Array.from({ length: 30 }, () => first.chat(ask))))).toBe(19);
});

it("a refusal says how long to wait", async () => {
  const { users } = await open({ project_rpm: 1 }, 2);
  expect((await users[0]!.chat(ask)).status).toBe(200);
  const refused = await users[1]!.chat(ask);
  expect(expectError(refused, 429, "rate_limited").details).toMatchObject({ scope: "project", limit: 1 });
  const seconds = Number(refused.headers.get("retry-after"));
  expect(seconds).toBeGreaterThan(50);
  // A slice of one request can be used for two seconds.
  expect(seconds).toBeLessThanOrEqual(63);
});

it("a lowered limit, a raised one and a suspension are in force with the next request", async () => {
  const { project, users } = await open({ project_rpm: 100, project_tokens_per_day: 10_000 }, 2);
  const [first, second] = [users[0]!, users[1]!];
  const set = (limits: object) => project.admin("/settings", { method: "PUT", body: { limits } });
  for (let n = 0; n < 3; n++) expect((await first.chat(ask)).status).toBe(200);
  await set({ project_rpm: 3 });
  expect(expectError(await first.chat(ask), 429, "rate_limited").details).toMatchObject({ scope: "project", limit: 3 });
  expectError(await second.chat(ask), 429, "rate_limited");
  await set({ project_rpm: 100 });
  expect((await second.chat(ask)).status).toBe(200);
  // What was spent before is known of: 4 x 19 of 80.
  await set({ project_tokens_per_day: 80 });
  expect(expectError(await second.chat(ask), 402, "quota_exceeded").details).toMatchObject({ scope: "project_tokens_per_day", limit: 80, used: 4 * EACH });
  await set({ project_tokens_per_day: null });
  expect((await second.chat(ask)).status).toBe(200);
  await project.admin("", { method: "PATCH", body: { status: "suspended" } });
  expectError(await first.chat(ask), 403, "forbidden");
});

it("what is left of the project's limits is told: in headers as of the slice, by GET /v1/limits as of now", async () => {
  const { users } = await open({ project_rpm: 40, user_rpm: 100, project_tokens_per_day: 5_000, user_tokens_per_day: 1_000_000 }, 2);
  const [first, second] = [users[0]!, users[1]!];
  const alone = await first.chat(ask);
  expect(alone.headers.get("ratelimit-policy")).toContain('"project-requests-minute";q=40;w=60, "project-tokens-day";q=5000;qu="tokens";w=86400');
  expect(alone.headers.get("ratelimit")).toMatch(new RegExp(`"project-requests-minute";r=39;t=\\d+, "project-tokens-day";r=${5_000 - EACH};t=\\d+$`));
  // The tightest of all layers.
  expect(["limit", "remaining"].map((what) => alone.headers.get(`x-ratelimit-${what}-requests`))).toEqual(["40", "39"]);
  expect(["limit", "remaining"].map((what) => alone.headers.get(`x-ratelimit-${what}-tokens`))).toEqual(["5000", `${5_000 - EACH}`]);
  const limit = async (user: User, name: string) => (await user.get("/v1/limits")).json.limits.find((each: { name: string }) => each.name === name);
  expect(await limit(first, "project_tokens_per_day")).toMatchObject({ limit: 5_000, used: EACH, remaining: 5_000 - EACH, source: "project" });
  expect(await limit(first, "project_usd_per_day")).toMatchObject({ limit: null, used: null, remaining: null, source: null });
  // Another one finds at least what was used gone, and at most the slice of the first.
  const { used, remaining } = await limit(second, "project_tokens_per_day");
  expect(used).toBeGreaterThanOrEqual(EACH);
  expect(used).toBeLessThan(20 * EACH);
  expect(used + remaining).toBe(5_000);
  expect((await limit(second, "project_rpm")).resets_at * 1_000).toBeGreaterThan(Date.now());
});

it("a budget that is switched on counts what was spent before, also of users that are erased, once", { timeout: 60_000 }, async () => {
  // The ledger hears of settled requests within a second here, not within five minutes.
  const gateway = await Gateway.start({ vars: { ROLL_UP_SECONDS: 1 } });
  onTestFinished(() => gateway.stop());
  const { project, users } = await open({ project_rpm: 100 }, 3, 0, gateway.url);
  const [first, second, third] = [users[0]!, users[1]!, users[2]!];
  for (const user of [first, first, second]) expect((await user.chat(ask)).status).toBe(200);
  await expect.poll(async () => (await project.admin("/usage")).json.totals.requests, { timeout: 15_000 }).toBe(3);
  expect((await project.admin("/users/user-0", { method: "DELETE" })).status).toBe(204);
  await project.admin("/settings", { method: "PUT", body: { limits: { project_tokens_per_day: 4 * EACH + 1 } } });
  expect((await third.chat(ask)).status).toBe(200);
  expect(expectError(await third.chat(ask), 402, "quota_exceeded").details).toMatchObject({ scope: "project_tokens_per_day", used: 4 * EACH });
});

it("a bill above the estimate is the project's loss once, and stands in the way of everybody", async () => {
  const { upstream, project, users } = await open({ project_tokens_per_day: 100 }, 2);
  upstream.answer(completion("hi", { usage: { prompt_tokens: 60, completion_tokens: 60, total_tokens: 120 } }));
  expect((await users[0]!.chat(ask)).status).toBe(200);
  await expect.poll(async () => (await users[1]!.chat(ask)).json.error?.details?.used).toBe(120);
  expect(upstream.journal.length).toBe(1);
  expect(project.id).toMatch(/^proj_/);
});
