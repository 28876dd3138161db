// A secret in every field that takes or makes one, every route used well and badly, and then a search: no secret is anywhere that the table
// below does not name, in no spelling. Places: answers with their headers, the Worker's log, the files of KV and of the objects, and what
// was sent to providers.
// Always holds: a gateway of its own; a secret that is shown once is learnt from the answer that shows it, and that answer alone may have
// it; the search finds what is there openly in each of its places. Absent: a secret as the *name* of a JSON member, which errors name.
import { createPrivateKey, createPublicKey, hkdfSync, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Canaries, canary, everyFile, spellings } from "../support/canaries.ts";
import { ADMIN_TOKEN, Gateway } from "../support/gateway.ts";
import { hs256, KeyServer, now, Signer } from "../support/issuer.ts";
import { claims } from "../support/jws.ts";
import { type Answer, call, type CallOptions, type Json } from "../support/project.ts";
import { json, type Script } from "../support/script.ts";
import { claimsOf, pair, token as signed } from "../support/signing.ts";
import { said, temper, tokenServer } from "../support/temper.ts";
import { eventually, type Exchange, Upstream } from "../support/upstream.ts";

type Row = [method: string, path: string, door: string];
const ROUTES = JSON.parse(readFileSync(new URL("../fixtures/routes.json", import.meta.url), "utf8")) as Row[];
/** Every purpose that a key is derived for, from the source itself: a new one is looked for without being named here. */
const PURPOSES = readFileSync(new URL("../../src/secrets.rs", import.meta.url), "utf8").match(/behest\/v1\/[a-z-]+/g)!;
const PLANT = canary("planted-");
const OPEN_NAME = canary("an open project ");

const canaries = new Canaries();
const secret = (name: string, prefix = "sk-"): string => {
  const made = canary(prefix);
  canaries.add(name, made);
  return made;
};
const privateHalf = (name: string, pem: string): void => {
  const jwk = createPrivateKey(pem).export({ format: "jwk" });
  for (const part of ["d", "p", "dq"] as const) if (jwk[part]) canaries.add(`${name}: ${part}`, Buffer.from(jwk[part], "base64url"));
  for (const [n, line] of pem.trim().split("\n").slice(1, -2).entries()) if (n % 3 === 1) canaries.add(`${name}: line ${n}`, line);
};
const aToken = (name: string, text: string): void => {
  canaries.add(`${name}, whole`, text);
  canaries.add(`${name}: signature`, text.split(".")[2]);
  canaries.add(`${name}: signature's bytes`, Buffer.from(text.split(".")[2], "base64url"));
};

const admin = [ADMIN_TOKEN, secret("the second admin token", "admin-")];
canaries.add("the first admin token", ADMIN_TOKEN);
const masters = ["now", "old"].map((id) => ({ id, key: randomBytes(32) }));
for (const { id, key } of masters) {
  canaries.add(`the master key ${id}`, key);
  for (const purpose of PURPOSES) canaries.add(`${purpose} of ${id}`, Buffer.from(hkdfSync("sha256", key, "", purpose, 32)));
}
const TEXT = { prompt: secret("a prompt", "please "), reply: secret("a reply", "of course "), input: secret("an input", "embed "), system: secret("the system prompt", "be ") };
const KEYS = { main: secret("main's key"), more: secret("main's second key"), header: secret("main's header", "hv "), gone: secret("gone's key"), hosted: secret("hosted's key") };
const account = pair("RS256");
const ACCOUNT_PEM = account.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
privateHalf("the service account's key", ACCOUNT_PEM);
const GOOGLE_TOKEN = secret("a service account's access token", "ya29.");
const HOOK = secret("what is secret in the alerts' URL", "hook-");
const ISSUER_SECRET = secret("an identity provider's secret", "hs-");

const persist = mkdtempSync(join(tmpdir(), "behest-canary-"));
let gateway: Gateway;
let idp: KeyServer;
let project: string;
let other: string;
let repeated: string[];
const signers = { ec: Signer.make("ES256", "ec-1"), access: Signer.make("RS256", "access-1") };
const upstreams = new Map<string, Upstream>();
/** Every answer: `shows` are secrets that it alone may have. */
const heard: { place: string; bytes: Buffer; shows: Set<string> }[] = [];
const opened = new Set<string>();

