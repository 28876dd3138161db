// The fake provider, in a process of its own: the same answer every time, in the dialect of the path. Prints its port.
// Always holds: the request's `seed`, or else its maximum of tokens, is the number of content events; each event is a write of its own,
// PAUSE_MS after the one before (so that a gateway cannot take two for one), and the first comes at once. An event of each dialect says
// the same words, as the provider itself would.
// Absent: thinking, checking, ending by itself (its parent ends it; it also ends when its stdin closes).
import { createServer } from "node:http";

const PAUSE_MS = 1;
const HEAD = { id: "chatcmpl-9f1c2b7a5d4e4c0f8a61", created: 1_700_000_000, model: "bench-model-2026-10-01", system_fingerprint: "fp_44709d6fcb" };
const USAGE = { prompt_tokens: 57, completion_tokens: 64, total_tokens: 121, prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 } };
const TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind. ".repeat(3).trim();

const PIECE = " quick brown";

const chunk = (choices, usage = null) => data({ ...HEAD, object: "chat.completion.chunk", choices, usage });
const delta = (content, finish_reason = null) => chunk([{ index: 0, delta: content === "" ? {} : { content }, logprobs: null, finish_reason }]);
const openai = ready({
  whole: { ...HEAD, object: "chat.completion", usage: USAGE, choices: [{ index: 0, message: { role: "assistant", content: TEXT, refusal: null }, logprobs: null, finish_reason: "stop" }] },
  head: "",
  event: delta(PIECE),
  tail: delta("", "stop") + chunk([], USAGE) + "data: [DONE]\n\n",
});

const named = (event) => `event: ${event.type}\n${data(event)}`;
const MESSAGE = { id: "msg_01XFDUDYJgAACzvnptvVoYEL", type: "message", role: "assistant", model: "claude-sonnet-4-5-20250929", stop_sequence: null };
const COUNTS = { input_tokens: 57, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 64 };
const anthropic = ready({
  whole: { ...MESSAGE, content: [{ type: "text", text: TEXT }], stop_reason: "end_turn", usage: COUNTS },
  head: named({ type: "message_start", message: { ...MESSAGE, content: [], stop_reason: null, usage: { ...COUNTS, output_tokens: 1 } } }) + named({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
  event: named({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: PIECE } }),
  tail: named({ type: "content_block_stop", index: 0 }) + named({ type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 64 } }) + named({ type: "message_stop" }),
});

const ANSWER = { usageMetadata: { promptTokenCount: 57, candidatesTokenCount: 64, totalTokenCount: 121, promptTokensDetails: [{ modality: "TEXT", tokenCount: 57 }] }, modelVersion: "gemini-2.5-flash", responseId: "kEQbabKSFLyMsbQP1Zvo0Ag" };
const candidate = (text, finishReason) => ({ candidates: [{ content: { parts: [{ text }], role: "model" }, finishReason, index: 0 }], ...ANSWER });
const gemini = ready({ whole: candidate(TEXT, "STOP"), head: "", event: data(candidate(PIECE)), tail: data(candidate("", "STOP")) });

/** As bytes, once. */
function ready({ whole, ...frames }) {
  return { whole: Buffer.from(JSON.stringify(whole)), ...Object.fromEntries(Object.entries(frames).map(([name, text]) => [name, Buffer.from(text)])) };
}

function data(value) {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function dialect(url) {
  if (url.includes("/messages")) return anthropic;
  return url.includes("enerateContent") ? gemini : openai;
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const { whole, head, event, tail } = dialect(request.url);
  if (!/"stream":\s*true/.test(body) && !request.url.includes(":stream")) {
    response.writeHead(200, { "content-type": "application/json", "content-length": whole.length });
    response.end(whole);
    return;
  }
  let left = Number((/"seed":\s*(\d+)/.exec(body) ?? /"max(?:_t|OutputT)okens":\s*(\d+)/.exec(body))?.[1] ?? 1);
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  if (head.length > 0) response.write(head);
  const next = () => {
    if (left === 0 || response.destroyed) return response.end(tail);
    left -= 1;
    response.write(event);
    setTimeout(next, PAUSE_MS);
  };
  next();
});
server.keepAliveTimeout = 120_000;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
