// Vertex AI through the gateway, by the openai package from npm: one fake server on loopback is Google's token server and Vertex at once.
// Always holds: every assertion is verified here with Node's own crypto, against the public half of the account's key; no answer and no
// line of the log has a token, an assertion or a line of the private key.
// Absent: translation in detail (the golden cases of the Rust tests).
import { generateKeyPairSync, randomUUID, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI, { APIError } from "openai";
import { afterAll, describe, expect, inject, it } from "vitest";
import { admin, type Json, Project } from "../support/project.ts";
import { completion, event, EVENT_STREAM, json, type Script, stream } from "../support/script.ts";
import { type Exchange, Upstream } from "../support/upstream.ts";

const GEMINI = "gemini-3.5-flash";
const CLAUDE = "claude-sonnet-4-5@20250929";
const LLAMA = "meta/llama-3.3-70b-instruct-maas";
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PEM = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const hello = (model: string) => ({ model, messages: [{ role: "user" as const, content: "hello" }] });
/** What nobody may read: filled by the fakes, looked for at the end. */
const secrets = new Set(PEM.split("\n").filter((line) => line.length > 40));
const answers: string[] = [];

afterAll(() => {
  const everything = answers.join("\n") + readFileSync(inject("gateway").logFile, "utf8");
  expect(answers.length).toBeGreaterThan(10);
  for (const secret of secrets) expect(everything.includes(secret), "a secret was shown").toBe(false);
});

/** The claims of an assertion whose signature is good. */
function asserted(exchange: Exchange): Json {
  const form = new URLSearchParams(exchange.raw.toString());
  expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
  const [head, claims, signature] = form.get("assertion")!.split(".");
  secrets.add(signature);
  expect(verify("sha256", Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, "base64url"))).toBe(true);
  expect(JSON.parse(Buffer.from(head, "base64url").toString())).toEqual({ alg: "RS256", typ: "JWT", kid: "key-id-4711" });
  return JSON.parse(Buffer.from(claims, "base64url").toString());
}

