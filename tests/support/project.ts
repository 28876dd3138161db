// A Behest project made for one test through the admin routes, and the calls a test makes in it.
// Always holds: limits are out of the way unless the test sets them; every call has a deadline; an admin call that is not 2xx throws with its body.
// Absent: assertions. Tests look at what comes back.
import { inject } from "vitest";
import { ADMIN_TOKEN } from "./gateway.ts";

export type Json = any;

const CALL_MS = 20_000;
const GENEROUS = { project_rpm: 1_000_000, user_rpm: 1_000_000, user_concurrency: 10_000, user_tokens_per_day: 1_000_000_000 };

/** An HTTP answer, read to the end. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  json: Json;
}

export interface CallOptions {
  method?: string;
  token?: string;
  headers?: Record<string, string>;
  /** Sent as JSON; a string or bytes go as they are. */
  body?: unknown;
  timeout?: number;
  signal?: AbortSignal;
}

export function request(url: string, options: CallOptions = {}): Promise<Response> {
  const { body, token } = options;
  const raw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  const deadline = AbortSignal.timeout(options.timeout ?? CALL_MS);
  return fetch(url, {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...options.headers,
    },
    body: raw ? (body as string | Uint8Array<ArrayBuffer> | undefined) : JSON.stringify(body),
    redirect: "manual",
    signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
  });
}

export async function call(url: string, options: CallOptions = {}): Promise<Answer> {
  const response = await request(url, options);
  const text = await response.text();
  let json: Json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

/** An admin call; the path starts after `/v1`. */
export function admin(path: string, options: CallOptions = {}, base = inject("gateway").url): Promise<Answer> {
  return call(`${base}/v1${path}`, { token: ADMIN_TOKEN, ...options });
}

async function demanded(path: string, options: CallOptions, base: string): Promise<Json> {
  const answer = await admin(path, options, base);
  if (answer.status < 200 || answer.status > 299) throw new Error(`${options.method ?? "POST"} ${path} answered ${answer.status}: ${answer.text}`);
  return answer.json;
}

export interface ProjectOptions {
  /** Merged over generous limits and `default_model: "test-model"`. */
  settings?: Json;
  /** Provider name → its body; a string is the base URL of an `openai-compatible` one. */
  providers?: Record<string, string | Json>;
  base?: string;
}

export class Project {
  private constructor(readonly base: string, readonly id: string, readonly key: string, readonly keyId: string) {}

  static async create(options: ProjectOptions = {}): Promise<Project> {
    const base = options.base ?? inject("gateway").url;
    const { id } = await demanded("/projects", { body: { name: "a test's project" } }, base);
    const { limits, ...rest } = options.settings ?? {};
    await demanded(`/projects/${id}/settings`, { method: "PUT", body: { default_model: "test-model", ...rest, limits: { ...GENEROUS, ...limits } } }, base);
    for (const [name, given] of Object.entries(options.providers ?? {})) {
      const body = typeof given === "string" ? { kind: "openai-compatible", api_key: "sk-upstream-0001", base_url: given } : given;
      await demanded(`/projects/${id}/providers/${name}`, { method: "PUT", body }, base);
    }
    const key = await demanded(`/projects/${id}/keys`, { body: { name: "test" } }, base);
    return new Project(base, id, key.key, key.id);
  }

  mint(body: Json, options: CallOptions = {}): Promise<Answer> {
    return call(`${this.base}/v1/auth/mint`, { token: this.key, body, ...options });
  }

  /** A user's token. */
  async token(userId = "user-1", more: Json = {}): Promise<string> {
    const answer = await this.mint({ user_id: userId, ...more });
    if (answer.status !== 200) throw new Error(`mint answered ${answer.status}: ${answer.text}`);
    return answer.json.access_token;
  }

  async user(userId = "user-1", more: Json = {}): Promise<User> {
    return new User(this.base, await this.token(userId, more));
  }

  admin(path: string, options: CallOptions = {}): Promise<Answer> {
    return admin(`/projects/${this.id}${path}`, options, this.base);
  }
}

/** One end user, holding a token. */
export class User {
  constructor(readonly base: string, readonly token: string) {}

  /** GET by default; the path starts with `/v1`. */
  get(path: string, options: CallOptions = {}): Promise<Answer> {
    return call(`${this.base}${path}`, { token: this.token, ...options });
  }

  /** A chat call, read to its end. A string is one user message. */
  chat(body: Json = "hello", options: CallOptions = {}): Promise<Answer> {
    return call(`${this.base}/v1/chat/completions`, { token: this.token, body: asChat(body), ...options });
  }

  /** A chat call whose body is still to be read. */
  open(body: Json = "hello", options: CallOptions = {}): Promise<Response> {
    return request(`${this.base}/v1/chat/completions`, { token: this.token, body: asChat(body), ...options });
  }
}

function asChat(body: Json): unknown {
  const message = typeof body === "string" && !body.trimStart().startsWith("{");
  return message ? { model: "test-model", messages: [{ role: "user", content: body }] } : body;
}
