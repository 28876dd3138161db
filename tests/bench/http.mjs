// The load generator: HTTP/1.1 over kept-alive sockets, only what the bench's three subjects send. A raw socket instead of node:http, because
// the generator shares the machine with what it measures and must take little of it.
// Always holds: an exchange resolves with a complete answer or rejects; it never waits longer than EXCHANGE_MS.
// Absent: redirects, compression, TLS, trailers.
import { connect } from "node:net";

const EXCHANGE_MS = 10_000;
/** workerd closes a connection that was idle for 5 s; one that is near it is not used again. */
const FRESH_MS = 2_000;
const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");

/** The bytes of a POST with a JSON body. */
export function post(path, headers, body) {
  const text = JSON.stringify(body);
  const lines = Object.entries({ host: "127.0.0.1", "content-type": "application/json", "content-length": Buffer.byteLength(text), ...headers });
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${text}`);
}

/** One kept-alive connection; one exchange at a time. */
export class Connection {
  #socket;
  #pending;
  #rest = Buffer.alloc(0);
  #usedMs = performance.now();

  static async open(port) {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new Connection(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#take(bytes));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  close() {
    this.#socket.destroy();
  }

  get fresh() {
    return !this.#socket.destroyed && performance.now() - this.#usedMs < FRESH_MS;
  }

  /** Sends the bytes; resolves with `{status, head, firstByteMs, ms, pieces, body}`, where `pieces` counts the body's HTTP chunks. */
  send(bytes) {
    if (this.#socket.destroyed) throw new Error("the connection is closed");
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error(`no complete answer in ${EXCHANGE_MS} ms`)), EXCHANGE_MS);
      this.#pending = { resolve, reject, timer, began: performance.now(), pieces: 0, parts: [], left: undefined };
      this.#socket.write(bytes);
    });
  }

  #fail(error) {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#socket.destroy();
    if (!pending) return;
    clearTimeout(pending.timer);
    pending.reject(error);
  }

  #take(bytes) {
    const pending = this.#pending;
    if (!pending) return;
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (pending.status === undefined && !this.#head(pending)) return;
    if (this.#rest.length > 0) pending.firstByteMs ??= performance.now() - pending.began;
    if (pending.chunked ? this.#chunks(pending) : this.#counted(pending)) this.#done(pending);
  }

  #head(pending) {
    const end = this.#rest.indexOf(HEAD_END);
    if (end < 0) return false;
    pending.head = this.#rest.toString("latin1", 0, end);
    pending.status = Number(pending.head.slice(9, 12));
    pending.chunked = /^transfer-encoding: *chunked/im.test(pending.head);
    pending.left = Number(/^content-length: *(\d+)/im.exec(pending.head)?.[1] ?? 0);
    this.#rest = this.#rest.subarray(end + 4);
    return true;
  }

  #counted(pending) {
    if (this.#rest.length < pending.left) return false;
    pending.parts.push(this.#rest.subarray(0, pending.left));
    this.#rest = this.#rest.subarray(pending.left);
    return true;
  }

  #chunks(pending) {
    for (;;) {
      const line = this.#rest.indexOf(LINE_END);
      if (line < 0) return false;
      const size = Number.parseInt(this.#rest.toString("latin1", 0, line), 16);
      const end = line + 2 + size;
      if (this.#rest.length < end + 2) return false;
      if (size > 0) {
        pending.pieces += 1;
        pending.parts.push(this.#rest.subarray(line + 2, end));
      }
      this.#rest = this.#rest.subarray(end + 2);
      if (size === 0) return true;
    }
  }

  #done(pending) {
    this.#pending = undefined;
    this.#usedMs = performance.now();
    clearTimeout(pending.timer);
    const { status, head, firstByteMs, pieces, parts } = pending;
    pending.resolve({ status, head, firstByteMs, pieces, ms: performance.now() - pending.began, body: Buffer.concat(parts).toString("utf8") });
  }
}
