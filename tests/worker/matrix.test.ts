// Every route × every kind of credential × every scope: only what the contract opens is open, and what is another's is as if it was not
// there: the same answer, at the same cost.
// Always holds: a gateway of its own; the routes are those of the table (tests/fixtures/routes.json, which a native test compares
// with it), so a new route is knocked at without being named here; what a credential gets is one rule per door.
// Absent: what an open door answers beyond its status: a body may be refused (400, 404, 409, 422) once the credential is not.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { ADMIN_TOKEN, Gateway } from "../support/gateway.ts";
import { claims, ed25519, forge, header } from "../support/jws.ts";
import { type Answer, call, Project } from "../support/project.ts";
import { reply } from "../support/script.ts";
import { claimsOf, pair, register, token as signed } from "../support/signing.ts";
import { eventually, Upstream } from "../support/upstream.ts";

type Row = [method: string, path: string, door: string];
const ROUTES = JSON.parse(readFileSync(new URL("../fixtures/routes.json", import.meta.url), "utf8")) as Row[];
/** What an open door may answer to a request that is empty or names what is not there. */
const OPEN = [200, 201, 204, 304, 400, 404, 409, 413, 415, 422];

let gateway: Gateway;
let mine: Project;
let other: Project;
const credentials = new Map<string, string | undefined>();

