// Tokens at the door of the end-user routes: the public keys verify them, and one changed character closes the door.
// Absent: expiry, which needs another clock; the native tests hold it.
import { beforeAll, describe, expect, it } from "vitest";
import { expectError, expectIds } from "../support/contract.ts";
import { claims, ed25519, forge, header, verify } from "../support/jws.ts";
import { call, type Json, Project } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

let project: Project;
let token: string;
beforeAll(async () => {
  project = await Project.create();
  token = await project.token("ann");
});
const jwks = () => call(`${project.base}/.well-known/jwks.json`);
const enter = (bearer: string | undefined) => call(`${project.base}/v1/threads`, { token: bearer });

describe("/.well-known/jwks.json", () => {
  it("is public, cacheable, and holds public keys only", async () => {
    const answer = await jwks();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toMatch(/json/);
    expect(answer.headers.get("cache-control")).toMatch(/public.*max-age=\d+|max-age=\d+.*public/);
    expect(answer.json.keys.length).toBeGreaterThan(0);
    for (const key of answer.json.keys) {
      expect(key).toMatchObject({ kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig", kid: expect.any(String), x: expect.any(String) });
      expect(key).not.toHaveProperty("d");
    }
  });

  it("verifies our tokens by their kid", async () => {
    expect(verify(token, (await jwks()).json)).toMatchObject({ uid: "ann", pid: project.id, iss: "behest", aud: "behest" });
  });

  it("answers a matching If-None-Match with 304, if it gave an ETag", async () => {
    const etag = (await jwks()).headers.get("etag");
    expect(etag).toBeTruthy();
    expect((await call(`${project.base}/.well-known/jwks.json`, { headers: { "if-none-match": etag! } })).status).toBe(304);
  });
});

describe("the door", () => {
  it("opens to a good token, and to the same one again", async () => {
    for (let n = 0; n < 3; n++) expect((await enter(token)).status).toBe(200);
  });

  const part = (n: number, change: (text: string) => string) => (t: string) => t.split(".").map((one, i) => (i === n ? change(one) : one)).join(".");
  const json = (change: (value: any) => any) => (text: string) => Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(text, "base64url").toString())))).toString("base64url");
  const tampered: [string, (t: string) => string][] = [
    ["another user id", part(1, json((c) => ({ ...c, uid: "bob" })))],
    ["another project", part(1, json((c) => ({ ...c, pid: "proj_other" })))],
    ["a longer life", part(1, json((c) => ({ ...c, exp: c.exp + 1e6 })))],
    ["algorithm none and no signature", (t) => part(2, () => "")(part(0, json((h) => ({ ...h, alg: "none" })))(t))],
    ["algorithm HS256", part(0, json((h) => ({ ...h, alg: "HS256" })))],
    ["another kid", part(0, json((h) => ({ ...h, kid: "other" })))],
    ["no kid", part(0, json(({ kid: _, ...h }) => h))],
    ["a signature with its first character changed", part(2, (s) => (s[0] === "A" ? "B" : "A") + s.slice(1))],
    ["half a signature", part(2, (s) => s.slice(0, 43))],
    ["no signature", (t) => t.split(".").slice(0, 2).join(".")],
    ["a fourth part", (t) => `${t}.AAAA`],
    ["claims that are not JSON", part(1, () => "AAAA")],
    ["a header that is not base64", part(0, () => "!!!!")],
    ["padding", (t) => `${t}==`],
    ["100 kB of text", () => "a".repeat(100_000)],
    ["only dots", () => ".."],
  ];
  it.each(tampered)("is closed to a token with %s", async (name, change) => {
    const answer = await enter(change(token));
    // A header of 100 kB is refused by some HTTP servers before the Worker sees it.
    if (name === "100 kB of text" && answer.status === 431) return;
    expectError(answer, 401, "invalid_token");
  });

  it("is closed without a token, and to an API key", async () => {
    expectError(await enter(undefined), 401, "invalid_token");
    expectError(await enter(project.key), 401, "api_key_not_allowed");
    expectError(await call(`${project.base}/v1/threads`, { headers: { authorization: token } }), 401, "invalid_token");
  });

  const forgeries: [string, (key: Json) => string][] = [
    ["signed by someone else's key under our kid", () => forge({ alg: "EdDSA", kid: header(token).kid }, claims(token), ed25519().privateKey)],
    ["that carries its own key", () => {
      const { privateKey, jwk } = ed25519();
      return forge({ alg: "EdDSA", jwk, jku: "http://127.0.0.1:9/jwks" }, claims(token), privateKey);
    }],
    ["of HS256 with our public key as the secret", (key) => forge({ alg: "HS256", kid: key.kid }, claims(token), Buffer.from(key.x, "base64url"))],
  ];
  it.each(forgeries)("is closed to a token %s", async (_name, make) => {
    expectError(await enter(make((await jwks()).json.keys[0])), 401, "invalid_token");
  });
});

describe("identity", () => {
  it("comes from the token alone: X-End-User-Id and the body's user change nothing", async () => {
    const upstream = await Upstream.start(completion("hi"));
    const owner = await Project.create({ providers: { main: upstream.url } });
    const [ann, bob] = [await owner.user("ann"), await owner.user("bob")];
    const body = { model: "m", user: "bob", messages: [{ role: "user", content: "mine" }] };
    expect((await ann.chat(body, { headers: { "x-end-user-id": "bob", "x-thread-id": "t-ann" } })).status).toBe(200);
    expect((await ann.get("/v1/threads")).json.map((one: { id: string }) => one.id)).toEqual(["t-ann"]);
    expect((await bob.get("/v1/threads")).json).toEqual([]);
  });

  it("needs the project to exist still", async () => {
    const gone = await Project.create();
    const user = await gone.user();
    await gone.admin("", { method: "DELETE" });
    const answer = await user.chat();
    expect([401, 403, 404]).toContain(answer.status);
    expectIds(answer.headers);
  });
});
