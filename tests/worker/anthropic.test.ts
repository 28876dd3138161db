// Claude through the whole gateway, as the unmodified openai package from npm sees it: a fake Messages API on loopback, written from
// Anthropic's documentation. What each request and answer becomes in detail is tested natively (tests/provider/anthropic.rs).
import OpenAI, { APIError, BadRequestError, InternalServerError, RateLimitError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { Project } from "../support/project.ts";
import { EVENT_STREAM, json, type Script } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const KEY = "sk-ant-test-0123456789";
const MODEL = "claude-sonnet-4-5";
const USAGE = { input_tokens: 12, cache_creation_input_tokens: 0, cache_read_input_tokens: 100, output_tokens: 9 };

const message = (content: unknown[], stop_reason = "end_turn"): Script =>
  json({ id: "msg_1", type: "message", role: "assistant", model: MODEL, content, stop_reason, stop_sequence: null, usage: USAGE });
const event = (data: { type: string; [member: string]: unknown }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const start = event({ type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", model: MODEL, content: [], usage: { ...USAGE, output_tokens: 1 } } });
const block = (index: number, content_block: object, ...deltas: object[]) => [
  event({ type: "content_block_start", index, content_block}),
  ...deltas.map((delta) => event({ type: "content_block_delta", index, delta})),
  event({ type: "content_block_stop", index}),
];
const text = (index: number, ...pieces: string[]) => block(index, { type: "text", text: "" }, ...pieces.map((piece) => ({ type: "text_delta", text: piece })));
const call = (index: number, id: string, name: string, ...pieces: string[]) =>
  block(index, { type: "tool_use", id, name, input: {} }, ...pieces.map((partial_json) => ({ type: "input_json_delta", partial_json })));
const end = (stop_reason = "end_turn") => [event({ type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 9 }}), event({ type: "message_stop" })];
const events = (...frames: string[]): Script => ({ headers: EVENT_STREAM, steps: frames.map((send) => ({ send })) });

let upstream: Upstream;
let project: Project;
let client: OpenAI;
beforeAll(async () => {
  upstream = await Upstream.start();
  project = await Project.create({ providers: { claude: { kind: "anthropic", api_key: KEY, base_url: upstream.url } } });
  client = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
});
const user = (content: string) => ({ model: MODEL, messages: [{ role: "user" as const, content }] });
const tools = [{ type: "function" as const, function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } }];

describe("Claude", () => {
  it("is asked with its own path, headers and body, and answers as OpenAI", async () => {
    upstream.answer(message([{ type: "text", text: "Hello!" }]));
    const answer = await client.chat.completions.create({ ...user("Hi"), max_tokens: 50, temperature: 0.5 });
    const { method, path, headers, body } = upstream.last;
    expect([method, path, headers["x-api-key"], headers["anthropic-version"], headers.authorization]).toEqual(["POST", "/v1/messages", KEY, "2023-06-01", undefined]);
    expect(body).toEqual({ model: MODEL, max_tokens: 50, temperature: 0.5, messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }] });
    expect(answer.choices).toMatchObject([{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hello!" } }]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 112, completion_tokens: 9, total_tokens: 121, prompt_tokens_details: { cached_tokens: 100 } });
  });

  it("streams through the SDK's own assembly", async () => {
    upstream.answer(events(start, event({ type: "ping" }), ...text(0, "It is ", "sunny", "."), ...end()));
    const runner = client.chat.completions.stream({ ...user("Hi"), stream_options: { include_usage: true } });
    const pieces: string[] = [];
    runner.on("content", (piece) => pieces.push(piece));
    const whole = await runner.finalChatCompletion();
    expect(pieces).toEqual(["It is ", "sunny", "."]);
    expect(whole.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "It is sunny." } });
    expect(whole.usage).toMatchObject({ prompt_tokens: 112, completion_tokens: 9 });
  });

  it("calls tools in a stream and takes their results", async () => {
    upstream.answer(events(start, ...text(0, "Let me see."), ...call(1, "toolu_1", "weather", '{"ci', 'ty":"Paris"}'), ...call(2, "toolu_2", "weather", '{"city":"Rome"}'), ...end("tool_use")));
    const first = await client.chat.completions.stream({ ...user("Weather?"), tools }).finalChatCompletion();
    const { message: said, finish_reason } = first.choices[0];
    expect(finish_reason).toBe("tool_calls");
    expect(said.tool_calls?.map((tool) => tool.type === "function" && [tool.id, tool.function.name, tool.function.arguments])).toEqual([["toolu_1", "weather", '{"city":"Paris"}'], ["toolu_2", "weather", '{"city":"Rome"}']]);
    upstream.answer(message([{ type: "text", text: "Both sunny." }]));
    const results = said.tool_calls!.map(({ id }) => ({ role: "tool" as const, tool_call_id: id, content: "sunny" }));
    const second = await client.chat.completions.create({ model: MODEL, tools, messages: [...user("Weather?").messages, said, ...results] });
    expect(second.choices[0].message.content).toBe("Both sunny.");
    expect(upstream.last.body.messages.map((turn: { role: string; content: { type: string }[] }) => [turn.role, ...turn.content.map((part) => part.type)])).toEqual([
      ["user", "text"], ["assistant", "text", "tool_use", "tool_use"], ["user", "tool_result", "tool_result"],
    ]);
  });

  it("parses structured outputs, native and by a tool", async () => {
    const format = zodResponseFormat(z.object({ name: z.string(), age: z.number() }), "person");
    upstream.answer(message([{ type: "text", text: '{"name":"Bo","age":3}' }]));
    const native = await client.chat.completions.parse({ ...user("Who?"), response_format: format });
    expect(native.choices[0].message.parsed).toEqual({ name: "Bo", age: 3 });
    expect(upstream.last.body.output_config.format).toMatchObject({ type: "json_schema", schema: { type: "object", additionalProperties: false } });
    upstream.answer((exchange) => message([{ type: "tool_use", id: "toolu_1", name: exchange.body.tool_choice.name, input: { name: "Al", age: 4 } }], "tool_use"));
    const forced = await client.chat.completions.parse({ ...user("Who?"), model: "claude-3-7-sonnet-latest", response_format: format });
    expect([forced.choices[0].message.parsed, forced.choices[0].finish_reason]).toEqual([{ name: "Al", age: 4 }, "stop"]);
  });

  it("shows its thinking as reasoning", async () => {
    const thinking = block(0, { type: "thinking", thinking: "", signature: "" }, { type: "thinking_delta", thinking: "Hm." }, { type: "signature_delta", signature: "EqQB" });
    upstream.answer(events(start, ...thinking, ...text(1, "Yes."), ...end()));
    const stream = await client.chat.completions.create({ ...user("Hi"), reasoning_effort: "low", stream: true });
    let [reasoning, content] = ["", ""];
    for await (const { choices: [choice] } of stream) {
      reasoning += (choice.delta as { reasoning_content?: string }).reasoning_content ?? "";
      content += choice.delta.content ?? "";
    }
    expect([reasoning, content, upstream.last.body.thinking]).toEqual(["Hm.", "Yes.", { type: "enabled", budget_tokens: 2048 }]);
  });

  it("remembers a thread", async () => {
    const headers = { "x-thread-id": "claude-thread" };
    upstream.answer(events(start, ...text(0, "Hello Bo."), ...end()));
    const stream = await client.chat.completions.create({ ...user("I am Bo."), stream: true }, { headers });
    for await (const _ of stream);
    upstream.answer(message([{ type: "text", text: "Bo." }]));
    await client.chat.completions.create(user("Who am I?"), { headers });
    expect(upstream.last.body.messages.map((turn: { role: string; content: { text: string }[] }) => [turn.role, turn.content[0].text])).toEqual([["user", "I am Bo."], ["assistant", "Hello Bo."], ["user", "Who am I?"]]);
  });
});

describe("Claude's failures", () => {
  const failure = (type: string, said: string) => ({ type: "error", error: { type, message: said } });
  const create = (more: object = {}) => client.chat.completions.create({ ...user("Hi"), ...more }).then(() => undefined, (error) => error);

  it("have OpenAI's statuses, and never the key", async () => {
    for (const [status, type, expected, kind] of [
      [400, "invalid_request_error", 400, BadRequestError], [401, "authentication_error", 502, InternalServerError], [404, "not_found_error", 404, APIError],
      [413, "request_too_large", 413, APIError], [429, "rate_limit_error", 429, RateLimitError], [500, "api_error", 502, InternalServerError], [529, "overloaded_error", 503, InternalServerError],
    ] as const) {
      upstream.answer(json(failure(type, `No: ${KEY}.`), status, { "retry-after": "7" }));
      const error = await create();
      expect(error, String(status)).toBeInstanceOf(kind);
      expect([error.status, error.headers.get("retry-after")], String(status)).toEqual([expected, [429, 529].includes(status) ? "7" : null]);
      expect(JSON.stringify(error.error) + error.message).not.toContain(KEY);
    }
  });

  it("before the first block are a status, after it an error event", async () => {
    upstream.answer(events(start, event(failure("overloaded_error", "Overloaded"))));
    expect((await create({ stream: true })).status).toBe(503);
    upstream.answer(events(start, ...text(0, "Half"), event(failure("overloaded_error", "Overloaded"))));
    const stream = await client.chat.completions.create({ ...user("Hi"), stream: true });
    let content = "";
    const read = async () => { for await (const { choices } of stream) content += choices[0].delta.content ?? ""; };
    await expect(read()).rejects.toThrow(/Overloaded/);
    expect(content).toBe("Half");
  });

  it("to do what it cannot name the field, and nothing is sent", async () => {
    const asked = upstream.journal.length;
    for (const [param, more] of [["n", { n: 2 }], ["logprobs", { logprobs: true }], ["stop", { stop: "\n" }], ["messages[0].content[0]", { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "AA==", format: "wav" } }] }] }]] as const) {
      const error = await create(more);
      expect([error.status, error.param]).toEqual([400, param]);
    }
    expect(upstream.journal.length).toBe(asked);
  });
});
