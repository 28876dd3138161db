// Gemini through the gateway, by the openai package from npm: a fake `generateContent` on loopback answers as Google does.
// Always holds: what a client of OpenAI's sees is what it would see of OpenAI; the key is in a header and nowhere else.
// Absent: the translation in detail (the golden cases of the Rust tests), and what Google's models say.
import OpenAI, { APIError, BadRequestError, InternalServerError, RateLimitError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { Project } from "../support/project.ts";
import { event, EVENT_STREAM, json, type Script, stream } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const KEY = "gemini-key-0001";
const MODEL = "gemini-3.5-flash";
const USAGE = { promptTokenCount: 10, candidatesTokenCount: 4, thoughtsTokenCount: 20, totalTokenCount: 34, cachedContentTokenCount: 3 };
let upstream: Upstream;
let client: OpenAI;

beforeAll(async () => {
  upstream = await Upstream.start();
  const google = { kind: "gemini", api_key: KEY, base_url: `${upstream.origin}/v1beta` };
  const project = await Project.create({ settings: { default_model: MODEL }, providers: { google } });
  client = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
});

/** What the user is said to have used once its requests are settled. */
const tokens = async () => (await fetch(`${client.baseURL}/usage`, { headers: { authorization: `Bearer ${client.apiKey}` } }).then((answer) => answer.json())).totals.tokens;

type Part = Record<string, unknown>;
const said = (parts: Part[], more: object = {}) => ({ candidates: [{ content: { role: "model", parts }, index: 0, ...more }], usageMetadata: USAGE, modelVersion: MODEL, responseId: "r1" });
const whole = (...parts: Part[]): Script => json(said(parts, { finishReason: "STOP" }));
const crlf = (data: object) => event(data).replaceAll("\n", "\r\n");
const events = (...all: object[]): Script => stream(all.map(crlf));
const google = (status: number, code: string, message: string, details: object[] = []): Script => json({ error: { code: status, message, status: code, details } }, status);
const hello = { model: MODEL, messages: [{ role: "user" as const, content: "hello" }] };
const weather = { type: "function" as const, function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } };
const failure = async (answering: Script, more: object = {}): Promise<APIError> => {
  upstream.answer(answering);
  return client.chat.completions.create({ ...hello, ...more }).then(() => Promise.reject(new Error("it did not fail")), (error) => error);
};

it("a call that the model did not form is a 502, and billed as Google bills it, streamed or not", async () => {
  const before = await tokens();
  const malformed = said([], { finishReason: "MALFORMED_FUNCTION_CALL", finishMessage: "print(weather" });
  expect(await failure(json(malformed))).toBeInstanceOf(InternalServerError);
  // It was tried twice, and both are on Google's bill.
  await expect.poll(tokens).toBe(before + 68);
  // Google answers a stream with a whole answer, should it ever.
  expect(await failure(json(malformed), { stream: true })).toBeInstanceOf(InternalServerError);
  await expect.poll(tokens).toBe(before + 136);
});

