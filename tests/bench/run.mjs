// `npm run bench`: what the gateway costs over a pass-through Worker that does the least possible, in one run on one machine.
// Always holds: it is over within four minutes or fails; it fails on wrong answers, never on numbers; every process it starts is ended by
// its own handle. `--disk` keeps the objects' SQLite on disk instead of in memory.
// Absent: building (scripts/bench.mjs does that first).
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { at } from "../../scripts/project.mjs";
import { duration, main, Problem, say, step } from "../../scripts/terminal.mjs";
import { admissions } from "./admissions.mjs";
import { coldStart } from "./cold.mjs";
import { Clients } from "./load.mjs";
import { costs, cpuPerEvent, cpuPerRequest, firstByte, METHOD, rate, warmUp } from "./measure.mjs";
import { markdown } from "./report.mjs";
import { inDialects, startAll, stopAll } from "./subjects.mjs";
import { storage } from "./workerd.mjs";

const WHOLE_MS = 240_000;
const WASM = at("build", "index_bg.wasm");
const OUTPUT = at("tests", "output", "bench.json");

// Ends by way of `exit`, where workerd.mjs ends what is left.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

await main(async () => {
  if (!existsSync(WASM)) throw new Problem("There is no build. Run: npm run build");
  const late = setTimeout(() => {
    process.stderr.write(`The bench is not over after ${duration(WHOLE_MS)}: the machine is too busy, or something hangs.\n`);
    process.exit(1);
  }, WHOLE_MS);
  const upstream = spawn(process.execPath, [at("tests", "bench", "upstream.mjs")], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const results = await bench(await portOf(upstream));
    mkdirSync(at("tests", "output"), { recursive: true });
    writeFileSync(OUTPUT, `${JSON.stringify(results, null, 1)}\n`);
    say(`\n${markdown(results)}\n`);
  } finally {
    upstream.kill();
    clearTimeout(late);
  }
});

async function bench(port) {
  const wasm = readFileSync(WASM);
  const results = {
    at: new Date().toISOString(),
    machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}, workerd of wrangler ${JSON.parse(readFileSync(at("node_modules", "wrangler", "package.json"), "utf8")).version}`,
    method: METHOD,
    storage: storage() === tmpdir() ? "files" : "memory",
    wasm: { bytes: wasm.length, gzipped: gzipSync(wasm, { level: 9 }).length },
  };
  const subjects = await step("start three workerd", () => startAll(`http://127.0.0.1:${port}/v1`));
  try {
    for (const subject of subjects) subject.clients = new Clients(subject.workerd.port);
    const all = [...subjects, ...inDialects(subjects.at(-1))];
    await step("warm up", () => warmUp(all));
    results.cpu = await step("CPU per request", () => cpuPerRequest(all));
    results.events = await step("CPU per streamed event", () => cpuPerEvent(all));
    results.firstByte = await step("time to first byte", () => firstByte(subjects));
    results.rate = await step("requests per second", () => rate(subjects));
    results.costs = await step("object calls, rows, KV reads", () => costs(subjects.at(-1)));
  } finally {
    for (const subject of subjects) subject.clients?.close();
    await stopAll(subjects);
  }
  results.admissions = await step("admissions of one object", () => admissions(`http://127.0.0.1:${port}/v1`));
  results.cold = await step("cold start", coldStart);
  return results;
}

function portOf(upstream) {
  return new Promise((resolve, reject) => {
    upstream.stdout.once("data", (bytes) => resolve(Number(bytes)));
    upstream.once("error", reject).once("exit", (code) => reject(new Error(`the fake provider ended with ${code}`)));
  });
}
