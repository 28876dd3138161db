// Days and months of a project's own time zone: what the platform's rules make of them, and what a move does on the way.
// Always holds: what is expected is computed here, hour by hour, from Node's own rules. Absent: days of 23 and 25 hours (the native
// tests of zones: nobody can wait for one).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { type Json, Project, User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const QUARTER = 900_000;
const upstream = async () => (await Upstream.start(completion("hi"))).url;
const ask = { model: "m", max_tokens: 10, messages: [{ role: "user", content: "x" }] };

/** Year, month and day of a moment in a zone. */
function date(zone: string, ms: number): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" }).format(ms);
}

/** When the date, or the month, of now is over, in epoch seconds: quarter by quarter. */
function ends(zone: string, what: "day" | "month"): number {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" });
  const of = (ms: number) => format.format(ms).slice(0, what === "day" ? 10 : 7);
  const now = of(Date.now());
  let at = Math.ceil(Date.now() / QUARTER) * QUARTER;
  while (of(at) === now) at += QUARTER;
  return at / 1_000;
}

const limit = async (user: User, name: string) => (await user.get("/v1/limits")).json.limits.find((each: { name: string }) => each.name === name);
const move = (project: Project, time_zone: string | null) => project.admin("/settings", { method: "PUT", body: { time_zone } });

describe("a time zone", () => {
  it.each(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Kiritimati", "Africa/Casablanca", "UTC"])("says when days and months end: %s", async (zone) => {
    const project = await Project.create({ settings: { time_zone: zone, limits: { user_requests_per_day: 1, user_tokens_per_month: 1_000_000 } }, providers: { main: await upstream() } });
    const user = await project.user();
    // Unless a day ends just now.
    for (let n = 0; n < 2; n++) {
      const [day, month] = [ends(zone, "day"), ends(zone, "month")];
      const told = [(await limit(user, "user_requests_per_day")).resets_at, (await limit(user, "user_tokens_per_month")).resets_at];
      if (n === 0 && day !== ends(zone, "day")) continue;
      expect(told).toEqual([day, month]);
      break;
    }
    expect((await user.chat(ask)).status).toBe(200);
    const refused = await user.chat(ask);
    const day = ends(zone, "day");
    expect(expectError(refused, 402, "quota_exceeded").details).toMatchObject({ scope: "user_requests_per_day", resets_at: day });
    const [, hours = 0, minutes = 0, seconds = 0] = /^(?:(\d+)h)?(?:(\d+)m)?(\d+)(?:\.\d+)?s$/.exec(refused.headers.get("x-ratelimit-reset-requests")!)!;
    const left = Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
    expect(Math.abs(Date.now() / 1_000 + left - day)).toBeLessThan(5);
  });

  it("is one that the platform knows", async () => {
    const project = await Project.create({});
    for (const zone of ["Europe/Berlim", "+02:00", "", "Mars/Olympus_Mons", 2]) {
      expectError(await project.admin("/settings", { method: "PUT", body: { time_zone: zone } }), 400, "validation_error", "time_zone");
    }
    expect((await move(project, "America/Argentina/Buenos_Aires")).json.time_zone).toBe("America/Argentina/Buenos_Aires");
    expect((await move(project, null)).json.time_zone ?? null).toBeNull();
  });
});

// Their dates differ at any moment: they are 25 hours apart.
const [EAST, WEST] = ["Pacific/Kiritimati", "Pacific/Pago_Pago"];

it("a move in mid-day begins another date, and coming back finds what was used on the first", async () => {
  expect(date(EAST, Date.now())).not.toBe(date(WEST, Date.now()));
  const project = await Project.create({ settings: { time_zone: EAST, limits: { user_requests_per_day: 1 } }, providers: { main: await upstream() } });
  const user = await project.user();
  const statuses: number[] = [];
  for (const zone of [EAST, WEST, EAST, WEST]) {
    await move(project, zone);
    statuses.push((await user.chat(ask)).status, (await limit(user, "user_requests_per_day")).used);
  }
  expect(statuses).toEqual([200, 1, 200, 1, 402, 1, 402, 1]);
});

it("what was used on each date is known after a restart, also when the rows are in day totals", { timeout: 120_000 }, async () => {
  const persist = mkdtempSync(join(tmpdir(), "behest-zone-"));
  let gateway = await Gateway.start({ persist });
  try {
    const project = await Project.create({ base: gateway.url, settings: { time_zone: EAST }, providers: { main: await upstream() } });
    const user = await project.user();
    const chat = async (many: number) => {
      for (let n = 0; n < many; n += 10) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => user.chat(ask)));
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
