// A project's API keys: shown once, listed by their last four, rotated with an overlap, gone when deleted.
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Project } from "../support/project.ts";

const KEY = /^behest_sk_live_[0-9a-f]{32}$/;

describe("API keys", () => {
  it("are shown once, at creation", async () => {
    const project = await Project.create();
    const made = await project.admin("/keys", { body: { name: "server one" } });
    expect(made.status, made.text).toBe(201);
    expect(made.json.key).toMatch(KEY);
    expect(made.json.last4).toBe(made.json.key.slice(-4));
    expect(made.json.name).toBe("server one");
    const listed = await project.admin("/keys");
    expect(listed.json).toMatchObject({ object: "list", has_more: false });
    expect(listed.json.data.map((one: { id: string }) => one.id).sort()).toEqual([made.json.id, project.keyId].sort());
    expect(listed.text).not.toContain(made.json.key);
    expect(listed.text).not.toContain(made.json.key.slice(15));
    expect(listed.json.data.find((one: { id: string }) => one.id === made.json.id).last4).toBe(made.json.last4);
  });

  it("work at once", async () => {
    const project = await Project.create();
    for (let n = 0; n < 3; n++) {
      const { json } = await project.admin("/keys", { body: { name: `k${n}` } });
      expect((await project.mint({ user_id: "u" }, { token: json.key })).status).toBe(200);
    }
  });

  it("work at once even after they were asked for too early", async () => {
    const project = await Project.create();
    const unknown = `behest_sk_live_${crypto.randomUUID().replaceAll("-", "")}`;
    expectError(await project.mint({ user_id: "u" }, { token: unknown }), 401, "invalid_token");
    const { json } = await project.admin("/keys", { body: { name: "k" } });
    expect((await project.mint({ user_id: "u" }, { token: json.key })).status).toBe(200);
  });

  it("stop at once when deleted", async () => {
    const project = await Project.create();
    expect((await project.mint({ user_id: "u" })).status).toBe(200);
    expect((await project.admin(`/keys/${project.keyId}`, { method: "DELETE" })).status).toBe(204);
    expectError(await project.mint({ user_id: "u" }), 401, "invalid_token");
    expectError(await project.admin(`/keys/${project.keyId}`, { method: "DELETE" }), 404, "not_found");
  });

  it("rotate: a new key, and the old one works while they overlap", async () => {
    const project = await Project.create();
    const rotated = await project.admin(`/keys/${project.keyId}/rotate`, { body: { overlap_seconds: 3 } });
    expect(rotated.status, rotated.text).toBeLessThan(300);
    expect(rotated.json.key).toMatch(KEY);
    expect(rotated.json.key).not.toBe(project.key);
    expect((await project.mint({ user_id: "u" }, { token: rotated.json.key })).status).toBe(200);
    expect((await project.mint({ user_id: "u" })).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 3_200));
    expectError(await project.mint({ user_id: "u" }), 401, "invalid_token");
    expect((await project.mint({ user_id: "u" }, { token: rotated.json.key })).status).toBe(200);
  });

  it("rotate without overlap: the old one stops at once", async () => {
    const project = await Project.create();
    const rotated = await project.admin(`/keys/${project.keyId}/rotate`, { body: { overlap_seconds: 0 } });
    expectError(await project.mint({ user_id: "u" }), 401, "invalid_token");
    expect((await project.mint({ user_id: "u" }, { token: rotated.json.key })).status).toBe(200);
  });

  it("of another project cannot be touched", async () => {
    const [mine, other] = [await Project.create(), await Project.create()];
    expectError(await mine.admin(`/keys/${other.keyId}`, { method: "DELETE" }), 404, "not_found");
    expectError(await mine.admin(`/keys/${other.keyId}/rotate`, { body: { overlap_seconds: 0 } }), 404, "not_found");
    expect((await other.mint({ user_id: "u" })).status).toBe(200);
  });

  const bad: [string, string, unknown, string][] = [
    ["a name that is a number", "/keys", { name: 1 }, "name"],
    ["an unknown capability", "/keys", { name: "k", capabilities: ["chat:everything"] }, "capabilities"],
    ["capabilities that are text", "/keys", { name: "k", capabilities: "chat:server" }, "capabilities"],
    ["an expiry that has passed", "/keys", { name: "k", expires_at: 1 }, "expires_at"],
    ["a negative overlap", "ROTATE", { overlap_seconds: -1 }, "overlap_seconds"],
    ["an overlap that is text", "ROTATE", { overlap_seconds: "60" }, "overlap_seconds"],
  ];
  it.each(bad)("with %s are refused, naming it", async (_name, path, body, param) => {
    const project = await Project.create();
    const target = path === "ROTATE" ? `/keys/${project.keyId}/rotate` : path;
    const error = expectError(await project.admin(target, { body }), 400, "validation_error");
    expect(error.param).toMatch(new RegExp(`^${param}`));
    expect((await project.mint({ user_id: "u" })).status).toBe(200);
  });
});
