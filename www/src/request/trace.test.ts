// The trace is bounded and says what it left out.
import { expect, it } from "vitest";
import { addEvents, newTrace, traceText } from "./trace";

const exchange = {
  threadId: "t",
  body: { model: "m", messages: [], stream: true, stream_options: { include_usage: true } },
} as const;
const empty = newTrace({ ...exchange, body: { ...exchange.body, messages: [] } });

it("keeps everything of a short stream", () => {
  expect(traceText(addEvents(addEvents(empty, ["a"]), ["b", "c"]))).toBe("data: a\n\ndata: b\n\ndata: c");
});

it("keeps the beginning and the end of a long one", () => {
  let trace = empty;
  for (let at = 0; at < 1000; at += 1) trace = addEvents(trace, [String(at)]);
  expect(trace.first.length + trace.latest.length).toBe(200);
  expect(trace.dropped).toBe(800);
  expect(traceText(trace)).toContain("data: 39\n\n… 800 events not kept …\n\ndata: 840");
  expect(traceText(trace).endsWith("data: 999")).toBe(true);
});

it("gives the same whether events come one by one or at once", () => {
  const all = Array.from({ length: 500 }, (_, at) => String(at));
  expect(addEvents(empty, all)).toEqual(all.reduce((trace, event) => addEvents(trace, [event]), empty));
});

it("shortens a huge event", () => {
  expect(traceText(addEvents(empty, ["x".repeat(100_000)])).length).toBeLessThan(5000);
});
