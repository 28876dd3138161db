// A tenant's signing keys: registered in every form, made here, listed, removed; what is no public key is refused by name.
// Always holds: no answer but the one that makes a pair has a private half, and no answer repeats one that was sent.
// Absent: forged tokens (foreign-tokens.test.ts).
import { createPrivateKey } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { call, type Json, Project } from "../support/project.ts";
import { ALGORITHMS, claimsOf, pair, register, token } from "../support/signing.ts";

let project: Project;
beforeAll(async () => {
  project = await Project.create();
});
const enter = (bearer: string) => call(`${project.base}/v1/threads`, { token: bearer });
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "k"];

describe("a public key", () => {
  const forms: [string, string, (made: ReturnType<typeof pair>, alg: string) => Json][] = ALGORITHMS.flatMap((alg) => [
    [alg, "a JWK", ({ jwk }) => ({ public_key: jwk, alg })],
    [alg, "a JWK that says its algorithm", ({ jwk }) => ({ public_key: { ...jwk, alg, use: "sig" } })],
    [alg, "a JWK as text", ({ jwk }) => ({ public_key: JSON.stringify({ ...jwk, alg }) })],
    [alg, "PEM", ({ pem }) => ({ public_key: pem, alg })],
  ] as [string, string, (made: ReturnType<typeof pair>, alg: string) => Json][]);
  it.each(forms)("of %s is taken as %s, and verifies", async (alg, _form, body) => {
    const made = pair(alg);
    const key = await register(project, { name: "n", ...body(made, alg) });
    expect(key).toMatchObject({ object: "signing_key", id: key.kid, name: "n", alg, created_at: expect.any(Number) });
    expect(key.kid).toMatch(/^sk_[0-9a-f]{24}$/);
    expect(key.public_key).toMatchObject(made.jwk);
    expect((await enter(token({ alg, kid: key.kid }, claimsOf(project), alg, made.privateKey))).status).toBe(200);
    expect((await project.admin(`/signing-keys/${key.kid}`, { method: "DELETE" })).status).toBe(204);
  });

  it("in PEM without a named algorithm has the usual one of its kind", async () => {
    for (const [kind, alg] of [["RS256", "RS256"], ["ES256", "ES256"], ["ES384", "ES384"], ["EdDSA", "EdDSA"]]) {
      expect((await register(project, { public_key: pair(kind).pem })).alg).toBe(alg);
    }
  });

  const privatePem = (alg: string) => pair(alg).privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  const refused: [string, string, () => Json][] = [
    ["nothing", "public_key", () => ({})],
    ["an unknown field", "kind", () => ({ public_key: pair("EdDSA").jwk, kind: "x" })],
    ["text that is no PEM", "public_key", () => ({ public_key: "hello" })],
    ["PEM with other bytes in it", "public_key", () => ({ public_key: "-----BEGIN PUBLIC KEY-----\nAAECAw==\n-----END PUBLIC KEY-----" })],
    ["a certificate", "public_key", () => ({ public_key: "-----BEGIN CERTIFICATE-----\nAAECAw==\n-----END CERTIFICATE-----" })],
    ["a private key in PEM", "public_key", () => ({ public_key: privatePem("RS256") })],
    ["a private JWK", "public_key", () => ({ public_key: pair("ES256").privateKey.export({ format: "jwk" }) })],
    ["a secret", "public_key", () => ({ public_key: { kty: "oct", k: "c2VjcmV0" } })],
    ["RSA of 1,024 bits", "public_key", () => ({ public_key: pair("RS256", 1024).jwk })],
    ["RSA of 1,024 bits in PEM", "public_key", () => ({ public_key: pair("RS256", 1024).pem })],
    ["a point that is not on its curve", "public_key", () => ({ public_key: { ...pair("ES256").jwk, y: pair("ES256").jwk.y } })],
    ["an EC key for RSA", "public_key", () => ({ public_key: pair("ES256").jwk, alg: "RS256" })],
    ["an EC key in PEM for RSA", "public_key", () => ({ public_key: pair("ES256").pem, alg: "RS256" })],
    ["HS256", "public_key", () => ({ public_key: pair("RS256").pem, alg: "HS256" })],
    ["an algorithm that is none", "alg", () => ({ public_key: pair("RS256").pem, alg: "none" })],
    ["a kid with a slash", "kid", () => ({ public_key: pair("EdDSA").jwk, kid: "a/b" })],
    ["both a key and the wish for one", "generate", () => ({ public_key: pair("EdDSA").jwk, generate: true })],
  ];
  it.each(refused)("is refused for %s, naming %s", async (_name, field, body) => {
    const sent = body();
    const answer = await project.admin("/signing-keys", { body: sent });
    expectError(answer, 400, "validation_error", field);
    if (sent.public_key?.d) expect(answer.text).not.toContain(sent.public_key.d);
  });

  it("has a kid that is its own", async () => {
    await register(project, { kid: "sk_twice", public_key: pair("EdDSA").jwk });
    expectError(await project.admin("/signing-keys", { body: { kid: "sk_twice", public_key: pair("EdDSA").jwk } }), 409, "conflict", "kid");
  });
});

describe("a pair made here", () => {
  it.each(["RS256", "ES256", "EdDSA"])("of %s signs tokens, and its private half is shown once", async (alg) => {
    const made = await register(project, { generate: true, alg, name: "made" });
    const key = createPrivateKey(made.private_key);
    expect((await enter(token({ alg, kid: made.kid }, claimsOf(project), alg, key))).status).toBe(200);
    expect(Object.keys(made.public_key).filter((name) => PRIVATE.includes(name))).toEqual([]);
    expect(/^behest_pk_-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=]+-----END PRIVATE KEY-----$/.test(made.behest_key ?? "")).toBe(alg === "RS256");
    const list = await project.admin("/signing-keys");
    expect(list.json.data.find((one: Json) => one.kid === made.kid)).toMatchObject({ alg, name: "made", public_key: made.public_key });
    expect(list.text).not.toMatch(/private|PRIVATE|behest_pk_/);
    for (const one of list.json.data) expect(Object.keys(one.public_key).filter((name) => PRIVATE.includes(name))).toEqual([]);
  });

  it("is of RS256 unless it is said", async () => {
    expect(await register(project, { generate: true })).toMatchObject({ alg: "RS256", public_key: { e: "AQAB" } });
  });
});

describe("a key that is removed", () => {
  it("closes the door at once to tokens that were let in, also when another key takes its kid", async () => {
    const [old, next] = [pair("RS256"), pair("RS256")];
    const sign = (key: typeof old) => token({ alg: "RS256", kid: "sk_turn" }, claimsOf(project), "RS256", key.privateKey);
    await register(project, { kid: "sk_turn", public_key: old.jwk });
    const bearer = sign(old);
    expect((await enter(bearer)).status).toBe(200);
    expect((await project.admin("/signing-keys/sk_turn", { method: "DELETE" })).status).toBe(204);
    expect(expectError(await enter(bearer), 401, "invalid_token").message).toMatch(/trusted no more/);
    await register(project, { kid: "sk_turn", public_key: next.jwk });
    expectError(await enter(bearer), 401, "invalid_token");
    expect((await enter(sign(next))).status).toBe(200);
  });

  it("is known no more", async () => {
    expectError(await project.admin("/signing-keys/sk_none", { method: "DELETE" }), 404, "not_found");
  });
});