const part = (text: string) => ({ candidates: [{ content: { role: "model", parts: [{ text }] }, finishReason: "STOP" }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 }, modelVersion: GEMINI, responseId: "r1" });
const claude = (text: string) => ({ id: "msg_vrtx_1", type: "message", role: "assistant", model: CLAUDE, content: [{ type: "text", text }], stop_reason: "end_turn", usage: { input_tokens: 3, output_tokens: 2 } });
const claudeEvents = (text: string) => [
  { type: "message_start", message: { ...claude(""), content: [], stop_reason: null } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
  { type: "message_stop" },
];

/** Vertex, good-natured. */
function vertex({ path }: Exchange): Script {
  if (path.endsWith(":streamGenerateContent?alt=sse")) return { headers: EVENT_STREAM, steps: [{ send: event(part("Hi.")).replaceAll("\n", "\r\n") }] };
  if (path.endsWith(":generateContent")) return json(part("Hi."));
  if (path.endsWith(":streamRawPredict")) return stream(claudeEvents("Hi.").map((data) => `event: ${data.type}\n${event(data)}`));
  if (path.endsWith(":rawPredict")) return json(claude("Hi."));
  if (path.endsWith("/endpoints/openapi/chat/completions")) return completion("Hi.");
  return json({ error: { code: 404, message: "no such path", status: "NOT_FOUND" } }, 404);
}

interface Google {
  /** What the token server says the nth time; a token that lasts an hour if absent. */
  token?: (nth: number) => Script | undefined | Promise<Script | undefined>;
  /** What Vertex says to a token. */
  says?: (exchange: Exchange, token: string) => Script | undefined;
  /** Further fields of the provider, and settings of the project. */
  provider?: Json;
  settings?: Json;
}

/** A token the fake has made. */
function fresh(life = 3600): Script {
  const token = `canary-${randomUUID()}`;
  secrets.add(token);
  return json({ access_token: token, expires_in: life, token_type: "Bearer" });
}

/** Google, and a project with an account of its own there. */
async function google(given: Google = {}) {
  let fetched = 0;
  const upstream = await Upstream.start(async (exchange) => {
    if (exchange.path === "/token") return (await given.token?.(++fetched)) ?? fresh();
    const token = exchange.headers.authorization?.replace("Bearer ", "") ?? "";
    return given.says?.(exchange, token) ?? vertex(exchange);
  });
  const account = {
    type: "service_account", project_id: "my-project-1", private_key_id: "key-id-4711", private_key: PEM,
    client_email: `gateway-${randomUUID()}@my-project-1.iam.gserviceaccount.com`, token_uri: `${upstream.origin}/token`,
  };
  const provider = { kind: "vertex", service_account: account, location: "us-east5", base_url: upstream.url, ...given.provider };
  const project = await Project.create({ settings: { default_model: GEMINI, routing: { retries: 0 }, ...given.settings }, providers: { cloud: provider } });
  const client = new OpenAI({ apiKey: await project.token(), baseURL: `${project.base}/v1`, maxRetries: 0, timeout: 20_000 });
  const asked = (path: (path: string) => boolean) => upstream.journal.filter((exchange) => path(exchange.path));
  return {
    project, client, account, upstream,
    tokens: () => asked((path) => path === "/token"),
    calls: () => asked((path) => path !== "/token"),
    ask: async (model = GEMINI): Promise<string> => {
      const answer = await client.chat.completions.create(hello(model));
      answers.push(JSON.stringify(answer));
      return answer.choices[0].message.content!;
    },
    failure: async (model = GEMINI): Promise<APIError> => {
      const error = await client.chat.completions.create(hello(model)).then(() => Promise.reject(new Error("it did not fail")), (error) => error);
      answers.push(`${error.message} ${JSON.stringify(error.error)}`);
      return error;
    },
  };
}

const bearers = (calls: Exchange[]) => calls.map((call) => call.headers.authorization);

describe("a service account", () => {
  it("asks Gemini, Claude and the others with one token", async () => {
    const { ask, tokens, calls, account, upstream } = await google();
    const before = Math.floor(Date.now() / 1000);
    for (const model of [GEMINI, CLAUDE, LLAMA]) expect(await ask(model)).toBe("Hi.");
    expect(tokens()).toHaveLength(1);
    const claims = asserted(tokens()[0]);
    expect(claims).toMatchObject({ iss: account.client_email, aud: `${upstream.origin}/token`, scope: "https://www.googleapis.com/auth/cloud-platform" });
    expect(claims.exp - claims.iat).toBe(3600);
    expect(Math.abs(claims.iat - before)).toBeLessThan(60);
    expect(tokens()[0].headers["content-type"]).toBe("application/x-www-form-urlencoded");
    const at = "/v1/projects/my-project-1/locations/us-east5";
    expect(calls().map((call) => call.path)).toEqual([
      `${at}/publishers/google/models/${GEMINI}:generateContent`, `${at}/publishers/anthropic/models/${CLAUDE}:rawPredict`, `${at}/endpoints/openapi/chat/completions`,
    ]);
    expect(new Set(bearers(calls())).size).toBe(1);
    const [, toClaude, toLlama] = calls();
    expect(toClaude.body).toMatchObject({ anthropic_version: "vertex-2023-10-16", messages: [{ role: "user" }] });
    expect(toClaude.body).not.toHaveProperty("model");
    expect(toLlama.body.model).toBe(LLAMA);
  });

  it("streams from both", async () => {
    const { client, tokens } = await google();
    for (const model of [GEMINI, CLAUDE]) {
      const running = client.chat.completions.stream({ ...hello(model), stream_options: { include_usage: true } });
      const answer = await running.finalChatCompletion();
      expect(answer.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Hi." } });
      expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 2 });
    }
    expect(tokens()).toHaveLength(1);
  });

  it("embeds texts, and asks one of Gemini's newer models at its own door", async () => {
    const vectors = [[0.25, -0.5], [1, 0.125]];
    const predictions = vectors.map((values, index) => ({ embeddings: { values, statistics: { token_count: index + 2, truncated: false } } }));
    const says = ({ path }: Exchange) => {
      if (path.endsWith(":predict")) return json({ predictions, metadata: { billableCharacterCount: 6 } });
      return path.endsWith(":embedContent") ? json({ embedding: { values: vectors[0] }, usageMetadata: { promptTokenCount: 7, totalTokenCount: 7 } }) : undefined;
    };
    const { client, tokens, calls } = await google({ says });
    const many = await client.embeddings.create({ model: "text-embedding-005", input: ["one", "two"], dimensions: 2 });
    expect(many.data.map(({ embedding }) => embedding)).toEqual(vectors);
    expect(many.usage).toEqual({ prompt_tokens: 5, total_tokens: 5 });
    const one = await client.embeddings.create({ model: "gemini-embedding-2", input: "one" });
    expect([one.data[0].embedding, one.usage.prompt_tokens]).toEqual([vectors[0], 7]);
    const refused = await client.embeddings.create({ model: "gemini-embedding-2", input: ["one", "two"] }).catch((error) => error);
    expect(refused).toMatchObject({ status: 400, param: "input" });
    const at = "/v1/projects/my-project-1/locations/us-east5/publishers/google/models";
    expect(calls().map((call) => call.path)).toEqual([`${at}/text-embedding-005:predict`, `${at}/gemini-embedding-2:embedContent`]);
    expect(calls()[0].body).toEqual({ instances: [{ content: "one" }, { content: "two" }], parameters: { outputDimensionality: 2 } });
    expect(tokens()).toHaveLength(1);
  });

  it("fetches one token for twenty requests at once", async () => {
    const { ask, tokens, calls } = await google({ token: async () => (await sleep(150), undefined) });
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => ask())))).toEqual(new Set(["Hi."]));
    expect(calls()).toHaveLength(20);
    expect(tokens()).toHaveLength(1);
  });

  it("keeps its token when the project's configuration is read anew", async () => {
    const { ask, tokens, project } = await google();
    await ask();
    expect((await project.admin("/settings", { method: "PUT", body: { routing: { timeout_ms: 30_000 } } })).status).toBe(200);
    await ask();
    expect(tokens()).toHaveLength(1);
  });

  it("renews a token whose time is over", async () => {
    const { ask, tokens, calls } = await google({ token: () => fresh(2) });
    await ask();
    await sleep(2_100);
    await ask();
    expect(tokens()).toHaveLength(2);
    expect(new Set(bearers(calls())).size).toBe(2);
  });

});

