// Revocation while KV lags: what is void opens nothing, although KV answers for one and for two minutes what it answered before.
// Always holds: the owner's call goes to another isolate, so that the one that serves the users hears of it from their objects alone; 200
// requests of a user are in flight around it; each minute that passes is one of the Worker's clock, which the test sets forward (isolates.mjs),
// past the half minute for which an isolate believes what it has read; that KV did lag is counted.
// Absent: running streams (revocation.test.ts), and how long a thousand users take to hear (reach.test.ts).
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { Signer } from "../support/issuer.ts";
import { claims } from "../support/jws.ts";
import { admin, call, type Json, Project, User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { claimsOf, register } from "../support/signing.ts";
import { Upstream } from "../support/upstream.ts";

const PROMISE_MS = 10_000;
/** When the users come back, in seconds after the revocation. */
const STEPS = [10, 45, 78, 111, 160];

let gateway: Gateway;
let upstream: Upstream;
beforeAll(async () => {
  gateway = await Gateway.start({ entry: "isolates.mjs", second: true });
  upstream = await Upstream.start(completion("hi"));
});
afterAll(() => gateway?.stop());

interface Kind {
  /** The body of a revocation, or of the change of the project. */
  body: (of: { project: Project; token: Json }) => object;
  /** Of one user, whose next request is refused; else of the project, which has ten seconds. */
  ofUser?: boolean;
  token?: (project: Project, uid: string) => Promise<string>;
  /** Others whom it concerns too, and who have no lease. */
  alone?: boolean;
  suspends?: boolean;
}

const signer = Signer.make("EdDSA", "sk_theirs");
const signed = (more: Json) => signer.token({ iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 3_600, ...more });
const issuerOf = (project: Project) => `https://idp-${project.id}.example`;

async function bySigningKey(project: Project, uid: string) {
  if ((await project.admin("/signing-keys")).json.data.length === 0) await register(project, { kid: signer.kid, public_key: signer.jwk });
  return signer.token(claimsOf(project, { uid, exp: Math.floor(Date.now() / 1000) + 3_600 }));
}

async function byIssuer(project: Project, uid: string) {
  const iss = issuerOf(project);
  if ((await project.admin("/issuers")).json.data.length === 0) await project.admin("/issuers/idp", { method: "PUT", body: { issuer: iss, audience: "app", jwks: { keys: [signer.jwk] } } });
  return signed({ iss, aud: "app", sub: uid });
}

const KINDS: Record<string, Kind> = {
  "a user": { ofUser: true, body: ({ token }) => ({ uid: token.uid }) },
  "a user's session": { ofUser: true, body: ({ token }) => ({ uid: token.uid, sid: token.sid }) },
  "a user's token": { ofUser: true, body: ({ token }) => ({ uid: token.uid, jti: token.jti }) },
  "a token": { alone: true, body: ({ token }) => ({ jti: token.jti }) },
  "a session": { body: ({ token }) => ({ sid: token.sid }) },
  "an API key": { body: ({ project }) => ({ key_id: project.keyId }) },
  "a signing key": { token: bySigningKey, body: () => ({ signing_key: signer.kid }) },
  "an identity provider": { token: byIssuer, body: () => ({ issuer: "idp" }) },
  "the whole project": { suspends: true, body: () => ({ status: "suspended" }) },
};

/** One row of the table, and all that was seen of it. */
class Row {
  inFlight: number[] = [];
  /** Of those that began after the owner had the answer. */
  after: number[] = [];
  tookMs = 0;
  steps: number[][] = [];
  private constructor(readonly kind: Kind, private readonly project: Project, private readonly active: User, private readonly reader: User) {}

  static async make(kind: Kind): Promise<Row> {
    const project = await Project.create({ base: gateway.url, providers: { main: upstream.url } });
    const token = kind.token ?? ((of: Project, uid: string) => of.token(uid, { session_id: "shared" }));
    const active = new User(gateway.url, await token(project, "active"));
    const reader = kind.ofUser || kind.alone ? active : new User(gateway.url, await token(project, "reader"));
    return new Row(kind, project, active, reader);
  }

  /** What both are answered: the one with a lease chats, the other one reads. */
  async ask(readerFirst: boolean): Promise<number[]> {
    const asks = [() => this.active.chat(), () => this.reader.get("/v1/threads")];
    const seen = [];
    for (const ask of readerFirst ? asks.reverse() : asks) seen.push((await ask()).status);
    return seen;
  }

  async revoke(wave: number): Promise<void> {
    const asked: { at: number; status: number }[] = [];
    const one = async () => {
      const at = performance.now();
      asked.push({ at, status: (await this.active.chat()).status });
    };
    const before = Array.from({ length: wave }, one);
    await Promise.race(before);
    const body = this.kind.body({ project: this.project, token: claims(this.active.token) });
    const [path, method] = this.kind.suspends ? ["", "PATCH"] : ["/revocations", "POST"];
    const answer = await admin(`/projects/${this.project.id}${path}`, { method, body }, `${gateway.url}/elsewhere`);
    const revokedAt = performance.now();
    expect([200, 204], answer.text).toContain(answer.status);
    const heard = this.kind.ofUser ? Promise.resolve() : this.untilHeard(revokedAt);
    const settled = heard.then(() => performance.now());
    await Promise.all([...before, heard]);
    await Promise.all(Array.from({ length: wave }, one));
    const from = this.kind.ofUser ? revokedAt : await settled;
    this.inFlight = asked.filter(({ at }) => at <= revokedAt).map(({ status }) => status);
    this.after = asked.filter(({ at }) => at > from).map(({ status }) => status);
  }

  /** A change of the project has to be pushed: asks both until both are refused. */
  private async untilHeard(since: number): Promise<void> {
    while ((await this.ask(false)).includes(200)) {
      this.tookMs = performance.now() - since;
      if (this.tookMs > PROMISE_MS) return;
      await sleep(20);
    }
  }
}

const test = async (body: Json) => (await call(`${gateway.url}/test`, { body })).json;

describe.each([0, 60, 120])("when KV is %d s behind", (behind) => {
  const rows: Record<string, Row> = {};
  const bystander: number[] = [];
  const reads: { old: number; current: number }[] = [];

  beforeAll(async () => {
    await test({ stale_ms: 0 });
    for (const [name, kind] of Object.entries(KINDS)) rows[name] = await Row.make(kind);
    const other = await (await Project.create({ base: gateway.url, providers: { main: upstream.url } })).user("bystander");
    // What KV holds now is older than it will be behind, and nobody's first request is in the way.
    await test({ ahead_ms: behind * 1_000 + 1_000, stale_ms: behind * 1_000 });
    for (const row of Object.values(rows)) expect(await row.ask(false)).toEqual([200, 200]);
    const begun = performance.now();
    await Promise.all(Object.values(rows).filter(({ kind }) => !kind.ofUser).map((row) => row.revoke(20)));
    for (const row of Object.values(rows).filter(({ kind }) => kind.ofUser)) await row.revoke(100);
    let ahead = 0;
    for (const [nth, at] of STEPS.entries()) {
      const more = Math.round(Math.max(0, at * 1_000 - ahead - (performance.now() - begun)));
      await test({ ahead_ms: more });
      ahead += more;
      await Promise.all(Object.values(rows).map(async (row) => row.steps.push(await row.ask(nth % 2 === 1))));
      bystander.push((await other.chat()).status);
      reads.push((await test({})).reads);
    }
  }, 120_000);

  it.each(Object.keys(KINDS))("%s that is revoked opens nothing", (name) => {
    const { kind, inFlight, after, tookMs, steps } = rows[name]!;
    const refused = kind.suspends ? 403 : 401;
    expect(inFlight, "some were admitted before").toContain(200);
    expect(inFlight.filter((status) => status !== 200 && status !== refused)).toEqual([]);
    expect(tookMs, "milliseconds until both users were refused").toBeLessThan(PROMISE_MS);
    expect(after.length).toBeGreaterThanOrEqual(kind.ofUser ? 100 : 20);
    expect(new Set(after)).toEqual(new Set([refused]));
    expect(steps, `${STEPS.join(", ")} s after`).toEqual(STEPS.map(() => [refused, refused]));
  });

  it("others are served, and KV was behind for so long", () => {
    expect(bystander).toEqual(STEPS.map(() => 200));
    // At the first step this isolate still believes what it has read.
    const lagged = STEPS.slice(1).map((at) => at < behind);
    expect(reads.slice(1).map(({ old }) => old > 0), JSON.stringify(reads)).toEqual(lagged);
    const took = Object.entries(rows).filter(([, { kind }]) => !kind.ofUser).map(([name, { tookMs }]) => `${name} ${Math.round(tookMs)}`);
    console.log(`KV ${behind} s behind: ms until refused: ${took.join(", ")}; reads ${JSON.stringify(reads)}`);
  });
});
