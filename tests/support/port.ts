// A loopback port for a program that must be told one, and cannot take 0 and say which it got.
// Always holds: it was free a moment ago, and is below the range that Linux takes ports from by itself (32768 and up): no connection of
// another test, and no server on port 0, gets it before the program does.
// Absent: keeping it. Another search may find the same one, once in thousands.
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

const [FIRST, LAST] = [12_000, 32_767];

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST + 1);
    if (await isFree(port)) return port;
  }
}

/** Does nobody listen there? */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false)).listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
