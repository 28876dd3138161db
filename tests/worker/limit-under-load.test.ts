// The request limit is exact under a flood: 4,000 calls, 200 at a time, against 500 a minute. Run alone, since it takes the machine.
// Always holds: exactly 500 pass and reach the provider; each of the others is a 429 that says how long to wait.
import { expect, it } from "vitest";
import { type Answer, Project } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Upstream } from "../support/upstream.ts";

const [CALLS, AT_ONCE, LIMIT, WITHIN_MS] = [4_000, 200, 500, 60_000];

it(`of ${CALLS} calls, ${AT_ONCE} at a time, exactly ${LIMIT} pass`, { timeout: 120_000 }, async () => {
  const upstream = await Upstream.start(completion("hi"));
  const project = await Project.create({ settings: { limits: { user_rpm: LIMIT } }, providers: { main: upstream.url } });
  const user = await project.user();
  const seen = new Map<number, number>();
  const bad: string[] = [];
  let sent = 0;
  const note = (answer: Answer) => {
    seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
    const seconds = answer.headers.get("retry-after");
    if (answer.status === 429 && !(seconds && /^[1-9]\d*$/.test(seconds) && Number(seconds) <= 60)) bad.push(`429 with retry-after ${seconds}`);
    if (answer.status !== 429 && answer.status !== 200) bad.push(`${answer.status} ${answer.text.slice(0, 200)}`);
  };
  const started = Date.now();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (sent++ < CALLS) note(await user.chat("hi", { timeout: 60_000 }));
  }));
  const took = Date.now() - started;
  expect(bad.slice(0, 5)).toEqual([]);
  // Past a minute the window would rightly let more through, and the count would prove nothing.
  expect(took, "milliseconds for the flood").toBeLessThan(WITHIN_MS);
  expect(Object.fromEntries(seen)).toEqual({ 200: LIMIT, 429: CALLS - LIMIT });
  expect(upstream.journal.length).toBe(LIMIT);
});
