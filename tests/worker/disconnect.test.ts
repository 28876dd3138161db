// A client that leaves: the upstream is let go within a second, and only what was used is billed, not what was reserved.
// Always holds: measured at the upstream's own socket. Run alone, since it measures time.
import { beforeAll, describe, expect, it } from "vitest";
import { expectLimitHeaders } from "../support/contract.ts";
import { Project, type User } from "../support/project.ts";
import { completion, EVENT_STREAM, type Step, words } from "../support/script.ts";
import { frames } from "../support/sse.ts";
import { eventually, Upstream } from "../support/upstream.ts";

const RESERVED = 60_000;
const PROMPT = "word ".repeat(200);
const talk: Step[] = [{ send: words("and so it goes on and on").join("") }, { hang: true }];

let upstream: Upstream;
let project: Project;
beforeAll(async () => {
  upstream = await Upstream.start();
  project = await Project.create({ settings: { limits: { user_tokens_per_day: 1_000_000 }, routing: { timeout_ms: 60_000 } }, providers: { main: upstream.url } });
});

const ask = (stream: boolean) => ({ model: "m", stream, max_tokens: RESERVED, messages: [{ role: "user", content: PROMPT }] });

/** Tokens left, as a small call's headers say. The call itself costs a little too. */
async function left(user: User): Promise<number> {
  upstream.answer(completion("ok"));
  const answer = await user.chat({ model: "m", max_tokens: 1, messages: [{ role: "user", content: "x" }] });
  expect(answer.status, answer.text).toBe(200);
  return expectLimitHeaders(answer.headers).remaining.tokens;
}

const leavers: [string, (user: User, leave: AbortController) => Promise<void>, boolean][] = [
  ["in the middle of a stream", async (user, leave) => {
    upstream.answer({ headers: EVENT_STREAM, steps: talk });
    const response = await user.open(ask(true), { signal: leave.signal });
    let seen = 0;
    for await (const { data } of frames(response)) if (data && ++seen === 5) break;
  }, true],
  ["while a stream keeps coming", async (user, leave) => {
    const steps = Array.from({ length: 400 }, (): Step[] => [{ send: words("more ")[1] }, { wait: 25 }]).flat();
    upstream.answer({ headers: EVENT_STREAM, steps });
    const response = await user.open(ask(true), { signal: leave.signal });
    let seen = 0;
    for await (const { data } of frames(response)) if (data && ++seen === 10) break;
  }, true],
  ["before the first event of a stream", async (user, leave) => {
    upstream.answer({ headers: EVENT_STREAM, steps: [{ flush: true }, { hang: true }] });
    void user.open(ask(true), { signal: leave.signal }).catch(() => undefined);
  }, false],
  ["before the answer of a call that does not stream", async (user, leave) => {
    upstream.answer({ steps: [{ hang: true }] });
    void user.open(ask(false), { signal: leave.signal }).catch(() => undefined);
  }, false],
];

describe("a client that leaves", () => {
  it.each(leavers)("%s: upstream let go within 1 s, and only what was used is billed", async (name, begin, generated) => {
    const user = await project.user(`leaver ${name}`.replaceAll(" ", "-"));
    const before = await left(user);
    const leave = new AbortController();
    const asked = upstream.journal.length;
    await begin(user, leave);
    const exchange = await eventually("the upstream is asked", () => upstream.journal[asked], 5_000);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(exchange.hungUpAt, "let go too early").toBeUndefined();
    const leftAt = Date.now();
    leave.abort();
    const hungUpAt = await eventually("the upstream's connection closes", () => exchange.hungUpAt, 4_000);
    expect(hungUpAt - leftAt, "milliseconds until the upstream was let go").toBeLessThan(1_000);

    const ordinary = 200;
    const spent = await eventually("the reservation is settled", async () => {
      const used = before - (await left(user));
      return used < RESERVED / 2 ? used : undefined;
    }, 5_000);
    if (generated) expect(spent, "tokens billed: the prompt and some words").toBeGreaterThan(150);
    expect(spent, "tokens billed").toBeLessThan(1_000 + ordinary);
  });

  it("by leaving the loop of a reader (cancel) counts as leaving too", async () => {
    const user = await project.user("canceller");
    upstream.answer({ headers: EVENT_STREAM, steps: talk });
    const response = await user.open(ask(true));
    const reader = response.body!.getReader();
    await reader.read();
    const leftAt = Date.now();
    await reader.cancel();
    const exchange = upstream.last;
    const hungUpAt = await eventually("the upstream's connection closes", () => exchange.hungUpAt, 4_000);
    expect(hungUpAt - leftAt).toBeLessThan(1_000);
  });

  it("takes no one else's stream with it", async () => {
    upstream.answer({ headers: EVENT_STREAM, steps: [{ send: words("one two").join("") }, { wait: 600 }, { send: `${words("three")[1]}data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n` }] });
    const [leaver, stayer] = [await project.user("leaver"), await project.user("stayer")];
    const leave = new AbortController();
    await leaver.open(ask(true), { signal: leave.signal });
    const staying = await stayer.open(ask(true));
    leave.abort();
    const data: string[] = [];
    for await (const frame of frames(staying)) if (frame.data) data.push(frame.data);
    expect(data.at(-1)).toBe("[DONE]");
  });
});
