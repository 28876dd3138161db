// Tokens that a tenant signed itself: those of every algorithm open the door, and what RFC 8725 and other gateways' holes teach does not.
// Always holds: each attack is one change to a token that is good without it; every refusal is a 401 in the contract's form.
// Absent: what a missing or extra claim means in detail, which the native tests hold; signatures that are nearly good: jose-rules.test.ts.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { header } from "../support/jws.ts";
import { call, type Json, Project } from "../support/project.ts";
import { ALGORITHMS, claimsOf, type Pair, pair, register, token } from "../support/signing.ts";
import { eventually } from "../support/upstream.ts";

let gateway: Gateway;
let project: Project;
let other: Project;
let own: string;
const pairs: Record<string, Pair> = {};
const kid = (alg: string) => `sk_${alg}`;

beforeAll(async () => {
  gateway = await Gateway.start();
  [project, other] = [await Project.create({ base: gateway.url }), await Project.create({ base: gateway.url })];
  for (const alg of ALGORITHMS) {
    pairs[alg] = pair(alg);
    await register(project, { kid: kid(alg), alg, public_key: pairs[alg].jwk });
  }
  await register(other, { kid: kid("RS256"), public_key: pair("RS256").pem });
  own = await project.token("ann");
}, 90_000);
afterAll(() => gateway.stop());

const enter = (bearer: string) => call(`${project.base}/v1/threads`, { token: bearer });
const head = (alg: string, more: Json = {}) => ({ alg, typ: "JWT", kid: kid(alg), ...more });
const good = (alg: string, more: Json = {}) => token(head(alg), claimsOf(project, more), alg, pairs[alg].privateKey);

describe("a token of the tenant's", () => {
  it.each(ALGORITHMS)("in %s opens the door, twice", async (alg) => {
    const bearer = good(alg);
    for (let n = 0; n < 2; n++) expect((await enter(bearer)).status).toBe(200);
  });

  it("may leave its kid out where one key fits, and name its audience in a list", async () => {
    const bearer = token({ alg: "ES384" }, claimsOf(project, { aud: ["x", "behest"], scp: [], role: "admin", tier: 2, sid: "s-1" }), "ES384", pairs.ES384.privateKey);
    expect((await enter(bearer)).status).toBe(200);
  });
});

const changed = (alg: string, change: (parts: string[]) => string[]) => () => change(good(alg).split(".")).join(".");
const claims = (name: string, more: () => Json): [string, () => string] => [`claims: ${name}`, () => good("RS256", more())];
const headed = (name: string, more: Json): [string, () => string] => [`header: ${name}`, () => token(head("RS256", more), claimsOf(project), "RS256", pairs.RS256.privateKey)];
const raw = (name: string, make: (good: string) => string): [string, () => string] => [`claims: ${name}`, () => token(head("RS256"), make(JSON.stringify(claimsOf(project))), "RS256", pairs.RS256.privateKey)];
/** Signed in another way than the header says, or than the key does. */
const swapped = (says: string, by: string, key = by): [string, () => string] => [`${says} signed as ${by} with the key of ${key}`, () => token(head(says, { kid: kid(key) }), claimsOf(project), by, pairs[key].privateKey)];
const secret = (name: string, key: () => string | Buffer, of = "RS256"): [string, () => string] => [`HS256 with ${name} as the secret`, () => token(head("HS256", { kid: kid(of) }), claimsOf(project), "HS256", key())];
const signed = (name: string, alg: string, make: (input: string) => Buffer): [string, () => string] => [`${alg} with ${name}`, changed(alg, ([a, b]) => [a, b, make(`${a}.${b}`).toString("base64url")])];
const now = () => Math.floor(Date.now() / 1000);

