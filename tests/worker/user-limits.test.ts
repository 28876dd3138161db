// Limits of one user: said by the admin, in force at once, before tier and project, and gone with the user.
import { describe, expect, it } from "vitest";
import { expectError, expectLimitHeaders } from "../support/contract.ts";
import { admin, Project, type User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const project = async (limits: object = {}) => Project.create({ settings: { limits }, providers: { main: (await Upstream.start(completion("hi"))).url } });
const path = (uid: string) => `/users/${encodeURIComponent(uid)}/limits`;
const put = (of: Project, uid: string, limits: unknown) => of.admin(path(uid), { method: "PUT", body: { limits } });
const limit = async (user: User, name: string) => (await user.get("/v1/limits")).json.limits.find((each: { name: string }) => each.name === name);

describe("a user's own limits", () => {
  it("come before tier and project, one by one, with the next request", async () => {
    const one = await project({ user_tokens_per_day: 1 });
    const [ann, bob] = [await one.user("ann", { tier: "free" }), await one.user("bob", { tier: "free" })];
    expect((await one.admin(path("ann"))).json).toEqual({ object: "user.limits", user_id: "ann", limits: {} });
    expect(await limit(ann, "user_rpm")).toMatchObject({ limit: 10, source: "tier" });
    const said = await put(one, "ann", { user_rpm: 2, user_tokens_per_day: null });
    expect(said.status, said.text).toBe(200);
    expect(said.json).toEqual({ object: "user.limits", user_id: "ann", limits: { user_rpm: 2, user_tokens_per_day: null } });
    expect((await one.admin(path("ann"))).json).toEqual(said.json);
    expect(await limit(ann, "user_rpm")).toMatchObject({ limit: 2, remaining: 2, source: "user" });
    expect(await limit(ann, "user_tokens_per_day")).toMatchObject({ limit: null, remaining: null, source: "user" });
    expect(await limit(ann, "user_requests_per_day")).toMatchObject({ limit: 100, source: "tier" });
    for (const left of [1, 0]) {
      const answer = await ann.chat();
      expect(answer.status, answer.text).toBe(200);
      expect([answer.headers.get("x-ratelimit-limit-requests"), answer.headers.get("x-ratelimit-remaining-requests")]).toEqual(["2", `${left}`]);
      expect(answer.headers.get("x-ratelimit-limit-tokens")).toBeNull();
    }
    expect(expectError(await ann.chat(), 429, "rate_limited").details).toMatchObject({ scope: "user", limit: 2 });
    expect(await limit(bob, "user_rpm")).toMatchObject({ limit: 10, source: "tier" });
    expect((await one.admin(path("ann"), { method: "DELETE" })).status).toBe(204);
    expect(await limit(ann, "user_rpm")).toMatchObject({ limit: 10, remaining: 8, source: "tier" });
    expect(expectLimitHeaders((await ann.chat({ messages: 1 })).headers).limit.requests).toBe(10);
  });

  it("are replaced whole, and go with the user", async () => {
    const one = await project();
    await put(one, "ann", { user_rpm: 2, user_usd_per_day: 0.25 });
    expect((await put(one, "ann", { user_usd_per_month: 5 })).json.limits).toEqual({ user_usd_per_month: 5 });
    expect((await one.admin("/users/ann", { method: "DELETE" })).status).toBe(204);
    expect((await one.admin(path("ann"))).json.limits).toEqual({});
    for (let n = 0; n < 2; n++) expect((await one.admin(path("ann"), { method: "DELETE" })).status).toBe(204);
  });

  it.each(["a/b", "limits", "ñandú 🦀", "100%", "a?b#c", "a+b@c.example", "%2e", " ", "x".repeat(255)])("are of any user: %s", async (uid) => {
    const one = await project();
    expect((await put(one, uid, { user_rpm: 3 })).json).toMatchObject({ user_id: uid, limits: { user_rpm: 3 } });
    expect(await limit(await one.user(uid), "user_rpm")).toMatchObject({ limit: 3, source: "user" });
  });

  it("are checked by path, and nothing is kept of what is wrong", async () => {
    const one = await project();
    for (const [param, body] of [
      ["limits", {}],
      ["limits", { limits: [] }],
      ["limits.user_rpm", { limits: { user_rpm: 0 } }],
      ["limits.project_rpm", { limits: { project_rpm: null } }],
      ["limits.user_rpn", { limits: { user_tokens_per_day: 1, user_rpn: 5 } }],
    ] as const) {
      expectError(await one.admin(path("ann"), { method: "PUT", body }), 400, "validation_error", param);
    }
    expect((await one.admin(path("ann"))).json.limits).toEqual({});
    expectError(await put(one, "x".repeat(256), { user_rpm: 1 }), 400, "validation_error", "user_id");
    expectError(await put(one, "system-1", { user_rpm: 1 }), 400, "validation_error", "user_id");
    expectError(await admin(`/projects/proj_${"0".repeat(24)}${path("ann")}`), 404, "not_found");
    expectError(await one.admin(path("ann"), { token: await one.token("ann") }), 401, "invalid_token");
  });
});
