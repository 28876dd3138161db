// Starts the gateway that most test files share, once per run, and tells them where it is (`inject("gateway")`).
// Always holds: private upstreams allowed, no limit per IP address; everything else is a project's own setting.
// On a failing run the end of the gateway's log is printed, since the failure is often told there.
import type { TestProject } from "vitest/node";
import { Gateway } from "./gateway.ts";

declare module "vitest" {
  export interface ProvidedContext {
    gateway: { url: string; logFile: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const gateway = await Gateway.start();
  project.provide("gateway", { url: gateway.url, logFile: gateway.logFile });
  return async () => {
    const noise = gateway.log().split("\n").filter((line) => /error|panick|exception|uncaught/i.test(line) && !line.startsWith("{"));
    if (noise.length > 0) console.log(`the gateway's log has ${noise.length} lines that speak of errors, the last:\n${noise.slice(-8).join("\n")}`);
    await gateway.stop();
  };
}
