// What a project says its models cost, and what becomes of models whose price nobody knows.
// Absent: which pattern wins (the native tests of src/config/price.rs).
import { describe, expect, it } from "vitest";
import { expectCors, expectError } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { completion, streamed } from "../support/script.ts";
import { readStream } from "../support/sse.ts";
import { Upstream } from "../support/upstream.ts";

const usage = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 };
const ask = (model: string, more: object = {}) => ({ model, max_tokens: 50, messages: [{ role: "user", content: "x" }], ...more });
const project = async (settings: object) => {
  const upstream = await Upstream.start(({ body }) => (body.stream ? streamed("hi") : completion("hi", { usage })));
  return { upstream, one: await Project.create({ settings, providers: { main: upstream.url } }) };
};

/** What so many settled requests cost. */
async function cost(user: Awaited<ReturnType<Project["user"]>>, requests: number) {
  for (let n = 0; n < 50; n++) {
    const { totals } = (await user.get("/v1/usage")).json;
    if (totals.requests === requests) return totals;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`/v1/usage never told of ${requests} requests`);
}

describe("prices of the project", () => {
  it("come before the catalogue's, and hold for what begins after they are set", async () => {
    const { one } = await project({ prices: { "gpt-4o*": { input: 1_000 }, "main/ours": { output: 500 } } });
    const user = await one.user();
    for (const model of ["gpt-4o", "ours"]) {
      const answer = await user.chat(ask(model));
      expect(answer.status, answer.text).toBe(200);
      expect(answer.headers.get("x-behest-warning")).toBeNull();
    }
    expect(await cost(user, 2)).toMatchObject({ cost_usd: 0.105, unpriced_requests: 0 });
    const put = await one.admin("/settings", { method: "PUT", body: { prices: { "gpt-4o*": null } } });
    expect(put.json.prices).toEqual({ "main/ours": { output: 500 } });
    expect((await user.chat(ask("gpt-4o"))).status).toBe(200);
    // 100 × 2.50 and 10 × 10 dollars a million.
    expect((await cost(user, 3)).cost_usd).toBeCloseTo(0.105 + 0.000_35, 9);
  });

  it("are what a budget is held by", async () => {
    const { one, upstream } = await project({ prices: { ours: { output: 1_000 } }, limits: { user_usd_per_day: 0.04 } });
    // 50 tokens at 1,000 dollars a million are 0.05 dollars.
    const error = expectError(await (await one.user()).chat(ask("ours")), 402, "quota_exceeded");
    expect(error.details).toMatchObject({ scope: "user_usd_per_day", limit: 0.04, used: 0 });
    expect(upstream.journal.length).toBe(0);
  });

  it.each([
    ["prices.gpt-5", { "gpt-5": {} }],
    ["prices.gpt-5", { "gpt-5": [1, 2] }],
    ["prices.gpt-5.input", { "gpt-5": { input: -1 } }],
    ["prices.gpt*5", { "gpt*5": { input: 1 } }],
    ["prices", [1]],
  ])("that are wrong are named: %s", async (param, prices) => {
    const { one } = await project({});
    expectError(await one.admin("/settings", { method: "PUT", body: { prices } }), 400, "validation_error", param);
  });
});

describe("a model whose price nobody knows", () => {
  it("counts as free, and its answers say so, whole or streamed", async () => {
    const { one } = await project({});
    const user = await one.user();
    const origin = "https://app.example";
    const whole = await user.chat(ask("nobody-knows"), { headers: { origin } });
    expect(whole.headers.get("x-behest-warning")).toBe("unpriced-model");
    expectCors(whole.headers, origin);
    const { response } = await readStream(await user.open(ask("nobody-knows", { stream: true })));
    expect(response.headers.get("x-behest-warning")).toBe("unpriced-model");
    expect(await cost(user, 2)).toMatchObject({ cost_usd: 0, unpriced_requests: 2 });
  });

  it("is refused where the project says so, before anything is sent or counted", async () => {
    const { one, upstream } = await project({ unknown_models: "refuse", prices: { ours: { input: 1 } } });
    const user = await one.user();
    const error = expectError(await user.chat(ask("nobody-knows")), 400, "validation_error", "model");
    expect(error.message).toMatch(/nobody-knows.*unknown_models/);
    expect(upstream.journal.length).toBe(0);
    for (const model of ["ours", "gpt-4o"]) expect((await user.chat(ask(model))).status).toBe(200);
    expect((await cost(user, 2)).unpriced_requests).toBe(0);
  });
});
