// Thoughts and their signatures, which a client of OpenAI's cannot carry, come back to the model with the results of its tools.
// Always holds: the client is the openai package and sends nothing but OpenAI's own fields; the fake Claude refuses what Anthropic
// refuses; a gateway of its own, on a folder that outlives it. Absent: the translation in detail, bounds and expiry (the Rust tests).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Gateway } from "../support/gateway.ts";
import { admin, type Json, Project, User } from "../support/project.ts";
import { event, EVENT_STREAM, json, type Script } from "../support/script.ts";
import { eventually, type Exchange, Upstream } from "../support/upstream.ts";

const persist = mkdtempSync(join(tmpdir(), "behest-private-"));
const [SIGNATURE, OF_GEMINI] = ["canary-signature-4b1d", "Y2FuYXJ5"];
/** What Google documents for calls whose signature is not known. */
const UNKNOWN = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";
const tools = [{ type: "function" as const, function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];
const asked = { role: "user" as const, content: "Weather in Rome and Oslo?" };
const MODELS = { claude: "claude-sonnet-4-5", gemini: "gemini-3.5-flash" };
type Dialect = keyof typeof MODELS;

let gateway: Gateway;
let upstream: Upstream;
let project: Project;
beforeAll(async () => {
  gateway = await Gateway.start({ persist, direct: true });
  upstream = await Upstream.start((exchange, nth) => (exchange.path.startsWith("/v1beta") ? gemini : claude)(exchange, nth));
  const providers = {
    claude: { kind: "anthropic", api_key: "sk-ant-0001", base_url: upstream.url, models: ["claude-sonnet-4-5", "claude-haiku-4-5"] },
    google: { kind: "gemini", api_key: "google-key-0001", base_url: `${upstream.origin}/v1beta`, models: ["gemini-3.5-flash"] },
  };
  project = await Project.create({ base: gateway.url, providers });
}, 90_000);
afterAll(async () => {
  await gateway.stop();
  rmSync(persist, { recursive: true, force: true });
});

/** Thinks and calls; says something once it has the results. */
function claude({ body }: Exchange, nth: number): Script {
  const loop = body.messages.slice(body.messages.findLastIndex((turn: Json) => turn.role === "user" && turn.content.some((block: Json) => block.type === "text")));
  const first = loop.find((turn: Json) => turn.role === "assistant")?.content[0];
  if (body.thinking?.type === "enabled" && first && (first.type !== "thinking" || first.signature !== SIGNATURE))
    return json({ type: "error", error: { type: "invalid_request_error", message: "Expected `thinking` or `redacted_thinking`, but found `tool_use`." } }, 400);
  const call = (place: number, city: string) => ({ type: "tool_use", id: `toolu_${nth}_${place}`, name: "weather", input: { city } });
  const thinking = { type: "thinking", thinking: "Two cities.", signature: SIGNATURE };
  const content = first ? [{ type: "text", text: "Warm and cold." }] : [...(body.thinking ? [thinking] : []), { type: "text", text: "I look." }, call(0, "Rome"), call(1, "Oslo")];
  const usage = { input_tokens: 12, output_tokens: 9 };
  const message = { id: `msg_${nth}`, type: "message", role: "assistant", model: body.model, stop_reason: first ? "end_turn" : "tool_use", usage };
  if (!body.stream) return json({ ...message, content });
  const delta = (block: Json) =>
    block.type === "thinking" ? [{ type: "thinking_delta", thinking: block.thinking }, { type: "signature_delta", signature: block.signature }]
    : block.type === "text" ? [{ type: "text_delta", text: block.text }] : [{ type: "input_json_delta", partial_json: JSON.stringify(block.input) }];
  const empty = (block: Json) => ({ ...block, ...(block.type === "thinking" ? { thinking: "", signature: "" } : block.type === "text" ? { text: "" } : { input: {} }) });
  const frames = [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    ...content.flatMap((block, index) => [
      { type: "content_block_start", index, content_block: empty(block) },
      ...delta(block).map((one) => ({ type: "content_block_delta", index, delta: one })),
      { type: "content_block_stop", index },
    ]),
  ].map((data) => ({ send: event(data) }));
  const end = [{ type: "message_delta", delta: { stop_reason: message.stop_reason }, usage }, { type: "message_stop" }].map((data) => ({ send: event(data) }));
  const hangs = body.system?.[0]?.text === "hang" && !first;
  // A client's leaving is noticed at the next write: who hangs goes on talking first.
  const more = [{ type: "content_block_start", index: 9, content_block: { type: "text", text: "" } }, ...Array.from({ length: 60 }, () => ({ type: "content_block_delta", index: 9, delta: { type: "text_delta", text: "." } }))];
  const talking = [...more.flatMap((data) => [{ send: event(data) }, { wait: 50 }]), { hang: true } as const];
  return { headers: EVENT_STREAM, steps: [...frames, ...(hangs ? talking : end)] };
}

function gemini({ body, path }: Exchange, nth: number): Script {
  const answered = body.contents.at(-1).parts.some((part: Json) => part.functionResponse);
  const call = (city: string, more: object = {}) => ({ functionCall: { name: "weather", args: { city } }, ...more });
  const parts = answered ? [{ text: "Warm and cold." }] : [call("Rome", { thoughtSignature: OF_GEMINI }), call("Oslo")];
  const said = { candidates: [{ content: { role: "model", parts }, index: 0, finishReason: "STOP" }], usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 4 }, responseId: `r${nth}` };
  return path.includes("stream") ? { headers: EVENT_STREAM, steps: [{ send: event(said) }] } : json(said);
}

