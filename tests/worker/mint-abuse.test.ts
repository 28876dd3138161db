// The mint under repetition: idempotency keys, the limit per API key, guessed keys, rotation, and when a key was last used.
// Always holds: a gateway of its own, whose addresses are told by the header that the platform sets. Absent: what a mint says (mint.test.ts).
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { claims } from "../support/jws.ts";
import { call, type Json, Project } from "../support/project.ts";
import { eventually } from "../support/upstream.ts";

let gateway: Gateway;
let project: Project;
beforeAll(async () => {
  gateway = await Gateway.start();
  project = await Project.create({ base: gateway.url });
}, 60_000);
afterAll(() => gateway.stop());

describe("an Idempotency-Key", () => {
  const mint = (key: string, body: Json, token?: string) => project.mint(body, { headers: { "idempotency-key": key }, ...(token ? { token } : {}) });

  it("gives the very same token to the same request, at the same time and later", async () => {
    const body = { user_id: "ann", ttl: 600 };
    const answers = await Promise.all(Array.from({ length: 10 }, () => mint("once", body)));
    answers.push(await mint("once", body));
    expect(answers.map((answer) => answer.status)).toEqual(Array(11).fill(200));
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect((await call(`${gateway.url}/v1/limits`, { token: answers[0].json.token })).status).toBe(200);
  });

  it("gives another token to another key, user, API key, or none", async () => {
    const other = (await project.admin("/keys", { body: {} })).json.key;
    const answers = [await mint("a", { user_id: "bob" }), await mint("b", { user_id: "bob" }), await mint("a", { user_id: "eve" }), await mint("a", { user_id: "bob" }, other), await project.mint({ user_id: "bob" }), await project.mint({ user_id: "bob" })];
    expect(new Set(answers.map((answer) => claims(answer.json.token).jti)).size).toBe(6);
  });

  it("with another body is refused", async () => {
    expect((await mint("c", { user_id: "bob" })).status).toBe(200);
    expectError(await mint("c", { user_id: "bob", ttl: 60 }), 400, "validation_error", "Idempotency-Key");
  });

  it.each([["empty", ""], ["too long", "x".repeat(256)], ["with a space", "a b"]])("that is %s is refused", async (_name, key) => {
    expectError(await mint(key, { user_id: "bob" }), 400, "validation_error", "Idempotency-Key");
  });
});

it("an API key mints no more in a minute than the project says", async () => {
  const small = await Project.create({ base: gateway.url, settings: { token: { mint_rpm: 3 } } });
  const answers = [];
  for (let n = 0; n < 5; n++) answers.push(await small.mint({ user_id: "u" }));
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 429, 429]);
  expect(expectError(answers[4], 429, "rate_limited").details).toMatchObject({ scope: "key", limit: 3 });
  expect(answers[4].headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  const another = (await small.admin("/keys", { body: {} })).json.key;
  expect((await small.mint({ user_id: "u" }, { token: another })).status, "another key of the project").toBe(200);
});

it("whoever guesses keys is refused, and a known key of the same address is not", async () => {
  const from = (address: string) => ({ "cf-connecting-ip": address });
  const guess = (n: number, address = "203.0.113.7") => call(`${gateway.url}/v1/auth/mint`, { token: `behest_sk_live_${String(n).padStart(32, "0")}`, body: { user_id: "u" }, headers: from(address) });
  expect((await project.mint({ user_id: "u" }, { headers: from("203.0.113.7") })).status).toBe(200);
  const answers = [];
  for (let n = 0; n < 25; n++) answers.push(await guess(n));
  expect(answers.map((answer) => answer.status)).toEqual([...Array(20).fill(401), ...Array(5).fill(429)]);
  expect(expectError(answers[24], 429, "rate_limited").details).toMatchObject({ scope: "ip" });
  expect((await project.mint({ user_id: "u" }, { headers: from("203.0.113.7") })).status, "a known key behind the same address").toBe(200);
  expectError(await guess(99, "203.0.113.8"), 401, "invalid_token");
  const malformed = await call(`${gateway.url}/v1/auth/mint`, { token: "behest_sk_live_short", body: { user_id: "u" }, headers: from("203.0.113.7") });
  expectError(malformed, 401, "invalid_token");
});

it("both keys mint through the overlap of a rotation, without a failure", async () => {
  const made = (await project.admin("/keys", { body: { capabilities: ["mint", "chat:server"] } })).json;
  const statuses: number[] = [];
  const mint = async (token: string) => statuses.push((await project.mint({ user_id: "u" }, { token })).status);
  for (let n = 0; n < 10; n++) await mint(made.key);
  const rotated = (await project.admin(`/keys/${made.id}/rotate`, { body: { overlap_seconds: 3_600 } })).json;
  expect(rotated.capabilities).toEqual(["mint", "chat:server"]);
  for (let n = 0; n < 40; n++) await mint(n % 2 ? made.key : rotated.key);
  expect((await project.admin(`/keys/${made.id}`, { method: "DELETE" })).status).toBe(204);
  for (let n = 0; n < 10; n++) await mint(rotated.key);
  expect(statuses).toEqual(Array(60).fill(200));
  expectError(await project.mint({ user_id: "u" }, { token: made.key }), 401, "invalid_token");
});

it("a key's list says when it was last used, to the hour", async () => {
  const made = (await project.admin("/keys", { body: {} })).json;
  expect(made.last_used_at).toBeNull();
  const used = async () => (await project.admin("/keys")).json.data.find((each: Json) => each.id === made.id).last_used_at;
  expect(await used()).toBeNull();
  await project.mint({ user_id: "u" }, { token: made.key });
  const at = await eventually("the project knows of the use", used);
  expect(at % 3_600).toBe(0);
  expect(Math.abs(Date.now() / 1000 - at)).toBeLessThan(2 * 3_600);
  await project.mint({ user_id: "u" }, { token: made.key });
  const uses = (await project.admin("/audit?action=key.use")).json.data.filter((entry: Json) => entry.target === made.id);
  expect(uses).toHaveLength(1);
  expect(uses[0].by).toBe(`key:${made.id}`);
});
