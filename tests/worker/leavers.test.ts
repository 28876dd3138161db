// 200 streams whose clients leave after k tokens: the upstream is let go within a second each time, and each is billed what it was sent.
// Always holds: exact where the provider told its usage, a quarter of the bytes where it did not; one user per stream, so that each bill
// is seen by itself. Connections are reset, without wrangler's proxy (see disconnect.test.ts). Run alone, since it measures time.
import { afterAll, beforeAll, expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { Project } from "../support/project.ts";
import { RawClient } from "../support/raw-client.ts";
import { chunk, event, EVENT_STREAM, reply, type Step, usageChunk } from "../support/script.ts";
import { promptTokens, settled } from "../support/tokens.ts";
import { eventually, type Exchange, Upstream } from "../support/upstream.ts";

const [STREAMS, AT_ONCE] = [200, 40];
const PROMPT = 9;
const WORD = "token ";
const ask = { model: "m", stream: true, messages: [{ role: "user", content: "x" }] };

let [upstream, gateway, project]: [Upstream, Gateway, Project] = [] as never;
let prompt: number;
beforeAll(async () => {
  upstream = await Upstream.start((exchange) => reply(exchange.body, "ok"));
  gateway = await Gateway.start({ direct: true });
  project = await Project.create({ base: gateway.url, providers: { main: upstream.url } });
  prompt = await promptTokens(project, ask);
}, 60_000);
afterAll(() => gateway?.stop());

/** The n-th stream: how many tokens it gets, whether the provider counts them, and how they come. */
const plan = (n: number) => ({ tokens: 1 + ((n * 7) % 60), counted: n % 2 === 0, pause: [0, 0, 3, 20][n % 4] });

function tokens(n: number): Step[] {
  const { tokens: count, counted, pause } = plan(n);
  const one = (nth: number) => event({ ...chunk({ content: WORD }), ...(counted ? { usage: { prompt_tokens: PROMPT, completion_tokens: nth, total_tokens: PROMPT + nth } } : {}) });
  const steps = Array.from({ length: count }, (_, at): Step[] => [{ send: one(at + 1) }, ...(pause ? [{ wait: pause }] : [])]).flat();
  return [...steps, { hang: true }];
}

async function leave(n: number): Promise<number> {
  const { tokens: count, counted } = plan(n);
  const user = await project.user(`leaver-${n}`);
  const marked = { ...ask, user: `n${n}` };
  const client = await RawClient.post(`${user.base}/v1/chat/completions`, user.token, marked);
  await eventually(`stream ${n} has its ${count} tokens`, () => client.received.split(WORD).length > count, 20_000);
  const exchange = upstream.journal.find(({ body }: Exchange) => body.user === `n${n}`)!;
  expect(exchange.hungUpAt, `stream ${n} was let go too early`).toBeUndefined();
  const leftAt = Date.now();
  client.leave("reset");
  const took = (await eventually(`the upstream of stream ${n} is let go`, () => exchange.hungUpAt, 5_000)) - leftAt;
  const extra = Math.ceil(JSON.stringify(marked.user).length / 3);
  const expected = counted ? [PROMPT, count] : [prompt + extra, Math.ceil((count * WORD.length) / 4)];
  const totals = await settled(user, 1);
  expect([totals.input_tokens, totals.output_tokens], `the bill of stream ${n}`).toEqual(expected);
  return took;
}

it(`${STREAMS} leavers`, { timeout: 60_000 }, async () => {
  upstream.answer(({ body }) => ({ headers: EVENT_STREAM, steps: tokens(Number(body.user.slice(1))) }));
  const took: number[] = [];
  for (let n = 0; n < STREAMS; n += AT_ONCE) took.push(...(await Promise.all(Array.from({ length: AT_ONCE }, (_, more) => leave(n + more)))));
  took.sort((a, b) => a - b);
  console.log(`leavers: let go after ${took[STREAMS / 2]} ms (median), ${took.at(-1)} ms (the slowest of ${STREAMS})`);
  expect(took.at(-1), "milliseconds until the slowest was let go").toBeLessThan(1_000);
});

it("what the provider had sent when the client left is billed, although the client never read it", async () => {
  const many = 400;
  const usage = { prompt_tokens: PROMPT, completion_tokens: many, total_tokens: PROMPT + many };
  upstream.answer({ headers: EVENT_STREAM, steps: [{ send: event(chunk({ content: WORD })) }, { wait: 30 }, { send: event(chunk({ content: WORD })).repeat(many - 1) + event(usageChunk(usage)) }, { hang: true }] });
  const user = await project.user("quick");
  const client = await RawClient.post(`${user.base}/v1/chat/completions`, user.token, ask);
  await eventually("the first token", () => client.received.includes(WORD));
  await new Promise((resolve) => setTimeout(resolve, 60));
  client.leave("reset");
  expect(await settled(user, 1)).toMatchObject({ input_tokens: PROMPT, output_tokens: many });
});
