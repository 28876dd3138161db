// A fake model with just enough wit for real client libraries: it answers in text, calls the first tool it is given, fills a JSON
// schema, counts images, and fails when told to. Streamed or whole, as asked. Embeddings and moderations are vectors.ts's.
// Always holds: the answer is a function of the request; no state, no clock beyond the pauses a prompt asks for.
import { chunk, DONE, event, FINISH, json, type Script, stream, USAGE, usageChunk, words } from "./script.ts";
import type { Exchange } from "./upstream.ts";
import { vectors } from "./vectors.ts";

export const CITY = { city: "Oslo" };
export const VERDICT = { answer: "forty-two", count: 42 };

export function model(exchange: Exchange): Script {
  const { path, body } = exchange;
  if (!path.endsWith("/chat/completions")) return vectors(exchange);
  const last = body.messages.at(-1);
  const prompt = typeof last.content === "string" ? last.content : "";
  const status = /^fail (\d+)/.exec(prompt)?.[1];
  if (status) return json({ error: { message: `told to fail with ${status}`, type: "error", param: null, code: "told" } }, Number(status));
  if (body.tools && last.role === "user") return toolCall(body);
  return say(body, wording(body, last, prompt), prompt);
}

function wording(body: any, last: any, prompt: string): string {
  if (body.response_format?.type === "json_schema") return JSON.stringify(VERDICT);
  if (last.role === "tool") return `The tool said ${last.content}`;
  if (Array.isArray(last.content)) return `I see ${last.content.filter((part: any) => part.type === "image_url").length} image`;
  return `You said: ${prompt}`;
}

function say(body: any, text: string, prompt: string): Script {
  if (!body.stream) return whole({ role: "assistant", content: text }, "stop");
  const usage = body.stream_options?.include_usage ? [event(usageChunk())] : [];
  if (prompt === "break off") return stream(words("so far"));
  if (prompt === "go on for ever") return stream(Array.from({ length: 2_000 }, () => event(chunk({ content: "on " }))), 10);
  if (prompt === "pour it out") return stream([words("")[0], ...Array.from({ length: 2_000 }, () => event(chunk({ content: "more " })))], 2);
  return stream([...words(text), FINISH, ...usage, DONE], prompt.startsWith("slowly") ? 40 : 0);
}

function toolCall(body: any): Script {
  const { name } = body.tools[0].function;
  const [head, tail] = ['{"city":', '"Oslo"}'];
  const call = { id: "call_1", type: "function", function: { name, arguments: head + tail } };
  if (!body.stream) return whole({ role: "assistant", content: null, tool_calls: [call] }, "tool_calls");
  const piece = (part: object) => event(chunk({ role: "assistant", tool_calls: [{ index: 0, ...part }] }));
  return stream([
    piece({ id: call.id, type: "function", function: { name, arguments: "" } }), piece({ function: { arguments: head } }), piece({ function: { arguments: tail } }),
    event(chunk({}, "tool_calls")), ...(body.stream_options?.include_usage ? [event(usageChunk())] : []), DONE,
  ]);
}

function whole(message: object, finish_reason: string): Script {
  return json({ id: "chatcmpl-1", object: "chat.completion", created: 1_700_000_000, model: "upstream-model", choices: [{ index: 0, message, finish_reason }], usage: USAGE });
}
