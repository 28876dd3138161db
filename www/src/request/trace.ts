// The last exchange as the panel shows it: the request with the token by name, the answer's head and
// its events. Bounded: the first and the latest events stay, what falls out between is counted, and a
// huge event is shortened. The token itself is never in a Trace.
import type { ChatBody } from "../chat/body";
import type { Failure } from "../wire/failure";

export interface Exchange {
  threadId: string;
  body: ChatBody;
}

export interface Trace {
  exchange: Exchange;
  status: number | undefined;
  requestId: string | undefined;
  first: string[];
  latest: string[];
  dropped: number;
  failure?: Failure;
}

const FIRST = 40;
const LATEST = 160;
const EVENT_CHARS = 4000;

export function newTrace(exchange: Exchange): Trace {
  return { exchange, status: undefined, requestId: undefined, first: [], latest: [], dropped: 0 };
}

export function addEvents(trace: Trace, events: readonly string[]): Trace {
  if (events.length === 0) return trace;
  const short = events.map(shorten);
  const room = Math.max(0, FIRST - trace.first.length);
  const latest = [...trace.latest, ...short.slice(room)];
  const over = Math.max(0, latest.length - LATEST);
  return {
    ...trace,
    first: [...trace.first, ...short.slice(0, room)],
    latest: latest.slice(over),
    dropped: trace.dropped + over,
  };
}

export function traceText(trace: Trace): string {
  const gap = trace.dropped > 0 ? [`… ${trace.dropped} events not kept …`] : [];
  return [...trace.first, ...gap, ...trace.latest].map((event) => (event.startsWith("…") ? event : `data: ${event}`)).join("\n\n");
}

function shorten(event: string): string {
  return event.length <= EVENT_CHARS ? event : `${event.slice(0, EVENT_CHARS)}… (${event.length} characters)`;
}
