// A thousand requests of several users, while the gateway is killed again and again: the project's ledger is the provider's books.
// Always holds: SIGKILL to wrangler and workerd at once, at a random moment under load; the same state folder each time. Run alone.
// A request belongs to a thread of its own, so a client that has its answer knows that it is settled. One that was running at a kill
// may be unsettled for eleven minutes; it is settled early by erasing its user, at what was reserved for it.
// Seeded: BEHEST_SEED repeats a run's choices of moments (the machine's own timing stays its own).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { add, Books, nothing, type Sum, used } from "../support/books.ts";
import { Gateway } from "../support/gateway.ts";
import { admin, type Json, Project, User } from "../support/project.ts";
import { random } from "../support/random.ts";
import { readStream } from "../support/sse.ts";

const [REQUESTS, USERS, KILLS] = [1_000, 8, 12];
const SEED = Number(process.env.BEHEST_SEED ?? 1);

class Writer {
  /** Labels whose whole reply the client has seen. */
  readonly acknowledged: string[] = [];
  /** Labels that were sent and met the end of the process. */
  readonly uncertain: string[] = [];
  private n = 0;

  constructor(readonly name: string, private readonly token: string) {}

  /** Writes until the gateway is gone, or it is enough. */
  async write(base: string, enough: () => boolean): Promise<void> {
    while (!enough()) {
      const label = `${this.name}/${this.n++}`;
      try {
        await this.ask(base, label);
        this.acknowledged.push(label);
      } catch {
        this.uncertain.push(label);
        return;
      }
    }
  }

  private async ask(base: string, label: string): Promise<void> {
    const stream = this.n % 2 === 0;
    const body = { model: "gpt-4o", stream, max_tokens: 600, messages: [{ role: "user", content: label }] };
    const response = await new User(base, this.token).open(body, { headers: { "x-thread-id": label, "x-session-id": label }, timeout: 10_000 });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    const done = stream ? (await readStream(response)).done : Boolean(((await response.json()) as Json).choices[0]);
    if (!done) throw new Error("no [DONE]");
  }
}

it(`${REQUESTS} requests and ${KILLS} kills: the ledger is the provider's books`, { timeout: 600_000 }, async () => {
  const persist = mkdtempSync(join(tmpdir(), "behest-ledger-"));
  const [books, chance] = [await Books.start(), random(SEED)];
  const start = () => Gateway.start({ persist, vars: { ROLL_UP_SECONDS: 1 } });
  let gateway = await start();
  try {
    const project = await Project.create({ base: gateway.url, providers: { main: books.upstream.url } });
    const writers = await Promise.all(Array.from({ length: USERS }, async (_, n) => new Writer(`u${n}`, await project.token(`u${n}`, { ttl: 86_400 }))));
    const done = () => writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    for (let kill = 1; kill <= KILLS; kill++) {
      const goal = Math.round((REQUESTS / (KILLS + 1)) * (kill - 1 + chance()));
      const writing = writers.map((writer) => writer.write(gateway.url, () => false));
      while (done() <= goal) await sleep(5);
      await sleep(chance() * 50);
      await gateway.kill();
      await Promise.all(writing);
      await gateway.stop();
      gateway = await start();
    }
    await Promise.all(writers.map((writer) => writer.write(gateway.url, () => done() >= REQUESTS)));
    const acknowledged = writers.flatMap((writer) => writer.acknowledged);
    const uncertain = writers.flatMap((writer) => writer.uncertain);
    const rows = await ledger(gateway.url, project.id, acknowledged.length);
    const exact = check(rows, acknowledged, uncertain);
    const total = await usage(gateway.url, project.id);
    expect(sum(total), "sums are those of the rows").toEqual(rows.map(sum).reduce(add, nothing()));

    // Whatever still runs is settled now. Then every request that the provider completed is counted, and counted once.
    for (const { name } of writers) expect((await admin(`/projects/${project.id}/users/${name}`, { method: "DELETE" }, gateway.url)).status).toBe(204);
    const closed = await usage(gateway.url, project.id);
    const told = new Set(rows.map((row) => row.session_id as string));
    const late = books.completed.filter((label) => !told.has(label));
    const open = closed.requests - total.requests;
    expect(new Set(books.completed).size, "the provider was asked once each").toBe(books.completed.length);
    expect(open).toBeGreaterThanOrEqual(late.length);
    expect(open).toBeLessThanOrEqual(uncertain.filter((label) => !told.has(label)).length);
    expect(closed.estimated_requests).toBe(total.estimated_requests + open);
    expect(closed.output_tokens - total.output_tokens, "at what was reserved").toBe(open * 600);
    console.log(`ledger (seed ${SEED}): ${KILLS} kills; the provider completed ${books.completed.length}: ${exact} in the ledger to the micro-dollar, ${late.length} unsettled at a kill`);
  } finally {
    await gateway.stop();
    rmSync(persist, { recursive: true, force: true });
  }
});

/** All rows, once all that is acknowledged is there. */
async function ledger(base: string, id: string, least: number): Promise<Json[]> {
  for (let attempt = 0; ; attempt++) {
    const { requests } = await usage(base, id);
    if (requests >= least) break;
    if (attempt > 300) throw new Error(`${requests} of ${least} requests are in the ledger`);
    await sleep(100);
  }
  const rows: Json[] = [];
  for (let after = ""; ; ) {
    const { status, text, json } = await admin(`/projects/${id}/requests?limit=300&after=${after}`, {}, base);
    expect(status, text).toBe(200);
    rows.push(...json.data);
    if (!json.has_more) return rows;
    after = json.next;
  }
}

/** Each acknowledged request once, at its price; of the others what is there, at its price. How many those are. */
function check(rows: Json[], acknowledged: string[], uncertain: string[]): number {
  const labels = rows.map((row) => row.session_id as string);
  expect(new Set(labels).size, "none twice").toBe(labels.length);
  expect(acknowledged.filter((label) => !labels.includes(label)), "acknowledged, not in the ledger").toEqual([]);
  expect(labels.filter((label) => !acknowledged.includes(label) && !uncertain.includes(label)), "what no one sent").toEqual([]);
  for (const row of rows) expect([row.session_id, row.estimated, sum({ ...row, requests: 1 })]).toEqual([row.session_id, false, used(row.session_id)]);
  return rows.length;
}

async function usage(base: string, id: string): Promise<Json> {
  const { status, text, json } = await admin(`/projects/${id}/usage`, {}, base);
  expect(status, text).toBe(200);
  return json.totals;
}

const sum = (row: Json): Sum => ({ requests: row.requests ?? 1, input: row.input_tokens, output: row.output_tokens, cached: row.cached_tokens, micro: Math.round(row.cost_usd * 1e6) });
