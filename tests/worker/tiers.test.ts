// Tiers: built in and of one's own, chosen by the token, told by /v1/limits.
import { describe, expect, it } from "vitest";
import { expectError, expectLimitHeaders } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const project = async () => Project.create({ providers: { main: (await Upstream.start(completion("hi"))).url } });

describe("tiers", () => {
  it("hold the users whose token names them", async () => {
    const one = await project();
    const made = await one.admin("/tiers/team", { method: "PUT", body: { limits: { user_rpm: 2, user_usd_per_month: 5 } } });
    expect(made.status, made.text).toBe(200);
    expect(made.json).toEqual({ object: "tier", name: "team", built_in: false, limits: { user_rpm: 2, user_usd_per_month: 5 } });
    const user = await one.user("ann", { tier: "team" });
    for (let n = 0; n < 2; n++) expect(expectLimitHeaders((await user.chat()).headers).limit.requests).toBe(2);
    expectError(await user.chat(), 429, "rate_limited");
    const { json } = await user.get("/v1/limits");
    expect(json.tier).toBe("team");
    expect(json.limits.find(({ name }: { name: string }) => name === "user_rpm")).toMatchObject({ limit: 2, remaining: 0, source: "tier" });
  });

  it("are built in, and changed and given back", async () => {
    const one = await project();
    const free = { object: "tier", name: "free", built_in: true, limits: { user_rpm: 10, user_requests_per_day: 100, user_tokens_per_day: 50_000 } };
    expect((await one.admin("/tiers/free")).json).toEqual(free);
    expect((await (await one.user("ann", { tier: 1 })).get("/v1/limits")).json.limits[0]).toMatchObject({ name: "user_rpm", limit: 10, source: "tier" });
    expect((await one.admin("/tiers/free", { method: "PUT", body: { limits: { user_rpm: 3 } } })).status).toBe(200);
    const resolved = (await one.admin("/tiers/free/resolved")).json;
    expect(resolved.limits[0]).toEqual({ name: "user_rpm", limit: 3, source: "tier" });
    expect(resolved.limits[2]).toEqual({ name: "user_requests_per_day", limit: 100, source: "tier" });
    expect((await one.admin("/tiers/free", { method: "DELETE" })).status).toBe(204);
    expect((await one.admin("/tiers/free")).json).toEqual(free);
    expectError(await one.admin("/tiers/free", { method: "DELETE" }), 404, "not_found");
    expect((await one.admin("/tiers")).json.data.map(({ name }: { name: string }) => name)).toEqual(["free", "pro", "max"]);
  });

  it("are checked by path", async () => {
    const one = await project();
    const refused = await one.admin("/tiers/team", { method: "PUT", body: { limits: { project_rpm: 3 } } });
    expect(expectError(refused, 400, "validation_error").param).toBe("limits.project_rpm");
    expectError(await one.admin("/tiers/team"), 404, "not_found");
    expectError(await one.admin("/tiers/team/resolved"), 404, "not_found");
  });
});
