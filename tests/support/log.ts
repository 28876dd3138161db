// The request log of the gateway that most tests share.
import { readFileSync } from "node:fs";
import { inject } from "vitest";
import type { Json } from "./project.ts";
import { eventually } from "./upstream.ts";

/** The line of a request, once it is written. */
export function logLine(requestId: string | null): Promise<Json> {
  return eventually(`the log has ${requestId}`, () => {
    const line = readFileSync(inject("gateway").logFile, "utf8").split("\n").find((one) => one.startsWith("{") && one.includes(requestId!));
    return line && (JSON.parse(line) as Json);
  });
}
