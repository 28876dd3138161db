// GET /v1/models and /v1/models/{id}: what a project's users may ask for, in OpenAI's shape.
import { describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { call, type Json, Project } from "../support/project.ts";

const provider = (models: string[]) => ({ kind: "openai-compatible", api_key: "sk-00000000", base_url: "http://127.0.0.1:9/v1", models });
const ids = (answer: { json: Json }): string[] => answer.json.data.map((one: Json) => one.id);

describe("models", () => {
  it("are OpenAI's list of what the providers name", async () => {
    const user = await (await Project.create({ providers: { one: provider(["m-a", "org/m-b"]), two: provider(["m-c"]) } })).user();
    const answer = await user.get("/v1/models");
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json.object).toBe("list");
    const seen = ids(answer).map((id) => id.replace(/^(one|two)\//, ""));
    expect(seen).toEqual(expect.arrayContaining(["m-a", "org/m-b", "m-c"]));
    for (const one of answer.json.data) expect(one).toMatchObject({ id: expect.any(String), object: "model", created: expect.any(Number), owned_by: expect.any(String) });
  });

  it("are only those that the project allows", async () => {
    const user = await (await Project.create({ settings: { default_model: "m-a", allowed_models: ["m-a"] }, providers: { one: provider(["m-a", "m-b"]) } })).user();
    const seen = ids(await user.get("/v1/models")).map((id) => id.replace(/^one\//, ""));
    expect(seen).toContain("m-a");
    expect(seen).not.toContain("m-b");
  });

  it("are found by id, slashes and all, as the list has them", async () => {
    const user = await (await Project.create({ providers: { one: provider(["m-a", "org/m-b"]) } })).user();
    for (const id of ids(await user.get("/v1/models"))) {
      for (const path of [id, encodeURIComponent(id)]) {
        const answer = await user.get(`/v1/models/${path}`);
        expect(answer.status, `${path}: ${answer.text}`).toBe(200);
        expect(answer.json).toMatchObject({ id, object: "model" });
      }
    }
  });

  it("of open providers are the catalogue's, with window, modalities, capabilities and prices", async () => {
    const settings = { default_model: "gpt-4o", routing: { aliases: { quick: "gpt-4o-mini" } }, prices: { "gpt-4o": { input: 1, output: 2.5 } } };
    const one = await Project.create({ settings, providers: { openai: { kind: "openai", api_key: "sk-00000000" }, claude: { kind: "anthropic", api_key: "sk-ant-00000000" } } });
    const user = await one.user();
    const answer = await user.get("/v1/models");
    const found = (id: string): Json => answer.json.data.find((model: Json) => model.id === id);
    expect(ids(answer)).toEqual(expect.arrayContaining(["gpt-4o", "text-embedding-3-small", "omni-moderation-latest", "claude-haiku-4-5", "quick", "default"]));
    expect(ids(answer)).toEqual([...new Set(ids(answer))].sort());
    expect(found("gpt-4o")).toMatchObject({
      context_length: 128_000, top_provider: { max_completion_tokens: 16_384 }, pricing: { prompt: "0.000001", completion: "0.0000025" },
      architecture: { input_modalities: ["text", "image", "file"] }, behest: { provider: "openai", route: "/v1/chat/completions", capabilities: expect.arrayContaining(["tools", "vision", "json_schema"]) },
    });
    expect(found("default").behest).toEqual(found("gpt-4o").behest);
    expect(found("quick").behest.model).toBe("gpt-4o-mini");
    expect(found("text-embedding-3-small").behest.route).toBe("/v1/embeddings");
    for (const id of ["default", "quick"]) expect((await user.get(`/v1/models/${id}`)).json).toEqual(found(id));
  });

  it("that no one serves are 404", async () => {
    const user = await (await Project.create({ providers: { one: provider(["m-a"]) } })).user();
    expectError(await user.get("/v1/models/m-z"), 404, "model_not_found");
  });

  it("need a token", async () => {
    const project = await Project.create();
    expectError(await call(`${project.base}/v1/models`), 401, "invalid_token");
    expectError(await call(`${project.base}/v1/models`, { token: project.key }), 401, "api_key_not_allowed");
  });
});