/** The row of the table that a request is for. */
function rowOf(method: string, path: string): string {
  const [plain] = path.split("?");
  const fits = ROUTES.find(([of, pattern]) => of === method && new RegExp(`^${pattern.replaceAll(".", "\\.").replace("**", ".+").replaceAll("*", "[^/]+")}$`).test(plain));
  return fits ? `${fits[0]} ${fits[1]}` : `${method} elsewhere`;
}

/** A request whose answer is searched in the end; what `made` returns is a secret that only this answer may have. */
async function ask(path: string, options: CallOptions = {}, made?: (json: Json) => void): Promise<Answer> {
  const method = options.method ?? (options.body === undefined ? "GET" : "POST");
  const answer = await call(`${gateway.url}${path}`, { method, ...options });
  const known = new Set(canaries.names);
  made?.(answer.json ?? {});
  const row = rowOf(method, path);
  if (answer.status < 300) opened.add(row);
  const shows = new Set([...canaries.names].filter((name) => !known.has(name)));
  if (made && shows.size === 0) throw new Error(`${row} made no secret: ${answer.status} ${answer.text}`);
  heard.push({ place: `answer ${row} ${answer.status}`, bytes: Buffer.from(`${JSON.stringify([...answer.headers])}\n${answer.text}`), shows });
  return answer;
}
const owner = (path: string, body?: unknown, method?: string, made?: (json: Json) => void) =>
  ask(`/v1/projects/${project}${path}`, { token: admin[1], body, method: method ?? (body === undefined ? "GET" : "POST") }, made);
const put = (path: string, body: unknown, made?: (json: Json) => void) => owner(path, body, "PUT", made);

/** Google's token server and Vertex at once. */
function google(exchange: Exchange): Script {
  const assertion = new URLSearchParams(exchange.raw.toString()).get("assertion");
  if (assertion) aToken("an assertion", assertion);
  return tokenServer(exchange, GOOGLE_TOKEN) ?? temper(exchange, TEXT.reply);
}

/** What a project has that is secret, and one that is there to be found. */
async function furnish(): Promise<void> {
  const made = await ask("/v1/projects", { token: admin[0], body: { name: OPEN_NAME } });
  project = made.json.id;
  await put("/settings", { default_model: "main/m", system_prompt: TEXT.system, routing: { retries: 0, timeout_ms: 3_000 }, limits: { project_rpm: 1_000_000, user_rpm: 1_000_000, user_tokens_per_day: 1_000_000_000 } });
  const file = { type: "service_account", project_id: "my-project-1", private_key_id: "key-id-4711", private_key: ACCOUNT_PEM, client_email: "a@my-project-1.iam.gserviceaccount.com" };
  const { main, cloud } = Object.fromEntries(upstreams);
  const compatible = { kind: "openai-compatible", base_url: main.url };
  const providers: Record<string, Json> = {
    main: { kind: "openai", base_url: main.url, api_key: KEYS.main, api_keys: [KEYS.main, KEYS.more], headers: { "x-secret": KEYS.header } },
    claude: { kind: "anthropic", base_url: main.url, api_key: secret("claude's key") }, gemini: { kind: "gemini", base_url: main.url, api_key: secret("gemini's key", "AIza") },
    hosted: { ...compatible, api_key: KEYS.hosted }, gone: { ...compatible, base_url: "http://127.0.0.1:9/v1", api_key: KEYS.gone }, azure: { ...compatible, preset: "azure", api_key: secret("azure's key") }, cf: { kind: "workers-ai", base_url: main.url, api_key: secret("cf's key") }, express: { kind: "vertex", base_url: main.url, api_key: secret("express's key", "AQ.") },
    [PLANT]: { ...compatible, api_key: secret("planted's key") },
    cloud: { kind: "vertex", service_account: { ...file, token_uri: `${cloud.origin}/token` }, location: "us-east5", base_url: cloud.url },
    refused: { kind: "vertex", service_account: JSON.stringify({ ...file, private_key_id: "key-id-4712", token_uri: `${cloud.origin}/refusing` }), base_url: cloud.url },
  };
  for (const [name, body] of Object.entries(providers)) expect((await put(`/providers/${name}`, body)).status, name).toBe(200);
  await put("/issuers/legacy", { issuer: "https://idp.example", audience: "app", secret: ISSUER_SECRET });
  await put("/issuers/open", { issuer: "https://open.example", audience: "app", jwks_url: `${idp.url}/jwks` });
  const url = `${upstreams.get("hook")!.origin}/${HOOK}`;
  const whsec = (name: string) => ({ secret: text }: Json) => void (canaries.add(name, text), canaries.add(`${name}'s bytes`, Buffer.from(text.slice(6), "base64")));
  await put("/alerts", { url, thresholds: [1] }, whsec("the alerts' secret"));
  await put("/alerts", { url, thresholds: [1], rotate_secret: true }, whsec("the alerts' second secret"));
}