/** What the model was sent of its own answer: the kinds of its parts, and the signatures. */
function returned(dialect: Dialect): unknown[] {
  const { body } = upstream.last;
  if (dialect === "gemini") return body.contents.find((turn: Json) => turn.role === "model").parts.map((part: Json) => part.thoughtSignature);
  return body.messages.find((turn: Json) => turn.role === "assistant").content.map((block: Json) => (block.type === "thinking" ? block : block.type));
}
const WITH = {
  claude: [{ type: "thinking", thinking: "Two cities.", signature: SIGNATURE }, "text", "tool_use", "tool_use"],
  gemini: [OF_GEMINI, undefined],
};
const WITHOUT = { claude: ["text", "tool_use", "tool_use"], gemini: [UNKNOWN, undefined] };

type Message = OpenAI.ChatCompletionMessageParam;
interface Talk {
  dialect: Dialect;
  user: User;
  stream: boolean;
  headers?: Record<string, string>;
  model?: string;
}

async function ask({ dialect, user, stream, headers, model = MODELS[dialect] }: Talk, messages: Message[]): Promise<OpenAI.ChatCompletionMessage> {
  const client = new OpenAI({ apiKey: user.token, baseURL: `${user.base}/v1`, maxRetries: 0, timeout: 20_000 });
  const body = { model, tools, messages, reasoning_effort: "medium" as const };
  const answer = stream ? await client.chat.completions.stream(body, { headers }).finalChatCompletion() : await client.chat.completions.create(body, { headers });
  return answer.choices[0].message;
}

/** As any client knows it: OpenAI's fields and nothing else. */
const plain = (said: OpenAI.ChatCompletionMessage): Message => ({
  role: "assistant",
  content: said.content,
  tool_calls: said.tool_calls!.map((call: Json) => ({ id: call.id, type: "function" as const, function: { name: call.function.name, arguments: call.function.arguments } })),
});
const results = (said: OpenAI.ChatCompletionMessage): Message[] => said.tool_calls!.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "fine" }));
const history = (said: OpenAI.ChatCompletionMessage): Message[] => [asked, plain(said), ...results(said)];

