// An upstream that fails before its first event: each fault by name, with exactly what the client sees, streamed and not.
// Always holds: a failed call is never billed as used, the provider's secrets and addresses are in no answer, and the next call works.
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { expectError, expectLimitHeaders } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { chunk, completion, DONE, event, EVENT_STREAM, FINISH, json, type Script, streamed } from "../support/script.ts";
import { readStream } from "../support/sse.ts";
import { Upstream } from "../support/upstream.ts";

const CANARY = "sk-upstream-0001";
const error = (message: string, code: string) => ({ error: { message, type: "some_error", param: null, code } });

interface Fault {
  name: string;
  script: Script;
  status: number;
  code: string;
  /** Headers the client must see. */
  headers?: Record<string, string>;
  message?: RegExp;
}

const FAULTS: Fault[] = [
  { name: "401, which is ours to mend, not the client's", script: json(error(`Incorrect API key provided: ${CANARY}`, "invalid_api_key"), 401), status: 502, code: "upstream_error" },
  { name: "403", script: json(error("no access", "forbidden"), 403), status: 502, code: "upstream_error" },
  { name: "429 with retry-after", script: json(error("slow down", "rate_limit_exceeded"), 429, { "retry-after": "7" }), status: 429, code: "rate_limited", headers: { "retry-after": "7" } },
  { name: "429 with retry-after-ms", script: json(error("slow down", "rate_limit_exceeded"), 429, { "retry-after-ms": "2500", "retry-after": "3" }), status: 429, code: "rate_limited", headers: { "retry-after": "3" } },
  { name: "429 without a hint", script: json(error("slow down", "x"), 429), status: 429, code: "rate_limited", headers: {} },
  { name: "400, which is the client's", script: json(error("max_tokens is too large", "invalid_value"), 400), status: 400, code: "validation_error", message: /max_tokens is too large/ },
  { name: "404 for the model", script: json(error("The model does not exist", "model_not_found"), 404), status: 404, code: "model_not_found" },
  { name: "500", script: json(error("boom", "server_error"), 500), status: 502, code: "upstream_error" },
  { name: "503", script: json(error("overloaded", "overloaded"), 503, { "retry-after": "4" }), headers: { "retry-after": "4" }, status: 503, code: "upstream_error" },
  { name: "a page of HTML with 502", script: { status: 502, headers: { "content-type": "text/html" }, steps: [{ send: `<html>nginx ${CANARY}</html>` }] }, status: 502, code: "upstream_error" },
  { name: "a page of HTML with 200", script: { status: 200, headers: { "content-type": "text/html" }, steps: [{ send: "<html>Sign in</html>" }] }, status: 502, code: "upstream_error" },
  { name: "an empty body", script: { status: 200, headers: { "content-type": "application/json" }, steps: [] }, status: 502, code: "upstream_error" },
  { name: "an empty body and 500", script: { status: 500, steps: [] }, status: 502, code: "upstream_error" },
  { name: "JSON cut short", script: json('{"choices":[{"index":0,"mess'), status: 502, code: "upstream_error" },
  { name: "an error object with 200", script: json(error("inner failure", "boom")), status: 502, code: "upstream_error" },
  { name: "204", script: { status: 204, steps: [] }, status: 502, code: "upstream_error" },
  { name: "no headers in time", script: { steps: [{ hang: true }] }, status: 504, code: "upstream_timeout" },
  { name: "headers in time and then nothing", script: { headers: { "content-type": "application/json" }, steps: [{ flush: true }, { hang: true }] }, status: 504, code: "upstream_timeout" },
  { name: "a reset before the headers", script: { steps: [{ reset: true }] }, status: 502, code: "upstream_error" },
  { name: "a reset inside the body", script: { headers: { "content-type": "application/json", "content-length": "500" }, steps: [{ send: '{"choices":[' }, { wait: 30 }, { reset: true }] }, status: 502, code: "upstream_error" },
];

/** The same, where the first frame of a stream is what is bad: the status must still be a real one. */
const STREAM_FAULTS: Fault[] = [
  { name: "an event stream without an event", script: { headers: EVENT_STREAM, steps: [] }, status: 502, code: "upstream_error" },
  { name: "an event stream that hangs at once", script: { headers: EVENT_STREAM, steps: [{ flush: true }, { hang: true }] }, status: 504, code: "upstream_timeout" },
  { name: "an error as the first event", script: { headers: EVENT_STREAM, steps: [{ send: event(error("no capacity", "overloaded")) }] }, status: 503, code: "upstream_error" },
  { name: "garbage as the first event", script: { headers: EVENT_STREAM, steps: [{ send: "data: {not json\n\n" }, { send: FINISH + DONE }] }, status: 502, code: "upstream_error" },
  { name: "a reset before the first event", script: { headers: EVENT_STREAM, steps: [{ flush: true }, { wait: 30 }, { reset: true }] }, status: 502, code: "upstream_error" },
];

