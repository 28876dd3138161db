// Every split of a stream, also inside a character and between CR and LF, gives the same events.
import { describe, expect, it } from "vitest";
import { readEvents, SseDecoder } from "./sse";

const cases: { name: string; text: string; events: string[] }[] = [
  { name: "two events, LF", text: 'data: {"a":1}\n\ndata: [DONE]\n\n', events: ['{"a":1}', "[DONE]"] },
  { name: "CRLF", text: "data: one\r\n\r\ndata: two\r\n\r\n", events: ["one", "two"] },
  { name: "CR alone", text: "data: one\r\rdata: two\r\r", events: ["one", "two"] },
  { name: "mixed ends", text: "data: a\r\ndata: b\n\rdata: c\r\n\n", events: ["a\nb", "c"] },
  { name: "comments and other fields", text: ": keep-alive\n\nevent: x\nid: 1\ndata: y\n\n", events: ["y"] },
  { name: "multi-line data", text: "data: a\ndata:  b\ndata:c\ndata\n\n", events: ["a\n b\nc\n"] },
  { name: "byte order mark", text: "\uFEFFdata: a\n\n", events: ["a"] },
  { name: "unfinished event dropped", text: "data: a\n\ndata: lost\n", events: ["a"] },
  { name: "multi-byte text", text: "data: zażółć 🐢 \u2028 é\n\n", events: ["zażółć 🐢 \u2028 é"] },
];

async function collect(chunks: Uint8Array[]): Promise<string[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const events: string[] = [];
  for await (const event of readEvents(body)) events.push(event);
  return events;
}

describe.each(cases)("$name", ({ text, events }) => {
  const bytes = new TextEncoder().encode(text);

  it("whole", () => expect(new SseDecoder().push(text)).toEqual(events));

  it("split in two at every byte", async () => {
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(await collect([bytes.slice(0, at), bytes.slice(at)]), `split at ${at}`).toEqual(events);
    }
  });

  it("one byte at a time", async () => {
    expect(await collect([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(events);
  });
});

describe("leaving early", () => {
  it("cancels the body", async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode("data: a\n\n")),
      cancel: () => void (cancelled = true),
    });
    for await (const event of readEvents(body)) {
      expect(event).toBe("a");
      break;
    }
    expect(cancelled).toBe(true);
  });
});
