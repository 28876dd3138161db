// Changes that were made elsewhere: this isolate believes its old configuration for half a minute, and the users' objects know better.
// Always holds: the change never touches the isolate that serves the requests (elsewhere.mjs).
import { afterAll, beforeAll, expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { call, Project, type User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const PROMISE_MS = 10_000;

let gateway: Gateway;
let upstream: Upstream;

beforeAll(async () => {
  gateway = await Gateway.start({ entry: "elsewhere.mjs" });
  upstream = await Upstream.start(completion("hi"));
});
afterAll(() => gateway?.stop());

const elsewhere = (project: Project, command: unknown) => call(`${gateway.url}/elsewhere/${project.id}`, { body: command });
const status = async (user: User, path: string) => (path === "chat" ? await user.chat() : await user.get(path)).status;
const now = () => Math.floor(Date.now() / 1_000);

it.each<[string, (project: Project, claims: any) => unknown, number]>([
  ["a suspension", () => ({ patch: { name: null, status: "suspended" } }), 403],
  ["a revoked key", (project) => ({ revoke: { target: { via: `key:${project.keyId}` }, void: { issued: now() + 1, now: now() } } }), 401],
  ["a revoked session", (_, { sid }) => ({ revoke: { target: { session: sid }, void: { issued: now() + 1, now: now() } } }), 401],
])("%s reaches users with a lease and without one", { timeout: 40_000 }, async (_, command, expected) => {
  const project = await Project.create({ base: gateway.url, providers: { main: upstream.url } });
  const session_id = "shared";
  const [active, reader] = [await project.user("active", { session_id }), await project.user("reader", { session_id })];
  expect(await Promise.all([status(active, "chat"), status(active, "/v1/threads"), status(reader, "/v1/threads")])).toEqual([200, 200, 200]);
  expect((await elsewhere(project, command(project, { sid: session_id }))).json.result.Ok.version).toBeGreaterThan(1);
  const begun = Date.now();
  for (const [user, path] of [[active, "chat"], [active, "/v1/models"], [reader, "/v1/threads"]] as const) {
    await expect.poll(() => status(user, path), { timeout: PROMISE_MS }).toBe(expected);
  }
  expect(Date.now() - begun).toBeLessThan(PROMISE_MS);
});
