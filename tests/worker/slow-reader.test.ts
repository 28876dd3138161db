// A client that reads slowly: the provider waits for it, and nobody takes the wait for a silence of the provider.
import { expect, it } from "vitest";
import { Project } from "../support/project.ts";
import { chunk, DONE, event, EVENT_STREAM, FINISH, words } from "../support/script.ts";
import { readStream } from "../support/sse.ts";
import { Upstream } from "../support/upstream.ts";

const TIMEOUT_MS = 700;
/** More than all the buffers between the provider and this test hold. */
const MEGABYTES = 48;

it("gets the whole answer although it paused longer than a provider may be silent", async () => {
  const big = event({ ...chunk({}), padding: "x".repeat(1024 * 1024) });
  const steps = [{ send: words("first").join("") }, ...Array.from({ length: MEGABYTES }, () => ({ send: big })), { send: words(" last").join("") + FINISH + DONE }];
  const upstream = await Upstream.start({ headers: EVENT_STREAM, steps });
  const user = await (await Project.create({ settings: { routing: { timeout_ms: TIMEOUT_MS } }, providers: { main: upstream.url } })).user();
  const response = await user.open({ model: "m", stream: true, messages: [{ role: "user", content: "x" }] });
  expect(response.status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 3 * TIMEOUT_MS));
  const { text, done, error } = await readStream(response);
  expect({ text, done, error }).toEqual({ text: "first last", done: true, error: undefined });
});