type Held = { key: string; keyId: string; tokens: string[] };

/** Every kind of credential, made the way it is made. */
async function credentials(): Promise<Held> {
  const apiKey = (name: string) => ({ key }: Json) => void (canaries.add(name, key), canaries.add(`${name}'s bytes`, Buffer.from(key.slice(15), "hex")));
  const first = (await owner("/keys", { name: "app", capabilities: ["mint", "chat:server"] }, "POST", apiKey("an API key"))).json;
  const { key, id: keyId } = (await owner(`/keys/${first.id}/rotate`, { overlap_seconds: 60 }, "POST", apiKey("a rotated API key"))).json;
  const made: Json[] = [];
  for (const alg of ["RS256", "ES256", "EdDSA"]) made.push((await owner("/signing-keys", { generate: true, alg, name: alg }, "POST", ({ private_key }) => privateHalf(`a made ${alg} key`, private_key))).json);
  const tenants = made.map(({ kid, alg, private_key }) => signed({ alg, kid, typ: "JWT" }, claimsOf({ id: project } as never), alg, createPrivateKey(private_key)));
  const once = { "idempotency-key": secret("an Idempotency-Key", "once-") };
  const mint = (name: string, body: Json, headers?: Record<string, string>) => ask("/v1/auth/mint", { token: key, body, headers }, ({ token }) => aToken(name, token));
  const minted = (await mint("a token", { user_id: "ann" })).json.token;
  await mint("a repeated token", { user_id: "ann", session_id: "s" }, once);
  await ask("/v1/auth/mint", { token: key, body: { user_id: "ann", session_id: "s" }, headers: once });
  const attenuated = (await ask("/v1/auth/attenuate", { token: minted, body: { scp: "chat threads usage", ttl: 300 } }, ({ token }) => aToken("a weaker token", token))).json.token;
  const at = { iat: now(), exp: now() + 600, aud: "app", sub: "ann" };
  const logins = [hs256(ISSUER_SECRET, { ...at, iss: "https://idp.example" }), signers.ec.token({ ...at, iss: "https://open.example" })];
  for (const [n, text] of [...tenants, ...logins].entries()) aToken(`a token of others ${n}`, text);
  const types = "urn:ietf:params:oauth:";
  for (const subject_token of [...tenants, ...logins]) {
    const body = { grant_type: `${types}grant-type:token-exchange`, subject_token, subject_token_type: `${types}token-type:jwt` };
    await ask("/v1/auth/token", { body }, ({ access_token }) => aToken(`an exchanged token of ${subject_token.slice(-9)}`, access_token));
    const wrong = [{ grant_type: subject_token }, { subject_token_type: subject_token }, { actor_token: subject_token }, { scope: subject_token }, { requested_token_type: subject_token }, { ttl: subject_token }, { subject_token: [subject_token] }, { subject_token: `${subject_token}x` }, { [subject_token]: 1, ttl: {} }];
    for (const change of wrong) expect((await ask("/v1/auth/token", { body: { ...body, ...change } })).status, JSON.stringify(change)).toBeGreaterThanOrEqual(400);
    await ask("/v1/auth/token", { body: { ...body, project: subject_token } });
  }
  return { key, keyId, tokens: [minted, attenuated, ...tenants, ...logins] };
}

