// The gateway is killed while streams run: nobody finishes them, and they are settled at the last progress they reported.
// Always holds: SIGKILL to wrangler and workerd at once. The time until a reservation is overdue (11 minutes) is not waited for: while
// nothing runs, the rows' deadlines are moved back in the database itself, and the next request settles them.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { Project, User } from "../support/project.ts";
import { chunk, completion, event, EVENT_STREAM, type Step } from "../support/script.ts";
import { limitOf, promptTokens, settled } from "../support/tokens.ts";
import { Upstream } from "../support/upstream.ts";

const [PROMPT, EVERY_MS, KILL_AFTER_MS, SLACK_MS] = [9, 20, 3_300, 1_500];
const ask = (counted: boolean) => ({ model: "m", stream: true, messages: [{ role: "user", content: counted ? "counted" : "not told" }] });

/** A token each 20 ms; the provider tells how many, or not. */
function tokens(counted: boolean): Step[] {
  return Array.from({ length: 2_000 }, (_, n): Step[] => {
    const usage = counted ? { usage: { prompt_tokens: PROMPT, completion_tokens: n + 1, total_tokens: PROMPT + n + 1 } } : {};
    return [{ send: event({ ...chunk({ content: "word" }), ...usage }) }, { wait: EVERY_MS }];
  }).flat();
}

/** As if the rows' time was over. */
function forward(persist: string): number {
  const files = readdirSync(persist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".sqlite") && name.includes("UserObject"));
  return files.reduce((rows, name) => {
    const database = new DatabaseSync(join(persist, name));
    try {
      const there = database.prepare("SELECT name FROM sqlite_master WHERE name = 'requests'").get();
      return rows + (there ? Number(database.prepare("UPDATE requests SET deadline = at WHERE status = 'open'").run().changes) : 0);
    } finally {
      database.close();
    }
  }, 0);
}

/** What one of them said until the connection broke. */
async function listen(user: User, counted: boolean): Promise<number> {
  let heard = 0;
  try {
    const response = await user.open(ask(counted));
    for await (const bytes of response.body!) heard += Buffer.from(bytes as Uint8Array).toString().split('"word"').length - 1;
  } catch {
    // The gateway is gone.
  }
  return heard;
}

it("streams that nobody finished are settled at what they last reported", { timeout: 60_000 }, async () => {
  const persist = mkdtempSync(join(tmpdir(), "behest-lost-"));
  const upstream = await Upstream.start(({ body }) => (body.stream ? { headers: EVENT_STREAM, steps: tokens(body.messages[0].content === "counted") } : completion("ok", { usage: { prompt_tokens: 1, completion_tokens: 0, total_tokens: 1 } })));
  let gateway = await Gateway.start({ persist });
  try {
    const project = await Project.create({ base: gateway.url, settings: { limits: { user_tokens_per_day: 100_000 } }, providers: { main: upstream.url } });
    const users = await Promise.all([true, false].map(async (counted) => ({ counted, token: await project.token(`lost-${counted}`, { ttl: 3_600 }) })));
    const prompt = await promptTokens(project, { ...ask(false), stream: false }).catch(() => 0);
    const listening = users.map(({ token, counted }) => listen(new User(gateway.url, token), counted));
    await sleep(KILL_AFTER_MS);
    await gateway.kill();
    const heard = await Promise.all(listening);
    await gateway.stop();
    expect(forward(persist), "open rows").toBe(2);
    gateway = await Gateway.start({ persist });
    for (const [n, { counted, token }] of users.entries()) {
      const user = new User(gateway.url, token);
      const answer = await user.chat({ model: "m", messages: [{ role: "user", content: "and now?" }] });
      expect(answer.status, answer.text).toBe(200);
      const totals = await settled(user, 2);
      const [input, output] = [totals.input_tokens - 1, totals.output_tokens];
      expect(input, "the prompt").toBe(counted ? PROMPT : prompt);
      expect(heard[n], "it ran long enough to be reported").toBeGreaterThan(50);
      expect(output, `billed of ${heard[n]} tokens heard`).toBeLessThanOrEqual(heard[n]);
      expect(output).toBeGreaterThanOrEqual(heard[n] - SLACK_MS / EVERY_MS);
      expect((await limitOf(user, "user_tokens_per_day")).used, "nothing is held any more").toBe(totals.tokens);
    }
  } finally {
    await gateway.stop();
    rmSync(persist, { recursive: true, force: true });
  }
});
