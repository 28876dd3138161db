// What a fake provider sends, as data: status, headers, and steps (bytes, pauses, a hang, a reset).
// Always holds: the replies made here are well-formed OpenAI dialect; ill-formed ones are spelled out by the test that wants them.
// Absent: sockets (upstream.ts).
// A step `until` waits for somebody else's doing, so that a test can say "not before" without a clock.
export type Step = { send: string | Uint8Array } | { wait: number } | { until: () => Promise<unknown> } | { flush: true } | { hang: true } | { reset: true };

export interface Script {
  status?: number;
  headers?: Record<string, string | string[]>;
  steps: Step[];
}

export const EVENT_STREAM = { "content-type": "text/event-stream; charset=utf-8" };
export const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

/** A JSON answer. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Script {
  return { status, headers: { "content-type": "application/json", ...headers }, steps: [{ send: typeof body === "string" ? body : JSON.stringify(body) }] };
}

/** A whole chat completion. */
export function completion(content: string, more: Record<string, unknown> = {}): Script {
  return json({
    id: "chatcmpl-1", object: "chat.completion", created: 1_700_000_000, model: "upstream-model",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: USAGE, ...more,
  });
}

/** One event, framed. */
export function event(data: unknown): string {
  return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}

export function chunk(delta: unknown, finish: string | null = null): Record<string, unknown> {
  return { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "upstream-model", choices: [{ index: 0, delta, finish_reason: finish }] };
}

export function usageChunk(usage: unknown = USAGE): Record<string, unknown> {
  return { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "upstream-model", choices: [], usage };
}

/** The events of a good streamed reply, one word a chunk, without the end mark. */
export function words(text: string): string[] {
  const pieces = text.match(/\S+\s*|\s+/g) ?? [];
  return [event(chunk({ role: "assistant", content: "" })), ...pieces.map((content) => event(chunk({ content })))];
}

export const FINISH = event(chunk({}, "stop"));
export const DONE = "data: [DONE]\n\n";

/** A streamed reply: its frames, each its own write, `pause` ms apart. */
export function stream(frames: (string | Uint8Array)[], pause = 0): Script {
  return { headers: EVENT_STREAM, steps: frames.flatMap((send): Step[] => (pause > 0 ? [{ send }, { wait: pause }] : [{ send }])) };
}

/** A complete streamed reply; usage only if asked for, as OpenAI does. */
export function streamed(text: string, withUsage = true, pause = 0): Script {
  return stream([...words(text), FINISH, ...(withUsage ? [event(usageChunk())] : []), DONE], pause);
}

/** Answers as asked: streamed or whole, with the same text. */
export function reply(body: any, text: string): Script {
  return body?.stream ? streamed(text, Boolean(body.stream_options?.include_usage)) : completion(text);
}