const chat = (model: string, content: string, more: Json = {}) => ({ model, messages: [{ role: "user", content: `${TEXT.prompt} ${content}` }], ...more });

/** What users do: every route of theirs, by every token, and every provider in every temper. */
async function use({ key, tokens }: Held): Promise<void> {
  const headers = { "x-thread-id": "t-1", cookie: `session=${secret("a cookie")}`, "proxy-authorization": `Bearer ${secret("a proxy's credential")}`, "x-api-key": secret("a key in another header") };
  for (const token of tokens) for (const path of ["/v1/models", "/v1/models/gpt-5", "/v1/usage", "/v1/billing/usage", "/v1/limits", "/v1/threads"]) await ask(path, { token });
  for (const token of tokens) expect((await ask("/v1/chat/completions", { token, headers, body: chat("main/m", "go") })).status).toBe(200);
  const [token] = tokens;
  for (const model of [`${PLANT}/m`, "hosted/m"]) expect((await ask("/v1/chat/completions", { token, headers, body: chat(model, "go", { stream: true }) })).status).toBe(200);
  await ask("/v1/chat/completions", { token: key, headers: { "x-end-user-id": "ann" }, body: chat("main/m", "go") });
  await ask("/v1/embeddings", { token, body: { model: "main/text-embedding-3-small", input: TEXT.input } });
  await ask("/v1/moderations", { token, body: { input: TEXT.input } });
  for (const path of ["/v1/threads", "/v1/threads/t-1", "/v1/threads/t-1/messages"]) await ask(path, { token });
  await ask("/v1/threads/t-1", { token, method: "PATCH", body: { title: "a title" } });
  await ask("/v1/chat/completions", { token, headers: { "x-thread-id": "t-2" }, body: chat("main/m", "go") });
  await ask("/v1/threads/t-2", { token, method: "DELETE" });
  const asked: Promise<Answer>[] = [];
  for (const model of ["main/m", "claude/claude-x", "gemini/gemini-x", "hosted/m", "cloud/gemini-2.5-pro", "cloud/meta/llama", "azure/m", "cf/@cf/x/y", "express/gemini-2.5-pro"])
    for (const status of [302, 400, 401, 403, 404, 413, 422, 429, 500, 503, 529]) asked.push(ask("/v1/chat/completions", { token, body: chat(model, `fail ${status}`) }));
  for (const model of ["main/m", "hosted/m", "claude/claude-x", "gemini/gemini-x", "cloud/gemini-2.5-pro", "gone/m", "refused/gemini-2.5-pro", "none/m"])
    for (const mood of ["break off", "garble", "page"]) for (const stream of [true, false]) asked.push(ask("/v1/chat/completions", { token, body: chat(model, mood, { stream }) }));
  for (const body of [`{"model": "${TEXT.prompt}`, TEXT.prompt, { model: TEXT.prompt.slice(7), messages: TEXT.prompt }]) asked.push(ask("/v1/chat/completions", { token, body }));
  for (const input of ["fail 400", "fail 500", "garble"]) asked.push(ask("/v1/embeddings", { token, body: { model: "main/text-embedding-3-small", input } }));
  const statuses = (await Promise.all(asked)).map((answer) => answer.status);
  for (const status of [400, 404, 429, 502, 503]) expect(statuses).toContain(status);
}

