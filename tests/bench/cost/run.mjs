// `npm run cost`: what requests cost on Cloudflare's price list, from what the built Worker does on workerd. `-- --write` puts the tables into
// docs/cost.md.
// Always holds: it is over within five minutes or fails; it fails on wrong answers, never on numbers; every process it starts is ended by its
// own handle.
// Absent: building (scripts/bench.mjs does that first), and the platform's own bill.
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { at } from "../../../scripts/project.mjs";
import { duration, main, say, step } from "../../../scripts/terminal.mjs";
import { Provider } from "../provider.mjs";
import { GATEWAY, Workerd } from "../workerd.mjs";
import { markdown } from "./report.mjs";
import { measureAll, measureTelling, TELL_SECONDS } from "./scenarios.mjs";

const WHOLE_MS = 300_000;
const DOCUMENT = at("docs", "cost.md");
const [BEGIN, END] = ["<!-- made by `npm run cost -- --write` -->", "<!-- end -->"];
const METERED = { ...GATEWAY, modules: { "metered.mjs": at("tests", "bench", "cost", "metered.mjs"), ...GATEWAY.modules } };
/** Longer than the bench: nothing is told to projects while something else is measured. */
const LATE_SECONDS = 3_600;

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

await main(async () => {
  const late = setTimeout(() => {
    process.stderr.write(`The bench is not over after ${duration(WHOLE_MS)}: the machine is too busy, or something hangs.\n`);
    process.exit(1);
  }, WHOLE_MS);
  const provider = await Provider.start();
  try {
    const results = [
      ...await step("count what requests use", (progress) => against(provider, LATE_SECONDS, measureAll, progress)),
      ...await step("count what telling the project uses", (progress) => against(provider, TELL_SECONDS, measureTelling, progress)),
    ];
    const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, workerd of wrangler ${JSON.parse(readFileSync(at("node_modules", "wrangler", "package.json"), "utf8")).version}`;
    mkdirSync(at("tests", "output"), { recursive: true });
    writeFileSync(at("tests", "output", "cost.json"), `${JSON.stringify({ at: new Date().toISOString(), machine, results }, null, 1)}\n`);
    show(markdown({ machine, results }));
  } finally {
    await provider.close();
    clearTimeout(late);
  }
});

async function against(provider, tellSeconds, measure, progress) {
  const admin = randomBytes(24).toString("hex");
  const workerd = await Workerd.start(METERED, {
    BEHEST_ADMIN_TOKEN: admin, BEHEST_MASTER_KEY: randomBytes(32).toString("base64"), IP_RPM: 0, ALLOW_PRIVATE_UPSTREAMS: 1, ROLL_UP_SECONDS: tellSeconds,
  });
  try {
    return await measure({ workerd, provider, admin, progress });
  } finally {
    await workerd.stop();
  }
}

function show(tables) {
  say(`\n${tables}\n`);
  if (!process.argv.includes("--write")) return;
  const [before, rest] = readFileSync(DOCUMENT, "utf8").split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`${DOCUMENT} has no place for the tables: ${BEGIN} … ${END}`);
  writeFileSync(DOCUMENT, `${before}${BEGIN}\n\n${tables}\n\n${END}${after}`);
}
