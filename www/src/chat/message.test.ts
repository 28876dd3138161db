// Stored messages become entries, entries become messages, and preferences become a body.
import { describe, expect, it } from "vitest";
import { chatBody } from "./body";
import { entriesOf, wireMessages } from "./message";
import { DEFAULTS, readMaxTokens, readPreferences, readTemperature } from "./preferences";

const stored = [
  { id: "1", role: "user", content: "time?", created_at: 1_800_000_000 },
  {
    id: "2",
    role: "assistant",
    content: null,
    tool_calls: [{ id: "c", type: "function", function: { name: "get_time", arguments: "{}" } }],
    created_at: "2027-01-15T08:00:00Z",
  },
  { id: "3", role: "tool", tool_call_id: "c", content: "14:05" },
  { id: "4", role: "assistant", content: "It is", incomplete: true },
  { id: 5, role: "user", content: [{ type: "text", text: "and this?" }, { type: "image_url" }] },
];

describe("entriesOf", () => {
  const entries = entriesOf(stored);

  it("joins results to calls and marks cut replies", () => {
    expect(entries.map((entry) => [entry.key, entry.role, entry.text, entry.progress])).toEqual([
      ["1", "user", "time?", "done"],
      ["2", "assistant", "", "done"],
      ["4", "assistant", "It is", "cut"],
      ["5", "user", "and this?\n[image_url]", "done"],
    ]);
    expect(entries[1]?.toolCalls).toEqual([{ id: "c", name: "get_time", arguments: "{}", result: "14:05" }]);
    expect(entries[0]?.at).toBe(entries[1]?.at);
  });

  it("goes back to the same messages", () => {
    expect(wireMessages(entries)).toEqual(
      stored.map(({ role, content, tool_calls, tool_call_id }) => ({
        role,
        content,
        ...(tool_calls && { tool_calls }),
        ...(tool_call_id && { tool_call_id }),
      })),
    );
  });

  it.each([[undefined], [null], [{}], [[null, 7, {}, { role: "system", content: "x" }]]])("survives %j", (odd) =>
    expect(entriesOf(odd)).toEqual([]),
  );
});

describe("chatBody", () => {
  it("leaves unset preferences out", () => {
    expect(chatBody([{ role: "user", content: "hi" }], DEFAULTS)).toEqual({
      model: "default",
      messages: [{ role: "user", content: "hi" }],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it("puts the rest in", () => {
    const body = chatBody([], { model: " m ", system: " Be brief. ", temperature: 0, maxTokens: 9, sample: "tools" });
    expect(body).toMatchObject({
      model: "m",
      messages: [{ role: "system", content: "Be brief." }],
      temperature: 0,
      max_tokens: 9,
    });
    expect(body.tools).toHaveLength(2);
    expect(chatBody([], { ...DEFAULTS, sample: "schema" }).response_format).toMatchObject({ type: "json_schema" });
  });
});

describe("preferences", () => {
  it.each(["", "{", "[]", '{"model":7,"temperature":9,"maxTokens":0.5,"sample":"all"}'])("falls back from %j", (text) =>
    expect(readPreferences(text)).toEqual(DEFAULTS),
  );

  it("reads back what it kept", () => {
    const kept = { model: "m", system: "s", temperature: 1.5, maxTokens: 10, sample: "schema" as const };
    expect(readPreferences(JSON.stringify(kept))).toEqual(kept);
  });

  it.each([
    ["0.7", 0.7],
    ["0", 0],
    ["", undefined],
    ["2.1", undefined],
    ["warm", undefined],
  ])("temperature %j", (text, value) => expect(readTemperature(text)).toBe(value));

  it.each([
    ["100", 100],
    ["0", undefined],
    ["1.5", undefined],
    [" ", undefined],
  ])("max tokens %j", (text, value) => expect(readMaxTokens(text)).toBe(value));
});