/** Every route with credentials that open nothing, in every place where somebody might put one. */
async function knock(): Promise<void> {
  const [bearer, basic] = [secret("a wrong bearer"), secret("a wrong password", "pw-")];
  const wrongKey = `behest_sk_live_${randomBytes(16).toString("hex")}`;
  canaries.add("a wrong API key", wrongKey);
  const assertion = signers.access.token({ iss: idp.url, aud: "app-1", email: "owner@example.com", iat: now(), exp: now() + 600 });
  aToken("an assertion of Access", assertion);
  expect((await ask("/v1/projects", { headers: { "cf-access-jwt-assertion": assertion } })).status).toBe(200);
  for (const [method, path] of ROUTES) {
    const filled = path.replace("/projects/*", `/projects/${project}`).replaceAll("**", "x").replaceAll("*", "x");
    const body = ["POST", "PUT", "PATCH"].includes(method) ? `{"broken": "${bearer}` : undefined;
    const wrong = [`Bearer ${bearer}`, `Bearer ${wrongKey}`, `Bearer ${wrongKey}x`, `Basic ${Buffer.from(`u:${basic}`).toString("base64")}`, bearer, `Bearer ${assertion}`];
    await Promise.all(wrong.map((authorization) => ask(filled, { method, body, headers: { authorization, cookie: `k=${basic}` } })));
    if (method === "GET") await ask(`${filled}?access_token=${bearer}&key=${wrongKey}`);
  }
}

/** Bodies that break around a secret, or have it where something else belongs: field by field, whole, and cut. */
const FIELDS: [method: string, path: string, good: Json, fields: string][] = [
  ["POST", "/v1/projects", { name: "x" }, "name slug tenant_id"],
  ["PATCH", "/v1/projects/*", {}, "name slug status"],
  ["PUT", "/v1/projects/*/settings", {}, "default_model allowed_models allowed_origins token limits time_zone prices unknown_models routing guardrails memory retention_days system_prompt"],
  ["POST", "/v1/projects/*/keys", { name: "x" }, "name capabilities expires_at"],
  ["POST", "/v1/projects/*/keys/x/rotate", {}, "overlap_seconds"],
  ["POST", "/v1/projects/*/signing-keys", {}, "kid name alg public_key generate"],
  ["PUT", "/v1/projects/*/issuers/bad", { issuer: "https://bad.example", audience: "app" }, "preset issuer jwks_url jwks secret audience authorized_parties user_id_claim tier_claim email_domains algorithms max_age project_ref url frontend_api domain project_id region user_pool_id client_id"],
  ["POST", "/v1/projects/*/revocations", {}, "uid sid jti key_id signing_key issuer"],
  ["PUT", "/v1/projects/*/providers/bad", { kind: "vertex" }, "kind api_key api_keys base_url preset api_version headers models service_account location"],
  ["PUT", "/v1/projects/*/providers/bad", { kind: "openai", api_key: "short" }, "kind api_key api_keys base_url preset api_version headers models service_account location"],
  ["PUT", "/v1/projects/*/tiers/bad", { limits: {} }, "limits"],
  ["PUT", "/v1/projects/*/alerts", { url: "https://hooks.example" }, "url thresholds rotate_secret"],
  ["PUT", "/v1/projects/*/users/u/limits", {}, "limits"],
  ["POST", "/v1/auth/mint", {}, "user_id session_id ttl tier role models max_tokens usd_max tokens_max origin ip thread sid_only one_time scp"],
];

async function misspell({ key }: Held): Promise<string[]> {
  const repeated: string[] = [];
  const send = async (method: string, path: string, what: string, body: unknown, misplaced: string) => {
    const answer = await ask(path, { method, token: path.endsWith("/mint") ? key : admin[0], body });
    if (answer.status >= 400 && (answer.text + JSON.stringify([...answer.headers])).includes(misplaced) && !/ is not an origin/.test(answer.text)) repeated.push(`${method} ${rowOf(method, path)} ${what}: ${answer.text}`);
    return answer.status;
  };
  for (const [method, pattern, good, fields] of FIELDS) {
    const path = pattern.replace("*", other);
    for (const field of fields.split(" ")) {
      const x = canary("misplaced-");
      const values = [x, [x], { a: x }, [{ a: x }], { private_key: x, client_email: x, project_id: x }, { kty: "oct", k: x }, { keys: [{ kty: "oct", k: x }] }, `https://u:${x}@host.example`, `-----BEGIN PRIVATE KEY-----\n${x}\n-----END PRIVATE KEY-----`];
      await Promise.all(values.map((value) => send(method, path, field, { ...good, [field]: value }, x)));
      const broken = [`{"${field}": "${x}`, `{"${field}": ${x}}`, `{"${field}" "${x}"}`, `{"${field}": "${x}\\u00"}`, JSON.stringify(x), JSON.stringify([x]), x];
      for (const status of await Promise.all(broken.map((text) => send(method, path, `${field} in ${text}`, text, x)))) expect(status, `${path} ${field}`).toBeGreaterThanOrEqual(400);
    }
  }
  return repeated;
}

