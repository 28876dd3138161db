// The gateway is killed 25 times while users write: nothing that a client was told is done may be lost, nothing may be there twice.
// Always holds: SIGKILL to wrangler and workerd at once, at a random moment under load; the same state folder each time. Run alone.
// Seeded: BEHEST_SEED repeats a run's choices of moments (the machine's own timing stays its own).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { type Json, Project, User } from "../support/project.ts";
import { random as seeded } from "../support/random.ts";
import { reply } from "../support/script.ts";
import { readStream } from "../support/sse.ts";
import { Upstream } from "../support/upstream.ts";

const [KILLS, USERS] = [25, 6];
const SEED = Number(process.env.BEHEST_SEED ?? 1);

/** What one user's client knows of its thread. */
class Writer {
  /** Texts whose whole reply the client has seen. */
  readonly acknowledged: string[] = [];
  /** Texts that were sent and met the end of the process. */
  readonly uncertain = new Set<string>();
  private n = 0;

  constructor(readonly name: string, private readonly token: string) {}

  /** Writes until the gateway is gone. */
  async write(base: string): Promise<void> {
    for (;;) {
      const text = `${this.name}-m${this.n++}`;
      const streaming = this.n % 2 === 0;
      try {
        const response = await new User(base, this.token).open({ model: "m", stream: streaming, messages: [{ role: "user", content: text }] }, { headers: { "x-thread-id": "diary" }, timeout: 10_000 });
        if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
        const done = streaming ? (await readStream(response)).done : Boolean(((await response.json()) as Json).choices[0]);
        if (!done) throw new Error("no [DONE]");
        this.acknowledged.push(text);
      } catch {
        this.uncertain.add(text);
        return;
      }
    }
  }

  /** Every acknowledged turn once, in order, with its own reply; uncertain ones at most once; nothing else. */
  async check(base: string): Promise<void> {
    const { status, text, json } = await new User(base, this.token).get("/v1/threads/diary/messages", { timeout: 15_000 });
    if (this.acknowledged.length === 0 && status === 404) return;
    expect(status, text.slice(0, 300)).toBe(200);
    const messages = json as Json[];
    const asked = messages.filter((one) => one.role === "user").map((one) => one.content as string);
    const answered = messages.filter((one) => one.role === "assistant" && !one.incomplete).map((one) => one.content as string);
    expect(duplicates(asked), `${this.name}: doubled questions`).toEqual([]);
    expect(duplicates(answered), `${this.name}: doubled answers`).toEqual([]);
    const known = new Set(this.acknowledged);
    expect(asked.filter((one) => known.has(one)), `${this.name}: acknowledged questions, in order`).toEqual(this.acknowledged);
    expect(answered.filter((one) => known.has(one.replace("echo ", ""))), `${this.name}: acknowledged answers`).toEqual(this.acknowledged.map((one) => `echo ${one}`));
    expect(asked.filter((one) => !known.has(one) && !this.uncertain.has(one)), `${this.name}: what no one sent`).toEqual([]);
  }
}

it(`${KILLS} kills under load lose and double nothing that was acknowledged`, { timeout: 300_000 }, async () => {
  const persist = mkdtempSync(join(tmpdir(), "behest-durability-"));
  const upstream = await Upstream.start((exchange) => reply(exchange.body, `echo ${exchange.body.messages.at(-1).content}`));
  const random = seeded(SEED);
  let gateway = await Gateway.start({ persist });
  try {
    const project = await Project.create({ base: gateway.url, providers: { main: upstream.url } });
    const writers = await Promise.all(Array.from({ length: USERS }, async (_, n) => new Writer(`u${n}`, await project.token(`u${n}`, { ttl: 3_600 }))));
    for (let kill = 1; kill <= KILLS; kill++) {
      const before = writers.map(({ acknowledged }) => acknowledged.length);
      const writing = writers.map((writer) => writer.write(gateway.url));
      // At least some writes must be through, or the kill would prove nothing.
      const deadline = Date.now() + 10_000;
      while (writers.every((writer, n) => writer.acknowledged.length === before[n]) && Date.now() < deadline) await sleep(5);
      await sleep(random() * 600);
      await gateway.kill();
      await Promise.all(writing);
      expect(writers.some((writer, n) => writer.acknowledged.length > before[n]), `something was acknowledged before kill ${kill}`).toBe(true);
      await gateway.stop();
      gateway = await Gateway.start({ persist });
      for (const writer of writers) await writer.check(gateway.url);
    }
    const total = writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    const cut = writers.reduce((sum, { uncertain }) => sum + uncertain.size, 0);
    console.log(`durability (seed ${SEED}): ${KILLS} kills, ${total} turns acknowledged, ${cut} in flight at a kill`);
    expect(cut, "turns in flight at a kill").toBeGreaterThan(KILLS);
  } finally {
    await gateway.stop();
    rmSync(persist, { recursive: true, force: true });
  }
});

function duplicates(list: string[]): string[] {
  return list.filter((one, n) => list.indexOf(one) !== n);
}
