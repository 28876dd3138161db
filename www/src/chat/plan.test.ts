// Which messages go out, and in which thread, for each way to send.
import { describe, expect, it } from "vitest";
import { newEntry, type Entry } from "./message";
import { planRegenerate, planSend, planToolAnswer } from "./plan";
import { freshChat, type ChatState } from "./state";

const user = (key: string, text: string): Entry => newEntry("user", key, text, "done");
const reply = (key: string, text: string): Entry => newEntry("assistant", key, text, "done");
const failed = (key: string, text = ""): Entry => newEntry("assistant", key, text, "failed");
const calling = (key: string): Entry => ({
  ...reply(key, ""),
  toolCalls: [{ id: "c", name: "get_time", arguments: "{}" }],
});
const chat = (...entries: Entry[]): ChatState => ({ ...freshChat("t"), entries });

describe("send", () => {
  it("says only what is new", () => {
    const plan = planSend(chat(user("1", "a"), reply("2", "b")), "c", "3");
    expect(plan.messages).toEqual([{ role: "user", content: "c" }]);
    expect(plan.entries.map((entry) => entry.text)).toEqual(["a", "b", "c"]);
    expect(plan.threadId).toBe("t");
  });

  it("past an unanswered call says everything", () => {
    const plan = planSend(chat(user("1", "a"), calling("2")), "never mind", "3");
    expect(plan.messages.map((message) => message.role)).toEqual(["user", "assistant", "tool", "user"]);
    expect(plan.entries[1]?.toolCalls[0]?.result).toBe('{"error":"not run"}');
  });
});

describe("answer a call", () => {
  it("says only the results", () => {
    const plan = planToolAnswer(chat(user("1", "a"), calling("2")), "2", ['{"time":"9"}']);
    expect(plan?.messages).toEqual([{ role: "tool", tool_call_id: "c", content: '{"time":"9"}' }]);
  });

  it("is refused where nothing waits", () => {
    expect(planToolAnswer(chat(user("1", "a"), reply("2", "b")), "2", [])).toBeUndefined();
  });
});

describe("regenerate", () => {
  it("says the list up to the reply", () => {
    const plan = planRegenerate(chat(user("1", "a"), reply("2", "b"), user("3", "c"), reply("4", "d")), "4", "new");
    expect(plan?.messages.map((message) => message.content)).toEqual(["a", "b", "c"]);
    expect(plan).toMatchObject({ threadId: "t", replaces: undefined });
  });

  it("of the first reply moves to a new thread", () => {
    const plan = planRegenerate(chat(user("1", "a"), reply("2", "b")), "2", "new");
    expect(plan).toMatchObject({ threadId: "new", replaces: "t", messages: [{ role: "user", content: "a" }] });
  });

  it("stays in the thread when nothing was stored", () => {
    expect(planRegenerate(chat(user("1", "a"), failed("2")), "2", "new")).toMatchObject({ threadId: "t", replaces: undefined });
  });

  it("counts a partial reply as stored", () => {
    expect(planRegenerate(chat(user("1", "a"), failed("2", "par")), "2", "new")?.threadId).toBe("new");
  });

  it("remembers what is to be replaced through a failure", () => {
    const state = { ...chat(user("1", "a"), failed("2")), threadId: "new", replaces: "t" };
    expect(planRegenerate(state, "2", "newer")).toMatchObject({ threadId: "new", replaces: "t" });
  });

  it("leaves out what was never answered", () => {
    const plan = planRegenerate(chat(user("1", "a"), failed("2"), user("3", "c"), reply("4", "d")), "4", "new");
    expect(plan?.messages).toEqual([{ role: "user", content: "c" }]);
  });

  it("is refused for what is no reply", () => {
    expect(planRegenerate(chat(user("1", "a")), "1", "new")).toBeUndefined();
    expect(planRegenerate(chat(reply("1", "a")), "1", "new")).toBeUndefined();
    expect(planRegenerate(chat(), "9", "new")).toBeUndefined();
  });
});