/** What the owner reads, changes and removes, when there is something in all of it. */
async function rule({ keyId, key, tokens }: Held): Promise<void> {
  await put("/tiers/gold", { limits: { user_rpm: 1_000 } });
  await put("/users/spender/limits", { limits: { user_tokens_per_day: 1_000 } });
  const { token } = (await ask("/v1/auth/mint", { token: key, body: { user_id: "spender" } }, (json) => aToken("a spender's token", json.token))).json;
  expect((await ask("/v1/chat/completions", { token, body: { ...chat("main/m", "go"), max_tokens: 5 } })).status).toBe(200);
  await eventually("the alert is tried", () => upstreams.get("hook")!.journal.length > 1, 15_000);
  await put("/alerts", { url: `http://127.0.0.1:9/${HOOK}` });
  const failed = async () => (await owner("/alerts")).json.deliveries.find((one: Json) => one.error);
  expect(JSON.stringify(await eventually("an endpoint that is not there is tried", failed, 15_000))).not.toContain(HOOK);
  await eventually("the ledger knows of users' requests", async () => (await owner("/requests")).json.data.length > 3, 15_000);
  const at = `from=${new Date(Date.now() - 3_600_000).toISOString()}&to=${new Date(Date.now() + 60_000).toISOString()}`;
  const kinds = ["", "/settings", "/keys", "/signing-keys", "/issuers", "/issuers/legacy", "/providers", "/providers/main", "/providers/cloud", "/tiers", "/tiers/gold", "/tiers/gold/resolved", `/usage?${at}&group_by=model,user`, `/requests?${at}`, "/alerts", "/audit?limit=1000", "/audit?format=ndjson", "/users/spender/limits"];
  for (const path of kinds) expect((await owner(path)).status, path).toBe(200);
  await ask("/v1/projects", { token: admin[0] });
  for (const path of ["/healthz", "/.well-known/jwks.json"]) await ask(path);
  await owner("", { name: `${OPEN_NAME} still` }, "PATCH");
  expect((await owner("/revocations", { uid: "spender" })).status).toBe(204);
  await ask("/v1/limits", { token });
  for (const text of tokens) for (const jti of [text, claims(text).jti]) await owner("/revocations", { jti });
  const gone = ["/providers/hosted", "/issuers/legacy", "/tiers/gold", "/users/spender/limits", "/users/spender", `/keys/${keyId}`];
  for (const path of [...gone, ...gone, `/signing-keys/${(await owner("/signing-keys")).json.data[0].kid}`]) await owner(path, undefined, "DELETE");
  for (const text of tokens) await ask("/v1/limits", { token: text });
}

/** A project whose owner errs in everything, and that is removed with its secrets and alerts. */
async function err(held: Held): Promise<void> {
  other = (await ask("/v1/projects", { token: admin[0], body: { name: OPEN_NAME } })).json.id;
  const of = (path: string, options: CallOptions, made?: (json: Json) => void) => ask(`/v1/projects/${other}${path}`, { token: admin[0], ...options }, made);
  await of("/providers/p", { method: "PUT", body: { kind: "openai", api_key: secret("a removed project's key") } });
  await of("/alerts", { method: "PUT", body: { url: "https://hooks.example" } }, ({ secret: text }) => canaries.add("a removed project's alerts' secret", text));
  repeated = await misspell(held);
  expect((await of("/alerts", { method: "DELETE" })).status).toBe(204);
  expect((await of("", { method: "DELETE" })).status).toBe(204);
}