describe("a token that Vertex refuses", () => {
  const refusal = json({ error: { code: 401, message: "Request had invalid authentication credentials.", status: "UNAUTHENTICATED" } }, 401);

  it("is replaced, and the request sent once more", async () => {
    const refused = new Set<string>();
    const { ask, tokens, calls } = await google({ says: (_, token) => (refused.size === 0 || refused.has(token) ? (refused.add(token), refusal) : undefined) });
    expect(await ask()).toBe("Hi.");
    expect([tokens().length, calls().length]).toEqual([2, 2]);
    expect(calls()[0].raw).toEqual(calls()[1].raw);
    await ask();
    expect(tokens()).toHaveLength(2);
  });

  it("is an error when the next one is refused too", async () => {
    const { failure, tokens, calls } = await google({ says: () => refusal });
    expect(await failure(CLAUDE)).toMatchObject({ status: 502, code: "upstream_error", message: "502 The provider refused the gateway's credential." });
    expect([tokens().length, calls().length]).toEqual([2, 2]);
  });

  it("that twenty requests had refused is replaced once", async () => {
    let first: string | undefined;
    const { ask, tokens } = await google({ says: (_, token) => ((first ??= token) === token ? refusal : undefined) });
    await Promise.all(Array.from({ length: 20 }, () => ask()));
    expect(tokens()).toHaveLength(2);
  });
});

