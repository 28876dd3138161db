// The built-in demo provider through the whole gateway: what a newcomer without any key sees, faults included.
// Always holds: no network; any model name is answered, and `x-behest-model` says by what.
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Project, type User } from "../support/project.ts";
import { readStream } from "../support/sse.ts";

let user: User;
beforeAll(async () => {
  user = await (await Project.create({ settings: { default_model: null }, providers: { demo: { kind: "demo" } } })).user();
});
const ask = (content: string, more: object = {}) => ({ messages: [{ role: "user", content }], ...more });
const timed = async (body: object) => {
  const started = Date.now();
  const read = await readStream(await user.open(body));
  return { ...read, ms: Date.now() - started };
};

describe("the demo", () => {
  it.each([undefined, "", "gpt-4o-mini", "anthropic/claude-sonnet"])("answers for the model %j and says who did", async (model) => {
    const answer = await user.chat(ask("Hello!", { model }));
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json.choices[0].message.content).toMatch(/demo/i);
    expect(answer.json.usage.total_tokens).toBeGreaterThan(0);
    expect(answer.headers.get("x-behest-provider")).toBe("demo");
    expect(answer.headers.get("x-behest-model")).toBeTruthy();
  });

  it("streams at a human pace, the same words each time", async () => {
    const [one, two] = [await timed(ask("Tell me of the sea", { stream: true })), await timed(ask("Tell me of the sea", { stream: true }))];
    expect(one.done).toBe(true);
    expect(one.events.length).toBeGreaterThan(5);
    expect(one.ms).toBeGreaterThan(150);
    expect(two.text).toBe(one.text);
    expect((await user.chat(ask("Tell me of the sea"))).json.choices[0].message.content).toBe(one.text);
  });

  const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } }];
  it("calls a tool with arguments that fit, and takes its result", async () => {
    const first = await user.chat(ask("The weather in Oslo?", { tools }));
    const [call] = first.json.choices[0].message.tool_calls;
    expect(call.function.name).toBe("weather");
    expect(JSON.parse(call.function.arguments)).toHaveProperty("city", expect.any(String));
    expect(first.json.choices[0].finish_reason).toBe("tool_calls");
    const messages = [{ role: "user", content: "The weather in Oslo?" }, first.json.choices[0].message, { role: "tool", tool_call_id: call.id, content: "3 degrees" }];
    expect((await user.chat({ messages, tools })).json.choices[0].message.content).toContain("3 degrees");
  });

  it("fills a JSON schema", async () => {
    const schema = { type: "object", properties: { name: { type: "string" }, age: { type: "integer" }, tags: { type: "array", items: { type: "string" } } }, required: ["name", "age", "tags"], additionalProperties: false };
    const { json } = await user.chat(ask("A person", { response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema } } }));
    const filled = JSON.parse(json.choices[0].message.content);
    expect(Object.keys(filled).sort()).toEqual(["age", "name", "tags"]);
    expect(Number.isInteger(filled.age)).toBe(true);
  });

  const failures: [string, number, string][] = [["demo:error 429", 429, "rate_limited"], ["demo:error 500", 502, "upstream_error"], ["demo:error 401", 502, "upstream_error"], ["demo:error 400", 400, "validation_error"]];
  for (const stream of [false, true]) {
    it.each(failures)(`%s is %i %s${stream ? ", streamed" : ""}`, async (prompt, status, code) => {
      expectError(await user.chat(ask(prompt, { stream })), status, code);
    });
  }

  it.each(["demo:cut", "demo:midstream-error"])("%s ends a stream with one error event", async (prompt) => {
    const { done, error, text } = await readStream(await user.open(ask(prompt, { stream: true })));
    expect({ done, code: error.code }).toEqual({ done: false, code: "upstream_error" });
    expect(text.length).toBeGreaterThan(0);
  });

  it("remembers in a thread", async () => {
    const headers = { "x-thread-id": "demo-thread" };
    await user.chat(ask("My favourite colour is green."), { headers });
    await user.chat(ask("And now?"), { headers });
    expect((await user.get("/v1/threads/demo-thread")).json.messages_count).toBe(4);
  });
});
