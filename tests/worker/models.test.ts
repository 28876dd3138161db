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
