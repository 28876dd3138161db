// The parts of the wire contract that hold for every answer, as checks: the one error shape, the ids, the six limit headers, CORS.
// Always holds: a check names what it looked at when it fails.
// Absent: anything that only one route promises.
import { parseList } from "structured-headers";
import { expect } from "vitest";
import type { Answer, Json } from "./project.ts";

export const LIMIT_HEADERS = ["limit", "remaining", "reset"].flatMap((what) => ["requests", "tokens"].map((of) => `x-ratelimit-${what}-${of}`));
/** Headers a page must be able to read by name. */
export const EXPOSED = [...LIMIT_HEADERS, "ratelimit", "ratelimit-policy", "x-request-id", "x-trace-id", "x-session-id", "x-thread-id", "x-behest-model", "x-behest-provider", "x-behest-warning", "retry-after", "retry-after-ms"];

/** OpenAI's form of a duration: `1s`, `6m0s`, `1h2m3.5s`, `120ms`. */
const DURATION = /^(?=.)(\d+d)?(\d+h)?(\d+m(?!s))?(\d+(\.\d+)?s)?(\d+ms)?$/;

export type Answered = Pick<Answer, "status" | "headers" | "text" | "json">;

/** Fails unless the answer is this error, in the contract's shape, with its ids. Returns `error`. */
export function expectError(answer: Answered, status: number, code: string, param?: string | null): Json {
  const seen = `${answer.status} ${answer.text.slice(0, 600)}`;
  expect(answer.status, seen).toBe(status);
  expect(answer.headers.get("content-type"), seen).toMatch(/^application\/json/);
  expectErrorBody(answer.json, code);
  if (param !== undefined) expect(answer.json.error.param, seen).toBe(param);
  expectIds(answer.headers);
  return answer.json.error;
}

export function expectErrorBody(body: Json, code: string): void {
  expect(Object.keys(body ?? {}).sort()).toEqual(["code", "error"]);
  expect(Object.keys(body.error).sort()).toEqual(["code", "details", "message", "param", "type"]);
  expect(body.error.code).toBe(code);
  expect(body.code).toBe(code);
  expect(body.error.message).toBeTypeOf("string");
  expect(body.error.message.length).toBeGreaterThan(0);
}

export function expectIds(headers: Headers): void {
  expect(headers.get("x-request-id")).toMatch(/^[\x21-\x7e]{8,}$/);
  expect(headers.get("x-trace-id")).toBe(headers.get("x-request-id"));
}

export interface Limits {
  limit: { requests: number; tokens: number };
  remaining: { requests: number; tokens: number };
}

/** Fails unless all six are there in OpenAI's forms. Returns the numbers. */
export function expectLimitHeaders(headers: Headers): Limits {
  const number = (name: string): number => {
    expect(headers.get(name), name).toMatch(/^\d+$/);
    return Number(headers.get(name));
  };
  for (const of of ["requests", "tokens"]) expect(headers.get(`x-ratelimit-reset-${of}`), `x-ratelimit-reset-${of}`).toMatch(DURATION);
  const both = (what: string) => ({ requests: number(`x-ratelimit-${what}-requests`), tokens: number(`x-ratelimit-${what}-tokens`) });
  return { limit: both("limit"), remaining: both("remaining") };
}

/** What the IETF's two headers say of one policy: its quota, unit and window in seconds; what is left, and for how many seconds. */
export interface Policy {
  q: number;
  qu?: string;
  w?: number;
  r: number;
  t?: number;
}

/** Fails unless `RateLimit-Policy` and `RateLimit` are structured fields that name the same policies as the draft has them. Returns them by name. */
export function expectRateLimit(headers: Headers): Record<string, Policy> {
  const [policies, left] = ["ratelimit-policy", "ratelimit"].map((name) => {
    const items = parseList(headers.get(name) ?? "").map(([value, parameters]) => [value, Object.fromEntries(parameters)] as [string, Record<string, unknown>]);
    expect(items.length, `${name}: ${headers.get(name)}`).toBeGreaterThan(0);
    return Object.fromEntries(items);
  });
  expect(Object.keys(left)).toEqual(Object.keys(policies));
  for (const [name, { q, qu, w, ...more }] of Object.entries(policies)) {
    expect([Number.isInteger(q), more], name).toEqual([true, {}]);
    expect(["undefined", "string"], name).toContain(typeof qu);
    if (w !== undefined) expect(w, name).toBeGreaterThan(0);
  }
  for (const [name, { r, t, ...more }] of Object.entries(left)) {
    expect([Number.isInteger(r), more], name).toEqual([true, {}]);
    if (t !== undefined) expect(t, name).toBeGreaterThanOrEqual(0);
  }
  return Object.fromEntries(Object.keys(policies).map((name) => [name, { ...policies[name], ...left[name] } as unknown as Policy]));
}

/** Fails unless a page on `origin` may read this answer and every header the contract exposes. */
export function expectCors(headers: Headers, origin: string): void {
  expect(headers.get("access-control-allow-origin")).toBe(origin);
  expect(list(headers, "vary")).toEqual(expect.arrayContaining(["origin", "access-control-request-headers"]));
  expect(list(headers, "access-control-expose-headers")).toEqual(expect.arrayContaining(EXPOSED));
}

function list(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? "").toLowerCase().split(",").map((one) => one.trim());
}
