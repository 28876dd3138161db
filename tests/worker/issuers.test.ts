// Login tokens of identity providers: through servers of keys that rotate, fail, stall and lie, and the trust that a project puts in them.
// Always holds: each test has an issuer of its own, so that what an isolate remembers of one cannot help another.
// Absent: schedules of refetching over minutes, which need another clock; the native tests hold them. The shapes of products: provider-tokens.test.ts.
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { hs256, type Behaviour, KeyServer, now, Signer } from "../support/issuer.ts";
import { call, type Json, Project } from "../support/project.ts";

let gateway: Gateway;
const servers: KeyServer[] = [];
const signers = { RS256: Signer.make("RS256", "rsa-1"), ES256: Signer.make("ES256", "ec-1"), EdDSA: Signer.make("EdDSA", "ed-1") };
beforeAll(async () => {
  gateway = await Gateway.start();
}, 60_000);
afterAll(async () => {
  for (const server of servers) server.stop();
  await gateway.stop();
});

const project = () => Project.create({ base: gateway.url });
const unique = () => randomBytes(6).toString("hex");
async function server(...keys: Signer[]): Promise<KeyServer> {
  const one = await KeyServer.start(...keys);
  servers.push(one);
  return one;
}
const put = (to: Project, body: Json, name = "idp") => to.admin(`/issuers/${name}`, { method: "PUT", body });
const enter = (token: string, headers: Record<string, string> = {}) => call(`${gateway.url}/v1/threads`, { token, headers });
const life = () => ({ iat: now(), exp: now() + 600 });

/** A project that trusts a fresh issuer whose keys are at a fresh server. */
async function trusted(...keys: Signer[]) {
  const [to, keyServer, iss] = [await project(), await server(...keys), `https://idp-${unique()}.example`];
  const answer = await put(to, { issuer: iss, audience: "app", jwks_url: `${keyServer.url}/jwks` });
  expect(answer.status, answer.text).toBe(200);
  const claims = (more: Json = {}) => ({ iss, aud: "app", sub: "ann", ...life(), ...more });
  return { to, keyServer, iss, claims };
}

describe("the login of an identity provider", () => {
  const SECRET = "super-secret-jwt-token-with-at-least-32-characters";
  it("never lets a secret meet a public key, nor the other way round", async () => {
    const { claims } = await trusted(signers.RS256);
    const jwk = JSON.stringify(signers.RS256.jwk);
    for (const secret of [jwk, signers.RS256.jwk.n, ""]) expectError(await enter(hs256(secret, claims(), { kid: "rsa-1" })), 401, "invalid_token");
    const [to, id] = [await project(), `p${unique()}`];
    await put(to, { preset: "supabase", project_ref: id, secret: SECRET });
    const legacy = { iss: `https://${id}.supabase.co/auth/v1`, aud: "authenticated", sub: "ann", ...life() };
    expectError(await enter(signers.RS256.token(legacy)), 401, "invalid_token");
    expect((await enter(hs256(SECRET, legacy))).status).toBe(200);
  });

  it("is a user with a history of their own, whose settings admit origins", async () => {
    const { to, claims } = await trusted(signers.ES256);
    await to.admin("/settings", { method: "PUT", body: { allowed_origins: ["https://app.example"] } });
    const token = signers.ES256.token(claims());
    expect((await enter(token, { origin: "https://app.example" })).status).toBe(200);
    expectError(await enter(token, { origin: "https://evil.example" }), 403, "forbidden");
    expectError(await call(`${gateway.url}/v1/projects`, { token }), 401, "invalid_token");
    expectError(await to.mint({ user_id: "ann" }, { token }), 401, "invalid_token");
  });
});

