// `npm test`: set-up, then every check there is, in order, with times and a summary; `--fast` (`npm run check`) leaves out what needs a
// build, a gateway, a browser or Python; `--thorough` goes on where chance decides: it takes about an hour.
// Always holds: a failed step does not hide the next ones, but for the build, without which there is nothing more to test; the last line
// is "N passed, N failed" (tests where a tool counts them, else steps); what was skipped is said.
// Absent: the tests themselves, and retries.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { needChromium } from "./chromium.mjs";
import { at, LOGS, toolEnv, WASM_TARGET } from "./project.mjs";
import { needInterop, needPython } from "./python.mjs";
import { attempt, compiling, Failed, logPath } from "./run.mjs";
import { needRustComponents, setup } from "./setup.mjs";
import { bold, dim, duration, green, main, red, say, step, yellow } from "./terminal.mjs";

const FAST = process.argv.includes("--fast");
/** Ten minutes of fuzzing each target, and more ways to cut what is replayed. */
const THOROUGH = process.argv.includes("--thorough") ? { BEHEST_FUZZ_SECONDS: "600", BEHEST_REPLAY_SEEDS: "10" } : {};
/** What a test says in its log that is worth saying here: what was not tested, how much was. */
const REMARKS = /^(?:\*\*\* |SKIPPED: |replayed |openai-python\b).*$/gm;
const DENY = ["--", "-D", "warnings"];
const vitest = (...projects) => ["vitest", "run", "--config", "tests/vitest.config.ts", ...projects.flatMap((project) => ["--project", project])];

/** What a tool's output says about its tests. */
const COUNTS = {
  cargo: (output) => sum([...output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm)].map(([, ...numbers]) => numbers.map(Number))),
  vitest: (output) => {
    const line = output.match(/^\s*Tests\s+(.*)$/m)?.[1] ?? "";
    const number = (word) => Number(line.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
    return [number("passed"), number("failed"), number("skipped") + number("todo")];
  },
  node: (output) => ["pass", "fail", "skipped"].map((word) => Number(output.match(new RegExp(`^(?:ℹ|#) ${word} (\\d+)`, "m"))?.[1] ?? 0)),
};

const STEPS = [
  { name: "cargo fmt", fast: true, command: ["cargo", "fmt", "--check"] },
  { name: "clippy (host)", fast: true, command: ["cargo", "clippy", "--locked", "--all-targets", ...DENY] },
  { name: "clippy (wasm32)", fast: true, command: ["cargo", "clippy", "--locked", "--target", WASM_TARGET, ...DENY] },
  { name: "cargo test", fast: true, command: ["cargo", "test", "--locked"], counts: COUNTS.cargo },
  { name: "build", work: build, needed: true },
  { name: "deploy --dry-run", command: ["node", "scripts/deploy.mjs", "--dry-run"] },
  { name: "tsc (www)", fast: true, command: ["tsc", "--noEmit", "-p", "www"] },
  { name: "tsc (tests)", fast: true, command: ["tsc", "--noEmit", "-p", "tests"] },
  { name: "vitest (www)", fast: true, command: ["vitest", "run", "--root", "www"], counts: COUNTS.vitest, when: () => hasTests(at("www")) },
  { name: "node --test (scripts)", command: ["node", "--test", "scripts/tests/*.test.mjs"], counts: COUNTS.node },
  { name: "vitest (Worker, clients, Chromium)", command: vitest("together", "alone"), counts: COUNTS.vitest, prepare: clients },
  { name: "vitest (other people's programs)", command: vitest("interop"), counts: COUNTS.vitest, prepare: interop },
];

await main(async () => {
  const began = Date.now();
  await setup();
  await needRustComponents();
  const results = [];
  for (const test of STEPS.filter(({ fast, when }) => (fast || !FAST) && (when?.() ?? true))) {
    const result = await perform(test);
    results.push(result);
    if (test.needed && !result.ok) break;
  }
  summary(results, Date.now() - began);
});

/** Runs one step; its failure is a result, printed at once. */
async function perform(test) {
  const began = Date.now();
  try {
    const env = toolEnv({ NO_COLOR: "1", FORCE_COLOR: undefined, ...THOROUGH, ...(await test.prepare?.()) });
    const output = test.work ? await test.work() : await step(test.name, (progress) => command(test, env, progress));
    return result(test, true, began, output);
  } catch (error) {
    say(`\n${red(test.name)}: ${error instanceof Failed ? error.message : error.stack}\n`);
    return result(test, false, began, error.output);
  }
}

async function command({ name, command: [program, ...args] }, env, progress) {
  const log = name.replace(/[^a-z0-9]+/gi, "-").replace(/-$/, "");
  const { code, output } = await attempt(program, args, { env, log, onLine: compiling(progress) });
  if (code !== 0) throw new Failed([program, ...args].join(" "), code, output, logPath(log));
  return output;
}

function result({ name, counts }, ok, began, output) {
  const [passed, failed, skipped] = (typeof output === "string" && counts?.(output)) || [0, 0, 0];
  const counted = passed + failed > 0;
  const remarks = typeof output === "string" ? output.match(REMARKS) ?? [] : [];
  return { name, ok, ms: Date.now() - began, passed: counted ? passed : Number(ok), failed: ok ? failed : Math.max(failed, 1), skipped, remarks };
}

function summary(results, ms) {
  const width = Math.max(...results.map(({ name }) => name.length));
  say(`\n${bold("Summary")} ${dim(`(${duration(ms)}; logs in ${LOGS})`)}`);
  for (const { name, ok, ms: took, passed, failed, skipped, remarks } of results) {
    const counts = passed + failed > 1 ? `${passed} passed${failed ? `, ${failed} failed` : ""}` : "";
    say(`  ${ok ? green("✓") : red("✗")} ${name.padEnd(width)}  ${duration(took).padStart(12)}  ${counts}${skipped ? yellow(`  ${skipped} skipped`) : ""}`);
    for (const remark of remarks) say(`      ${dim(remark)}`);
  }
  const [passed, failed] = sum(results.map((entry) => [entry.passed, entry.failed]));
  if (failed > 0) process.exitCode = 1;
  say(`\n${passed} passed, ${failed} failed`);
}

async function interop() {
  await needInterop();
}

async function clients() {
  return { BEHEST_PYTHON: await needPython(), BEHEST_CHROMIUM: await needChromium() };
}

function hasTests(folder) {
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    if (entry.isDirectory()) return entry.name !== "node_modules" && entry.name !== "dist" && hasTests(join(folder, entry.name));
    return /\.test\.tsx?$/.test(entry.name);
  });
}

function sum(rows) {
  return rows.reduce((total, row) => row.map((value, index) => (total[index] ?? 0) + value), [0, 0, 0]);
}