describe.each(["claude", "gemini"] as const)("%s gets back what it thought", (dialect) => {
  describe.each([["whole", false], ["streamed", true]] as const)("%s", (_name, stream) => {
    it.each(["without a thread", "in a thread, only what is new", "in a thread, the whole history"])("%s", async (habit) => {
      const headers: Record<string, string> = habit.startsWith("in") ? { "x-thread-id": `t-${crypto.randomUUID()}` } : {};
      const talk = { dialect, stream, headers, user: await reopened().user(`u-${crypto.randomUUID()}`) };
      const said = await ask(talk, [asked]);
      expect(said.tool_calls).toHaveLength(2);
      const done = await ask(talk, habit.endsWith("new") ? results(said) : history(said));
      expect(done.content).toBe("Warm and cold.");
      expect(returned(dialect)).toEqual(WITH[dialect]);
      if (dialect === "claude") expect(upstream.last.body.thinking.type).toBe("enabled");
    });
  });

  it("after a restart of the gateway, and nobody else does", { timeout: 90_000 }, async () => {
    const talk = { dialect, stream: true, user: await reopened().user("ann") };
    const said = await ask(talk, [asked]);
    await gateway.stop();
    gateway = await Gateway.start({ persist, direct: true });
    const at = (user: User) => new User(gateway.url, user.token);
    await ask({ ...talk, user: at(talk.user) }, history(said));
    expect(returned(dialect)).toEqual(WITH[dialect]);
    await ask({ ...talk, user: at(await reopened().user("bob")) }, history(said));
    expect(returned(dialect)).toEqual(WITHOUT[dialect]);
    const erased = await admin(`/projects/${project.id}/users/ann`, { method: "DELETE" }, gateway.url);
    expect(erased.status, erased.text).toBe(204);
    await ask({ ...talk, user: await reopened().user("ann") }, history(said));
    expect(returned(dialect)).toEqual(WITHOUT[dialect]);
  });
});

/** The project, at the gateway that runs now. */
const reopened = (): Project => Object.assign(Object.create(Project.prototype) as Project, project, { base: gateway.url });

it("another model is not given it", async () => {
  const talk: Talk = { dialect: "claude", stream: false, user: await reopened().user("cleo") };
  const said = await ask(talk, [asked]);
  await ask({ ...talk, model: "claude-haiku-4-5" }, history(said));
  expect([returned("claude"), upstream.last.body.thinking]).toEqual([WITHOUT.claude, undefined]);
});

it("a client that left when it had the calls can go on from them", async () => {
  const user = await reopened().user("dan");
  const client = new OpenAI({ apiKey: user.token, baseURL: `${gateway.url}/v1`, maxRetries: 0, timeout: 20_000 });
  const running = client.chat.completions.stream({ model: MODELS.claude, tools, reasoning_effort: "medium", messages: [{ role: "system", content: "hang" }, asked] });
  let calls: Json[] = [];
  running.on("chunk", (_chunk, snapshot) => {
    calls = snapshot.choices[0]?.message.tool_calls ?? [];
    if (calls[1]?.function.arguments.includes("}")) running.abort();
  });
  await running.done().catch(() => undefined);
  const said = { role: "assistant", content: "I look.", tool_calls: calls.map((call) => ({ ...call, type: "function" })) } as OpenAI.ChatCompletionMessage;
  const talk: Talk = { dialect: "claude", stream: false, user };
  await eventually("the thoughts come back", async () => {
    await ask(talk, history(said));
    return upstream.last.body.thinking;
  });
  expect(returned("claude")).toEqual(WITH.claude);
});

it("the signature is in no answer, no report and no log", async () => {
  const user = await reopened().user("eve");
  const headers = { "x-thread-id": "canary" };
  const body = (stream: boolean, messages: Json) => ({ model: MODELS.claude, stream, tools, reasoning_effort: "medium", messages });
  const answers = [await user.chat(body(true, [asked]), { headers }), await user.chat(body(false, [asked]))];
  const said = answers[1].json.choices[0].message;
  answers.push(await user.chat(body(false, history(said))));
  expect(returned("claude")).toEqual(WITH.claude);
  answers.push(await user.chat(body(true, [...history(said), { role: "user", content: 7 }])));
  const now = new Date(Date.now() + 60_000).toISOString();
  for (const path of ["/v1/threads", "/v1/threads/canary/messages", `/v1/usage?to=${now}`, "/v1/limits"]) answers.push(await user.get(path));
  for (const path of ["/usage", "/requests"]) answers.push(await admin(`/projects/${project.id}${path}`, {}, gateway.url));
  for (const answer of answers) expect(answer.text).not.toContain("canary-signature");
  expect(answers[5].text, "the thread is there").toContain("toolu_");
  expect(gateway.log()).not.toContain("canary-signature");
});
