// What a deployment may not reach it does not reach when it fetches either: stored before it was forbidden, named by a discovery document, or
// at the end of a redirect. There is a server inside that would serve good keys and good answers; nobody comes to it.
// Always holds: one gateway without ALLOW_PRIVATE_UPSTREAMS, whose outside is a server of this file (roads.mjs), on the state of one that had it.
// Absent: what is refused at registration: ssrf.test.ts.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { KeyServer, now, Signer } from "../support/issuer.ts";
import { call, type Json, Project } from "../support/project.ts";

const signer = Signer.make("ES256", "k");
const persist = mkdtempSync(join(tmpdir(), "behest-ssrf-"));
let inside: KeyServer;
let outside: KeyServer;
let gateway: Gateway;
/** A project of when private addresses were allowed, and one of after. */
let [old, fresh]: Project[] = [];
let user: string;

/** With a port for the server inside; every spelling of it that a URL parser folds, and places that only exist in clouds. */
const SPELLINGS = [
  "http://127.0.0.1:PORT", "https://127.0.0.1:PORT", "http://127.1:PORT", "http://2130706433:PORT", "https://2130706433:PORT", "http://0x7f000001:PORT", "http://0x7f.0.0.1:PORT", "http://0177.0.0.1:PORT", "http://017700000001:PORT",
  "http://127.0.0.1.:PORT", "https://127.0.0.1.:PORT", "http://①②⑦.0.0.1:PORT", "http://0:PORT", "http://0.0.0.0:PORT", "http://localhost:PORT", "https://localhost:PORT", "http://LOCALHOST:PORT", "http://localhost.:PORT", "http://idp.localhost:PORT", "http://loc%61lhost:PORT",
  "http://[::1]:PORT", "https://[::1]:PORT", "http://[::]:PORT", "http://[::ffff:127.0.0.1]:PORT", "https://[::ffff:7f00:1]:PORT", "http://[::127.0.0.1]:PORT", "https://[64:ff9b::7f00:1]:PORT", "https://[2002:7f00:1::]:PORT",
  "https://10.0.0.1", "https://192.168.0.1", "https://169.254.169.254", "http://169.254.169.254", "https://2852039166", "https://0xa9fea9fe", "https://[::ffff:a9fe:a9fe]", "https://[fd00:ec2::254]", "https://100.100.100.200",
  "https://metadata.google.internal", "https://metadata.google.internal.", "https://METADATA.google.internal", "https://metadata", "https://metadata.goog", "https://instance-data", "https://kubernetes.default.svc", "https://printer.local",
];
/** Those that a registration takes as addresses although private ones are allowed: ASCII, and the host as it is. */
const STORABLE = SPELLINGS.filter((spelling) => /^[\x21-\x7e]+$/.test(spelling));
const NAMED_ONLY = ["https://user:pass@idp.example", "https://idp.example@127.0.0.1:PORT", "file:///etc/passwd#", "data:application/json,{}#", "ftp://127.0.0.1:PORT", "//127.0.0.1:PORT", "/", ""];
const at = (spelling: string) => spelling.replace("PORT", new URL(inside.url).port);
const kept = (n: number) => ({ issuer: `https://stored-${n}.example`, audience: "app" });

beforeAll(async () => {
  [inside, outside] = [await KeyServer.start(signer), await KeyServer.start(signer)];
  const lax = await Gateway.start({ persist, direct: true });
  try {
    old = await Project.create({ base: lax.url });
    for (const [n, spelling] of STORABLE.entries()) {
      const issuer = await old.admin(`/issuers/idp-${n}`, { method: "PUT", body: { ...kept(n), jwks_url: `${at(spelling)}/jwks` } });
      const provider = await old.admin(`/providers/p${n}`, { method: "PUT", body: { kind: "openai-compatible", api_key: "sk-00000000", base_url: `${at(spelling)}/v1` } });
      expect([issuer.status, provider.status < 300], `${issuer.text} ${provider.text}`).toEqual([200, true]);
    }
  } finally {
    await lax.stop();
  }
  gateway = await Gateway.start({ persist, entry: "roads.mjs", vars: { ALLOW_PRIVATE_UPSTREAMS: undefined, OUTSIDE: outside.url } });
  fresh = await Project.create({ base: gateway.url });
  user = (await call(`${gateway.url}/v1/auth/mint`, { token: old.key, body: { user_id: "ann" } })).json.access_token;
  expect(inside.connections).toBe(0);
}, 120_000);
afterAll(async () => {
  for (const server of [inside, outside]) server.stop();
  await gateway.stop();
  rmSync(persist, { recursive: true, force: true });
});

