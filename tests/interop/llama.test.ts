// A real llama.cpp server behind the gateway, through its OpenAI door and its Anthropic door: a model of random weights, so what it says
// is nonsense, over the real wire and under real grammars.
// Always holds: the model is made here in a second, by `../shared/tools/real-upstream` over a vocabulary of our own; nothing is downloaded.
// Absent: what it says.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import OpenAI, { APIError, BadRequestError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { INTEROP, installed, shared } from "../support/missing.ts";
import { run, serve } from "../support/program.ts";
import { Project } from "../support/project.ts";

/** Each door is a provider of its own, and the model's name says which. */
const DOORS = [{ kind: "openai-compatible", door: "chat" }, { kind: "anthropic", door: "messages" }];
const CITIES = ["Oslo", "Rome"];
const schema = { type: "object", properties: { city: { type: "string", enum: CITIES } }, required: ["city"], additionalProperties: false };
const tools = [{ type: "function" as const, function: { name: "weather", description: "Tells the weather.", parameters: schema } }];

const python = join(INTEROP, "bin", "python");
const real = shared("tools", "real-upstream");
const here = real !== undefined && installed(python);
const scratch = mkdtempSync(join(tmpdir(), "behest-llama-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Makes the model and serves it, to talk and to embed. Its weights favour `{` and `"`, so that JSON is closed before the output is spent. */
async function llama(): Promise<string[]> {
  const [vocabulary, model] = ["vocabulary.gguf", "model.gguf"].map((file) => join(scratch, file));
  const own = (file: string) => fileURLToPath(new URL(`llama/${file}`, import.meta.url));
  for (const args of [[own("vocabulary.py"), vocabulary], [join(real!, "mk_tiny_gguf.py"), vocabulary, model, own("chat.jinja"), "jsonbias"]]) {
    const { code, output } = await run(python, args, { ms: 60_000, env: { PYTHONDONTWRITEBYTECODE: "1" } });
    expect(code, output).toBe(0);
  }
  return Promise.all(["chat", "embed"].map((mode) => serve(python, (port) => [join(real!, "serve.py"), model, String(port), mode], "/health", { ms: 60_000 })));
}

describe.skipIf(!here)("llama.cpp", () => {
  let project: Project;
  let client: OpenAI;
  beforeAll(async () => {
    const [talks, embeds] = await llama();
    const at = (kind: string, origin: string) => ({ kind, api_key: "llama-key-0123456789", base_url: `${origin}/v1` });
    const providers = { ...Object.fromEntries(DOORS.map(({ kind, door }) => [door, at(kind, talks)])), vectors: at("openai-compatible", embeds) };
    project = await Project.create({ providers });
    client = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 25_000 });
  }, 120_000);

  describe.each(DOORS)("$kind", ({ door }) => {
    const body = (more: object = {}) => ({ model: `${door}/tiny-random`, messages: [{ role: "user" as const, content: "Weather in Oslo?" }], max_tokens: 1_000, ...more });

    it("chats", async () => {
      const answer = await client.chat.completions.create(body({ max_tokens: 20 }));
      expect(answer.choices[0].finish_reason).toBe("length");
      expect(answer.choices[0].message.content!.length).toBeGreaterThan(0);
      expect(answer.usage!.completion_tokens).toBe(20);
      expect(answer.usage!.prompt_tokens).toBeGreaterThan(5);
    });

    it("streams, and counts the same", async () => {
      const whole = await client.chat.completions.create(body({ max_tokens: 20 }));
      const runner = client.chat.completions.stream(body({ max_tokens: 20, stream_options: { include_usage: true } }) as never);
      let pieces = 0;
      runner.on("content", () => pieces++);
      const streamed = await runner.finalChatCompletion();
      expect(streamed.choices[0].finish_reason).toBe("length");
      expect(pieces).toBeGreaterThan(5);
      expect([streamed.usage?.completion_tokens, streamed.usage?.prompt_tokens]).toEqual([20, whole.usage?.prompt_tokens]);
    });

    it.each([false, true])("must call tools, and takes their results (streamed: %s)", async (stream) => {
      const send = async (messages: OpenAI.ChatCompletionMessageParam[]) => {
        const asked = body({ tools, tool_choice: "required", messages });
        const answer = stream ? await client.chat.completions.stream(asked as never).finalChatCompletion() : await client.chat.completions.create(asked);
        const [{ message, finish_reason }] = answer.choices;
        // How many calls it makes is chance; each is under the grammar of its tool.
        const calls = (message.tool_calls ?? []).map((call) => call.type === "function" && [call.function.name, CITIES.includes(JSON.parse(call.function.arguments).city)]);
        expect([finish_reason, calls]).toEqual(["tool_calls", calls.map(() => ["weather", true])]);
        expect(calls.length).toBeGreaterThan(0);
        return message;
      };
      const message = await send(body().messages);
      const results = message.tool_calls!.map(({ id }) => ({ role: "tool" as const, tool_call_id: id, content: "Rain." }));
      await send([...body().messages, message, ...results]);
    });

    it.each([false, true])("fills a JSON schema (streamed: %s)", async (stream) => {
      const asked = body({ response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema } } });
      const answer = stream ? await client.chat.completions.stream(asked as never).finalChatCompletion() : await client.chat.completions.create(asked);
      expect(answer.choices[0].finish_reason).toBe("stop");
      expect(CITIES).toContain(JSON.parse(answer.choices[0].message.content!).city);
    });

    it("says what is wrong with a request", async () => {
      const error = await client.chat.completions.create(body({ messages: [{ role: "user", content: "x ".repeat(20_000) }] })).then(() => undefined, (reason: unknown) => reason);
      expect(error).toBeInstanceOf(BadRequestError);
      expect((error as APIError).code).toBe("validation_error");
    });
  });

  it("embeds, as numbers and as base64 the same to the bit", async () => {
    const input = ["Oslo is cold.", "Rome is warm."];
    // Without a word the SDK asks for base64, which this host does not make.
    const [asked, numbers] = await Promise.all([undefined, "float" as const].map((encoding_format) => client.embeddings.create({ model: "vectors/tiny-random", input, encoding_format })));
    const vectors = asked.data.map(({ embedding }) => embedding);
    expect(vectors.map((vector) => vector.length)).toEqual([vectors[1].length, vectors[0].length]);
    expect(vectors[0].length).toBeGreaterThan(8);
    expect(vectors.flat().every(Number.isFinite)).toBe(true);
    expect(vectors[0]).not.toEqual(vectors[1]);
    expect(vectors).toEqual(numbers.data.map(({ embedding }) => embedding.map(Math.fround)));
    expect(asked.usage.prompt_tokens).toBeGreaterThan(2);
  });
});
