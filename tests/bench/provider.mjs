// A fake provider that keeps books, inside the bench's own process: OpenAI's dialect, an account for each thing that is measured.
// Always holds: an account is the first part of the path (`/<account>/v1/…`); it knows when each request arrived and what the answers cost
// at PRICES, a stream that was cut no more than was sent of it; a maximum is kept, unless the account's owner wants it broken.
// Absent: thinking, checking, limits of its own.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** Micro-dollars per token: gpt-4o's, which both gateways know from their own catalogues. */
export const PRICES = { prompt: 2.5, completion: 10 };
const BYTES_PER_TOKEN = 4;
const HEAD = { id: "chatcmpl-bench", created: 1_700_000_000, model: "gpt-4o-2024-08-06" };

/** What one account answers, and what became of it. */
class Account {
  /** When each request arrived, epoch ms. */
  served = [];
  /** What the answers cost, micro-dollars. */
  billed = 0;
  running = 0;

  constructor(url, { wait = 300, prompt = 8, tokens = 100, pieces = 1, pause = 0, keepsMaximum = true }) {
    Object.assign(this, { url, wait, prompt, tokens, pieces, pause, keepsMaximum });
  }

  /** Resolves when nothing runs any more. */
  async quiet(withinMs) {
    for (const deadline = Date.now() + withinMs; this.running > 0; await sleep(20)) {
      if (Date.now() > deadline) throw new Error(`${this.running} answers of ${this.url} are still under way`);
    }
  }

  async answer(body, response) {
    this.served.push(Date.now());
    this.running += 1;
    try {
      await sleep(this.wait);
      const most = this.keepsMaximum ? (body.max_completion_tokens ?? body.max_tokens ?? Infinity) : Infinity;
      const tokens = Math.min(this.tokens, most);
      const sent = body.stream ? await this.#stream(body, response, tokens) : this.#whole(response, tokens);
      this.billed += this.prompt * PRICES.prompt + sent * PRICES.completion;
    } finally {
      this.running -= 1;
    }
  }

  #whole(response, tokens) {
    const choices = [{ index: 0, message: { role: "assistant", content: text(tokens) }, finish_reason: this.#reason(tokens) }];
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ...HEAD, object: "chat.completion", choices, usage: this.#usage(tokens) }));
    return tokens;
  }

  /** Gives the tokens that were sent. */
  async #stream(body, response, tokens) {
    const write = (choices, usage) => response.write(`data: ${JSON.stringify({ ...HEAD, object: "chat.completion.chunk", choices, ...(usage && { usage }) })}\n\n`);
    response.setHeader("content-type", "text/event-stream; charset=utf-8");
    const each = Math.ceil(tokens / this.pieces);
    let sent = 0;
    while (sent < tokens && !response.destroyed) {
      const now = Math.min(each, tokens - sent);
      write([{ index: 0, delta: { content: text(now) }, finish_reason: null }]);
      sent += now;
      await sleep(this.pause);
    }
    write([{ index: 0, delta: {}, finish_reason: this.#reason(tokens) }]);
    if (body.stream_options?.include_usage) write([], this.#usage(sent));
    response.end("data: [DONE]\n\n");
    return sent;
  }

  #usage(completion) {
    return { prompt_tokens: this.prompt, completion_tokens: completion, total_tokens: this.prompt + completion };
  }

  #reason(tokens) {
    return tokens < this.tokens ? "length" : "stop";
  }
}

const text = (tokens) => "abc".padEnd(BYTES_PER_TOKEN).repeat(tokens);

export class Provider {
  #accounts = new Map();
  #server;

  static async start() {
    const provider = new Provider();
    provider.#server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => void provider.#serve(request, response));
    await new Promise((resolve) => provider.#server.listen(0, "127.0.0.1", resolve));
    return provider;
  }

  /** The base URL of an account, whether or not it is open yet. */
  url(name) {
    return `http://127.0.0.1:${this.#server.address().port}/${name}/v1`;
  }

  /** Opens an account; what it says is told by `answering`. */
  open(name, answering) {
    const account = new Account(this.url(name), answering);
    this.#accounts.set(name, account);
    return account;
  }

  close() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request, response) {
    try {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const account = this.#accounts.get(request.url.split("/")[1]);
      if (!account || !request.url.endsWith("/chat/completions")) return response.writeHead(404).end("{}");
      await account.answer(JSON.parse(Buffer.concat(chunks)), response);
    } catch {
      response.destroy(); // the peer has left
    }
  }
}
