// Budgets of a token's own, and tokens that are good for one request: hard, however many come at once.
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

/** Nine tokens of prompt by the estimate, ten of reply at most: 19 are reserved, 19 are billed; 122.5 micro-dollars. */
const EACH = 19;
const ask = { model: "gpt-4o", max_tokens: 10, messages: [{ role: "user", content: "x" }] };
const usage = { prompt_tokens: 9, completion_tokens: 10, total_tokens: EACH };

async function open(more: object) {
  const upstream = await Upstream.start(completion("hi", { usage }));
  const project = await Project.create({ providers: { main: upstream.url } });
  return { upstream, project, user: await project.user("user-1", more) };
}

describe("a burst of fifty", () => {
  it.each([
    { name: "tokens", more: { tokens_max: 5 * EACH + 3 }, fit: 5 },
    { name: "dollars", more: { usd_max: 0.000_62 }, fit: 5 },
  ])("$name: exactly as many as fit", async ({ more, fit }) => {
    const { upstream, project, user } = await open(more);
    const answers = await Promise.all(Array.from({ length: 50 }, () => user.chat(ask)));
    const served = answers.filter(({ status }) => status === 200).length;
    expect({ served, upstream: upstream.journal.length }).toEqual({ served: fit, upstream: fit });
    const refused = answers.filter(({ status }) => status !== 200);
    for (const answer of refused) expect(expectError(answer, 402, "quota_exceeded").details).toMatchObject({ scope: "token" });
    // It is the token's, not the user's.
    expect((await (await project.user("user-1")).chat(ask)).status).toBe(200);
  });
});

it("a stream without a maximum ends where the token's budget does", async () => {
  const { user } = await open({ tokens_max: EACH });
  const { max_tokens: _, ...unnamed } = ask;
  expect((await user.chat(unnamed)).status).toBe(200);
  expectError(await user.chat(unnamed), 402, "quota_exceeded");
});

describe("a token for one request", () => {
  it("of twenty at once one wins", async () => {
    const { upstream, user } = await open({ one_time: true });
    const answers = await Promise.all(Array.from({ length: 20 }, () => user.chat(ask)));
    expect([answers.filter(({ status }) => status === 200).length, upstream.journal.length]).toEqual([1, 1]);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expect(expectError(answer, 401, "invalid_token").message).toBe("This token was good for one request and has been used.");
    }
    expectError(await user.get("/v1/models"), 401, "invalid_token");
  });

  it.each(["/v1/models", "/v1/threads", "/v1/usage", "/v1/limits"])("GET %s is one, a request that is refused is none", async (path) => {
    const { user } = await open({ one_time: true });
    expectError(await user.chat("{not json"), 400, "validation_error");
    expect((await user.get(path)).status).toBe(200);
    for (const again of [await user.get(path), await user.chat(ask)]) expectError(again, 401, "invalid_token");
  });
});
