// What the gateway reserves and has charged, as a client can tell: for tests of budgets.
// Always holds: read from answers only. Absent: expectations.
import { expectLimitHeaders } from "./contract.ts";
import type { Json, Project, User } from "./project.ts";
import { eventually } from "./upstream.ts";

/** Tokens that the gateway reserves for the prompt of this body (a named maximum of one digit counts one more). */
export async function promptTokens(project: Project, body: Json): Promise<number> {
  const answer = await (await project.user(`probe-${crypto.randomUUID()}`)).chat({ ...body, max_tokens: 1 });
  if (answer.status !== 200) throw new Error(`the probe answered ${answer.status}: ${answer.text}`);
  const { limit, remaining } = expectLimitHeaders(answer.headers);
  return limit.tokens - remaining.tokens - 2;
}

/** One limit as `GET /v1/limits` has it: `{limit, used, remaining, …}`. */
export async function limitOf(user: User, name: string): Promise<Json> {
  const { json, text } = await user.get("/v1/limits");
  const found = json?.limits?.find((one: Json) => one.name === name);
  if (!found) throw new Error(`no limit ${name} in ${text}`);
  return found;
}

/** The totals of `GET /v1/usage` once so many requests are settled. */
export function settled(user: User, requests: number, ms = 5_000): Promise<Json> {
  return eventually(`${requests} requests are settled`, async () => {
    const { totals } = (await user.get("/v1/usage")).json;
    return totals.requests >= requests ? totals : undefined;
  }, ms);
}
