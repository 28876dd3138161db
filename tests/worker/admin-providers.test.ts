// A project's providers: stored sealed, shown by the last four of the key, refused when they could not work.
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const SECRET = "sk-provider-secret-7d1e9a";
const good = { kind: "openai-compatible", api_key: SECRET, base_url: "http://127.0.0.1:9/v1" };

describe("providers", () => {
  it("PUT, GET and the list never show the key, only its last four", async () => {
    const project = await Project.create();
    const put = await project.admin("/providers/main", { method: "PUT", body: good });
    expect([200, 201]).toContain(put.status);
    const got = await project.admin("/providers/main");
    expect(got.status).toBe(200);
    for (const { text, json } of [put, got]) {
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain(SECRET.slice(0, 12));
      expect(json).toMatchObject({ kind: "openai-compatible", base_url: good.base_url, last4: "1e9a" });
      expect(json).not.toHaveProperty("api_key");
    }
  });

  it("are replaced by a second PUT, which the next chat uses", async () => {
    const upstream = await Upstream.start(completion("hi"));
    const project = await Project.create({ providers: { main: { kind: "openai-compatible", api_key: "sk-old-0001", base_url: upstream.url } } });
    const user = await project.user();
    expect((await user.chat()).status).toBe(200);
    expect(upstream.last.headers.authorization).toBe("Bearer sk-old-0001");
    await project.admin("/providers/main", { method: "PUT", body: { kind: "openai-compatible", api_key: "sk-new-0001", base_url: upstream.url } });
    expect((await user.chat()).status).toBe(200);
    expect(upstream.last.headers.authorization).toBe("Bearer sk-new-0001");
  });

  it("send their extra headers", async () => {
    const upstream = await Upstream.start(completion("hi"));
    const body = { ...good, base_url: `${upstream.url}/`, headers: { "x-extra": "one" } };
    const user = await (await Project.create({ providers: { main: body } })).user();
    expect((await user.chat()).status).toBe(200);
    expect(upstream.last.headers["x-extra"]).toBe("one");
    expect(upstream.last.path).toBe("/v1/chat/completions");
  });

  it("are gone after DELETE, and chat says that none is configured", async () => {
    const project = await Project.create({ providers: { main: good } });
    expect((await project.admin("/providers/main", { method: "DELETE" })).status).toBe(204);
    expectError(await project.admin("/providers/main"), 404, "not_found");
    expectError(await project.admin("/providers/main", { method: "DELETE" }), 404, "not_found");
    expectError(await (await project.user()).chat(), 503, "provider_not_configured");
  });

  const bad: [string, unknown, string][] = [
    ["no kind", { api_key: "sk-0000-0000", base_url: good.base_url }, "kind"],
    ["an unknown kind", { ...good, kind: "oracle" }, "kind"],
    ["no base URL where the kind has none of its own", { kind: "openai-compatible", api_key: "sk-0000-0000" }, "base_url"],
    ["no key where the kind needs one", { kind: "openai" }, "api_key"],
    ["a key that is a number", { ...good, api_key: 5 }, "api_key"],
    ["a key with a line break", { ...good, api_key: "sk-a\r\nx-evil: 1" }, "api_key"],
    ["a base URL that is none", { ...good, base_url: "not a url" }, "base_url"],
    ["a file URL", { ...good, base_url: "file:///etc/passwd" }, "base_url"],
    ["a base URL with a password", { ...good, base_url: "https://user:secret@example.com/v1" }, "base_url"],
    ["a header with a line break", { ...good, headers: { "x-a": "1\r\nx-b: 2" } }, "headers"],
    ["a header name with a space", { ...good, headers: { "x a": "1" } }, "headers"],
    ["models that are text", { ...good, models: "gpt" }, "models"],
  ];
  it.each(bad)("with %s are refused, naming it", async (_name, body, param) => {
    const project = await Project.create();
    const error = expectError(await project.admin("/providers/main", { method: "PUT", body }), 400, "validation_error");
    expect(error.param).toMatch(new RegExp(`^${param}`));
    expect(error.message).not.toContain("secret");
    expectError(await project.admin("/providers/main"), 404, "not_found");
  });

  it.each(["a b", "UPPER/slash", "%00", "x".repeat(200)])("named %j are refused", async (name) => {
    const project = await Project.create();
    const answer = await project.admin(`/providers/${encodeURIComponent(name)}`, { method: "PUT", body: good });
    expect(answer.status, answer.text).toBe(400);
  });
});
