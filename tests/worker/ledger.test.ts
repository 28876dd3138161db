// The owner's view of a project: GET …/usage and …/requests against the fake provider's own books, to the micro-dollar.
// Always holds: a gateway of its own that tells projects after a second instead of five minutes.
// Absent: lost, doubled and late messages, crashes (the native tests of the roll-up; ledger-kills.test.ts).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Books, type Sum, used } from "../support/books.ts";
import { expectError } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { admin, call, type Json, Project } from "../support/project.ts";
import { readStream } from "../support/sse.ts";
import { eventually } from "../support/upstream.ts";

let gateway: Gateway;
beforeAll(async () => { gateway = await Gateway.start({ vars: { ROLL_UP_SECONDS: 1 } }); }, 60_000);
afterAll(() => gateway.stop());

async function project(books: Books, base = gateway.url): Promise<Project> {
  return Project.create({ base, providers: { main: books.upstream.url, other: books.upstream.url } });
}

const ask = (label: string, model = "gpt-4o", stream = false) => ({ model, stream, max_tokens: 600, messages: [{ role: "user", content: label }] });

/** One chat of a user, whose label is `user/session/n`. */
async function chat(one: Project, user: string, session: string, n: number, model?: string): Promise<void> {
  const label = `${user}/${session}/${n}`;
  const asked = await one.user(user);
  const options = { headers: { "x-session-id": session } };
  if (n % 2 === 0) {
    expect((await asked.chat(ask(label, model), options)).status).toBe(200);
  } else {
    expect((await readStream(await asked.open(ask(label, model, true), options))).done).toBe(true);
  }
}

const sum = (row: Json): Sum => ({ requests: row.requests, input: row.input_tokens, output: row.output_tokens, cached: row.cached_tokens, micro: Math.round(row.cost_usd * 1e6) });

/** The answer, once so many requests are counted. */
const counted = (one: Project, query: string, requests: number): Promise<Json> =>
  eventually(`${requests} requests are counted`, async () => {
    const { status, text, json } = await one.admin(`/usage?${query}`);
    expect(status, text).toBe(200);
    return json.totals.requests >= requests ? json : undefined;
  }, 15_000);

async function pages(one: Project, query: string): Promise<Json[]> {
  const rows: Json[] = [];
  let after = "";
  for (;;) {
    const { status, text, json } = await one.admin(`/requests?${query}&after=${after}`);
    expect(status, text).toBe(200);
    rows.push(...json.data);
    if (!json.has_more) return rows;
    after = json.next;
  }
}

