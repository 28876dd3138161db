// The limits per address: the deployment's before tokens are looked at, a project's exactly after them, each with scope `ip`, readable by a page.
// Always holds: gateways of its own, so that no other test meets their limits; addresses are told by the header that the platform sets.
// Absent: the time in which a place comes back, and crashes (native, src/auth/address_window.rs).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseList } from "structured-headers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answered, expectCors, expectError, expectRateLimit } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { type Answer, call, Project, User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const from = (address: string) => ({ headers: { "cf-connecting-ip": address } });
const statuses = (answers: Answer[]) => [200, 401, 429].map((status) => answers.filter((answer) => answer.status === status).length);

function expectRefused(answer: Answered): void {
  expect(expectError(answer, 429, "rate_limited").details).toMatchObject({ scope: "ip" });
  expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  expect(Number(answer.headers.get("retry-after"))).toBeLessThanOrEqual(61);
}

describe("the deployment's", () => {
  let gateway: Gateway;
  beforeAll(async () => { gateway = await Gateway.start({ vars: { IP_RPM: 5 } }); }, 60_000);
  afterAll(() => gateway.stop());
  const send = (address: string) => call(`${gateway.url}/v1/chat/completions`, { token: "not.a.token", body: {}, headers: { origin: "https://a.example", ...from(address).headers } });

  it("refuses the sixth call in a minute from one address, whoever it claims to be", async () => {
    const answers = [];
    for (let n = 0; n < 12; n++) answers.push(await send("203.0.113.1"));
    expect(answers.map(({ status }) => status)).toEqual([...Array(5).fill(401), ...Array(7).fill(429)]);
    for (const answer of answers.slice(5)) {
      expectRefused(answer);
      expectCors(answer.headers, "https://a.example");
    }
    expect((await send("203.0.113.2")).status, "another address").toBe(401);
  });

  it("counts the addresses of an IPv6 network as one", async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => send(`2001:db8:1:2::${n.toString(16)}`)));
    expect(statuses(answers)).toEqual([0, 5, 7]);
    expect((await send("2001:db8:1:3::1")).status, "another network").toBe(401);
  });
});

describe("the platform's limiter", () => {
  // Its limit is that of wrangler.toml, 120, whatever the Worker is told: what a request of the 121st to the 200th is refused by can only be it.
  const flood = async (vars: Record<string, string | number>) => {
    const gateway = await Gateway.start({ vars });
    try {
      const send = () => call(`${gateway.url}/v1/chat/completions`, { token: "not.a.token", body: {}, ...from("203.0.113.9") });
      // Its windows are the clock's minutes: what it counted in the last one it has forgotten.
      const left = 60_000 - (Date.now() % 60_000);
      if (left < 15_000) await new Promise((resolve) => setTimeout(resolve, left));
      const answers: Answer[] = [];
      for (let n = 0; n < 200; n += 20) answers.push(...(await Promise.all(Array.from({ length: 20 }, send))));
      return answers;
    } finally {
      await gateway.stop();
    }
  };

  it("refuses what it counts, with the words of the first layer", async () => {
    // Told that its limit is 1000, the Worker's own count lets everything through.
    const answers = await flood({ IP_RPM: 1_000, IP_LIMIT_RPM: 1_000 });
    expect(statuses(answers)).toEqual([0, 120, 80]);
    for (const answer of answers.filter(({ status }) => status === 429)) expectRefused(answer);
  }, 60_000);

  it("is not asked where its limit is the lower one", async () => {
    expect(statuses(await flood({ IP_RPM: 1_000, IP_LIMIT_RPM: 999 }))).toEqual([0, 200, 0]);
  }, 60_000);
});

describe("a project's", () => {
  let gateway: Gateway;
  let upstream: Upstream;
  beforeAll(async () => {
    gateway = await Gateway.start();
    upstream = await Upstream.start(completion("hi"));
  }, 60_000);
  afterAll(() => gateway.stop());
  const project = (limits: object) => Project.create({ base: gateway.url, settings: { limits }, providers: { main: upstream.url } });
  const burst = (users: User[], address: string, length: number) =>
    Promise.all(Array.from({ length }, (_, n) => users[n % users.length].chat("hello", from(address))));

  it("is exact: of 200 at once from one address, by ten users, as many are served as it says", async () => {
    const one = await project({ ip_rpm: 37 });
    const users = await Promise.all(Array.from({ length: 10 }, (_, n) => one.user(`user-${n}`)));
    const before = upstream.journal.length;
    const [first, second] = await Promise.all([burst(users, "203.0.113.1", 200), burst(users, "203.0.113.2", 60)]);
    expect([statuses(first), statuses(second)]).toEqual([[37, 0, 163], [37, 0, 23]]);
    expect(upstream.journal.length - before).toBe(74);
    for (const answer of [...first, ...second].filter(({ status }) => status === 429)) {
      expectRefused(answer);
      expect(parseList(answer.headers.get("ratelimit")!).map(([value]) => value)).toEqual(["address-requests-minute"]);
    }
    expect(statuses(await burst(users, "203.0.113.3", 5)), "another address").toEqual([5, 0, 0]);
  });

  it("is told beside what is left for the user, and counts every call of one", async () => {
    const user = await (await project({ ip_rpm: 3 })).user();
    const first = await user.chat("hello", from("2001:db8::1"));
    expect(expectRateLimit(first.headers)["address-requests-minute"]).toEqual({ q: 3, w: 60, r: 2, t: 60 });
    expect(first.headers.get("x-ratelimit-remaining-requests"), "the tightest").toBe("2");
    expect((await user.get("/v1/threads", from("2001:db8::2"))).status).toBe(200);
    expect((await user.get("/v1/models", from("2001:db8::3"))).status).toBe(200);
    const refused = await user.chat("hello", from("2001:db8::4"));
    expectRefused(refused);
    expect(refused.headers.get("x-ratelimit-remaining-requests")).toBe("0");
    expect((await user.chat("hello", from("2001:db8:0:1::1"))).status, "another network").toBe(200);
  });

  it("survives the gateway's end", async () => {
    const persist = mkdtempSync(join(tmpdir(), "behest-address-"));
    let served: Gateway | undefined;
    try {
      served = await Gateway.start({ persist });
      const one = await Project.create({ base: served.url, settings: { limits: { ip_rpm: 2 } }, providers: { main: upstream.url } });
      const user = await one.user();
      expect(statuses(await burst([user], "203.0.113.5", 2))).toEqual([2, 0, 0]);
      await served.kill();
      served = await Gateway.start({ persist });
      // The token is good for the next gateway too: the master key is the same.
      expect(statuses(await burst([new User(served.url, user.token)], "203.0.113.5", 3))).toEqual([0, 0, 3]);
    } finally {
      await served?.stop();
      rmSync(persist, { recursive: true, force: true });
    }
  }, 60_000);

  it("is each project's own, and comes after the token", async () => {
    const [one, other] = [await project({ ip_rpm: 2 }), await project({ ip_rpm: 2 })];
    const [user, theirs] = [await one.user(), await other.user()];
    for (let n = 0; n < 5; n++) expect((await call(`${gateway.url}/v1/models`, { token: "not.a.token", ...from("203.0.113.5") })).status).toBe(401);
    expect(statuses(await burst([user], "203.0.113.5", 4))).toEqual([2, 0, 2]);
    expect((await theirs.chat("hello", from("203.0.113.5"))).status).toBe(200);
  });
});
