// Streams and budgets: how many run side by side on a budget, and what becomes of one that needs more than there is.
// Always holds: what is spent and reserved is looked at while the streams run, and never passes the limit.
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { logLine } from "../support/log.ts";
import { type Json, Project, type User } from "../support/project.ts";
import { chunk, DONE, event, EVENT_STREAM, FINISH, reply, type Script, type Step, usageChunk, words } from "../support/script.ts";
import { readStream, type Streamed } from "../support/sse.ts";
import { limitOf, promptTokens, settled } from "../support/tokens.ts";
import { eventually, type Exchange, Upstream } from "../support/upstream.ts";

const NAME = "user_tokens_per_day";
const ask = { model: "m", stream: true, messages: [{ role: "user", content: "x" }] };
const forEver: Script = { headers: EVENT_STREAM, steps: Array.from({ length: 4_000 }, (): Step[] => [{ send: words("word ")[1] }, { wait: 3 }]).flat() };

let prompt: number;
beforeAll(async () => {
  const upstream = await Upstream.start((exchange) => reply(exchange.body, "ok"));
  prompt = await promptTokens(await Project.create({ providers: { main: upstream.url } }), ask);
});

async function userWith(limit: number, answering: Script | ((exchange: Exchange) => Script)): Promise<{ upstream: Upstream; user: User }> {
  const upstream = await Upstream.start(answering);
  const project = await Project.create({ settings: { limits: { [NAME]: limit } }, providers: { main: upstream.url } });
  return { upstream, user: await project.user() };
}

/** Looks at what is used until told to stop; gives the most that it saw. */
function watch(user: User): () => Promise<number> {
  let [most, over] = [0, false];
  const watching = (async () => {
    while (!over) most = Math.max(most, (await limitOf(user, NAME)).used);
  })();
  return async () => {
    over = true;
    await watching;
    return most;
  };
}

it("a budget for ten streams without a maximum: of 64 at once ten run to their end, 54 are told why not, and it is spent to the token", async () => {
  const output = 300;
  const limit = 10 * (prompt + output);
  const usage = { prompt_tokens: prompt, completion_tokens: output, total_tokens: prompt + output };
  const text = words("word ".repeat(150));
  const { upstream, user } = await userWith(limit, { headers: EVENT_STREAM, steps: [{ send: text.slice(0, 80).join("") }, { wait: 2_500 }, { send: text.slice(80).join("") + FINISH + event(usageChunk(usage)) + DONE }] });
  const mostUsed = watch(user);
  const answers = await Promise.all(Array.from({ length: 64 }, () => user.open(ask)));
  const served = answers.filter(({ status }) => status === 200);
  expect(served.length).toBe(10);
  for (const refused of answers.filter(({ status }) => status !== 200)) {
    const body = await refused.text();
    expect(expectError({ status: refused.status, headers: refused.headers, text: body, json: JSON.parse(body) }, 402, "quota_exceeded").details).toMatchObject({ scope: NAME, limit });
  }
  const read = await Promise.all(served.map(readStream));
  expect(read.map(({ done, text: said, events }) => [done, said, events.at(-1)?.choices[0].finish_reason])).toEqual(Array(10).fill([true, "word ".repeat(150), "stop"]));
  expect(upstream.journal.length).toBe(10);
  expect(await settled(user, 10)).toMatchObject({ requests: 10, tokens: limit });
  expect(await mostUsed()).toBeLessThanOrEqual(limit);
  expect(await limitOf(user, NAME)).toMatchObject({ used: limit, remaining: 0 });
}, 30_000);

it("a stream alone on a budget takes it in instalments, unseen: it ends as its provider ends it", async () => {
  const limit = prompt + 1_000;
  const text = "word ".repeat(700);
  const usage = { prompt_tokens: prompt, completion_tokens: 700, total_tokens: prompt + 700 };
  const { upstream, user } = await userWith(limit, { headers: EVENT_STREAM, steps: [...words(text).flatMap((send, n): Step[] => (n % 10 ? [{ send }] : [{ send }, { wait: 5 }])), { send: FINISH + event(usageChunk(usage)) + DONE }] });
  const mostUsed = watch(user);
  const { done, text: said, events } = await readStream(await user.open(ask));
  expect([done, said, events.filter(({ details }) => details)]).toEqual([true, text, []]);
  expect(upstream.last.body.max_tokens, "what the provider is told").toBe(1_000);
  expect(await settled(user, 1)).toMatchObject({ tokens: prompt + 700 });
  expect(await mostUsed()).toBeLessThanOrEqual(limit);
});

