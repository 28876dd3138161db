// An HTTP client down at the socket, which can leave in the two ways a client leaves: by closing (FIN) and by resetting (RST).
// Always holds: it speaks HTTP/1.1 just well enough to send one chat request; `received` is all bytes so far, headers included.
import { connect, type Socket } from "node:net";

export class RawClient {
  received = "";
  private constructor(private readonly socket: Socket) {
    socket.setEncoding("utf8");
    socket.on("data", (text) => { this.received += text; });
    socket.on("error", () => undefined);
  }

  static async post(url: string, token: string, body: unknown, headers: Record<string, string> = {}): Promise<RawClient> {
    const { hostname, port, pathname, host } = new URL(url);
    const client = new RawClient(connect(Number(port), hostname));
    const text = JSON.stringify(body);
    const lines = Object.entries({ host, "content-type": "application/json", "content-length": String(Buffer.byteLength(text)), authorization: `Bearer ${token}`, ...headers });
    client.socket.write(`POST ${pathname} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${text}`);
    return client;
  }

  leave(how: "close" | "reset"): void {
    if (how === "reset") this.socket.resetAndDestroy();
    else this.socket.destroy();
  }
}
