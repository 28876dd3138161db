// A chat over a fake fetch: what is sent, what happens, and the one ending of each case.
import { describe, expect, it } from "vitest";
import { chatBody } from "../chat/body";
import { DEFAULTS } from "../chat/preferences";
import { streamChat, type ChatEvent } from "./chat";

const body = chatBody([{ role: "user", content: "hi" }], DEFAULTS);

function call(signal = new AbortController().signal) {
  return { body, threadId: "t", token: "a.b.c", signal };
}

async function play(answer: () => Response | Promise<Response>): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const event of streamChat(call(), async () => answer())) events.push(event);
  return events;
}

function stream(...data: string[]): Response {
  return new Response(data.map((each) => `data: ${each}\n\n`).join(""), {
    headers: { "x-request-id": "req_1", "x-behest-model": "m", "x-behest-provider": "demo" },
  });
}

const said = (text: string) => JSON.stringify({ choices: [{ delta: { content: text } }] });
const kinds = (events: ChatEvent[]) => events.map((event) => event.kind).filter((kind) => kind !== "raw");

describe("streamChat", () => {
  it("sends the token, the thread and the body", async () => {
    let seen: [string, RequestInit] | undefined;
    const send = async (url: unknown, init?: RequestInit) => {
      seen = [String(url), init ?? {}];
      return stream("[DONE]");
    };
    for await (const event of streamChat(call(), send)) expect(event).toBeDefined();
    expect(seen?.[0]).toBe("/v1/chat/completions");
    expect(seen?.[1]).toMatchObject({
      method: "POST",
      headers: { authorization: "Bearer a.b.c", "x-thread-id": "t" },
      body: JSON.stringify(body),
    });
  });

  it("gives text, finish, usage and an end", async () => {
    const events = await play(() =>
      stream(
        said("Hi"),
        '{"choices":[{"delta":{},"finish_reason":"stop"}]}',
        '{"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":1}}',
        "[DONE]",
      ),
    );
    expect(kinds(events)).toEqual(["head", "text", "finish", "usage", "end"]);
    expect(events[0]).toMatchObject({ status: 200, requestId: "req_1", model: "m", provider: "demo" });
  });

  it("gives reasoning and tool pieces", async () => {
    const piece = '{"choices":[{"delta":{"reasoning_content":"hm","tool_calls":[{"index":1,"id":"c","function":{"name":"f","arguments":"{"}}]}}]}';
    const events = await play(() => stream(piece, "[DONE]"));
    expect(kinds(events)).toEqual(["head", "reasoning", "tool", "end"]);
    expect(events.find((event) => event.kind === "tool")).toEqual({
      kind: "tool",
      piece: { index: 1, id: "c", name: "f", arguments: "{" },
    });
  });

  it("ends at an error event", async () => {
    const events = await play(() => stream(said("par"), '{"error":{"message":"Gone.","code":"upstream_error"}}', said("never")));
    expect(kinds(events)).toEqual(["head", "text", "failure"]);
    expect(events.at(-1)).toMatchObject({ failure: { code: "upstream_error", requestId: "req_1" } });
  });

  it("takes an end without [DONE] for a failure", async () => {
    const events = await play(() => stream(said("par")));
    expect(events.at(-1)).toMatchObject({ kind: "failure", failure: { code: "stream_ended_early" } });
  });

  it("passes over what it cannot read", async () => {
    expect(kinds(await play(() => stream("not json", "7", "{}", '{"choices":"x"}', "[DONE]")))).toEqual(["head", "end"]);
  });

  it("reads an HTTP error", async () => {
    const events = await play(
      () => new Response('{"error":{"message":"Slow down.","code":"rate_limited"}}', { status: 429, headers: { "retry-after": "3" } }),
    );
    expect(events.at(-1)).toMatchObject({ kind: "failure", failure: { status: 429, code: "rate_limited" } });
  });

  it("says when there is no answer", async () => {
    const events = await play(() => Promise.reject(new TypeError("Failed to fetch")));
    expect(events).toMatchObject([{ kind: "failure", failure: { code: "network_error" } }]);
  });

  it("throws only for an abort", async () => {
    const stop = new AbortController();
    stop.abort();
    const events = streamChat(call(stop.signal), () => Promise.reject(new DOMException("Aborted", "AbortError")));
    await expect(events.next()).rejects.toThrow("Aborted");
  });
});
