// Ten thousand requests of many users, while messages between the objects are lost, unanswered or doubled, and the gateway is killed again
// and again: the project's ledger is the provider's books.
// Always holds: SIGKILL to Miniflare and workerd at once, at a random moment under load; the same state folder each time. Run alone.
// Equal means: a request that was settled by a `finish` stands in the ledger once, at the provider's own usage and price, to the micro-dollar,
// and not as an estimate. One that nobody finished (its process was killed, or its message was lost both times) is settled by its
// object when its time is over: once, as `expired` and `estimated`, at its last report, or else at what was reserved. For that the last
// gateway's clocks are ahead, and each user writes once more. A request of which the client saw the end is never among those: it belongs
// to a thread, so its answer ends when it is settled.
// Seeded: BEHEST_SEED repeats a run's choices of moments and faults (the machine's own timing stays its own). BEHEST_REQUESTS=1000 is a tenth.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { add, Books, LONG, micro, nothing, type Sum, used } from "../support/books.ts";
import { Gateway } from "../support/gateway.ts";
import { admin, call, type Json, Project, User } from "../support/project.ts";
import { random } from "../support/random.ts";
import { readStream } from "../support/sse.ts";

const REQUESTS = Number(process.env.BEHEST_REQUESTS ?? 10_000);
const SEED = Number(process.env.BEHEST_SEED ?? 1);
const [USERS, KILLS, FAULTS] = [48, 12, 0.1];
/** A killed process loses nothing that it has written, be it to a disk or to a folder in memory; only the machine's end would. */
const FOLDER = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** Longer than any reservation lives. */
const AHEAD_MS = 15 * 60_000;
const MAX_TOKENS = 600;

type Faults = Record<string, Record<string, number>>;

/** The gateway from one kill to the next. */
class Life {
  gone = false;

  private constructor(readonly gateway: Gateway) {}

  static async begin(persist: string, nth: number, vars: Record<string, number>): Promise<Life> {
    return new Life(await Gateway.start({ persist, entry: "unreliable.mjs", vars: { ROLL_UP_SECONDS: 1, FAULT_SEED: SEED * 1_000 + nth, ...vars } }));
  }

  get url(): string {
    return this.gateway.url;
  }

  async kill(): Promise<void> {
    this.gone = true;
    await this.gateway.kill();
  }
}

class Writer {
  /** Labels whose whole reply the client has seen. */
  readonly acknowledged: string[] = [];
  /** Labels that were sent and met a fault that the client heard of, or the end of the process. */
  readonly uncertain: string[] = [];
  /** Answers of 4xx. */
  readonly refused: string[] = [];
  private n = 0;

  constructor(readonly name: string, readonly token: string) {}

  /** Writes until the gateway is gone, or it is enough. */
  async write(life: Life, enough: () => boolean): Promise<void> {
    while (!life.gone && this.refused.length === 0 && !enough()) await this.once(life.url);
  }

  async once(base: string): Promise<void> {
    const n = this.n++;
    const label = `${this.name}/${n}${n % 8 === 0 ? LONG : ""}`;
    const seen = await this.ask(base, label, n % 2 === 0).catch(() => false);
    (seen ? this.acknowledged : this.uncertain).push(label);
  }

  /** Whether the answer came to its end. */
  private async ask(base: string, label: string, stream: boolean): Promise<boolean> {
    const body = { model: "gpt-4o", stream, max_tokens: MAX_TOKENS, messages: [{ role: "user", content: label }] };
    const response = await new User(base, this.token).open(body, { headers: { "x-thread-id": label }, timeout: 20_000 });
    if (response.status >= 400 && response.status < 500) this.refused.push(`${label}: ${response.status} ${await response.text()}`);
    return response.status === 200 && (stream ? (await readStream(response)).done : Boolean(((await response.json()) as Json).choices[0]));
  }
}

