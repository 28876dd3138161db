// The reducer: replies grow, end, fail, are stopped; stray events change nothing.
import { describe, expect, it } from "vitest";
import type { ChatEvent } from "../wire/chat";
import { newEntry } from "./message";
import { addPiece, freshChat, pendingCalls, reduceChat, type ChatAction, type ChatState } from "./state";

const failure = { message: "Gone.", code: "upstream_error", status: 0 };

function run(actions: ChatAction[], from: ChatState = freshChat("t1")): ChatState {
  return actions.reduce(reduceChat, from);
}

const ask: ChatAction = {
  type: "sent",
  threadId: "t1",
  entries: [newEntry("user", "u1", "hi", "done")],
  replyKey: "r1",
  asJson: false,
};

function received(events: ChatEvent[], elapsedMs = 10, replyKey = "r1"): ChatAction {
  return { type: "received", replyKey, events, elapsedMs };
}

describe("a reply", () => {
  it("grows and ends, with its facts", () => {
    const state = run([
      ask,
      received([{ kind: "head", status: 200, requestId: "q", model: "m", provider: "demo", limits: {} }], 5),
      received([{ kind: "text", text: "Hel" }], 20),
      received([{ kind: "text", text: "lo" }, { kind: "finish", reason: "stop" }], 30),
      received([{ kind: "usage", usage: { input: 3, output: 2 } }, { kind: "end" }], 40),
    ]);
    expect(state.status).toBe("idle");
    expect(state.entries.at(-1)).toMatchObject({
      text: "Hello",
      progress: "done",
      facts: {
        requestId: "q",
        model: "m",
        provider: "demo",
        firstTokenMs: 20,
        totalMs: 40,
        finish: "stop",
        usage: { input: 3, output: 2 },
      },
    });
  });

  it("keeps its text when the stream fails", () => {
    const state = run([ask, received([{ kind: "text", text: "par" }, { kind: "failure", failure }])]);
    expect(state.entries.at(-1)).toMatchObject({ text: "par", progress: "failed", failure });
    expect(state.status).toBe("idle");
  });

  it("keeps its text when stopped, and takes nothing afterwards", () => {
    const state = run([
      ask,
      received([{ kind: "text", text: "par" }]),
      { type: "stopped", replyKey: "r1" },
      { type: "stopped", replyKey: "r1" },
    ]);
    expect(state.entries.at(-1)).toMatchObject({ text: "par", progress: "cut" });
    expect(state.status).toBe("idle");
  });

  it("ignores events and stops of another reply", () => {
    const before = run([ask]);
    expect(run([received([{ kind: "text", text: "x" }], 1, "r0"), { type: "stopped", replyKey: "r0" }], before)).toBe(before);
  });

  it("goes back to how it was", () => {
    const before = run([ask, received([{ kind: "end" }])]);
    const after = run([{ ...ask, replyKey: "r2" } as ChatAction, { type: "restored", state: before }], before);
    expect(after).toBe(before);
  });
});

describe("opening a thread", () => {
  const entries = [newEntry("user", "s1", "old", "done")];

  it("shows its messages", () => {
    const state = run([{ type: "open", threadId: "t2" }, { type: "opened", threadId: "t2", entries }]);
    expect(state).toMatchObject({ threadId: "t2", entries, status: "idle" });
  });

  it("ignores an answer that comes after the user went elsewhere", () => {
    const state = run([
      { type: "open", threadId: "t2" },
      { type: "open", threadId: "t3" },
      { type: "opened", threadId: "t2", entries },
      { type: "openFailed", threadId: "t2", failure },
    ]);
    expect(state).toMatchObject({ threadId: "t3", entries: [], status: "loading", loadFailure: undefined });
  });

  it("says why it failed", () => {
    const state = run([{ type: "open", threadId: "t2" }, { type: "openFailed", threadId: "t2", failure }]);
    expect(state).toMatchObject({ status: "idle", loadFailure: failure });
  });
});

describe("tool calls", () => {
  it("are joined by index", () => {
    let calls = addPiece([], { index: 0, id: "c0", name: "get_weather", arguments: "" });
    calls = addPiece(calls, { index: 0, arguments: '{"city":' });
    calls = addPiece(calls, { index: 1, id: "c1", name: "get_time", arguments: "{}" });
    calls = addPiece(calls, { index: 0, arguments: '"Oslo"}' });
    expect(calls).toEqual([
      { id: "c0", name: "get_weather", arguments: '{"city":"Oslo"}' },
      { id: "c1", name: "get_time", arguments: "{}" },
    ]);
  });

  it.each([1e9, -4, 0.5])("survive an index of %d", (index) => expect(addPiece([], { index })).toHaveLength(1));

  it("wait until the reply is over", () => {
    const piece = { index: 0, id: "c", name: "n", arguments: "{}" };
    const streaming = run([ask, received([{ kind: "tool", piece }])]);
    expect(pendingCalls(streaming.entries)).toBeUndefined();
    expect(pendingCalls(run([received([{ kind: "end" }])], streaming).entries)?.key).toBe("r1");
  });
});
