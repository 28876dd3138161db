// A project's settings: PUT is a JSON merge patch, what is wrong is refused whole and named, what is set is read back.
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { admin, Project } from "../support/project.ts";

describe("settings", () => {
  let project: Project;
  beforeAll(async () => { project = await Project.create(); });
  const put = (body: unknown, of = project) => of.admin("/settings", { method: "PUT", body });
  const get = async (of = project) => (await of.admin("/settings")).json;

  it("have every section of the contract, with the default limits", async () => {
    const { json: fresh } = await admin("/projects", { body: { name: "fresh" } });
    const { json } = await admin(`/projects/${fresh.id}/settings`);
    expect(Object.keys(json)).toEqual(expect.arrayContaining(["token", "limits", "routing", "guardrails", "memory"]));
    expect(json.token.default_ttl).toBe(900);
  });

  it("merge: what is not named stays, null takes away, lists are replaced", async () => {
    const one = await Project.create();
    await put({ default_model: "a", allowed_origins: ["https://a.example", "https://b.example"], token: { default_ttl: 600 } }, one);
    const before = await get(one);
    const answer = await put({ allowed_origins: ["https://c.example"], limits: { user_rpm: 42 } }, one);
    expect(answer.status, answer.text).toBe(200);
    const after = await get(one);
    expect(answer.json).toEqual(after);
    expect(after).toMatchObject({ default_model: "a", allowed_origins: ["https://c.example"], token: { default_ttl: 600 } });
    expect(after.limits).toEqual({ ...before.limits, user_rpm: 42 });
    await put({ default_model: null }, one);
    expect((await get(one)).default_model ?? null).toBeNull();
  });

  const bad: [string, unknown, string][] = [
    ["a limit that is text", { limits: { user_rpm: "60" } }, "limits.user_rpm"],
    ["a limit of zero", { limits: { user_rpm: 0 } }, "limits.user_rpm"],
    ["a negative limit", { limits: { project_rpm: -1 } }, "limits.project_rpm"],
    ["a limit with a fraction", { limits: { user_tokens_per_day: 1.5 } }, "limits.user_tokens_per_day"],
    ["a limit beyond exact integers", { limits: { user_tokens_per_day: 1e300 } }, "limits.user_tokens_per_day"],
    ["limits that are a list", { limits: [] }, "limits"],
    ["a lifetime group that is a list of fitting values", { token: [900, 900] }, "token"],
    ["an unknown limit", { limits: { user_rpn: 5 } }, "limits.user_rpn"],
    ["an unknown setting", { alowed_origins: [] }, "alowed_origins"],
    ["origins that are text", { allowed_origins: "https://a.example" }, "allowed_origins"],
    ["an origin with a path", { allowed_origins: ["https://a.example", "https://b.example/path"] }, "allowed_origins"],
    ["an origin without a scheme", { allowed_origins: ["a.example"] }, "allowed_origins"],
    ["a model that is a number", { default_model: 4 }, "default_model"],
    ["a lifetime below a minute", { token: { default_ttl: 59 } }, "token.default_ttl"],
    ["a lifetime above a day", { token: { max_ttl: 86_401 } }, "token.max_ttl"],
    ["a deadline of nothing", { routing: { timeout_ms: 0 } }, "routing.timeout_ms"],
    ["a deadline that is text", { routing: { timeout_ms: "1s" } }, "routing.timeout_ms"],
  ];
  it.each(bad)("with %s are refused, naming it, and nothing changes", async (_name, patch, param) => {
    const before = await get();
    const error = expectError(await put({ system_prompt: "must not be stored", ...(patch as object) }), 400, "validation_error");
    expect(error.param).toSatisfy((p: string) => p === param || p?.startsWith(`${param}[`) || p?.startsWith(`${param}.`), `param ${error.param}, wanted ${param}`);
    expect(error.message).toContain(param.split(".").at(-1));
    expect(await get()).toEqual(before);
  });

  it("say what a limit must be", async () => {
    const error = expectError(await put({ limits: { user_rpm: "many" } }), 400, "validation_error", "limits.user_rpm");
    expect(error.message).toMatch(/limits\.user_rpm.*positive integer/);
  });

  it.each([["text", '"x"'], ["a list", "[]"], ["null", "null"], ["nothing", ""]])("that are %s are refused", async (_name, body) => {
    expectError(await put(body), 400, "validation_error");
  });
});
