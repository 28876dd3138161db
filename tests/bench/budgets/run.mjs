// `npm run bench:budgets`: the same bursts against Behest and against LiteLLM's proxy, what each served and how far each went beyond its limit.
// Always holds: it is over within ten minutes or fails; it fails on what did not run, never on numbers; every process it starts is ended by
// its own handle.
// Absent: speed. Who is faster is no question here, and the machine is shared.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { at } from "../../../scripts/project.mjs";
import { duration, main, say, step, warn } from "../../../scripts/terminal.mjs";
import { Provider } from "../provider.mjs";
import * as behest from "./behest.mjs";
import { accountsOf, BURSTS, measure } from "./bursts.mjs";
import * as litellm from "./litellm.mjs";
import * as redis from "./redis.mjs";
import { markdown } from "./report.mjs";

const WHOLE_MS = 600_000;

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

await main(async () => {
  const python = await litellm.needLiteLLM();
  const strict = await redis.need();
  if (!strict) warn("There is no redis-server on this machine, and no Debian archive to take one from: LiteLLM's strict mode is not run.");
  const late = setTimeout(() => {
    process.stderr.write(`The bench is not over after ${duration(WHOLE_MS)}: the machine is too busy, or something hangs.\n`);
    process.exit(1);
  }, WHOLE_MS);
  const provider = await Provider.start();
  const subjects = [];
  try {
    const title = `LiteLLM ${litellm.VERSION}`;
    await begin(subjects, provider, behest.start, { key: "behest", title: "Behest" });
    await begin(subjects, provider, litellm.start, { key: "litellm", title, python });
    if (strict) await begin(subjects, provider, litellm.start, { key: "strict", title: `${title}, strict, Redis ${strict.version}`, python, strict });
    const results = { at: new Date().toISOString(), machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, ${new Date().toISOString().slice(0, 10)}`, subjects: subjects.map((one) => ({ title: one.title })), bursts: await bench(subjects, provider) };
    mkdirSync(at("tests", "output"), { recursive: true });
    writeFileSync(at("tests", "output", "budgets.json"), `${JSON.stringify(results, null, 1)}\n`);
    say(`\n${markdown(results)}\n`);
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()));
    await provider.close();
    clearTimeout(late);
  }
});

async function begin(subjects, provider, start, options) {
  const urls = Object.fromEntries(accountsOf(options.key).map((account) => [account, provider.url(account)]));
  subjects.push(await step(`start ${options.title}`, () => start({ ...options, urls })));
}

/** One burst after the other, one subject after the other; a burst that mostly waits runs against all at the same time. */
async function bench(subjects, provider) {
  const bursts = [];
  for (const burst of BURSTS) {
    const results = await step(burst.title, async () => {
      if (burst.slow) return Promise.all(subjects.map((subject) => measure(subject, provider, burst)));
      const each = [];
      for (const subject of subjects) each.push(await measure(subject, provider, burst));
      return each;
    }, burst.slow && "a minute");
    bursts.push({ burst, results });
  }
  return bursts;
}
