// X-Thread-Id: what the model is sent and what is stored, for clients that send only what is new and for clients that send everything.
// Always holds: the model never sees the history twice; what was answered is stored when the client has the whole answer.
import { describe, expect, it } from "vitest";
import { chunk, DONE, event, EVENT_STREAM, FINISH, json, reply, type Step, words } from "../support/script.ts";
import { frames, readStream } from "../support/sse.ts";
import { type Json, Project } from "../support/project.ts";
import { Conversation, says } from "../support/thread.ts";
import { eventually, Upstream } from "../support/upstream.ts";

interface Turn {
  sends: string[];
  /** What the model must be sent; the reply to turn n is `rn`. */
  model: string[];
}
interface Case {
  name: string;
  turns: Turn[];
  stored: string[];
}

const CASES: Case[] = [
  {
    name: "a client that sends only what is new",
    turns: [
      { sends: ["user: a"], model: ["user: a"] },
      { sends: ["user: b"], model: ["user: a", "assistant: r1", "user: b"] },
      { sends: ["user: c"], model: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c"] },
    ],
    stored: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c", "assistant: r3"],
  },
  {
    name: "a client that sends everything each time",
    turns: [
      { sends: ["user: a"], model: ["user: a"] },
      { sends: ["user: a", "assistant: r1", "user: b"], model: ["user: a", "assistant: r1", "user: b"] },
      { sends: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c"], model: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c"] },
    ],
    stored: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c", "assistant: r3"],
  },
  {
    name: "a client that changes its habit",
    turns: [
      { sends: ["user: a"], model: ["user: a"] },
      { sends: ["user: b"], model: ["user: a", "assistant: r1", "user: b"] },
      { sends: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c"], model: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c"] },
    ],
    stored: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c", "assistant: r3"],
  },
  {
    name: "the same words twice, sent only as new",
    turns: [
      { sends: ["user: yes"], model: ["user: yes"] },
      { sends: ["user: yes"], model: ["user: yes", "assistant: r1", "user: yes"] },
      { sends: ["user: yes"], model: ["user: yes", "assistant: r1", "user: yes", "assistant: r2", "user: yes"] },
    ],
    stored: ["user: yes", "assistant: r1", "user: yes", "assistant: r2", "user: yes", "assistant: r3"],
  },
  {
    name: "a regenerated reply",
    turns: [
      { sends: ["user: a"], model: ["user: a"] },
      { sends: ["user: a", "assistant: r1", "user: b"], model: ["user: a", "assistant: r1", "user: b"] },
      { sends: ["user: a", "assistant: r1", "user: b"], model: ["user: a", "assistant: r1", "user: b"] },
    ],
    stored: ["user: a", "assistant: r1", "user: b", "assistant: r3"],
  },
  {
    name: "an edited message",
    turns: [
      { sends: ["user: a"], model: ["user: a"] },
      { sends: ["user: a", "assistant: r1", "user: b"], model: ["user: a", "assistant: r1", "user: b"] },
      { sends: ["user: a", "assistant: r1", "user: changed"], model: ["user: a", "assistant: r1", "user: changed"] },
    ],
    stored: ["user: a", "assistant: r1", "user: changed", "assistant: r3"],
  },
  {
    name: "an edit far back",
    turns: [
      { sends: ["user: a"], model: ["user: a"] },
      { sends: ["user: b"], model: ["user: a", "assistant: r1", "user: b"] },
      { sends: ["user: c"], model: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c"] },
      { sends: ["user: a", "assistant: r1", "user: B"], model: ["user: a", "assistant: r1", "user: B"] },
    ],
    stored: ["user: a", "assistant: r1", "user: B", "assistant: r4"],
  },
  {
    name: "system messages, which are neither stored nor compared",
    turns: [
      { sends: ["system: one", "user: a"], model: ["system: one", "user: a"] },
      { sends: ["system: two", "user: b"], model: ["system: two", "user: a", "assistant: r1", "user: b"] },
      { sends: ["system: three", "user: a", "assistant: r1", "user: b", "assistant: r2", "user: c"], model: ["system: three", "user: a", "assistant: r1", "user: b", "assistant: r2", "user: c"] },
    ],
    stored: ["user: a", "assistant: r1", "user: b", "assistant: r2", "user: c", "assistant: r3"],
  },
  {
    name: "a thread that begins with a whole history",
    turns: [
      { sends: ["user: a", "assistant: x", "user: b"], model: ["user: a", "assistant: x", "user: b"] },
      { sends: ["user: c"], model: ["user: a", "assistant: x", "user: b", "assistant: r1", "user: c"] },
    ],
    stored: ["user: a", "assistant: x", "user: b", "assistant: r1", "user: c", "assistant: r2"],
  },
];