describe("usage and requests", () => {
  let books: Books;
  let one: Project;
  let other: Project;
  const USERS = ["ann@example.com", "böb", "=SUM(1,2)"];
  beforeAll(async () => {
    books = await Books.start();
    [one, other] = [await project(books), await project(books)];
    for (let n = 0; n < 6; n++) await Promise.all(USERS.map((user) => chat(one, user, `s${n % 2}`, n, n === 5 ? "gpt-4o-mini" : undefined)));
    await chat(other, "ann@example.com", "theirs", 0);
    await counted(one, "", 18);
    await counted(other, "", 1);
  }, 60_000);

  const mine = (label: string) => !label.includes("theirs");
  const big = (label: string) => mine(label) && !label.endsWith("/5");

  it("sums are the provider's books", async () => {
    const { json } = await one.admin("/usage?group_by=model");
    expect(json).toMatchObject({ object: "list", has_more: false, next: null, fresh: true, group_by: ["model"] });
    expect(json.data.map((row: Json) => row.model)).toEqual(["gpt-4o", "gpt-4o-mini"]);
    expect(sum(json.data[0])).toEqual(books.sum(big));
    expect(json.totals).toMatchObject({ requests: 18, unpriced_requests: 0, estimated_requests: 0 });
    expect(json.totals.input_tokens).toBe(books.sum(mine).input);
    expect(sum((await other.admin("/usage")).json.totals)).toEqual(books.sum((label) => !mine(label)));
  });

  it("sums by user, session, provider, status, key source and time", async () => {
    const { json } = await one.admin("/usage?group_by=user,session,provider,status,key_source,day,hour");
    expect(json.data.length).toBe(new Set(json.data.map((row: Json) => [row.user, row.session, row.hour].join())).size);
    for (const row of json.data) {
      expect(row).toMatchObject({ provider: "main", status: "completed", key_source: "byok", day: row.hour.slice(0, 10) });
      expect(Date.parse(row.hour) % 3_600_000).toBe(0);
    }
    for (const user of USERS) {
      const theirs = json.data.filter((row: Json) => row.user === user).map((row: Json) => row.output_tokens).reduce((a: number, b: number) => a + b);
      expect(theirs, user).toBe(books.sum((label) => label.startsWith(`${user}/s`)).output);
    }
    const { json: paged } = await one.admin("/usage?group_by=user&limit=2");
    const { json: rest } = await one.admin(`/usage?group_by=user&limit=2&after=${paged.next}`);
    expect([...paged.data, ...rest.data].map((row: Json) => row.user)).toEqual([...USERS].sort());
    expect([paged.has_more, rest.has_more, rest.fresh]).toEqual([true, false, undefined]);
  });

  it("windows are whole hours", async () => {
    const now = Date.now();
    const { json } = await one.admin(`/usage?from=${new Date(now - 60_000).toISOString()}&to=${new Date(now + 60_000).toISOString()}`);
    for (const end of ["from", "to"]) expect(Date.parse(json.window[end]) % 3_600_000).toBe(0);
    expect(Date.parse(json.window.from)).toBeLessThanOrEqual(now - 60_000);
    expect(Date.parse(json.window.to)).toBeGreaterThanOrEqual(now + 60_000);
    expect((await one.admin("/usage?from=2020-01-01&to=2020-01-02&group_by=model")).json).toMatchObject({ data: [], totals: { requests: 0, cost_usd: 0 } });
  });

  it("single requests, newest first, in pages", async () => {
    const rows = await pages(one, "limit=5");
    expect(rows.length).toBe(18);
    expect(new Set(rows.map((row) => row.id)).size).toBe(18);
    const times = rows.map((row) => row.created_at_ms);
    expect(times).toEqual([...times].sort((a, b) => b - a));
    const cost = rows.filter((row) => row.model === "gpt-4o").reduce((micro, row) => micro + Math.round(row.cost_usd * 1e6), 0);
    expect(cost).toBe(books.sum(big).micro);
    expect(rows[0]).toMatchObject({ object: "request", provider: "main", key_source: "byok", status: "completed", estimated: false, priced: true, thread_id: null });
    expect(rows[0].created_at).toBe(Math.floor(rows[0].created_at_ms / 1000));
    for (const row of rows) expect(row.duration_ms).toBeGreaterThanOrEqual(row.ttft_ms);
  });

  it.each([
    ["user=b%C3%B6b", 6], ["model=gpt-4o-mini", 3], ["session=s1", 9], ["session=s1&user=b%C3%B6b", 3], ["provider=other", 0], ["status=failed", 0],
    ["status=completed", 18], ["thread=none", 0], ["from=2020-01-01&to=2020-01-02", 0], ["user=", 18],
  ])("single requests with ?%s are %d", async (query, count) => {
    expect((await pages(one, query)).length).toBe(count);
  });

  it("CSV says the same, and nothing in it is a formula", async () => {
    const answer = await one.admin("/requests?format=csv&limit=7");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/csv; charset=utf-8"]);
    const link = answer.headers.get("link")?.match(/<([^>]+)>; rel="next"/)?.[1];
    const second = await call(`${gateway.url}${link}`, { token: "admin-token-for-tests-9f1c2b7a5d" });
    const lines = [answer, second].flatMap(({ text }) => text.trimEnd().split("\r\n").slice(1));
    const told = (await pages(one, "limit=14")).slice(0, 14);
    const header = answer.text.split("\r\n")[0].split(",");
    expect(lines.length).toBe(14);
    for (const [n, line] of lines.entries()) {
      const cells = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g)!.map((cell) => cell.replace(/,$/, "").replace(/^"|"$/g, "").replaceAll('""', '"'));
      const row = Object.fromEntries(header.map((name, place) => [name, cells[place]]));
      expect(row).toMatchObject({ id: told[n].id, input_tokens: String(told[n].input_tokens), status: "completed", thread_id: "" });
      expect(Math.round(Number(row.cost_usd) * 1e6)).toBe(Math.round(told[n].cost_usd * 1e6));
      expect(row.user).toBe(told[n].user.startsWith("=") ? `'${told[n].user}` : told[n].user);
    }
    expect(lines.some((line) => line.includes(`"'=SUM(1,2)"`))).toBe(true);
  });

  it("another project's rows are never there", async () => {
    const told = JSON.stringify(await pages(one, ""));
    expect(told).not.toContain("theirs");
    expect((await pages(other, "")).length).toBe(1);
    expect((await one.admin("/usage?group_by=session")).text).not.toContain("theirs");
  });

  it("the routes take the admin token and nothing else", async () => {
    const token = await one.token("ann@example.com");
    for (const path of ["usage", "requests"]) {
      for (const wrong of [undefined, one.key, token, "admin-token-for-tests-9f1c2b7a5e"]) {
        expect((await one.admin(`/${path}`, { token: wrong })).status, `${path} with ${wrong}`).toBe(401);
      }
      expect((await call(`${gateway.url}/v1/projects/proj_${"0".repeat(24)}/${path}`, { token: "admin-token-for-tests-9f1c2b7a5d" })).status).toBe(404);
      expect((await call(`${gateway.url}/v1/projects/made-up/${path}`, { token: "admin-token-for-tests-9f1c2b7a5d" })).status).toBe(404);
    }
  });

  it.each([
    ["usage", "group_by=colour"], ["usage", "limit=0"], ["usage", "limit=1001"], ["usage", "after=x"], ["usage", "from=soon"], ["usage", "to=1728043200000"],
    ["requests", "limit=many"], ["requests", "after=%00"], ["requests", "format=xml"], ["requests", "status=open"], ["requests", "from=2024-10-05&to=2024-10-04"],
  ])("%s names what is wrong in ?%s", async (path, query) => {
    expect(expectError(await one.admin(`/${path}?${query}`), 400, "validation_error").param).toBe(query.split("=")[0]);
  });

  it("erasing a user leaves their sums, under no name", async () => {
    const before = (await one.admin("/usage")).json.totals;
    const gone = USERS[2];
    // What was not told yet is told first.
    await chat(one, gone, "last", 1);
    expect((await one.admin(`/users/${encodeURIComponent(gone)}`, { method: "DELETE" })).status).toBe(204);
    const { json } = await one.admin("/usage?group_by=user,session");
    expect(json.totals.requests).toBe(before.requests + 1);
    expect(json.totals.output_tokens).toBe(before.output_tokens + used(`${gone}/last/1`).output);
    expect(json.data.map((row: Json) => row.user)).toEqual(["", USERS[0], USERS[0], USERS[1], USERS[1]]);
    expect(json.data[0]).toMatchObject({ session: "", requests: 7 });
    expect(JSON.stringify(await pages(one, ""))).not.toContain(gone);
    // Somebody with the same name begins anew.
    await chat(one, gone, "new", 1);
    await counted(one, "", before.requests + 2);
    expect((await pages(one, `user=${encodeURIComponent(gone)}`)).length).toBe(1);
    expect((await one.admin(`/users/nobody`, { method: "DELETE" })).status).toBe(204);
  });
});