beforeAll(async () => {
  gateway = await Gateway.start({ direct: true });
  const upstream = await Upstream.start((exchange) => reply(exchange.body, "hello"));
  // Providers that serve one model: of others it can be said that they are not there.
  const main = { kind: "openai-compatible", api_key: "sk-upstream-0001", base_url: upstream.url, models: ["m"] };
  const start = () => Project.create({ base: gateway.url, providers: { main } });
  [mine, other] = [await start(), await start()];
  const token = await mine.token("ann");
  const forged = (change: object) => forge(header(token), { ...claims(token), ...change }, ed25519().privateKey);
  credentials.set("none", undefined);
  credentials.set("garbage", "garbage");
  credentials.set("a malformed key", "behest_sk_live_short");
  credentials.set("an API key", mine.key);
  credentials.set("a server's key", (await mine.admin("/keys", { body: { capabilities: ["chat:server"] } })).json.key);
  credentials.set("a user's token", token);
  credentials.set("a user's token of another project", await other.token("ann"));
  credentials.set("a forged token", forged({}));
  credentials.set("a forged token of an admin", forged({ role: "admin" }));
  credentials.set("a changed token", token.replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ ...claims(token), uid: "eve" })).toString("base64url")}.`));
  const key = pair("ES256");
  const { kid } = await register(mine, { public_key: key.jwk });
  const [now, by] = [Math.floor(Date.now() / 1000), (times: object) => signed({ alg: "ES256", kid, typ: "JWT" }, claimsOf(mine, times), "ES256", key.privateKey)];
  credentials.set("a user's token that the tenant signed", by({}));
  credentials.set("an expired token", by({ iat: now - 700, nbf: now - 700, exp: now - 31 }));
  for (const [name, of] of [["a revoked token", ["jti"]], ["a token revoked at its user", ["uid", "jti"]]] as const) {
    const revoked = await mine.token("ann");
    expect((await mine.admin("/revocations", { body: Object.fromEntries(of.map((claim) => [claim, claims(revoked)[claim]])) })).status).toBe(204);
    credentials.set(name, revoked);
  }
  credentials.set("the admin token", ADMIN_TOKEN);
  credentials.set("the admin token cut short", ADMIN_TOKEN.slice(0, -1));
}, 60_000);
afterAll(() => gateway.stop());

/** Which credentials a door opens to. */
const OPENS: Record<string, (credential: string) => boolean> = {
  Public: () => true,
  ApiKey: (credential) => credential === "an API key",
  User: (credential) => credential.startsWith("a user's token"),
  UserOrKey: (credential) => credential.startsWith("a user's token") || credential === "a server's key",
  Subject: (credential) => credential.startsWith("a user's token"),
  Admin: (credential) => credential === "the admin token",
};
const isKey = (credential: string) => ["an API key", "a server's key", "a malformed key"].includes(credential);

/** The status and code that a closed door answers with. */
function refusal(door: string, credential: string): [number, string] {
  if (door === "ApiKey" && credential === "a server's key") return [403, "forbidden"];
  if (door === "User" && isKey(credential)) return [401, "api_key_not_allowed"];
  if (door === "UserOrKey" && credential === "an API key") return [401, "api_key_not_allowed"];
  if (door === "Subject" && credential === "none") return [400, "validation_error"];
  if (door === "Subject" && isKey(credential)) return [401, "api_key_not_allowed"];
  if (["User", "UserOrKey", "Subject"].includes(door) && credential === "an expired token") return [401, "token_expired"];
  return [401, "invalid_token"];
}

const doorOf = (row: Row) => row[2].replace(/\(.*/, "");
/** An exchange takes its credential from the body, and nothing from the header. */
const exchange = (subject_token = "") => ({ grant_type: "urn:ietf:params:oauth:grant-type:token-exchange", subject_token_type: "urn:ietf:params:oauth:token-type:jwt", subject_token });

function knock(row: Row, token: string | undefined, project = "proj_000000000000000000000000", id = "nothing-of-that-name"): Promise<Answer> {
  const [method, path] = row;
  const filled = path.replace("/projects/*", `/projects/${project}`).replaceAll("**", id).replaceAll("*", id);
  const fields = doorOf(row) === "Subject" ? exchange(token) : path.startsWith("/v1/threads") ? { title: "mine now" } : {};
  const body = ["POST", "PUT", "PATCH"].includes(method) ? fields : undefined;
  return call(`${gateway.url}${filled}`, { method, token: doorOf(row) === "Subject" ? undefined : token, body });
}

/** What a scope of the table is called in a token: any of these opens it. */
const WORDS: Record<string, string[]> = {
  Any: ["chat", "embeddings", "moderations", "threads:read", "threads:write", "usage"],
  Chat: ["chat"], Embeddings: ["embeddings"], Moderations: ["moderations", "chat"], Usage: ["usage"],
  ThreadsRead: ["threads:read", "threads"], ThreadsWrite: ["threads:write", "threads"],
};
const scoped = new Map<string, Promise<string>>();
/** A token with just these scopes; each is minted once. */
function withScopes(words: string[]): Promise<string> {
  const scp = words.join(" ");
  if (!scoped.has(scp)) scoped.set(scp, mine.token("ann", { scp }));
  return scoped.get(scp)!;
}

describe.each(ROUTES)("%s %s", (...row) => {
  const door = doorOf(row);

  it(`opens as ${row[2]} to whom it may, and to nobody else`, async () => {
    const answers = await Promise.all([...credentials].map(async ([credential, token]) => [credential, await knock(row, token)] as const));
    for (const [credential, answer] of answers) {
      if (OPENS[door](credential)) expect(OPEN, `${credential}: ${answer.status} ${answer.text}`).toContain(answer.status);
      else expectError(answer, ...refusal(door, credential));
    }
  });
});

const scopeOf = (row: Row) => row[2].match(/\((.*)\)/)?.[1];
it.each(ROUTES.filter(scopeOf))("%s %s opens to each scope of %s alone, and not to all others together", async (...row) => {
  const scope = scopeOf(row)!;
  const answers = await Promise.all(WORDS[scope].map(async (word) => [word, await knock(row, await withScopes([word]))] as const));
  for (const [word, answer] of answers) {
    expect(OPEN, `${word}: ${answer.status} ${answer.text}`).toContain(answer.status);
  }
  const others = WORDS.Any.filter((word) => !WORDS[scope].includes(word));
  if (scope === "Any") expect(others).toEqual([]);
  else expect(expectError(await knock(row, await withScopes(others)), 403, "forbidden", "scp").message).toContain(`\`${WORDS[scope][0]}\``);
});

it("every door and scope is known here", () => {
  expect(ROUTES.length).toBeGreaterThan(50);
  expect(new Set(ROUTES.map(doorOf))).toEqual(new Set(Object.keys(OPENS)));
  expect(new Set(ROUTES.flatMap((row) => scopeOf(row) ?? []))).toEqual(new Set(Object.keys(WORDS)));
});

/** What answering has cost: the log's own count. */
async function cost(answer: Answer): Promise<unknown> {
  const id = answer.headers.get("x-request-id")!;
  const line = await eventually(`the log has ${id}`, () => gateway.log().split("\n").find((one) => one.startsWith("{") && one.includes(id)));
  const { status, code, object_calls, kv_reads, rows_written } = JSON.parse(line);
  return { status, code, object_calls, kv_reads, rows_written };
}