beforeAll(async () => {
  idp = await KeyServer.start(signers.ec, signers.access);
  const list = masters.map(({ id, key }) => `${id}:${key.toString(id === "old" ? "hex" : "base64")}`).join(",");
  const access = { ACCESS_TEAM_DOMAIN: idp.url, ACCESS_AUD: "app-1" };
  gateway = await Gateway.start({ persist, direct: true, vars: { BEHEST_ADMIN_TOKEN: admin.join(","), BEHEST_MASTER_KEY: list, ROLL_UP_SECONDS: 1, ALERT_RETRY_MS: 50, ...access } });
  for (const [name, answering] of [["main", (exchange: Exchange) => temper(exchange, TEXT.reply)], ["cloud", google], ["hook", (exchange: Exchange) => json(said(exchange), 500)]] as const) upstreams.set(name, await Upstream.start(answering));
  await furnish();
  const held = await credentials();
  await use(held);
  await knock();
  await err(held);
  await rule(held);
  const last = (await ask("/v1/nowhere")).headers.get("x-request-id")!;
  await eventually("the log has the last request", () => gateway.log().includes(last));
}, 180_000);
afterAll(async () => {
  idp?.stop();
  await gateway?.stop();
  rmSync(persist, { recursive: true, force: true });
});

/** Where a secret may be seen, by its name and the place, and why. Each row has to be of use. */
const PERMITTED: [name: RegExp, place: RegExp, why: string][] = [
  [/^(main's|planted's|hosted's|claude's|gemini's|azure's|cf's|express's) /, /^provider main$/, "a provider is shown its own key"],
  [/^(an assertion|a service account's access token)/, /^provider cloud$/, "so is Google its own tokens"],
  [/^what is secret in the alerts' URL$/, /^provider hook$/, "it is where alerts go"],
  [/^what is secret in the alerts' URL$/, /^answer (GET|PUT) \/v1\/projects\/\*\/alerts 200$/, "the owner sees where alerts go"],
  [/^what is secret in the alerts' URL$/, /^file (kv|do)\b.*/, "an address is kept as it is"],
  [/^the system prompt$/, /^(provider \w+|answer (GET|PUT) \/v1\/projects\/\*\/settings 200|file (kv|do)\b.*)$/, "a setting"],
  [/^(a prompt|an input)$/, /^provider (main|cloud)$/, "models read prompts"],
  [/^a prompt$/, /^answer GET \/v1\/threads(\/\*|\/\*\/messages)? 200$/, "a user's own thread"],
  [/^a reply$/, /^provider (main|cloud)$/, "so do they what was said before"],
  [/^a reply$/, /^answer (GET \/v1\/threads\/\*\/messages|POST \/v1\/chat\/completions) 200$/, "its user's"],
  [/^a (prompt|reply)$/, /^file do\b.*UserObject/, "a user's own thread"],
  [/^a repeated token/, /^answer POST \/v1\/auth\/mint 200$/, "the same request under the same Idempotency-Key"],
];

/** Every hit that no row permits, as text; `used` are the rows that did permit one. */
function hits(places: Iterable<[place: string, bytes: Buffer, shows?: Set<string>]>, halves = false) {
  const [unpermitted, used] = [new Set<string>(), new Set<number>()];
  for (const [place, bytes, shows] of places) {
    for (const [name, how] of canaries.in(bytes, halves)) {
      const row = PERMITTED.findIndex(([names, where]) => names.test(name) && where.test(place));
      if (row >= 0) used.add(row);
      else if (!shows?.has(name)) unpermitted.add(`${place}: ${name} (${how.join(", ")})`);
    }
  }
  return { unpermitted: [...unpermitted], used };
}
const answers = () => heard.map(({ place, bytes, shows }): [string, Buffer, Set<string>] => [place, bytes, shows]);
const sent = () => [...upstreams].flatMap(([name, { journal }]) => journal.map(({ path, headers, raw }): [string, Buffer] => [`provider ${name}`, Buffer.concat([Buffer.from(`${path}\n${JSON.stringify(headers)}\n`), raw])]));
const log = (): [string, Buffer][] => [["log", Buffer.from(gateway.log())]];
const files = () => everyFile(persist).map(([path, bytes]): [string, Buffer] => [`file ${path}`, bytes]);

describe("the walk", () => {
  it("was let in at every route of the table", () => {
    expect(ROUTES.map(([method, path]) => `${method} ${path}`).filter((row) => !opened.has(row))).toEqual([]);
  });

  it("had secrets of every kind, and each that is shown once was shown in its one answer", () => {
    expect(canaries.names.size).toBeGreaterThan(80);
    for (const { place, bytes, shows } of heard) if (shows.size > 0) expect(canaries.in(bytes).size, place).toBeGreaterThan(0);
    expect(heard.filter(({ shows }) => shows.size > 0).length).toBeGreaterThan(15);
  });

  it("derives keys as the gateway does: the public half of the one that signs is in the JWKS", async () => {
    const { keys } = (await call(`${gateway.url}/.well-known/jwks.json`)).json;
    const halves = masters.map(({ key }) => {
      const seed = Buffer.from(hkdfSync("sha256", key, "", "behest/v1/token-signing", 32));
      const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
      return createPublicKey(createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })).export({ format: "jwk" }).x;
    });
    expect(keys.map((key: Json) => key.x)).toEqual(halves);
  });
});

describe("the search finds", () => {
  const openly = new Canaries();
  openly.add("the plant", PLANT);
  openly.add("the project's name", OPEN_NAME);
  const places = { "an answer": answers, "a provider's request": sent, "the log": log, KV: () => files().filter(([path]) => path.includes("kv/")), "the objects": () => files().filter(([path]) => path.includes("do/")) };

  it.each<[keyof typeof places, string]>([["an answer", "the plant"], ["an answer", "the project's name"], ["the log", "the plant"], ["KV", "the plant"], ["KV", "the project's name"], ["the objects", "the plant"], ["the objects", "the project's name"]])("in %s %s, which is there openly", (place, name) => {
    expect([...places[place]()].some((each) => openly.in(each[1] as Buffer, true).has(name))).toBe(true);
  });

  it.each([...spellings(Buffer.from(PLANT)).keys()])("what is spelt: %s", (spelling) => {
    const spelt = spellings(Buffer.from(PLANT)).get(spelling)!;
    for (const text of [Buffer.concat([Buffer.from("before"), spelt, Buffer.from("after")]), spelt.subarray(0, spelt.length >> 1)]) expect(openly.in(text, true).get("the plant")).toContain(spelling);
  });

  it.each([0, 1, 2, 3, 4, 5])("what base64 has %i bytes after the beginning", (n) => {
    for (const alphabet of ["base64", "base64url"] as const) expect(openly.in(Buffer.from(Buffer.concat([randomBytes(n), Buffer.from(`${PLANT}...`)]).toString(alphabet))).has("the plant")).toBe(true);
  });
});

describe("no secret is", () => {
  it("in an answer or its headers", () => expect(hits(answers()).unpermitted).toEqual([]));
  it("in a refusal of a body that has it in the wrong place", () => expect(repeated).toEqual([]));
  it("in a request to anybody whose it is not, though every provider that is there got its own key", () => {
    expect(hits(sent()).unpermitted).toEqual([]);
    const reached = new Set(sent().flatMap(([, bytes]) => [...canaries.in(bytes).keys()]));
    const own = [...canaries.names].filter((name) => /^[a-z]+'s key$/.test(name) && name !== "gone's key");
    expect(own.length).toBeGreaterThan(6);
    expect(own.filter((name) => !reached.has(name))).toEqual([]);
  });
  it("in the log, nor any text of a message, nor what an owner misplaced", () => {
    expect(hits(log()).unpermitted).toEqual([]);
    expect(gateway.log()).not.toContain("misplaced-");
  });

  it("in the files of KV and of the objects, while the gateway runs and after its end", async () => {
    const { used } = hits([...answers(), ...sent(), ...files()]);
    expect(hits(files(), true).unpermitted).toEqual([]);
    await gateway.stop();
    expect(hits(files(), true).unpermitted).toEqual([]);
    expect(PERMITTED.filter((_, row) => !used.has(row)).map(([, place, why]) => `${place} ${why}`)).toEqual([]);
  });
});