async function check(fault: Fault, streaming: boolean): Promise<void> {
  const upstream = await Upstream.start(fault.script);
  const project = await Project.create({ settings: { routing: { timeout_ms: 1_500, retries: 0 }, limits: { user_tokens_per_day: 1_000_000 } }, providers: { main: upstream.url } });
  const user = await project.user();
  const started = Date.now();
  const answer = await user.chat({ model: "m", stream: streaming, max_tokens: 1_000, messages: [{ role: "user", content: "x" }] });
  const failure = expectError(answer, fault.status, fault.code);
  expect(Date.now() - started, "milliseconds until the client knew").toBeLessThan(5_000);
  if (fault.message) expect(failure.message).toMatch(fault.message);
  for (const [name, value] of Object.entries(fault.headers ?? {})) expect(answer.headers.get(name), name).toBe(value);
  expect(answer.text).not.toContain(CANARY);
  expect(answer.text).not.toContain(upstream.origin);
  expect(answer.text).not.toContain("127.0.0.1");
  expectLimitHeaders(answer.headers);

  upstream.answer((exchange) => (exchange.body.stream ? streamed("well again") : completion("well again")));
  const next = await user.chat({ model: "m", max_tokens: 10, messages: [{ role: "user", content: "x" }] });
  expect(next.status, next.text).toBe(200);
  expect(next.json.choices[0].message.content).toBe("well again");
  expect(expectLimitHeaders(next.headers).remaining.tokens, "tokens left after a failed call").toBeGreaterThan(999_000);
}

describe("an upstream that answers with", () => {
  it.concurrent.each(FAULTS)("$name: a call is $status $code", (fault) => check(fault, false));
  it.concurrent.each([...FAULTS.filter(({ script }) => script.status !== 200 || script.steps.length > 0), ...STREAM_FAULTS])("$name: a streamed call is $status $code", (fault) => check(fault, true));
});

describe("an upstream that redirects", () => {
  it.each([301, 302, 303, 307, 308])("with %i is not followed: the other host hears nothing", async (status) => {
    const other = await Upstream.start(completion("stolen"));
    const upstream = await Upstream.start({ status, headers: { location: `${other.url}/chat/completions` }, steps: [] });
    const user = await (await Project.create({ providers: { main: upstream.url } })).user();
    for (const stream of [false, true]) {
      const answer = await user.chat({ model: "m", stream, messages: [{ role: "user", content: "x" }] });
      expectError(answer, 502, "upstream_error");
      expect(answer.headers.get("location")).toBeNull();
      expect(answer.text).not.toContain(other.origin);
    }
    expect(other.journal).toEqual([]);
  });
});

describe("an upstream that is unusual, not wrong,", () => {
  it("sends CORS headers of its own: they do not pass", async () => {
    const upstream = await Upstream.start({ ...completion("hi"), headers: { "content-type": "application/json", "access-control-allow-origin": "*", "access-control-allow-credentials": "true", "access-control-expose-headers": "x-theirs", vary: "X-Theirs" } });
    const user = await (await Project.create({ settings: { allowed_origins: ["https://a.example"] }, providers: { main: upstream.url } })).user();
    const { headers, status } = await user.chat("x", { headers: { origin: "https://a.example" } });
    expect(status).toBe(200);
    expect(headers.get("access-control-allow-origin")).toBe("https://a.example");
    expect(headers.get("access-control-allow-credentials")).toBeNull();
    expect(headers.get("access-control-expose-headers")).not.toContain("x-theirs");
    const bare = await user.chat("x");
    expect(bare.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("sends 5 MB in one event: it arrives whole", async () => {
    const content = "0123456789abcdef".repeat(5 * 65_536);
    const upstream = await Upstream.start({ headers: EVENT_STREAM, steps: [{ send: event(chunk({ content })) }, { send: FINISH + DONE }] });
    const user = await (await Project.create({ providers: { main: upstream.url } })).user();
    const { text, done } = await readStream(await user.open({ model: "m", stream: true, messages: [{ role: "user", content: "x" }] }));
    expect(done).toBe(true);
    expect(text.length).toBe(content.length);
    expect(text === content).toBe(true);
  });

  it("sends 5 MB in one whole answer: it arrives whole", async () => {
    const content = "0123456789abcdef".repeat(5 * 65_536);
    const upstream = await Upstream.start(completion(content));
    const user = await (await Project.create({ providers: { main: upstream.url } })).user();
    expect((await user.chat()).json.choices[0].message.content === content).toBe(true);
  });

  it("compresses its answer: the client can read it", async () => {
    const plain = JSON.stringify({ choices: [{ index: 0, message: { role: "assistant", content: "small" }, finish_reason: "stop" }] });
    const upstream = await Upstream.start({ headers: { "content-type": "application/json", "content-encoding": "gzip" }, steps: [{ send: gzipSync(plain) }] });
    const user = await (await Project.create({ providers: { main: upstream.url } })).user();
    expect((await user.chat()).text).toBe(plain);
  });
});