it(`${REQUESTS} requests, a tenth of their messages lost or doubled, ${KILLS} kills: the ledger is the provider's books`, { timeout: 900_000 }, async () => {
  const persist = mkdtempSync(join(FOLDER, "behest-ledger-"));
  const [books, chance, befallen, began] = [await Books.start(), random(SEED), {} as Faults, Date.now()];
  let life = await Life.begin(persist, 0, { FAULTS });
  try {
    const project = await Project.create({ base: life.url, providers: { main: books.upstream.url } });
    const writers = await Promise.all(Array.from({ length: USERS }, async (_, n) => new Writer(`u${n}`, await project.token(`u${n}`, { ttl: 86_400 }))));
    const refused = () => writers.flatMap((writer) => writer.refused);
    const done = () => writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    for (let kill = 1; kill <= KILLS; kill++) {
      const goal = Math.round((REQUESTS / (KILLS + 1)) * (kill - 1 + chance()));
      const writing = Promise.all(writers.map((writer) => writer.write(life, () => false)));
      while (done() <= goal && refused().length === 0) await sleep(5);
      expect(refused(), "no fault makes the gateway refuse a request").toEqual([]);
      await note(life, befallen);
      await sleep(chance() * 50);
      await life.kill();
      await writing;
      await life.gateway.stop();
      life = await Life.begin(persist, kill, { FAULTS });
    }
    await Promise.all(writers.map((writer) => writer.write(life, () => done() >= REQUESTS)));
    await note(life, befallen);
    await life.gateway.stop();

    life = await Life.begin(persist, KILLS + 1, { FAULTS: 0, CLOCK_AHEAD_MS: AHEAD_MS });
    await Promise.all(writers.map((writer) => writer.once(life.url)));
    const [acknowledged, uncertain] = [writers.flatMap((writer) => writer.acknowledged), writers.flatMap((writer) => writer.uncertain)];
    const users = await usersLedgers(life.url, writers);
    const total = await quiet(life.url, project.id, users.requests);
    expect(total, "the project's sums are those of the users' own ledgers").toEqual(users);
    const rows = await allRows(life.url, project.id);
    expect(rows.map(sum).reduce(add, nothing()), "and those of the rows").toEqual(total);
    const settled = check(rows, acknowledged, uncertain, books.completed);
    const expired = rows.filter((row) => row.status === "expired");
    for (const message of ["begin", "finish", "rollup"]) {
      expect(Object.values(befallen[message] ?? {}).filter((times) => times > 0).length, `every fault befell ${message}`).toBe(3);
    }
    console.log(`ledger (seed ${SEED}, ${Math.round((Date.now() - began) / 1000)} s): ${rows.length} requests, ${KILLS} kills, faults ${JSON.stringify(befallen)}; `
      + `${settled.requests} settled at the provider's books, ${settled.micro} micro-dollars; ${expired.length} expired, `
      + `${expired.filter((row) => books.completed.includes(row.thread_id)).length} of them completed by the provider; ${uncertain.length} clients saw an error`);
  } finally {
    await life.gateway.stop();
    rmSync(persist, { recursive: true, force: true });
  }
});

/** Adds what befell messages in this life. */
async function note(life: Life, befallen: Faults): Promise<void> {
  const { json } = await call(`${life.url}/faults`);
  for (const [message, counts] of Object.entries(json as Faults)) {
    const sums = (befallen[message] ??= {});
    for (const [fault, times] of Object.entries(counts)) sums[fault] = (sums[fault] ?? 0) + times;
  }
}

/** The sum of what each user is told of their own requests. */
async function usersLedgers(base: string, writers: Writer[]): Promise<Sum> {
  const sums = await Promise.all(writers.map(async ({ token }) => {
    const { status, text, json } = await new User(base, token).get("/v1/usage");
    expect(status, text).toBe(200);
    return sum(json.totals);
  }));
  return sums.reduce(add, nothing());
}

/** The project's sums, once it has been told of so many requests. */
async function quiet(base: string, id: string, least: number): Promise<Sum> {
  for (let attempt = 0; ; attempt++) {
    const { status, text, json } = await admin(`/projects/${id}/usage`, {}, base);
    expect(status, text).toBe(200);
    if (json.totals.requests >= least) return sum(json.totals);
    if (attempt > 600) throw new Error(`${json.totals.requests} of ${least} requests are in the ledger`);
    await sleep(100);
  }
}

async function allRows(base: string, id: string): Promise<Json[]> {
  const rows: Json[] = [];
  for (let after = ""; ; ) {
    const { status, text, json } = await admin(`/projects/${id}/requests?limit=300&after=${after}`, {}, base);
    expect(status, text).toBe(200);
    rows.push(...json.data);
    if (!json.has_more) return rows;
    after = json.next;
  }
}

/** Each request once: at the provider's books, or as expired. The sum of what is at the books. */
function check(rows: Json[], acknowledged: string[], uncertain: string[], completed: string[]): Sum {
  const [labels, sent, doubtful] = [new Set(rows.map((row) => row.thread_id as string)), new Set([...acknowledged, ...uncertain]), new Set(uncertain)];
  expect(labels.size, "none twice").toBe(rows.length);
  expect(new Set(completed).size, "the provider was asked once each").toBe(completed.length);
  expect([...labels].filter((label) => !sent.has(label)), "what no one sent").toEqual([]);
  expect([...acknowledged, ...completed].filter((label) => !labels.has(label)), "answered, not in the ledger").toEqual([]);
  for (const row of rows) {
    if (row.status === "expired") nobodyFinished(row, doubtful);
    else expect([row.thread_id, row.status, row.estimated, sum(row)]).toEqual([row.thread_id, "completed", false, used(row.thread_id)]);
  }
  return rows.filter((row) => row.status !== "expired").map(sum).reduce(add, nothing());
}

/** At its last report, which only a long stream makes, or at what was reserved; at its price; and no client saw its end. */
function nobodyFinished(row: Json, doubtful: Set<string>): void {
  const { input, output, cached, micro: charged } = sum(row);
  const label = row.thread_id as string;
  expect([label, doubtful.has(label), row.estimated, cached]).toEqual([label, true, true, 0]);
  expect(charged, label).toBe(micro(input, output, cached));
  expect(input, label).toBeGreaterThan(0);
  const reported = label.endsWith(LONG) && output > 0 && output < MAX_TOKENS;
  expect(output, label).toBe(reported ? output : MAX_TOKENS);
}

const sum = (row: Json): Sum => ({ requests: row.requests ?? 1, input: row.input_tokens, output: row.output_tokens, cached: row.cached_tokens, micro: Math.round(row.cost_usd * 1e6) });
