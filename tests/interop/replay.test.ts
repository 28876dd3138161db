// Every answer that a provider gave others (`../shared/fixtures`), through the built Worker to an OpenAI client, streams cut at random:
// `../shared/tools/replay` plays and judges, with the real openai package; its README says what equal means.
// Always holds: every case is equal; what is left out has a reason in replay.json; the counts are printed.
// Absent: what the requests become (tests/provider/).
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, inject, it } from "vitest";
import { ADMIN_TOKEN } from "../support/gateway.ts";
import { projectRoot, shared } from "../support/missing.ts";
import { run } from "../support/program.ts";

const { providers, left_out } = JSON.parse(readFileSync(new URL("replay.json", import.meta.url), "utf8"));
const SEEDS = process.env.BEHEST_REPLAY_SEEDS ?? "3";
const scratch = mkdtempSync(join(tmpdir(), "behest-replay-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Report {
  cases: number;
  equal: number;
  skipped: Record<string, string[]>;
}

it.for<{ provider: string; least: number }>(providers)("$provider", { timeout: 600_000 }, async ({ provider, least }, { skip }) => {
  const [harness, fixtures] = [shared("tools", "replay", "run.mjs"), shared("fixtures")];
  if (!harness || !fixtures) return skip("../shared is missing");
  const out = join(scratch, `${provider}.json`);
  const args = [harness, "--target", "behest", "--base", inject("gateway").url, "--fixtures", fixtures, "--provider", provider, "--seeds", SEEDS, "--out", out, "--quiet"];
  const env = { BEHEST_ADMIN_TOKEN: ADMIN_TOKEN, OPENAI_SDK: join(projectRoot, "node_modules", "openai") };
  const { code, output } = await run(process.execPath, args, { env, ms: 590_000 });
  expect([0, 1], output).toContain(code);
  const { cases, equal, skipped }: Report = JSON.parse(readFileSync(out, "utf8"));
  const reasons = Object.entries(skipped).map(([reason, files]) => `${reason} ${files.length}`);
  console.log(`replayed ${provider}: ${equal} of ${cases} equal (${SEEDS} seeds); left out: ${reasons.join(", ")}`);
  expect(Object.keys(skipped).filter((reason) => !(reason.split(":")[0] in left_out)), "left out without a reason in replay.json").toEqual([]);
  expect(equal, output).toBe(cases);
  expect(cases).toBeGreaterThanOrEqual(least);
});
