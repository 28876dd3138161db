// Every route × every kind of credential: only what the contract opens is open, and what is another's is as if it was not there.
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
import { Upstream } from "../support/upstream.ts";

type Row = [method: string, path: string, door: string];
const ROUTES = JSON.parse(readFileSync(new URL("../fixtures/routes.json", import.meta.url), "utf8")) as Row[];
/** What an open door may answer to a request that is empty or names what is not there. */
const OPEN = [200, 201, 204, 304, 400, 404, 409, 413, 415, 422];

let gateway: Gateway;
let mine: Project;
let other: Project;
const credentials = new Map<string, string | undefined>();

beforeAll(async () => {
  gateway = await Gateway.start();
  const upstream = await Upstream.start((exchange) => reply(exchange.body, "hello"));
  const start = () => Project.create({ base: gateway.url, providers: { main: upstream.url } });
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
  Admin: (credential) => credential === "the admin token",
};
const isKey = (credential: string) => ["an API key", "a server's key", "a malformed key"].includes(credential);

/** The status and code that a closed door answers with. */
function refusal(door: string, credential: string): [number, string] {
  if (door === "ApiKey" && credential === "a server's key") return [403, "forbidden"];
  if (door === "User" && isKey(credential)) return [401, "api_key_not_allowed"];
  if (door === "UserOrKey" && credential === "an API key") return [401, "api_key_not_allowed"];
  return [401, "invalid_token"];
}

function knock([method, path]: Row, token: string | undefined, project = "proj_000000000000000000000000"): Promise<Answer> {
  const filled = path.replace("/projects/*", `/projects/${project}`).replaceAll("**", "a/b").replaceAll("*", "nothing-of-that-name");
  return call(`${gateway.url}${filled}`, { method, token, body: ["POST", "PUT", "PATCH"].includes(method) ? {} : undefined });
}

describe.each(ROUTES)("%s %s", (...row) => {
  const door = row[2].replace(/\(.*/, "");

  it(`opens as ${row[2]} to whom it may, and to nobody else`, async () => {
    for (const [credential, token] of credentials) {
      const answer = await knock(row, token);
      // An exchange takes its credential from the body: whatever the header says, an empty body is nobody's.
      if (door === "Subject") expect(answer.status, `${credential}: ${answer.text}`).toBeGreaterThanOrEqual(400);
      else if (OPENS[door](credential)) expect(OPEN, `${credential}: ${answer.status} ${answer.text}`).toContain(answer.status);
      else expectError(answer, ...refusal(door, credential));
    }
  });
});

it("every door is known here", () => {
  expect(ROUTES.length).toBeGreaterThan(50);
  expect(new Set(ROUTES.map((row) => row[2].replace(/\(.*/, "")))).toEqual(new Set([...Object.keys(OPENS), "Subject"]));
});

describe("what is another's", () => {
  const onThreads = ROUTES.filter(([, path]) => path.startsWith("/v1/threads/*"));
  const open = ([method, path]: Row, token: string, thread: string) =>
    call(`${gateway.url}${path.replace("*", thread)}`, { method, token, body: method === "PATCH" ? { title: "mine now" } : undefined });

  it.each(onThreads)("%s %s: is answered like what was never there", async (...row) => {
    const owner = await mine.user("owner");
    const body = { model: "m", messages: [{ role: "user", content: "hi" }] };
    expect((await owner.chat(body, { headers: { "x-thread-id": "the-owners-thread" } })).status).toBe(200);
    for (const stranger of [await mine.token("stranger"), await other.token("owner")]) {
      const [foreign, unknown] = [await open(row, stranger, "the-owners-thread"), await open(row, stranger, "no-thread-at-all-")];
      expect([foreign.status, unknown.status]).toEqual(row[0] === "DELETE" && foreign.status === 204 ? [204, 204] : [404, 404]);
      expect(foreign.text).toBe(unknown.text);
    }
    expect((await owner.get("/v1/threads/the-owners-thread")).status, "and it is still its owner's").toBe(200);
    expect((await owner.get("/v1/threads/the-owners-thread")).json.title).not.toBe("mine now");
  });

  const onProjects = ROUTES.filter(([method, path]) => path.startsWith("/v1/projects/*") && method === "GET");
  it.each(onProjects)("%s %s: a project that is not there is a 404", async (...row) => {
    for (const id of ["proj_000000000000000000000000", "proj_..", "nothing"]) expectError(await knock(row, ADMIN_TOKEN, id), 404, "not_found");
  });
});
