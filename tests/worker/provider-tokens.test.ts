// Login tokens as identity providers issue them, made by `jose`, with the headers, claims and published keys that each product really has.
// Always holds: a refused token differs from one that is let in by the one thing its column names; `jose` itself takes the token that is let in.
// Absent: how keys are fetched, and what a configuration may say: issuers.test.ts. Sources of the shapes: the products' own pages on their tokens.
import { randomBytes, randomUUID } from "node:crypto";
import { type CryptoKey, createLocalJWKSet, exportJWK, generateKeyPair, type JWTHeaderParameters, jwtVerify, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { KeyServer, now } from "../support/issuer.ts";
import { call, type Json, Project } from "../support/project.ts";

interface Product {
  name: string;
  alg: string;
  /** What its header says beside `alg`. */
  head: Json;
  /** What a published key says beside its own numbers. */
  published?: Json;
  /** What an owner configures for the app of this id; `at` is where the provider is. */
  config: (id: string, at: string) => Json;
  /** A user's token for that app. */
  claims: (id: string, at: string) => Json;
  /** What makes it a token for somebody else's app. */
  elsewhere: Json;
  /** Its user. */
  user: string;
}

const SECRET = "super-secret-jwt-token-with-at-least-32-characters";
const ANN = "5f2c1c9e-7d0b-4d7a-9f54-1f3a6c0b8e21";
const CERTIFICATE = { x5t: "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg", x5c: ["MIIDBzCCAe+gAwIBAgIJakoPho0MJr56MA0GCSqGSIb3DQEBCwUAMCExHzAdBgNVBAMT"] };
const hour = () => ({ iat: now(), exp: now() + 3_600 });

const supabase = (id: string) => ({
  iss: `https://${id}.supabase.co/auth/v1`, sub: ANN, aud: "authenticated", ...hour(), email: "ann@example.com", phone: "", role: "authenticated", aal: "aal1",
  app_metadata: { provider: "email", providers: ["email"] }, user_metadata: { email: "ann@example.com", email_verified: true, phone_verified: false, sub: ANN },
  amr: [{ method: "password", timestamp: now() }], session_id: randomUUID(), is_anonymous: false,
});
const auth0 = (id: string) => ({
  iss: `https://${id}.eu.auth0.com/`, sub: "auth0|507f1f77bcf86cd799439020", aud: ["https://api.example", `https://${id}.eu.auth0.com/userinfo`],
  iat: now(), exp: now() + 86_400, scope: "openid profile email", permissions: ["read:things"],
});
const cognito = (id: string, use: string) => ({
  sub: ANN, iss: `https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_${id}`, "cognito:groups": ["admin"], origin_jti: randomUUID(), event_id: randomUUID(), jti: randomUUID(),
  token_use: use, auth_time: now(), ...hour(),
});
const pool = (id: string) => ({ preset: "cognito", region: "eu-west-1", user_pool_id: `eu-west-1_${id}`, client_id: "1example23456789" });

const PRODUCTS: Product[] = [
  { name: "Supabase", alg: "ES256", head: { typ: "JWT" }, published: { use: "sig", key_ops: ["verify"], ext: true }, config: (id) => ({ preset: "supabase", project_ref: id }), claims: supabase, elsewhere: { aud: "other" }, user: ANN },
  { name: "Supabase with its legacy secret", alg: "HS256", head: { typ: "JWT", kid: "EWwKnLwhZZCvs4Gk" }, config: (id) => ({ preset: "supabase", project_ref: id, secret: SECRET }), claims: supabase, elsewhere: { aud: "other" }, user: ANN },
  {
    name: "Clerk", alg: "RS256", head: { typ: "JWT", cat: "cl_B7d4PD111AAA" }, user: "user_2abcDEFghiJKLmnoPQRstuVWxy",
    config: (id) => ({ preset: "clerk", frontend_api: `${id}.clerk.accounts.dev`, authorized_parties: ["http://localhost:3000", "https://app.example"] }),
    claims: (id) => ({ azp: "https://app.example", exp: now() + 60, fva: [0, -1], iat: now(), iss: `https://${id}.clerk.accounts.dev`, jti: randomBytes(10).toString("hex"), nbf: now() - 10, o: { id: "org_2x", rol: "admin", slg: "acme" }, pla: "u:free", sid: "sess_2b", sts: "active", sub: "user_2abcDEFghiJKLmnoPQRstuVWxy", v: 2 }),
    elsewhere: { azp: "https://evil.example" },
  },
  { name: "Auth0", alg: "RS256", head: { typ: "JWT" }, published: CERTIFICATE, config: (id) => ({ preset: "auth0", domain: `${id}.eu.auth0.com`, audience: "https://api.example" }), claims: (id) => ({ ...auth0(id), azp: "my_client_id", gty: "password" }), elsewhere: { aud: ["https://other.example", "https://x.eu.auth0.com/userinfo"] }, user: "auth0|507f1f77bcf86cd799439020" },
  { name: "Auth0 with RFC 9068's profile", alg: "RS256", head: { typ: "at+jwt" }, published: CERTIFICATE, config: (id) => ({ preset: "auth0", domain: `${id}.eu.auth0.com`, audience: "https://api.example" }), claims: (id) => ({ ...auth0(id), client_id: "my_client_id", jti: "hv4qG9wTQ3aaLnBWCdbyQA" }), elsewhere: { aud: "https://other.example" }, user: "auth0|507f1f77bcf86cd799439020" },
  {
    name: "Firebase", alg: "RS256", head: { typ: "JWT" }, config: (id) => ({ preset: "firebase", project_id: id }), elsewhere: { aud: "other-project" }, user: "tGYkfQj9YfWpyb3kSdZcCQYY0Kf2",
    claims: (id) => ({ name: "Ann", picture: "https://example.com/ann.png", iss: `https://securetoken.google.com/${id}`, aud: id, auth_time: now() - 10, user_id: "tGYkfQj9YfWpyb3kSdZcCQYY0Kf2", sub: "tGYkfQj9YfWpyb3kSdZcCQYY0Kf2", ...hour(), email: "ann@example.com", email_verified: true, firebase: { identities: { "google.com": ["1122334455"], email: ["ann@example.com"] }, sign_in_provider: "google.com" } }),
  },
  { name: "Cognito (access token)", alg: "RS256", head: {}, config: pool, claims: (id) => ({ ...cognito(id, "access"), version: 2, client_id: "1example23456789", scope: "aws.cognito.signin.user.admin openid", username: "ann" }), elsewhere: { client_id: "another" }, user: ANN },
  { name: "Cognito (id token)", alg: "RS256", head: {}, config: pool, claims: (id) => ({ ...cognito(id, "id"), aud: "1example23456789", at_hash: "0mUNrOBhYZVQ2VJOS0FnPQ", email: "ann@example.com", email_verified: true, "cognito:username": "ann", "cognito:roles": ["arn:aws:iam::111122223333:role/r"], identities: [{ userId: "1", providerName: "Google", primary: "true" }] }), elsewhere: { aud: "another" }, user: ANN },
  {
    name: "Better Auth", alg: "EdDSA", head: {}, published: { use: undefined }, config: (id) => ({ preset: "better-auth", url: `https://${id}.example` }), elsewhere: { aud: "https://other.example" }, user: "u5KXGSWlQ0nwEcoYqvRPtTzBCmBjgFVu",
    claims: (id) => ({ id: "u5KXGSWlQ0nwEcoYqvRPtTzBCmBjgFVu", name: "Ann", email: "ann@example.com", emailVerified: true, image: null, createdAt: "2026-01-02T03:04:05.000Z", updatedAt: "2026-01-02T03:04:05.000Z", iat: now(), exp: now() + 900, iss: `https://${id}.example`, aud: `https://${id}.example`, sub: "u5KXGSWlQ0nwEcoYqvRPtTzBCmBjgFVu" }),
  },
  {
    name: "an OIDC provider by discovery (Keycloak)", alg: "PS256", head: { typ: "JWT" }, published: CERTIFICATE, config: (id, at) => ({ preset: "oidc", issuer: `${at}/realms/${id}`, audience: ["account", "app"], user_id_claim: "preferred_username" }), elsewhere: { aud: ["realm-management"] }, user: "ann",
    claims: (id, at) => ({ ...hour(), auth_time: now(), jti: `onrtro:${randomUUID()}`, iss: `${at}/realms/${id}`, aud: ["realm-management", "account"], sub: ANN, typ: "Bearer", azp: "app", sid: randomUUID(), acr: "1", "allowed-origins": ["https://app.example"], realm_access: { roles: ["admin"] }, resource_access: { account: { roles: ["manage-account"] } }, scope: "openid email", email_verified: true, preferred_username: "ann" }),
  },
  {
    name: "an issuer that names its algorithm as RFC 9864 does", alg: "Ed25519", head: { typ: "at+jwt" }, config: (id) => ({ issuer: `https://${id}.example`, audience: "app", algorithms: ["Ed25519"] }), elsewhere: { aud: "other" }, user: "ann",
    claims: (id) => ({ iss: `https://${id}.example`, aud: "app", ...hour(), sub: "ann", client_id: "app", jti: randomUUID() }),
  },
  {
    name: "an OIDC provider by its address (Okta)", alg: "RS256", head: {}, config: (id) => ({ issuer: `https://${id}.okta.com/oauth2/default`, audience: "api://default" }), elsewhere: { aud: "api://other" }, user: "ann@example.com",
    claims: (id) => ({ ver: 1, jti: "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", iss: `https://${id}.okta.com/oauth2/default`, aud: "api://default", ...hour(), cid: "nmdP1fcyvdVO11AL7ECm", uid: "00ujmkLgagxeRrAg20g3", scp: ["openid", "email"], auth_time: now(), sub: "ann@example.com" }),
  },
  {
    name: "an OIDC provider whose keys name no algorithm (Entra)", alg: "RS256", head: { typ: "JWT" }, published: { alg: undefined, ...CERTIFICATE, cloud_instance_name: "microsoftonline.com" }, config: (id) => ({ issuer: `https://login.microsoftonline.com/${id}/v2.0`, audience: "6e74172b-be56-4843-9ff4-e66a39bb12e3", user_id_claim: "oid" }), elsewhere: { aud: "00000003-0000-0000-c000-000000000000" }, user: ANN,
    claims: (id) => ({ aud: "6e74172b-be56-4843-9ff4-e66a39bb12e3", iss: `https://login.microsoftonline.com/${id}/v2.0`, iat: now(), nbf: now(), exp: now() + 4_500, aio: "AVQAq/8TAAAA", azp: "6e74172b-be56-4843-9ff4-e66a39bb12e3", azpacr: "0", oid: ANN, preferred_username: "ann@example.com", rh: "I", scp: "access_as_user", sub: "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", tid: id, uti: "fqiBqXLPj0eQa82S-IYFAA", ver: "2.0" }),
  },
];

let gateway: Gateway;
let keys: KeyServer;
/** What each provider publishes, by the last part of its path. */
const published: Record<string, Json[]> = {};
beforeAll(async () => {
  [gateway, keys] = [await Gateway.start(), await KeyServer.start()];
  keys.behave = (request, response) => {
    const [id, found] = [request.url!.split("/").at(-1)!, request.url!.match(/^(\/.*)\/\.well-known\/openid-configuration$/)];
    if (found) keys.serve(response, { issuer: `${keys.url}${found[1]}`, jwks_uri: `${keys.url}/keys/${found[1].split("/").at(-1)}`, id_token_signing_alg_values_supported: ["PS256"] });
    else keys.serve(response, { keys: published[id] });
  };
}, 60_000);
afterAll(async () => {
  keys.stop();
  await gateway.stop();
});

const enter = (token: string) => call(`${gateway.url}/v1/threads`, { token });
type Key = CryptoKey | Uint8Array;
const sign = (head: Json, claims: Json, key: Key) => new SignJWT(claims).setProtectedHeader(head as JWTHeaderParameters).sign(key);
const keyFor = async (alg: string): Promise<[Key, Json]> => {
  if (alg === "HS256") return [new TextEncoder().encode(SECRET), {}];
  const { privateKey, publicKey } = await generateKeyPair(alg);
  return [privateKey, await exportJWK(publicKey)];
};
const otherKey = async (alg: string): Promise<Key> => (alg === "HS256" ? randomBytes(48) : (await keyFor(alg))[0]);

/** A project that trusts this product, its keys published; and a maker of tokens, which are good without changes. */
async function trusting({ alg, head, published: members, config, claims }: Product) {
  const [id, kid] = [`p${randomBytes(6).toString("hex")}`, head.kid ?? randomUUID()];
  const [key, jwk] = await keyFor(alg);
  const at = keys.url;
  published[id] = [{ kty: "RSA", use: "enc", kid: randomUUID(), alg: "RSA-OAEP", e: "AQAB", n: randomBytes(256).toString("base64url") }, { ...jwk, kid, alg, use: "sig", ...members }];
  const body = config(id, at);
  const project = await Project.create({ base: gateway.url });
  const byUrl = alg === "HS256" || body.preset === "oidc" ? {} : { jwks_url: `${at}/keys/${id}` };
  const answer = await project.admin("/issuers/idp", { method: "PUT", body: { ...body, ...byUrl } });
  expect(answer.status, answer.text).toBe(200);
  expect(answer.text).not.toContain(SECRET);
  const make = (more: Json = {}, other: { kid?: string; key?: Key; alg?: string } = {}) => sign({ alg: other.alg ?? alg, kid: other.kid ?? kid, ...head, ...(other.kid ? { kid: other.kid } : {}) }, { ...claims(id, at), ...more }, other.key ?? key);
  return { id, make, key, iss: claims(id, at).iss as string, foreign: claims(`q${id}`, at).iss as string };
}

type Scene = Awaited<ReturnType<typeof trusting>>;
const REFUSED: [string, string, (scene: Scene, product: Product) => Promise<string>][] = [
  ["for another audience", "invalid_token", ({ make }, { elsewhere }) => make(elsewhere)],
  ["of another customer of the provider", "invalid_token", ({ make, foreign }) => make({ iss: foreign })],
  ["of an issuer that begins alike", "invalid_token", ({ make, iss }) => make({ iss: `${iss}.evil.example` })],
  ["that is over", "token_expired", ({ make }) => make({ iat: now() - 4_000, nbf: now() - 4_000, exp: now() - 60 })],
  ["of tomorrow", "invalid_token", ({ make }) => make({ iat: now() + 3_600, exp: now() + 7_200 })],
  ["without an end", "invalid_token", ({ make }) => make({ exp: undefined })],
  ["signed with another key", "invalid_token", async ({ make }, { alg }) => make({}, { key: await otherKey(alg) })],
  ["without a user", "invalid_token", ({ make }) => make({ sub: undefined, oid: undefined, preferred_username: undefined })],
  ["of the provider's own service", "invalid_token", ({ make }) => make({ role: "service_role" })],
  ["changed after it was signed", "invalid_token", async ({ make }) => {
    const [head, body, signature] = (await make()).split(".");
    // The first character of a signature carries six whole bits.
    return `${head}.${body}.${signature[0] === "A" ? "B" : "A"}${signature.slice(1)}`;
  }],
];

describe.each(PRODUCTS)("a login token of $name", (product) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await trusting(product);
  });

  it("is let in as it is sent, is that user, and `jose` reads what the gateway makes of it", async () => {
    const token = await scene.make();
    const { payload } = await jwtVerify(token, product.alg === "HS256" ? scene.key : createLocalJWKSet({ keys: published[scene.id] }), { issuer: scene.iss });
    expect(payload.iss).toBe(scene.iss);
    for (let n = 0; n < 2; n++) expect((await enter(token)).status).toBe(200);
    const fields = { grant_type: "urn:ietf:params:oauth:grant-type:token-exchange", subject_token: token, subject_token_type: "urn:ietf:params:oauth:token-type:jwt" };
    const answer = await call(`${gateway.url}/v1/auth/token`, { body: new URLSearchParams(fields).toString(), headers: { "content-type": "application/x-www-form-urlencoded" } });
    expect(answer.status, answer.text).toBe(200);
    const ours = createLocalJWKSet((await call(`${gateway.url}/.well-known/jwks.json`)).json);
    const own = (await jwtVerify(answer.json.access_token, ours, { audience: "behest", algorithms: ["EdDSA"] })).payload;
    expect([own.uid, own.role, own.exp! <= payload.exp!]).toEqual([product.user, "user", true]);
  });

  it.each(REFUSED)("is refused %s", async (_column, code, make) => {
    expectError(await enter(await make(scene, product)), 401, code);
  });

  if (product.alg !== "HS256") it("is refused under a kid that the provider does not publish, and with HS256 over its public key", async () => {
    expectError(await enter(await scene.make({}, { kid: randomUUID() })), 401, "invalid_token");
    for (const text of [JSON.stringify(published[scene.id][1]), JSON.stringify({ keys: published[scene.id] })]) {
      expectError(await enter(await scene.make({}, { alg: "HS256", key: new TextEncoder().encode(text) })), 401, "invalid_token");
    }
  });
});
