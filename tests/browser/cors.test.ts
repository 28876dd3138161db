// A page on another origin, in a real browser: it can stream, read the limits, and read why it was refused.
// Always holds: the page is on http://localhost:…, the gateway on http://127.0.0.1:…; nothing is allowed but what the headers allow.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { complaints, launch, noChromium } from "../support/chromium.ts";
import { model } from "../support/model.ts";
import { Project } from "../support/project.ts";
import { Upstream } from "../support/upstream.ts";
import type { Told } from "./page.ts";

describe.skipIf(noChromium() !== undefined)("a page on another origin", () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  let upstream: Upstream;
  let origin: string;
  let heard: string[];
  const preflights: string[] = [];

  beforeAll(async () => {
    const bundle = await build({ entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))], bundle: true, format: "esm", platform: "browser", keepNames: true, write: false, logLevel: "error" });
    const script = bundle.outputFiles[0].text;
    server = createServer((request, response) => {
      const isScript = request.url === "/page.js";
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      response.end(isScript ? script : '<!doctype html><title>A front end</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    origin = `http://localhost:${(server.address() as AddressInfo).port}`;
    upstream = await Upstream.start(model);
    browser = await launch();
    page = await browser.newPage();
    heard = complaints(page);
    const network = await page.context().newCDPSession(page);
    await network.send("Network.enable");
    network.on("Network.requestWillBeSentExtraInfo", ({ headers }) => {
      const asked = headers["Access-Control-Request-Headers"] ?? headers["access-control-request-headers"];
      if (asked) preflights.push(asked);
    });
    await page.goto(origin);
    await page.waitForFunction(() => "chat" in globalThis);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  const project = (settings: object = {}) => Project.create({ settings: { allowed_origins: [origin], ...settings }, providers: { main: upstream.url } });
  const chat = async (token: string, prompt: string, stream = false): Promise<Told> => {
    heard.length = 0;
    return page.evaluate(([b, t, p, s]) => (globalThis as any).chat(b, t, p, s), [`${inject("gateway").url}/v1`, token, prompt, stream] as const);
  };

  it("streams a chat through the openai package, past a preflight with all of its own headers", async () => {
    const told = await chat(await (await project()).token(), "slowly one two three", true);
    expect(told.error).toBeUndefined();
    expect(told.text).toBe("You said: slowly one two three");
    expect(told.chunks).toBeGreaterThan(5);
    const asked = preflights.join(",");
    for (const name of ["authorization", "content-type", "x-stainless-lang", "x-stainless-retry-count", "x-thread-id"]) expect(asked).toContain(name);
    expect(heard).toEqual([]);
  });

  it.each([true, false])("reads the limits and the ids (stream: %s)", async (stream) => {
    const { headers } = await chat(await (await project({ limits: { user_rpm: 9 } })).token(), "hello", stream);
    expect(headers).toMatchObject({ "x-ratelimit-limit-requests": "9", "x-ratelimit-remaining-requests": "8", "x-thread-id": "from-a-page", "x-behest-model": "gpt-4o-mini" });
    for (const name of ["ratelimit", "ratelimit-policy", "x-request-id", "x-ratelimit-reset-requests", "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]) expect(headers[name], name).toBeTruthy();
  });

  it("reads a 401: the class, the reason, the request's id", async () => {
    const one = await project();
    const { error } = await chat(one.key, "hello");
    expect(error).toMatchObject({ name: "AuthenticationError", status: 401, code: "api_key_not_allowed", message: expect.stringContaining("/v1/auth/mint") });
    expect(error?.requestId).toBeTruthy();
  });

  it.each([true, false])("reads a 429: the class and the time to wait (stream: %s)", async (stream) => {
    const token = await (await project({ limits: { user_rpm: 1 } })).token();
    expect((await chat(token, "first", stream)).error).toBeUndefined();
    const { error, headers } = await chat(token, "second", stream);
    expect(error).toMatchObject({ name: "RateLimitError", status: 429, code: "rate_limited" });
    expect(headers["retry-after"]).toMatch(/^[1-9]\d*$/);
    expect(headers["x-ratelimit-remaining-requests"]).toBe("0");
  });

  it("reads a provider's failure in the middle of a stream", async () => {
    const { error } = await chat(await (await project()).token(), "break off", true);
    expect(error).toMatchObject({ name: "APIError", code: "upstream_error" });
  });

  it.each([true, false])("whose origin is refused reads a 403 that says so (stream: %s)", async (stream) => {
    const asked = upstream.journal.length;
    const { error } = await chat(await (await project({ allowed_origins: ["https://another.example"] })).token(), "hello", stream);
    expect(error).toMatchObject({ name: "PermissionDeniedError", status: 403, code: "forbidden", message: expect.stringContaining(origin) });
    expect(upstream.journal.length).toBe(asked);
  });
});
