// An upstream that fails after its first event: what was said so far, then one error event, no [DONE], a clean close.
// Always holds: what was generated is billed, and the user's next call works.
import { describe, expect, it } from "vitest";
import { expectErrorBody } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { chunk, DONE, event, EVENT_STREAM, FINISH, type Step, usageChunk, words } from "../support/script.ts";
import { readStream } from "../support/sse.ts";
import { Upstream } from "../support/upstream.ts";

interface Fault {
  name: string;
  /** What follows the words "so far". */
  then: Step[];
  code: string;
}

const FAULTS: Fault[] = [
  { name: "hangs in the stream", then: [{ hang: true }], code: "upstream_timeout" },
  { name: "resets in the stream", then: [{ wait: 50 }, { reset: true }], code: "upstream_error" },
  { name: "resets inside an event", then: [{ send: 'data: {"choices":[{"ind' }, { wait: 50 }, { reset: true }], code: "upstream_error" },
  { name: "ends without [DONE] and without a finish reason", then: [], code: "upstream_error" },
  // Only [DONE] is the end: a finish reason may still be followed by usage that never came.
  { name: "ends without [DONE] after a finish reason", then: [{ send: FINISH + event(usageChunk()) }], code: "upstream_error" },
  { name: "ends inside an event", then: [{ send: 'data: {"choices":[{"index":0,' }], code: "upstream_error" },
  { name: "ends inside a character", then: [{ send: Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"🌊').subarray(0, -2) }], code: "upstream_error" },
  { name: "sends an error event", then: [{ send: event({ error: { message: "the model fell over", type: "server_error", code: "boom" } }) }], code: "upstream_error" },
  { name: "sends an error event and goes on", then: [{ send: event({ error: { message: "x", code: "boom" } }) + event(chunk({ content: " never seen" })) + FINISH + DONE }], code: "upstream_error" },
  { name: "sends a frame of garbage", then: [{ send: "data: {this is not json\n\n" }, { send: event(chunk({ content: " never seen" })) + FINISH + DONE }], code: "upstream_error" },
  { name: "sends a frame that is a bare number", then: [{ send: "data: 42\n\n" + FINISH + DONE }], code: "upstream_error" },
  { name: "sends bytes that are not UTF-8", then: [{ send: Buffer.concat([Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}}]}\n\n')]) }, { send: FINISH + DONE }], code: "upstream_error" },
];

describe("an upstream that", () => {
  it.concurrent.each(FAULTS)("$name: the text so far, one $code event, no [DONE]", async ({ then, code }) => {
    const upstream = await Upstream.start({ headers: EVENT_STREAM, steps: [{ send: words("so far").join("") }, { wait: 30 }, ...then] });
    const project = await Project.create({ settings: { routing: { timeout_ms: 1_500, retries: 0 } }, providers: { main: upstream.url } });
    const user = await project.user();
    const started = Date.now();
    const response = await user.open({ model: "m", stream: true, messages: [{ role: "user", content: "x" }] });
    expect(response.status).toBe(200);
    const { text, done, data, error } = await readStream(response);
    expect(Date.now() - started).toBeLessThan(8_000);
    expect({ text, done }).toEqual({ text: "so far", done: false });
    expect(data.filter((one) => one.includes('"error"')).length).toBe(1);
    expectErrorBody(JSON.parse(data.at(-1)!), code);
    expect(error.message).not.toContain("127.0.0.1");

    upstream.answer({ headers: EVENT_STREAM, steps: [{ send: words("again").join("") + FINISH + DONE }] });
    expect((await readStream(await user.open({ model: "m", stream: true, messages: [{ role: "user", content: "x" }] }))).done).toBe(true);
  });

  it("goes on talking after [DONE]: the client's stream ends at [DONE]", async () => {
    const upstream = await Upstream.start({ headers: EVENT_STREAM, steps: [{ send: words("enough").join("") + FINISH + DONE + event(chunk({ content: " more" })) }, { wait: 200 }, { send: event(chunk({ content: " more" })) }, { hang: true }] });
    const user = await (await Project.create({ settings: { routing: { timeout_ms: 5_000 } }, providers: { main: upstream.url } })).user();
    const { text, done } = await readStream(await user.open({ model: "m", stream: true, messages: [{ role: "user", content: "x" }] }));
    expect({ text, done }).toEqual({ text: "enough", done: true });
  });
});
