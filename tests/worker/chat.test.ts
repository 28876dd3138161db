// POST /v1/chat/completions, not streamed: what reaches the provider, what comes back, which model answers.
// Always holds: what the gateway does not have to change is the same bytes on the other side.
import { beforeAll, describe, expect, it } from "vitest";
import { expectError, expectIds, expectLimitHeaders } from "../support/contract.ts";
import { call, Project, type User } from "../support/project.ts";
import { rawMembers } from "../support/raw-json.ts";
import { completion, json } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

/** Everything a careless gateway would re-print: 1.0, long integers, exponents, escapes, spacing, unknown and null members. */
const ODD = String.raw`{ "temperature" : 1.0,"top_p":0.10,"seed":12345678901234567890, "model":"test-model",
 "logit_bias":{"50256":-1e2},"messages":[ {"role":"user","content":"caf\u00e9 \ud83c\udf0a \/ \"q\" \u0000 \\","x":1.50} ,
 {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1.0}"}}]},
 {"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"t"}]} ],
 "x_unknown" : {"nested":[1.0,null,{"deep":1E+5}], "":[]}, "max_tokens":null,"user":"someone","metadata":{}, "__proto__":{"a":1}}`;

describe("a chat call", () => {
  let upstream: Upstream;
  let user: User;
  let project: Project;
  beforeAll(async () => {
    upstream = await Upstream.start(completion("hi"));
    project = await Project.create({ providers: { main: upstream.url } });
    user = await project.user();
    });

  it("reaches the provider with every byte that did not have to change", async () => {
    const answer = await user.chat(ODD);
    expect(answer.status, answer.text).toBe(200);
    expect(rawMembers(upstream.last.raw.toString("utf8"))).toEqual(rawMembers(ODD));
  });

  it("comes back with every byte of the provider's answer", async () => {
    const body = String.raw`{"id":"chatcmpl-1", "object":"chat.completion","created":1700000000,"model":"m-2026","choices":[{"index":0,"message":{"role":"assistant","content":"caf\u00e9 \/","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6,"x":1.0},"system_fingerprint":null, "x_extra":{"n":1.50}}`;
    upstream.answer(json(body));
    const answer = await user.chat();
    upstream.answer(completion("hi"));
    expect(answer.text).toBe(body);
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  });

  it("carries the contract's headers", async () => {
    const answer = await user.chat("hello", { headers: { "x-session-id": "sess-1", "x-thread-id": "thread-1" } });
    expectIds(answer.headers);
    expectLimitHeaders(answer.headers);
    expect(Object.fromEntries(["x-session-id", "x-thread-id", "x-behest-model", "x-behest-provider"].map((name) => [name, answer.headers.get(name)])))
      .toEqual({ "x-session-id": "sess-1", "x-thread-id": "thread-1", "x-behest-model": "test-model", "x-behest-provider": "main" });
  });

  it("without X-Session-Id belongs to the token's session", async () => {
    const own = await project.user("u2", { session_id: "from-the-token" });
    expect((await own.chat()).headers.get("x-session-id")).toBe("from-the-token");
  });

  it("shows the provider its own key and nothing of the client's", async () => {
    await user.chat("hello", {
      headers: { "openai-organization": "org-x", cookie: "a=b", origin: "https://page.example", "x-session-id": "s", "x-thread-id": "t2", "x-stainless-lang": "js", "x-forwarded-for": "1.2.3.4", "x-end-user-id": "u" },
    });
    const { headers } = upstream.last;
    expect(headers.authorization).toBe("Bearer sk-upstream-0001");
    expect(headers["content-type"]).toMatch(/^application\/json/);
    for (const name of ["openai-organization", "cookie", "origin", "x-session-id", "x-thread-id", "x-stainless-lang", "x-forwarded-for", "x-end-user-id"]) {
      expect(headers, name).not.toHaveProperty(name);
    }
    expect(JSON.stringify(headers)).not.toContain(user.token);
  });

  it("is served under a doubled /v1/v1 too", async () => {
    const answer = await call(`${project.base}/v1/v1/chat/completions`, { token: user.token, body: { messages: [{ role: "user", content: "x" }] } });
    expect(answer.status, answer.text).toBe(200);
    expect(upstream.last.path).toBe("/v1/chat/completions");
  });

  it("with a project's API key is 401 and says where to mint", async () => {
    const error = expectError(await user.chat("x", { token: project.key }), 401, "api_key_not_allowed");
    expect(error.message).toContain("/v1/auth/mint");
    expect(error.message).not.toContain(project.key);
  });

  it("without a token, or with anything else for one, is 401", async () => {
    for (const token of ["", "sk-123", "e.e.e"]) {
      expectError(await call(`${project.base}/v1/chat/completions`, { token, body: { messages: [] } }), 401, "invalid_token");
    }
  });
});