it("pages while users write: what was there comes once, newest first", { timeout: 60_000 }, async () => {
  const books = await Books.start();
  const one = await project(books);
  const write = (round: number) => Promise.all(["a", "b", "c", "d"].map((user) => chat(one, user, "s", round)));
  for (let round = 0; round < 10; round++) await write(round);
  await counted(one, "", 40);
  const before = (await pages(one, "limit=1000")).map((row) => row.id as string);
  let writing = true;
  const writer = (async () => { for (let round = 10; writing; round++) await write(round); })();
  for (let walk = 0; walk < 5; walk++) {
    const rows = await pages(one, "limit=3");
    const ids = rows.map((row) => row.id as string);
    expect(new Set(ids).size, "none twice").toBe(ids.length);
    expect(ids.filter((id) => before.includes(id)), "none left out").toEqual(before);
    expect(rows.every((row, n) => n === 0 || rows[n - 1].created_at_ms >= row.created_at_ms), "newest first").toBe(true);
  }
  writing = false;
  await writer;
  const { totals } = await counted(one, "", books.completed.length);
  expect(sum(totals)).toEqual(books.sum());
});

it("an object that only its alarm wakes tells as well", { timeout: 60_000 }, async () => {
  const books = await Books.start();
  const persist = mkdtempSync(join(tmpdir(), "behest-ledger-"));
  const start = () => Gateway.start({ persist, vars: { ROLL_UP_SECONDS: 8 } });
  let running = await start();
  try {
    const one = await project(books, running.url);
    await chat(one, "ann", "s", 0);
    await running.kill();
    await running.stop();
    running = await start();
    // Nobody asks for this user: its object learns its name from the platform's alarm, or from its own rows.
    await eventually("its request is counted", async () => (await admin(`/projects/${one.id}/usage`, {}, running.url)).json.totals.requests === 1, 30_000);
    expect(sum((await admin(`/projects/${one.id}/usage`, {}, running.url)).json.totals)).toEqual(books.sum());
  } finally {
    await running.stop();
    rmSync(persist, { recursive: true, force: true });
  }
});

it("fifty requests are told at once, and a look asks for the rest", { timeout: 60_000 }, async () => {
  const books = await Books.start();
  const patient = await Gateway.start({ vars: { ROLL_UP_SECONDS: 3_600 } });
  try {
    const one = await project(books, patient.url);
    const users = ["a", "b", "c"];
    const tell = (from: number, to: number) => Promise.all(users.map(async (user) => { for (let n = from; n < to; n++) await chat(one, user, "s", n); }));
    await tell(0, 50);
    await counted(one, "", 150);
    await tell(50, 55);
    const json = await counted(one, "", 165);
    expect([sum(json.totals), json.fresh]).toEqual([books.sum(), true]);
  } finally {
    await patient.stop();
  }
});
