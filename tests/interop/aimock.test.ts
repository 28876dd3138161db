// `@copilotkit/aimock`, somebody else's fake of four providers, behind the gateway, and the unmodified openai package before it.
// Google's token server, which it has not, is a fake of our own.
// Always holds: what its journal says it was asked (it reads each dialect back into OpenAI's) is what the client asked; what it was told
// to answer is what the client gets.
// Absent: what each dialect says in detail (tests/provider/); what aimock itself does not read (its reading is coarser than a provider's).
import { generateKeyPairSync } from "node:crypto";
import { type JournalEntry, LLMock } from "@copilotkit/aimock";
import OpenAI, { APIError, RateLimitError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Project } from "../support/project.ts";
import { json } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

interface Dialect {
  kind: string;
  model: string;
  /** Of the provider's `base_url`. */
  base: string;
  whole: string;
  streamed: string;
  /** The header that carries the provider's key; the journal shows only that it came. */
  key: string;
  /** It does not read Gemini's `parametersJsonSchema`. */
  blindToSchemas?: true;
}

const AT_VERTEX = "/v1/projects/my-project-1/locations/us-east5/publishers/google/models/gemini-2.5-flash";
const DIALECTS: Dialect[] = [
  { kind: "openai", model: "gpt-4o-mini", base: "/v1", whole: "/v1/chat/completions", streamed: "/v1/chat/completions", key: "authorization" },
  { kind: "openai-compatible", model: "llama-3.3", base: "/v1", whole: "/v1/chat/completions", streamed: "/v1/chat/completions", key: "authorization" },
  { kind: "anthropic", model: "claude-sonnet-4-5", base: "/v1", whole: "/v1/messages", streamed: "/v1/messages", key: "x-api-key" },
  { kind: "gemini", model: "gemini-2.5-flash", base: "/v1beta", whole: "/v1beta/models/gemini-2.5-flash:generateContent", streamed: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", key: "x-goog-api-key", blindToSchemas: true },
  { kind: "vertex", model: "gemini-2.5-flash", base: "/v1", whole: `${AT_VERTEX}:generateContent`, streamed: `${AT_VERTEX}:streamGenerateContent?alt=sse`, key: "authorization", blindToSchemas: true },
];

const TEXT = "Colourless green ideas sleep furiously: «ελλάδα», 日本, 🎏.";
const CALLS = [["get_weather", { city: "Oslo" }], ["get_time", { zone: "Europe/Oslo", exact: true }]] as const;
const tools = CALLS.map(([name, args]) => {
  const properties = Object.fromEntries(Object.entries(args).map(([key, value]) => [key, { type: typeof value, description: `The ${key}.` }]));
  return { type: "function" as const, function: { name, description: `Calls ${name}.`, parameters: { type: "object", properties, required: Object.keys(args) } } };
});
const ask = (content: string) => [{ role: "system" as const, content: "Be brief." }, { role: "user" as const, content }];

const mock = new LLMock({ port: 0, chunkSize: 4 });
beforeAll(async () => {
  mock.onMessage("say it", { content: TEXT });
  mock.onMessage("break off", { content: TEXT }, { truncateAfterChunks: 4 });
  mock.on({ userMessage: "look it up", hasToolResult: true }, { content: "Ten degrees at noon." });
  mock.on({ userMessage: "look it up", hasToolResult: false }, { toolCalls: CALLS.map(([name, args]) => ({ name, arguments: JSON.stringify(args) })) });
  await mock.start();
});
afterAll(() => mock.stop());

/** What a provider of Vertex is given in a key's place. */
async function account() {
  const tokens = await Upstream.start(json({ access_token: "mock-token-0123456789", expires_in: 3600, token_type: "Bearer" }));
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048, publicKeyEncoding: { type: "spki", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem" } });
  const file = { type: "service_account", project_id: "my-project-1", private_key_id: "key-1", private_key: privateKey, client_email: "gateway@my-project-1.iam.gserviceaccount.com", token_uri: `${tokens.origin}/token` };
  return { service_account: file, location: "us-east5" };
}

describe.each(DIALECTS)("$kind", ({ kind, model, base, whole, streamed, key, blindToSchemas }) => {
  const seen = tools.map(({ type, function: { parameters, ...rest } }) => ({ type, function: blindToSchemas ? rest : { ...rest, parameters } }));
  let client: OpenAI;
  beforeAll(async () => {
    const credential = kind === "vertex" ? await account() : { api_key: "mock-key-0123456789" };
    const project = await Project.create({ settings: { routing: { retries: 0 } }, providers: { mock: { kind, ...credential, base_url: mock.url + base } } });
    client = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
  });

  /** What the journal has of the last request: where it went, with which key, what it said. */
  const asked = (path: string) => {
    const entry: JournalEntry = mock.getLastRequest()!;
    expect([entry.method, entry.path, entry.headers[key]]).toEqual(["POST", path, "[REDACTED]"]);
    return entry.body as unknown as OpenAI.ChatCompletionCreateParams;
  };

  it("chats", async () => {
    const answer = await client.chat.completions.create({ model, messages: ask("say it"), max_tokens: 64, temperature: 0.5 });
    expect(answer.choices).toMatchObject([{ index: 0, finish_reason: "stop", message: { role: "assistant", content: TEXT } }]);
    expect(asked(whole)).toMatchObject({ model, messages: ask("say it"), max_tokens: 64, temperature: 0.5 });
  });

  it("streams", async () => {
    const runner = client.chat.completions.stream({ model, messages: ask("say it"), stream_options: { include_usage: true } });
    const pieces: string[] = [];
    runner.on("content", (piece) => pieces.push(piece));
    const answer = await runner.finalChatCompletion();
    expect(answer.choices).toMatchObject([{ index: 0, finish_reason: "stop", message: { content: TEXT } }]);
    expect(pieces.length).toBeGreaterThan(5);
    expect(answer.usage).toBeDefined();
    expect(asked(streamed)).toMatchObject({ messages: ask("say it"), stream: true });
  });

  it.each([false, true])("calls tools and takes their results (streamed: %s)", async (stream) => {
    const send = async (messages: OpenAI.ChatCompletionMessageParam[]) => {
      const body = { model, messages, tools };
      return stream ? client.chat.completions.stream(body).finalChatCompletion() : client.chat.completions.create(body);
    };
    const first = await send(ask("look it up"));
    const { message, finish_reason } = first.choices[0];
    const calls = message.tool_calls!.map((call) => call.type === "function" ? [call.function.name, JSON.parse(call.function.arguments)] : []);
    expect([finish_reason, calls]).toEqual(["tool_calls", CALLS]);
    expect(new Set(message.tool_calls!.map(({ id }) => id)).size).toBe(CALLS.length);
    expect(asked(stream ? streamed : whole).tools).toMatchObject(seen);

    const results = message.tool_calls!.map(({ id }, nth) => ({ role: "tool" as const, tool_call_id: id, content: `{"result":${nth}}` }));
    const second = await send([...ask("look it up"), message, ...results]);
    expect(second.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Ten degrees at noon." } });
    const history = asked(stream ? streamed : whole).messages;
    const again = history.flatMap((turn) => (turn.role === "assistant" ? turn.tool_calls! : [])).map((call) => call.type === "function" && [call.function.name, JSON.parse(call.function.arguments)]);
    expect(again).toEqual(CALLS);
    const told = history.filter(({ role }) => role === "tool").map(({ content }) => JSON.parse(content as string));
    expect(told).toEqual([{ result: 0 }, { result: 1 }]);
  });

  it("says that it is busy", async () => {
    mock.nextRequestError(429, { message: "slow down", type: "rate_limit_error" });
    await expect(client.chat.completions.create({ model, messages: ask("say it") })).rejects.toBeInstanceOf(RateLimitError);
  });

  it("breaks off: the text so far, then an error", async () => {
    let text = "";
    const reading = (async () => {
      for await (const { choices } of await client.chat.completions.create({ model, messages: ask("break off"), stream: true })) text += choices[0]?.delta.content ?? "";
    })();
    const error = await reading.then(() => undefined, (reason: unknown) => reason);
    expect(error).toBeInstanceOf(APIError);
    expect([(error as APIError).code, TEXT.startsWith(text), text.length < TEXT.length]).toEqual(["upstream_error", true, true]);
  });
});
