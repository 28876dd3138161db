// POST /v1/chat/completions, streamed: event data byte for byte, one strict framing whatever the provider's was, usage asked for and hidden.
import { beforeAll, describe, expect, it } from "vitest";
import { expectIds, expectLimitHeaders } from "../support/contract.ts";
import { Project, type User } from "../support/project.ts";
import { rawMembers } from "../support/raw-json.ts";
import { chunk, DONE, event, EVENT_STREAM, FINISH, stream, streamed, USAGE, usageChunk, words, type Step } from "../support/script.ts";
import { frames, readStream } from "../support/sse.ts";
import { Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let user: User;
beforeAll(async () => {
  upstream = await Upstream.start(undefined);
  user = await (await Project.create({ providers: { main: upstream.url } })).user();
});
const ask = (more: object = {}) => ({ model: "test-model", stream: true, messages: [{ role: "user", content: "x" }], ...more });

describe("a streamed reply", () => {
  it("has the contract's headers, ends with [DONE] and arrives whole", async () => {
    upstream.answer(streamed("The quick brown fox, ünïcode 🌊."));
    const { response, text, done, events } = await readStream(await user.open(ask(), { headers: { "x-session-id": "s1", "x-thread-id": "t1" } }));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect(response.headers.get("cache-control")).toMatch(/no-cache|no-store/);
    expectIds(response.headers);
    expectLimitHeaders(response.headers);
    expect(["x-session-id", "x-thread-id", "x-behest-model", "x-behest-provider"].map((name) => response.headers.get(name))).toEqual(["s1", "t1", "test-model", "main"]);
    expect({ text, done }).toEqual({ text: "The quick brown fox, ünïcode 🌊.", done: true });
    expect(events.every((one) => one.choices.length === 1)).toBe(true);
  });

  it("has byte-identical event data", async () => {
    const odd = [
      String.raw`{"id":"x", "choices":[{"index":0,"delta":{"role":"assistant","content":"caf\u00e9 \/ \ud83c\udf0a"},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"r","n":1.0},"service_tier":null}`,
      `{"choices":[{"index":0,"delta":{"content":"\u2028 \u0085 é"},"finish_reason":null}],"obfuscation":"aaaa"}`,
      `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}] }`,
      `{"choices":[{"delta":{},"index":0,"finish_reason":"tool_calls"}], "created":1.7e9}`,
    ];
    upstream.answer(stream([...odd.map((one) => event(one)), DONE]));
    expect((await readStream(await user.open(ask()))).data).toEqual([...odd, "[DONE]"]);
  });

  it("is not held back: the provider sends each event only after the client has the one before", async () => {
    const events = [...words("one two three four"), FINISH];
    const seen = events.map(() => Promise.withResolvers<void>());
    const steps: Step[] = events.flatMap((send, n) => [{ send }, { until: () => seen[n].promise }]);
    upstream.answer({ headers: EVENT_STREAM, steps: [...steps, { send: DONE }] });
    let arrived = 0;
    for await (const { data } of frames(await user.open(ask()))) if (data && data !== "[DONE]") seen[arrived++].resolve();
    expect(arrived).toBe(events.length);
  });

  const [hello] = [event(chunk({ content: "hé🌊llo" }))];
  const bytes = Buffer.from(hello + FINISH + DONE);
  const framings: [string, (string | Uint8Array)[]][] = [
    ["CR LF", [(hello + FINISH + DONE).replaceAll("\n", "\r\n")]],
    ["lone CR", [(hello + FINISH + DONE).replaceAll("\n", "\r")]],
    ["no space after data:", [(hello + FINISH + DONE).replaceAll("data: ", "data:")]],
    ["comments and retry between", [`: OPENROUTER PROCESSING\n\n${hello}:x\n\nretry: 5\n\n${FINISH}${DONE}`]],
    ["event and id fields", [`event: message\nid: 7\n${hello}${FINISH}${DONE}`]],
    ["a byte-order mark", [`\uFEFF${hello}${FINISH}${DONE}`]],
    ["one byte a write", [...bytes].map((byte) => Uint8Array.of(byte))],
    ["a cut inside a character", [bytes.subarray(0, bytes.indexOf("🌊") + 2), bytes.subarray(bytes.indexOf("🌊") + 2)]],
    ["everything in one write", [bytes]],
    ["no empty line after [DONE]", [`${hello}${FINISH}data: [DONE]`]],
  ];
  it.each(framings)("is framed the one way when the provider's framing is: %s", async (_name, sent) => {
    upstream.answer(stream(sent));
    const { text, done, data } = await readStream(await user.open(ask()));
    expect({ text, done }).toEqual({ text: "hé🌊llo", done: true });
    expect(data[0]).toBe(hello.slice(6, -2));
  });

  it("puts data that came in several lines on one", async () => {
    upstream.answer(stream([`data: {"choices":[{"index":0,\ndata: "delta":{"content":"two lines"}}]}\n\n${FINISH}${DONE}`]));
    const { text, done } = await readStream(await user.open(ask()));
    expect({ text, done }).toEqual({ text: "two lines", done: true });
  });

  it("carries tool calls and several choices through", async () => {
    const parts = [0, 1].map((index) => event({ choices: [{ index, delta: { content: `c${index}` } }] }));
    upstream.answer(stream([...parts, FINISH, DONE]));
    const { events } = await readStream(await user.open(ask({ n: 2 })));
    expect(events.slice(0, 2).map((one) => one.choices[0].index)).toEqual([0, 1]);
  });
});

describe("usage", () => {
  const withUsage = () => stream([...words("hi"), FINISH, event(usageChunk()), DONE]);

  const cases: [string, object | undefined, boolean][] = [
    ["nothing", undefined, false],
    ["include_usage false", { include_usage: false }, false],
    ["another stream option", { include_obfuscation: false }, false],
    ["include_usage", { include_usage: true }, true],
    ["include_usage and another", { include_obfuscation: false, include_usage: true }, true],
  ];
  it.each(cases)("is always asked of the provider; a client that asked for %s sees it only if it wanted it", async (_name, stream_options, wanted) => {
    upstream.answer(withUsage());
    const { events, done } = await readStream(await user.open(ask(stream_options ? { stream_options } : {})));
    expect(upstream.last.body.stream_options).toEqual({ ...stream_options, include_usage: true });
    expect(done).toBe(true);
    const seen = events.filter((one) => one.choices.length === 0);
    expect(seen.map((one) => one.usage)).toEqual(wanted ? [USAGE] : []);
  });

  it("in a chunk that also carries content does not take the content away", async () => {
    upstream.answer(stream([event({ ...chunk({ content: "kept" }), usage: USAGE }), event({ ...chunk({}, "stop"), usage: USAGE }), DONE]));
    const { text, done } = await readStream(await user.open(ask()));
    expect({ text, done }).toEqual({ text: "kept", done: true });
  });

  it("is the only thing that changes in the request", async () => {
    upstream.answer(withUsage());
    const body = String.raw`{"stream":true,"temperature":1.0,"messages":[{"role":"user","content":"\u00e9"}],"model":"test-model","x":[1.0]}`;
    await readStream(await user.open(body));
    const sent = rawMembers(upstream.last.raw.toString("utf8"));
    expect(JSON.parse(sent.get("stream_options")!)).toEqual({ include_usage: true });
    sent.delete("stream_options");
    expect(sent).toEqual(rawMembers(body));
  });

  it("is not asked for in a call that does not stream", async () => {
    upstream.answer({ headers: { "content-type": "application/json" }, steps: [{ send: '{"choices":[]}' }] });
    await user.chat();
    expect(upstream.last.body).not.toHaveProperty("stream_options");
  });
});

describe("odd answers to a streamed call", () => {
  it("a provider that answers in JSON though asked to stream does not break the client's framing", async () => {
    upstream.answer({ headers: { "content-type": "application/json" }, steps: [{ send: JSON.stringify({ choices: [{ index: 0, message: { role: "assistant", content: "whole" }, finish_reason: "stop" }] }) }] });
    const response = await user.open(ask());
    // Either the client is told that the provider failed, or it gets a stream; never JSON called a stream, never silence.
    if (response.status === 200) expect((await readStream(response)).text).toBe("whole");
    else expect(response.status).toBe(502);
  });

  it("headers of the provider's do not leak", async () => {
    upstream.answer({ headers: { ...EVENT_STREAM, "set-cookie": "a=b", "openai-organization": "org-secret", "x-ratelimit-remaining-requests": "1", "x-request-id": "theirs", server: "them" }, steps: [{ send: words("hi").join("") + FINISH + DONE }] });
    const { response } = await readStream(await user.open(ask()));
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(response.headers.get("openai-organization")).toBeNull();
    expect(response.headers.get("x-request-id")).not.toBe("theirs");
    expect(Number(response.headers.get("x-ratelimit-remaining-requests"))).toBeGreaterThan(1);
  });
});
