// A client that leaves: the upstream is let go within a second, and only what was used is billed, not what was reserved.
// Always holds: measured at the upstream's own socket. Run alone, since it measures time.
// Local workerd learns of a closed connection (FIN) when it next writes, and of a reset one (RST) at once; wrangler's proxy hides the reset.
// So what is silent is left by a reset, on Miniflare without that proxy. Absent: a silent stream that is merely closed; only the edge can tell.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectLimitHeaders } from "../support/contract.ts";
import { Gateway } from "../support/gateway.ts";
import { Project, type User } from "../support/project.ts";
import { RawClient } from "../support/raw-client.ts";
import { completion, DONE, EVENT_STREAM, FINISH, type Script, type Step, words } from "../support/script.ts";
import { frames } from "../support/sse.ts";
import { eventually, Upstream } from "../support/upstream.ts";

const RESERVED = 60_000;
const PROMPT = "word ".repeat(200);
const silent: Script = { headers: EVENT_STREAM, steps: [{ send: words("and so it goes on and on").join("") }, { hang: true }] };
const talking: Script = { headers: EVENT_STREAM, steps: Array.from({ length: 200 }, (): Step[] => [{ send: words("more ")[1] }, { wait: 50 }]).flat() };
const mute: Script = { headers: EVENT_STREAM, steps: [{ flush: true }, { hang: true }] };
const noAnswer: Script = { steps: [{ hang: true }] };

interface Case {
  name: string;
  script: Script;
  stream: boolean;
  how: "close" | "reset";
  on: "wrangler" | "direct";
  /** Bytes of text that must be billed. */
  generated: boolean;
  /** What is asked for, if not a chat. */
  path?: string;
}

const CASES: Case[] = [
  { name: "closes while a stream keeps coming", script: talking, stream: true, how: "close", on: "wrangler", generated: true },
  { name: "closes while a stream keeps coming, nothing in between", script: talking, stream: true, how: "close", on: "direct", generated: true },
  { name: "resets while a stream keeps coming", script: talking, stream: true, how: "reset", on: "direct", generated: true },
  { name: "resets in the silence of a stream", script: silent, stream: true, how: "reset", on: "direct", generated: true },
  { name: "resets before the first event of a stream", script: mute, stream: true, how: "reset", on: "direct", generated: false },
  { name: "resets before the headers of a stream", script: noAnswer, stream: true, how: "reset", on: "direct", generated: false },
  { name: "resets while a call that does not stream waits", script: noAnswer, stream: false, how: "reset", on: "direct", generated: false },
  { name: "resets while embeddings are awaited", script: noAnswer, stream: false, how: "reset", on: "direct", generated: false, path: "/v1/embeddings" },
];

let upstream: Upstream;
let direct: Gateway;
let projects: Record<Case["on"], Project>;
beforeAll(async () => {
  upstream = await Upstream.start();
  direct = await Gateway.start({ direct: true });
  const options = { settings: { limits: { user_tokens_per_day: 1_000_000 }, routing: { timeout_ms: 60_000 } }, providers: { main: upstream.url } };
  projects = { wrangler: await Project.create(options), direct: await Project.create({ ...options, base: direct.url }) };
}, 60_000);
afterAll(() => direct?.stop());

const ask = (stream: boolean) => ({ model: "m", stream, max_tokens: RESERVED, messages: [{ role: "user", content: PROMPT }] });

/** Tokens left, as a small call's headers say. The call itself costs a little too. */
async function left(user: User): Promise<number> {
  upstream.answer(completion("ok"));
  const answer = await user.chat({ model: "m", max_tokens: 1, messages: [{ role: "user", content: "x" }] });
  expect(answer.status, answer.text).toBe(200);
  return expectLimitHeaders(answer.headers).remaining.tokens;
}

describe("a client that", () => {
  it.each(CASES)("$name ($on): upstream let go within 1 s, only what was used is billed", async ({ script, stream, how, on, generated, path }) => {
    const user = await projects[on].user(`leaver-${crypto.randomUUID()}`);
    const before = await left(user);
    upstream.answer(script);
    const asked = upstream.journal.length;
    const client = await RawClient.post(`${user.base}${path ?? "/v1/chat/completions"}`, user.token, path ? { model: "m", input: PROMPT } : ask(stream));
    const exchange = await eventually("the upstream is asked", () => upstream.journal[asked]);
    if (generated) await eventually("some text has arrived", () => client.received.split("data: ").length > 5);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(exchange.hungUpAt, "let go too early").toBeUndefined();

    const leftAt = Date.now();
    client.leave(how);
    const hungUpAt = await eventually("the upstream's connection closes", () => exchange.hungUpAt, 4_000);
    expect(hungUpAt - leftAt, "milliseconds until the upstream was let go").toBeLessThan(1_000);

    const spent = await eventually("the reservation is settled", async () => {
      const used = before - (await left(user));
      return used < RESERVED / 2 ? used : undefined;
    });
    if (generated) expect(spent, "tokens billed: at least the prompt").toBeGreaterThan(150);
    expect(spent, "tokens billed: the prompt, some words, and the calls that looked").toBeLessThan(1_200);
  });

  it("leaves its reading loop (cancel) counts as one that left", async () => {
    const user = await projects.wrangler.user("canceller");
    upstream.answer(talking);
    const response = await user.open(ask(true));
    for await (const { data } of frames(response)) if (data) break;
    const leftAt = Date.now();
    const exchange = upstream.last;
    const hungUpAt = await eventually("the upstream's connection closes", () => exchange.hungUpAt, 4_000);
    expect(hungUpAt - leftAt).toBeLessThan(1_000);
  });

  it("leaves takes no one else's stream with it", async () => {
    upstream.answer({ headers: EVENT_STREAM, steps: [{ send: words("one two").join("") }, { wait: 600 }, { send: words("three")[1] + FINISH + DONE }] });
    const [leaver, stayer] = [await projects.direct.user("leaver"), await projects.direct.user("stayer")];
    const leaving = await RawClient.post(`${leaver.base}/v1/chat/completions`, leaver.token, ask(true));
    const staying = await stayer.open(ask(true));
    await eventually("the leaver has some text", () => leaving.received.includes("data: "));
    leaving.leave("reset");
    const data: string[] = [];
    for await (const frame of frames(staying)) if (frame.data) data.push(frame.data);
    expect(data.at(-1)).toBe("[DONE]");
  });
});
