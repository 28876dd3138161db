// A budget for exactly one request, 50 times over: of 64 clients at once one is served, whole or streamed, also when it is billed far more
// than was foreseen. Run alone, since it takes the machine.
// Always holds: each round is a user of its own; the provider is asked once; what is spent and reserved in the end is the one bill.
import { afterAll, beforeAll, expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { Project, type User } from "../support/project.ts";
import { reply, type Script } from "../support/script.ts";
import { limitOf, promptTokens, settled } from "../support/tokens.ts";
import { type Exchange, Upstream } from "../support/upstream.ts";

const [ROUNDS, CLIENTS, MAX] = [50, 64, 40];
const ask = { model: "m", stream: false, max_tokens: MAX, messages: [{ role: "user", content: "x" }] };
/** What each kind of round is billed beyond what was reserved for it. */
const KINDS = [{ stream: false, more: 0 }, { stream: true, more: 0 }, { stream: false, more: 2_000 }, { stream: true, more: 2_000 }];

let [upstream, gateway, project]: [Upstream, Gateway, Project] = [] as never;
let prompt: number;
beforeAll(async () => {
  upstream = await Upstream.start((exchange) => reply(exchange.body, "ok"));
  // Without wrangler's proxy, which would take most of the time.
  gateway = await Gateway.start({ direct: true });
  prompt = await promptTokens(await Project.create({ base: gateway.url, providers: { main: upstream.url } }), ask);
  project = await Project.create({ base: gateway.url, settings: { limits: { user_tokens_per_day: prompt + 2 + MAX } }, providers: { main: upstream.url } });
}, 60_000);
afterAll(() => gateway?.stop());

/** The answer, with its bill; late enough that all of them ask while it runs. */
const billed = (completion: number) => ({ body }: Exchange): Script => {
  const usage = JSON.stringify({ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion });
  const { steps, ...script } = reply(body, "done");
  return { ...script, steps: [{ wait: 60 }, ...steps.map((step) => ("send" in step ? { send: String(step.send).replace(/"usage":\{[^}]*\}/, `"usage":${usage}`) } : step))] };
};

async function round(user: User, { stream, more }: (typeof KINDS)[number]): Promise<unknown> {
  upstream.answer(billed(MAX + more));
  const asked = upstream.journal.length;
  const answers = await Promise.all(Array.from({ length: CLIENTS }, () => user.chat({ ...ask, stream })));
  const { requests, tokens } = await settled(user, 1);
  return {
    served: answers.filter(({ status }) => status === 200).length,
    refused: answers.filter(({ status, json }) => status === 402 && json.code === "quota_exceeded").length,
    asked: upstream.journal.length - asked, requests, beyond: tokens - prompt - MAX,
    used: (await limitOf(user, "user_tokens_per_day")).used - tokens,
  };
}

it(`${ROUNDS} rounds of ${CLIENTS} clients: one is served in each`, { timeout: 90_000 }, async () => {
  for (let n = 0; n < ROUNDS; n++) {
    const kind = KINDS[n % KINDS.length];
    expect(await round(await project.user(`u${n}`), kind), `round ${n} ${JSON.stringify(kind)}`).toEqual({ served: 1, refused: CLIENTS - 1, asked: 1, requests: 1, beyond: kind.more, used: 0 });
  }
});
