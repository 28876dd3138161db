// Alerts: a signed webhook when 50, 80, 100 % of a budget are spent, whatever the endpoint, the network and the gateway do meanwhile.
// Always holds: signatures are checked by somebody else's program (npm standardwebhooks) with the secret that the owner was shown.
// Absent: which threshold is passed when, by every order of things (native, tests/user/alerts.rs), and the real pauses (src/alert/delivery.rs).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { type Json, Project, User } from "../support/project.ts";
import { completion, json } from "../support/script.ts";
import { type Answering, eventually, type Exchange, Upstream } from "../support/upstream.ts";

/** A hundredth of the real pauses. */
const PACE = { ALERT_RETRY_MS: 50 };
const TAKEN = json("", 204);

let gateway: Gateway;
beforeAll(async () => { gateway = await Gateway.start({ vars: PACE }); }, 60_000);
afterAll(() => gateway.stop());

/** A provider that bills so many tokens for every request. */
const billing = (tokens: number) => Upstream.start(completion("hi", { usage: { prompt_tokens: tokens - 1, completion_tokens: 1, total_tokens: tokens } }));
const ask = { model: "m", max_tokens: 1, messages: [{ role: "user", content: "x" }] };

/** A project with alerts, and a user of it whose every request costs 100 tokens (unless said otherwise). */
async function watched(limits: object, answering: Answering = TAKEN, more: { base?: string; body?: object; tokens?: number } = {}) {
  const [endpoint, provider] = [await Upstream.start(answering), await billing(more.tokens ?? 100)];
  const project = await Project.create({ base: more.base ?? gateway.url, settings: { limits }, providers: { main: provider.url } });
  const made = await project.admin("/alerts", { method: "PUT", body: { url: `${endpoint.origin}/hook?from=behest`, ...more.body } });
  expect(made.status, made.text).toBe(200);
  return { endpoint, project, secret: made.json.secret as string, user: await project.user("ann") };
}

async function spend(user: User, times: number): Promise<void> {
  for (let n = 0; n < times; n++) expect((await user.chat(ask)).status).toBe(200);
}

/** The event, if the signature is good. */
function verified({ raw, headers }: Exchange, secret: string): Json {
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  return new Webhook(secret).verify(raw.toString(), Object.fromEntries(names.map((name) => [name, headers[name] as string])));
}

const events = ({ journal }: Upstream, secret: string): Json[] => journal.map((exchange) => verified(exchange, secret));
const thresholds = (endpoint: Upstream, secret: string): number[] => events(endpoint, secret).map(({ data }) => data.threshold);
const deliveries = async (project: Project): Promise<Json[]> => (await project.admin("/alerts")).json.deliveries;
/** Long enough for what should not come. */
const quiet = () => new Promise((resolve) => setTimeout(resolve, 400));

it("the project's budgets are watched too, whoever spends them", async () => {
  const { endpoint, project, secret, user } = await watched({ project_tokens_per_day: 1_000 });
  const other = await project.user("ben");
  for (let n = 0; n < 3; n++) await Promise.all([spend(user, 1), spend(other, 1)]);
  await eventually("half of it", () => thresholds(endpoint, secret).includes(50));
  await spend(user, 3);
  await eventually("80 per cent", () => thresholds(endpoint, secret).includes(80));
  const told = events(endpoint, secret);
  expect(told.every(({ data }) => data.user === null && data.budget === "project_tokens_per_day" && data.limit === 1_000)).toBe(true);
  expect(told.map(({ data }) => data.threshold)).toEqual([50, 80]);
  expect(told.every(({ data }) => data.used >= data.threshold * 10 && data.used <= 1_000)).toBe(true);
  expect(new Set(told.map(({ id }) => id)).size).toBe(2);
});