const ATTACKS: [string, () => string][] = [
  ...["none", "None", "nOnE", "NONE", "", "rs256", "ES512", "HS512"].map((alg): [string, () => string] => [`alg ${JSON.stringify(alg)}`, () => token(head("RS256", { alg }), claimsOf(project), "RS256", pairs.RS256.privateKey)]),
  ["alg none without a signature", changed("RS256", ([, b]) => [Buffer.from('{"alg":"none"}').toString("base64url"), b, ""])],
  ["no signature", changed("RS256", ([a, b]) => [a, b, ""])],
  secret("the key's PEM", () => pairs.RS256.pem),
  secret("the key's PEM without its end of line", () => pairs.RS256.pem.trim()),
  secret("the key's JWK", () => JSON.stringify(pairs.RS256.jwk)),
  secret("the key's modulus", () => Buffer.from(pairs.RS256.jwk.n!, "base64url")),
  secret("the key's DER", () => pairs.RS256.publicKey.export({ format: "der", type: "spki" })),
  secret("the Ed25519 key's bytes", () => Buffer.from(pairs.EdDSA.jwk.x!, "base64url"), "EdDSA"),
  secret("nothing", () => ""),
  swapped("ES256", "ES384"), swapped("EdDSA", "ES256"), swapped("RS256", "EdDSA"),
  ["someone else's RSA key", () => token(head("RS256"), claimsOf(project), "RS256", pair("RS256").privateKey)],
  ["someone else's Ed25519 key", () => token(head("EdDSA"), claimsOf(project), "EdDSA", pair("EdDSA").privateKey)],
  ["the gateway's own kid", () => token({ alg: "EdDSA", kid: header(own).kid }, claimsOf(project), "EdDSA", pairs.EdDSA.privateKey)],
  signed("zeros", "EdDSA", () => Buffer.alloc(64)), signed("zeros", "RS256", () => Buffer.alloc(256)), signed("the number 1", "RS256", () => Buffer.concat([Buffer.alloc(255), Buffer.from([1])])), signed("one byte", "PS256", () => Buffer.alloc(1)),
  headed("a path as kid", { kid: "../sk_RS256" }), headed("SQL as kid", { kid: "sk_RS256' OR '1'='1" }), headed("an inherited name as kid", { kid: "__proto__" }), headed("constructor as kid", { kid: "constructor" }),
  headed("no text as kid", { kid: "" }), headed("NUL in kid", { kid: "sk_RS256\0" }), headed("a number as kid", { kid: 7 }), headed("a list as kid", { kid: ["sk_RS256"] }), headed("a long kid", { kid: "k".repeat(300) }), headed("another case in kid", { kid: "SK_rs256" }),
  headed("null as kid", { kid: null }),
  headed("jku", { jku: "http://127.0.0.1:9/jwks" }), headed("x5u", { x5u: "http://127.0.0.1:9/cert" }), headed("x5c", { x5c: ["AAAA"] }), headed("crit", { crit: ["exp"], exp: 1 }), headed("b64", { b64: false, crit: ["b64"] }), headed("zip", { zip: "DEF" }), headed("nested token", { cty: "JWT" }), headed("typ of a DPoP proof", { typ: "dpop+jwt" }), headed("enc", { enc: "A256GCM" }),
  ["header: its own key", () => { const mine = pair("RS256"); return token(head("RS256", { jwk: mine.jwk }), claimsOf(project), "RS256", mine.privateKey); }],
  ["header: alg twice", () => token(`{"alg":"none","alg":"RS256","kid":"${kid("RS256")}"}`, claimsOf(project), "RS256", pairs.RS256.privateKey)],
  ["header: a list", () => token("[]", claimsOf(project), "RS256", pairs.RS256.privateKey)],
  raw("uid twice", (good) => good.replace("{", '{"uid":"bob",')), raw("uid twice, once escaped", (good) => good.replace("{", '{"\\u0075id":"bob",')), raw("exp beyond every float", (good) => good.replace(/"exp":\d+/, '"exp":1e400')), raw("exp that is NaN", (good) => good.replace(/"exp":\d+/, '"exp":NaN')), raw("half a character", (good) => good.replace("ann", "\\ud800")), raw("something after them", (good) => `${good}{}`), raw("a list", (good) => `[${good}]`), raw("a token", () => good("RS256")),
  claims("exp as a string", () => ({ exp: String(now() + 600) })), claims("exp below zero", () => ({ exp: -1 })), claims("exp beyond 2^53", () => ({ exp: 2 ** 60 })), claims("no exp", () => ({ exp: undefined })), claims("a life of a year", () => ({ exp: now() + 31_536_000 })), claims("a long life counted from now", () => ({ exp: now() + 31_536_000, iat: undefined })),
  claims("iat to come", () => ({ iat: now() + 120 })), claims("nbf to come", () => ({ nbf: now() + 120 })), claims("iat as text", () => ({ iat: "0" })),
  claims("another audience", () => ({ aud: "other" })), claims("audiences without ours", () => ({ aud: ["a", "b"] })), claims("no audience", () => ({ aud: undefined })), claims("another issuer", () => ({ iss: "https://evil.example" })), claims("an issuer that begins like ours", () => ({ iss: "https://api.behest.ai.evil.example" })),
  claims("another tenant", () => ({ tid: "tnt_other" })), claims("no tenant", () => ({ tid: undefined })), claims("another project", () => ({ pid: other.id })), claims("a project that is none", () => ({ pid: "proj_000000000000000000000000" })), claims("a path as project", () => ({ pid: `../${project.id}` })), claims("two projects", () => ({ pid: [project.id] })),
  claims("a reserved user", () => ({ uid: "admin" })), claims("a reserved user in capitals", () => ({ uid: "SYSTEM" })), claims("a user with a control character", () => ({ uid: "a\u0000nn" })), claims("a user in full-width letters that begin with a newline", () => ({ uid: "\nａｄｍｉｎ" })), claims("no user", () => ({ uid: undefined })), claims("a number as user", () => ({ uid: 7 })),
  claims("models as text", () => ({ models: "gpt-5" })), claims("max_tokens as text", () => ({ max_tokens: "5" })), claims("one_time as text", () => ({ one_time: "true" })), claims("usd_max below zero", () => ({ usd_max: -1 })), claims("models null", () => ({ models: null })), claims("a parent of its own choice", () => ({ par: ["x"] })), claims("scp that is a number", () => ({ scp: 7 })),
  ["padding", () => `${good("EdDSA")}==`], ["a fourth part", () => `${good("RS256")}.AAAA`], ["five parts (JWE)", () => `${good("RS256")}.AAAA.AAAA`], ["the alphabet of plain base64", changed("ES256", ([a, b, c]) => [a, b, c.slice(0, -2) + "+/"])],
  ["whitespace within", changed("RS256", ([a, b, c]) => [a, `${b} `, c])], ["a second spelling of the signature", changed("EdDSA", ([a, b, c]) => [a, b, c.slice(0, -1) + ({ A: "B", Q: "R", g: "h", w: "x" } as Json)[c.at(-1)!]])],
  ["more than 8 KB", () => good("RS256", { note: "x".repeat(9_000) })],
];

