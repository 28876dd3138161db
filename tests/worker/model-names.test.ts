// Model names are any text, headers are not: a name that no header can hold is percent-encoded there, and nowhere else.
import { expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { Project } from "../support/project.ts";
import { completion, json } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const NAME = "modèle-模型";
const ask = { model: NAME, messages: [{ role: "user", content: "x" }] };

it("a name beyond ASCII reaches the provider as it is, and the client in a readable header", async () => {
  const upstream = await Upstream.start(completion("hi"));
  const user = await (await Project.create({ providers: { main: upstream.url } })).user();
  const answer = await user.chat(ask);
  expect(answer.status, answer.text).toBe(200);
  expect(decodeURIComponent(answer.headers.get("x-behest-model")!)).toBe(NAME);
  expect(JSON.parse(upstream.journal[0]!.raw.toString()).model).toBe(NAME);
});

it("and an error about it keeps its own status", async () => {
  const upstream = await Upstream.start(json({ error: { message: "no such model" } }, 404));
  const user = await (await Project.create({ providers: { main: upstream.url } })).user();
  expectError(await user.chat(ask), 404, "model_not_found");
});
