// What is left of the caller's limits, read from the six `x-ratelimit-*` headers of any answer.
// A limit counts as known only when both its size and what remains are numbers.
import { parseDuration } from "./duration";

export interface Limit {
  limit: number;
  remaining: number;
  /** Epoch milliseconds; absent if the header was. */
  resetsAt?: number;
}

export interface Limits {
  requests?: Limit;
  tokens?: Limit;
}

export function readLimits(headers: Headers, now: number): Limits {
  const limits: Limits = {};
  const requests = readLimit(headers, "requests", now);
  const tokens = readLimit(headers, "tokens", now);
  if (requests) limits.requests = requests;
  if (tokens) limits.tokens = tokens;
  return limits;
}

function readLimit(headers: Headers, what: "requests" | "tokens", now: number): Limit | undefined {
  const limit = count(headers.get(`x-ratelimit-limit-${what}`));
  const remaining = count(headers.get(`x-ratelimit-remaining-${what}`));
  if (limit === undefined || remaining === undefined) return undefined;
  const reset = parseDuration(headers.get(`x-ratelimit-reset-${what}`));
  return reset === undefined ? { limit, remaining } : { limit, remaining, resetsAt: now + reset };
}

function count(text: string | null): number | undefined {
  return text !== null && /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}
