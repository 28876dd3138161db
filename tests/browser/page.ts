// What runs inside the page of cors.test.ts: the openai package as a front end would use it. Each function answers with plain data.
// Always holds: it knows nothing but a base URL and a user's token.
import OpenAI, { APIError } from "openai";

export interface Told {
  text?: string;
  chunks?: number;
  headers: Record<string, string | null>;
  error?: { name: string; status?: number; code?: string | null; message: string; requestId?: string | null };
}

const NAMES = ["ratelimit", "ratelimit-policy", "x-request-id", "x-behest-model", "x-thread-id", "retry-after", "retry-after-ms", ...["limit", "remaining", "reset"].flatMap((what) => [`x-ratelimit-${what}-requests`, `x-ratelimit-${what}-tokens`])];
const pick = (headers?: Headers): Told["headers"] => Object.fromEntries(NAMES.map((name) => [name, headers?.get(name) ?? null]));

async function chat(baseURL: string, apiKey: string, prompt: string, stream: boolean): Promise<Told> {
  const client = new OpenAI({ baseURL, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0, timeout: 15_000, defaultHeaders: { "X-Thread-Id": "from-a-page" } });
  const ask = { model: "gpt-4o-mini", messages: [{ role: "user" as const, content: prompt }] };
  try {
    if (!stream) {
      const { data, response } = await client.chat.completions.create(ask).withResponse();
      return { text: data.choices[0].message.content ?? "", headers: pick(response.headers) };
    }
    const { data, response } = await client.chat.completions.create({ ...ask, stream: true }).withResponse();
    let [text, chunks] = ["", 0];
    for await (const part of data) {
      text += part.choices[0]?.delta.content ?? "";
      chunks++;
    }
    return { text, chunks, headers: pick(response.headers) };
  } catch (thrown) {
    const error = thrown as APIError;
    return { headers: pick(error.headers as Headers | undefined), error: { name: error.constructor.name, status: error.status, code: error.code, message: error.message, requestId: error.requestID } };
  }
}

Object.assign(globalThis, { chat });