describe("keys at an address", () => {
  it("are fetched once for many requests at a time", async () => {
    const { keyServer, claims } = await trusted(signers.ES256);
    keyServer.behave = (_request, response) => void setTimeout(() => keyServer.serve(response, { keys: keyServer.keys }), 300);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => enter(signers.ES256.token(claims({ sub: `user-${n}` })))));
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(200));
    expect(keyServer.hits).toEqual(["/jwks"]);
  });

  it("are fetched again for a new kid, and once only for kids that are nobody's", async () => {
    const { keyServer, claims } = await trusted(signers.ES256);
    expect((await enter(signers.ES256.token(claims()))).status).toBe(200);
    const next = Signer.make("EdDSA", "next");
    keyServer.keys.push(next.jwk);
    expect((await enter(next.token(claims()))).status).toBe(200);
    expect(keyServer.hits.length).toBe(2);
    for (let n = 0; n < 20; n++) expectError(await enter(Signer.make("EdDSA", `no-${n}`).token(claims())), 401, "invalid_token");
    expect(keyServer.hits.length).toBe(2);
    expect((await enter(signers.ES256.token(claims({ sub: "bob" })))).status).toBe(200);
  });

  const FAULTS: [string, Behaviour][] = [
    ["fails", (_request, response) => void response.writeHead(500).end()],
    ["stalls", () => undefined],
    ["stalls in its body", (_request, response) => void response.writeHead(200).write('{"keys":[')],
    ["serves garbage", (_request, response) => void response.writeHead(200).end("<html>")],
    ["serves no keys", (_request, response) => void response.writeHead(200).end('{"keys":[]}')],
    ["serves more than a megabyte", (_request, response) => void response.writeHead(200).end(JSON.stringify({ keys: [signers.ES256.jwk], x: "x".repeat(1_100_000) }))],
    ["serves more than a megabyte of unknown length", (_request, response) => {
      response.writeHead(200).write(JSON.stringify({ keys: [signers.ES256.jwk] }).slice(0, -1));
      response.end(`,"x":"${"x".repeat(1_100_000)}"}`);
    }],
    ["serves more than a megabyte in a small parcel", (_request, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(JSON.stringify({ keys: [signers.ES256.jwk], x: "x".repeat(20_000_000) })))],
    ["serves brackets without end", (_request, response) => void response.writeHead(200).end(`{"keys":${"[".repeat(900_000)}`)],
    ["serves nothing", (_request, response) => void response.writeHead(200).end()],
    ["drips", (_request, response) => {
      response.writeHead(200).write('{"keys":[');
      const drip = setInterval(() => response.write(" "), 100);
      response.once("close", () => clearInterval(drip));
    }],
    ["breaks off", (request) => void request.socket.destroy()],
  ];
  it.each(FAULTS)("are not to be had from a server that %s, and that is not asked again at once", async (_name, behave) => {
    const { keyServer, claims } = await trusted(signers.ES256);
    keyServer.behave = behave;
    const token = signers.ES256.token(claims());
    const answer = await enter(token);
    const error = expectError(answer, 503, "upstream_error");
    expect(error.message).not.toMatch(/127\.0\.0\.1|jwks/i);
    expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
    expectError(await enter(token), 503, "upstream_error");
    expect(keyServer.hits.length).toBe(1);
  });

  it("are not taken from where a redirect leads", async () => {
    const { keyServer, claims } = await trusted(signers.ES256);
    const other = await server(signers.ES256);
    keyServer.behave = (_request, response) => void response.writeHead(302, { location: `${other.url}/jwks` }).end();
    expectError(await enter(signers.ES256.token(claims())), 503, "upstream_error");
    expect([keyServer.hits.length, other.hits.length]).toEqual([1, 0]);
  });

  it("still serve while the server is out", async () => {
    const { keyServer, claims } = await trusted(signers.ES256);
    expect((await enter(signers.ES256.token(claims()))).status).toBe(200);
    keyServer.behave = (_request, response) => void response.writeHead(500).end();
    // An unknown kid makes the gateway ask, in vain.
    expectError(await enter(Signer.make("EdDSA", "new").token(claims())), 401, "invalid_token");
    expect(keyServer.hits.length).toBe(2);
    expect((await enter(signers.ES256.token(claims({ sub: "bob" })))).status).toBe(200);
  });
});

