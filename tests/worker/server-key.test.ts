// An API key as the caller: what it opens with the capability `chat:server`, for whom, and what it never opens.
// Always holds: a gateway that tells its ledger at once; whom a request was for is read from the project's own ledger.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { type Answer, call, type CallOptions, type Json, Project } from "../support/project.ts";
import { reply } from "../support/script.ts";
import { eventually, Upstream } from "../support/upstream.ts";
import { vectors } from "../support/vectors.ts";

let gateway: Gateway;
let project: Project;
let server: { key: string; id: string };
beforeAll(async () => {
  gateway = await Gateway.start({ vars: { ROLL_UP_SECONDS: 1 } });
  const upstream = await Upstream.start((exchange) => (exchange.path.endsWith("/chat/completions") ? reply(exchange.body, "hello") : vectors(exchange)));
  project = await Project.create({ base: gateway.url, providers: { openai: { kind: "openai", api_key: "sk-upstream-0001", base_url: upstream.url } } });
  server = (await project.admin("/keys", { body: { name: "server", capabilities: ["chat:server"] } })).json;
});
afterAll(() => gateway?.stop());

const chat = (body: Json = {}, options: CallOptions = {}): Promise<Answer> =>
  call(`${project.base}/v1/chat/completions`, { token: server.key, body: { model: "m", messages: [{ role: "user", content: "hi" }], ...body }, ...options });

/** The user that the ledger has for an answer. */
async function userOf(answer: Answer): Promise<string> {
  expect(answer.status, answer.text).toBe(200);
  const id = answer.headers.get("x-request-id");
  return eventually("the ledger knows the request", async () => (await project.admin("/requests")).json.data.find((row: Json) => row.id === id)?.user, 10_000);
}

describe("a server's key", () => {
  const whom: [string, Json, () => Record<string, string>, () => string][] = [
    ["the header", { user: "bob" }, () => ({ "x-end-user-id": "ann" }), () => "ann"],
    ["the body's user", { user: "bob" }, () => ({}), () => "bob"],
    ["the key itself", {}, () => ({}), () => `server:${server.id}`],
    ["the key itself, by name", {}, () => ({ "x-end-user-id": `server:${server.id}` }), () => `server:${server.id}`],
  ];
  it.each(whom)("speaks for whom %s names", async (_name, body, headers, user) => {
    expect(await userOf(await chat(body, { headers: headers() }))).toBe(user());
  });

  it("keeps the session that it names, and has one of its own", async () => {
    expect((await chat({}, { headers: { "x-session-id": "s-7" } })).headers.get("x-session-id")).toBe("s-7");
    expect((await chat()).headers.get("x-session-id")).toBe(server.id);
  });

  it("streams, embeds, moderates and lists models", async () => {
    const streamed = await chat({ stream: true });
    expect(streamed.text).toContain("data: [DONE]");
    const post = (path: string, body: Json) => call(`${project.base}${path}`, { token: server.key, body });
    const get = (path: string) => call(`${project.base}${path}`, { token: server.key });
    const answers = [await post("/v1/embeddings", { model: "text-embedding-3-small", input: "a", user: "bob" }), await post("/v1/moderations", { input: "a" }), await get("/v1/models"), await get("/v1/models/gpt-5")];
    expect(answers.map((answer) => answer.status), answers.map((answer) => answer.text).join("\n")).toEqual([200, 200, 200, 200]);
    expect(await userOf(answers[0])).toBe("bob");
  });

  const unnamed: [string, Json, Record<string, string>, string][] = [
    ["a reserved user in the header", {}, { "x-end-user-id": "admin" }, "X-End-User-Id"],
    ["another key's own user", {}, { "x-end-user-id": "server:key_000000000000000000000000" }, "X-End-User-Id"],
    ["a reserved user in the body", { user: "system" }, {}, "user"],
    ["a user that is a number", { user: 7 }, {}, "user"],
  ];
  it.each(unnamed)("does not speak for %s", async (_name, body, headers, param) => {
    expectError(await chat(body, { headers }), 400, "validation_error", param);
  });

  it.each(["/v1/threads", "/v1/usage", "/v1/limits", "/v1/billing/usage"])("does not open %s", async (path) => {
    expectError(await call(`${project.base}${path}`, { token: server.key }), 401, "api_key_not_allowed");
  });

  it("does not mint, nor does its user's id", async () => {
    expectError(await project.mint({ user_id: "u" }, { token: server.key }), 403, "forbidden");
    expectError(await project.mint({ user_id: `server:${server.id}` }), 400, "validation_error", "user_id");
  });

  it("is refused from a browser, with the reason", async () => {
    const error = expectError(await chat({}, { headers: { origin: "https://a.example" } }), 403, "forbidden");
    expect(error.message).toContain("belong on servers");
  });

  it("ends with its deletion", async () => {
    const { json } = await project.admin("/keys", { body: { capabilities: ["chat:server", "mint"] } });
    expect((await chat({}, { token: json.key })).status).toBe(200);
    expect((await project.mint({ user_id: "u" }, { token: json.key })).status).toBe(200);
    expect((await project.admin(`/keys/${json.id}`, { method: "DELETE" })).status).toBe(204);
    expectError(await chat({}, { token: json.key }), 401, "invalid_token");
  });

  it("gives the owner's limits of its own user a place", async () => {
    const path = `/users/${encodeURIComponent(`server:${server.id}`)}/limits`;
    expect((await project.admin(path, { method: "PUT", body: { limits: { user_rpm: 100_000 } } })).status).toBe(200);
  });
});

it("a key without the capability opens nothing but the mint", async () => {
  expectError(await chat({}, { token: project.key }), 401, "api_key_not_allowed");
});

it("with a user's token neither header nor body says who it is", async () => {
  const answer = await (await project.user("real")).chat({ model: "m", user: "forged", messages: [{ role: "user", content: "hi" }] }, { headers: { "x-end-user-id": "forged" } });
  expect(await userOf(answer)).toBe("real");
});
