// CORS as section 8 of the contract has it: on every answer of every path, and an origin refused in words the page can read.
// Absent: a browser's own judgement, which tests/browser has.
import { beforeAll, describe, expect, it } from "vitest";
import { expectCors, expectError } from "../support/contract.ts";
import { call, Project, type User } from "../support/project.ts";
import { completion, streamed } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const ORIGIN = "https://app.example.com";
let upstream: Upstream;
let project: Project;
let user: User;
beforeAll(async () => {
  upstream = await Upstream.start((exchange) => (exchange.body?.stream ? streamed("hi") : completion("hi")));
  project = await Project.create({ settings: { allowed_origins: [ORIGIN] }, providers: { main: upstream.url } });
  user = await project.user();
});

const chat = { model: "m", messages: [{ role: "user", content: "x" }] };

describe("a page's request", () => {
  const answers: [string, string, string, unknown, number][] = [
    ["a chat", "POST", "/v1/chat/completions", chat, 200],
    ["a streamed chat", "POST", "/v1/chat/completions", { ...chat, stream: true }, 200],
    ["a chat that is wrong", "POST", "/v1/chat/completions", { model: 1 }, 400],
    ["a chat that is no JSON", "POST", "/v1/chat/completions", "{", 400],
    ["embeddings that are wrong", "POST", "/v1/embeddings", { model: "m" }, 400],
    ["moderations that nobody gives", "POST", "/v1/moderations", { input: "x" }, 501],
    ["the models", "GET", "/v1/models", undefined, 200],
    ["an unknown model", "GET", "/v1/models/org/m%0A", undefined, 404],
    ["the threads", "GET", "/v1/threads", undefined, 200],
    ["an unknown thread", "GET", "/v1/threads/none", undefined, 404],
    ["an unknown route", "GET", "/v1/nope", undefined, 404],
    ["a wrong method", "PUT", "/v1/chat/completions", {}, 405],
    ["the health", "GET", "/healthz", undefined, 200],
    ["the keys", "GET", "/.well-known/jwks.json", undefined, 200],
    ["a mint", "POST", "/v1/auth/mint", { user_id: "u" }, 401],
    ["an admin route", "GET", "/v1/projects", undefined, 401],
    ["too large a body", "POST", "/v1/chat/completions", `{"x":"${"a".repeat(10_600_000)}"}`, 413],
  ];
  it.each(answers)("for %s (%s %s) can read the answer", async (_name, method, path, body, status) => {
    const answer = await user.get(path, { method, body, headers: { origin: ORIGIN } });
    expect(answer.status, answer.text.slice(0, 300)).toBe(status);
    expectCors(answer.headers, ORIGIN);
  });

  it.each([["no token", undefined], ["a broken token", "a.b.c"], ["an API key", "KEY"]])("with %s can read why it was refused", async (_name, token) => {
    const answer = await call(`${user.base}/v1/chat/completions`, { token: token === "KEY" ? project.key : token, body: chat, headers: { origin: ORIGIN } });
    expectError(answer, 401, token === "KEY" ? "api_key_not_allowed" : "invalid_token");
    expectCors(answer.headers, ORIGIN);
  });

  it("can read an upstream's failure, and never the upstream's own CORS headers", async () => {
    upstream.answer({ status: 500, headers: { "access-control-allow-origin": "*", "access-control-allow-credentials": "true", "content-type": "application/json" }, steps: [{ send: "{}" }] });
    const answer = await user.chat("x", { headers: { origin: ORIGIN } });
    upstream.answer(completion("hi"));
    expectError(answer, 502, "upstream_error");
    expectCors(answer.headers, ORIGIN);
    expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
  });

  it("varies by origin even without one, so that no cache mixes them up", async () => {
    expect((await user.chat()).headers.get("vary")?.toLowerCase()).toContain("origin");
  });
});