describe("discovery", () => {
  async function oidc(document: (base: string) => Json) {
    const [to, keyServer] = [await project(), await server(signers.RS256)];
    const iss = `${keyServer.url}/${unique()}`;
    keyServer.behave = (request, response) => keyServer.serve(response, request.url!.endsWith("/.well-known/openid-configuration") ? document(iss) : { keys: keyServer.keys });
    expect((await put(to, { preset: "oidc", issuer: iss, audience: "app" })).status).toBe(200);
    return { keyServer, token: signers.RS256.token({ iss, aud: "app", sub: "ann", ...life() }) };
  }

  it("finds the keys", async () => {
    const { keyServer, token } = await oidc((iss) => ({ issuer: iss, jwks_uri: `${iss}/keys` }));
    expect((await enter(token)).status).toBe(200);
    expect(keyServer.hits.map((path) => path.replace(/^\/[^/]+/, ""))).toEqual(["/.well-known/openid-configuration", "/keys"]);
  });

  it.each<[string, (iss: string) => Json]>([
    ["of another issuer", (iss) => ({ issuer: `${iss}/`, jwks_uri: `${iss}/keys` })],
    ["without keys", (iss) => ({ issuer: iss })],
    ["that names a file", (iss) => ({ issuer: iss, jwks_uri: "file:///etc/passwd" })],
    ["with credentials in the address", (iss) => ({ issuer: iss, jwks_uri: iss.replace("http://", "http://a:b@") })],
  ])("does not trust a document %s", async (_name, document) => {
    const { keyServer, token } = await oidc(document);
    expectError(await enter(token), 503, "upstream_error");
    expect(keyServer.hits.length).toBe(1);
  });
});

describe("the three seconds", () => {
  it("are for discovery and keys together", async () => {
    const [to, keyServer] = [await project(), await server(signers.RS256)];
    const iss = `${keyServer.url}/${unique()}`;
    keyServer.behave = (request, response) => void setTimeout(() => keyServer.serve(response, request.url!.endsWith("/keys") ? { keys: keyServer.keys } : { issuer: iss, jwks_uri: `${iss}/keys` }), 1_800);
    expect((await put(to, { preset: "oidc", issuer: iss, audience: "app" })).status).toBe(200);
    expectError(await enter(signers.RS256.token({ iss, aud: "app", sub: "ann", ...life() })), 503, "upstream_error");
    expect(keyServer.hits.length).toBe(2);
  });
});

