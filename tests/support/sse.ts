// Reads an event stream as strictly as the least forgiving client does (`behest-ai` splits on LF LF and parses every `data:`).
// Always holds: a frame is comments only, or exactly one `data:` line; CR, several data lines or bytes after the end throw.
// Absent: leniency, reconnection.
import type { Json } from "./project.ts";

export interface Frame {
  /** The bytes after `data: `, or undefined for a comment. */
  data?: string;
  comment?: string;
  at: number;
}

/** Yields frames as they arrive. */
export async function* frames(response: Response): AsyncGenerator<Frame> {
  if (!response.body) throw new Error("no body");
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let buffer = "";
  for await (const bytes of response.body) {
    buffer += decoder.decode(bytes as Uint8Array, { stream: true });
    if (buffer.includes("\r")) throw new Error(`a CR in the stream: ${JSON.stringify(buffer)}`);
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      yield frame(buffer.slice(0, end));
      buffer = buffer.slice(end + 2);
    }
  }
  if (buffer + decoder.decode() !== "") throw new Error(`the stream ends inside a frame: ${JSON.stringify(buffer)}`);
}

function frame(text: string): Frame {
  const at = Date.now();
  if (text.startsWith(":") && !text.includes("\n")) return { comment: text.slice(1).trim(), at };
  if (!text.startsWith("data: ") || text.includes("\n")) throw new Error(`not one data line: ${JSON.stringify(text.slice(0, 300))}`);
  return { data: text.slice("data: ".length), at };
}

export interface Streamed {
  response: Response;
  /** The data of every event, `[DONE]` included. */
  data: string[];
  /** Parsed events without `[DONE]`. */
  events: Json[];
  text: string;
  done: boolean;
  error?: Json;
}

/** Reads a stream to its end; throws if `[DONE]` or an error is not the last event. */
export async function readStream(response: Response): Promise<Streamed> {
  const data: string[] = [];
  for await (const { data: one } of frames(response)) if (one !== undefined) data.push(one);
  const ending = data.findIndex((one) => one === "[DONE]" || one.startsWith('{"error"'));
  if (ending >= 0 && ending !== data.length - 1) throw new Error(`events after the end: ${data.slice(ending).join(" | ").slice(0, 500)}`);
  const events = data.filter((one) => one !== "[DONE]").map((one) => JSON.parse(one) as Json);
  const text = events.map((one) => one.choices?.[0]?.delta?.content ?? "").join("");
  return { response, data, events, text, done: data.at(-1) === "[DONE]", error: events.find((one) => one.error)?.error };
}
