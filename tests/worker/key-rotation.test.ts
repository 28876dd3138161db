// The keys that others sign with, each replaced while everybody goes on working: a tenant's signing key, an identity provider's keys.
// Always holds: traffic runs without a pause through all steps, chats and other routes, and not one request fails; clients hold tokens as
// apps do, until shortly before they end, and a key goes when the last token that it signed has ended.
// Absent: the gateway's own keys (rotation.test.ts), and how fast a key that is gone stops opening (signing-keys.test.ts, issuers.test.ts).
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { KeyServer, Signer } from "../support/issuer.ts";
import { admin, type CallOptions, type Json, Project, User } from "../support/project.ts";
import { reply } from "../support/script.ts";
import { claimsOf } from "../support/signing.ts";
import { Traffic } from "../support/traffic.ts";
import { Upstream } from "../support/upstream.ts";

const [CLIENTS, ENOUGH] = [6, 60];
/** How long a token lives, and how long before its end its client asks for another, ms. */
const [LIFE_MS, EARLY_MS] = [5_000, 2_500];

let gateway: Gateway;
let upstream: Upstream;
const servers: KeyServer[] = [];
beforeAll(async () => {
  gateway = await Gateway.start({ entry: "isolates.mjs", second: true });
  upstream = await Upstream.start((exchange) => reply(exchange.body, "hello"));
});
afterAll(async () => {
  servers.forEach((server) => server.stop());
  await gateway?.stop();
});

/** One kind of key: what makes a token of it good, and what takes it away. */
interface Keys {
  signers: [old: Signer, next: Signer];
  claims: Json;
  /** The first key is there from the beginning. */
  publish: () => Promise<void>;
  retire: () => Promise<void>;
  /** Whether a token that lives on is refused at once when its key is gone. */
  endsTokens: boolean;
  fetched?: () => number;
}

type Make = (project: Project, change: (path: string, options: CallOptions) => Promise<void>) => Promise<Keys>;

const signingKey: Make = async (project, change) => {
  const signers = [Signer.make("RS256", "sk_old"), Signer.make("ES256", "sk_next")] as Keys["signers"];
  const register = ({ kid, jwk }: Signer) => change("/signing-keys", { body: { kid, public_key: jwk } });
  await register(signers[0]);
  const retire = () => change("/signing-keys/sk_old", { method: "DELETE" });
  return { signers, claims: claimsOf(project), publish: () => register(signers[1]), retire, endsTokens: true };
};

const idpClaims = (project: Project) => ({ iss: `https://idp-${project.id}.example`, aud: "app", sub: "ann" });
const idpSigners = () => [Signer.make("RS256", "idp-old"), Signer.make("EdDSA", "idp-next")] as Keys["signers"];
const jwks = (...signers: Signer[]) => ({ keys: signers.map(({ jwk }) => jwk) });

const keysAtAddress: Make = async (project, change) => {
  const [signers, claims] = [idpSigners(), idpClaims(project)];
  const server = await KeyServer.start(signers[0]);
  servers.push(server);
  await change("/issuers/idp", { method: "PUT", body: { issuer: claims.iss, audience: "app", jwks_url: `${server.url}/jwks` } });
  const serve = async (...some: Signer[]) => void (server.keys = jwks(...some).keys);
  return { signers, claims, publish: () => serve(...signers), retire: () => serve(signers[1]), endsTokens: false, fetched: () => server.hits.length };
};

const keysInline: Make = async (project, change) => {
  const [signers, claims] = [idpSigners(), idpClaims(project)];
  const put = (...some: Signer[]) => change("/issuers/idp", { method: "PUT", body: { issuer: claims.iss, audience: "app", jwks: jwks(...some) } });
  await put(signers[0]);
  return { signers, claims, publish: () => put(...signers), retire: () => put(signers[1]), endsTokens: true };
};

/** What one client holds: a token until shortly before its end, then one by a key that signs now. */
function holder({ claims }: Keys, signing: () => Signer) {
  let [token, ends] = ["", 0];
  return () => {
    const now = Date.now();
    if (now > ends - EARLY_MS) {
      ends = now + LIFE_MS;
      token = signing().token({ ...claims, iat: Math.floor(now / 1000), nbf: Math.floor(now / 1000), exp: Math.ceil(ends / 1000) });
    }
    return token;
  };
}

/** A project with the first key. The owner's calls go to this isolate until that is there, and then to `owner`. */
async function prepared(make: Make, owner: string): Promise<Keys> {
  let to = "";
  const project = await Project.create({ base: gateway.url, providers: { main: upstream.url } });
  const keys = await make(project, async (path, options) => {
    const answer = await admin(`/projects/${project.id}${path}`, options, `${gateway.url}${to}`);
    expect([200, 201, 204], answer.text).toContain(answer.status);
  });
  to = owner;
  return keys;
}

/** Rotates under load. */
async function check(make: Make, owner: string) {
  const keys = await prepared(make, owner);
  const [old, next] = keys.signers;
  let signing = [old];
  const tokens = Array.from({ length: CLIENTS }, (_, client) => holder(keys, () => signing[client % signing.length]!));
  const traffic = new Traffic(CLIENTS, (client) => {
    const user = new User(gateway.url, tokens[client]!());
    return client < CLIENTS / 2 ? user.chat() : user.get("/v1/threads");
  });
  await traffic.more(ENOUGH);
  await keys.publish();
  signing = [old, next];
  await sleep(LIFE_MS);
  const kept = old.token({ ...keys.claims, exp: Math.ceil(Date.now() / 1000) + 60 });
  signing = [next];
  // Now the last token of the old key ends.
  await sleep(LIFE_MS);
  await keys.retire();
  await traffic.more(ENOUGH);
  const counts = await traffic.stop();
  expect(counts, "answers by status").toEqual({ 200: counts[200] });
  expect(counts[200]).toBeGreaterThan(2 * ENOUGH);
  const late = await new User(gateway.url, kept).get("/v1/threads");
  if (keys.endsTokens) expectError(late, 401, "invalid_token");
  if (keys.fetched) expect(keys.fetched(), "fetches: the first, and one for the new key").toBe(2);
  console.log(`key rotation: ${counts[200]} requests, all answered`);
}

describe.concurrent("no request fails", () => {
  it.each<[string, Make, string]>([
    ["a tenant's signing key", signingKey, ""],
    ["an identity provider's keys at an address", keysAtAddress, ""],
    ["a tenant's signing key, by a change made elsewhere,", signingKey, "/elsewhere"],
    ["an identity provider's keys that the project keeps", keysInline, ""],
    ["an identity provider's keys that the project keeps, by a change made elsewhere,", keysInline, "/elsewhere"],
  ])("while %s is replaced", { timeout: 120_000 }, async (_, make, owner) => check(make, owner));
});

it.each<[string, Make]>([
  ["a tenant's signing key", signingKey],
  ["an identity provider's key that the project keeps", keysInline],
])("%s that was added elsewhere is good at its first use, where the configuration is old", async (_, make) => {
  const keys = await prepared(make, "/elsewhere");
  const enter = (signer: Signer, who: Json) => new User(gateway.url, signer.token({ ...keys.claims, ...who, exp: Math.ceil(Date.now() / 1000) + 60 })).get("/v1/threads");
  expect((await enter(keys.signers[0], {})).status).toBe(200);
  await keys.publish();
  // Nobody whose object could tell of the change has asked since.
  const newcomer = await enter(keys.signers[1], { uid: "newcomer", sub: "newcomer" });
  expect(newcomer.status, newcomer.text).toBe(200);
});