describe("a thread", () => {
  for (const streaming of [false, true]) {
    it.concurrent.each(CASES)(`of $name, ${streaming ? "streamed" : "whole"}`, async ({ turns, stored }) => {
      const talk = await Conversation.start();
      for (const [n, turn] of turns.entries()) {
        expect(await talk.send(turn.sends, streaming)).toBe(`r${n + 1}`);
        expect(talk.seen(), `what the model was sent in turn ${n + 1}`).toEqual(turn.model);
      }
      expect(await talk.stored()).toEqual(stored);
    });
  }

  it("is stored the moment the client has its whole answer", async () => {
    const talk = await Conversation.start();
    for (let n = 1; n <= 8; n++) {
      await talk.send([`user: m${n}`], n % 2 === 0);
      expect((await talk.stored()).slice(-2)).toEqual([`user: m${n}`, `assistant: r${n}`]);
    }
  });

  it("carries tool calls and their results", async () => {
    const talk = await Conversation.start();
    const call = { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo", "n":1.0}' } };
    talk.upstream.answer(json({ choices: [{ index: 0, message: { role: "assistant", content: null, tool_calls: [call] }, finish_reason: "tool_calls" }] }));
    const headers = { "x-thread-id": talk.thread };
    await talk.user.chat({ model: "m", messages: [says("user: weather?")] }, { headers });
    const result = { role: "tool", tool_call_id: "call_1", content: "3 °C" };
    await talk.user.chat({ model: "m", messages: [result] }, { headers });
    const [question, called, answered] = talk.upstream.last.body.messages;
    expect(question).toEqual(says("user: weather?"));
    expect(called).toMatchObject({ role: "assistant", tool_calls: [call] });
    expect(answered).toEqual(result);
  });

  it("keeps content in parts as it was sent", async () => {
    const talk = await Conversation.start();
    const parts = [{ type: "text", text: "see" }, { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "low" } }];
    const headers = { "x-thread-id": talk.thread };
    await talk.user.chat({ model: "m", messages: [{ role: "user", content: parts }] }, { headers });
    await talk.user.chat({ model: "m", messages: [says("user: and?")] }, { headers });
    expect(talk.upstream.last.body.messages[0].content).toEqual(parts);
    expect((await talk.get("/messages")).json[0].content).toEqual(parts);
  });

  it("without X-Thread-Id stores nothing", async () => {
    const talk = await Conversation.start();
    await talk.user.chat("secret");
    expect((await talk.user.get("/v1/threads")).json).toEqual([]);
  });
});