describe("where alerts go", () => {
  it("is the owner's to say; the secret is shown when it is made, and never again", async () => {
    const project = await Project.create({ base: gateway.url });
    expectError(await project.admin("/alerts"), 404, "not_found");
    const put = async (body: object) => (await project.admin("/alerts", { method: "PUT", body })).json;
    const url = "https://hooks.example/behest";
    const { secret, ...made } = await put({ url });
    expect(made).toEqual({ object: "alerts", url, thresholds: [50, 80, 100], created_at: expect.any(Number) });
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(await put({ url, thresholds: [90, 10] })).toEqual({ ...made, thresholds: [10, 90] });
    const rotated = await put({ url, rotate_secret: true });
    expect(rotated.secret).toMatch(/^whsec_/);
    expect(rotated.secret).not.toBe(secret);
    const seen = await project.admin("/alerts");
    expect(seen.json).toEqual({ ...made, deliveries: [] });
    for (const path of ["/alerts", "/settings", "/providers", ""]) expect((await project.admin(path)).text).not.toContain("whsec_");
    expect((await project.admin("/alerts", { method: "DELETE" })).status).toBe(204);
    expectError(await project.admin("/alerts"), 404, "not_found");
    expectError(await project.admin("/alerts", { method: "DELETE" }), 404, "not_found");
    expectError(await project.admin("/alerts", { token: await project.token() }), 401, "invalid_token");
    expect(gateway.log()).not.toContain("whsec_");
  });

  it("has to be a public https address, and a redirect leads nowhere", async () => {
    const [strict, elsewhere] = [await Gateway.start({ vars: { ALLOW_PRIVATE_UPSTREAMS: 0 } }), await Upstream.start(TAKEN)];
    try {
      const project = await Project.create({ base: strict.url });
      for (const url of ["http://hooks.example/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "https://localhost/", "https://a:b@hooks.example/", "ftp://hooks.example/"]) {
        expectError(await project.admin("/alerts", { method: "PUT", body: { url } }), 400, "validation_error", "url");
      }
      expectError(await project.admin("/alerts", { method: "PUT", body: { url: "https://hooks.example/", thresholds: [101] } }), 400, "validation_error", "thresholds");
    } finally {
      await strict.stop();
    }
    const { endpoint, project, user } = await watched({ user_tokens_per_day: 200 }, { status: 307, headers: { location: `${elsewhere.origin}/` }, steps: [] });
    await spend(user, 1);
    await eventually("it is tried", () => endpoint.journal.length >= 2);
    expect(await deliveries(project)).toMatchObject([{ status: "pending", http_status: 307, error: null }]);
    expect(elsewhere.journal).toEqual([]);
  });
});

describe("a threshold", () => {
  it("is told once it is passed, signed, with what was spent and when it comes back", async () => {
    const { endpoint, project, secret, user } = await watched({ user_tokens_per_day: 1_000 });
    await spend(user, 4);
    await quiet();
    expect(endpoint.journal).toEqual([]);
    await spend(user, 6);
    await eventually("all three have come", () => endpoint.journal.length === 3);
    const midnight = (Math.floor(Date.now() / 86_400_000) + 1) * 86_400;
    const [half, most, all] = events(endpoint, secret);
    expect(half).toEqual({
      id: expect.stringMatching(/^evt_[0-9a-f]{32}$/), type: "budget.threshold", created_at: expect.toSatisfy((at: number) => Math.abs(at - Date.now() / 1000) < 60),
      data: { project_id: project.id, user: "ann", budget: "user_tokens_per_day", threshold: 50, limit: 1_000, used: 500, resets_at: midnight },
    });
    expect([most.data.threshold, most.data.used, all.data.threshold, all.data.used]).toEqual([80, 800, 100, 1_000]);
    expect(new Set([half.id, most.id, all.id]).size).toBe(3);
    const { headers, path, method } = endpoint.journal[0];
    expect([method, path, headers["content-type"], headers["webhook-id"]]).toEqual(["POST", "/hook?from=behest", "application/json", half.id]);
    expect((await user.chat(ask)).status).toBe(402);
    await quiet();
    expect(endpoint.journal.length).toBe(3);
    const [latest] = await deliveries(project);
    expect(latest).toMatchObject({ type: "budget.threshold", status: "delivered", attempts: 1, http_status: 204, error: null, next_attempt_at: null });
    expect([half.data, most.data, all.data]).toContainEqual(latest.data);
  });

  it("of dollars is told in dollars", async () => {
    // 100 tokens of gpt-4o: 99 of the prompt at 2.5 and one of the reply at 10 dollars a million.
    const { endpoint, secret, user } = await watched({ user_usd_per_month: 0.000_4 });
    expect((await user.chat({ ...ask, model: "gpt-4o" })).status).toBe(200);
    await eventually("it has come", () => endpoint.journal[0]);
    expect(events(endpoint, secret)[0].data).toMatchObject({ budget: "user_usd_per_month", threshold: 50, limit: 0.000_4, used: 0.000_258 });
  });

  it("is told once by many requests at the same time, each user's for itself", async () => {
    const { endpoint, project, secret, user } = await watched({ user_tokens_per_day: 10_000 });
    const bob = await project.user("bob");
    const answers = await Promise.all(Array.from({ length: 128 }, (_, n) => (n % 2 ? user : bob).chat(ask)));
    expect(answers.filter(({ status }) => status === 200).length).toBe(128);
    await eventually("one of each", () => endpoint.journal.length === 2);
    await quiet();
    expect(events(endpoint, secret).map(({ data }) => [data.user, data.threshold]).sort()).toEqual([["ann", 50], ["bob", 50]]);
  });

  it("that a lowered limit passes is told, the highest alone", async () => {
    const { endpoint, project, secret, user } = await watched({ user_tokens_per_day: 10_000 });
    await spend(user, 3);
    await project.admin("/settings", { method: "PUT", body: { limits: { user_tokens_per_day: 300 } } });
    expect((await user.chat(ask)).status).toBe(402);
    await eventually("it has come", () => endpoint.journal[0]);
    await quiet();
    expect(thresholds(endpoint, secret)).toEqual([100]);
  });

  it("is the owner's choice, and nobody's without alerts", async () => {
    const { endpoint, project, secret, user } = await watched({ user_tokens_per_day: 1_000 }, TAKEN, { body: { thresholds: [25] } });
    await spend(user, 6);
    await eventually("it has come", () => endpoint.journal[0]);
    expect((await project.admin("/alerts", { method: "DELETE" })).status).toBe(204);
    await spend(user, 4);
    await quiet();
    expect(thresholds(endpoint, secret)).toEqual([25]);
  });
});

describe("an endpoint that does not take it", () => {
  it("gets the same event again, later and later, signed anew, until it does", async () => {
    const failing: Answering = (_exchange, nth) => [json("no", 500), { steps: [{ reset: true }] } as const, TAKEN][Math.min(nth, 3) - 1] as never;
    const { endpoint, project, secret, user } = await watched({ user_tokens_per_day: 199 }, failing);
    await spend(user, 1);
    await eventually("the third attempt", () => endpoint.journal.length === 3);
    const [first, second, third] = endpoint.journal;
    for (const one of [second, third]) {
      expect(one.raw.equals(first.raw)).toBe(true);
      expect(one.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
    }
    expect(events(endpoint, secret).length).toBe(3);
    expect(second.at - first.at).toBeGreaterThanOrEqual(50);
    expect(third.at - second.at).toBeGreaterThanOrEqual(300);
    await eventually("it is known to be delivered", async () => (await deliveries(project))[0].status === "delivered");
    expect(await deliveries(project)).toMatchObject([{ id: first.headers["webhook-id"], attempts: 3, http_status: 204, error: null }]);
    await quiet();
    expect(endpoint.journal.length).toBe(3);
  });

  it("that says nothing holds the next event up for ten seconds at most", async () => {
    const { endpoint, project, secret, user } = await watched({ user_tokens_per_day: 1_000, user_tokens_per_month: 1_300 }, (_exchange, nth) => (nth === 1 ? { steps: [{ hang: true }] } : TAKEN));
    await spend(user, 7);
    await eventually("the other budget's, and the silent one again", () => endpoint.journal.length >= 3, 30_000);
    const [silent, ...later] = events(endpoint, secret).map(({ id, data }, n) => ({ id, budget: data.budget, at: endpoint.journal[n].at }));
    expect(silent.budget).toBe("user_tokens_per_day");
    expect(later.slice(0, 2).map(({ budget }) => budget).sort()).toEqual(["user_tokens_per_day", "user_tokens_per_month"]);
    expect(later.find(({ budget }) => budget === silent.budget)!.id).toBe(silent.id);
    expect(later.find(({ budget }) => budget !== silent.budget)!.at - silent.at).toBeLessThan(15_000);
    await eventually("both are known to be delivered", async () => (await deliveries(project)).every(({ status }) => status === "delivered"));
  }, 40_000);

  it("is signed to with the newest secret", async () => {
    const { endpoint, project, secret, user } = await watched({ user_tokens_per_day: 1_000 });
    const { url } = (await project.admin("/alerts")).json;
    const { secret: newer } = (await project.admin("/alerts", { method: "PUT", body: { url, rotate_secret: true } })).json;
    await spend(user, 5);
    const exchange = await eventually("it has come", () => endpoint.journal[0]);
    expect(verified(exchange, newer).data.threshold).toBe(50);
    expect(() => verified(exchange, secret)).toThrow();
  });
});

it("an event survives the gateway's end, and is still the same one", async () => {
  const persist = mkdtempSync(join(tmpdir(), "behest-alerts-"));
  let awake = false;
  let served: Gateway | undefined;
  try {
    served = await Gateway.start({ persist, vars: PACE });
    const { endpoint, secret, user } = await watched({ user_tokens_per_day: 200 }, () => (awake ? TAKEN : json("no", 503)), { base: served.url });
    await spend(user, 1);
    await eventually("it is tried", () => endpoint.journal.length >= 2);
    await served.kill();
    awake = true;
    const before = endpoint.journal.length;
    served = await Gateway.start({ persist, vars: PACE });
    // The token is good for the next gateway too: the master key is the same. A budget that is spent already tells nothing new.
    await new User(served.url, user.token).get("/v1/limits");
    await eventually("it is tried again", () => endpoint.journal.length > before, 20_000);
    await quiet();
    expect(new Set(events(endpoint, secret).map(({ id }) => id)).size).toBe(1);
    expect(endpoint.journal.length).toBe(before + 1);
  } finally {
    await served?.stop();
    rmSync(persist, { recursive: true, force: true });
  }
}, 60_000);