describe("a refused origin", () => {
  it.each(["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "https://app.example.com:8443", "null", "https://APP.example.com.", "https://evil.example/https://app.example.com"])(
    "%s is 403, nothing is asked upstream, and the page can read why",
    async (origin) => {
      const asked = upstream.journal.length;
      const answer = await user.chat(chat, { headers: { origin } });
      const error = expectError(answer, 403, "forbidden");
      expect(error.message).toMatch(/origin/i);
      expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
      expect(upstream.journal.length).toBe(asked);
      expectError(await user.get("/v1/threads", { headers: { origin } }), 403, "forbidden");
    },
  );

  it("is only a browser's: without an Origin the call passes", async () => {
    expect((await user.chat(chat)).status).toBe(200);
  });
});

describe("allowed origins", () => {
  const cases: [string, string, boolean][] = [
    ["https://*-team.vercel.app", "https://app-team.vercel.app", true],
    ["https://*-team.vercel.app", "https://a-b-c-team.vercel.app", true],
    ["https://*-team.vercel.app", "https://evil.com-team.vercel.app", false],
    ["https://*-team.vercel.app", "https://app-team.vercel.app.evil.com", false],
    ["https://*-team.vercel.app", "http://app-team.vercel.app", false],
    ["https://*-team.vercel.app", "https://app-team.vercel.app:444", false],
    ["https://*.example.com", "https://a.example.com", true],
    ["https://*.example.com", "https://a.b.example.com", false],
    ["https://*.example.com", "https://example.com", false],
    ["http://localhost:5173", "http://localhost:5173", true],
    ["http://localhost:5173", "http://localhost:5174", false],
  ];
  it.each(cases)("%s and the page %s: %s", async (pattern, origin, allowed) => {
    const one = await Project.create({ settings: { allowed_origins: [pattern] }, providers: { main: upstream.url } });
    const answer = await (await one.user()).chat(chat, { headers: { origin } });
    expect(answer.status, answer.text).toBe(allowed ? 200 : 403);
  });

  it.each(["", "https://*", "https://*.*.com", "https://a*b*.com", "https://*.com/path", "ftp://a.example", "https://user@a.example"])("%s is no pattern the settings take", async (pattern) => {
    expectError(await project.admin("/settings", { method: "PUT", body: { allowed_origins: [pattern] } }), 400, "validation_error");
  });
});

describe("a preflight", () => {
  const STAINLESS = "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout,x-thread-id,x-anything-new";
  const preflight = (path: string, headers: Record<string, string>) => call(`${user.base}${path}`, { method: "OPTIONS", headers });

  it.each(["/v1/chat/completions", "/v1/v1/chat/completions", "/v1/embeddings", "/v1/v1/embeddings", "/v1/moderations", "/v1/models/org/m", "/v1/threads/abc", "/v1/models", "/v1/usage", "/v1/nope"])("of %s is answered before anyone is known", async (path) => {
    const answer = await preflight(path, { origin: "https://anyone.example", "access-control-request-method": "POST", "access-control-request-headers": STAINLESS });
    expect(answer.status).toBe(204);
    expect(answer.text).toBe("");
    expect(answer.headers.get("access-control-allow-origin")).toBe("https://anyone.example");
    const allowed = answer.headers.get("access-control-allow-headers")!.toLowerCase().split(/, */);
    expect(allowed).toEqual(expect.arrayContaining(STAINLESS.split(",")));
    expect(answer.headers.get("access-control-allow-methods")).toMatch(/POST/);
    expect(answer.headers.get("access-control-max-age")).toBe("7200");
    expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
    expect(answer.headers.get("vary")?.toLowerCase()).toContain("access-control-request-headers");
  });

  it("allows PATCH and DELETE for threads", async () => {
    const answer = await preflight("/v1/threads/x", { origin: ORIGIN, "access-control-request-method": "DELETE" });
    expect(answer.headers.get("access-control-allow-methods")).toMatch(/DELETE/);
    expect(answer.headers.get("access-control-allow-methods")).toMatch(/PATCH/);
  });

  it("OPTIONS that is no preflight is not an error", async () => {
    expect((await preflight("/v1/chat/completions", {})).status).toBe(204);
  });
});