describe("a reply that was cut", () => {
  it("by a client that left is stored as far as it got, marked, and continues either way", async () => {
    const talk = await Conversation.start();
    // It goes on with empty deltas: local workerd learns that a client is gone when it writes.
    const silence = Array.from({ length: 100 }, (): Step[] => [{ send: event(chunk({})) }, { wait: 50 }]).flat();
    talk.upstream.answer({ headers: EVENT_STREAM, steps: [{ send: words("one two three").join("") }, ...silence] });
    const leave = new AbortController();
    const response = await talk.user.open({ model: "m", stream: true, messages: [says("user: count")] }, { headers: { "x-thread-id": talk.thread }, signal: leave.signal });
    let seen = 0;
    for await (const { data } of frames(response)) if (data && ++seen === 4) break;
    leave.abort();
    const [question, cut] = await eventually("the cut reply is stored", async () => {
      const { json: list } = await talk.get("/messages");
      return Array.isArray(list) && list.length === 2 ? list : undefined;
    });
    expect(question).toMatchObject({ role: "user", content: "count" });
    expect(cut).toMatchObject({ role: "assistant", content: "one two three", incomplete: true });
    expect(question).not.toHaveProperty("incomplete");

    // The client saw a little less than we did, or a little more: one is the beginning of the other, so it is the same reply.
    talk.upstream.answer((exchange) => ({ headers: EVENT_STREAM, steps: [{ send: event(chunk({ content: `saw ${exchange.body.messages.length}` })) + FINISH + DONE }] }));
    await talk.send(["user: count", "assistant: one two", "user: go on"], true);
    expect((await talk.stored()).at(-2)).toBe("user: go on");
    expect((await talk.stored()).length).toBe(4);
  });

  it("by the upstream is stored as far as it got, marked", async () => {
    const talk = await Conversation.start({ routing: { timeout_ms: 700 } });
    talk.upstream.answer({ headers: EVENT_STREAM, steps: [{ send: words("so far").join("") }, { wait: 50 }, { reset: true }] });
    const { done, error } = await readStream(await talk.user.open({ model: "m", stream: true, messages: [says("user: x")] }, { headers: { "x-thread-id": talk.thread } }));
    expect({ done, code: error?.code }).toEqual({ done: false, code: "upstream_error" });
    const list = await eventually("the cut reply is stored", async () => {
      const { json: seen } = await talk.get("/messages");
      return Array.isArray(seen) && seen.length === 2 ? seen : undefined;
    });
    expect(list[1]).toMatchObject({ content: "so far", incomplete: true });
  });

  it("before its first word leaves no trace, so that a retry does not meet its own question", async () => {
    const talk = await Conversation.start();
    talk.upstream.answer(json({ error: { message: "boom" } }, 500));
    expect((await talk.user.chat({ model: "m", messages: [says("user: x")] }, { headers: { "x-thread-id": talk.thread } })).status).toBe(502);
    talk.upstream.answer((exchange) => json({ choices: [{ index: 0, message: { role: "assistant", content: `saw ${exchange.body.messages.length}` }, finish_reason: "stop" }] }));
    expect(await talk.send(["user: x"])).toBe("saw 1");
    expect(await talk.stored()).toEqual(["user: x", "assistant: saw 1"]);
  });
});

describe("what is larger than the platform carries as one value", () => {
  const MANY = 9 * 1024 * 1024;

  it("comes back from the thread whole: two photos and an emoji", { timeout: 60_000 }, async () => {
    const one = await Conversation.start();
    const photo = { role: "user", content: [{ type: "text", text: "😀" }, { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(MANY)}` } }] };
    for (const _turn of [1, 2]) {
      const answer = await one.user.open({ model: "m", messages: [photo] }, { headers: { "x-thread-id": one.thread } });
      expect(answer.status, await answer.text()).toBe(200);
    }
    await one.send(["user: which is larger?"]);
    const sent = one.upstream.last.body.messages;
    expect(sent.map(({ role }: { role: string }) => role)).toEqual(["user", "assistant", "user", "assistant", "user"]);
    for (const turn of [0, 2]) expect(sent[turn].content[1].image_url.url.length).toBe(photo.content[1].image_url!.url.length);
  });

  it("is stored whole: a long reply with an emoji", { timeout: 60_000 }, async () => {
    const long = `😀${"r".repeat(2 * MANY)}`;
    const upstream = await Upstream.start((exchange) => reply(exchange.body, long));
    const project = await Project.create({ providers: { main: upstream.url } });
    const user = await project.user();
    const answer = await user.open({ model: "m", messages: [says("user: go on for ever")] }, { headers: { "x-thread-id": "long" } });
    expect(((await answer.json()) as Json).choices[0].message.content.length).toBe(long.length);
    const stored = (await user.get("/v1/threads/long/messages")).json as Json[];
    expect(stored.map(({ content }) => content.length)).toEqual(["go on for ever".length, long.length]);
  });
});
