// The AI SDK (`ai` with `@ai-sdk/openai-compatible`), unmodified: streamText with a tool, an object by schema, and its errors.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { CITY, model, VERDICT } from "../support/model.ts";
import { Project } from "../support/project.ts";
import { Upstream } from "../support/upstream.ts";
import { vectorOf } from "../support/vectors.ts";

let project: Project;
let upstream: Upstream;
const provider = (apiKey: string) => createOpenAICompatible({ name: "behest", baseURL: `${project.base}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true });

beforeAll(async () => {
  upstream = await Upstream.start(model);
  project = await Project.create({ providers: { main: upstream.url } });
});

it("streamText calls a tool, feeds its result back, and streams the answer", async () => {
  const asked: unknown[] = [];
  const result = streamText({
    model: provider(await project.token())("gpt-4o-mini"),
    prompt: "weather?",
    stopWhen: stepCountIs(3),
    tools: { weather: tool({ description: "The weather", inputSchema: z.object({ city: z.string() }), execute: async (input) => { asked.push(input); return "sunny"; } }) },
  });
  let text = "";
  for await (const part of result.textStream) text += part;
  expect(asked).toEqual([CITY]);
  expect(text).toMatch(/The tool said .*sunny/);
  expect((await result.steps).map((step) => step.finishReason)).toEqual(["tool-calls", "stop"]);
  expect(upstream.journal.length).toBe(2);
  expect((await result.steps)[0].usage).toMatchObject({ inputTokens: 11, outputTokens: 7 });
});

it("generateText fills a schema", async () => {
  const { output } = await generateText({
    model: provider(await project.token())("m"),
    prompt: "?",
    output: Output.object({ schema: z.object({ answer: z.string(), count: z.number() }) }),
  });
  expect(output).toEqual(VERDICT);
});

it("an API key where a token belongs is an APICallError that says where to mint", async () => {
  const failing = generateText({ model: provider(project.key)("m"), prompt: "x", maxRetries: 0 });
  const error = await failing.then(() => undefined, (reason: unknown) => reason);
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ statusCode: 401, message: expect.stringContaining("/v1/auth/mint") });
});

it("a stream that breaks off reports the error after the text so far", async () => {
  const result = streamText({ model: provider(await project.token())("m"), prompt: "break off", maxRetries: 0, onError: () => undefined });
  let text = "";
  const errors: unknown[] = [];
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") text += part.text;
    if (part.type === "error") errors.push(part.error);
  }
  expect(text).toBe("so far");
  expect(errors.length).toBe(1);
});

it("a stream that a budget stopped ends for its length, with its usage and no error", async () => {
  const poor = await Project.create({ settings: { limits: { user_tokens_per_day: 200 } }, providers: { main: upstream.url } });
  const connected = createOpenAICompatible({ name: "behest", baseURL: `${poor.base}/v1`, apiKey: await poor.token(), includeUsage: true });
  const errors: unknown[] = [];
  const result = streamText({ model: connected("m"), prompt: "pour it out", maxRetries: 0, onError: ({ error }) => { errors.push(error); } });
  let text = "";
  for await (const part of result.textStream) text += part;
  expect(errors).toEqual([]);
  expect(text).toMatch(/^(more )+$/);
  expect(await result.finishReason).toBe("length");
  expect((await result.usage).outputTokens).toBe(Math.ceil(text.length / 4));
});

it("embed and embedMany give the provider's vectors", async () => {
  const model = provider(await project.token()).embeddingModel("text-embedding-3-small");
  const bits = (vector: ArrayLike<number>) => [...new Uint32Array(Float32Array.from(vector).buffer)];
  const one = await embed({ model, value: "sunny" });
  expect(bits(one.embedding)).toEqual(bits(vectorOf("sunny")));
  expect(one.usage.tokens).toBe(7);
  const { embeddings } = await embedMany({ model, values: ["a", "bb"] });
  expect(embeddings.map(bits)).toEqual(["a", "bb"].map((text) => bits(vectorOf(text))));
});
