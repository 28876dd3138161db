// How far a change of a project reaches: each of a thousand active users hears of it within ten seconds, and each running stream ends.
// Always holds: the change is made in another isolate; a user has heard when its object has answered the project's (isolates.mjs notes
// when); most objects have been put to sleep by then. Run alone, since it measures time. Absent: KV that lags (stale-revocation.test.ts).
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { admin, call, type Json, Project, type User } from "../support/project.ts";
import { chunk, completion, event, EVENT_STREAM } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const [USERS, STREAMS, AT_ONCE] = [1_000, 100, 32];
const PROMISE_MS = 10_000;
const STREAM = { model: "m", stream: true, messages: [{ role: "user", content: "x" }] };
/** All but requests per minute, which no project is without. */
const LIMITS = { project_concurrency: 100_000, project_requests_per_day: 10_000_000, project_tokens_per_day: 1e12, project_usd_per_day: 1_000_000 };
const NONE_SET = { project_rpm: null, user_rpm: null, user_concurrency: null, user_tokens_per_day: null };
/** In memory, if the machine has a folder of it: a thousand objects on one disk wait for its fsync, which is not Cloudflare's. */
const persist = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "behest-reach-"));

let gateway: Gateway;
let upstream: Upstream;
beforeAll(async () => {
  gateway = await Gateway.start({ entry: "isolates.mjs", second: true, persist });
  const talks = { headers: EVENT_STREAM, steps: [{ send: event(chunk({ content: "word " })) }, { hang: true }] } as const;
  upstream = await Upstream.start(({ body }) => (body.stream ? { ...talks, steps: [...talks.steps] } : completion("hi")));
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(persist, { recursive: true, force: true });
});

/** Does it for each, so many at a time. */
async function each<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const [nth, item] of waiting) results[nth] = await work(item);
  }));
  return results;
}

const numbers = (many: number) => Array.from({ length: many }, (_, n) => n);
const elsewhere = (project: Project, path: string, options: Json) => admin(`/projects/${project.id}${path}`, options, `${gateway.url}/elsewhere`);
const toldSince = async (): Promise<{ user: string; at: number }[]> => (await call(`${gateway.url}/test`, { body: {} })).json.told;

/** After a change the project's object makes sure once more that all have heard: who got a lease just before gives it back then. */
const SETTLED_MS = 4_000;

async function active(project: Project, many: number): Promise<User[]> {
  await sleep(SETTLED_MS);
  return each(numbers(many), async (n) => {
    const user = await project.user(`user-${n}`);
    const { status, text } = await user.chat();
    expect(status, text).toBe(200);
    return user;
  });
}

/** A stream that runs: `ended` is when it did, and its last event. */
async function running(user: User) {
  const response = await user.open(STREAM, { timeout: 180_000 });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value ?? "";
  const ended = async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
    return { at: Date.now(), last: JSON.parse(text.trim().split("\n\n").at(-1)!.replace("data: ", "")) };
  };
  return { ended: ended() };
}

/** Everybody who has been told within a while, and when, in ms after `begun`. */
async function heard(many: number, begun: number): Promise<{ when: Map<string, number>; messages: number }> {
  const when = new Map<string, number>();
  let messages = 0;
  // Seldom: whoever asks takes time from what is measured.
  for (const wait of [100, ...numbers(20).map(() => PROMISE_MS / 10)]) {
    await sleep(wait);
    for (const { user, at } of await toldSince()) {
      if (!when.has(user)) when.set(user, at - begun);
      messages += 1;
    }
    if (when.size >= many) break;
  }
  return { when, messages };
}

const CHANGES: Record<string, { path: string; options: (project: Project) => Json; status: number; code: string }> = {
  "a revoked API key": { path: "/revocations", options: ({ keyId }) => ({ body: { key_id: keyId } }), status: 401, code: "invalid_token" },
  "a suspension": { path: "", options: () => ({ method: "PATCH", body: { status: "suspended" } }), status: 403, code: "forbidden" },
};

it.each([
  ["a suspension", "with limits of the project's", LIMITS],
  ["a revoked API key", "without", {}],
])(`%s reaches ${USERS} users, ${STREAMS} of them in a stream, %s`, { timeout: 280_000 }, async (name, which, limits) => {
  const change = CHANGES[name]!;
  const project = await Project.create({ base: gateway.url, settings: { limits }, providers: { main: upstream.url } });
  const users = await active(project, USERS);
  const streams = await each(users.slice(0, STREAMS), running);
  console.log(`reach of ${name}: ${USERS} users are active, ${STREAMS} streams run`);
  await toldSince();
  const begun = Date.now();
  let answeredMs = 0;
  const changed = elsewhere(project, change.path, change.options(project)).finally(() => (answeredMs = Date.now() - begun));
  const [answer, { when, messages }, ...ends] = await Promise.all([changed, heard(USERS, begun), ...streams.map(({ ended }) => ended)]);
  expect(answer.status, answer.text).toBeLessThan(300);
  const after = await each(users, async (user) => (await user.get("/v1/models")).status);
  const told = [...when.values()].sort((a, b) => a - b);
  const ended = ends.map(({ at }) => at - begun).sort((a, b) => a - b);
  const figures = (all: number[]) => `the first after ${all[0]} ms, half after ${all[all.length >> 1]} ms, all ${all.length} after ${all.at(-1)} ms`;
  console.log(`reach of ${name}, ${which}: answered after ${answeredMs} ms; users told: ${figures(told)}, in ${messages} messages; streams ended: ${figures(ended)}`);
  expect(new Set(when.keys())).toEqual(new Set(numbers(USERS).map((n) => `user-${n}`)));
  expect(told.at(-1), "milliseconds until the last user was told").toBeLessThan(PROMISE_MS);
  expect(ended.at(-1), "milliseconds until the last stream ended").toBeLessThan(PROMISE_MS);
  expect(new Set(ends.map(({ last }) => last.error?.code))).toEqual(new Set([change.code]));
  expect(new Set(after)).toEqual(new Set([change.status]));
});

it("users of a project that sets no limit hold a lease too, and are told", { timeout: 60_000 }, async () => {
  const project = await Project.create({ base: gateway.url, settings: { limits: NONE_SET }, providers: { main: upstream.url } });
  const [first] = await active(project, 5);
  const reader = await project.user("reader");
  expect((await reader.get("/v1/threads")).status).toBe(200);
  await toldSince();
  const told = heard(5, Date.now());
  expect((await elsewhere(project, "/revocations", { body: { key_id: project.keyId } })).status).toBe(204);
  // Whoever has not asked for anything that costs has no lease: its object asks the project.
  expect([...(await told).when.keys()].sort()).toEqual(numbers(5).map((n) => `user-${n}`));
  expect((await first!.chat()).status).toBe(401);
});