describe("a token server", () => {
  const refused = "502 Google refused the service account of this provider.";
  const none = "502 Google's token server did not answer with an access token.";
  const cases: [string, () => Script, number, string][] = [
    ["that refuses", () => json({ error: "invalid_grant", error_description: "Invalid JWT Signature." }, 400), 502, refused],
    ["that redirects", () => json({}, 302, { location: "https://example.com/" }), 502, refused],
    ["that is down", () => json("<html>", 503), 503, "503 Google's token server is overloaded or unavailable."],
    ["that sends garbage", () => json("}{ not json"), 502, none],
    ["that sends a token without an end", () => json({ access_token: "canary-endless-1", token_type: "Bearer" }), 502, none],
    ["that sends too much", () => json(" ".repeat(100_000)), 502, none],
    ["that breaks off", () => ({ steps: [{ send: '{"access_token":' }, { wait: 200 }, { reset: true }] }), 502, none],
    ["that hangs up", () => ({ steps: [{ reset: true }] }), 502, "502 Google's token server could not be reached."],
    ["that is silent", () => ({ steps: [{ hang: true }] }), 504, "504 Google's token server did not answer within 5000 ms."],
    ["that stalls in its answer", () => ({ steps: [{ send: "{" }, { hang: true }] }), 504, "504 Google's token server did not answer within 5000 ms."],
  ];
  it.for(cases)("%s is a clear error, and the next request tries again", async ([, script, status, message]) => {
    const { ask, failure, calls } = await google({ token: (nth) => (nth === 1 ? script() : undefined) });
    expect(await failure()).toMatchObject({ status, message });
    expect(calls()).toHaveLength(0);
    expect(await ask()).toBe("Hi.");
  });

  it("that fails is asked once by twenty requests at once", async () => {
    const { failure, tokens } = await google({ token: async () => (await sleep(300), json({ error: "invalid_grant" }, 400)) });
    const failures = await Promise.all(Array.from({ length: 20 }, () => failure()));
    expect(new Set(failures.map((error) => error.message))).toEqual(new Set([refused]));
    expect(tokens()).toHaveLength(1);
  });

  it("is let go by a request whose own time is over, and the next one need not wait for it", async () => {
    const { ask, failure, tokens } = await google({ token: (nth) => (nth === 1 ? { steps: [{ hang: true }] } : undefined), settings: { routing: { timeout_ms: 1_000, retries: 0 } } });
    expect(await failure()).toMatchObject({ status: 504, message: "504 The provider did not answer within 1000 ms." });
    expect(await ask()).toBe("Hi.");
    expect(tokens()).toHaveLength(2);
  });
});

describe("the provider", () => {
  it("shows whose key it has and where, and nothing of it", async () => {
    const { project, account } = await google();
    const shown = await project.admin("/providers/cloud");
    expect(shown.json).toMatchObject({ kind: "vertex", location: "us-east5", project_id: "my-project-1", client_email: account.client_email, last4: "4711" });
    answers.push(shown.text, (await project.admin("/providers")).text);
  });

  it("with a key that only looks like one is refused", async () => {
    const { project, account } = await google();
    const der = Buffer.from(PEM.split("\n").slice(1, -2).join(""), "base64").fill(7, 40);
    const body = { kind: "vertex", service_account: { ...account, private_key: `-----BEGIN PRIVATE KEY-----\n${der.toString("base64")}\n-----END PRIVATE KEY-----\n` } };
    const answer = await admin(`/projects/${project.id}/providers/cloud`, { method: "PUT", body });
    expect([answer.status, answer.json.error.param]).toEqual([400, "service_account.private_key"]);
  });

  it("with an API key asks Gemini without a project, and nobody else", async () => {
    const { ask, failure, tokens, calls } = await google({ provider: { service_account: undefined, location: undefined, api_key: "AQ.vertex-key-0001" } });
    expect(await ask()).toBe("Hi.");
    expect(calls()[0]).toMatchObject({ path: `/v1/publishers/google/models/${GEMINI}:generateContent`, headers: { "x-goog-api-key": "AQ.vertex-key-0001" } });
    expect(bearers(calls())).toEqual([undefined]);
    expect(await failure(CLAUDE)).toMatchObject({ status: 404, code: "model_not_found" });
    expect(tokens()).toHaveLength(0);
  });
});
