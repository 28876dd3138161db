// Days and months of a project's own time zone: what the platform's rules make of them, and what a move does on the way.
// Always holds: what is expected is computed here, quarter by quarter of an hour, from Node's own rules. Absent: days of 23 and 25
// hours (the native tests of zones: nobody can wait for one), and totals over a restart (zone-totals.test.ts).
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";
import { date, EAST, limit, move, WEST } from "../support/zone.ts";

const QUARTER = 900_000;
const upstream = async () => (await Upstream.start(completion("hi"))).url;
const ask = { model: "m", max_tokens: 10, messages: [{ role: "user", content: "x" }] };

/** When the date, or the month, of now is over, in epoch seconds: quarter by quarter. */
function ends(zone: string, what: "day" | "month"): number {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" });
  const of = (ms: number) => format.format(ms).slice(0, what === "day" ? 10 : 7);
  const now = of(Date.now());
  let at = Math.ceil(Date.now() / QUARTER) * QUARTER;
  while (of(at) === now) at += QUARTER;
  return at / 1_000;
}

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
