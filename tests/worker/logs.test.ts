// The request log: one JSON line a request, and no secret in it, in any answer, or in plain text on disk.
// Always holds: a gateway of its own, so that every line and every file is this test's.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ADMIN_TOKEN, Gateway } from "../support/gateway.ts";
import { type Answer, call, type Json, Project } from "../support/project.ts";
import { json, reply } from "../support/script.ts";
import { eventually, Upstream } from "../support/upstream.ts";

const PROVIDER_KEY = "sk-canary-provider-5f3a9c2e7b1d";
const HEADER_SECRET = "canary-header-value-77aa88bb";
const [PROMPT, REPLY] = ["canary-prompt-text-51c2", "canary-reply-text-93d4"];

let gateway: Gateway;
let project: Project;
let jwt: string;
const answers: Answer[] = [];

beforeAll(async () => {
  gateway = await Gateway.start();
  const upstream = await Upstream.start((exchange) => {
    if (exchange.body.messages.at(-1).content.includes("fail")) return json({ error: { message: `bad key ${PROVIDER_KEY} in Bearer ${PROVIDER_KEY}; ${HEADER_SECRET}` } }, exchange.body.messages.at(-1).content.includes("400") ? 400 : 500);
    return reply(exchange.body, REPLY);
  });
  project = await Project.create({ base: gateway.url, providers: { main: { kind: "openai-compatible", api_key: PROVIDER_KEY, base_url: upstream.url, headers: { "x-secret": HEADER_SECRET } } } });
  const user = await project.user("ann@example.com");
  jwt = user.token;
  const chat = (content: string, stream = false) => ({ model: "m", stream, messages: [{ role: "user", content }] });
  const headers = { "x-thread-id": "canary-thread", "x-session-id": "s-1" };
  for (const body of [chat(PROMPT), chat(PROMPT, true), chat(`fail ${PROMPT}`), chat(`fail 400 ${PROMPT}`), chat(`fail ${PROMPT}`, true), `{"broken ${PROMPT}`]) answers.push(await user.chat(body, { headers }));
  answers.push(await user.get("/v1/nope"), await user.get("/v1/threads"), await user.chat(PROMPT, { token: project.key }), await user.chat(PROMPT, { token: `${jwt}x` }));
  answers.push(await project.admin("/providers/main"), await project.admin("/keys"), await project.admin("/settings"), await call(`${gateway.url}/v1/projects`, { token: "wrong-admin-canary-token" }));
  await eventually("the log has the last request", () => lines().length >= answers.length + 4, 5_000);
}, 60_000);
afterAll(() => gateway.stop());

function lines(): Json[] {
  return gateway.log().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Json);
}

describe("the log", () => {
  it("has exactly one JSON line for each request, found by its id", () => {
    for (const answer of answers) {
      const id = answer.headers.get("x-request-id");
      const mine = lines().filter((line) => JSON.stringify(line).includes(id!));
      expect(mine.length, `lines for a ${answer.status} with id ${id}`).toBe(1);
      expect(mine[0].status).toBe(answer.status);
    }
  });

  it("says what an operator asks: route, status, model, tokens, times", () => {
    const line = lines().find((one) => JSON.stringify(one).includes(answers[0].headers.get("x-request-id")!));
    const text = JSON.stringify(line);
    expect(text).toContain("/v1/chat/completions");
    expect(text).toContain(project.id);
    expect(text).toContain("main");
    expect(line).toMatchObject({ status: 200, model: "m", micro_usd: 0 });
    expect(Object.keys(line!).some((key) => /ms$|duration|time/.test(key))).toBe(true);
    expect(Object.keys(line!).some((key) => /token|usage|input/.test(key)), text).toBe(true);
  });

  it("tells of a failing upstream with its status, for whoever must mend it", () => {
    const failed = answers[2];
    expect(failed.status, failed.text).toBe(502);
    const line = lines().find((one) => JSON.stringify(one).includes(failed.headers.get("x-request-id")!));
    expect(JSON.stringify(line)).toMatch(/500/);
  });
});

const secrets = (): [string, string][] => [
  ["the provider's key", PROVIDER_KEY],
  ["the provider's secret header", HEADER_SECRET],
  ["the project's API key", project.key],
  ["the API key without its prefix", project.key.slice("behest_sk_live_".length)],
  ["the user's token", jwt],
  ["the signature of the user's token", jwt.split(".")[2]],
  ["the admin token", ADMIN_TOKEN],
];

describe("no secret", () => {
  it("is in the log, nor any text of a message", () => {
    const log = gateway.log();
    expect(log.length).toBeGreaterThan(500);
    for (const [what, secret] of [...secrets(), ["a prompt", PROMPT], ["a reply", REPLY], ["a wrong token", "wrong-admin-canary-token"]]) expect(log.includes(secret), what).toBe(false);
  });

  it("is in an answer or its headers", () => {
    for (const answer of answers) {
      const all = answer.text + JSON.stringify([...answer.headers]);
      for (const [what, secret] of secrets()) expect(all.includes(secret), `${what} in a ${answer.status}`).toBe(false);
    }
  });

  it("is on disk in plain text", () => {
    const files = everyFile(gateway.persist);
    expect(files.length, "files of KV and Durable Objects").toBeGreaterThan(3);
    const contents = files.map((file) => readFileSync(file));
    // The search itself must be able to find something: the project's name is stored in plain text.
    expect(contents.some((bytes) => bytes.includes("a test's project")), "the project's name").toBe(true);
    for (const [what, secret] of secrets()) {
      for (const [n, bytes] of contents.entries()) expect(bytes.includes(secret), `${what} in ${files[n]}`).toBe(false);
    }
  });
});

function everyFile(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)).filter((path) => statSync(path).isFile());
}
