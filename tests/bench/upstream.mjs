// The fake provider, in a process of its own: OpenAI's dialect, the same answer every time. Prints its port.
// Always holds: the request's `seed` is the number of content events; each event is a write of its own, PAUSE_MS after the one before
// (so that a gateway cannot take two for one), and the first comes at once.
// Absent: thinking, checking, ending by itself (its parent ends it; it also ends when its stdin closes).
import { createServer } from "node:http";

const PAUSE_MS = 1;
const HEAD = { id: "chatcmpl-9f1c2b7a5d4e4c0f8a61", created: 1_700_000_000, model: "bench-model-2026-10-01", system_fingerprint: "fp_44709d6fcb" };
const USAGE = { prompt_tokens: 57, completion_tokens: 64, total_tokens: 121, prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 } };
const TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind. ".repeat(3).trim();

const whole = Buffer.from(JSON.stringify({
  ...HEAD, object: "chat.completion", usage: USAGE,
  choices: [{ index: 0, message: { role: "assistant", content: TEXT, refusal: null }, logprobs: null, finish_reason: "stop" }],
}));
const chunk = (choices, usage = null) => Buffer.from(`data: ${JSON.stringify({ ...HEAD, object: "chat.completion.chunk", choices, usage })}\n\n`);
const delta = (content, finish_reason = null) => chunk([{ index: 0, delta: content === "" ? {} : { content }, logprobs: null, finish_reason }]);
const event = delta(" quick brown");
const tail = Buffer.concat([delta("", "stop"), chunk([], USAGE), Buffer.from("data: [DONE]\n\n")]);

const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  if (!/"stream":\s*true/.test(body)) {
    response.writeHead(200, { "content-type": "application/json", "content-length": whole.length });
    response.end(whole);
    return;
  }
  let left = Number(/"seed":\s*(\d+)/.exec(body)?.[1] ?? 1);
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
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
