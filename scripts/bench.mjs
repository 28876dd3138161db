// `npm run bench`, `npm run bench:budgets`, `npm run bench:verify`, `npm run cost`: a fresh build, then the bench's run.mjs with whatever arguments were given, on the
// pinned node.
// Always holds: what is measured is what `npm run build` makes of the sources as they are now.
// Absent: the measuring itself.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { at, BIN, ROOT, toolEnv } from "./project.mjs";
import { setup } from "./setup.mjs";
import { main } from "./terminal.mjs";

const OTHERS = ["budgets", "cost", "verify"];
const given = process.argv.slice(2);
const folder = OTHERS.includes(given[0]) ? [given.shift()] : [];

await main(async () => {
  await setup();
  await build();
  const { status } = spawnSync(join(BIN, "node"), [at("tests", "bench", ...folder, "run.mjs"), ...given], { cwd: ROOT, env: toolEnv(), stdio: "inherit" });
  process.exitCode = status ?? 1;
});