describe("what is another's is answered like what never was", () => {
  /** What the other project has, by what stands before its id in a path. */
  const theirs: Record<string, string> = {};
  const NEVER = "never-was-";
  let gone: string;
  let reader: string;
  let kept: () => Promise<string[]>;
  beforeAll(async () => {
    const owner = await other.user("owner");
    const put = (path: string, body: object) => other.admin(path, { method: "PUT", body });
    const upstream = await Upstream.start((exchange) => reply(exchange.body, "hello"));
    const made = [
      await owner.chat({ model: "m", messages: [{ role: "user", content: "hi" }] }, { headers: { "x-thread-id": "their-thread" } }),
      await put("/providers/theirs", { kind: "openai-compatible", api_key: "sk-upstream-0002", base_url: upstream.url, models: ["their-model"] }),
      await put("/issuers/theirs", { issuer: "https://idp.example", audience: "app", secret: "a secret of at least 32 characters" }),
      await put("/tiers/theirs", { limits: { user_rpm: 5 } }), await put("/users/theirs/limits", { limits: { user_rpm: 7 } }),
    ];
    expect(made.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
    const { kid } = await register(other, { public_key: pair("ES256").jwk });
    Object.assign(theirs, { threads: "their-thread", models: "theirs/their-model", keys: other.keyId, "signing-keys": kid, providers: "theirs", issuers: "theirs", tiers: "theirs", users: "theirs" });
    const removed = await Project.create({ base: gateway.url });
    gone = removed.id;
    expect((await removed.admin("", { method: "DELETE" })).status).toBe(204);
    reader = await mine.token("owner");
    const seen = [...["/providers", "/issuers", "/tiers/theirs", "/users/theirs/limits", "/signing-keys", "/keys"].map((path) => () => other.admin(path)), () => owner.get("/v1/threads"), () => owner.get("/v1/models")];
    kept = () => Promise.all(seen.map(async (see) => (await see()).text));
  }, 60_000);

  /** Both answers without the names that were asked for, and what they have cost; the second time round, when nothing is new to the isolate. */
  async function both(ask: (id: string) => Promise<Answer>, ids: [string, string]) {
    await Promise.all(ids.map(ask));
    const answers = await Promise.all(ids.map(ask));
    const told = await Promise.all(answers.map(async (answer, n) => {
      const headers = [...answer.headers].filter(([name]) => !/^(date|x-request-id|x-trace-id|ratelimit|x-ratelimit-(remaining|reset)-\w+)$/.test(name));
      return { text: answer.text.replaceAll(ids[n], "…").replaceAll(encodeURIComponent(ids[n]), "…"), headers, cost: await cost(answer) };
    }));
    return { status: answers[0].status, told };
  }

  /** Rows that make what is not there, or that any name will do for. */
  const MAKES = /^PUT |^(GET|DELETE) .*\/users\//;
  const rows = ROUTES.filter(([, path]) => /\*/.test(path.replace("/projects/*", "")));
  it.each(rows)("%s %s", async (...row) => {
    const kind = [...row[1].matchAll(/([a-z-]+)\/\*/g)].at(-1)![1];
    expect(theirs[kind], "something of the other project's").toBeTruthy();
    const before = await kept();
    const { status, told } = await both((id) => knock(row, row[2] === "Admin" ? ADMIN_TOKEN : reader, mine.id, id), [theirs[kind], NEVER + kind]);
    expect(told[0]).toEqual(told[1]);
    if (!MAKES.test(`${row[0]} ${row[1]}`)) expect(status, told[0].text).toBe(404);
    if (kind === "threads") expect(told[0].cost).toMatchObject({ object_calls: expect.toSatisfy((calls: number) => calls > 0) });
    expect(await kept(), "and it is still theirs").toEqual(before);
  });

  it("for a stranger in the same project, too", async () => {
    const stranger = await other.token("stranger");
    for (const row of rows.filter(([, path]) => path.startsWith("/v1/threads/"))) {
      const before = await kept();
      const { told } = await both((id) => knock(row, stranger, other.id, id), [theirs.threads, `${NEVER}thread`]);
      expect(told[0], row.join(" ")).toEqual(told[1]);
      expect(await kept(), row.join(" ")).toEqual(before);
    }
  });

  const onProjects = ROUTES.filter(([, path]) => path.startsWith("/v1/projects/*"));
  it.each(onProjects)("%s %s: nor does a project that was removed differ from one that never was", async (...row) => {
    const { told } = await both((id) => knock(row, ADMIN_TOKEN, id), [gone, "proj_000000000000000000000000"]);
    expect(told[0]).toEqual(told[1]);
    for (const id of ["proj_..", "nothing"]) if (row[0] === "GET") expectError(await knock(row, ADMIN_TOKEN, id), 404, "not_found");
  });
});