const enter = (iss: string) => call(`${gateway.url}/v1/threads`, { token: signer.token({ iss, aud: "app", sub: "ann", iat: now(), exp: now() + 600 }) });
const roads = async () => (await call(`${gateway.url}/roads`)).json as string[];
let issuers = 0;
/** A new issuer of the project of after; what it says where is `serve`'s business. */
async function trusted(body: (iss: string) => Json) {
  const iss = `https://idp-${(issuers += 1)}.example`;
  const answer = await fresh.admin(`/issuers/idp-${issuers}`, { method: "PUT", body: { audience: "app", ...body(iss) } });
  expect(answer.status, answer.text).toBe(200);
  return iss;
}
const discovered = () => trusted((issuer) => ({ preset: "oidc", issuer }));
const published = () => trusted((issuer) => ({ issuer, jwks_url: `${issuer}/jwks` }));
const document = (iss: string) => `${iss}/.well-known/openid-configuration`;

/** The token is refused because its keys are not to be had; nothing was fetched but what is named; nobody came to the server inside. */
async function check(iss: string, fetched: string[]) {
  const [, before] = [await roads(), inside.connections];
  const error = expectError(await enter(iss), 503, "upstream_error");
  expect(error.message).not.toMatch(/127|local|metadata|169\.254/i);
  expect([await roads(), inside.connections - before]).toEqual([fetched, 0]);
}

describe("keys at", () => {
  it.each(STORABLE.map((spelling, n): [string, number] => [spelling, n]))("%s, stored when that was allowed, are not fetched", (_spelling, n) => check(kept(n).issuer, []));

  it.each([...SPELLINGS, ...NAMED_ONLY])("%j, as a discovery document says, are not fetched", async (spelling) => {
    const iss = await discovered();
    outside.behave = (_request, response) => outside.serve(response, { issuer: iss, jwks_uri: `${at(spelling)}/jwks` });
    await check(iss, [document(iss)]);
  });

  it.each([301, 302, 303, 307, 308])("the end of a redirect with %d are not fetched, nor is a discovery document", async (status) => {
    for (const location of [`${inside.url}/jwks`, "https://keys.example/jwks", "//127.0.0.1/jwks", "https://metadata.google.internal/"]) {
      outside.behave = (_request, response) => void response.writeHead(status, { location, refresh: `0; url=${location}` }).end(JSON.stringify({ keys: [signer.jwk] }));
      const [keys, issuer] = [await published(), await discovered()];
      await check(keys, [`${keys}/jwks`]);
      await check(issuer, [document(issuer)]);
    }
  });

  it("public addresses are fetched, by name and by discovery", async () => {
    const [keys, issuer] = [await published(), await discovered()];
    outside.behave = (request, response) => outside.serve(response, request.url!.endsWith("configuration") ? { issuer, jwks_uri: "https://keys.example/of/it" } : { keys: outside.keys });
    await roads();
    expect([(await enter(keys)).status, (await enter(issuer)).status]).toEqual([200, 200]);
    expect(await roads()).toEqual([`${keys}/jwks`, document(issuer), "https://keys.example/of/it"]);
  });
});

describe("a provider at", () => {
  it.each(STORABLE.map((spelling, n): [string, number] => [spelling, n]))("%s, stored when that was allowed, is not asked", async (_spelling, n) => {
    const [, before] = [await roads(), inside.connections];
    const answer = await call(`${gateway.url}/v1/chat/completions`, { token: user, body: { model: `p${n}/m`, messages: [{ role: "user", content: "hi" }] } });
    expect(expectError(answer, 502, "upstream_error").message).not.toMatch(/127|local|metadata|169\.254/i);
    expect([await roads(), inside.connections - before]).toEqual([[], 0]);
  });
});