describe("the door is closed to", () => {
  it.each(ATTACKS)("%s", async (_name, make) => {
    expectError(await enter(make()), 401, "invalid_token");
  });

  it("a token whose time is over, and says so", async () => {
    expectError(await enter(good("RS256", { iat: now() - 700, nbf: now() - 700, exp: now() - 100 })), 401, "token_expired");
  });

  it("a token that begins as one that was let in before", async () => {
    const bearer = good("RS256");
    expect((await enter(bearer)).status).toBe(200);
    const [a, b, c] = bearer.split(".");
    for (const like of [`${a}.${b}.${c.slice(0, -8)}AAAAAAAA`, `${a}.${b}.${c.slice(0, -4)}`, `${a}.${Buffer.from(JSON.stringify(claimsOf(project, { uid: "bob" }))).toString("base64url")}.${c}`]) {
      expectError(await enter(like), 401, "invalid_token");
    }
    expect((await enter(bearer)).status).toBe(200);
  });
});

describe("a project of somebody's own making", () => {
  it("leaves nothing behind in its object, however many are named", async () => {
    const tables = () => {
      const files = readdirSync(gateway.persist, { recursive: true, encoding: "utf8" }).filter((name) => /ProjectObject.*\.sqlite(-wal)?$/.test(name));
      return files.filter((name) => readFileSync(join(gateway.persist, name)).includes("CREATE TABLE document"));
    };
    const before = tables();
    expect(before.length).toBeGreaterThan(0);
    for (let n = 0; n < 5; n++) expectError(await enter(good("RS256", { pid: `proj_${randomBytes(12).toString("hex")}` })), 401, "invalid_token");
    expect(tables()).toEqual(before);
  });

  it("starts no object any more when an address goes on making them up, while real ones open", async () => {
    const madeUp = async () => {
      const answer = await enter(good("RS256", { pid: `proj_${randomBytes(12).toString("hex")}` }));
      expectError(answer, 401, "invalid_token");
      return answer.headers.get("x-request-id")!;
    };
    let last = "";
    for (let n = 0; n < 21; n++) last = await madeUp();
    const line = await eventually("its line is logged", () => readFileSync(gateway.logFile, "utf8").split("\n").find((one) => one.startsWith("{") && one.includes(last)));
    const { object_calls = 0, kv_reads } = JSON.parse(line);
    expect([object_calls, kv_reads]).toEqual([0, 1]);
    expect((await enter(good("RS256"))).status).toBe(200);
  });
});

describe("our own tokens", () => {
  it.each(["/v1/projects", "/v1/auth/mint"])("a tenant's token does not open %s", async (path) => {
    expect((await call(`${project.base}${path}`, { token: good("RS256"), body: {} })).status).toBe(401);
  });
});
