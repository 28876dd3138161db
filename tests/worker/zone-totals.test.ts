// What was used on each date, when a project moves between time zones and its users' rows are summed up in totals of local days.
// Always holds: a gateway of its own, stopped and started again on one state folder.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { type Json, Project, User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";
import { date, EAST, limit, move, WEST } from "../support/zone.ts";

it("what was used on each date is known after a restart, also when the rows are in day totals", { timeout: 120_000 }, async () => {
  const persist = mkdtempSync(join(tmpdir(), "behest-zone-"));
  let gateway = await Gateway.start({ persist });
  try {
    const project = await Project.create({ base: gateway.url, settings: { time_zone: EAST }, providers: { main: (await Upstream.start(completion("hi"))).url } });
    const user = await project.user();
    const chat = async (many: number) => {
      for (let n = 0; n < many; n += 10) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => user.chat()));
        expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
      }
    };
    const used = async () => (await limit(user, "user_requests_per_day")).used;
    await chat(230);
    await move(project, WEST);
    await chat(220);
    expect(await used()).toBe(220);
    await move(project, EAST);
    expect(await used()).toBe(230);
    await move(project, WEST);
    let totals: Json;
    do totals = (await user.get("/v1/usage")).json.totals; while (totals.requests < 450);
    await gateway.stop();
    gateway = await Gateway.start({ persist });
    const after = new User(gateway.url, user.token);
    expect((await limit(after, "user_requests_per_day")).used).toBe(220);
    const inMonth = date(EAST, Date.now()).slice(0, 7) === date(WEST, Date.now()).slice(0, 7) ? 450 : 220;
    expect((await limit(after, "user_tokens_per_month")).used).toBe((totals.tokens / 450) * inMonth);
  } finally {
    await gateway.stop();
    rmSync(persist, { recursive: true, force: true });
  }
});