describe("an answer of Gemini", () => {
  it("is OpenAI's", async () => {
    upstream.answer(whole({ text: "Hello ", thought: true }, { text: "Hi 🌊" }));
    const answer = await client.chat.completions.create({ ...hello, reasoning_effort: "low" });
    expect(answer.choices[0]).toMatchObject({ finish_reason: "stop", message: { role: "assistant", content: "Hi 🌊", reasoning_content: "Hello " } });
    expect(answer.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 24, total_tokens: 34, prompt_tokens_details: { cached_tokens: 3 }, completion_tokens_details: { reasoning_tokens: 20 } });
    const { path, headers, body } = upstream.last;
    expect(path).toBe(`/v1beta/models/${MODEL}:generateContent`);
    expect([headers["x-goog-api-key"], headers.authorization]).toEqual([KEY, undefined]);
    expect(body.generationConfig.thinkingConfig).toEqual({ thinkingLevel: "LOW", includeThoughts: true });
  });

  it("streams: the role first, usage last", async () => {
    upstream.answer(events(said([{ text: "One " }]), said([{ text: "two" }]), said([{ text: "" }], { finishReason: "STOP" })));
    const running = client.chat.completions.stream({ ...hello, stream_options: { include_usage: true } });
    const answer = await running.finalChatCompletion();
    expect(answer.choices[0]).toMatchObject({ finish_reason: "stop", message: { role: "assistant", content: "One two" } });
    expect(answer.usage?.total_tokens).toBe(34);
    expect(upstream.last.path).toBe(`/v1beta/models/${MODEL}:streamGenerateContent?alt=sse`);
  });

  it("calls tools, streamed, and takes their results with the signature that came", async () => {
    const calls = [{ functionCall: { name: "weather", args: { city: "Rome" } }, thoughtSignature: "U2ln" }, { functionCall: { name: "weather", args: { city: "Oslo" } } }];
    upstream.answer(events(said(calls), said([], { finishReason: "STOP" })));
    const asked = { ...hello, tools: [weather], tool_choice: "required" as const };
    const { message, finish_reason } = (await client.chat.completions.stream(asked).finalChatCompletion()).choices[0];
    expect(finish_reason).toBe("tool_calls");
    expect(message.tool_calls!.map((call: any) => JSON.parse(call.function.arguments).city)).toEqual(["Rome", "Oslo"]);
    expect(new Set(message.tool_calls!.map((call) => call.id)).size).toBe(2);
    expect(upstream.last.body.toolConfig).toEqual({ functionCallingConfig: { mode: "ANY" } });

    upstream.answer(whole({ text: "Warm and cold." }));
    const results = message.tool_calls!.map((call, n) => ({ role: "tool" as const, tool_call_id: call.id, content: n === 0 ? '{"deg":30}' : "cold" }));
    const answer = await client.chat.completions.create({ ...hello, tools: [weather], messages: [...hello.messages, message, ...results] });
    expect(answer.choices[0].message.content).toBe("Warm and cold.");
    const [, model, tool] = upstream.last.body.contents;
    expect(model.parts.map((part: any) => [part.functionCall.name, part.functionCall.args, part.thoughtSignature])).toEqual([["weather", { city: "Rome" }, "U2ln"], ["weather", { city: "Oslo" }, undefined]]);
    expect(tool.parts.map((part: any) => part.functionResponse)).toEqual([{ id: message.tool_calls![0].id, name: "weather", response: { deg: 30 } }, { id: message.tool_calls![1].id, name: "weather", response: { result: "cold" } }]);
  });

  it("fits a schema", async () => {
    upstream.answer(whole({ text: '{"name":"Ada","age":36}' }));
    const shape = z.object({ name: z.string(), age: z.number().int().min(0) });
    const answer = await client.chat.completions.parse({ ...hello, response_format: zodResponseFormat(shape, "person") });
    expect(answer.choices[0].message.parsed).toEqual({ name: "Ada", age: 36 });
    const { responseMimeType, responseJsonSchema } = upstream.last.body.generationConfig;
    expect([responseMimeType, responseJsonSchema.required]).toEqual(["application/json", ["name", "age"]]);
  });

  it("is stopped by a filter", async () => {
    upstream.answer(json({ promptFeedback: { blockReason: "SAFETY" }, usageMetadata: { promptTokenCount: 3, totalTokenCount: 3 } }));
    expect((await client.chat.completions.create(hello)).choices[0].finish_reason).toBe("content_filter");
  });
});

describe("a failure of Gemini", () => {
  it("is OpenAI's error, and a refused key is the gateway's", async () => {
    const bad = await failure(google(400, "INVALID_ARGUMENT", "Bad contents."));
    expect([bad instanceof BadRequestError, bad.message]).toEqual([true, "400 Bad contents."]);
    const key = await failure(google(400, "INVALID_ARGUMENT", `API key not valid: ${KEY}`, [{ reason: "API_KEY_INVALID" }]));
    expect([key instanceof InternalServerError, key.status]).toEqual([true, 502]);
    expect(JSON.stringify(key.error)).not.toContain(KEY);
    const limit = await failure(google(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", [{ retryDelay: "7.2s" }]));
    expect([limit instanceof RateLimitError, limit.headers?.get("retry-after")]).toEqual([true, "8"]);
    const busy = await failure(google(503, "UNAVAILABLE", "Overloaded."));
    expect([busy.status, busy.code]).toEqual([503, "upstream_error"]);
  });

  it("names what Gemini cannot do", async () => {
    const before = upstream.journal.length;
    const error = await failure(whole({ text: "x" }), { logit_bias: { 1: 2 } });
    expect([error.status, error.param]).toEqual([400, "logit_bias"]);
    expect((await failure(whole({ text: "x" }), { model: "google/../secret" })).status).toBe(404);
    expect(upstream.journal.length).toBe(before);
  });

  it("in the middle of a stream is an error event, and a stream that is cut is no answer", async () => {
    for (const rest of [google(503, "UNAVAILABLE", "Gone.").steps, [], [{ wait: 200 }, { reset: true as const }]]) {
      const begun = [{ send: crlf(said([{ text: "So far" }])) }];
      const tail = rest.map((step) => ("send" in step ? { send: `data: ${step.send}\r\n\r\n` } : step));
      upstream.answer({ headers: EVENT_STREAM, steps: [...begun, ...tail] });
      let text = "";
      const run = async () => {
        for await (const part of await client.chat.completions.create({ ...hello, stream: true })) text += part.choices[0]?.delta.content ?? "";
      };
      await expect(run()).rejects.toThrow(APIError);
      expect(text).toBe("So far");
    }
  });
});