describe("a stream that cannot have more", () => {
  const reserved = 2_000;
  const limit = 3_000;
  let [user, upstream, holder]: [User, Upstream, Response] = [] as never;
  let stopped: Streamed;
  let hungUp: number;
  let mostUsed: number;
  const thread = { headers: { "x-thread-id": "t" } };

  beforeAll(async () => {
    // Another request takes most of the budget once the stream runs.
    ({ user, upstream } = await userWith(limit, (exchange) => (exchange.body.max_tokens === reserved ? { headers: EVENT_STREAM, steps: [{ send: words("one")[1] }, { hang: true }] } : forEver)));
    const most = watch(user);
    const running = await user.open({ ...ask, stream_options: { include_usage: true } }, thread);
    holder = await user.open({ ...ask, max_tokens: reserved });
    stopped = await readStream(running);
    const endedAt = Date.now();
    hungUp = (await eventually("the provider is let go", () => upstream.journal[0].hungUpAt, 3_000)) - endedAt;
    mostUsed = await most();
  }, 30_000);

  it("ends for its length, in chunks of its own id and model, and with [DONE]", () => {
    const { data, done, error } = stopped;
    expect([done, error]).toEqual([true, undefined]);
    const [before, last, usage, end] = data.slice(-4);
    const ids = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "upstream-model" };
    expect(JSON.parse(before)).toEqual(chunk({ content: "word " }));
    expect(JSON.parse(last)).toEqual({ ...ids, choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: "length" }], details: expect.anything() });
    expect(JSON.parse(usage)).toMatchObject({ ...ids, choices: [] });
    expect(end).toBe("[DONE]");
  });

  it("lets the provider go at once, and passes the budget at no moment", () => {
    expect(hungUp, "milliseconds until the upstream was let go").toBeLessThan(1_000);
    expect(mostUsed).toBeLessThanOrEqual(limit);
  });

  it("says what the 402 of that budget says", async () => {
    const { code, ...details } = stopped.events.find((one) => one.details)!.details;
    const refusal = expectError(await user.chat({ ...ask, max_tokens: limit }), 402, "quota_exceeded");
    expect(code).toBe(refusal.code);
    expect(details).toMatchObject({ scope: NAME, limit, resets_at: refusal.details.resets_at });
    expect(details.used).toBeGreaterThan(limit * 0.9);
  });

  it("is billed for what was said, by our count, and told so", async () => {
    const output = Math.ceil(Buffer.byteLength(stopped.text) / 4);
    const usage: Json = stopped.events.find((one) => one.usage)!.usage;
    expect(usage.completion_tokens).toBe(output);
    const totals = await settled(user, 1);
    expect(totals).toMatchObject({ requests: 1, output_tokens: output, input_tokens: usage.prompt_tokens });
    // By thirds it had all that was left for it, by quarters it is billed less.
    expect(output).toBeGreaterThan((limit - reserved) / 2);
  });

  it("leaves its turn in the thread, cut", async () => {
    const { json } = await user.get("/v1/threads/t/messages");
    expect(json.map(({ role, content, incomplete }: Json) => [role, content, incomplete])).toEqual([["user", "x", undefined], ["assistant", stopped.text, true]]);
    await holder.body!.cancel();
  });
});

it("a provider that goes on past the maximum it was told is stopped when the budget is billed away", async () => {
  const limit = prompt + 400;
  const { user, upstream } = await userWith(limit, forEver);
  const { done, text, events } = await readStream(await user.open(ask));
  expect(upstream.last.body.max_tokens).toBe(400);
  expect([done, events.at(-1)?.details?.scope]).toEqual([true, NAME]);
  const billed = Math.ceil(text.length / 4);
  // What comes in one read cannot be taken back.
  expect(billed).toBeGreaterThan(400);
  expect(billed).toBeLessThan(420);
  expect(await settled(user, 1)).toMatchObject({ output_tokens: billed });
  expectError(await user.chat(ask), 402, "quota_exceeded");
});

it("the demo's long answer ends with its budget too", async () => {
  const user = await (await Project.create({ settings: { limits: { [NAME]: 120 } }, providers: { demo: { kind: "demo" } } })).user();
  const { events, done, text } = await readStream(await user.open({ ...ask, messages: [{ role: "user", content: "demo:long" }] }));
  expect([events.at(-1)?.choices[0].finish_reason, done]).toEqual(["length", true]);
  const { output_tokens: output, tokens } = await settled(user, 1);
  expect(output).toBe(Math.ceil(text.length / 4));
  // The last piece cannot be taken back; the longest that the demo sends are three tokens.
  expect(tokens).toBeLessThanOrEqual(123);
});

it("choices of one answer end together, those that had ended stay as they are", async () => {
  const say = (index: number, content: string, finish: string | null = null) => event({ ...chunk({}), choices: [{ index, delta: { content }, finish_reason: finish }] });
  const steps = Array.from({ length: 2_000 }, (): Step[] => [{ send: say(0, "word ") + say(2, "word ") }, { wait: 3 }]).flat();
  const { user } = await userWith(prompt + 300, { headers: EVENT_STREAM, steps: [{ send: say(1, "short", "stop") }, ...steps] });
  const { events, done } = await readStream(await user.open({ ...ask, n: 3 }));
  const ends = events.flatMap(({ choices }) => choices).filter((choice) => choice.finish_reason);
  expect(ends.map(({ index, finish_reason }) => [index, finish_reason])).toEqual([[1, "stop"], [0, "length"], [2, "length"]]);
  expect(done).toBe(true);
});

it("a short stream tells the object nothing on its way, a longer one every second", async () => {
  const objectCalls = async (pause: number) => {
    const { user } = await userWith(1_000_000, { headers: EVENT_STREAM, steps: [...words("one two three four five six seven").flatMap((send): Step[] => [{ send }, { wait: pause }]), { send: FINISH + DONE }] });
    const response = await user.open(ask);
    await readStream(response);
    return (await logLine(response.headers.get("x-request-id"))).object_calls;
  };
  const [short, longer] = await Promise.all([objectCalls(20), objectCalls(450)]);
  expect(short, "begin and finish").toBe(2);
  expect(longer, "3.6 s: two or three reports more").toBeGreaterThanOrEqual(4);
  expect(longer).toBeLessThanOrEqual(5);
});
