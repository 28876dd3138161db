// Admin routes for projects: who may use them, and create, read, list, change, delete.
import { describe, expect, inject, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { admin, call, Project } from "../support/project.ts";

const make = async (body: object) => {
  const answer = await admin("/projects", { body });
  expect(answer.status, answer.text).toBe(201);
  return answer.json;
};
const unique = () => `p-${crypto.randomUUID().slice(0, 8)}`;

describe("the admin door", () => {
  const doors: [string, string | undefined][] = [
    ["no token", undefined],
    ["a wrong token", "admin-token-for-tests-9f1c2b7a5e"],
    ["a token that is a prefix of the right one", "admin-token-for-tests"],
    ["an API key", `behest_sk_live_${"0".repeat(32)}`],
    ["something that looks like a JWT", "eyJhbGciOiJFZERTQSJ9.e30.AAAA"],
  ];
  it.each(doors)("%s is 401", async (_name, token) => {
    for (const [method, path] of [["GET", "/v1/projects"], ["POST", "/v1/projects"], ["GET", "/v1/projects/proj_x/settings"]]) {
      const body = method === "POST" ? { name: "never made" } : undefined;
      expectError(await call(`${inject("gateway").url}${path}`, { method, token, body }), 401, "invalid_token");
    }
  });

  it("an end user's token is 401", async () => {
    const token = await (await Project.create()).token();
    expectError(await call(`${inject("gateway").url}/v1/projects`, { token }), 401, "invalid_token");
  });
});

describe("projects", () => {
  it("are made with the contract's fields and read back the same", async () => {
    const slug = unique();
    const made = await make({ name: "Näme 🌊", slug });
    expect(made).toMatchObject({ name: "Näme 🌊", slug, status: "active" });
    expect(made.id).toMatch(/^proj_[0-9A-Za-z]+$/);
    expect(made.tenant_id).toMatch(/^tnt_|^default$/);
    expect(made.created_at).toBeTruthy();
    const read = await admin(`/projects/${made.id}`);
    expect(read.status).toBe(200);
    expect(read.json).toEqual(made);
  });

  it("are listed", async () => {
    const made = await make({ name: "listed" });
    const seen: string[] = [];
    let path = "/projects?limit=100";
    for (let page = 0; page < 50; page++) {
      const { status, json } = await admin(path);
      expect(status).toBe(200);
      expect(json.object).toBe("list");
      expect(json.has_more).toBeTypeOf("boolean");
      seen.push(...json.data.map((one: { id: string }) => one.id));
      if (!json.has_more || seen.includes(made.id)) break;
      path = `/projects?limit=100&after=${json.data.at(-1).id}`;
    }
    expect(seen).toContain(made.id);
  });

  it("change by PATCH, field by field", async () => {
    const { id } = await make({ name: "before" });
    const patched = await admin(`/projects/${id}`, { method: "PATCH", body: { name: "after" } });
    expect(patched.status, patched.text).toBe(200);
    expect(patched.json).toMatchObject({ id, name: "after", status: "active" });
    expect((await admin(`/projects/${id}`)).json.name).toBe("after");
  });

  it("are gone after DELETE", async () => {
    const { id } = await make({ name: "short-lived" });
    expect((await admin(`/projects/${id}`, { method: "DELETE" })).status).toBe(204);
    expectError(await admin(`/projects/${id}`), 404, "not_found");
    expectError(await admin(`/projects/${id}/settings`), 404, "not_found");
    expectError(await admin(`/projects/${id}`, { method: "DELETE" }), 404, "not_found");
  });

  const bad: [string, unknown, string | null][] = [
    ["no name", {}, "name"],
    ["an empty name", { name: "" }, "name"],
    ["a name that is a number", { name: 7 }, "name"],
    ["a name beyond any reason", { name: "n".repeat(5_000) }, "name"],
    ["a slug with a slash", { name: "x", slug: "a/b" }, "slug"],
    ["a slug that is an object", { name: "x", slug: {} }, "slug"],
    ["a body that is a list of fitting values", ["a name", null, null], null],
  ];
  it.each(bad)("with %s are refused, naming the field", async (_name, body, param) => {
    const error = expectError(await admin("/projects", { body }), 400, "validation_error", param ?? undefined);
    if (param) expect(error.message).toContain(param);
  });

  it("say where JSON is broken", async () => {
    const error = expectError(await admin("/projects", { body: '{"name":\n  nope}' }), 400, "validation_error");
    expect(error.message).toMatch(/line 2/);
  });

  it("a slug that is taken is a conflict", async () => {
    const slug = unique();
    await make({ name: "first", slug });
    expectError(await admin("/projects", { body: { name: "second", slug } }), 409, "conflict");
  });

  it("that do not exist are 404 on every route below them", async () => {
    const paths = ["", "/settings", "/keys", "/providers/openai"];
    for (const path of paths) expectError(await admin(`/projects/proj_doesnotexist${path}`), 404, "not_found");
    expectError(await admin("/projects/proj_doesnotexist/settings", { method: "PUT", body: {} }), 404, "not_found");
    expectError(await admin("/projects/proj_doesnotexist/keys", { body: { name: "k" } }), 404, "not_found");
    expectError(await admin("/projects/..%2F..%2Fkey", {}), 404, "not_found");
  });
});