describe("trust", () => {
  it("is the project's own: put, shown, changed, and gone at once", async () => {
    const { to, keyServer, iss, claims } = await trusted(signers.ES256);
    const token = signers.ES256.token(claims());
    expect((await enter(token)).status).toBe(200);
    expect((await to.admin("/issuers")).json.data).toMatchObject([{ object: "issuer", name: "idp", issuer: iss, jwks_url: `${keyServer.url}/jwks`, audience: ["app"], has_secret: false }]);
    // The same again, and a wider audience: who was let in before stays.
    expect((await put(to, { issuer: iss, audience: ["app", "more"], jwks_url: `${keyServer.url}/jwks` })).status).toBe(200);
    expect((await enter(token)).status).toBe(200);
    // One that the token is not for.
    expect((await put(to, { issuer: iss, audience: "other", jwks_url: `${keyServer.url}/jwks` })).status).toBe(200);
    expectError(await enter(token), 401, "invalid_token");
    expect((await put(to, { issuer: iss, audience: "app", jwks_url: `${keyServer.url}/jwks` })).status).toBe(200);
    expect((await enter(token)).status).toBe(200);
    expect((await to.admin("/issuers/idp", { method: "DELETE" })).status).toBe(204);
    expectError(await enter(token), 401, "invalid_token");
    expectError(await to.admin("/issuers/idp"), 404, "not_found");
    expectError(await to.admin("/issuers/idp", { method: "DELETE" }), 404, "not_found");
  });

  it("of several projects is told apart by audience, else by the header", async () => {
    const [one, two, three, iss] = [await project(), await project(), await project(), `https://idp-${unique()}.example`];
    const jwks = { keys: [signers.ES256.jwk] };
    await put(one, { issuer: iss, audience: "one", jwks });
    await put(two, { issuer: iss, audience: "two", jwks });
    const make = (aud: string | string[]) => signers.ES256.token({ iss, aud, sub: "ann", ...life() });
    for (const aud of ["one", "two"]) expect((await enter(make(aud))).status).toBe(200);
    await put(three, { issuer: iss, audience: "two", jwks });
    const both = make("two");
    expect(expectError(await enter(both), 401, "invalid_token").message).toContain("x-behest-project");
    expect((await enter(both, { "x-behest-project": two.id })).status).toBe(200);
    expect((await enter(both, { "x-behest-project": three.id })).status).toBe(200);
    expectError(await enter(both, { "x-behest-project": one.id }), 401, "invalid_token");
    expectError(await enter(both, { "x-behest-project": "proj_../x" }), 400, "validation_error", "x-behest-project");
    expectError(await enter(both), 401, "invalid_token");
    await three.admin("", { method: "PATCH", body: { status: "suspended" } });
    expectError(await enter(both, { "x-behest-project": three.id }), 403, "forbidden");
  });

  it("keeps users of one project from another's history", async () => {
    const [one, two, iss] = [await project(), await project(), `https://idp-${unique()}.example`];
    for (const to of [one, two]) await put(to, { issuer: iss, audience: "app", jwks: { keys: [signers.ES256.jwk] } });
    const token = signers.ES256.token({ iss, aud: "app", sub: "ann", ...life() });
    await one.admin("/providers/demo", { method: "PUT", body: { kind: "demo" } });
    await one.admin("/settings", { method: "PUT", body: { default_model: "demo" } });
    const headers = { "x-behest-project": one.id, "x-thread-id": `t-${unique()}` };
    const chat = await call(`${gateway.url}/v1/chat/completions`, { token, headers, body: { messages: [{ role: "user", content: "hi" }] } });
    expect(chat.status, chat.text).toBe(200);
    expect((await enter(token, { "x-behest-project": one.id })).json.length).toBe(1);
    expect((await enter(token, { "x-behest-project": two.id })).json).toEqual([]);
  });
});

describe("Cloudflare Access", () => {
  it("lets listed admins in from the gateway's own pages, without the admin token", async () => {
    const keyServer = await server(signers.RS256);
    const own = await Gateway.start({ vars: { ACCESS_TEAM_DOMAIN: keyServer.url, ACCESS_AUD: "aud-1", ACCESS_EMAILS: "@example.com" } });
    try {
      const make = (more: Json = {}) => signers.RS256.token({ iss: keyServer.url, aud: ["aud-1"], email: "ann@example.com", sub: "u", type: "app", ...life(), ...more }, { typ: undefined });
      const list = (assertion: string, more: Json = {}) => call(`${own.url}/v1/projects`, { headers: { "cf-access-jwt-assertion": assertion, ...more } });
      expect((await list(make())).status).toBe(200);
      expect(keyServer.hits).toEqual(["/cdn-cgi/access/certs"]);
      expect((await list(make(), { origin: own.url })).status).toBe(200);
      expectError(await list(make(), { origin: "https://evil.example" }), 403, "forbidden");
      expectError(await list(make({ email: "bob@evil.example" })), 403, "forbidden");
      expectError(await list(make({ aud: ["aud-2"] })), 401, "invalid_token");
      expectError(await list(signers.ES256.token({ iss: keyServer.url, aud: ["aud-1"], email: "ann@example.com", ...life() })), 401, "invalid_token");
      expectError(await list(make(), { authorization: "Bearer wrong-admin-token-000" }), 401, "invalid_token");
      expectError(await call(`${own.url}/v1/threads`, { headers: { "cf-access-jwt-assertion": make() } }), 401, "invalid_token");
      expectError(await call(`${gateway.url}/v1/projects`, { headers: { "cf-access-jwt-assertion": make() } }), 401, "invalid_token");
    } finally {
      await own.stop();
    }
  }, 90_000);
});
