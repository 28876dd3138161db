// `npm run bench`: a fresh build, then tests/bench/run.mjs with whatever arguments were given, on the pinned node.
// Always holds: what is measured is what `npm run build` makes of the sources as they are now.
// Absent: the measuring itself.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { at, BIN, ROOT, toolEnv } from "./project.mjs";
import { setup } from "./setup.mjs";
import { main } from "./terminal.mjs";

await main(async () => {
  await setup();
  await build();
  const { status } = spawnSync(join(BIN, "node"), [at("tests", "bench", "run.mjs"), ...process.argv.slice(2)], { cwd: ROOT, env: toolEnv(), stdio: "inherit" });
  process.exitCode = status ?? 1;
});