describe("the model", () => {
  const echo = (upstream: Upstream) => upstream.last.body.model;

  it.each([["missing", undefined], ["empty", ""], ["default", "default"], ["auto", "auto"]])("when %s is the project's default", async (_name, model) => {
    const upstream = await Upstream.start(completion("hi"));
    const user = await (await Project.create({ settings: { default_model: "the-default" }, providers: { main: upstream.url } })).user();
    const answer = await user.chat({ model, messages: [{ role: "user", content: "x" }] });
    expect(answer.status, answer.text).toBe(200);
    expect(echo(upstream)).toBe("the-default");
    expect(answer.headers.get("x-behest-model")).toBe("the-default");
  });

  it("when missing and the project has no default is a 400 that names it", async () => {
    const upstream = await Upstream.start(completion("hi"));
    const user = await (await Project.create({ settings: { default_model: null }, providers: { main: upstream.url } })).user();
    expectError(await user.chat({ messages: [{ role: "user", content: "x" }] }), 400, "validation_error", "model");
    expect(upstream.journal).toEqual([]);
  });

  it("may carry its provider, which gets the rest of the name", async () => {
    const [one, two] = [await Upstream.start(completion("1")), await Upstream.start(completion("2"))];
    const user = await (await Project.create({ providers: { one: one.url, two: two.url } })).user();
    for (const [model, upstream, rest] of [["one/m", one, "m"], ["two/m", two, "m"], ["two/org/m-1", two, "org/m-1"]] as const) {
      const answer = await user.chat({ model, messages: [{ role: "user", content: "x" }] });
      expect(answer.status, answer.text).toBe(200);
      expect(echo(upstream)).toBe(rest);
      expect(answer.headers.get("x-behest-provider")).toBe(model.split("/")[0]);
      expect(answer.headers.get("x-behest-model")).toBe(rest);
    }
  });

  it("goes to the provider that lists it", async () => {
    const [one, two] = [await Upstream.start(completion("1")), await Upstream.start(completion("2"))];
    const provider = (upstream: Upstream, models: string[]) => ({ kind: "openai-compatible", api_key: "sk-0000-0000", base_url: upstream.url, models });
    const user = await (await Project.create({ providers: { one: provider(one, ["m-one"]), two: provider(two, ["m-two"]) } })).user();
    expect((await user.chat({ model: "m-two", messages: [{ role: "user", content: "x" }] })).json.choices[0].message.content).toBe("2");
    expect((await user.chat({ model: "m-one", messages: [{ role: "user", content: "x" }] })).json.choices[0].message.content).toBe("1");
  });

  it("with a slash that names no provider passes through whole", async () => {
    const upstream = await Upstream.start(completion("hi"));
    const user = await (await Project.create({ providers: { main: upstream.url } })).user();
    expect((await user.chat({ model: "meta-llama/Llama-4", messages: [{ role: "user", content: "x" }] })).status).toBe(200);
    expect(echo(upstream)).toBe("meta-llama/Llama-4");
  });

  it("is refused if the project does not allow it", async () => {
    const upstream = await Upstream.start(completion("hi"));
    const user = await (await Project.create({ settings: { default_model: "good", allowed_models: ["good"] }, providers: { main: upstream.url } })).user();
    const answer = await user.chat({ model: "bad", messages: [{ role: "user", content: "x" }] });
    expectError(answer, 403, "forbidden");
    expect(upstream.journal).toEqual([]);
    expect((await user.chat({ model: "good", messages: [{ role: "user", content: "x" }] })).status).toBe(200);
  });

  it("has nowhere to go in a project without a provider", async () => {
    expectError(await (await (await Project.create()).user()).chat(), 503, "provider_not_configured");
  });
});
