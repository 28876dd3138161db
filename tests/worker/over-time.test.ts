// What only time shows: a comment after 15 s of silence, and a request window that slides.
// Always holds: both waits run at once, so that the file takes little more than a minute, asleep.
import { describe, it } from "vitest";
import { Project } from "../support/project.ts";
import { completion, DONE, EVENT_STREAM, FINISH, words } from "../support/script.ts";
import { type Frame, frames } from "../support/sse.ts";
import { Upstream } from "../support/upstream.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.concurrent("over time", () => {
  it("15 s of silence in a stream brings a comment, and the reply goes on", { timeout: 40_000 }, async ({ expect }) => {
    const upstream = await Upstream.start({ headers: EVENT_STREAM, steps: [{ send: words("before").join("") }, { wait: 17_000 }, { send: words("after")[1] + FINISH + DONE }] });
    const project = await Project.create({ settings: { routing: { timeout_ms: 60_000 } }, providers: { main: upstream.url } });
    const user = await project.user();
    const seen: Frame[] = [];
    for await (const frame of frames(await user.open({ model: "m", stream: true, messages: [{ role: "user", content: "x" }] }, { timeout: 35_000 }))) seen.push(frame);
    const comments = seen.filter((frame) => frame.comment !== undefined);
    expect(comments.map(({ comment }) => comment)).toEqual(["keep-alive"]);
    const silence = comments[0].at - seen[0].at;
    expect(silence).toBeGreaterThan(14_500);
    expect(silence).toBeLessThan(16_500);
    expect(seen.filter(({ data }) => data?.includes("after")).length).toBe(1);
    expect(seen.at(-1)?.data).toBe("[DONE]");
  });

  it("the request window slides: after the wait that was named, what is a minute old is free, and no more", { timeout: 80_000 }, async ({ expect }) => {
    const upstream = await Upstream.start(completion("hi"));
    const user = await (await Project.create({ settings: { limits: { user_rpm: 4 } }, providers: { main: upstream.url } })).user();
    const statuses = async (count: number) => {
      const seen: number[] = [];
      for (let n = 0; n < count; n++) seen.push((await user.chat()).status);
      return seen;
    };
    expect(await statuses(2)).toEqual([200, 200]);
    await sleep(8_000);
    expect(await statuses(3)).toEqual([200, 200, 429]);
    const refused = await user.chat();
    const wait = Number(refused.headers.get("retry-after-ms"));
    expect(wait).toBeGreaterThan(45_000);
    expect(wait).toBeLessThan(53_000);
    await sleep(wait - 1_500);
    expect(await statuses(1), "a second and a half too early").toEqual([429]);
    await sleep(2_500);
    expect(await statuses(3), "two are a minute old, two are not").toEqual([200, 200, 429]);
  });
});

