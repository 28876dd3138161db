// A provider of OpenAI's dialect on loopback, scripted by the test: plain node http, so that it can also misbehave at the socket.
// Always holds: every request is in `journal` with its raw body, and with the time at which the peer hung up, if it did before we were done;
// all of a test file's upstreams end with the file, and let go of every connection.
// Absent: judgement. What it says and when is the script's business (script.ts).
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll } from "vitest";
import type { Script, Step } from "./script.ts";

export interface Exchange {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  raw: Buffer;
  /** The body as JSON, or undefined. */
  body: any;
  at: number;
  /** Set when the peer closed the connection before the script had ended. */
  hungUpAt?: number;
  /** Set when the whole script was sent. */
  doneAt?: number;
}

export type Answering = Script | ((exchange: Exchange, nth: number) => Script | Promise<Script>);

const started: Upstream[] = [];
afterAll(() => Promise.all(started.map((upstream) => upstream.close())).then(() => undefined));

export class Upstream {
  readonly journal: Exchange[] = [];
  private readonly sockets = new Set<Socket>();
  private answering: Answering = { status: 500, steps: [{ send: "the test gave no script" }] };

  private constructor(private readonly server: Server) {
    server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
    });
    server.on("request", (incoming, outgoing) => void this.serve(incoming, outgoing));
  }

  /** Starts one that ends with the test file. */
  static async start(answering?: Answering): Promise<Upstream> {
    const upstream = new Upstream(createServer({ keepAliveTimeout: 30_000 }));
    if (answering) upstream.answer(answering);
    await new Promise<void>((resolve) => upstream.server.listen(0, "127.0.0.1", resolve));
    started.push(upstream);
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** What a provider's `base_url` is set to. */
  get url(): string {
    return `${this.origin}/v1`;
  }

  get last(): Exchange {
    const last = this.journal.at(-1);
    if (!last) throw new Error("the upstream was never asked");
    return last;
  }

  answer(answering: Answering): void {
    this.answering = answering;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
    } catch {
      return; // the peer left while it was still sending
    }
    const raw = Buffer.concat(chunks);
    const exchange: Exchange = { method: incoming.method!, path: incoming.url!, headers: incoming.headers, raw, body: parsed(raw), at: Date.now() };
    this.journal.push(exchange);
    outgoing.on("close", () => { if (exchange.doneAt === undefined) exchange.hungUpAt = Date.now(); });
    const script = typeof this.answering === "function" ? await this.answering(exchange, this.journal.length) : this.answering;
    await play(script, exchange, outgoing);
  }
}

async function play(script: Script, exchange: Exchange, outgoing: ServerResponse): Promise<void> {
  outgoing.statusCode = script.status ?? 200;
  for (const [name, value] of Object.entries(script.headers ?? {})) outgoing.setHeader(name, value);
  for (const step of script.steps) {
    if (exchange.hungUpAt !== undefined) return;
    if (await perform(step, exchange, outgoing)) return;
  }
  exchange.doneAt = Date.now();
  outgoing.end();
}

/** True if the script stops here. */
async function perform(step: Step, exchange: Exchange, outgoing: ServerResponse): Promise<boolean> {
  if ("send" in step) {
    if (!outgoing.write(step.send)) await Promise.race([new Promise((r) => outgoing.once("drain", r)), new Promise((r) => outgoing.once("close", r))]);
    return false;
  }
  if ("wait" in step) {
    await sleep(step.wait);
    return false;
  }
  if ("until" in step) {
    await step.until();
    return false;
  }
  if ("flush" in step) {
    outgoing.flushHeaders();
    return false;
  }
  if ("reset" in step) {
    exchange.doneAt = Date.now();
    outgoing.socket?.resetAndDestroy();
  }
  return true; // `hang`: nothing more, until the peer leaves or the test ends
}

function parsed(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Waits for something to become true; fails with `what` after `ms`. */
export async function eventually<T>(what: string, probe: () => T | Promise<T>, ms = 5_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(15);
  }
}
