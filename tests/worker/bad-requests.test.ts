// Requests that are wrong: each is refused with the reason and the field, in the one error shape, before a provider hears of it.
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { call, Project, type User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let user: User;
beforeAll(async () => {
  upstream = await Upstream.start(completion("hi"));
  user = await (await Project.create({ providers: { main: upstream.url } })).user();
});

const bytes = (text: string) => new TextEncoder().encode(text);
const messages = [{ role: "user", content: "x" }];

describe("a chat body", () => {
  const bad: [string, unknown, string | null][] = [
    ["without messages", { model: "m" }, "messages"],
    ["with messages that are text", { model: "m", messages: "hello" }, "messages"],
    ["with no message in messages", { model: "m", messages: [] }, "messages"],
    ["with a message that is text", { model: "m", messages: ["hello"] }, "messages"],
    ["with a message without a role", { model: "m", messages: [{ content: "x" }] }, "messages"],
    ["with a role that is a number", { model: "m", messages: [{ role: 1, content: "x" }] }, "messages"],
    ["with a model that is a number", { model: 5, messages }, "model"],
    ["with stream as text", { model: "m", stream: "true", messages }, "stream"],
    ["with stream_options as text", { model: "m", stream: true, stream_options: "usage", messages }, "stream_options"],
    ["that is a list", [], null],
    ["that is null", bytes("null"), null],
  ];
  it.each(bad)("%s is a 400 that names it", async (_name, body, param) => {
    const asked = upstream.journal.length;
    const error = expectError(await user.chat(body), 400, "validation_error");
    if (param) expect(error.param).toMatch(new RegExp(`^${param}`));
    expect(upstream.journal.length).toBe(asked);
  });

  const broken: [string, string | Uint8Array, RegExp][] = [
    ["is cut short", '{"model":"m",\n"messages":[', /line 2/],
    ["has a trailing comma", '{"model":"m",}', /line 1, column 1\d/],
    ["has single quotes", "{'model':'m'}", /line 1, column 2/],
    ["is empty", bytes(" "), /./],
    ["is not UTF-8", Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /./],
    ["has NaN", '{"model":"m","messages":[],"temperature":NaN}', /line 1/],
    ["goes on after its end", '{"model":"m","messages":[{"role":"user","content":"x"}]} x', /line 1/],
    ["is nested a hundred thousand deep", `{"model":"m","messages":${"[".repeat(100_000)}`, /./],
    ["has an unknown member nested a hundred thousand deep", `{"model":"m","messages":[{"role":"user","content":"x"}],"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, /./],
  ];
  it.each(broken)("that %s is a 400 that says where", async (_name, body, where) => {
    expect(expectError(await user.chat(body, {}), 400, "validation_error").message).toMatch(where);
  });

  const ids: [string, string][] = [["too long", "x".repeat(129)], ["with a space", "a b"], ["with a tab", "a\tb"], ["beyond ASCII", "caf\u00e9"], ["empty", ""]];
  for (const header of ["x-thread-id", "x-session-id"]) {
    it.each(ids)(`with a ${header} that is %s is a 400 that names it`, async (_name, value) => {
      const answer = await user.chat("x", { headers: { [header]: value } });
      // An empty header is as good as none.
      if (value === "" && answer.status === 200) return;
      expect(expectError(answer, 400, "validation_error").param?.toLowerCase()).toBe(header);
    });
    it(`with a ${header} of 128 odd but visible characters is good`, async () => {
      const id = `!~"#/%\\[]{}|:${"x".repeat(115)}`;
      expect(id.length).toBe(128);
      const answer = await user.chat("x", { headers: { [header]: id } });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.headers.get(header)).toBe(id);
    });
  }
});

describe("size", () => {
  const sized = (bytes: number) => {
    const frame = JSON.stringify({ model: "m", messages: [{ role: "user", content: "" }] });
    return frame.replace('""', `"${"a".repeat(bytes - frame.length)}"`);
  };

  it("just under 10 MB passes, whole", async () => {
    const body = sized(10_000_000);
    const answer = await user.chat(body, { timeout: 25_000 });
    expect(answer.status, answer.text.slice(0, 300)).toBe(200);
    expect(upstream.last.raw.length).toBe(body.length);
  });

  it("over 10 MB is 413", async () => {
    const asked = upstream.journal.length;
    expectError(await user.chat(sized(10 * 1024 * 1024 + 1), { timeout: 25_000 }), 413, "payload_too_large");
    expect(upstream.journal.length).toBe(asked);
  });

  it("over 10 MB without a content-length is 413 too", async () => {
    const bytes = new TextEncoder().encode(sized(11 * 1024 * 1024));
    const body = new ReadableStream({ start(controller) { for (let at = 0; at < bytes.length; at += 65_536) controller.enqueue(bytes.subarray(at, at + 65_536)); controller.close(); } });
    const response = await fetch(`${user.base}/v1/chat/completions`, { method: "POST", body, duplex: "half", headers: { "content-type": "application/json", authorization: `Bearer ${user.token}` }, signal: AbortSignal.timeout(25_000) } as RequestInit);
    const text = await response.text();
    expectError({ status: response.status, headers: response.headers, text, json: JSON.parse(text) }, 413, "payload_too_large");
  });

  it("over 10 MB is 413 for mint as well, or a plain refusal of the field", async () => {
    const project = await Project.create();
    const answer = await project.mint({ user_id: "u".repeat(11 * 1024 * 1024) }, { timeout: 25_000 });
    expectError(answer, 413, "payload_too_large");
  });
});

describe("routes", () => {
  const unknown = ["/v1/nope", "/v1/chat", "/v1/chat/completions/x", "/v1/threads/a/b/c", "/v1/auth", "/v2/chat/completions", "/.well-known/nope"];
  it.each(unknown)("%s is a JSON 404", async (path) => {
    expectError(await user.get(path), 404, "not_found");
    expectError(await call(`${user.base}${path}`, { method: "POST", body: {} }), 404, "not_found");
  });

  const wrong: [string, string, string][] = [
    ["GET", "/v1/chat/completions", "POST"], ["DELETE", "/v1/chat/completions", "POST"], ["GET", "/v1/auth/mint", "POST"], ["POST", "/v1/threads", "GET"],
    ["PUT", "/v1/threads/x", "GET"], ["POST", "/v1/models", "GET"], ["POST", "/healthz", "GET"], ["DELETE", "/v1/projects", "POST"], ["POST", "/.well-known/jwks.json", "GET"],
  ];
  it.each(wrong)("%s %s is a 405 that says what is allowed", async (method, path, allowed) => {
    const answer = await user.get(path, { method });
    expectError(answer, 405, "method_not_allowed");
    expect((answer.headers.get("allow") ?? "").split(/, */)).toContain(allowed);
  });

  it("/healthz is open and cheap", async () => {
    const answer = await call(`${user.base}/healthz`);
    expect(answer.status).toBe(200);
    expect(answer.json).toBeTruthy();
  });
});
